/*
 * Routing.  An id is exactly 32 lower-case hex digits, so neither "complete"
 * nor any other word can be taken for one; everything unknown is the
 * endpoint itself, whose dialect says what it thinks of the method.
 */
#include "serve/route.h"

#include <string.h>

#include <apr_strings.h>

#include "base/upload_id.h"
#include "parse/urlencoded.h"

enum {
    QUERY_NAME_MAX = 16, /* longer names cannot be upload_id */
    QUERY_VALUE_MAX = 256
};

static const char *last_segment(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path ? path : "";
}

/* As in forms: the last one wins, and an empty one is none. */
static cu_code_t route_query(cu_wire_t *wire)
{
    const char *cursor = wire->query;
    const char *end = cursor + strlen(cursor);
    char name[QUERY_NAME_MAX], value[QUERY_VALUE_MAX];
    apr_size_t len;
    cu_code_t code = CU_OK;

    while (cu_urlencoded_next(&cursor, end, name, sizeof(name), value,
                              sizeof(value), &len)) {
        if (strcmp(name, "upload_id") != 0) {
            continue;
        }
        code = CU_OK;
        wire->id = NULL;
        wire->resource = len > 0 ? CU_RESOURCE_UPLOAD : CU_RESOURCE_ENDPOINT;
        if (cu_upload_id_valid(value, len)) {
            wire->id = apr_pstrmemdup(wire->pool, value, len);
        }
        else if (len > 0) {
            code = CU_NOT_FOUND;
        }
    }
    return code;
}

cu_code_t cu_route(cu_wire_t *wire)
{
    const char *segment = last_segment(wire->path);

    wire->id = NULL;
    wire->resource = CU_RESOURCE_ENDPOINT;
    if (wire->handler == CU_HANDLER_COMPLETE
        || strcmp(segment, "complete") == 0) {
        wire->resource = CU_RESOURCE_COMPLETE;
        return CU_OK;
    }
    if (cu_upload_id_valid(segment, strlen(segment))) {
        wire->resource = CU_RESOURCE_UPLOAD;
        wire->id = apr_pstrdup(wire->pool, segment);
        return CU_OK;
    }
    if (wire->query && (strcmp(wire->method, "GET") == 0
                        || strcmp(wire->method, "HEAD") == 0)) {
        return route_query(wire);
    }
    return CU_OK;
}
