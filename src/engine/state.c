/*
 * States across, events down:
 *
 *              OPEN      COMPLETE  HANDING   DONE      DAMAGED
 *   APPEND     go        conflict  conflict  conflict  damaged
 *   QUERY      go        go        go        go        damaged
 *   COMPLETE   go        conflict  busy      conflict  damaged
 *   CANCEL     go        conflict  conflict  conflict  go
 */
#include "engine/state.h"

/* 0 is CU_OK, so the table holds code + 1 and a missing cell is our bug */
#define GO (CU_OK + 1)
#define SAY(code) ((code) + 1)

static const unsigned char
    verdicts[CU_STATUS_COUNT][CU_EVENT_COUNT] = {
        [CU_STATUS_OPEN] = {
            [CU_EVENT_APPEND] = GO,
            [CU_EVENT_QUERY] = GO,
            [CU_EVENT_COMPLETE] = GO,
            [CU_EVENT_CANCEL] = GO,
        },
        [CU_STATUS_COMPLETE] = {
            [CU_EVENT_APPEND] = SAY(CU_CONFLICT),
            [CU_EVENT_QUERY] = GO,
            [CU_EVENT_COMPLETE] = SAY(CU_CONFLICT),
            [CU_EVENT_CANCEL] = SAY(CU_CONFLICT),
        },
        [CU_STATUS_HANDING] = {
            [CU_EVENT_APPEND] = SAY(CU_CONFLICT),
            [CU_EVENT_QUERY] = GO,
            [CU_EVENT_COMPLETE] = SAY(CU_BUSY),
            [CU_EVENT_CANCEL] = SAY(CU_CONFLICT),
        },
        [CU_STATUS_DONE] = {
            [CU_EVENT_APPEND] = SAY(CU_CONFLICT),
            [CU_EVENT_QUERY] = GO,
            [CU_EVENT_COMPLETE] = SAY(CU_CONFLICT),
            [CU_EVENT_CANCEL] = SAY(CU_CONFLICT),
        },
        [CU_STATUS_DAMAGED] = {
            [CU_EVENT_APPEND] = SAY(CU_DAMAGED),
            [CU_EVENT_QUERY] = SAY(CU_DAMAGED),
            [CU_EVENT_COMPLETE] = SAY(CU_DAMAGED),
            [CU_EVENT_CANCEL] = GO,
        },
    };

cu_code_t cu_state_verdict(cu_status_t status, cu_event_t event)
{
    unsigned char cell;

    if ((unsigned)status >= CU_STATUS_COUNT
        || (unsigned)event >= CU_EVENT_COUNT) {
        return CU_BUG;
    }
    cell = verdicts[status][event];
    return cell == 0 ? CU_BUG : (cu_code_t)(cell - 1);
}
