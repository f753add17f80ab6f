/* base/log.h: the sink is asked first, lines are cut, escapes keep one line
 * one line (SEC-56). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <apr_general.h>

#include "base/log.h"
#include "exact.h"

typedef struct sink_t {
    cu_log_level_t loudest;
    int asked, printed;
    cu_log_level_t level;
    apr_status_t rv;
    char line[2048];
} sink_t;

static apr_pool_t *pool;

static int sink_wanted(void *baton, cu_log_level_t level)
{
    sink_t *sink = baton;

    ++sink->asked;
    return level <= sink->loudest;
}

static void sink_print(void *baton, cu_log_level_t level, apr_status_t rv,
                       const char *line)
{
    sink_t *sink = baton;

    ++sink->printed;
    sink->level = level;
    sink->rv = rv;
    assert_true(strlen(line) < sizeof(sink->line));
    strcpy(sink->line, line);
}

static void prints_what_is_wanted(void **state)
{
    sink_t sink = { .loudest = CU_LOG_INFO };
    const cu_log_t log = { sink_wanted, sink_print, &sink };

    (void)state;
    cu_log(&log, CU_LOG_ERROR, APR_ENOSPC, CULOGNO(9999) "upload %s: %d", "x",
           7);
    assert_int_equal(sink.printed, 1);
    assert_int_equal(sink.level, CU_LOG_ERROR);
    assert_int_equal(sink.rv, APR_ENOSPC);
    assert_string_equal(sink.line, "CU9999: upload x: 7");
    cu_log(&log, CU_LOG_INFO, APR_SUCCESS, CULOGNO(9998) "y");
    assert_int_equal(sink.printed, 2);
    assert_string_equal(sink.line, "CU9998: y");
    cu_log(&log, CU_LOG_DEBUG, APR_SUCCESS, CULOGNO(9997) "z");
    cu_log(&log, CU_LOG_TRACE, APR_SUCCESS, CULOGNO(9996) "z");
    assert_int_equal(sink.printed, 2);
    assert_int_equal(sink.asked, 4);
}

static void levels_are_ordered(void **state)
{
    (void)state;
    assert_true(CU_LOG_ERROR < CU_LOG_WARNING);
    assert_true(CU_LOG_WARNING < CU_LOG_NOTICE);
    assert_true(CU_LOG_NOTICE < CU_LOG_INFO);
    assert_true(CU_LOG_INFO < CU_LOG_DEBUG);
    assert_true(CU_LOG_DEBUG < CU_LOG_TRACE);
}

static void silence(void **state)
{
    sink_t sink = { .loudest = CU_LOG_TRACE };
    const cu_log_t no_print = { sink_wanted, NULL, &sink };
    const cu_log_t no_wanted = { NULL, sink_print, &sink };

    (void)state;
    cu_log(NULL, CU_LOG_ERROR, APR_SUCCESS, CULOGNO(9999) "x");
    cu_log(&no_print, CU_LOG_ERROR, APR_SUCCESS, CULOGNO(9999) "x");
    assert_int_equal(sink.printed, 0);
    /* A sink that cannot say what it wants gets everything. */
    cu_log(&no_wanted, CU_LOG_TRACE, APR_SUCCESS, CULOGNO(9999) "x");
    assert_int_equal(sink.printed, 1);
}

static void long_lines_are_cut(void **state)
{
    sink_t sink = { .loudest = CU_LOG_TRACE };
    const cu_log_t log = { sink_wanted, sink_print, &sink };
    char *text = malloc(5000);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', 4999);
    text[4999] = '\0';
    cu_log(&log, CU_LOG_ERROR, APR_SUCCESS, CULOGNO(9999) "%s", text);
    assert_int_equal(strlen(sink.line), 1023);
    assert_memory_equal(sink.line, "CU9999: aaa", 11);
    free(text);
}

static void escapes(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { NULL, "-" },
        { "", "" },
        { "plain name.txt", "plain name.txt" },
        { "a\r\nCU0001: forged", "a\\x0d\\x0aCU0001: forged" },
        { "\"q\" \\", "\\x22q\\x22 \\x5c" },
        { "\t\x01\x1f\x7f", "\\x09\\x01\\x1f\\x7f" },
        { "\xc3\xa4\xff", "\\xc3\\xa4\\xff" },
        { "\x1b[31m", "\\x1b[31m" },
        { " ~!%s%n", " ~!%s%n" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        char *copy = rows[i].text
                         ? exact_copy(rows[i].text, strlen(rows[i].text) + 1)
                         : NULL;

        assert_string_equal(cu_log_escape(copy, pool), rows[i].expected);
        free(copy);
    }
}

static void escapes_are_bounded(void **state)
{
    char text[201];
    const char *out;
    size_t i;

    (void)state;
    memset(text, 'a', 200);
    text[200] = '\0';
    text[120] = 'b';
    out = cu_log_escape(text, pool);
    assert_int_equal(strlen(out), 120);
    assert_null(strchr(out, 'b'));
    text[120] = '\0';
    assert_string_equal(cu_log_escape(text, pool), text);
    memset(text, '\n', 200);
    out = cu_log_escape(text, pool);
    assert_int_equal(strlen(out), 480);
    for (i = 0; i < 480; i += 4) {
        assert_memory_equal(out + i, "\\x0a", 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_what_is_wanted),
        cmocka_unit_test(levels_are_ordered),
        cmocka_unit_test(silence),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(escapes),
        cmocka_unit_test(escapes_are_bounded),
    };
    int failed;

    if (apr_initialize() != APR_SUCCESS
        || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
