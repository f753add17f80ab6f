/*
 * Answers as JSON.
 *
 * jansson refuses text that is not UTF-8, and file names come from clients
 * and from disk: so every text is made valid first, one U+FFFD for each
 * ill-formed sequence (Unicode 3.9, "maximal subpart").  A failed allocation
 * is remembered and said once, by cu_json_write().
 */
#include "dialect/json.h"

#include <string.h>

#include <jansson.h>

struct cu_json_t {
    json_t *object;
    int failed;
};

static apr_status_t release(void *data)
{
    cu_json_t *json = data;

    json_decref(json->object);
    json->object = NULL;
    return APR_SUCCESS;
}

cu_json_t *cu_json_make(apr_pool_t *pool)
{
    cu_json_t *json = apr_pcalloc(pool, sizeof(*json));

    json->object = json_object();
    json->failed = !json->object;
    apr_pool_cleanup_register(pool, json, release, apr_pool_cleanup_null);
    return json;
}

/* The range of the second byte tells overlong forms, surrogates and what is
 * beyond U+10FFFF from the rest (Unicode table 3-7). */
static apr_size_t expected_length(unsigned char lead, unsigned char *low,
                                  unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        if (lead == 0xe0) {
            *low = 0xa0;
        }
        if (lead == 0xed) {
            *high = 0x9f;
        }
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (lead == 0xf0) {
            *low = 0x90;
        }
        if (lead == 0xf4) {
            *high = 0x8f;
        }
        return 4;
    }
    return 0;
}

/* One character, or what of one is there: its bytes, and whether it is whole.
 * The terminator is no continuation byte, so nothing is read past it. */
static apr_size_t scan(const unsigned char *p, int *whole)
{
    unsigned char low, high;
    apr_size_t want = expected_length(p[0], &low, &high);
    apr_size_t have = 1;

    while (have < want && p[have] >= low && p[have] <= high) {
        ++have;
        low = 0x80;
        high = 0xbf;
    }
    *whole = have == want;
    return have;
}

static const char *make_valid(const char *text, apr_pool_t *pool)
{
    const unsigned char *p = (const unsigned char *)text;
    char *out = apr_palloc(pool, strlen(text) * 3 + 1);
    char *end = out;

    while (*p) {
        int whole;
        apr_size_t len = scan(p, &whole);

        if (whole) {
            memcpy(end, p, len);
            end += len;
        }
        else {
            memcpy(end, "\xef\xbf\xbd", 3);
            end += 3;
        }
        p += len;
    }
    *end = '\0';
    return out;
}

/* Takes value over, NULL included. */
static void add(cu_json_t *json, const char *key, json_t *value)
{
    if (json_object_set_new(json->object, key, value) != 0) {
        json->failed = 1;
    }
}

void cu_json_add_text(cu_json_t *json, const char *key, const char *text,
                      apr_pool_t *pool)
{
    add(json, key, text ? json_string(make_valid(text, pool)) : json_null());
}

void cu_json_add_number(cu_json_t *json, const char *key, apr_int64_t number)
{
    add(json, key, json_integer(number));
}

const char *cu_json_write(const cu_json_t *json, apr_size_t *len,
                          apr_pool_t *pool)
{
    const size_t flags = JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER;
    size_t size;
    char *out;

    *len = 0;
    if (json->failed) {
        return NULL;
    }
    size = json_dumpb(json->object, NULL, 0, flags);
    if (size == 0) {
        return NULL;
    }
    out = apr_palloc(pool, size + 1);
    if (json_dumpb(json->object, out, size, flags) != size) {
        return NULL;
    }
    out[size] = '\0';
    *len = size;
    return out;
}
