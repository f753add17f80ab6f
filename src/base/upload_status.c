/* The words for the states of an upload. */
#include "base/upload_status.h"

static const char *const names[CU_STATUS_COUNT] = {
    [CU_STATUS_NONE] = "none",
    [CU_STATUS_CREATING] = "creating",
    [CU_STATUS_OPEN] = "uploading",
    [CU_STATUS_SEALING] = "sealing",
    [CU_STATUS_COMPLETE] = "published",
    [CU_STATUS_HANDING] = "handing",
    [CU_STATUS_DONE] = "complete",
    [CU_STATUS_CANCELLED] = "cancelled",
    [CU_STATUS_EXPIRED] = "expired",
    [CU_STATUS_DAMAGED] = "damaged",
};

const char *cu_status_name(cu_status_t status)
{
    if ((unsigned)status >= CU_STATUS_COUNT) {
        return "?";
    }
    return names[status];
}
