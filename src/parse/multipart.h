/*
 * Incremental multipart/form-data (RFC 7578, RFC 2046 5.1).
 *
 * The caller owns the parser struct; it does no I/O and allocates nothing.
 * File bytes are passed on by reference into the caller's input (or into the
 * parser's own copy of the delimiter when a false boundary start spanned two
 * inputs), so no byte is copied.  Any split of the input, down to single
 * bytes, gives the same sequence of parts and the same bytes.
 *
 * Grammar held to: delimiter lines "--boundary" with optional blanks/tabs
 * before CRLF; header lines end in CRLF; no obs-fold; header names are
 * tokens; preamble and epilogue are skipped and bounded.
 */
#ifndef CU_PARSE_MULTIPART_H
#define CU_PARSE_MULTIPART_H

#include <apr.h>

#include "base/result.h"

#define CU_MULTIPART_BOUNDARY_MAX 200      /* bytes; RFC 2046 says 70 */
#define CU_MULTIPART_HEADERS_MAX 8192      /* bytes of one part's headers */
#define CU_MULTIPART_NAME_MAX 256          /* bytes of a field name */
#define CU_MULTIPART_FILENAME_MAX 4096     /* bytes of a file name, decoded */
#define CU_MULTIPART_TYPE_MAX 256          /* bytes of a part's Content-Type */
#define CU_MULTIPART_PARTS_MAX 1000        /* parts of one body */
#define CU_MULTIPART_SKIP_MAX (64 * 1024)  /* bytes of preamble; of epilogue */

typedef enum cu_parse_t {
    CU_PARSE_MORE, /* all input taken, the body is not at its end */
    CU_PARSE_DONE, /* the closing delimiter was seen; the rest is epilogue */
    CU_PARSE_BAD,  /* not multipart, or beyond a bound: see reason */
    CU_PARSE_STOP  /* a callback said so */
} cu_parse_t;

/* What a part's headers said.  Valid during part_begin only. */
typedef struct cu_multipart_part_t {
    const char *name;       /* of Content-Disposition, terminated; "" if none */
    const char *filename;   /* decoded: filename* wins over filename, quoted
                               pairs undone as browsers mean them (%22, %0D, %0A
                               stay), no path removed; NULL when there is none:
                               then the part is a text field */
    const char *type;       /* Content-Type as sent, or NULL */
} cu_multipart_part_t;

/* Return 0 to go on, anything else to stop with CU_PARSE_STOP.  A part ends
 * with the line that ends it: where that line is malformed, or the body breaks
 * off, the verdict is BAD and part_end is not called. */
typedef struct cu_multipart_callbacks_t {
    int (*part_begin)(void *baton, const cu_multipart_part_t *part);
    /* Bytes of the current part, by reference; len > 0. */
    int (*part_data)(void *baton, const char *data, apr_size_t len);
    int (*part_end)(void *baton);
} cu_multipart_callbacks_t;

/* Public only so that a caller can place it; fields are the parser's own. */
typedef struct cu_multipart_t {
    const cu_multipart_callbacks_t *calls;
    void *baton;
    const char *reason;
    int state;
    apr_size_t delimiter_len; /* of "\r\n--boundary" */
    apr_size_t matched;       /* bytes of the delimiter matched so far */
    apr_size_t header_len;
    apr_size_t skipped;
    unsigned int parts;
    int in_part;
    char delimiter[CU_MULTIPART_BOUNDARY_MAX + 5];
    char header[CU_MULTIPART_HEADERS_MAX];
    char name[CU_MULTIPART_NAME_MAX + 1];
    char filename[CU_MULTIPART_FILENAME_MAX + 1];
    char type[CU_MULTIPART_TYPE_MAX + 1];
    int has_name, has_filename, has_type;
} cu_multipart_t;

/**
 * The boundary of a Content-Type header: media type multipart/form-data (any
 * case), parameter boundary quoted or not, other parameters ignored.
 * @param type  terminated header value, or NULL
 * @param out   CU_MULTIPART_BOUNDARY_MAX + 1 bytes; terminated on success
 * @return 1 when it is multipart/form-data with one well-formed boundary;
 *         0 when it is another media type (or NULL); -1 when it is
 *         multipart/form-data with a missing, repeated or malformed boundary
 */
CU_MUST_CHECK int cu_multipart_boundary(const char *type, char *out);

/**
 * Make a parser ready.
 * @param boundary terminated, 1 .. CU_MULTIPART_BOUNDARY_MAX bytes, as given
 *                 by cu_multipart_boundary()
 * @param calls    kept by reference
 */
void cu_multipart_init(cu_multipart_t *parser, const char *boundary,
                       const cu_multipart_callbacks_t *calls, void *baton);

/**
 * Feed the next bytes.  BAD and STOP are terminal: later calls repeat them.
 * After DONE further input is epilogue, taken and thrown away up to
 * CU_MULTIPART_SKIP_MAX bytes, then BAD.
 * @return see cu_parse_t
 */
CU_MUST_CHECK cu_parse_t cu_multipart_feed(cu_multipart_t *parser,
                                           const char *data, apr_size_t len);

/**
 * Say that the body has ended.
 * @return DONE if the closing delimiter had been seen; STOP if a callback had
 *         said so; else BAD
 */
CU_MUST_CHECK cu_parse_t cu_multipart_finish(cu_multipart_t *parser);

/**
 * Why the verdict is BAD.
 * @return a static sentence fragment fit for an answer ("the body ends before
 *         its closing boundary"), NULL while nothing is wrong
 */
const char *cu_multipart_reason(const cu_multipart_t *parser);

#endif
