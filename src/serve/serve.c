/*
 * One request from head to answer.
 *
 * The order is the seed's: method, permission, form, and then the engine's
 * own checks.  A chunk counts only after the form's closing delimiter and the
 * body's end; on any refusal it is given up first, then the rest of the body
 * is dealt with, then the answer is written.  Whoever refuses, one line is
 * logged here and nowhere else.
 */
#include "serve/serve.h"

#include <string.h>

#include "engine/complete.h"
#include "engine/join.h"
#include "serve/form_body.h"
#include "serve/route.h"

typedef struct request_t {
    const cu_serve_t *serve;
    cu_exchange_t exchange;
    cu_source_t source;
    cu_chunk_t chunk;
} request_t;

static void init_ask(cu_ask_t *ask, const cu_serve_t *serve,
                     const cu_wire_t *wire)
{
    ask->owner = wire->user;
    ask->scope = wire->scope;
    ask->policy = serve->policy;
    ask->log = serve->log;
    ask->chunk_length = CU_LENGTH_UNKNOWN;
    ask->length = CU_LENGTH_UNKNOWN;
}

static request_t *make_request(const cu_serve_t *serve, cu_wire_t *wire,
                               const cu_body_t *body)
{
    request_t *request = apr_pcalloc(wire->pool, sizeof(*request));
    cu_exchange_t *x = &request->exchange;

    request->serve = serve;
    x->wire = wire;
    x->settings = serve->settings;
    x->policy = serve->policy;
    x->reply.length = CU_LENGTH_UNKNOWN;
    init_ask(&x->ask, serve, wire);
    cu_source_init(&request->source, body, wire->headers_in);
    cu_chunk_init(&request->chunk, serve->engine, x);

    wire->status = 0;
    wire->reason = NULL;
    wire->headers_out = apr_table_make(wire->pool, 4);
    wire->content_type = NULL;
    wire->body = NULL;
    wire->body_len = 0;
    wire->close = 0;
    return request;
}

/* Permission is asked before anything of the request is judged but its
 * method, as the seed does; a preflight needs none. */
static cu_code_t read_head(cu_exchange_t *x)
{
    cu_code_t code = cu_route(x->wire);

    x->dialect = cu_dialect_choose(x->wire, x->settings->dialects);
    x->ask.dialect = x->dialect->name;
    if (code == CU_OK) {
        code = x->dialect->read_head(x);
    }
    if (code == CU_BAD_METHOD || (code == CU_OK && x->op == CU_OP_NONE)) {
        return code;
    }
    if (!x->policy->anonymous && !x->wire->user) {
        return CU_UNAUTHENTICATED;
    }
    return code;
}

/* Where a dialect has no word for it, the last byte completes the upload.  If
 * that fails the bytes count all the same, and the next question tries again. */
static cu_code_t complete_if_full(request_t *request)
{
    cu_exchange_t *x = &request->exchange;
    cu_ask_t ask = x->ask;

    if (!x->completes || x->reply.status != CU_STATUS_OPEN
        || x->reply.length == CU_LENGTH_UNKNOWN
        || x->reply.offset != x->reply.length) {
        return CU_OK;
    }
    ask.id = x->reply.id;
    ask.digest_required = 0;
    return cu_complete(request->serve->engine, &ask, &x->reply,
                       x->wire->pool);
}

/* Nothing more for an upload that is complete: a request that is repeated. */
static int is_repeated_end(const cu_exchange_t *x)
{
    return x->completes && x->op == CU_OP_APPEND
           && x->reply.role != CU_ROLE_JOINED && x->ask.chunk_length == 0
           && x->reply.id && x->ask.offset == x->reply.offset
           && x->reply.offset == x->reply.length;
}

/* The upload is found or made before the first byte is read, so that a client
 * which waits for a 100 hears a refusal instead. */
static cu_code_t run_raw(request_t *request)
{
    cu_exchange_t *x = &request->exchange;
    cu_code_t code = cu_chunk_begin(&request->chunk);

    if (code == CU_CONFLICT && is_repeated_end(x)) {
        return CU_OK;
    }
    if (code == CU_OK) {
        code = cu_form_body_read(x, &request->source, &request->chunk);
    }
    if (code == CU_OK) {
        code = cu_chunk_commit(&request->chunk);
    }
    return code == CU_OK ? complete_if_full(request) : code;
}

static cu_code_t run_query(request_t *request)
{
    cu_exchange_t *x = &request->exchange;
    cu_code_t code = cu_engine_query(request->serve->engine, &x->ask,
                                     &x->reply, x->wire->pool);

    return code == CU_OK ? complete_if_full(request) : code;
}

static cu_code_t run_append(request_t *request)
{
    cu_code_t code = cu_form_body_read(&request->exchange, &request->source,
                                       &request->chunk);

    return code == CU_OK ? cu_chunk_commit(&request->chunk) : code;
}

static cu_code_t run_complete(request_t *request)
{
    cu_exchange_t *x = &request->exchange;
    cu_code_t code = cu_form_body_read(x, &request->source, NULL);

    if (code != CU_OK) {
        return code;
    }
    return cu_complete(request->serve->engine, &x->ask, &x->reply,
                       x->wire->pool);
}

static cu_code_t run(request_t *request)
{
    cu_exchange_t *x = &request->exchange;
    cu_code_t code = read_head(x);

    if (code != CU_OK) {
        return code;
    }
    switch (x->op) {
    case CU_OP_NONE:
        return CU_OK;
    case CU_OP_APPEND:
        return x->framing == CU_FRAMING_RAW ? run_raw(request)
                                            : run_append(request);
    case CU_OP_COMPLETE:
        return run_complete(request);
    case CU_OP_QUERY:
        return run_query(request);
    case CU_OP_CREATE:
        return run_raw(request);
    case CU_OP_JOIN:
        return cu_join(request->serve->engine, &x->ask, x->parts,
                       x->part_count, &x->reply, x->wire->pool);
    case CU_OP_CANCEL:
        return cu_engine_cancel(request->serve->engine, &x->ask, &x->reply,
                                x->wire->pool);
    }
    return CU_BUG;
}

/* Whoever was superseded is most likely a dead connection: nothing is read
 * from it. */
static void finish_body(request_t *request)
{
    cu_exchange_t *x = &request->exchange;

    if (x->code == CU_SUPERSEDED && !request->source.ended) {
        x->wire->close = 1;
        return;
    }
    x->wire->close = !cu_source_rest_is_small(&request->source);
}

static void answer(cu_exchange_t *x)
{
    apr_table_t *headers = x->wire->headers_out;

    apr_table_setn(headers, "Cache-Control", "no-store");
    apr_table_setn(headers, "X-Content-Type-Options", "nosniff");
    x->dialect->write(x);
}

/* What an operator must repair is an error; what a client can cause is not. */
static int is_ours(cu_code_t code)
{
    return code == CU_IO || code == CU_DAMAGED || code == CU_BUG
           || code == CU_NO_SPACE;
}

static const char *why(const cu_exchange_t *x)
{
    const char *text = x->reply.detail;

    if (x->code == CU_BAD_ASK && x->complaint) {
        text = x->complaint;
    }
    else if (!text && x->code == CU_BAD_ASK) {
        text = x->ask.fault;
    }
    return cu_log_escape(text, x->wire->pool);
}

static void log_refusal(const request_t *request, const cu_outcome_t *outcome)
{
    const cu_exchange_t *x = &request->exchange;
    const char *id = outcome->id ? outcome->id : "-";

    if (is_ours(x->code)) {
        cu_log(request->serve->log, CU_LOG_ERROR, x->reply.rv,
               CULOGNO(0100) "upload %s: failed: %s: %s (%d)", id,
               cu_code_name(x->code), why(x), x->wire->status);
        return;
    }
    cu_log(request->serve->log, CU_LOG_INFO,
           outcome->body_rv != APR_SUCCESS ? outcome->body_rv : x->reply.rv,
           CULOGNO(0101) "upload %s: refused: %s: %s (%d)", id,
           cu_code_name(x->code), why(x), x->wire->status);
}

void cu_serve(const cu_serve_t *serve, cu_wire_t *wire, const cu_body_t *body,
              cu_outcome_t *outcome)
{
    request_t *request = make_request(serve, wire, body);
    cu_exchange_t *x = &request->exchange;

    x->code = run(request);
    outcome->code = x->code;
    outcome->body_rv = x->code == CU_BODY_LOST ? request->source.rv
                                               : APR_SUCCESS;
    outcome->id = x->reply.id ? x->reply.id : x->ask.id;
    outcome->op = x->op;
    outcome->created = x->op == CU_OP_CREATE || x->op == CU_OP_JOIN
                       || (x->op == CU_OP_APPEND && !x->ask.id);
    outcome->received = (x->op == CU_OP_APPEND || x->op == CU_OP_CREATE)
                                && x->code == CU_OK
                            ? x->reply.offset - x->ask.offset
                            : 0;
    outcome->reply = &x->reply;
    if (x->code == CU_BODY_TOO_LARGE) {
        x->reply.limit = body->limit;
        x->reply.detail = "more than one request may have";
    }
    if (x->code != CU_OK) {
        cu_chunk_abort(&request->chunk);
    }
    finish_body(request);
    answer(x);
    if (x->code != CU_OK) {
        log_refusal(request, outcome);
    }
}
