/*
 * The Content-Range request header of a chunk: "bytes START-END/TOTAL".
 * RFC 9110 14.4 in the one form the seed's clients send, strict and bounded.
 */
#ifndef CU_PARSE_CONTENT_RANGE_H
#define CU_PARSE_CONTENT_RANGE_H

#include <apr.h>

#include "base/result.h"

typedef struct cu_content_range_t {
    apr_off_t start; /* first byte, 0-based */
    apr_off_t end;   /* last byte, inclusive, >= start */
    apr_off_t total; /* of the whole file, > end; CU_LENGTH_UNKNOWN for "*" */
} cu_content_range_t;

/**
 * Parse a header value.
 * @param text       need not be terminated
 * @param len        bytes
 * @param allow_star whether "bytes a-b/" followed by "*" is accepted
 * @param out        set only on success
 * @return 1 only for: lower-case "bytes", one blank, three decimal numbers
 *         without sign or needless zeros, start <= end < total; else 0
 */
CU_MUST_CHECK int cu_content_range_parse(const char *text, apr_size_t len,
                                         int allow_star,
                                         cu_content_range_t *out);

#endif
