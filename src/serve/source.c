/*
 * Reading the body, and giving it up.
 *
 * A refusal must not wait for a client that has paused, so nothing is read
 * after it.  Whether the connection is worth keeping is told from what
 * Content-Length says is still to come; a client that waits for "100
 * Continue" has sent nothing, and would go on waiting.
 */
#include "serve/source.h"

#include <string.h>

#include <apr_cstr.h>

#include "base/number.h"

/* RFC 9112 6.3: without either header a request has no body. */
static apr_off_t announced_length(const apr_table_t *headers_in)
{
    const char *text = apr_table_get(headers_in, "Content-Length");
    apr_int64_t length;

    if (apr_table_get(headers_in, "Transfer-Encoding")) {
        return CU_LENGTH_UNKNOWN;
    }
    if (!text) {
        return 0;
    }
    return cu_number_parse(text, strlen(text), &length) ? length
                                                        : CU_LENGTH_UNKNOWN;
}

void cu_source_init(cu_source_t *source, const cu_body_t *body,
                    const apr_table_t *headers_in)
{
    const char *expect = apr_table_get(headers_in, "Expect");

    memset(source, 0, sizeof(*source));
    source->body = body;
    source->length = announced_length(headers_in);
    source->expects = expect
                      && apr_cstr_casecmp(expect, "100-continue") == 0;
}

/* Told before the first read, a client that waits for "100 Continue" need not
 * send what would be refused. */
static int is_too_large(const cu_source_t *source)
{
    const apr_off_t limit = source->body->limit;

    return limit > 0 && (source->length > limit || source->taken > limit);
}

cu_code_t cu_source_next(cu_source_t *source)
{
    apr_status_t rv;
    int i;

    source->count = 0;
    if (source->ended) {
        return CU_OK;
    }
    if (source->rv != APR_SUCCESS) {
        return CU_BODY_LOST;
    }
    if (is_too_large(source)) {
        return CU_BODY_TOO_LARGE;
    }
    source->asked = 1;
    rv = source->body->read(source->body->baton, source->pieces,
                            CU_SOURCE_PIECES, &source->count);
    if (APR_STATUS_IS_EOF(rv)) {
        source->count = 0;
        source->ended = 1;
        return CU_OK;
    }
    if (rv != APR_SUCCESS) {
        source->count = 0;
        source->rv = rv;
        return CU_BODY_LOST;
    }
    for (i = 0; i < source->count; ++i) {
        source->taken += (apr_off_t)source->pieces[i].iov_len;
    }
    if (is_too_large(source)) {
        source->count = 0;
        return CU_BODY_TOO_LARGE;
    }
    return CU_OK;
}

int cu_source_rest_is_small(const cu_source_t *source)
{
    if (source->ended || (source->length == 0 && !source->asked)) {
        return 1;
    }
    return source->rv == APR_SUCCESS && source->length >= source->taken
           && source->length - source->taken <= CU_SOURCE_REST_MAX
           && !(source->expects && !source->asked);
}
