/* parse/header_param.h: tokens, parameters, dispositions; base/hex.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/hex.h"
#include "exact.h"
#include "parse/header_param.h"

static void hex_digits(void **state)
{
    static const char digits[] = "0123456789abcdef", upper[] = "ABCDEF";
    int c, i;

    (void)state;
    for (c = -128; c < 256; ++c) {
        int expected = -1;

        for (i = 0; i < 16; ++i) {
            if ((char)c == digits[i] || (i >= 10 && (char)c == upper[i - 10])) {
                expected = i;
            }
        }
        assert_int_equal(cu_hex_value((char)c), expected);
    }
}

/* RFC 9110 5.6.2, read once more from the other side: not the delimiters. */
static void tokens(void **state)
{
    int c;

    (void)state;
    for (c = 0; c < 256; ++c) {
        char one[] = { 'a', (char)c };
        int expected = c > 0x20 && c < 0x7f
                       && !strchr("\"(),/:;<=>?@[\\]{}", c);

        assert_int_equal(cu_header_is_token(one, 2), expected);
        assert_int_equal(cu_header_is_token(one + 1, 1), expected);
    }
    assert_false(cu_header_is_token("", 0));
}

static void words_in_any_case(void **state)
{
    (void)state;
    assert_true(cu_header_is_word("FiLeName*", 9, "filename*"));
    assert_true(cu_header_is_word("namex", 4, "name"));
    assert_true(cu_header_is_word("", 0, ""));
    assert_false(cu_header_is_word("nam", 3, "name"));
    assert_false(cu_header_is_word("names", 5, "name"));
    assert_false(cu_header_is_word("n\0me", 4, "name"));
    /* only ASCII has cases */
    assert_false(cu_header_is_word("\xe4", 1, "\xc4"));
}

static void blanks(void **state)
{
    static const char text[] = " \t \rx";

    (void)state;
    assert_ptr_equal(cu_header_skip_blanks(text, text + 5), text + 3);
    assert_ptr_equal(cu_header_skip_blanks(text, text + 2), text + 2);
    assert_ptr_equal(cu_header_skip_blanks(text, text), text);
}

/* "name=value|name="value"|" and "!" for a list that is none. */
static void list(const char *text, char *out)
{
    char *copy = exact_copy(text, strlen(text));
    const char *cursor = copy, *end = copy + strlen(text);
    cu_param_t param;
    int found;

    while ((found = cu_param_next(&cursor, end, &param)) > 0) {
        const char *quote = param.quoted ? "\"" : "";

        out += sprintf(out, "%.*s=%s%.*s%s|", (int)param.name_len, param.name,
                       quote, (int)param.value_len, param.value, quote);
    }
    strcpy(out, found < 0 ? "!" : "");
    free(copy);
}

static void parameter_lists(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "", "" },
        { ";", "" },
        { "  ;; \t; ", "" },
        { "; a=b", "a=b|" },
        { ";a=b;c=d", "a=b|c=d|" },
        { " ; a=b ;; c=\"d\" ; ", "a=b|c=\"d\"|" },
        { "; a=", "a=|" },
        { "; a=\"\"", "a=\"\"|" },
        { "; a=b=c", "a=b=c|" },
        { "; a=\xe4/*", "a=\xe4/*|" },
        { "; a=b\"c", "a=b\"c|" },
        { "; a*=UTF-8''x", "a*=UTF-8''x|" },
        /* what ends a quoted value */
        { "; a=\";=\\\"\"; b=c", "a=\";=\\\"\"|b=c|" },
        { "; a=\"C:\\dir\\x\"; b=c", "a=\"C:\\dir\\x\"|b=c|" },
        { "; a=\"x\\\\\"; b=c", "a=\"x\\\\\"|b=c|" },
        { "; a=\"x\\\"; b=c", "!" },
        { "; a=\"", "!" },
        { "; a=\"\\", "!" },
        /* no lists */
        { "; a", "!" },
        { "; a;b=c", "!" },
        { "; =b", "!" },
        { "; a =b", "!" },
        { "; a= b", "!" },
        { "; a=b c", "!" },
        { "; a=\"b\"c", "!" },
        { "; a=\"b\" c=d", "!" },
        { "; a=b; c", "a=b|!" },
    };
    char out[256];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        list(rows[i].text, out);
        if (strcmp(out, rows[i].expected) != 0) {
            fail_msg("<%s> gives <%s>", rows[i].text, out);
        }
    }
}

static cu_param_t one_param(const char *value, int quoted)
{
    cu_param_t param = { "p", 1, value, strlen(value), quoted };

    return param;
}

static void kept_once(void **state)
{
    cu_param_t first = one_param("", 0), second = one_param("x", 1);
    cu_param_t kept = { 0 };

    (void)state;
    assert_int_equal(cu_param_keep_once(&kept, &first), 1);
    assert_int_equal(cu_param_keep_once(&kept, &second), 0);
    assert_ptr_equal(kept.value, first.value);
    assert_int_equal(kept.quoted, 0);
}

static void values_fill_their_buffer(void **state)
{
    cu_param_t param = one_param("a\\\"b\\\\c\\d\\", 1);
    char *out = malloc(9);

    (void)state;
    assert_int_equal(cu_param_decode(&param, out, 8), 1);
    assert_string_equal(out, "a\"b\\c\\d\\");
    assert_int_equal(cu_param_decode(&param, out, 7), 0);
    param.quoted = 0;
    assert_int_equal(cu_param_decode(&param, out, 8), 0);
    param.value_len = 0;
    assert_int_equal(cu_param_decode(&param, out, 0), 1);
    assert_string_equal(out, "");
    free(out);
}

static void extended_values(void **state)
{
    static const struct {
        const char *value;
        size_t max;
        cu_ext_t verdict;
        const char *expected;
    } rows[] = {
        { "UTF-8''", 0, CU_EXT_OK, "" },
        { "utf-8'de-AT'%C3%a4 b'c", 6, CU_EXT_OK, "\xc3\xa4 b'c" },
        { "UTF-8''abc", 2, CU_EXT_TOO_LONG, NULL },
        { "UTF-8''%ff", 1, CU_EXT_OK, "\xff" },
        { "ISO-8859-1''%e4\xff", 4, CU_EXT_OK, "\xc3\xa4\xc3\xbf" },
        { "ISO-8859-1''%7f%80", 3, CU_EXT_OK, "\x7f\xc2\x80" },
        { "ISO-8859-1''a%e4", 2, CU_EXT_TOO_LONG, NULL },
        { "''x", 9, CU_EXT_UNKNOWN, NULL },
        { "windows-1252''%zz", 9, CU_EXT_UNKNOWN, NULL },
        { "", 9, CU_EXT_MALFORMED, NULL },
        { "UTF-8", 9, CU_EXT_MALFORMED, NULL },
        { "UTF-8'x", 9, CU_EXT_MALFORMED, NULL },
        { "UTF-8''%", 9, CU_EXT_MALFORMED, NULL },
        { "UTF-8''%4", 9, CU_EXT_MALFORMED, NULL },
        { "UTF-8''%4g", 9, CU_EXT_MALFORMED, NULL },
        { "UTF-8''a%00", 9, CU_EXT_MALFORMED, NULL },
    };
    cu_param_t param;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        char *value = exact_copy(rows[i].value, strlen(rows[i].value));
        char *out = malloc(rows[i].max + 1);

        param = one_param(rows[i].value, 0);
        param.value = value;
        out[0] = '~';
        assert_int_equal(cu_param_decode_ext(&param, out, rows[i].max),
                         rows[i].verdict);
        if (rows[i].expected) {
            assert_string_equal(out, rows[i].expected);
        }
        else if (rows[i].verdict == CU_EXT_UNKNOWN) {
            assert_int_equal(out[0], '~');
        }
        param.quoted = 1;
        assert_int_equal(cu_param_decode_ext(&param, out, rows[i].max),
                         CU_EXT_MALFORMED);
        free(out);
        free(value);
    }
}

/* "name|filename", "-" for no file name, or "!" and the reason. */
static void disposition(const char *text, size_t name_max,
                        size_t filename_max, char *result)
{
    char *copy = exact_copy(text, strlen(text));
    char *name = malloc(name_max + 1), *filename = malloc(filename_max + 1);
    cu_disposition_t d = { name, name_max, filename, filename_max, -1 };
    const char *reason = cu_disposition_parse(copy, strlen(text), &d);

    if (reason) {
        (void)sprintf(result, "!%s", reason);
    }
    else {
        (void)sprintf(result, "%s|%s", name, d.has_filename ? filename : "-");
    }
    free(filename);
    free(name);
    free(copy);
}

static void dispositions(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "form-data", "|-" },
        { "form-data; name=\"f\"; filename=\"g\"", "f|g" },
        { "FORM-data \t; FILENAME=g;; Name=f ", "f|g" },
        { "form-data; name=f; filename=\"\"", "f|" },
        { "form-data; x=y; name=f", "f|-" },
        { "form-data; filename=\"%22\\\"\\x\"", "|%22\"\\x" },
        { "form-data; filename=a; filename*=utf-8''b", "|b" },
        { "form-data; filename*=utf-8''b; filename=a", "|b" },
        { "form-data; filename=a; filename*=koi8-r''b", "|a" },
        { "form-data; filename*=koi8-r''b", "|-" },
        { "attachment; name=f; filename=g", "|-" },
        { "attachment; filename=", "|-" },
        { "form-data; name=f; name=f", "!a part has two names or two file "
                                       "names" },
        { "form-data; filename*=utf-8''a; filename*=utf-8''a",
          "!a part has two names or two file names" },
        { "form-data; filename*=a", "!a part has a malformed filename*" },
        { "", "!a part has a malformed Content-Disposition" },
        { "; name=f", "!a part has a malformed Content-Disposition" },
        { "form data; name=f", "|-" },
        { "form-data x; name=f",
          "!a part has a malformed Content-Disposition" },
        { "form-data; name=a/b",
          "!a part has a malformed Content-Disposition" },
        { "form-data; name=", "!a part has a malformed Content-Disposition" },
        { "form-data; name=\"f\"g",
          "!a part has a malformed Content-Disposition" },
        { "form-data; name=12345", "!a part has a name that is too long" },
        { "form-data; name=1234; filename=\"12345678\"", "1234|12345678" },
        { "form-data; filename=\"123456789\"",
          "!a part has a file name that is too long" },
        { "form-data; filename*=utf-8''123456789",
          "!a part has a file name that is too long" },
        { "form-data; filename*=utf-8''%31%32%33%34%35%36%37%38",
          "|12345678" },
    };
    char out[256];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        disposition(rows[i].text, 4, 8, out);
        if (strcmp(out, rows[i].expected) != 0) {
            fail_msg("<%s> gives <%s>", rows[i].text, out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_digits),
        cmocka_unit_test(tokens),
        cmocka_unit_test(words_in_any_case),
        cmocka_unit_test(blanks),
        cmocka_unit_test(parameter_lists),
        cmocka_unit_test(kept_once),
        cmocka_unit_test(values_fill_their_buffer),
        cmocka_unit_test(extended_values),
        cmocka_unit_test(dispositions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
