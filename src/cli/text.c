/* Times, sizes, uploads as text; JSON through json_line.c. */
#include "cli/text.h"

#include <stdio.h>

#include <apr_strings.h>

#include "cli/json_line.h"

const char *cu_text_time(apr_time_t time, apr_pool_t *pool)
{
    apr_time_exp_t utc;

    if (time == 0 || apr_time_exp_gmt(&utc, time) != APR_SUCCESS) {
        return "never";
    }
    return apr_psprintf(pool, "%04d-%02d-%02dT%02d:%02d:%02dZ",
                        utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                        utc.tm_hour, utc.tm_min, utc.tm_sec);
}

const char *cu_text_size(apr_off_t bytes, apr_pool_t *pool)
{
    static const char units[] = "KMGTPE";
    double n = (double)bytes;
    int i = -1;

    if (bytes == CU_LENGTH_UNKNOWN) {
        return "?";
    }
    if (bytes < 1024) {
        return apr_psprintf(pool, "%" APR_OFF_T_FMT " B", bytes);
    }
    while (n >= 1024 && i < 5) {
        n /= 1024;
        ++i;
    }
    return apr_psprintf(pool, "%.1f %ciB", n, units[i]);
}

const char *cu_text_age(apr_interval_time_t age, apr_pool_t *pool)
{
    apr_int64_t s = age < 0 ? 0 : apr_time_sec(age);

    if (s < 120) {
        return apr_psprintf(pool, "%" APR_INT64_T_FMT "s", s);
    }
    if (s < 120 * 60) {
        return apr_psprintf(pool, "%" APR_INT64_T_FMT "m", s / 60);
    }
    if (s < 48 * 3600) {
        return apr_psprintf(pool, "%" APR_INT64_T_FMT "h", s / 3600);
    }
    return apr_psprintf(pool, "%" APR_INT64_T_FMT "d", s / 86400);
}

const char *cu_text_safe(const char *text, apr_pool_t *pool)
{
    return text && text[0] ? cu_log_escape(text, pool) : "-";
}

static void add_time(cu_json_line_t *line, const char *key, apr_time_t time,
                     apr_pool_t *pool)
{
    cu_json_line_text(line, key, time == 0 ? NULL : cu_text_time(time, pool));
}

const char *cu_text_json(const cu_listed_t *at, apr_pool_t *pool)
{
    cu_json_line_t *line = cu_json_line_make(pool);

    cu_json_line_text(line, "upload_id", at->id);
    cu_json_line_text(line, "status", cu_status_name(at->status));
    cu_json_line_text(line, "owner", at->owner[0] ? at->owner : NULL);
    cu_json_line_text(line, "scope", at->scope);
    cu_json_line_text(line, "name", at->name);
    cu_json_line_text(line, "type", at->type[0] ? at->type : NULL);
    cu_json_line_number(line, "offset", at->offset);
    if (at->length == CU_LENGTH_UNKNOWN) {
        cu_json_line_text(line, "length", NULL);
    }
    else {
        cu_json_line_number(line, "length", at->length);
    }
    cu_json_line_number(line, "chunks", (apr_int64_t)at->chunks);
    add_time(line, "created", at->created, pool);
    add_time(line, "active", at->active, pool);
    add_time(line, "expires", at->expires, pool);
    add_time(line, "completed", at->completed, pool);
    cu_json_line_text(line, "digest", at->digest_hex[0] ? at->digest_hex
                                                        : NULL);
    cu_json_line_text(line, "path", at->path);
    return cu_json_line_write(line, pool);
}

int cu_text_store_error(apr_status_t rv)
{
    char why[128];

    fprintf(stderr, "chunked-upload-ctl: the store cannot be used: %s\n",
            apr_strerror(rv, why, sizeof(why)));
    return CU_EXIT_STORE;
}

int cu_text_outcome(const char *id, cu_code_t code, apr_pool_t *pool)
{
    const char *text;

    switch (code) {
    case CU_NOT_FOUND:
        text = "no such upload";
        break;
    case CU_CONFLICT:
        text = "it is complete";
        break;
    case CU_BUSY:
        text = "its lock is held; try again";
        break;
    case CU_DAMAGED:
        text = "its state file is damaged";
        break;
    default:
        text = cu_code_name(code);
        break;
    }
    fprintf(stderr, "chunked-upload-ctl: %s: %s\n", cu_text_safe(id, pool),
            text);
    return code == CU_NOT_FOUND || code == CU_CONFLICT || code == CU_DAMAGED
               ? CU_EXIT_PROBLEMS
               : CU_EXIT_STORE;
}
