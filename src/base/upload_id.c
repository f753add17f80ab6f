/* Ids are secrets for anonymous uploads: all 128 bits are random. */
#include "base/upload_id.h"

#include <apr_general.h>

apr_status_t cu_upload_id_make(char *out)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char raw[CU_UPLOAD_ID_LEN / 2];
    apr_status_t rv;
    int i;

    rv = apr_generate_random_bytes(raw, sizeof(raw));
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < CU_UPLOAD_ID_LEN / 2; ++i) {
        out[2 * i] = hex[raw[i] >> 4];
        out[2 * i + 1] = hex[raw[i] & 15];
    }
    out[CU_UPLOAD_ID_LEN] = '\0';
    return APR_SUCCESS;
}

int cu_upload_id_valid(const char *text, apr_size_t len)
{
    apr_size_t i;

    if (!text || len != CU_UPLOAD_ID_LEN) {
        return 0;
    }
    for (i = 0; i < len; ++i) {
        char c = text[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return 0;
        }
    }
    return 1;
}
