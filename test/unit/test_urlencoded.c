/* parse/urlencoded.h: pairs as the URL standard reads them, within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "parse/urlencoded.h"

enum { NAME_SIZE = 10, VALUE_SIZE = 36 };

/* All pairs as "<name>=<value>(len);"; NULs show as "~". */
static void check(const char *text, size_t len, const char *expected)
{
    char *input = exact_copy(text, len);
    char *name = malloc(NAME_SIZE), *value = malloc(VALUE_SIZE);
    const char *cursor = input, *end = input + len;
    char seen[4096];
    size_t used = 0, value_len;

    assert_non_null(name);
    assert_non_null(value);
    seen[0] = '\0';
    while (cu_urlencoded_next(&cursor, end, name, NAME_SIZE, value,
                              VALUE_SIZE, &value_len)) {
        size_t i;

        assert_true(value_len < VALUE_SIZE);
        assert_int_equal(value[value_len], '\0');
        for (i = 0; i < value_len; ++i) {
            if (value[i] == '\0') {
                value[i] = '~';
            }
        }
        used += (size_t)snprintf(seen + used, sizeof(seen) - used,
                                 "%s=%s(%u);", name, value,
                                 (unsigned int)value_len);
        assert_true(used < sizeof(seen));
    }
    assert_ptr_equal(cursor, end);
    assert_string_equal(seen, expected);
    free(input);
    free(name);
    free(value);
}

static void pairs(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "", "" },
        { "a=1", "a=1(1);" },
        { "a=1&b=2", "a=1(1);b=2(1);" },
        { "a=1&a=2", "a=1(1);a=2(1);" },
        { "a", "a=(0);" },
        { "a=", "a=(0);" },
        { "a&b=", "a=(0);b=(0);" },
        { "a=b=c", "a=b=c(3);" },
        { "&", "" },
        { "&&a=1&&b=2&", "a=1(1);b=2(1);" },
        { "=1", "" },
        { "=", "" },
        { "=1&a=2", "a=2(1);" },
        { "a+b=c+d", "a b=c d(3);" },
        { "a%20b=%41%6a%6A", "a b=Ajj(3);" },
        { "a=%2B%26%3D%25", "a=+&=%(4);" },
        { "a=%", "a=%(1);" },
        { "a=%4", "a=%4(2);" },
        { "a=%4&b=%", "a=%4(2);b=%(1);" },
        { "a=%zz%4g%g4", "a=%zz%4g%g4(9);" },
        { "a=%%41", "a=%A(2);" },
        { "a=%2541", "a=%41(3);" },
        { "a;b=1", "a;b=1(1);" },
        { "a=\xc3\xa4%c3%a4", "a=\xc3\xa4\xc3\xa4(4);" },
        { "upload_id=8230412e259c43e0a245c9f3009f3afc&md5=x",
          "upload_id=8230412e259c43e0a245c9f3009f3afc(32);md5=x(1);" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        check(rows[i].text, strlen(rows[i].text), rows[i].expected);
    }
}

static void nul_bytes(void **state)
{
    static const char raw[] = "a=1\0" "2&b=3";

    (void)state;
    check(raw, sizeof(raw) - 1, "a=1~2(3);b=3(1);");
    check("a=%00", 5, "a=~(1);");
    /* Else "upload_id%00x" would be taken for upload_id. */
    check("ab%00c=1&b=2", 12, "b=2(1);");
    check("%00=1", 5, "");
}

static void bounds(void **state)
{
    (void)state;
    /* Name: 9 bytes fit, 10 do not; the cut one must not match "upload_id". */
    check("upload_id=1", 11, "upload_id=1(1);");
    check("upload_idx=1&b=2", 16, "b=2(1);");
    check("upload_i%64=1", 13, "upload_id=1(1);");
    check("upload_idxxxxxxxxxxxxxxxxxxxxxxxx&b", 35, "b=(0);");
    /* Value: 35 bytes fit, of 36 the last is cut. */
    check("a=12345678901234567890123456789012345", 37,
          "a=12345678901234567890123456789012345(35);");
    check("a=123456789012345678901234567890123456&b=2", 42,
          "a=12345678901234567890123456789012345(35);b=2(1);");
    check("a=%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35%36%37%38%39%30"
          "%31%32%33%34%35%36%37%38%39%30%31%32%33%34%35", 107,
          "a=12345678901234567890123456789012345(35);");
}

static void smallest_buffers(void **state)
{
    static const char text[] = "a=1&b=&c";
    const char *cursor = text;
    char *name = malloc(2), *value = malloc(1);
    size_t len = 7;

    (void)state;
    assert_non_null(name);
    assert_non_null(value);
    assert_true(cu_urlencoded_next(&cursor, text + 8, name, 2, value, 1,
                                   &len));
    assert_string_equal(name, "b");
    assert_string_equal(value, "");
    assert_int_equal(len, 0);
    assert_true(cu_urlencoded_next(&cursor, text + 8, name, 2, value, 1,
                                   &len));
    assert_string_equal(name, "c");
    assert_false(cu_urlencoded_next(&cursor, text + 8, name, 2, value, 1,
                                    &len));
    /* no room at all: nothing is written */
    cursor = text;
    assert_false(cu_urlencoded_next(&cursor, text + 8, name, 2, value, 0,
                                    &len));
    cursor = text;
    assert_false(cu_urlencoded_next(&cursor, text + 8, name, 0, value, 1,
                                    &len));
    free(name);
    free(value);
}

static void ten_thousand_pairs(void **state)
{
    enum { PAIRS = 10000 };
    char *text = malloc(PAIRS * 4), name[8], value[8];
    const char *cursor = text;
    size_t i, len;

    (void)state;
    assert_non_null(text);
    for (i = 0; i < PAIRS; ++i) {
        memcpy(text + 4 * i, "a=b&", 4);
    }
    for (i = 0; cu_urlencoded_next(&cursor, text + PAIRS * 4, name,
                                   sizeof(name), value, sizeof(value), &len);
         ++i) {
        assert_string_equal(value, "b");
    }
    assert_int_equal(i, PAIRS);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(bounds),
        cmocka_unit_test(smallest_buffers),
        cmocka_unit_test(ten_thousand_pairs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
