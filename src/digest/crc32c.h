/* CRC-32C; finds accidents, no forgeries.  Internal to the digest layer. */
#ifndef CU_DIGEST_CRC32C_H
#define CU_DIGEST_CRC32C_H

#include <apr.h>

/**
 * Add bytes to a running sum.
 * @param crc 0 to begin with, then the last result
 */
apr_uint32_t cu_crc32c(apr_uint32_t crc, const void *data, apr_size_t len);

#endif
