/*
 * application/x-www-form-urlencoded, as the URL standard reads it: pairs by
 * '&', '+' is a blank, %XX decoded; a bad %XX stays as it is.  Used for small
 * forms and query strings that are in memory already.
 */
#ifndef CU_PARSE_URLENCODED_H
#define CU_PARSE_URLENCODED_H

#include <apr.h>

#include "base/result.h"

/**
 * Take the next pair from a text.
 * @param cursor     (in/out) where to go on; *cursor == end means no more
 * @param end        one past the last byte
 * @param name       (out) decoded name, terminated; empty names are skipped
 * @param name_max   bytes of name incl. terminator; a longer name is cut so
 *                   that it can match nothing shorter (it is skipped)
 * @param value      (out) decoded value, terminated
 * @param value_max  bytes of value incl. terminator, at least 2; a longer value
 *                   is cut
 * @param value_len  (out) decoded length; a value may hold NUL bytes
 * @return 1 with a pair, 0 at the end
 */
CU_MUST_CHECK int cu_urlencoded_next(const char **cursor, const char *end,
                                     char *name, apr_size_t name_max,
                                     char *value, apr_size_t value_max,
                                     apr_size_t *value_len);

#endif
