/* base/number.h: one strict grammar for every number (SEC-16). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/number.h"
#include "exact.h"

static int parse(const char *text, size_t len, apr_int64_t *out)
{
    char *copy = exact_copy(text, len);
    int ok = cu_number_parse(copy, len, out);

    free(copy);
    return ok;
}

static void accepts_plain_numbers(void **state)
{
    static const struct {
        const char *text;
        apr_int64_t value;
    } rows[] = {
        { "0", 0 },
        { "7", 7 },
        { "10", 10 },
        { "4294967296", 4294967296 },
        { "9223372036854775799", 9223372036854775799 },
        { "9223372036854775807", INT64_MAX },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        apr_int64_t value = -7;

        assert_true(parse(rows[i].text, strlen(rows[i].text), &value));
        assert_int_equal(value, rows[i].value);
    }
}

static void refuses_all_else(void **state)
{
    static const char *const rows[] = {
        "", "-1", "-0", "+5", " 5", "5 ", "\t5", "5\n", "0x10", "1e3", "05",
        "00", "1.0", "1,0", "1_000", "5a", "a", "/", ":", "\xd9\xa3",
        "9223372036854775808", "9223372036854775810", "18446744073709551615",
        "18446744073709551616", "92233720368547758070",
        ("1111111111111111111111111111111111111111111111111111111111111111"
         "111111111111111111111111111111111111"),
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        apr_int64_t value = -7;

        if (parse(rows[i], strlen(rows[i]), &value)) {
            fail_msg("accepted \"%s\"", rows[i]);
        }
        assert_int_equal(value, -7);
    }
}

static void length_decides_not_a_terminator(void **state)
{
    apr_int64_t value = -7;

    (void)state;
    assert_true(parse("123456", 3, &value));
    assert_int_equal(value, 123);
    assert_false(parse("12\0", 3, &value));
    assert_false(cu_number_parse(NULL, 0, &value));
    assert_int_equal(value, 123);
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        apr_off_t bytes;
    } rows[] = {
        { "0", 0 },
        { "1", 1 },
        { "1k", 1024 },
        { "1K", 1024 },
        { "3m", 3 * 1048576 },
        { "3M", 3 * 1048576 },
        { "10G", (apr_off_t)10 << 30 },
        { "10g", (apr_off_t)10 << 30 },
        { "2T", (apr_off_t)2 << 40 },
        { "2t", (apr_off_t)2 << 40 },
        { "8388607T", (apr_off_t)8388607 << 40 },
        { "9223372036854775807", INT64_MAX },
        { "None", CU_NO_LIMIT },
        { "none", CU_NO_LIMIT },
        { "NONE", CU_NO_LIMIT },
    };
    static const char *const bad[] = {
        "", "K", "1KB", "1 K", " 1K", "1K ", "-1", "+1K", "01K", "1P", "1.5G",
        "0x1K", "KK", "1KK", "8388608T", "9007199254740992K",
        "9223372036854775808", "no", "nonee", "unlimited",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        apr_off_t bytes = -7;

        assert_null(cu_number_parse_size(rows[i].text, &bytes));
        assert_int_equal(bytes, rows[i].bytes);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
        apr_off_t bytes = -7;
        const char *help = cu_number_parse_size(bad[i], &bytes);

        if (!help) {
            fail_msg("accepted \"%s\"", bad[i]);
        }
        assert_non_null(strstr(help, "None"));
        assert_int_equal(bytes, -7);
    }
}

static void ages(void **state)
{
    static const struct {
        const char *text;
        apr_int64_t seconds;
    } rows[] = {
        { "1", 1 },
        { "90", 90 },
        { "90s", 90 },
        { "5m", 300 },
        { "2h", 7200 },
        { "1d", 86400 },
        { "2w", 14 * 86400 },
        { "36525d", (apr_int64_t)36525 * 86400 },
        { "3155760000", 3155760000 },
    };
    static const char *const bad[] = {
        "", "0", "0s", "0d", "d", "1D", "1M", "1y", "1 d", "1d ", "-1", "+1d",
        "01d", "1.5h", "36526d", "5218w", "3155760001", "9223372036854775807w",
        "9223372036854775807", "9223372036854775808", "never", "none ",
    };
    apr_interval_time_t age = -7;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        age = -7;
        assert_null(cu_number_parse_age(rows[i].text, &age));
        assert_int_equal(age, rows[i].seconds * 1000000);
    }
    assert_null(cu_number_parse_age("None", &age));
    assert_int_equal(age, -1);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
        const char *help;

        age = -7;
        help = cu_number_parse_age(bad[i], &age);
        if (!help) {
            fail_msg("accepted \"%s\"", bad[i]);
        }
        assert_non_null(strstr(help, "100 years"));
        assert_int_equal(age, -7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_plain_numbers),
        cmocka_unit_test(refuses_all_else),
        cmocka_unit_test(length_decides_not_a_terminator),
        cmocka_unit_test(sizes),
        cmocka_unit_test(ages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
