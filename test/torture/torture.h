/*
 * What the torture tests share: one upload of known bytes, looked at from
 * every side.  A failed check names the case that was running.
 */
#ifndef CU_TEST_TORTURE_H
#define CU_TEST_TORTURE_H

#include "engine/engine.h"
#include "store/fault.h"

#define TORTURE_BYTES 300000 /* more than one batch of the writer */
#define TORTURE_HALF 140000

/** The case that is running, for messages. */
extern char torture_case[256];

#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fail_msg("%s: %s", torture_case, #condition);                     \
        }                                                                     \
    } while (0)

/** The bytes of the upload, and their MD5 in hex. */
const char *torture_bytes(void);
const char *torture_md5(apr_off_t len);

/** Another engine over scratch.dir, as if this machine had booted as `boot`. */
void torture_engine(const char *dbm, cu_sync_t sync, const char *boot);

/** An empty store and an engine; syncs are not carried out from here on. */
void torture_begin(const char *dbm, cu_sync_t sync);

/** Everything is gone again, and no fault is armed. */
void torture_end(void);

/**
 * One chunk of the bytes, through a pool of its own.
 * @param id NULL: a new upload, whose id is then in reply (scratch.pool)
 */
cu_code_t torture_chunk(const char *id, apr_off_t offset, apr_size_t len,
                        cu_reply_t *reply);

cu_code_t torture_complete(const char *id, cu_reply_t *reply);
cu_code_t torture_query(const char *id, cu_reply_t *reply);
cu_code_t torture_cancel(const char *id, cu_reply_t *reply);

/** Problems that fsck sees, or with repair those that it cannot mend. */
apr_uint64_t torture_fsck(int repair);

/** The last problem that fsck told. */
extern char torture_problem[512];

/** Do the first `len` bytes at this path have the right values? */
int torture_shows(const char *path, apr_off_t len);

/**
 * Go on as a client does: ask, send the rest, complete; then the file is
 * right, and fsck has nothing to say.
 */
void torture_finish(const char *id);

/** The same from the beginning, with a new upload. */
void torture_anew(void);

#endif
