/*
 * parse/header_param.h.
 *
 * Input: two bytes that choose the sizes of the buffers, then a header's
 * value.  It is read as a parameter list from each of its ';' on, and as a
 * Content-Disposition.  Parameters must lie in the text and the cursor must
 * move on; buffers have exactly their size; what small buffers hold, big ones
 * hold the same; and what was read, when quoted again, is read the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parse/header_param.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static char *buffer(size_t size)
{
    char *text = malloc(size);

    require(text != NULL);
    memset(text, '~', size);
    return text;
}

static void check_decode(const cu_param_t *param, size_t max)
{
    char *small = buffer(max + 1), *big = buffer(param->value_len + 1);
    size_t i, escapes = 0, len = param->value_len;

    for (i = 0; param->quoted && i + 1 < param->value_len; ++i) {
        if (param->value[i] == '\\'
            && (param->value[i + 1] == '\\' || param->value[i + 1] == '"')) {
            ++escapes;
            ++i;
        }
    }
    len -= escapes;
    require(cu_param_decode(param, big, param->value_len));
    require(big[len] == '\0');
    require(cu_param_decode(param, small, max) == (len <= max));
    require(len > max || memcmp(small, big, len + 1) == 0);
    free(small);
    free(big);
}

static void check_ext(const cu_param_t *param, size_t max)
{
    size_t big_max = 2 * param->value_len; /* a byte of Latin-1 is two */
    char *small = buffer(max + 1), *big = buffer(big_max + 1);
    cu_ext_t verdict = cu_param_decode_ext(param, big, big_max);
    cu_ext_t again = cu_param_decode_ext(param, small, max);

    require(verdict != CU_EXT_TOO_LONG);
    if (verdict == CU_EXT_OK) {
        size_t len = strnlen(big, big_max + 1);

        require(len <= big_max && !param->quoted);
        require(again == (len <= max ? CU_EXT_OK : CU_EXT_TOO_LONG));
        require(len > max || strcmp(small, big) == 0);
    }
    else if (verdict == CU_EXT_UNKNOWN) {
        require(again == CU_EXT_UNKNOWN && big[0] == '~' && small[0] == '~');
    }
    else {
        require(again == CU_EXT_MALFORMED || again == CU_EXT_TOO_LONG);
    }
    free(small);
    free(big);
}

static void check_list(const char *text, const char *from, const char *end,
                       size_t max)
{
    cu_param_t param, kept = { 0 };
    const char *cursor = from;
    int found, count = 0;

    while ((found = cu_param_next(&cursor, end, &param)) > 0) {
        require(cursor > from && cursor <= end);
        from = cursor;
        require(param.name >= text
                && param.name + param.name_len < param.value);
        require(param.value + param.value_len + (param.quoted != 0) <= end);
        require(cu_header_is_token(param.name, param.name_len));
        require(cu_header_is_word(param.name, param.name_len, "name")
                <= (param.name_len == 4));
        require(cu_param_keep_once(&kept, &param) == (count++ == 0));
        check_decode(&param, max);
        check_ext(&param, max);
    }
    require(found == 0 || found == -1);
}

static char *put_quoted(char *p, const char *key, const char *value)
{
    p += strlen(strcpy(p, key));
    *p++ = '"';
    for (; *value; ++value) {
        if (*value == '"' || *value == '\\') {
            *p++ = '\\';
        }
        *p++ = *value;
    }
    *p++ = '"';
    return p;
}

static void same(const cu_disposition_t *a, const cu_disposition_t *b)
{
    require(strcmp(a->name, b->name) == 0);
    require(a->has_filename == b->has_filename);
    require(!a->has_filename || strcmp(a->filename, b->filename) == 0);
}

static void make(cu_disposition_t *d, size_t name_max, size_t filename_max)
{
    d->name = buffer(name_max + 1);
    d->name_max = name_max;
    d->filename = buffer(filename_max + 1);
    d->filename_max = filename_max;
    d->has_filename = -1;
}

static void unmake(cu_disposition_t *d)
{
    free(d->name);
    free(d->filename);
}

/* What was read, written again as plainly as can be. */
static void check_quoted(const cu_disposition_t *read)
{
    size_t room = 64 + 2 * (read->name_max + read->filename_max);
    char *text = buffer(room), *p = text;
    cu_disposition_t again;

    make(&again, read->name_max, read->filename_max);
    p += strlen(strcpy(p, "form-data"));
    p = put_quoted(p, "; name=", read->name);
    if (read->has_filename) {
        p = put_quoted(p, "; filename=", read->filename);
    }
    require((size_t)(p - text) <= room);
    require(cu_disposition_parse(text, (size_t)(p - text), &again) == NULL);
    same(read, &again);
    unmake(&again);
    free(text);
}

static void check_disposition(const char *text, size_t len, size_t name_max,
                              size_t filename_max)
{
    cu_disposition_t small, big;
    const char *reason;

    make(&small, name_max, filename_max);
    make(&big, 2 * len + 1, 2 * len + 1);
    reason = cu_disposition_parse(text, len, &big);
    if (!reason) {
        require(strlen(big.name) <= len && big.has_filename >= 0);
        require(!big.has_filename || strlen(big.filename) <= 2 * len);
        check_quoted(&big);
    }
    if (!cu_disposition_parse(text, len, &small)) {
        require(!reason);
        require(strlen(small.name) <= name_max);
        same(&small, &big);
    }
    unmake(&small);
    unmake(&big);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 2, *end = text + size - 2, *p;
    int lists = 0;

    if (size < 2 || size > 4096) {
        return 0;
    }
    for (p = text; p != end; ++p) {
        if (*p == ';' && ++lists <= 16) {
            check_list(text, p, end, data[1] % 64);
        }
    }
    check_list(text, text, end, data[1] % 64);
    if (!memchr(text, '\0', size - 2)) {
        check_disposition(text, size - 2, data[0] % 64, data[1] % 64);
    }
    return 0;
}
