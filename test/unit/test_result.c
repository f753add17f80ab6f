/* base/result.h, base/upload_status.h: every value has a name of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/result.h"
#include "base/upload_status.h"

static const char *code_name(int i)
{
    return cu_code_name((cu_code_t)i);
}

static const char *status_name(int i)
{
    return cu_status_name((cu_status_t)i);
}

static void check_names(const char *(*name)(int), int count, const char *set)
{
    int i, j;

    for (i = 0; i < count; ++i) {
        assert_non_null(name(i));
        assert_string_not_equal(name(i), "?");
        assert_int_not_equal(name(i)[0], '\0');
        assert_int_equal(strspn(name(i), set), strlen(name(i)));
        for (j = 0; j < i; ++j) {
            assert_string_not_equal(name(i), name(j));
        }
    }
    assert_string_equal(name(-1), "?");
    assert_string_equal(name(count), "?");
    assert_string_equal(name(count + 1000), "?");
}

static void codes(void **state)
{
    (void)state;
    check_names(code_name, CU_CODE_COUNT, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    assert_int_equal(CU_OK, 0);
    assert_string_equal(cu_code_name(CU_OK), "OK");
    assert_string_equal(cu_code_name(CU_OFFSET_MISMATCH), "OFFSET_MISMATCH");
    assert_string_equal(cu_code_name(CU_BUG), "BUG");
}

static void statuses(void **state)
{
    (void)state;
    check_names(status_name, CU_STATUS_COUNT, "abcdefghijklmnopqrstuvwxyz");
    assert_string_equal(cu_status_name(CU_STATUS_OPEN), "uploading");
    assert_string_equal(cu_status_name(CU_STATUS_DONE), "complete");
}

/* These are on disk. */
static void status_numbers_are_fixed(void **state)
{
    (void)state;
    assert_int_equal(CU_STATUS_NONE, 0);
    assert_int_equal(CU_STATUS_CREATING, 1);
    assert_int_equal(CU_STATUS_OPEN, 2);
    assert_int_equal(CU_STATUS_SEALING, 3);
    assert_int_equal(CU_STATUS_COMPLETE, 4);
    assert_int_equal(CU_STATUS_HANDING, 5);
    assert_int_equal(CU_STATUS_DONE, 6);
    assert_int_equal(CU_STATUS_CANCELLED, 7);
    assert_int_equal(CU_STATUS_EXPIRED, 8);
    assert_int_equal(CU_STATUS_DAMAGED, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes),
        cmocka_unit_test(statuses),
        cmocka_unit_test(status_numbers_are_fixed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
