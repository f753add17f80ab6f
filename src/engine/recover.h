/*
 * What a crash or a power loss left behind, put right by whoever opens the
 * upload next.  Internal to the engine layer.
 */
#ifndef CU_ENGINE_RECOVER_H
#define CU_ENGINE_RECOVER_H

#include "engine/open.h"

/** Must this upload be recovered before it is used? */
int cu_recover_needed(const cu_engine_t *engine, const cu_state_file_t *sf);

/**
 * Finish or undo.  Under the exclusive lock.
 *   CREATING            its creator died: undone -> CU_NOT_FOUND
 *   SEALING             verified and synced already: finished -> CU_OK
 *   SEALING, DONE, other boot, bytes not synced (Sync none): read again; if
 *                       they do not match, OPEN at the synced offset, or
 *                       DAMAGED when somebody may have seen it finished
 *                       -> CU_OK
 *   CANCELLED, EXPIRED  removal finished -> CU_NOT_FOUND, CU_GONE
 *   OPEN, other boot, bytes not synced: what the digest state stands for is
 *                       read again; if it does not match (or there is none),
 *                       the offset falls back to the synced one -> CU_OK
 * @return as above; CU_DAMAGED (the part is shorter than what was synced);
 *         CU_NO_SPACE; CU_IO
 */
CU_MUST_CHECK cu_code_t cu_recover(const cu_engine_t *engine,
                                   cu_state_file_t *sf, const cu_log_t *log,
                                   cu_reply_t *reply, apr_pool_t *scratch);

/**
 * A sync of the part failed.  The kernel tells that once and then calls the
 * pages clean, so no later sync can vouch for them: what had not been synced
 * before does not count any more.  Under the exclusive lock; every writer is
 * fenced.
 */
CU_MUST_CHECK apr_status_t cu_recover_distrust(cu_state_file_t *sf,
                                               const cu_log_t *log,
                                               apr_pool_t *scratch);

/**
 * Hash a part from its beginning.
 * @param len    bytes
 * @param digest (out) running digest over exactly len bytes
 * @return APR_SUCCESS; APR_EOF (the part is shorter); a status of the disk
 */
CU_MUST_CHECK apr_status_t cu_recover_hash(int fd, apr_off_t len,
                                           cu_digest_alg_t alg,
                                           cu_digest_t **digest,
                                           apr_pool_t *pool);

#endif
