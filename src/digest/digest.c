/*
 * Running digests on libcrypto's low-level contexts.
 *
 * Those contexts are deprecated in OpenSSL 3 but exported, and the only ones
 * whose running state can be saved before 4.0.  The saved form is ours:
 *
 *   u8 version = 1, u8 algorithm, u64 bytes so far, then for MD5
 *   u32 A, B, C, D, and the (bytes % 64) bytes not yet compressed;
 *   all numbers big-endian.
 *
 * Nothing outside this directory may include OpenSSL.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "digest/digest.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "base/bytes.h"
#include "digest/crc32c.h"

#define STATE_VERSION 1
#define STATE_FIXED 10 /* version, algorithm, count */
#define MD5_BLOCK 64

struct cu_digest_t {
    cu_digest_alg_t alg;
    apr_uint64_t count; /* bytes added */
    union {
        MD5_CTX md5;
        SHA_CTX sha1;
        SHA256_CTX sha256;
        SHA512_CTX sha512;
        apr_uint32_t crc32c;
    } is;
};

typedef struct algorithm_t {
    const char *name;
    apr_size_t size; /* of the raw digest, bytes */
} algorithm_t;

static const algorithm_t algorithms[CU_DIGEST_ALG_COUNT] = {
    [CU_DIGEST_NONE] = { "none", 0 },
    [CU_DIGEST_MD5] = { "md5", MD5_DIGEST_LENGTH },
    [CU_DIGEST_SHA1] = { "sha1", SHA_DIGEST_LENGTH },
    [CU_DIGEST_SHA256] = { "sha256", SHA256_DIGEST_LENGTH },
    [CU_DIGEST_SHA512] = { "sha512", SHA512_DIGEST_LENGTH },
    [CU_DIGEST_CRC32C] = { "crc32c", 4 },
};

apr_size_t cu_digest_size(cu_digest_alg_t alg)
{
    return (unsigned)alg < CU_DIGEST_ALG_COUNT ? algorithms[alg].size : 0;
}

const char *cu_digest_name(cu_digest_alg_t alg)
{
    return (unsigned)alg < CU_DIGEST_ALG_COUNT ? algorithms[alg].name : "?";
}

cu_digest_alg_t cu_digest_of_name(const char *name, apr_size_t len)
{
    int i;

    for (i = CU_DIGEST_NONE + 1; i < CU_DIGEST_ALG_COUNT; ++i) {
        if (strlen(algorithms[i].name) == len
            && apr_cstr_casecmpn(algorithms[i].name, name, len) == 0) {
            return (cu_digest_alg_t)i;
        }
    }
    return CU_DIGEST_NONE;
}

static int init(cu_digest_t *d)
{
    switch (d->alg) {
    case CU_DIGEST_MD5:
        return MD5_Init(&d->is.md5);
    case CU_DIGEST_SHA1:
        return SHA1_Init(&d->is.sha1);
    case CU_DIGEST_SHA256:
        return SHA256_Init(&d->is.sha256);
    case CU_DIGEST_SHA512:
        return SHA512_Init(&d->is.sha512);
    default:
        return 1; /* CRC-32C begins with the zero of a new struct */
    }
}

apr_status_t cu_digest_begin(cu_digest_t **digest, cu_digest_alg_t alg,
                             apr_pool_t *pool)
{
    cu_digest_t *d;

    *digest = NULL;
    if (cu_digest_size(alg) == 0) {
        return APR_ENOTIMPL;
    }
    d = apr_pcalloc(pool, sizeof(*d));
    d->alg = alg;
    if (!init(d)) {
        return APR_EGENERAL;
    }
    *digest = d;
    return APR_SUCCESS;
}

void cu_digest_update(cu_digest_t *digest, const void *data, apr_size_t len)
{
    if (!digest || !len) {
        return;
    }
    switch (digest->alg) {
    case CU_DIGEST_MD5:
        (void)MD5_Update(&digest->is.md5, data, len);
        break;
    case CU_DIGEST_SHA1:
        (void)SHA1_Update(&digest->is.sha1, data, len);
        break;
    case CU_DIGEST_SHA256:
        (void)SHA256_Update(&digest->is.sha256, data, len);
        break;
    case CU_DIGEST_SHA512:
        (void)SHA512_Update(&digest->is.sha512, data, len);
        break;
    default:
        digest->is.crc32c = cu_crc32c(digest->is.crc32c, data, len);
        break;
    }
    digest->count += len;
}

void cu_digest_to_hex(const unsigned char *raw, apr_size_t len, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    apr_size_t i;

    for (i = 0; i < len; ++i) {
        hex[2 * i] = digits[raw[i] >> 4];
        hex[2 * i + 1] = digits[raw[i] & 15];
    }
    hex[2 * len] = '\0';
}

void cu_digest_hex(const cu_digest_t *digest, char *hex)
{
    unsigned char raw[CU_DIGEST_SIZE_MAX];
    cu_digest_t last = *digest;

    switch (last.alg) {
    case CU_DIGEST_MD5:
        (void)MD5_Final(raw, &last.is.md5);
        break;
    case CU_DIGEST_SHA1:
        (void)SHA1_Final(raw, &last.is.sha1);
        break;
    case CU_DIGEST_SHA256:
        (void)SHA256_Final(raw, &last.is.sha256);
        break;
    case CU_DIGEST_SHA512:
        (void)SHA512_Final(raw, &last.is.sha512);
        break;
    default:
        (void)cu_put_u32(raw, last.is.crc32c);
        break;
    }
    cu_digest_to_hex(raw, cu_digest_size(last.alg), hex);
}

cu_digest_t *cu_digest_copy(const cu_digest_t *digest, apr_pool_t *pool)
{
    return apr_pmemdup(pool, digest, sizeof(*digest));
}

apr_size_t cu_digest_save(const cu_digest_t *digest, unsigned char *out)
{
    unsigned char *p = out;
    apr_size_t rest = (apr_size_t)(digest->count % MD5_BLOCK);

    if (digest->alg != CU_DIGEST_MD5) {
        return 0;
    }
    *p++ = STATE_VERSION;
    *p++ = (unsigned char)digest->alg;
    p = cu_put_u64(p, digest->count);
    p = cu_put_u32(p, digest->is.md5.A);
    p = cu_put_u32(p, digest->is.md5.B);
    p = cu_put_u32(p, digest->is.md5.C);
    p = cu_put_u32(p, digest->is.md5.D);
    memcpy(p, digest->is.md5.data, rest);
    return (apr_size_t)(p - out) + rest;
}

apr_status_t cu_digest_load(cu_digest_t **digest, cu_digest_alg_t alg,
                            const unsigned char *state, apr_size_t len,
                            apr_off_t *covered, apr_pool_t *pool)
{
    cu_digest_t *d;
    apr_uint64_t count;
    apr_size_t rest;
    const unsigned char *p = state + STATE_FIXED;
    apr_status_t rv;

    *digest = NULL;
    if (alg != CU_DIGEST_MD5 || len < STATE_FIXED + 16 || state[0] != STATE_VERSION
        || state[1] != (unsigned char)alg) {
        return APR_EINVAL;
    }
    count = cu_get_u64(state + 2);
    rest = (apr_size_t)(count % MD5_BLOCK);
    if (count > (apr_uint64_t)APR_INT64_MAX
        || len != STATE_FIXED + 16 + rest) {
        return APR_EINVAL;
    }
    rv = cu_digest_begin(&d, alg, pool);
    if (rv != APR_SUCCESS) {
        return APR_EINVAL;
    }
    d->count = count;
    d->is.md5.A = cu_get_u32(p);
    d->is.md5.B = cu_get_u32(p + 4);
    d->is.md5.C = cu_get_u32(p + 8);
    d->is.md5.D = cu_get_u32(p + 12);
    /* libcrypto counts bits in two words, the low one first */
    d->is.md5.Nl = (MD5_LONG)((count << 3) & 0xffffffffU);
    d->is.md5.Nh = (MD5_LONG)((count >> 29) & 0xffffffffU);
    d->is.md5.num = (unsigned int)rest;
    memcpy(d->is.md5.data, p + 16, rest);
    *covered = (apr_off_t)count;
    *digest = d;
    return APR_SUCCESS;
}

int cu_digest_hex_equal(const char *a, const char *b)
{
    unsigned int differ = 0;
    apr_size_t len, i;

    if (!a || !b) {
        return 0;
    }
    len = strlen(a);
    if (len != strlen(b)) {
        return 0;
    }
    for (i = 0; i < len; ++i) {
        unsigned int ca = (unsigned char)a[i], cb = (unsigned char)b[i];

        /* hex letters only differ from their other case by this bit */
        ca |= (unsigned int)(ca >= 'A' && ca <= 'F') << 5;
        cb |= (unsigned int)(cb >= 'A' && cb <= 'F') << 5;
        differ |= ca ^ cb;
    }
    return differ == 0;
}

apr_status_t cu_digest_sha256_hex(const void *data, apr_size_t len, char *hex)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int size = 0;

    if (!EVP_Digest(data, len, raw, &size, EVP_sha256(), NULL)) {
        return APR_EGENERAL;
    }
    cu_digest_to_hex(raw, size, hex);
    return APR_SUCCESS;
}
