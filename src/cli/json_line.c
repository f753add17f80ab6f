/* A thin front for jansson, which wants valid UTF-8. */
#include "cli/json_line.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <jansson.h>

struct cu_json_line_t {
    json_t *object;
    apr_pool_t *pool;
    int failed;
};

static apr_status_t release(void *data)
{
    cu_json_line_t *line = data;

    json_decref(line->object);
    return APR_SUCCESS;
}

static cu_json_line_t *wrap(json_t *object, apr_pool_t *pool)
{
    cu_json_line_t *line = apr_pcalloc(pool, sizeof(*line));

    line->object = object;
    line->pool = pool;
    line->failed = object == NULL;
    apr_pool_cleanup_register(pool, line, release, apr_pool_cleanup_null);
    return line;
}

cu_json_line_t *cu_json_line_make(apr_pool_t *pool)
{
    return wrap(json_object(), pool);
}

/* Each byte that jansson does not take becomes U+FFFD. */
static json_t *mended(const char *text, apr_pool_t *pool)
{
    char *out = apr_palloc(pool, strlen(text) * 3 + 1), *p = out;

    while (*text) {
        json_t *probe = NULL;
        apr_size_t len;

        for (len = 1; len <= 4 && !probe && text[len - 1]; ++len) {
            probe = json_stringn(text, len);
        }
        if (probe) {
            memcpy(p, text, len - 1);
            p += len - 1;
            text += len - 1;
            json_decref(probe);
        }
        else {
            memcpy(p, "\xef\xbf\xbd", 3);
            p += 3;
            ++text;
        }
    }
    *p = '\0';
    return json_string(out);
}

void cu_json_line_text(cu_json_line_t *line, const char *key,
                       const char *text)
{
    json_t *value = text ? json_string(text) : json_null();

    if (!value) {
        value = mended(text, line->pool);
    }
    line->failed |= json_object_set_new(line->object, key, value) != 0;
}

void cu_json_line_number(cu_json_line_t *line, const char *key,
                         apr_int64_t number)
{
    line->failed |= json_object_set_new(line->object, key,
                                        json_integer(number))
                    != 0;
}

const char *cu_json_line_write(cu_json_line_t *line, apr_pool_t *pool)
{
    char *text = line->failed
                     ? NULL
                     : json_dumps(line->object,
                                  JSON_COMPACT | JSON_PRESERVE_ORDER);
    const char *copy = text ? apr_pstrdup(pool, text) : NULL;

    free(text);
    return copy;
}

cu_json_line_t *cu_json_line_read(const char *text, apr_pool_t *pool)
{
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }
    return wrap(object, pool);
}

const char *cu_json_line_get_text(const cu_json_line_t *line, const char *key)
{
    return json_string_value(json_object_get(line->object, key));
}

int cu_json_line_get_number(const cu_json_line_t *line, const char *key,
                            apr_int64_t *number)
{
    const json_t *value = json_object_get(line->object, key);

    if (!json_is_integer(value)) {
        return 0;
    }
    *number = json_integer_value(value);
    return 1;
}
