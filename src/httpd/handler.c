/*
 * request_rec <-> wire.  The answer is sent from here, with the status in it,
 * so that no ErrorDocument replaces what a client must read (the offset to go
 * on at).  What a request means, and its line in the log, is serve's.
 */
#include "httpd/handler.h"

#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <util_md5.h>

#include "base/log.h"
#include "engine/upload.h"
#include "httpd/body.h"
#include "httpd/config.h"
#include "httpd/counters.h"
#include "httpd/log_sink.h"
#include "httpd/reaper.h"
#include "mod_chunked_upload.h"
#include "serve/serve.h"

int cu_handler_named(const char *name, cu_handler_t *kind)
{
    if (name && !strcmp(name, CHUNKED_UPLOAD_HANDLER)) {
        *kind = CU_HANDLER_UPLOAD;
        return 1;
    }
    if (name && !strcmp(name, CHUNKED_UPLOAD_COMPLETE_HANDLER)) {
        *kind = CU_HANDLER_COMPLETE;
        return 1;
    }
    return 0;
}

/*
 * Uploads belong to a virtual host: its configured name, which no client can
 * choose, without the port, so that http and https are one.
 */
const char *cu_handler_scope(const request_rec *r)
{
    const char *name = r->server->server_hostname;
    char *scope = apr_pstrdup(r->pool, name ? name : "");

    ap_str_tolower(scope);
    if (strlen(scope) > CU_UPLOAD_SCOPE_MAX) {
        return ap_md5(r->pool, (const unsigned char *)scope);
    }
    return scope;
}

static void read_wire(request_rec *r, cu_handler_t kind, cu_wire_t *wire)
{
    memset(wire, 0, sizeof(*wire));
    wire->method = r->method;
    wire->path = r->uri;
    wire->query = r->args;
    wire->headers_in = r->headers_in;
    wire->user = r->user;
    wire->scope = cu_handler_scope(r);
    wire->handler = kind;
    wire->origin = cu_config_absolute(r) ? ap_construct_url(r->pool, "", r)
                                         : NULL;
    wire->pool = r->pool;
}

static int set_header(void *table, const char *name, const char *value)
{
    apr_table_addn(table, name, value);
    return 1;
}

/* The wire's answer -> the client. */
static void send_wire(request_rec *r, const cu_wire_t *wire)
{
    /* What httpd sets itself for an error must not undo a refusal's words. */
    apr_table_t *headers = ap_is_HTTP_SUCCESS(wire->status)
                               ? r->headers_out : r->err_headers_out;

    r->status = wire->status;
    if (wire->reason) {
        r->status_line = apr_psprintf(r->pool, "%d %s", wire->status,
                                      wire->reason);
    }
    if (wire->headers_out) {
        apr_table_do(set_header, headers, wire->headers_out, NULL);
    }
    if (wire->content_type) {
        ap_set_content_type(r, wire->content_type);
    }
    if (wire->status != HTTP_NO_CONTENT && wire->status != HTTP_NOT_MODIFIED) {
        ap_set_content_length(r, (apr_off_t)wire->body_len);
    }
    if (wire->body_len > 0 && !r->header_only) {
        (void)ap_rwrite(wire->body, (int)wire->body_len, r);
    }
}

/* The status of a body that could not be read: httpd knows a time-out, else
 * the dialect's holds. */
static void blame_body(cu_wire_t *wire, const cu_outcome_t *outcome)
{
    int status = ap_map_http_request_error(outcome->body_rv,
                                           HTTP_BAD_REQUEST);

    /* httpd knows a time-out; one that asks its clients to try again does so
     * after a time-out too: to some of them a 408 is final. */
    if (wire->status == 0
        || (status != HTTP_BAD_REQUEST
            && !(status == HTTP_REQUEST_TIME_OUT && wire->status >= 500))) {
        wire->status = status;
    }
    wire->close = 1;
}

/*
 * A client that still sends, or has paused, must have the answer now; httpd
 * would first read the rest of a body it means to keep the connection after.
 * So a rest that is here already is skipped, one that is small is left to
 * httpd after the answer has gone out, and any other costs the connection
 * (on HTTP/2, where the flag is the stream's, the stream).
 * @return 1 if the answer must be pushed out before the handler returns
 */
static int let_go(request_rec *r, cu_request_body_t *source, int close)
{
    if (cu_body_at_end(source) || cu_body_skip_rest(source)) {
        return 0;
    }
    if (!close && cu_body_rest_is_small(source)) {
        return 1;
    }
    r->connection->keepalive = AP_CONN_CLOSE;
    return 0;
}

int cu_handler_run(request_rec *r)
{
    cu_handler_t kind;
    cu_policy_t policy;
    cu_dialect_settings_t settings;
    cu_log_t log;
    cu_body_t body;
    cu_wire_t wire;
    cu_outcome_t outcome;
    cu_request_body_t *source;
    cu_serve_t serve;
    int push;

    if (!cu_handler_named(r->handler, &kind)) {
        return DECLINED;
    }
    cu_log_sink_request(&log, r);
    serve.engine = cu_config_engine(r);
    serve.policy = &policy;
    serve.settings = &settings;
    serve.log = &log;
    if (!serve.engine) {
        cu_log(&log, CU_LOG_ERROR, APR_SUCCESS,
               CULOGNO(0150) "this server has no place for uploads: set "
               "ChunkedUploadStateDir in the server configuration and restart "
               "httpd");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    cu_config_policy(r, &policy);
    cu_config_settings(r, &settings);
    read_wire(r, kind, &wire);
    memset(&outcome, 0, sizeof(outcome));
    source = cu_body_open(&body, r);
    cu_serve(&serve, &wire, &body, &outcome);
    cu_counters_observe(r, serve.engine, &outcome, &log);
    if (outcome.code == CU_BODY_LOST) {
        if (cu_body_is_answered(source)) {
            return AP_FILTER_ERROR;
        }
        blame_body(&wire, &outcome);
    }
    push = let_go(r, source, wire.close);
    send_wire(r, &wire);
    if (push) {
        (void)ap_rflush(r);
    }
    if (outcome.created && outcome.code == CU_OK) {
        cu_reaper_lazily(r, serve.engine);
    }
    return OK;
}
