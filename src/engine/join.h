/*
 * One upload out of several: parts that were sent side by side, joined in the
 * order of a list.
 */
#ifndef CU_ENGINE_JOIN_H
#define CU_ENGINE_JOIN_H

#include "engine/engine.h"

#define CU_JOIN_MAX 1000 /* parts in a list */

/**
 * Make a finished upload of the bytes of finished parts.  The parts stay as
 * they are, and may be named again, also in the same list.  What fails leaves
 * nothing behind.
 * @param ask   owner, scope, dialect, policy, log, name, type, metadata, concat;
 *              all parts must be this owner's and scope's
 * @param ids   of the parts, in order
 * @param count 1 .. CU_JOIN_MAX
 * @param reply (out) facts of the new upload; on a refusal reply->id is unset
 * @return CU_OK; CU_UNAUTHENTICATED; CU_NOT_FOUND (a part); CU_BAD_ASK (one
 *         that is no part, or too many); CU_INCOMPLETE (a part is not
 *         finished); CU_TOO_LARGE; CU_BUSY; CU_DAMAGED; CU_NO_SPACE; CU_IO
 */
CU_MUST_CHECK cu_code_t cu_join(const cu_engine_t *engine, const cu_ask_t *ask,
                                const char *const *ids, int count,
                                cu_reply_t *reply, apr_pool_t *pool);

#endif
