/* base/upload_id.h: the only grammar an id may have (SEC-2), and that made
 * ids use all of it (SEC-43). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <apr_general.h>

#include "base/upload_id.h"
#include "exact.h"

#define GOOD "8230412e259c43e0a245c9f3009f3afc"

static int valid(const char *text, size_t len)
{
    char *copy = exact_copy(text, len);
    int ok = cu_upload_id_valid(copy, len);

    free(copy);
    return ok;
}

static void grammar(void **state)
{
    static const char *const bad[] = {
        "", "8", "8230412e259c43e0a245c9f3009f3af",
        GOOD "0", GOOD GOOD, "8230412E259C43E0A245C9F3009F3AFC",
        "8230412e259c43e0a245c9f3009f3afg", "8230412e259c43e0a245c9f3009f3af/",
        "../../../../../../../../etc/pass", "8230412e-259c-43e0-a245-c9f3009f",
        " 8230412e259c43e0a245c9f3009f3af", "8230412e259c43e0a245c9f3009f3af\n",
        "%38230412e259c43e0a245c9f3009f3a",
        "8230412e259c43e0a245c9f3009f3a\xc3\xa4",
    };
    size_t i;

    (void)state;
    assert_true(valid(GOOD, 32));
    assert_true(valid("00000000000000000000000000000000", 32));
    assert_true(valid("ffffffffffffffffffffffffffffffff", 32));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
        if (valid(bad[i], strlen(bad[i]))) {
            fail_msg("accepted \"%s\"", bad[i]);
        }
    }
    assert_false(cu_upload_id_valid(NULL, 0));
    assert_false(cu_upload_id_valid(NULL, 32));
}

static void every_byte_at_every_place(void **state)
{
    char text[32];
    int place, c;

    (void)state;
    for (place = 0; place < 32; ++place) {
        for (c = 0; c < 256; ++c) {
            int hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

            memcpy(text, GOOD, 32);
            text[place] = (char)c;
            assert_int_equal(valid(text, 32), hex);
        }
    }
}

static void long_ones(void **state)
{
    char *text = malloc(4096);

    (void)state;
    assert_non_null(text);
    memset(text, 'a', 4096);
    assert_false(valid(text, 4096));
    assert_true(valid(text, 32));
    free(text);
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* 4096 ids: all valid, all different, and every digit takes every value at
 * every place (a miss has the chance of 512 * (15/16)^4096, about 1e-112). */
static void made_ids(void **state)
{
    enum { COUNT = 4096 };
    static char ids[COUNT][CU_UPLOAD_ID_LEN + 1];
    static unsigned int seen[CU_UPLOAD_ID_LEN];
    int i, j;

    (void)state;
    for (i = 0; i < COUNT; ++i) {
        ids[i][CU_UPLOAD_ID_LEN] = 'x';
        assert_int_equal(cu_upload_id_make(ids[i]), APR_SUCCESS);
        assert_int_equal(ids[i][CU_UPLOAD_ID_LEN], '\0');
        assert_true(valid(ids[i], CU_UPLOAD_ID_LEN));
        for (j = 0; j < CU_UPLOAD_ID_LEN; ++j) {
            char c = ids[i][j];

            seen[j] |= 1u << (c <= '9' ? c - '0' : c - 'a' + 10);
        }
    }
    for (j = 0; j < CU_UPLOAD_ID_LEN; ++j) {
        assert_int_equal(seen[j], 0xffff);
    }
    qsort(ids, COUNT, sizeof(ids[0]), compare);
    for (i = 1; i < COUNT; ++i) {
        assert_string_not_equal(ids[i - 1], ids[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grammar),
        cmocka_unit_test(every_byte_at_every_place),
        cmocka_unit_test(long_ones),
        cmocka_unit_test(made_ids),
    };
    int failed;

    if (apr_initialize() != APR_SUCCESS) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
