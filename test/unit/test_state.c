/* The state table, cell by cell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/state.h"

static void test_every_cell(void **state)
{
    static const struct {
        cu_status_t status;
        cu_code_t verdict[CU_EVENT_COUNT]; /* append query complete cancel */
    } want[] = {
        { CU_STATUS_NONE, { CU_BUG, CU_BUG, CU_BUG, CU_BUG } },
        { CU_STATUS_CREATING, { CU_BUG, CU_BUG, CU_BUG, CU_BUG } },
        { CU_STATUS_OPEN, { CU_OK, CU_OK, CU_OK, CU_OK } },
        { CU_STATUS_SEALING, { CU_BUG, CU_BUG, CU_BUG, CU_BUG } },
        { CU_STATUS_COMPLETE,
          { CU_CONFLICT, CU_OK, CU_CONFLICT, CU_CONFLICT } },
        { CU_STATUS_HANDING, { CU_CONFLICT, CU_OK, CU_BUSY, CU_CONFLICT } },
        { CU_STATUS_DONE, { CU_CONFLICT, CU_OK, CU_CONFLICT, CU_CONFLICT } },
        { CU_STATUS_CANCELLED, { CU_BUG, CU_BUG, CU_BUG, CU_BUG } },
        { CU_STATUS_EXPIRED, { CU_BUG, CU_BUG, CU_BUG, CU_BUG } },
        { CU_STATUS_DAMAGED,
          { CU_DAMAGED, CU_DAMAGED, CU_DAMAGED, CU_OK } },
    };
    int i, event;

    (void)state;
    assert_int_equal(sizeof(want) / sizeof(want[0]), CU_STATUS_COUNT);
    for (i = 0; i < CU_STATUS_COUNT; ++i) {
        assert_int_equal(want[i].status, i);
        for (event = 0; event < CU_EVENT_COUNT; ++event) {
            assert_int_equal(
                cu_state_verdict(want[i].status, (cu_event_t)event),
                want[i].verdict[event]);
        }
    }
}

static void test_outside(void **state)
{
    (void)state;
    assert_int_equal(cu_state_verdict(CU_STATUS_COUNT, CU_EVENT_QUERY),
                     CU_BUG);
    assert_int_equal(cu_state_verdict(CU_STATUS_OPEN, CU_EVENT_COUNT), CU_BUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cell),
        cmocka_unit_test(test_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
