/* parse/path_template.h: what a directory of uploads may be called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parse/path_template.h"

static void expect(const char *text, const char *complaint)
{
    const char *sentence = cu_path_template_check(text);

    if (!complaint ? sentence != NULL
                   : !sentence || !strstr(sentence, complaint)) {
        fail_msg("<%s>: %s", text, sentence ? sentence : "accepted");
    }
}

static void accepted(void **state)
{
    static const char *const rows[] = {
        "a", "chunked_uploads/%Y/%m/%d", "%Y%m%d-%H%M", "%j/%U/%y", "%%",
        "...", ".a/a.", "..a", "%%.", ".%%", "A-Z_a-z.0-9/x",
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        expect(rows[i], NULL);
    }
}

static void refused(void **state)
{
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        { "", "relative" }, { "/", "relative" }, { "/a", "relative" },
        { "a/", "relative" }, { "a//b", "relative" }, { ".", "relative" },
        { "..", "relative" }, { "a/..", "relative" }, { "../a", "relative" },
        { "a/../b", "relative" }, { "./a", "relative" },
        { "a/.", "relative" }, { "a/./b", "relative" },
        { "%", "conversions" }, { "a%", "conversions" },
        { "%%%", "conversions" }, { "%D", "conversions" },
        { "%c", "conversions" }, { "%n", "conversions" },
        { "%Ey", "conversions" }, { "%-d", "conversions" },
        { "%/", "conversions" }, { "%s", "conversions" },
        { "%p", "conversions" }, { "%B", "conversions" },
        { "a b", "only letters" }, { "a\\b", "only letters" },
        { "a\nb", "only letters" }, { "\xc3\xa4", "only letters" },
        { "~", "only letters" }, { "a:b", "only letters" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        expect(rows[i].text, rows[i].complaint);
    }
}

static void every_byte(void **state)
{
    char text[] = "a?";
    int c;

    (void)state;
    for (c = 1; c < 256; ++c) {
        int plain = strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX"
                           "YZ0123456789._-", c)
                    != NULL;

        text[1] = (char)c;
        assert_int_equal(cu_path_template_check(text) == NULL, plain);
        text[0] = '%';
        assert_int_equal(cu_path_template_check(text) == NULL,
                         strchr("YmdHMjUy%", c) != NULL);
        text[0] = 'a';
    }
}

static void lengths(void **state)
{
    char text[CU_PATH_TEMPLATE_MAX + 2];
    size_t i;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[CU_PATH_TEMPLATE_MAX] = '\0';
    expect(text, NULL);
    text[CU_PATH_TEMPLATE_MAX] = 'x';
    text[CU_PATH_TEMPLATE_MAX + 1] = '\0';
    expect(text, "longer");
    /* 50 years are 200 digits */
    for (i = 0; i < 50; ++i) {
        memcpy(text + 2 * i, "%Y", 3);
    }
    expect(text, NULL);
    memcpy(text + 2 * i, "x", 2);
    expect(text, "longer");
    /* 101 percent signs take 202 bytes to write */
    for (i = 0; i < 100; ++i) {
        memcpy(text + 2 * i, "%%", 3);
    }
    expect(text, NULL);
    memcpy(text + 2 * i, "x", 2);
    expect(text, "longer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepted),
        cmocka_unit_test(refused),
        cmocka_unit_test(every_byte),
        cmocka_unit_test(lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
