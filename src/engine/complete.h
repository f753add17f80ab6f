/*
 * Completion: verify, seal, publish.  What survives a crash at which point is
 * in docs/design.md 6.
 */
#ifndef CU_ENGINE_COMPLETE_H
#define CU_ENGINE_COMPLETE_H

#include "engine/engine.h"

/**
 * Complete an upload.  Repeating it gives the same answer and does nothing
 * twice.  The cost does not grow with the size as long as the running digest
 * is in the state; else the bytes are read once (reply->reread says how many).
 * @param ask   id, owner, scope, policy, digest_hex, digest_required, log
 * @param reply (out) facts
 * @return CU_OK; CU_UNAUTHENTICATED; CU_NOT_FOUND; CU_GONE (expired before it
 *         was finished); CU_INCOMPLETE (bytes missing, or no total known);
 *         CU_DIGEST_MISMATCH (nothing changed; also when an earlier
 *         completion recorded another digest); CU_BUSY; CU_DAMAGED;
 *         CU_NO_SPACE; CU_IO
 */
CU_MUST_CHECK cu_code_t cu_complete(const cu_engine_t *engine,
                                    const cu_ask_t *ask, cu_reply_t *reply,
                                    apr_pool_t *pool);

#endif
