/*
 * The request's body as serve reads it: counted, and after a refusal judged by
 * what is left of it.
 */
#ifndef CU_SERVE_SOURCE_H
#define CU_SERVE_SOURCE_H

#include "serve/serve.h"

#define CU_SOURCE_PIECES 64
#define CU_SOURCE_REST_MAX (64 * 1024) /* bytes a connection is worth */

typedef struct cu_source_t {
    const cu_body_t *body;
    apr_off_t length;  /* of the whole body; CU_LENGTH_UNKNOWN */
    apr_off_t taken;   /* bytes read so far */
    apr_status_t rv;   /* why reading failed, or APR_SUCCESS */
    int asked;         /* read() has been called */
    int expects;       /* the client waits for a 100 before it sends */
    int ended;         /* the last byte has been read */
    int count;         /* pieces of this turn */
    struct iovec pieces[CU_SOURCE_PIECES];
} cu_source_t;

/**
 * Begin.  Reads nothing.
 * @param headers_in tell how long the body will be
 */
void cu_source_init(cu_source_t *source, const cu_body_t *body,
                    const apr_table_t *headers_in);

/**
 * The next pieces, valid until the next call.
 * @return CU_OK: source->count pieces, or none and source->ended is set;
 *         CU_BODY_LOST: source->rv says why;
 *         CU_BODY_TOO_LARGE: by what the head says, or by what came
 */
CU_MUST_CHECK cu_code_t cu_source_next(cu_source_t *source);

/**
 * No more of the body is wanted: is what is left known to be so little (or
 * nothing) that the connection may be kept?  Reads nothing.
 * @return 0 if the connection is to be given up
 */
CU_MUST_CHECK int cu_source_rest_is_small(const cu_source_t *source);

#endif
