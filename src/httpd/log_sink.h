/*
 * The log of the lower layers -> httpd's error log, with this module's index,
 * so that `LogLevel chunked_upload:debug` works.
 */
#ifndef CU_HTTPD_LOG_SINK_H
#define CU_HTTPD_LOG_SINK_H

#include <httpd.h>

#include "base/log.h"

/** A sink whose lines name the request; usable as long as the request. */
void cu_log_sink_request(cu_log_t *log, request_rec *r);

/** A sink for what concerns the server. */
void cu_log_sink_server(cu_log_t *log, server_rec *s);

#endif
