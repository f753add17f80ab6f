/* Formatting of log lines, and the escape that keeps one line one line. */
#include "base/log.h"

#include <stdio.h>
#include <string.h>

void cu_log(const cu_log_t *log, cu_log_level_t level, apr_status_t rv,
            const char *fmt, ...)
{
    char line[1024];
    va_list args;

    if (!log || !log->print) {
        return;
    }
    if (log->wanted && !log->wanted(log->baton, level)) {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    log->print(log->baton, level, rv, line);
}

const char *cu_log_escape(const char *text, apr_pool_t *pool)
{
    static const char hex[] = "0123456789abcdef";
    enum { ESCAPE_MAX = 120 };
    apr_size_t len, i;
    char *out, *p;

    if (!text) {
        return "-";
    }
    len = strlen(text);
    if (len > ESCAPE_MAX) {
        len = ESCAPE_MAX;
    }
    p = out = apr_palloc(pool, len * 4 + 1);
    for (i = 0; i < len; ++i) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c > 0x7e || c == '"' || c == '\\') {
            *p++ = '\\';
            *p++ = 'x';
            *p++ = hex[c >> 4];
            *p++ = hex[c & 15];
        }
        else {
            *p++ = (char)c;
        }
    }
    *p = '\0';
    return out;
}
