/* parse/content_range.h: the grammar of SEC-16 and SEC-17, and every form the
 * seed was seen to refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "parse/content_range.h"

static int parse(const char *text, size_t len, int allow_star,
                 cu_content_range_t *out)
{
    char *copy = exact_copy(text, len);
    int ok = cu_content_range_parse(copy, len, allow_star, out);

    free(copy);
    return ok;
}

static void accepts(void **state)
{
    static const struct {
        const char *text;
        apr_off_t start, end, total;
    } rows[] = {
        { "bytes 0-0/1", 0, 0, 1 },
        { "bytes 0-4/5", 0, 4, 5 },
        { "bytes 0-4/10", 0, 4, 10 },
        { "bytes 100000-199999/250000", 100000, 199999, 250000 },
        { "bytes 9-9/10", 9, 9, 10 },
        { "bytes 9223372036854775806-9223372036854775806/"
          "9223372036854775807", INT64_MAX - 1, INT64_MAX - 1, INT64_MAX },
    };
    cu_content_range_t range;
    size_t i;
    int star;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        for (star = 0; star < 2; ++star) {
            assert_true(parse(rows[i].text, strlen(rows[i].text), star,
                              &range));
            assert_int_equal(range.start, rows[i].start);
            assert_int_equal(range.end, rows[i].end);
            assert_int_equal(range.total, rows[i].total);
        }
    }
}

static void star_only_where_allowed(void **state)
{
    static const char text[] = "bytes 5-9/*";
    cu_content_range_t range = { -7, -7, -7 };

    (void)state;
    assert_false(parse(text, strlen(text), 0, &range));
    assert_int_equal(range.total, -7);
    assert_true(parse(text, strlen(text), 1, &range));
    assert_int_equal(range.start, 5);
    assert_int_equal(range.end, 9);
    assert_int_equal(range.total, CU_LENGTH_UNKNOWN);
}

static void refuses(void **state)
{
    static const char *const rows[] = {
        "", "bytes", "bytes ", "bytes 0", "bytes 0-", "bytes 0-4",
        "bytes 0-4/", "bytes -/", "bytes 0-/5", "bytes -4/5", "bytes 0/5",
        "bytes 4-0/5", "bytes 0-5/5", "bytes 0-9/5", "bytes 0-0/0",
        "bytes 5-4/5", "bytes */10", "bytes */*", "bytes 0-4/**",
        "bytes 0-4/*0", "bytes 0-4/5*", "bytes *-4/5",
        "Bytes 0-1/2", "BYTES 0-1/2", "octets 0-1/2", "bytes=0-1/2",
        "bytes:0-1/2", "bytes0-1/2", "bytes  0-1/2", "bytes\t0-1/2",
        " bytes 0-1/2", "bytes 0-1/2 ", "bytes 0-1/2\n", "bytes 0-1/2\r\n",
        "bytes 0 - 1/2", "bytes 0-1 /2", "bytes 0-1/ 2",
        "bytes 0--1/0", "bytes -1-1/2", "bytes +0-1/2", "bytes 0-+1/2",
        "bytes 0-1/+2", "bytes 00-1/2", "bytes 0-01/2", "bytes 0-1/02",
        "bytes 0x0-1/2", "bytes 0-1e0/2", "bytes 0-1/2, bytes 2-3/4",
        "bytes 0-1,3-4/9", "bytes 0-1/2/3", "bytes 0-1-1/2",
        "bytes 0-9223372036854775807/9223372036854775807",
        "bytes 0-1/9223372036854775808", "bytes 0-1/18446744073709551618",
        "bytes 0-9223372036854775807/*",
        "bytes 18446744073709551616-1/2",
        ("bytes 0-1/111111111111111111111111111111111111111111111111111111"
         "1111111111111111111111111111111111111111111111"),
    };
    size_t i;
    int star;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        for (star = 0; star < 2; ++star) {
            cu_content_range_t range = { -7, -7, -7 };

            if (parse(rows[i], strlen(rows[i]), star, &range)) {
                fail_msg("accepted \"%s\"", rows[i]);
            }
            assert_int_equal(range.start, -7);
            assert_int_equal(range.end, -7);
            assert_int_equal(range.total, -7);
        }
    }
    {
        static const char nul[] = "bytes 0-1/2\0";
        cu_content_range_t range;

        assert_false(parse(nul, sizeof(nul) - 1, 1, &range));
    }
}

static void length_decides(void **state)
{
    static const char text[] = "bytes 0-4/123456";
    cu_content_range_t range;
    size_t len;

    (void)state;
    /* "bytes 0-4/12" and longer hold a total above 4. */
    for (len = 0; len < sizeof(text); ++len) {
        assert_int_equal(parse(text, len, 1, &range), len >= 12 && len <= 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts),
        cmocka_unit_test(star_only_where_allowed),
        cmocka_unit_test(refuses),
        cmocka_unit_test(length_decides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
