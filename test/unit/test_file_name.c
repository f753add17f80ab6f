/* parse/file_name.h: SEC-1, SEC-3 as far as a display name goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "parse/file_name.h"

#define FFFD "\xef\xbf\xbd"

/* The name of a name; what came out must stay as it is when put in again. */
static size_t display(const char *text, size_t len, char *out)
{
    char *copy = exact_copy(text, len);
    char *first = malloc(CU_FILE_NAME_MAX + 1);
    char *second = malloc(CU_FILE_NAME_MAX + 1);
    size_t n;

    assert_non_null(first);
    assert_non_null(second);
    n = cu_file_name_display(copy, len, first);
    assert_in_range(n, 1, CU_FILE_NAME_MAX);
    assert_int_equal(strlen(first), n);
    assert_int_equal(cu_file_name_display(first, n, second), n);
    assert_string_equal(first, second);
    memcpy(out, first, n + 1);
    free(copy);
    free(first);
    free(second);
    return n;
}

static void vectors(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        { "trip video.mp4", "trip video.mp4" },
        { "Gr\xc3\xb6\xc3\x9f" "e \xe6\x96\x87\xe4\xbb\xb6 \xf0\x9f\x98\x80",
          "Gr\xc3\xb6\xc3\x9f" "e \xe6\x96\x87\xe4\xbb\xb6 \xf0\x9f\x98\x80" },
        /* paths */
        { "../../etc/x", "x" },
        { "..\\..\\x", "x" },
        { "/abs", "abs" },
        { "C:\\dir\\x.txt", "x.txt" },
        { "\\\\host\\share", "share" },
        { "a/b\\c/d", "d" },
        { "a\\b/c\\d", "d" },
        { "dir/", "upload" },
        { "dir\\", "upload" },
        { "%2e%2e%2fx", "%2e%2e%2fx" },
        { "..%c0%af", "..%c0%af" },
        { "..\xc0\xafx", ".." FFFD FFFD "x" },
        { "..\xe0\x80\xafx", ".." FFFD FFFD FFFD "x" },
        /* nothing left */
        { "", "upload" },
        { ".", "upload" },
        { "..", "upload" },
        { " . ", "upload" },
        { " .. ", "upload" },
        { ".\x01.", "upload" },
        { "   ", "upload" },
        { "\r\n\t", "upload" },
        { "a/..", "upload" },
        { "\xe2\x80\xae", "upload" },
        { "...", "..." },
        { ". .", ". ." },
        { ".htaccess", ".htaccess" },
        /* controls */
        { "a\rb\nc\td", "abcd" },
        { "a\x7f" "b", "ab" },
        { "a\xc2\x80" "b\xc2\x9f" "c\xc2\xa0" "d", "abc\xc2\xa0" "d" },
        { "a\xe2\x80\xa8" "b\xe2\x80\xa9" "c", "abc" },
        { "a\xd8\x9c" "b", "ab" },
        { "a\xe2\x80\x8e" "b\xe2\x80\x8f" "c", "abc" },
        { "exe\xe2\x80\xaegpj.txt", "exegpj.txt" },
        { "\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad" "a", "a" },
        { "\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9" "a", "a" },
        /* neighbours of what is removed stay */
        { "\xd8\x9b\xd8\x9d", "\xd8\x9b\xd8\x9d" },
        { "\xe2\x80\x8d\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5"
          "\xe2\x81\xaa",
          "\xe2\x80\x8d\xe2\x80\x90\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5"
          "\xe2\x81\xaa" },
        /* blanks */
        { "  a b  ", "a b" },
        { "\t a \t", "a" },
        { "\x01 a \xe2\x80\xa8", "a" },
        { "dir/ a", "a" },
        /* invalid UTF-8 */
        { "\xff\xfe", FFFD FFFD },
        { "a\x80" "b", "a" FFFD "b" },
        { "a\xc3", "a" FFFD },
        { "a\xe2\x82", "a" FFFD },
        { "a\xf0\x9f\x98", "a" FFFD },
        { "a\xe2\x82" "b", "a" FFFD "b" },
        { "\xc1\xbf", FFFD FFFD },
        { "\xed\xa0\x80", FFFD FFFD FFFD },
        { "\xf0\x80\x80\x80", FFFD FFFD FFFD FFFD },
        { "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD },
        { "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
        { "\xf5\x80", FFFD FFFD },
        { "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80" },
    };
    char out[CU_FILE_NAME_MAX + 1];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        display(rows[i].text, strlen(rows[i].text), out);
        assert_string_equal(out, rows[i].expected);
    }
    display("a\0b.txt", 7, out);
    assert_string_equal(out, "ab.txt");
    assert_int_equal(cu_file_name_display(NULL, 0, out), 6);
    assert_string_equal(out, "upload");
}

/* "head", then unit n times, then tail. */
static char *build(const char *head, const char *unit, size_t n,
                   const char *tail)
{
    char *text = malloc(strlen(head) + n * strlen(unit) + strlen(tail) + 1);
    char *p = text;

    assert_non_null(text);
    p += strlen(strcpy(p, head));
    while (n-- > 0) {
        p += strlen(strcpy(p, unit));
    }
    strcpy(p, tail);
    return text;
}

static void check_cut(const char *head, const char *unit, size_t n,
                      const char *tail, size_t kept, const char *kept_tail)
{
    char *text = build(head, unit, n, tail);
    char *expected = build(head, unit, kept, kept_tail);
    char out[CU_FILE_NAME_MAX + 1];

    display(text, strlen(text), out);
    assert_string_equal(out, expected);
    free(text);
    free(expected);
}

static void cuts_long_names(void **state)
{
    static const char ext32[] = ".1234567890123456789012345678901x";
    static const char ext33[] = ".1234567890123456789012345678901xy";

    (void)state;
    check_cut("", "x", 255, "", 255, "");
    check_cut("", "x", 256, "", 255, "");
    check_cut("", "x", 4096, "", 255, "");
    check_cut("", "x", 251, ".txt", 251, ".txt");
    check_cut("", "x", 252, ".txt", 251, ".txt");
    check_cut("", "x", 4096, ".txt", 251, ".txt");
    check_cut("", "x", 300, ".tar.gz", 252, ".gz");
    check_cut("", "x", 300, ext32, 222, ext32);
    check_cut("", "x", 300, ext33, 255, "");
    check_cut("", "x", 300, ".", 254, ".");
    check_cut("", ".", 300, "", 255, "");
    /* a hidden file's name is no extension */
    check_cut(".", "x", 300, "", 254, "");
    /* whole characters only: 85 * 3 = 255, (255 - 4) / 3 = 83 */
    check_cut("", "\xe6\x96\x87", 300, "", 85, "");
    check_cut("a", "\xe6\x96\x87", 300, "", 84, "");
    check_cut("", "\xe6\x96\x87", 300, ".txt", 83, ".txt");
    check_cut("", "\xf0\x9f\x98\x80", 300, ".x", 63, ".x");
}

static void removed_bytes_do_not_count(void **state)
{
    char *text = build("", "x\x01", 251, ".t\nxt");
    char out[CU_FILE_NAME_MAX + 1];

    (void)state;
    assert_int_equal(display(text, strlen(text), out), 255);
    assert_string_equal(out + 251, ".txt");
    free(text);
}

static void replaced_bytes_count_as_three(void **state)
{
    char *text = build("", "\xff", 100, ".txt");
    char out[CU_FILE_NAME_MAX + 1];

    (void)state;
    assert_int_equal(display(text, strlen(text), out), 83 * 3 + 4);
    assert_string_equal(out + 83 * 3, ".txt");
    free(text);
}

static void no_blank_at_a_cut_end(void **state)
{
    char *text = build("a", " ", 300, "b");
    char out[CU_FILE_NAME_MAX + 1];

    (void)state;
    display(text, strlen(text), out);
    assert_string_equal(out, "a");
    free(text);
}

/* Every byte, alone and after a first byte of each length. */
static void every_byte(void **state)
{
    static const char *const heads[] = { "", "\xc3", "\xe0", "\xe2\x80",
                                         "\xed", "\xf0", "\xf4", "\xf1\x80" };
    char out[CU_FILE_NAME_MAX + 1], text[8];
    size_t i, head_len;
    int c;

    (void)state;
    for (i = 0; i < sizeof(heads) / sizeof(heads[0]); ++i) {
        head_len = strlen(heads[i]);
        for (c = 0; c < 256; ++c) {
            memcpy(text, heads[i], head_len);
            text[head_len] = (char)c;
            display(text, head_len + 1, out);
            assert_null(strpbrk(out, "/\\\r\n\t\x7f"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(cuts_long_names),
        cmocka_unit_test(removed_bytes_do_not_count),
        cmocka_unit_test(replaced_bytes_count_as_three),
        cmocka_unit_test(no_blank_at_a_cut_end),
        cmocka_unit_test(every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
