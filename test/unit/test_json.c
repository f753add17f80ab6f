/* JSON answers: order, separators, escapes, and text that is not UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "dialect/json.h"

static apr_pool_t *pool;

static int set_up(void **state)
{
    (void)state;
    return apr_pool_create(&pool, NULL) == APR_SUCCESS ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

static void expect_text(const char *text, const char *json_value)
{
    cu_json_t *json = cu_json_make(pool);
    apr_size_t len;
    const char *out;

    cu_json_add_text(json, "t", text, pool);
    out = cu_json_write(json, &len, pool);
    assert_non_null(out);
    assert_string_equal(out, apr_psprintf(pool, "{\"t\": %s}", json_value));
    assert_int_equal(len, strlen(out));
}

static void keeps_order_and_separators(void **state)
{
    cu_json_t *json = cu_json_make(pool);
    apr_size_t len;

    (void)state;
    cu_json_add_text(json, "upload_id", "8230", pool);
    cu_json_add_number(json, "offset", 5);
    cu_json_add_text(json, "expires", NULL, pool);
    cu_json_add_text(json, "a", "z", pool);
    assert_string_equal(cu_json_write(json, &len, pool),
                        "{\"upload_id\": \"8230\", \"offset\": 5, "
                        "\"expires\": null, \"a\": \"z\"}");
}

static void writes_an_empty_object(void **state)
{
    apr_size_t len;

    (void)state;
    assert_string_equal(cu_json_write(cu_json_make(pool), &len, pool), "{}");
    assert_int_equal(len, 2);
}

static void writes_64_bits(void **state)
{
    cu_json_t *json = cu_json_make(pool);
    apr_size_t len;

    (void)state;
    cu_json_add_number(json, "max", INT64_MAX);
    cu_json_add_number(json, "min", INT64_MIN);
    assert_string_equal(cu_json_write(json, &len, pool),
                        "{\"max\": 9223372036854775807, "
                        "\"min\": -9223372036854775808}");
}

static void escapes(void **state)
{
    (void)state;
    expect_text("", "\"\"");
    expect_text("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
    expect_text("\n\r\t\b\f\x01", "\"\\n\\r\\t\\b\\f\\u0001\"");
    expect_text("<script>&'", "\"<script>&'\"");
    expect_text("\xc3\xa9", "\"\\u00E9\"");
    expect_text("\xe2\x82\xac", "\"\\u20AC\"");
    expect_text("\xf0\x9f\x98\x80", "\"\\uD83D\\uDE00\"");
    expect_text("\xf4\x8f\xbf\xbf", "\"\\uDBFF\\uDFFF\"");
}

static void replaces_what_is_not_utf8(void **state)
{
    (void)state;
    expect_text("\x80", "\"\\uFFFD\"");
    expect_text("a\xff" "b", "\"a\\uFFFDb\"");
    expect_text("\xc0\xaf", "\"\\uFFFD\\uFFFD\"");         /* overlong */
    expect_text("\xe0\x80\xaf", "\"\\uFFFD\\uFFFD\\uFFFD\"");
    expect_text("\xed\xa0\x80", "\"\\uFFFD\\uFFFD\\uFFFD\""); /* surrogate */
    expect_text("\xf4\x90\x80\x80",
                "\"\\uFFFD\\uFFFD\\uFFFD\\uFFFD\"");
    expect_text("\xe2\x82", "\"\\uFFFD\"");                /* cut off */
    expect_text("\xf0\x9f\x98", "\"\\uFFFD\"");
    expect_text("\xe2\x82z", "\"\\uFFFDz\"");
    expect_text("\xc3", "\"\\uFFFD\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_order_and_separators, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(writes_an_empty_object, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(writes_64_bits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(escapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(replaces_what_is_not_utf8, set_up,
                                        tear_down),
    };
    int failed;

    (void)apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
