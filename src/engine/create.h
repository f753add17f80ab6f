/*
 * A new upload on disk.  Internal to the engine layer.
 */
#ifndef CU_ENGINE_CREATE_H
#define CU_ENGINE_CREATE_H

#include "engine/open.h"

/**
 * Make an upload: state (CREATING), part, slot OPEN, catalogue.  The caller
 * has validated the ask: what is refused must leave nothing.
 * @param sf      (out) unlocked, slot OPEN with generation 1 and the writer
 *                flag set: the caller is its first writer
 * @param part_fd (out) open for reading and writing; the caller closes it
 * @return CU_OK; CU_NO_SPACE, CU_IO, CU_BUG with nothing left behind
 */
CU_MUST_CHECK cu_code_t cu_create(const cu_engine_t *engine,
                                  const cu_ask_t *ask, cu_state_file_t **sf,
                                  int *part_fd, cu_reply_t *reply,
                                  apr_pool_t *pool);

#endif
