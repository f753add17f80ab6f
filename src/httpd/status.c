/*
 * The status page.  What it shows costs the same whatever the store's size:
 * the counters and the lately used uploads come from shared memory, the
 * totals from the record of the reaper's last pass.
 *
 * Nothing is shown unless the administrator said ChunkedUploadStatusScope,
 * which no .htaccess can: an id is the key of an anonymous upload.  Uploads of
 * other virtual hosts, and all totals, only where he said "all".
 * Everything that came from a client is escaped on its way out.
 */
#include "httpd/status.h"

#include <string.h>
#include <sys/statvfs.h>

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <jansson.h>
#include <mod_status.h>

#include "engine/fsck.h"
#include "engine/pass.h"
#include "httpd/config.h"
#include "httpd/counters.h"
#include "httpd/handler.h"
#include "mod_chunked_upload.h"

APLOG_USE_MODULE(chunked_upload);

#define SHOWN apr_time_from_sec(15 * 60) /* uploads not sent to for longer are
                                            not running */
#define ACTIVE apr_time_from_sec(60)

typedef struct running_t {
    cu_row_t row;
    cu_listed_t at;
    double rate; /* bytes a second; 0: not known */
    apr_int64_t eta; /* seconds; -1: not known */
} running_t;

typedef struct view_t {
    request_rec *r;
    int all; /* every scope, and the totals */
    apr_time_t now;
    int count;
    int active;
    running_t running[CU_ROWS];
    cu_pass_last_t last;
    apr_int64_t disk_free; /* bytes; -1: not known */
} view_t;

/* ---- what there is to show ---- */

static void judge_speed(running_t *running)
{
    const cu_row_t *row = &running->row;
    apr_interval_time_t took = row->last_at - row->first_at;
    apr_off_t came = row->last_offset - row->first_offset;

    running->eta = -1;
    running->rate = took > 0 && came > 0
                        ? (double)came * APR_USEC_PER_SEC / (double)took
                        : 0;
    if (running->rate > 0 && running->at.length != CU_LENGTH_UNKNOWN) {
        running->eta = (apr_int64_t)((double)(running->at.length
                                              - running->at.offset)
                                     / running->rate);
    }
}

static void gather_running(view_t *view, const cu_engine_t *engine)
{
    const char *scope = cu_handler_scope(view->r);
    cu_row_t rows[CU_ROWS];
    int i, count = cu_counters_rows(rows);

    for (i = 0; i < count; ++i) {
        running_t *running = &view->running[view->count];

        running->row = rows[i];
        if (view->now - rows[i].last_at > SHOWN
            || cu_list_one(engine, rows[i].id, &running->at, view->r->pool)
                   != CU_OK
            || (!view->all && strcmp(running->at.scope, scope) != 0)) {
            continue;
        }
        view->active += view->now - rows[i].last_at <= ACTIVE;
        if (running->at.status == CU_STATUS_OPEN) {
            judge_speed(running);
            ++view->count;
        }
    }
}

static void gather(view_t *view, request_rec *r, const cu_engine_t *engine,
                   int all)
{
    const cu_server_config_t *config = cu_config_of_server(r->server);
    const char *root = config->root
                           ? config->root
                           : apr_pstrcat(r->pool, config->state_dir, "/store",
                                         NULL);
    struct statvfs fs;

    memset(view, 0, sizeof(*view));
    view->r = r;
    view->all = all;
    view->now = apr_time_now();
    gather_running(view, engine);
    view->disk_free = -1;
    if (all) {
        cu_pass_last(engine, &view->last, r->pool);
        if (statvfs(root, &fs) == 0) {
            view->disk_free = (apr_int64_t)fs.f_bavail
                              * (apr_int64_t)fs.f_frsize;
        }
    }
}

typedef struct counter_t {
    cu_count_t which;
    const char *name; /* of the metric, and of the field in JSON */
    const char *help;
} counter_t;

static const counter_t counters[] = {
    { CU_COUNT_STARTED, "started", "Uploads begun." },
    { CU_COUNT_CHUNKS, "chunks", "Chunks acknowledged." },
    { CU_COUNT_BYTES, "received_bytes", "Bytes acknowledged." },
    { CU_COUNT_COMPLETED, "completed", "Uploads completed." },
    { CU_COUNT_ABORTED, "aborted", "Requests whose body broke off." },
    { CU_COUNT_EXPIRED, "expired", "Unfinished uploads removed." },
    { CU_COUNT_PURGED, "purged", "Complete uploads removed." },
    { CU_COUNT_DIGEST, "digest_failures",
      "Completions with a digest that did not match." },
    { CU_COUNT_TAKEOVER, "takeovers",
      "Requests that a newer one superseded." },
    { CU_COUNT_PASSES, "reaper_passes", "Passes of the reaper ended." },
};

#define COUNTERS (sizeof(counters) / sizeof(counters[0]))

typedef struct gauge_t {
    const char *name;
    const char *help;
    apr_int64_t value;
    int is_known;
} gauge_t;

#define GAUGES 8

static void gauges_of(const view_t *view, gauge_t *gauges)
{
    const cu_expire_t *seen = &view->last.result;
    int passed = view->last.ended != 0;
    const gauge_t all[GAUGES] = {
        { "active", "Uploads sent to within the last minute.", view->active,
          1 },
        { "open", "Unfinished uploads at the reaper's last pass.",
          (apr_int64_t)seen->open, passed },
        { "open_bytes", "Bytes of those on disk.",
          (apr_int64_t)seen->open_bytes, passed },
        { "complete", "Complete uploads at the reaper's last pass.",
          (apr_int64_t)seen->done, passed },
        { "complete_bytes", "Bytes of those on disk.",
          (apr_int64_t)seen->done_bytes, passed },
        { "oldest_timestamp_seconds",
          "When the oldest unfinished upload was begun.",
          apr_time_sec(seen->oldest), passed && seen->oldest != 0 },
        { "reaper_last_pass_timestamp_seconds",
          "When the reaper's last pass ended.", apr_time_sec(view->last.ended),
          passed },
        { "disk_free_bytes", "Free on the store's file system.",
          view->disk_free, view->disk_free >= 0 },
    };

    memcpy(gauges, all, sizeof(all));
}

/* ---- OpenMetrics ---- */

static void send_metrics(const view_t *view)
{
    request_rec *r = view->r;
    gauge_t gauges[GAUGES];
    apr_size_t i;
    int code;

    ap_set_content_type(r, "application/openmetrics-text; version=1.0.0; "
                           "charset=utf-8");
    for (i = 0; i < COUNTERS; ++i) {
        ap_rprintf(r, "# TYPE chunked_upload_%s counter\n"
                      "# HELP chunked_upload_%s %s\n"
                      "chunked_upload_%s_total %" APR_UINT64_T_FMT "\n",
                   counters[i].name, counters[i].name, counters[i].help,
                   counters[i].name, cu_counters_get(counters[i].which));
    }
    ap_rputs("# TYPE chunked_upload_refused counter\n"
             "# HELP chunked_upload_refused Requests refused, by reason.\n",
             r);
    for (code = CU_OK + 1; code < CU_CODE_COUNT; ++code) {
        char *reason = apr_pstrdup(r->pool, cu_code_name((cu_code_t)code));

        ap_str_tolower(reason);
        ap_rprintf(r, "chunked_upload_refused_total{reason=\"%s\"} %"
                      APR_UINT64_T_FMT "\n",
                   reason, cu_counters_refused((cu_code_t)code));
    }
    gauges_of(view, gauges);
    for (i = 0; i < GAUGES; ++i) {
        if (gauges[i].is_known) {
            ap_rprintf(r, "# TYPE chunked_upload_%s gauge\n"
                          "# HELP chunked_upload_%s %s\n"
                          "chunked_upload_%s %" APR_INT64_T_FMT "\n",
                       gauges[i].name, gauges[i].name, gauges[i].help,
                       gauges[i].name, gauges[i].value);
        }
    }
    ap_rputs("# EOF\n", r);
}

/* ---- JSON ---- */

static void put_text(json_t *object, const char *key, const char *text,
                     apr_pool_t *pool)
{
    json_t *value = text && text[0] ? json_string(text) : json_null();

    if (!value) { /* no UTF-8 */
        value = json_string(cu_log_escape(text, pool));
    }
    (void)json_object_set_new(object, key, value);
}

static void put_number(json_t *object, const char *key, apr_int64_t value,
                       int is_known)
{
    (void)json_object_set_new(object, key, is_known ? json_integer(value)
                                                    : json_null());
}

static json_t *json_of_running(const running_t *running, apr_pool_t *pool)
{
    const cu_listed_t *at = &running->at;
    json_t *object = json_object();

    put_text(object, "upload_id", at->id, pool);
    put_text(object, "owner", at->owner, pool);
    put_text(object, "scope", at->scope, pool);
    put_text(object, "name", at->name, pool);
    put_number(object, "offset", at->offset, 1);
    put_number(object, "length", at->length,
               at->length != CU_LENGTH_UNKNOWN);
    put_number(object, "rate", (apr_int64_t)running->rate,
               running->rate > 0);
    put_number(object, "eta", running->eta, running->eta >= 0);
    put_number(object, "created", apr_time_sec(at->created), 1);
    put_number(object, "last", apr_time_sec(running->row.last_at), 1);
    put_number(object, "expires", apr_time_sec(at->expires),
               at->expires != 0);
    put_text(object, "error",
             running->row.last_code == CU_OK
                 ? NULL
                 : cu_code_name(running->row.last_code),
             pool);
    return object;
}

static void send_json(const view_t *view)
{
    request_rec *r = view->r;
    json_t *top = json_object(), *list = json_array();
    gauge_t gauges[GAUGES];
    apr_size_t i;
    char *text;
    int n;

    for (n = 0; n < view->count; ++n) {
        (void)json_array_append_new(list,
                                    json_of_running(&view->running[n],
                                                    r->pool));
    }
    (void)json_object_set_new(top, "running", list);
    if (view->all) {
        gauges_of(view, gauges);
        for (i = 0; i < GAUGES; ++i) {
            put_number(top, gauges[i].name, gauges[i].value,
                       gauges[i].is_known);
        }
        for (i = 0; i < COUNTERS; ++i) {
            put_number(top, counters[i].name,
                       (apr_int64_t)cu_counters_get(counters[i].which), 1);
        }
        put_number(top, "since", apr_time_sec(cu_counters_since()), 1);
    }
    text = json_dumps(top, JSON_PRESERVE_ORDER);
    json_decref(top);
    ap_set_content_type(r, "application/json");
    ap_rputs(text ? text : "{}", r);
    ap_rputs("\n", r);
    free(text);
}

/* ---- HTML ---- */

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<title>Uploads</title>\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>\n"
    "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;"
    "max-width:75em;padding:0 1em;color:#222;background:#fff}\n"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.3em .8em .3em 0;border-bottom:1px solid "
    "#ddd;vertical-align:top}\n"
    "td.n,th.n{text-align:right;white-space:nowrap}"
    "td.name{overflow-wrap:anywhere;min-width:14em}progress{width:7em}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1.5em}"
    "dd{margin:0}.err{color:#a00}\n"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}"
    "th,td{border-color:#444}.err{color:#f88}}</style>\n"
    "<script src=\"?js\" defer></script></head><body>\n"
    "<h1>Uploads</h1>\n<main>\n";

/* Asks for the page again and takes its middle. */
static const char page_script[] =
    "setInterval(async () => {\n"
    "  if (document.hidden) return;\n"
    "  try {\n"
    "    const answer = await fetch(location.pathname);\n"
    "    if (!answer.ok) return;\n"
    "    const page = new DOMParser().parseFromString(\n"
    "      await answer.text(), 'text/html');\n"
    "    document.querySelector('main').replaceWith(\n"
    "      document.adoptNode(page.querySelector('main')));\n"
    "  } catch { /* the next time */ }\n"
    "}, 2000);\n";

static const char *size_text(double bytes, apr_pool_t *pool)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    int i = 0;

    while (bytes >= 1024 && i < 4) {
        bytes /= 1024;
        ++i;
    }
    return apr_psprintf(pool, i == 0 ? "%.0f %s" : "%.1f %s", bytes,
                        units[i]);
}

static const char *span_text(apr_int64_t s, apr_pool_t *pool)
{
    if (s < 60) {
        return apr_psprintf(pool, "%d s", (int)s);
    }
    if (s < 3600) {
        return apr_psprintf(pool, "%d:%02d min", (int)(s / 60),
                            (int)(s % 60));
    }
    if (s < 2 * 86400) {
        return apr_psprintf(pool, "%d:%02d h", (int)(s / 3600),
                            (int)(s / 60 % 60));
    }
    return apr_psprintf(pool, "%" APR_INT64_T_FMT " d", s / 86400);
}

/* "OFFSET_MISMATCH" -> "offset mismatch" */
static const char *error_text(cu_code_t code, apr_pool_t *pool)
{
    char *text = apr_pstrdup(pool, code == CU_OK ? "" : cu_code_name(code));
    char *p;

    ap_str_tolower(text);
    for (p = text; *p; ++p) {
        if (*p == '_') {
            *p = ' ';
        }
    }
    return text;
}

static void html_running(const view_t *view, const running_t *running)
{
    request_rec *r = view->r;
    const cu_listed_t *at = &running->at;
    const char *error = error_text(running->row.last_code, r->pool);

    ap_rprintf(r, "<tr><td class=\"name\">%s<br><small>%s</small></td>"
                  "<td>%s</td>",
               ap_escape_html(r->pool, at->name[0] ? at->name : "(no name)"),
               at->id,
               ap_escape_html(r->pool, at->owner[0] ? at->owner : "-"));
    if (view->all) {
        ap_rprintf(r, "<td>%s</td>", ap_escape_html(r->pool, at->scope));
    }
    if (at->length > 0) {
        ap_rprintf(r, "<td><progress max=\"100\" value=\"%.1f\">%.0f%%"
                      "</progress></td>",
                   (double)at->offset * 100 / (double)at->length,
                   (double)at->offset * 100 / (double)at->length);
    }
    else {
        ap_rputs("<td></td>", r);
    }
    ap_rprintf(r, "<td class=\"n\">%s of %s</td>",
               size_text((double)at->offset, r->pool),
               at->length == CU_LENGTH_UNKNOWN
                   ? "?"
                   : size_text((double)at->length, r->pool));
    ap_rprintf(r, "<td class=\"n\">%s%s</td><td class=\"n\">%s</td>"
                  "<td class=\"n\">%s ago</td><td class=\"err\">%s</td></tr>\n",
               running->rate > 0 ? size_text(running->rate, r->pool) : "",
               running->rate > 0 ? "/s" : "",
               running->eta >= 0 ? span_text(running->eta, r->pool) : "",
               span_text(apr_time_sec(view->now - running->row.last_at),
                         r->pool),
               error);
}

static void html_pair(request_rec *r, const char *name, const char *value)
{
    ap_rprintf(r, "<dt>%s</dt><dd>%s</dd>\n", name, value);
}

static const char *age_text(apr_interval_time_t age, apr_pool_t *pool)
{
    return age < 0 ? "never" : span_text(apr_time_sec(age), pool);
}

static void html_limits(const view_t *view)
{
    request_rec *r = view->r;
    const cu_server_config_t *config = cu_config_of_server(r->server);
    cu_policy_t policy;

    cu_config_policy(r, &policy);
    ap_rputs("<h2>Limits here</h2>\n<dl>\n", r);
    html_pair(r, "most bytes of an upload",
              policy.max_bytes == CU_NO_LIMIT
                  ? "no limit"
                  : size_text((double)policy.max_bytes, r->pool));
    html_pair(r, "an unfinished upload expires",
              apr_pstrcat(r->pool, age_text(policy.expire, r->pool),
                          policy.expire < 0 ? ""
                          : policy.expire_from == CU_EXPIRE_FROM_IDLE
                              ? " after its last chunk"
                              : " after it was begun", NULL));
    html_pair(r, "a complete upload is removed",
              age_text(config->keep_complete, r->pool));
    html_pair(r, "the reaper comes every",
              age_text(config->reap_interval, r->pool));
    ap_rputs("</dl>\n", r);
}

static void html_totals(const view_t *view)
{
    request_rec *r = view->r;
    const cu_expire_t *seen = &view->last.result;
    apr_size_t i;

    ap_rputs("<h2>Store</h2>\n<dl>\n", r);
    if (view->disk_free >= 0) {
        html_pair(r, "free on disk",
                  size_text((double)view->disk_free, r->pool));
    }
    if (view->last.ended == 0) {
        html_pair(r, "the reaper's last pass", "none yet");
    }
    else {
        html_pair(r, "the reaper's last pass",
                  apr_psprintf(r->pool, "%s ago, took %s",
                               span_text(apr_time_sec(view->now
                                                      - view->last.ended),
                                         r->pool),
                               span_text(apr_time_sec(view->last.took),
                                         r->pool)));
        html_pair(r, "unfinished then",
                  apr_psprintf(r->pool, "%" APR_UINT64_T_FMT ", %s",
                               seen->open,
                               size_text((double)seen->open_bytes, r->pool)));
        html_pair(r, "complete then",
                  apr_psprintf(r->pool, "%" APR_UINT64_T_FMT ", %s",
                               seen->done,
                               size_text((double)seen->done_bytes, r->pool)));
        if (seen->oldest != 0) {
            html_pair(r, "oldest unfinished",
                      span_text(apr_time_sec(view->now - seen->oldest),
                                r->pool));
        }
    }
    ap_rprintf(r, "</dl>\n<h2>Counted for %s</h2>\n<dl>\n",
               span_text(apr_time_sec(view->now - cu_counters_since()),
                         r->pool));
    for (i = 0; i < COUNTERS; ++i) {
        apr_uint64_t n = cu_counters_get(counters[i].which);

        html_pair(r, counters[i].help,
                  counters[i].which == CU_COUNT_BYTES
                      ? size_text((double)n, r->pool)
                      : apr_psprintf(r->pool, "%" APR_UINT64_T_FMT, n));
    }
    ap_rputs("</dl>\n", r);
}

static void send_html(const view_t *view)
{
    request_rec *r = view->r;
    int i;

    ap_set_content_type(r, "text/html; charset=utf-8");
    ap_rputs(page_head, r);
    ap_rprintf(r, "<h2>Running: %d</h2>\n", view->count);
    if (view->count > 0) {
        ap_rprintf(r, "<table><thead><tr><th>Name</th><th>Owner</th>%s"
                      "<th>Progress</th><th class=\"n\">Received</th>"
                      "<th class=\"n\">Rate</th><th class=\"n\">Left</th>"
                      "<th class=\"n\">Last</th><th>Last refusal</th></tr>"
                      "</thead>\n<tbody>\n",
                   view->all ? "<th>Site</th>" : "");
        for (i = 0; i < view->count; ++i) {
            html_running(view, &view->running[i]);
        }
        ap_rputs("</tbody></table>\n", r);
    }
    else {
        ap_rputs("<p>Nothing was sent in the last quarter of an hour.</p>\n",
                 r);
    }
    if (view->all) {
        html_totals(view);
    }
    html_limits(view);
    ap_rputs("</main>\n<p><small><a href=\"?json\">JSON</a>", r);
    if (view->all) {
        ap_rputs(" <a href=\"?metrics\">OpenMetrics</a>", r);
    }
    ap_rputs("</small></p></body></html>\n", r);
}

/* ---- hooks ---- */

int cu_status_run(request_rec *r)
{
    const cu_engine_t *engine;
    const char *args = r->args ? r->args : "";
    view_t *view;
    cu_show_t show;
    int all;

    if (!r->handler || strcmp(r->handler, CHUNKED_UPLOAD_STATUS_HANDLER)) {
        return DECLINED;
    }
    r->allowed |= AP_METHOD_BIT << M_GET;
    if (r->method_number != M_GET) {
        return HTTP_METHOD_NOT_ALLOWED;
    }
    engine = cu_config_engine(r);
    if (!engine) {
        return HTTP_NOT_FOUND;
    }
    show = cu_config_status_scope(r);
    all = show == CU_SHOW_ALL;
    if (show == CU_SHOW_NOTHING) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      CULOGNO(0220) "status page: closed here; the server "
                      "configuration must say ChunkedUploadStatusScope");
        return HTTP_FORBIDDEN;
    }
    if (!strcmp(args, "metrics") && !all) {
        return HTTP_FORBIDDEN;
    }
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->headers_out, "Content-Security-Policy",
                   "default-src 'none'; script-src 'self'; connect-src "
                   "'self'; style-src 'unsafe-inline'; frame-ancestors "
                   "'none'; base-uri 'none'");
    if (!strcmp(args, "js")) {
        ap_set_content_type(r, "text/javascript; charset=utf-8");
        ap_rputs(page_script, r);
        return OK;
    }
    view = apr_palloc(r->pool, sizeof(*view));
    gather(view, r, engine, all);
    if (!strcmp(args, "metrics")) {
        send_metrics(view);
    }
    else if (!strcmp(args, "json")) {
        send_json(view);
    }
    else {
        send_html(view);
    }
    return OK;
}

/* mod_status's page: its own access rules, so the totals only. */
static int section(request_rec *r, int flags)
{
    apr_size_t i;

    if (cu_counters_since() == 0) {
        return DECLINED;
    }
    if (!(flags & AP_STATUS_SHORT)) {
        ap_rputs("<hr>\n<h2>Chunked uploads</h2>\n<dl>\n", r);
    }
    for (i = 0; i < COUNTERS; ++i) {
        ap_rprintf(r, flags & AP_STATUS_SHORT
                          ? "ChunkedUpload-%s: %" APR_UINT64_T_FMT "\n"
                          : "<dt>%s: %" APR_UINT64_T_FMT "</dt>\n",
                   flags & AP_STATUS_SHORT ? counters[i].name
                                           : counters[i].help,
                   cu_counters_get(counters[i].which));
    }
    if (!(flags & AP_STATUS_SHORT)) {
        ap_rputs("</dl>\n", r);
    }
    return OK;
}

void cu_status_register(void)
{
    APR_OPTIONAL_HOOK(ap, status_hook, section, NULL, NULL, APR_HOOK_MIDDLE);
}
