/*
 * Bytes from one part to another without passing through us where the system
 * can: copy_file_range(2), which shares extents where the file system does.
 */
#ifndef CU_STORE_COPY_H
#define CU_STORE_COPY_H

#include <apr_errno.h>
#include <apr_pools.h>

#include "base/result.h"

/**
 * Copy the first len bytes of a file to a place in another.
 * @param copied (out) bytes, also on failure; fewer than len with APR_SUCCESS:
 *               the file is shorter
 * @param pool   for a buffer, where the system cannot copy by itself
 */
CU_MUST_CHECK apr_status_t cu_copy_range(int from, int to, apr_off_t to_offset,
                                         apr_off_t len, apr_off_t *copied,
                                         apr_pool_t *pool);

#endif
