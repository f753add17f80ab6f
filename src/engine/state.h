/*
 * Which event is allowed in which state of an upload: one table, walked cell
 * by cell in a test.
 */
#ifndef CU_ENGINE_STATE_H
#define CU_ENGINE_STATE_H

#include "base/result.h"
#include "base/upload_status.h"

typedef enum cu_event_t {
    CU_EVENT_APPEND,
    CU_EVENT_QUERY,
    CU_EVENT_COMPLETE,
    CU_EVENT_CANCEL,
    CU_EVENT_COUNT
} cu_event_t;

/**
 * The verdict on an event.
 * @return CU_OK: go on (for COMPLETE of a finished upload CU_CONFLICT, which
 *         the caller answers as success); else the code to answer;
 *         CU_BUG for a cell that cannot come up (recovery settles CREATING,
 *         SEALING, CANCELLED and EXPIRED before anything else sees them)
 */
CU_MUST_CHECK cu_code_t cu_state_verdict(cu_status_t status, cu_event_t event);

#endif
