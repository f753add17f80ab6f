/* parse/tus_metadata.h: what is refused, and what comes out of the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "parse/tus_metadata.h"

#define ID "8230412e259c43e0a245c9f3009f3afc"
#define ID_2 "00112233445566778899aabbccddeeff"

static const char *check(const char *text, size_t len)
{
    char *input = exact_copy(text, len);
    const char *sentence = cu_tus_metadata_check(input, len);

    free(input);
    return sentence;
}

static void well_formed(void **state)
{
    static const char *const rows[] = {
        "", " ", "filename d29ybGQ=", "filename d29ybGQ=,is_confidential",
        "empty ,filename w6Q=", "empty ,also", "a QQ==", "a QUI=", "a QUJD",
        "a  QUJD", "a QUJD , b QUJD", "a QUJD, b QUJD", "\ta\tQUJD\t",
        "filename d29ybGQ=,filetype dGV4dC9wbGFpbg==,name d29ybGQ=",
        "k+/== ", "!#$%&'()*+-./:;<=>?@[]^_`{|}~ QQ==", "a,A,b",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        const char *sentence = check(rows[i], strlen(rows[i]));

        if (sentence) {
            fail_msg("'%s': %s", rows[i], sentence);
        }
    }
}

static void malformed(void **state)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        { ",", "Upload-Metadata is not a list of pairs" },
        { "a,", "Upload-Metadata is not a list of pairs" },
        { ",a", "Upload-Metadata is not a list of pairs" },
        { "a,,b", "Upload-Metadata is not a list of pairs" },
        { "a QUJD QUJD", "Upload-Metadata is not a list of pairs" },
        { "a QUJ*", "a value of Upload-Metadata is not base64" },
        { "a *", "Upload-Metadata is not a list of pairs" },
        { "\xc3\xa4 QUJD", "Upload-Metadata is not a list of pairs" },
        { "a\x7f QUJD", "Upload-Metadata is not a list of pairs" },
        { "a QUI", "a value of Upload-Metadata is not base64" },
        { "a Q", "a value of Upload-Metadata is not base64" },
        { "a QR==", "a value of Upload-Metadata is not base64" },
        { "a QUJ=", "a value of Upload-Metadata is not base64" },
        { "a Q===", "a value of Upload-Metadata is not base64" },
        { "a ====", "a value of Upload-Metadata is not base64" },
        { "a QQ==QQ==", "a value of Upload-Metadata is not base64" },
        { "a Q=Q=", "a value of Upload-Metadata is not base64" },
        { "a QUJD,a", "a key of Upload-Metadata is there twice" },
        { "a,b QUJD,a QUJD", "a key of Upload-Metadata is there twice" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        const char *sentence = check(rows[i].text, strlen(rows[i].text));

        if (!sentence || strcmp(sentence, rows[i].sentence) != 0) {
            fail_msg("'%s': %s", rows[i].text,
                     sentence ? sentence : "accepted");
        }
    }
    assert_non_null(check("a\0b", 3));
}

static void bounds(void **state)
{
    char text[CU_TUS_METADATA_MAX + 1];
    size_t used = 0;
    int i;

    (void)state;
    for (i = 0; i < CU_TUS_PAIRS_MAX; ++i) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%sk%d",
                                 i ? "," : "", i);
    }
    assert_null(check(text, used));
    memcpy(text + used, ",x", 2);
    assert_string_equal(check(text, used + 2),
                        "Upload-Metadata has more than 64 pairs");
    memset(text, 'k', sizeof(text));
    assert_null(check(text, CU_TUS_KEY_MAX));
    assert_string_equal(check(text, CU_TUS_KEY_MAX + 1),
                        "a key of Upload-Metadata is longer than 128 bytes");
    memset(text, 'A', sizeof(text));
    memcpy(text, "key ", 4);
    assert_null(check(text, CU_TUS_METADATA_MAX));
    assert_string_equal(check(text, CU_TUS_METADATA_MAX + 1),
                        "Upload-Metadata is longer than 8192 bytes");
}

static void found(void **state)
{
    static const char text[] = "name bmFtZQ==, empty ,filename d29ybGQ=";
    cu_tus_pair_t pair;
    char out[5];
    apr_size_t len;

    (void)state;
    assert_true(cu_tus_metadata_find(text, strlen(text), "filename", &pair));
    assert_true(cu_tus_base64(pair.value, pair.value_len, out, 5, &len));
    assert_int_equal(len, 5);
    assert_memory_equal(out, "world", 5);
    assert_false(cu_tus_base64(pair.value, pair.value_len, out, 4, &len));
    assert_true(cu_tus_metadata_find(text, strlen(text), "empty", &pair));
    assert_int_equal(pair.value_len, 0);
    assert_true(cu_tus_base64(pair.value, pair.value_len, out, 0, &len));
    assert_int_equal(len, 0);
    assert_false(cu_tus_metadata_find(text, strlen(text), "file", &pair));
    assert_false(cu_tus_metadata_find(text, strlen(text), "Name", &pair));
    assert_false(cu_tus_metadata_find("", 0, "name", &pair));
}

static void all_bytes_of_base64(void **state)
{
    char out[48];
    apr_size_t len, i;

    (void)state;
    assert_true(cu_tus_base64("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
                              "wxyz0123456789+/", 64, out, sizeof(out), &len));
    assert_int_equal(len, 48);
    for (i = 0; i < 16; ++i) { /* 4 i, 4 i + 1, ... in six bits each */
        unsigned int bits = (unsigned int)(unsigned char)out[3 * i] << 16
                            | (unsigned int)(unsigned char)out[3 * i + 1] << 8
                            | (unsigned char)out[3 * i + 2];

        assert_int_equal(bits >> 18 & 63, 4 * i);
        assert_int_equal(bits & 63, 4 * i + 3);
    }
}

/* All ids as "id;"; "!" where the list is bad. */
static void list(const char *text, const char *expected)
{
    char *input = exact_copy(text, strlen(text)), id[CU_UPLOAD_ID_LEN + 1];
    const char *cursor = NULL, *end = input + strlen(text);
    char seen[512] = "";
    int more;

    assert_int_equal(cu_tus_concat(input, strlen(text), &cursor),
                     CU_TUS_CONCAT_FINAL);
    while ((more = cu_tus_concat_next(&cursor, end, id)) == 1) {
        strcat(seen, id);
        strcat(seen, ";");
    }
    if (more < 0) {
        strcat(seen, "!");
    }
    assert_string_equal(seen, expected);
    free(input);
}

static void concat(void **state)
{
    static const char *const bad[] = {
        "", "part", "partial;", "Partial", "partial ", "final", "final;",
        "final:x", " final;x",
    };
    char *text;
    const char *cursor;
    size_t i;

    (void)state;
    assert_int_equal(cu_tus_concat("partial", 7, &cursor),
                     CU_TUS_CONCAT_PARTIAL);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
        assert_int_equal(cu_tus_concat(bad[i], strlen(bad[i]), &cursor),
                         CU_TUS_CONCAT_BAD);
    }
    list("final;" ID, ID ";");
    list("final;/up/" ID " /up/" ID_2, ID ";" ID_2 ";");
    list("final; https://a.example:81/x/" ID "  " ID_2 " ",
         ID ";" ID_2 ";");
    list("final;/up/" ID "?a=/b " ID "#/c", ID ";" ID ";");
    list("final; ", "");
    list("final;/up/" ID "/", "!");
    list("final;/up/" ID "x", "!");
    list("final;" ID "," ID_2, "!");
    list("final;" ID " /up/complete", ID ";!");
    list("final;\xc3\xa4/" ID, "!");
    list("final;" ID "\x01", "!");
    text = malloc(CU_TUS_CONCAT_MAX + 1);
    assert_non_null(text);
    memset(text, 'x', CU_TUS_CONCAT_MAX + 1);
    memcpy(text, "final;", 6);
    assert_int_equal(cu_tus_concat(text, CU_TUS_CONCAT_MAX, &cursor),
                     CU_TUS_CONCAT_FINAL);
    assert_int_equal(cu_tus_concat(text, CU_TUS_CONCAT_MAX + 1, &cursor),
                     CU_TUS_CONCAT_BAD);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed),
        cmocka_unit_test(malformed),
        cmocka_unit_test(bounds),
        cmocka_unit_test(found),
        cmocka_unit_test(all_bytes_of_base64),
        cmocka_unit_test(concat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
