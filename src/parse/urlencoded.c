/*
 * Pairs of a form or a query string, one at a time into the caller's buffers.
 *
 * A pair whose name does not fit, or is empty, or has a NUL in it (which would
 * end it early and make it another one) is passed over: it can never be taken
 * for a shorter one.  A value that does not fit is cut: it was there.
 */
#include "parse/urlencoded.h"

#include <string.h>

#include "base/hex.h"

/* Decode and terminate.  0 if max bytes do not hold it, unless it may be cut
 * (but never to nothing). */
static int decode(const char *p, const char *end, int cut, char *out,
                  apr_size_t max, apr_size_t *out_len)
{
    apr_size_t n = 0;

    while (p != end) {
        char c = *p++;

        if (n + 1 >= max) {
            if (cut && n > 0) {
                break;
            }
            return 0;
        }
        if (c == '+') {
            c = ' ';
        }
        else if (c == '%' && end - p >= 2 && cu_hex_value(p[0]) >= 0
                 && cu_hex_value(p[1]) >= 0) {
            c = (char)(cu_hex_value(p[0]) * 16 + cu_hex_value(p[1]));
            p += 2;
        }
        out[n++] = c;
    }
    if (n == max) {
        return 0;
    }
    out[n] = '\0';
    *out_len = n;
    return 1;
}

int cu_urlencoded_next(const char **cursor, const char *end, char *name,
                       apr_size_t name_max, char *value, apr_size_t value_max,
                       apr_size_t *value_len)
{
    while (*cursor != end) {
        const char *pair = *cursor;
        const char *stop = memchr(pair, '&', (apr_size_t)(end - pair));
        const char *equals;
        apr_size_t name_len;

        *cursor = stop ? stop + 1 : end;
        if (!stop) {
            stop = end;
        }
        equals = memchr(pair, '=', (apr_size_t)(stop - pair));
        if (!decode(pair, equals ? equals : stop, 0, name, name_max,
                    &name_len)
            || name_len == 0 || memchr(name, '\0', name_len)) {
            continue;
        }
        if (decode(equals ? equals + 1 : stop, stop, 1, value, value_max,
                   value_len)) {
            return 1;
        }
    }
    return 0;
}
