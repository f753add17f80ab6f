/*
 * Strict, overflow-safe numbers: the whole string or nothing, no sign, no
 * blanks, no leading zero beyond "0" itself, 63 bits.  needs.md SEC-16.
 */
#ifndef CU_BASE_NUMBER_H
#define CU_BASE_NUMBER_H

#include <apr.h>
#include <apr_time.h>

#include "base/result.h"

/**
 * Decimal digits to a non-negative 63-bit number.
 * @param text need not be terminated
 * @param len  bytes; 0 is refused
 * @param out  set only on success, 0 .. 2^63-1
 * @return 1 if the whole of text was a number in range and had no needless
 *         leading zero, else 0
 */
CU_MUST_CHECK int cu_number_parse(const char *text, apr_size_t len,
                                  apr_int64_t *out);

/**
 * A size of a directive: digits with an optional unit K, M, G or T (powers of
 * 1024, either case), or the word None (any case) for CU_NO_LIMIT.
 * @param text terminated
 * @param out  bytes, or CU_NO_LIMIT; set only on success
 * @return NULL, or a static sentence that says what is allowed
 */
CU_MUST_CHECK const char *cu_number_parse_size(const char *text,
                                               apr_off_t *out);

/**
 * An age of a directive: digits with an optional unit s, m, h, d or w
 * (seconds when there is none), or None for "never" (out = -1).  Zero and
 * more than 100 years are refused.
 * @param text terminated
 * @param out  microseconds, or -1; set only on success
 * @return NULL, or a static sentence that says what is allowed
 */
CU_MUST_CHECK const char *cu_number_parse_age(const char *text,
                                              apr_interval_time_t *out);

#endif
