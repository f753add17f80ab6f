/*
 * Brigade -> body source.  Guarantees: every byte is given once, in order;
 * what was given stays until the next read; a brigade with more buckets than
 * the caller takes is given over several reads; a body that breaks off never
 * looks like one that ended.
 */
#include "httpd/body.h"

#include <string.h>

#include <apr_buckets.h>
#include <http_protocol.h>
#include <util_filter.h>

#include "base/number.h"
#include "httpd/fixups.h"

/* One read of the filters.  httpd allocates no more than arrives. */
#define READ_BYTES (256 * 1024)

/* What has arrived is skipped up to this size; a busy sender would keep us. */
#define SKIP_BYTES (1024 * 1024)

/* What has not arrived is worth waiting for up to this size. */
#define SMALL_BYTES (64 * 1024)

struct cu_request_body_t {
    request_rec *r;
    apr_bucket_brigade *brigade; /* given or to be given */
    apr_bucket *next;            /* first bucket not given yet */
    apr_off_t given;             /* bytes that arrived so far */
    int at_end;                  /* the end of the body was seen */
    int answered;                /* a filter did, instead of us */
    apr_status_t rv;             /* first failure; stays */
};

/* The brigade's next buckets from the network. */
static apr_status_t fetch(cu_request_body_t *source, apr_read_type_e block)
{
    apr_status_t rv;

    apr_brigade_cleanup(source->brigade);
    rv = ap_get_brigade(source->r->input_filters, source->brigade,
                        AP_MODE_READBYTES, block, READ_BYTES);
    source->next = APR_BRIGADE_FIRST(source->brigade);
    if (rv == APR_SUCCESS && block == APR_BLOCK_READ
        && APR_BRIGADE_EMPTY(source->brigade)) {
        rv = APR_EGENERAL; /* a filter that breaks its promise to block */
    }
    if (rv == AP_FILTER_ERROR) {
        source->answered = 1;
        rv = APR_ECONNABORTED; /* AP_FILTER_ERROR is no apr_status_t */
    }
    /* An end without EOS is not the body's end. */
    return APR_STATUS_IS_EOF(rv) ? APR_INCOMPLETE : rv;
}

/* Buckets from source->next on -> pieces, by reference. */
static apr_status_t take(cu_request_body_t *source, struct iovec *pieces,
                         int max, int *count)
{
    apr_bucket *bucket = source->next;
    const apr_bucket *sentinel = APR_BRIGADE_SENTINEL(source->brigade);
    apr_status_t rv = APR_SUCCESS;

    while (bucket != sentinel && *count < max && !source->at_end) {
        const char *data;
        apr_size_t len;

        if (APR_BUCKET_IS_EOS(bucket)) {
            source->at_end = 1;
        }
        else if (AP_BUCKET_IS_ERROR(bucket)) {
            rv = APR_EGENERAL;
            break;
        }
        else if (!APR_BUCKET_IS_METADATA(bucket)) {
            if (bucket->length == (apr_size_t)-1 && *count > 0) {
                break; /* may block: first what is there */
            }
            rv = apr_bucket_read(bucket, &data, &len, APR_BLOCK_READ);
            if (rv != APR_SUCCESS) {
                break;
            }
            if (len > 0) {
                pieces[*count].iov_base = (char *)data;
                pieces[*count].iov_len = len;
                source->given += (apr_off_t)len;
                ++*count;
            }
        }
        bucket = APR_BUCKET_NEXT(bucket);
    }
    source->next = bucket;
    return rv;
}

/* What earlier reads gave is not needed any more. */
static void drop_given(cu_request_body_t *source)
{
    while (!APR_BRIGADE_EMPTY(source->brigade)
           && APR_BRIGADE_FIRST(source->brigade) != source->next) {
        apr_bucket_delete(APR_BRIGADE_FIRST(source->brigade));
    }
}

static apr_status_t body_read(void *baton, struct iovec *pieces, int max,
                              int *count)
{
    cu_request_body_t *source = baton;

    *count = 0;
    drop_given(source);
    while (source->rv == APR_SUCCESS && *count == 0 && !source->at_end) {
        if (source->next == APR_BRIGADE_SENTINEL(source->brigade)) {
            source->rv = fetch(source, APR_BLOCK_READ);
        }
        if (source->rv == APR_SUCCESS) {
            source->rv = take(source, pieces, max, count);
        }
    }
    if (*count > 0) {
        return APR_SUCCESS; /* an error is told by the next call */
    }
    return source->rv != APR_SUCCESS ? source->rv : APR_EOF;
}

/* Where MergeTrailers is on, httpd puts them among the request's own. */
static const apr_table_t *body_trailers(void *baton)
{
    const cu_request_body_t *source = baton;
    const request_rec *r = source->r;

    return r->trailers_in && !apr_is_empty_table(r->trailers_in)
               ? r->trailers_in
               : r->headers_in;
}

cu_request_body_t *cu_body_open(cu_body_t *body, request_rec *r)
{
    cu_request_body_t *source = apr_pcalloc(r->pool, sizeof(*source));

    source->r = r;
    source->brigade = apr_brigade_create(r->pool,
                                         r->connection->bucket_alloc);
    source->next = APR_BRIGADE_SENTINEL(source->brigade);
    body->read = body_read;
    body->baton = source;
    body->limit = cu_fixups_take_body_limit(r);
    body->trailers = body_trailers;
    return source;
}

int cu_body_is_answered(const cu_request_body_t *source)
{
    return source->answered;
}

int cu_body_at_end(const cu_request_body_t *source)
{
    return source->at_end;
}

int cu_body_skip_rest(cu_request_body_t *source)
{
    const apr_off_t enough = source->given + SKIP_BYTES;

    if (source->r->expecting_100) {
        return 0; /* nothing was sent, and reading would ask for it */
    }
    while (!source->at_end && source->rv == APR_SUCCESS
           && source->given < enough) {
        struct iovec piece;
        int count = 0;

        drop_given(source);
        if (source->next == APR_BRIGADE_SENTINEL(source->brigade)) {
            source->rv = fetch(source, APR_NONBLOCK_READ);
            if (source->rv == APR_SUCCESS
                && APR_BRIGADE_EMPTY(source->brigade)) {
                break;
            }
        }
        if (source->rv == APR_SUCCESS) {
            source->rv = take(source, &piece, 1, &count);
        }
    }
    return source->at_end;
}

int cu_body_rest_is_small(const cu_request_body_t *source)
{
    const char *text = apr_table_get(source->r->headers_in, "Content-Length");
    apr_int64_t length;

    if (source->r->expecting_100
        || (source->rv != APR_SUCCESS && !APR_STATUS_IS_EAGAIN(source->rv))
        || !text || !cu_number_parse(text, strlen(text), &length)) {
        return 0;
    }
    return length - source->given <= SMALL_BYTES;
}
