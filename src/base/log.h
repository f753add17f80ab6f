/*
 * Logging by injection: the library never learns where its words go.
 *
 * The httpd skin forwards to ap_log_rerror, the tool prints to stderr, a test
 * collects.  Every message begins with CULOGNO(nnnn): numbers are unique,
 * never reused, and a new context takes a new number (test/check/lognos.sh).
 */
#ifndef CU_BASE_LOG_H
#define CU_BASE_LOG_H

#include <stdarg.h>

#include <apr_errno.h>
#include <apr_pools.h>

#include "base/result.h"

#define CULOGNO(n) "CU" #n ": "

/* What a client can cause at will is INFO, what an operator must repair is
 * ERROR, what he might want to know NOTICE or WARNING, a chunk's life DEBUG. */
typedef enum cu_log_level_t {
    CU_LOG_ERROR,
    CU_LOG_WARNING,
    CU_LOG_NOTICE,
    CU_LOG_INFO,
    CU_LOG_DEBUG,
    CU_LOG_TRACE
} cu_log_level_t;

typedef struct cu_log_t {
    /* Is this level wanted?  Asked before anything is formatted. */
    int (*wanted)(void *baton, cu_log_level_t level);
    /* One formatted line, no newline; rv is the real status or APR_SUCCESS. */
    void (*print)(void *baton, cu_log_level_t level, apr_status_t rv,
                  const char *line);
    void *baton;
} cu_log_t;

/**
 * Write one line if its level is wanted.  Lines are cut at 1 KiB.
 * @param log  the sink; NULL is silence
 * @param rv   the status that caused the line, or APR_SUCCESS
 * @param fmt  printf format that begins with CULOGNO(nnnn)
 */
void cu_log(const cu_log_t *log, cu_log_level_t level, apr_status_t rv,
            const char *fmt, ...) CU_PRINTF(4, 5);

/**
 * Text from a client, made safe for one log line: bytes outside printable
 * ASCII, the quote and the backslash become \xNN; cut after 120 bytes of input.
 * @param text NULL gives "-"
 * @param pool owns the result
 */
const char *cu_log_escape(const char *text, apr_pool_t *pool);

#endif
