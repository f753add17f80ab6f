/*
 * Running digests: against libcrypto's one-shot, saved and taken up at every
 * length around the block size, and with every byte of a saved state changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <openssl/evp.h>

#include "digest/digest.h"

static apr_pool_t *pool;

static int setup(void **state)
{
    (void)state;
    return apr_initialize() != APR_SUCCESS
           || apr_pool_create(&pool, NULL) != APR_SUCCESS;
}

static int teardown(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    apr_terminate();
    return 0;
}

static void one_shot(const void *data, size_t len, char *hex)
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int n, i;

    assert_true(EVP_Digest(data, len, raw, &n, EVP_md5(), NULL));
    for (i = 0; i < n; ++i) {
        static const char digits[] = "0123456789abcdef";

        hex[2 * i] = digits[raw[i] >> 4];
        hex[2 * i + 1] = digits[raw[i] & 15];
    }
    hex[2 * n] = '\0';
}

static void test_known_values(void **state)
{
    char hex[CU_DIGEST_HEX_MAX];
    cu_digest_t *d;

    (void)state;
    assert_int_equal(cu_digest_begin(&d, CU_DIGEST_MD5, pool), APR_SUCCESS);
    cu_digest_hex(d, hex);
    assert_string_equal(hex, "d41d8cd98f00b204e9800998ecf8427e");
    cu_digest_update(d, "abc", 3);
    cu_digest_hex(d, hex);
    assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
    /* looking at it does not end it */
    cu_digest_update(d, "d", 1);
    cu_digest_hex(d, hex);
    assert_string_equal(hex, "e2fc714c4727ee9395f324cd2e7f331f");
    assert_int_equal(cu_digest_begin(&d, CU_DIGEST_NONE, pool), APR_ENOTIMPL);
    assert_null(d);
}

static void test_saved_at_every_length(void **state)
{
    unsigned char data[300], saved[CU_DIGEST_STATE_MAX];
    char want[CU_DIGEST_HEX_MAX], hex[CU_DIGEST_HEX_MAX];
    size_t i, cut;

    (void)state;
    for (i = 0; i < sizeof(data); ++i) {
        data[i] = (unsigned char)(i * 7 + 3);
    }
    one_shot(data, sizeof(data), want);
    for (cut = 0; cut <= sizeof(data); ++cut) {
        cu_digest_t *d;
        apr_off_t covered = -1;
        apr_size_t len;

        assert_int_equal(cu_digest_begin(&d, CU_DIGEST_MD5, pool),
                         APR_SUCCESS);
        cu_digest_update(d, data, cut);
        len = cu_digest_save(d, saved);
        assert_true(len <= CU_DIGEST_STATE_MAX);
        assert_int_equal(cu_digest_load(&d, CU_DIGEST_MD5, saved, len,
                                        &covered, pool),
                         APR_SUCCESS);
        assert_int_equal(covered, cut);
        cu_digest_update(d, data + cut, sizeof(data) - cut);
        cu_digest_hex(d, hex);
        assert_string_equal(hex, want);
        /* a wrong length is refused */
        assert_int_equal(cu_digest_load(&d, CU_DIGEST_MD5, saved, len - 1,
                                        &covered, pool),
                         APR_EINVAL);
        assert_null(d);
        assert_int_equal(cu_digest_load(&d, CU_DIGEST_NONE, saved, len,
                                        &covered, pool),
                         APR_EINVAL);
    }
}

/* The count passes 2^32 bits and 2^32 bytes: both words of libcrypto's
 * counter matter then. */
static void test_saved_beyond_four_gib(void **state)
{
    static unsigned char block[1024 * 1024];
    unsigned char saved[CU_DIGEST_STATE_MAX];
    char straight[CU_DIGEST_HEX_MAX], resumed[CU_DIGEST_HEX_MAX];
    cu_digest_t *d, *again;
    apr_off_t covered;
    apr_size_t len;
    int i;

    (void)state;
    assert_int_equal(cu_digest_begin(&d, CU_DIGEST_MD5, pool), APR_SUCCESS);
    for (i = 0; i < 4097; ++i) {
        cu_digest_update(d, block, sizeof(block));
    }
    cu_digest_update(d, "x", 1);
    len = cu_digest_save(d, saved);
    assert_int_equal(
        cu_digest_load(&again, CU_DIGEST_MD5, saved, len, &covered, pool),
        APR_SUCCESS);
    assert_true(covered == (apr_off_t)4097 * 1024 * 1024 + 1);
    cu_digest_update(d, "tail", 4);
    cu_digest_update(again, "tail", 4);
    cu_digest_hex(d, straight);
    cu_digest_hex(again, resumed);
    assert_string_equal(straight, resumed);
}

static void test_copy_is_independent(void **state)
{
    char a[CU_DIGEST_HEX_MAX], b[CU_DIGEST_HEX_MAX];
    cu_digest_t *d, *copy;

    (void)state;
    assert_int_equal(cu_digest_begin(&d, CU_DIGEST_MD5, pool), APR_SUCCESS);
    cu_digest_update(d, "one", 3);
    copy = cu_digest_copy(d, pool);
    cu_digest_update(d, "two", 3);
    cu_digest_hex(copy, a);
    one_shot("one", 3, b);
    assert_string_equal(a, b);
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(cu_digest_hex_equal("0aF9", "0Af9"));
    assert_false(cu_digest_hex_equal("0af9", "0af8"));
    assert_false(cu_digest_hex_equal("0af9", "0af"));
    assert_false(cu_digest_hex_equal(NULL, "0af9"));
    assert_false(cu_digest_hex_equal("0af9", NULL));
    assert_false(cu_digest_hex_equal("@", "`"));
    assert_true(cu_digest_hex_equal("", ""));
}

/* The values of FIPS 180 and RFC 1321; for CRC-32C those of RFC 3720 B.4. */
static void test_other_algorithms(void **state)
{
    static const struct {
        cu_digest_alg_t alg;
        const char *name, *of_empty, *of_abc;
    } rows[] = {
        { CU_DIGEST_SHA1, "sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
          "a9993e364706816aba3e25717850c26c9cd0d89d" },
        { CU_DIGEST_SHA256, "sha256",
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { CU_DIGEST_SHA512, "sha512",
          "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
          "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
        { CU_DIGEST_CRC32C, "crc32c", "00000000", "364b3fb7" },
    };
    unsigned char saved[CU_DIGEST_STATE_MAX], zeros[32];
    char hex[CU_DIGEST_HEX_MAX];
    cu_digest_t *d;
    apr_off_t covered;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        assert_int_equal(cu_digest_begin(&d, rows[i].alg, pool), APR_SUCCESS);
        cu_digest_hex(d, hex);
        assert_string_equal(hex, rows[i].of_empty);
        cu_digest_update(d, "a", 1);
        cu_digest_update(cu_digest_copy(d, pool), "x", 1);
        cu_digest_update(d, "bc", 2);
        cu_digest_hex(d, hex);
        assert_string_equal(hex, rows[i].of_abc);
        assert_int_equal(strlen(hex), 2 * cu_digest_size(rows[i].alg));
        assert_string_equal(cu_digest_name(rows[i].alg), rows[i].name);
        assert_int_equal(cu_digest_of_name(rows[i].name,
                                           strlen(rows[i].name)),
                         rows[i].alg);
        /* there is no saved form: whoever needs one rereads */
        assert_int_equal(cu_digest_save(d, saved), 0);
        assert_int_equal(cu_digest_load(&d, rows[i].alg, saved,
                                        sizeof(saved), &covered, pool),
                         APR_EINVAL);
    }
    memset(zeros, 0, sizeof(zeros));
    assert_int_equal(cu_digest_begin(&d, CU_DIGEST_CRC32C, pool),
                     APR_SUCCESS);
    cu_digest_update(d, zeros, sizeof(zeros));
    cu_digest_hex(d, hex);
    assert_string_equal(hex, "8a9136aa");
    assert_int_equal(cu_digest_of_name("SHA1", 4), CU_DIGEST_SHA1);
    assert_int_equal(cu_digest_of_name("sha1x", 5), CU_DIGEST_NONE);
    assert_int_equal(cu_digest_of_name("none", 4), CU_DIGEST_NONE);
    assert_int_equal(cu_digest_of_name("", 0), CU_DIGEST_NONE);
}

static void test_names_and_sizes(void **state)
{
    char hex[65];

    (void)state;
    assert_int_equal(cu_digest_size(CU_DIGEST_MD5), 16);
    assert_int_equal(cu_digest_size(CU_DIGEST_NONE), 0);
    assert_string_equal(cu_digest_name(CU_DIGEST_MD5), "md5");
    assert_string_equal(cu_digest_name(CU_DIGEST_NONE), "none");
    assert_string_equal(cu_digest_name(CU_DIGEST_ALG_COUNT), "?");
    assert_int_equal(cu_digest_sha256_hex("abc", 3, hex), APR_SUCCESS);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
                             "b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_saved_at_every_length),
        cmocka_unit_test(test_saved_beyond_four_gib),
        cmocka_unit_test(test_copy_is_independent),
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_other_algorithms),
        cmocka_unit_test(test_names_and_sizes),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
