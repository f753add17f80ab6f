/*
 * The upload's truth: <state_dir>/state/<2 hex>/<id>.state.
 *
 * A header written once, then two slots written in turn by one pwrite each;
 * the valid slot with the higher sequence counts.  The file is also the
 * upload's lock: flock on a descriptor opened for this request, so that
 * threads, processes and the tool exclude one another and a dead process
 * lets go at once.  Readers take the shared lock (without it torn slots were
 * measured).
 */
#ifndef CU_STORE_STATE_FILE_H
#define CU_STORE_STATE_FILE_H

#include <apr_pools.h>

#include "store/record.h"

/* How long a request waits for somebody else's lock, microseconds.  Locks are
 * held for a batch, never for a client. */
#define CU_LOCK_TIMEOUT (10 * APR_USEC_PER_SEC)

typedef struct cu_state_file_t {
    cu_header_t header;
    cu_slot_t slot;       /* as last read or written under the lock */
    int fd;               /* this request's own descriptor */
    int locked;
    int sync;             /* sync after every slot */
    apr_off_t slots_at;   /* offset of slot A in bytes */
    const char *dir;      /* directory of the file */
    apr_pool_t *pool;     /* owns all; its cleanup unlocks and closes */
} cu_state_file_t;

/**
 * Make a state file, whole and under its name at once (written aside and
 * renamed), and keep it locked exclusively.
 * @param sf    (out) NULL unless APR_SUCCESS
 * @param first the first slot; sequence is set here
 * @param sync  sync the file and its name now, and later slots
 * @return APR_SUCCESS; APR_EINVAL (texts too long); a status of the disk
 */
CU_MUST_CHECK apr_status_t cu_state_create(cu_state_file_t **sf,
                                           const char *state_dir,
                                           const cu_header_t *header,
                                           const cu_slot_t *first, int sync,
                                           apr_pool_t *pool);

/**
 * Open a state file and read its header.  The slot is read by cu_state_lock().
 * @param id a valid id
 * @return APR_SUCCESS; APR_ENOENT; APR_EINVAL (damaged header); APR_ENOTIMPL
 *         (a later version's); a status of the disk
 */
CU_MUST_CHECK apr_status_t cu_state_open(cu_state_file_t **sf,
                                         const char *state_dir, const char *id,
                                         int sync, apr_pool_t *pool);

/**
 * Lock and read the newest slot.
 * @param exclusive 0 for readers
 * @param timeout   microseconds; CU_LOCK_TIMEOUT for requests
 * @return APR_SUCCESS; APR_EBUSY; APR_ENOENT (removed meanwhile); APR_EINVAL
 *         (no valid slot: damaged); a status of the disk.  Locked only on
 *         APR_SUCCESS and APR_EINVAL.
 */
CU_MUST_CHECK apr_status_t cu_state_lock(cu_state_file_t *sf, int exclusive,
                                         apr_interval_time_t timeout);

/** Let go; harmless when not locked. */
void cu_state_unlock(cu_state_file_t *sf);

/**
 * Write sf->slot as the newest: raises its sequence.  Under the exclusive
 * lock only.
 */
CU_MUST_CHECK apr_status_t cu_state_write(cu_state_file_t *sf);

/**
 * Sync the file.  When that fails the kernel calls its pages clean and would
 * never write them again, so all of it is written once more, for the next
 * sync to find.  Under a lock.
 */
CU_MUST_CHECK apr_status_t cu_state_sync(cu_state_file_t *sf);

/** Sync the file's name: its directory, and that one's. */
CU_MUST_CHECK apr_status_t cu_state_sync_name(const cu_state_file_t *sf);

/** Remove the file's name.  Under the exclusive lock; the lock stays. */
CU_MUST_CHECK apr_status_t cu_state_remove(cu_state_file_t *sf);

/** Unlock and close; harmless when repeated and with NULL. */
void cu_state_close(cu_state_file_t *sf);

/**
 * Walk the ids that have a state file.
 * @param first  first two hex digits as a number 0 .. 255 to begin with
 * @param last   the last such number, inclusive
 * @param visit  called with each id, or with a name that is no state file
 *               (id NULL); non-success stops the walk and is returned
 * @param pool   a child is cleared per directory
 */
CU_MUST_CHECK apr_status_t cu_state_each(
    const char *state_dir, int first, int last,
    apr_status_t (*visit)(void *baton, const char *id, const char *name,
                          apr_pool_t *scratch),
    void *baton, apr_pool_t *pool);

/** Is this the name of a state file that has not got its name yet? */
int cu_state_is_aside(const char *name);

/** Where a state file is, for messages. */
const char *cu_state_path(const char *state_dir, const char *id,
                          apr_pool_t *pool);

#endif
