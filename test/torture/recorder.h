/*
 * What a store did to its disk, and what a power loss may leave of it.
 *
 * Recorded are the writes, truncations, syncs and changes of names below one
 * directory.  A cut after any number of them keeps what was synced; of the
 * rest each write is there, or not, or in some of its sectors, or as zeros of
 * the right length, and each change of a name is there or not, in any
 * combination.  A sync that failed makes nothing safe, nor does a later one
 * what was written before it.
 */
#ifndef CU_TEST_RECORDER_H
#define CU_TEST_RECORDER_H

/* What became of the things that had not been synced. */
typedef enum cut_style_t {
    CUT_LOSES,  /* all of it is gone */
    CUT_KEEPS,  /* all of it is there */
    CUT_ZEROES, /* names are there, sizes are right, new bytes are zeros */
    CUT_MIXES,  /* each as it falls */
    CUT_STYLES
} cut_style_t;

/** Forget everything and record what happens below `dir` (which is taken as
 * it is, with its directories, as safe). */
void recorder_begin(const char *dir);
void recorder_end(void);

/* A call that fails so was not made: its process is dead. */
#define RECORDER_DEAD EOWNERDEAD

/** How many things have happened. */
int recorder_count(void);

/** A random number, 0 .. below - 1; the seed decides all that follow. */
unsigned int recorder_random(unsigned int below);
void recorder_seed(unsigned int seed);

/** Empty the directory and put there what a cut after `count` leaves. */
void recorder_cut(int count, cut_style_t style);

#endif
