/*
 * "bytes START-END/TOTAL", and nothing that merely looks like it.
 *
 * What is refused here is a client's mistake or somebody's attempt; whether
 * that means "no range" or an error is the dialect's rule, not ours.  No
 * accepted range can overflow: END + 1 always fits an apr_off_t.
 */
#include "parse/content_range.h"

#include <stdint.h>
#include <string.h>

#include "base/number.h"

/* The number from *cursor to the next stop character, and past it. */
static int take_number(const char **cursor, const char *end, char stop,
                       apr_int64_t *out)
{
    const char *from = *cursor;
    const char *to = memchr(from, stop, (apr_size_t)(end - from));

    if (!to || !cu_number_parse(from, (apr_size_t)(to - from), out)) {
        return 0;
    }
    *cursor = to + 1;
    return 1;
}

int cu_content_range_parse(const char *text, apr_size_t len, int allow_star,
                           cu_content_range_t *out)
{
    static const char unit[] = "bytes ";
    const apr_size_t unit_len = sizeof(unit) - 1;
    const char *p, *end;
    apr_int64_t first, last, total;

    if (len < unit_len || memcmp(text, unit, unit_len) != 0) {
        return 0;
    }
    p = text + unit_len;
    end = text + len;
    if (!take_number(&p, end, '-', &first)
        || !take_number(&p, end, '/', &last) || first > last) {
        return 0;
    }
    if (allow_star && end - p == 1 && *p == '*') {
        /* No total could be above this last byte. */
        if (last == INT64_MAX) {
            return 0;
        }
        total = CU_LENGTH_UNKNOWN;
    }
    else if (!cu_number_parse(p, (apr_size_t)(end - p), &total)
             || last >= total) {
        return 0;
    }
    out->start = (apr_off_t)first;
    out->end = (apr_off_t)last;
    out->total = (apr_off_t)total;
    return 1;
}
