/*
 * A temporary directory and an engine in it, a clock that stands still, and a
 * log that counts.  Included after cmocka.h by the tests of store and engine.
 */
#ifndef CU_TEST_SCRATCH_H
#define CU_TEST_SCRATCH_H

#include <apr_pools.h>

#include "engine/engine.h"

/* All of it belongs to the running test; made by setup, gone by teardown. */
typedef struct scratch_t {
    apr_pool_t *pool;
    char dir[64];
    cu_engine_t *engine;
    cu_policy_t policy;
    cu_log_t log;
    int log_lines;
    char last_line[1024];
} scratch_t;

extern scratch_t scratch;
extern apr_time_t scratch_now;

/** cmocka setup and teardown: directory, engine (dbm "mem", sync complete). */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/** cmocka group setup and teardown: APR. */
int scratch_group_setup(void **state);
int scratch_group_teardown(void **state);

/** Another engine over the same directory. */
void scratch_engine(const char *dbm, cu_sync_t sync);

/** An ask with everything at rest: anonymous, scope "test". */
void scratch_ask(cu_ask_t *ask, const char *id);

/** A whole chunk in one go; returns the outcome of the step that failed. */
cu_code_t scratch_append(const char *id, apr_off_t offset, const char *data,
                         apr_size_t len, apr_off_t length, cu_reply_t *reply);

/** How many files are below the directory whose name ends so? */
int scratch_files(const char *suffix);

/** Path of the one file whose name ends so. */
const char *scratch_file(const char *suffix);

/** Bytes of a file; *len gets their number. */
char *scratch_read(const char *path, apr_size_t *len);

/** Overwrite one byte of a file by its complement. */
void scratch_flip(const char *path, apr_off_t at);

#endif
