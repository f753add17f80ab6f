/*
 * A request and its answer without httpd: what a dialect may see of HTTP, and
 * what it may say.  The httpd skin fills the first half and sends the second.
 */
#ifndef CU_DIALECT_WIRE_H
#define CU_DIALECT_WIRE_H

#include <apr_pools.h>
#include <apr_tables.h>

/* Which handler the configuration gave the request to. */
typedef enum cu_handler_t {
    CU_HANDLER_UPLOAD,  /* SetHandler chunked-upload: E, E/complete, E/<id> */
    CU_HANDLER_COMPLETE /* SetHandler chunked-upload-complete: any URL */
} cu_handler_t;

/* What the URL names; serve decides it from handler and path. */
typedef enum cu_resource_t {
    CU_RESOURCE_ENDPOINT, /* E */
    CU_RESOURCE_COMPLETE, /* E/complete, or the completion handler */
    CU_RESOURCE_UPLOAD    /* E/<id>, or E?upload_id=<id> with GET or HEAD */
} cu_resource_t;

typedef struct cu_wire_t {
    /* the request */
    const char *method;            /* as sent: "POST" */
    const char *path;              /* decoded path of the URL */
    const char *query;             /* raw query string, or NULL */
    const apr_table_t *headers_in; /* case-insensitive names */
    const char *user;              /* authenticated user, or NULL */
    const char *scope;             /* whose uploads these are; never NULL */
    cu_handler_t handler;
    const char *origin;            /* "https://www.example.org", where URLs in
                                      answers are to be absolute; or NULL */
    apr_pool_t *pool;              /* of the request; owns all below */

    /* filled by serve before the dialect is asked */
    cu_resource_t resource;
    const char *id;                /* CU_RESOURCE_UPLOAD: a valid id */

    /* the answer */
    int status;                    /* HTTP status, 0 while there is none */
    const char *reason;            /* of a status that HTTP does not have, or
                                      NULL */
    apr_table_t *headers_out;      /* made by serve */
    const char *content_type;      /* or NULL: no body */
    const char *body;              /* or NULL */
    apr_size_t body_len;           /* bytes */
    int close;                     /* what is left of the body is large or
                                      unknown: give the connection up after
                                      the answer.  0: it is read to its end,
                                      or the skin may skip the small rest */
} cu_wire_t;

#endif
