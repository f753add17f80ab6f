/*
 * One request, still without httpd: route, choose the dialect, read the body,
 * drive the engine, write the answer, and say one line about it if it was
 * refused.
 */
#ifndef CU_SERVE_SERVE_H
#define CU_SERVE_SERVE_H

#include <apr_want.h>

#include "dialect/dialect.h"
#include "engine/engine.h"

/* The request's body, piece by piece. */
typedef struct cu_body_t {
    /**
     * The next pieces.  Blocks until there is at least one.
     * @param pieces (out) up to max, by reference, valid until the next call
     * @param count  (out) 1 .. max; 0 only with APR_EOF
     * @return APR_SUCCESS; APR_EOF after the last byte; else why the body
     *         cannot be read (kept apart from every disk error)
     */
    apr_status_t (*read)(void *baton, struct iovec *pieces, int max,
                         int *count);
    void *baton;
    apr_off_t limit; /* bytes that one request may have; 0: any number */
    /**
     * Fields that came behind the body.  Only after APR_EOF.
     * @return NULL when there are none; the function itself may be NULL
     */
    const apr_table_t *(*trailers)(void *baton);
} cu_body_t;

typedef struct cu_serve_t {
    const cu_engine_t *engine;
    const cu_policy_t *policy;
    const cu_dialect_settings_t *settings;
    const cu_log_t *log;
} cu_serve_t;

/* How it ended, for the skin. */
typedef struct cu_outcome_t {
    cu_code_t code;
    apr_status_t body_rv; /* CU_BODY_LOST: what read() said; the skin maps it
                             to a status when the wire has none */
    const char *id;       /* upload concerned, or NULL */
    cu_op_t op;
    int created;          /* asked for a new upload */
    apr_off_t received;   /* bytes that an append added; 0 unless CU_OK */
    const cu_reply_t *reply; /* the facts; lives as long as the wire's pool */
} cu_outcome_t;

/**
 * Serve one request.  The wire's answer half is always filled, also for
 * CU_BODY_LOST (which nobody may be there to read).
 * @param wire    request half filled by the caller
 * @param body    read only when the dialect wants it, and never after a
 *                refusal; see wire->close
 * @param outcome (out)
 */
void cu_serve(const cu_serve_t *serve, cu_wire_t *wire, const cu_body_t *body,
              cu_outcome_t *outcome);

#endif
