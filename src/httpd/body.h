/*
 * The request's body as httpd's input filters give it -> cu_body_t.  Bytes go
 * up by reference: at most one brigade is in memory.
 */
#ifndef CU_HTTPD_BODY_H
#define CU_HTTPD_BODY_H

#include <httpd.h>

#include "serve/serve.h"

typedef struct cu_request_body_t cu_request_body_t;

/**
 * Make a request's body readable.  Reads nothing yet, so a client that waits
 * for "100 Continue" goes on waiting.
 * @param body (out) all of it; lives as long as the request
 * @return for the functions below
 */
cu_request_body_t *cu_body_open(cu_body_t *body, request_rec *r);

/**
 * Has a filter answered the client itself?  What it said is then no reason
 * that anybody else could name.
 */
int cu_body_is_answered(const cu_request_body_t *source);

/** Has the body been read to its end? */
int cu_body_at_end(const cu_request_body_t *source);

/**
 * Throw away what has arrived already, without waiting.  A small remainder
 * that is here anyway need not cost the connection.
 * @return 1 if that was the rest of the body
 */
int cu_body_skip_rest(cu_request_body_t *source);

/**
 * Is what the client still has to send known, little, and on its way?
 * @return 0 for a body that failed, or waits for "100 Continue"
 */
int cu_body_rest_is_small(const cu_request_body_t *source);

#endif
