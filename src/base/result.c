/* Names of the outcome codes; a missing row shows as "?" and fails a test. */
#include "base/result.h"

static const char *const names[CU_CODE_COUNT] = {
    [CU_OK] = "OK",
    [CU_NOT_FOUND] = "NOT_FOUND",
    [CU_GONE] = "GONE",
    [CU_CONFLICT] = "CONFLICT",
    [CU_UNAUTHENTICATED] = "UNAUTHENTICATED",
    [CU_BAD_ASK] = "BAD_ASK",
    [CU_NO_FILE] = "NO_FILE",
    [CU_BAD_METHOD] = "BAD_METHOD",
    [CU_OFFSET_MISMATCH] = "OFFSET_MISMATCH",
    [CU_LENGTH_MISMATCH] = "LENGTH_MISMATCH",
    [CU_TOO_LARGE] = "TOO_LARGE",
    [CU_DIGEST_MISMATCH] = "DIGEST_MISMATCH",
    [CU_INCOMPLETE] = "INCOMPLETE",
    [CU_BUSY] = "BUSY",
    [CU_SUPERSEDED] = "SUPERSEDED",
    [CU_NO_SPACE] = "NO_SPACE",
    [CU_DAMAGED] = "DAMAGED",
    [CU_IO] = "IO",
    [CU_BODY_LOST] = "BODY_LOST",
    [CU_BODY_TOO_LARGE] = "BODY_TOO_LARGE",
    [CU_BUG] = "BUG",
};

const char *cu_code_name(cu_code_t code)
{
    if ((unsigned)code >= CU_CODE_COUNT || !names[code]) {
        return "?";
    }
    return names[code];
}
