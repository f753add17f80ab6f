/* Levels map one to one; the text is ready and only passed on. */
#include "httpd/log_sink.h"

#include <http_log.h>

#include "httpd/config.h"

APLOG_USE_MODULE(chunked_upload);

static int aplog_level(cu_log_level_t level)
{
    static const int levels[] = {
        [CU_LOG_ERROR] = APLOG_ERR,
        [CU_LOG_WARNING] = APLOG_WARNING,
        [CU_LOG_NOTICE] = APLOG_NOTICE,
        [CU_LOG_INFO] = APLOG_INFO,
        [CU_LOG_DEBUG] = APLOG_DEBUG,
        [CU_LOG_TRACE] = APLOG_TRACE1,
    };

    return levels[level];
}

static int request_wanted(void *baton, cu_log_level_t level)
{
    const request_rec *r = baton;

    return APLOG_R_MODULE_IS_LEVEL(r, APLOG_MODULE_INDEX, aplog_level(level));
}

static void request_print(void *baton, cu_log_level_t level, apr_status_t rv,
                          const char *line)
{
    const request_rec *r = baton;

    ap_log_rerror(APLOG_MARK, aplog_level(level), rv, r, "%s", line);
}

static int server_wanted(void *baton, cu_log_level_t level)
{
    const server_rec *s = baton;

    return APLOG_MODULE_IS_LEVEL(s, APLOG_MODULE_INDEX, aplog_level(level));
}

static void server_print(void *baton, cu_log_level_t level, apr_status_t rv,
                         const char *line)
{
    const server_rec *s = baton;

    ap_log_error(APLOG_MARK, aplog_level(level), rv, s, "%s", line);
}

void cu_log_sink_request(cu_log_t *log, request_rec *r)
{
    log->wanted = request_wanted;
    log->print = request_print;
    log->baton = r;
}

void cu_log_sink_server(cu_log_t *log, server_rec *s)
{
    log->wanted = server_wanted;
    log->print = server_print;
    log->baton = s;
}
