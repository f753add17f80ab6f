/*
 * Running digests whose state can be saved and taken up by another process.
 * The only directory that knows OpenSSL.  design.md 7.
 *
 * OpenSSL has no EVP state export before 4.0, so the low-level contexts are
 * used and written field by field, in explicit byte order: a saved state is
 * the same on every machine and with every library.
 */
#ifndef CU_DIGEST_DIGEST_H
#define CU_DIGEST_DIGEST_H

#include <apr_errno.h>
#include <apr_pools.h>

#include "base/result.h"

/* The numbers are on disk: never renumber. */
typedef enum cu_digest_alg_t {
    CU_DIGEST_NONE = 0,
    CU_DIGEST_MD5 = 1,
    CU_DIGEST_SHA1 = 2,
    CU_DIGEST_SHA256 = 3,
    CU_DIGEST_SHA512 = 4,
    CU_DIGEST_CRC32C = 5, /* raw form: four bytes, the high one first */
    CU_DIGEST_ALG_COUNT
} cu_digest_alg_t;

#define CU_DIGEST_SIZE_MAX 64                          /* raw bytes */
#define CU_DIGEST_HEX_MAX (2 * CU_DIGEST_SIZE_MAX + 1) /* with terminator */
#define CU_DIGEST_STATE_MAX 256                        /* saved state, bytes */

typedef struct cu_digest_t cu_digest_t;

/** Size of the raw digest in bytes; 0 for CU_DIGEST_NONE and unknown values. */
apr_size_t cu_digest_size(cu_digest_alg_t alg);

/** Lower-case name ("md5"); "none" for CU_DIGEST_NONE, "?" for others. */
const char *cu_digest_name(cu_digest_alg_t alg);

/**
 * The algorithm of a name, in any case of its letters.
 * @param name need not be terminated
 * @return CU_DIGEST_NONE when there is none of this name
 */
cu_digest_alg_t cu_digest_of_name(const char *name, apr_size_t len);

/** Raw bytes to lower-case hex. @param hex 2 * len + 1 bytes */
void cu_digest_to_hex(const unsigned char *raw, apr_size_t len, char *hex);

/**
 * Start a digest.
 * @param pool owns it; no cleanup is needed
 * @return APR_SUCCESS, APR_ENOTIMPL for an algorithm that is not one
 */
CU_MUST_CHECK apr_status_t cu_digest_begin(cu_digest_t **digest,
                                           cu_digest_alg_t alg,
                                           apr_pool_t *pool);

/** Add bytes.  digest may be NULL: nothing happens. */
void cu_digest_update(cu_digest_t *digest, const void *data, apr_size_t len);

/**
 * The digest of what was added so far; the running digest goes on unharmed.
 * @param hex CU_DIGEST_HEX_MAX bytes; lower-case hex, terminated
 */
void cu_digest_hex(const cu_digest_t *digest, char *hex);

/** An independent copy of the running state. */
cu_digest_t *cu_digest_copy(const cu_digest_t *digest, apr_pool_t *pool);

/**
 * Write the running state.
 * @param out CU_DIGEST_STATE_MAX bytes
 * @return bytes written; 0 for an algorithm whose state cannot be saved (all
 *         but MD5): its bytes must be reread
 */
apr_size_t cu_digest_save(const cu_digest_t *digest, unsigned char *out);

/**
 * Take up a saved state.  The bytes are untrusted.
 * @param covered (out) bytes the state stands for
 * @return APR_SUCCESS; APR_EINVAL when the state is not one of this algorithm
 *         and version, then *digest is unset and the bytes must be reread
 */
CU_MUST_CHECK apr_status_t cu_digest_load(cu_digest_t **digest,
                                          cu_digest_alg_t alg,
                                          const unsigned char *state,
                                          apr_size_t len, apr_off_t *covered,
                                          apr_pool_t *pool);

/**
 * Are these the same digest in hex?  Case is ignored; the time does not
 * depend on where they differ.
 * @param a,b terminated; NULL equals nothing
 */
int cu_digest_hex_equal(const char *a, const char *b);

/**
 * SHA-256 of a text in one go (long owner names are stored as this).
 * @param hex 65 bytes; lower-case hex, terminated
 * @return APR_SUCCESS, APR_EGENERAL when libcrypto refuses
 */
CU_MUST_CHECK apr_status_t cu_digest_sha256_hex(const void *data,
                                                apr_size_t len, char *hex);

#endif
