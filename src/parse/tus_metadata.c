/*
 * Upload-Metadata and Upload-Concat, strict and bounded (what is refused is
 * refused whole: a client that sends nonsense hears of it at once).
 *
 * One leniency: tus-js-client writes a key with an empty value as "key ", and
 * header fields that were sent twice come joined by ", "; so blanks around a
 * pair mean nothing.
 */
#include "parse/tus_metadata.h"

#include <string.h>

static int is_key_byte(char c)
{
    return c > ' ' && c < 0x7f && c != ',';
}

/* 0 .. 63, or -1; independent of the locale. */
static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters -> up to three bytes, and how many; 0: malformed. */
static apr_size_t decode_four(const char *p, int last, unsigned char *out)
{
    unsigned int bits = 0;
    int i, padding = 0;

    if (last && p[3] == '=') {
        padding = p[2] == '=' ? 2 : 1;
    }
    for (i = 0; i < 4; ++i) {
        int value = i < 4 - padding ? base64_value(p[i]) : 0;

        if (value < 0) {
            return 0;
        }
        bits = bits << 6 | (unsigned int)value;
    }
    out[0] = (unsigned char)(bits >> 16);
    out[1] = (unsigned char)(bits >> 8);
    out[2] = (unsigned char)bits;
    if ((padding == 1 && out[2]) || (padding == 2 && (out[1] || out[2]))) {
        return 0; /* bits that nobody would decode */
    }
    return (apr_size_t)(3 - padding);
}

/* out NULL: only look. */
static int decode(const char *text, apr_size_t len, char *out,
                  apr_size_t out_max, apr_size_t *out_len)
{
    apr_size_t at, used = 0;

    if (len % 4 != 0) {
        return 0;
    }
    for (at = 0; at < len; at += 4) {
        unsigned char bytes[3];
        apr_size_t n = decode_four(text + at, at + 4 == len, bytes);

        if (n == 0 || (out && n > out_max - used)) {
            return 0;
        }
        if (out) {
            memcpy(out + used, bytes, n);
        }
        used += n;
    }
    *out_len = used;
    return 1;
}

int cu_tus_base64(const char *text, apr_size_t len, char *out,
                  apr_size_t out_max, apr_size_t *out_len)
{
    return decode(text, len, out, out_max, out_len);
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p != end && (*p == ' ' || *p == '\t')) {
        ++p;
    }
    return p;
}

/* The next pair; 1 with one, 0 at the end, -1 if there is none where one must
 * be.  What the value consists of is not judged here. */
static int next_pair(const char **cursor, const char *end, int first,
                     cu_tus_pair_t *pair)
{
    const char *p = skip_blanks(*cursor, end);

    if (!first) {
        if (p == end) {
            return 0;
        }
        if (*p != ',') {
            return -1;
        }
        p = skip_blanks(p + 1, end);
    }
    else if (p == end) {
        return 0;
    }
    pair->key = p;
    while (p != end && is_key_byte(*p)) {
        ++p;
    }
    pair->key_len = (apr_size_t)(p - pair->key);
    p = skip_blanks(p, end);
    pair->value = p;
    while (p != end && (base64_value(*p) >= 0 || *p == '=')) {
        ++p;
    }
    pair->value_len = (apr_size_t)(p - pair->value);
    *cursor = p;
    return pair->key_len > 0 ? 1 : -1;
}

static int same_key(const cu_tus_pair_t *a, const cu_tus_pair_t *b)
{
    return a->key_len == b->key_len
           && memcmp(a->key, b->key, a->key_len) == 0;
}

const char *cu_tus_metadata_check(const char *text, apr_size_t len)
{
    cu_tus_pair_t pairs[CU_TUS_PAIRS_MAX + 1];
    const char *cursor = text, *end = text + len;
    apr_size_t ignored;
    int count = 0, more, i;

    if (len > CU_TUS_METADATA_MAX) {
        return "Upload-Metadata is longer than 8192 bytes";
    }
    while ((more = next_pair(&cursor, end, count == 0, &pairs[count])) == 1) {
        if (pairs[count].key_len > CU_TUS_KEY_MAX) {
            return "a key of Upload-Metadata is longer than 128 bytes";
        }
        if (!decode(pairs[count].value, pairs[count].value_len, NULL, 0,
                    &ignored)) {
            return "a value of Upload-Metadata is not base64";
        }
        for (i = 0; i < count; ++i) {
            if (same_key(&pairs[i], &pairs[count])) {
                return "a key of Upload-Metadata is there twice";
            }
        }
        if (++count > CU_TUS_PAIRS_MAX) {
            return "Upload-Metadata has more than 64 pairs";
        }
    }
    return more == 0 ? NULL : "Upload-Metadata is not a list of pairs";
}

int cu_tus_metadata_find(const char *text, apr_size_t len, const char *key,
                         cu_tus_pair_t *pair)
{
    const char *cursor = text, *end = text + len;
    cu_tus_pair_t one;
    int first = 1;

    while (next_pair(&cursor, end, first, &one) == 1) {
        first = 0;
        if (one.key_len == strlen(key)
            && memcmp(one.key, key, one.key_len) == 0) {
            *pair = one;
            return 1;
        }
    }
    return 0;
}

cu_tus_concat_t cu_tus_concat(const char *text, apr_size_t len,
                              const char **list)
{
    static const char partial[] = "partial", final[] = "final;";

    if (len > CU_TUS_CONCAT_MAX) {
        return CU_TUS_CONCAT_BAD;
    }
    if (len == sizeof(partial) - 1 && memcmp(text, partial, len) == 0) {
        return CU_TUS_CONCAT_PARTIAL;
    }
    if (len > sizeof(final) - 1
        && memcmp(text, final, sizeof(final) - 1) == 0) {
        *list = text + sizeof(final) - 1;
        return CU_TUS_CONCAT_FINAL;
    }
    return CU_TUS_CONCAT_BAD;
}

int cu_tus_concat_next(const char **cursor, const char *end, char *id)
{
    const char *p = skip_blanks(*cursor, end), *segment = p, *stop;

    if (p == end) {
        *cursor = p;
        return 0;
    }
    while (p != end && *p > ' ' && *p < 0x7f) {
        ++p;
    }
    if (p != end && *p != ' ' && *p != '\t') {
        return -1;
    }
    *cursor = p;
    for (stop = segment; stop != p && *stop != '?' && *stop != '#'; ++stop) {
        if (*stop == '/') {
            segment = stop + 1;
        }
    }
    if (!cu_upload_id_valid(segment, (apr_size_t)(stop - segment))) {
        return -1;
    }
    memcpy(id, segment, CU_UPLOAD_ID_LEN);
    id[CU_UPLOAD_ID_LEN] = '\0';
    return 1;
}
