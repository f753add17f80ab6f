/*
 * parse/tus_metadata.h.
 *
 * Input: a byte (0: Upload-Metadata, else Upload-Concat), then the value.
 * Metadata that is accepted has keys that are found again, and values whose
 * base64, encoded anew, is the text it came from.  A list of URLs has ids that
 * stand in the text, and the cursor moves on.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parse/tus_metadata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void encode(const unsigned char *raw, size_t len, char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "abcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t i;

    for (i = 0; i < len; i += 3) {
        unsigned int a = raw[i], b = i + 1 < len ? raw[i + 1] : 0;
        unsigned int c = i + 2 < len ? raw[i + 2] : 0;

        *text++ = digits[a >> 2];
        *text++ = digits[(a & 3) << 4 | b >> 4];
        *text++ = i + 1 < len ? digits[(b & 15) << 2 | c >> 6] : '=';
        *text++ = i + 2 < len ? digits[c & 63] : '=';
    }
}

static void check_value(const cu_tus_pair_t *pair)
{
    size_t room = pair->value_len / 4 * 3;
    unsigned char *raw = malloc(room ? room : 1);
    char *again = malloc(pair->value_len + 4);
    apr_size_t len;

    require(raw && again);
    require(cu_tus_base64(pair->value, pair->value_len, (char *)raw, room,
                          &len));
    require(len <= room && (len == 0) == (pair->value_len == 0));
    encode(raw, len, again);
    require(memcmp(again, pair->value, pair->value_len) == 0);
    require(len == 0
            || !cu_tus_base64(pair->value, pair->value_len, (char *)raw,
                              len - 1, &len));
    free(raw);
    free(again);
}

static void check_metadata(const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    char key[CU_TUS_KEY_MAX + 1];
    cu_tus_pair_t pair;
    size_t n;

    if (cu_tus_metadata_check(text, len)) {
        return;
    }
    require(len <= CU_TUS_METADATA_MAX);
    while (p != end) {
        for (; p != end && (*p == ' ' || *p == '\t'); ++p) {
        }
        for (n = 0; p + n != end && !strchr(" \t,", p[n]); ++n) {
        }
        if (n > 0) {
            require(n <= CU_TUS_KEY_MAX);
            memcpy(key, p, n);
            key[n] = '\0';
            require(cu_tus_metadata_find(text, len, key, &pair));
            require(pair.key == p && pair.key_len == n);
            check_value(&pair);
        }
        for (; p != end && *p != ','; ++p) {
        }
        p += p != end;
    }
}

static void check_concat(const char *text, size_t len)
{
    const char *cursor, *before, *end = text + len;
    char id[CU_UPLOAD_ID_LEN + 1];
    int more;

    if (cu_tus_concat(text, len, &cursor) != CU_TUS_CONCAT_FINAL) {
        return;
    }
    do {
        before = cursor;
        more = cu_tus_concat_next(&cursor, end, id);
        if (more == 1) {
            size_t i, last = (size_t)(cursor - before) - CU_UPLOAD_ID_LEN;

            require(cursor > before && cursor <= end);
            require(cu_upload_id_valid(id, strlen(id)));
            for (i = 0; memcmp(before + i, id, CU_UPLOAD_ID_LEN) != 0; ++i) {
                require(i < last);
            }
        }
    } while (more == 1);
    require(more < 0 || cursor == end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    if (data[0] == 0) {
        check_metadata((const char *)data + 1, size - 1);
    }
    else {
        check_concat((const char *)data + 1, size - 1);
    }
    return 0;
}
