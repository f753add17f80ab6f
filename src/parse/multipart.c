/*
 * The multipart/form-data parser.
 *
 * feed() runs a small machine over the input; each state takes what it can
 * and moves on.  Part data is searched with memchr() for the CR a delimiter
 * starts with.  A boundary holds no CR, so where a match breaks off no other
 * match can have begun in between: the search goes on at the byte that broke
 * it, and what had matched in earlier inputs is given on from our own copy of
 * the delimiter.  Nothing is looked at twice, and no state depends on where
 * the input was cut.
 *
 * A delimiter with junk behind it, a folded header, a bare CR or LF in a
 * header, a second name: all of it is BAD.  Two parsers that guess
 * differently about such a body are how things get past a guard.
 */
#include "parse/multipart.h"

#include <string.h>

#include "parse/header_param.h"

enum {
    /* The start states stand behind a line end: the delimiter's CRLF may be
     * missing before the first one, and right behind a part's empty line
     * (RFC 2046 5.1.1, a body part without a body). */
    ST_PREAMBLE_START,
    ST_PREAMBLE,
    ST_DATA_START,
    ST_DATA,
    ST_BOUNDARY_END, /* right behind "--boundary" */
    ST_PADDING,      /* blanks behind it */
    ST_BOUNDARY_LF,  /* its CR was seen */
    ST_CLOSE_DASH,   /* the first dash of a closing one was seen */
    ST_HEADERS,
    ST_EPILOGUE, /* from here on nothing is parsed any more */
    ST_BAD,
    ST_STOP
};

#define LINE_END_LEN 2 /* of the CRLF that is a delimiter's first two bytes */

static void bad(cu_multipart_t *parser, const char *reason)
{
    parser->state = ST_BAD;
    parser->reason = reason;
}

/* Returns NULL, or the reason why the body is BAD; so do those below. */
static const char *take_disposition(cu_multipart_t *parser, const char *value,
                                    apr_size_t len)
{
    cu_disposition_t disposition = {
        parser->name, CU_MULTIPART_NAME_MAX, parser->filename,
        CU_MULTIPART_FILENAME_MAX, 0
    };
    const char *reason = cu_disposition_parse(value, len, &disposition);

    parser->has_filename = disposition.has_filename;
    return reason;
}

static const char *take_header(cu_multipart_t *parser, const char *name,
                               apr_size_t name_len, const char *value,
                               apr_size_t len)
{
    if (cu_header_is_word(name, name_len, "content-disposition")) {
        if (parser->has_name) {
            return "a part has two Content-Disposition headers";
        }
        parser->has_name = 1;
        return take_disposition(parser, value, len);
    }
    if (cu_header_is_word(name, name_len, "content-type")) {
        if (parser->has_type) {
            return "a part has two Content-Type headers";
        }
        if (len > CU_MULTIPART_TYPE_MAX) {
            return "a part has a Content-Type that is too long";
        }
        parser->has_type = 1;
        memcpy(parser->type, value, len);
        parser->type[len] = '\0';
        return NULL;
    }
    /* RFC 7578 4.7: deprecated, and nobody would undo it for us. */
    if (cu_header_is_word(name, name_len, "content-transfer-encoding")
        && !cu_header_is_word(value, len, "7bit")
        && !cu_header_is_word(value, len, "8bit")
        && !cu_header_is_word(value, len, "binary")) {
        return "a part has a Content-Transfer-Encoding that is not supported";
    }
    return NULL;
}

/* One header line without its CRLF. */
static const char *take_line(cu_multipart_t *parser, const char *line,
                             apr_size_t len)
{
    const char *colon = memchr(line, ':', len);
    const char *value, *end = line + len;

    if (memchr(line, '\0', len) || memchr(line, '\r', len)) {
        return "a part header holds a NUL or a bare CR";
    }
    if (cu_header_is_blank(line[0])) {
        return "a part header is folded";
    }
    if (!colon || !cu_header_is_token(line, (apr_size_t)(colon - line))) {
        return "a part header has no proper name";
    }
    value = cu_header_skip_blanks(colon + 1, end);
    while (end != value && cu_header_is_blank(end[-1])) {
        --end;
    }
    return take_header(parser, line, (apr_size_t)(colon - line), value,
                       (apr_size_t)(end - value));
}

/* The headers of a part are all there, up to and with the empty line. */
static void begin_part(cu_multipart_t *parser)
{
    const char *line = parser->header;
    const char *end = parser->header + parser->header_len - LINE_END_LEN;
    const char *reason = NULL;
    cu_multipart_part_t part;

    parser->has_name = parser->has_filename = parser->has_type = 0;
    parser->name[0] = '\0';
    while (line != end && !reason) {
        const char *lf = memchr(line, '\n', (apr_size_t)(end - line));

        reason = take_line(parser, line,
                           (apr_size_t)(lf + 1 - line) - LINE_END_LEN);
        line = lf + 1;
    }
    if (reason) {
        bad(parser, reason);
        return;
    }
    part.name = parser->name;
    part.filename = parser->has_filename ? parser->filename : NULL;
    part.type = parser->has_type ? parser->type : NULL;
    parser->in_part = 1;
    parser->matched = LINE_END_LEN;
    parser->state = ST_DATA_START;
    if (parser->calls->part_begin(parser->baton, &part) != 0) {
        parser->state = ST_STOP;
    }
}

/* Collect header lines; each must end in CRLF, an empty one ends them. */
static void feed_headers(cu_multipart_t *parser, const char **cursor,
                         const char *end)
{
    const char *p = *cursor;
    const char *lf = memchr(p, '\n', (apr_size_t)(end - p));
    apr_size_t n = (apr_size_t)((lf ? lf + 1 : end) - p);
    const char *tail;

    if (n > CU_MULTIPART_HEADERS_MAX - parser->header_len) {
        bad(parser, "a part has headers that are too long");
        return;
    }
    memcpy(parser->header + parser->header_len, p, n);
    parser->header_len += n;
    *cursor = p + n;
    if (!lf) {
        return;
    }
    tail = parser->header + parser->header_len;
    if (parser->header_len < 2 || tail[-2] != '\r') {
        bad(parser, "a part header line does not end in CRLF");
    }
    else if (parser->header_len == 2
             || (parser->header_len >= 4 && tail[-3] == '\n')) {
        begin_part(parser);
    }
}

/* A complete delimiter line ends the part before it. */
static void end_part(cu_multipart_t *parser, int next_state)
{
    int stop = 0;

    if (parser->in_part) {
        parser->in_part = 0;
        stop = parser->calls->part_end(parser->baton);
    }
    parser->header_len = 0;
    parser->state = stop ? ST_STOP : next_state;
}

/* One byte of a delimiter line behind the boundary. */
static void feed_boundary_end(cu_multipart_t *parser, char c)
{
    switch (parser->state) {
    case ST_BOUNDARY_END:
        if (c == '-') {
            parser->state = ST_CLOSE_DASH;
            return;
        }
        /* fall through */
    case ST_PADDING:
        if (cu_header_is_blank(c)) {
            parser->state = ST_PADDING;
            if (++parser->skipped > CU_MULTIPART_SKIP_MAX) {
                bad(parser, "too many blanks follow a boundary");
            }
            return;
        }
        if (c == '\r') {
            parser->state = ST_BOUNDARY_LF;
            return;
        }
        break;
    case ST_BOUNDARY_LF:
        if (c == '\n') {
            end_part(parser, ST_HEADERS);
            if (parser->state == ST_HEADERS
                && ++parser->parts > CU_MULTIPART_PARTS_MAX) {
                bad(parser, "the body has too many parts");
            }
            return;
        }
        break;
    default:
        if (c == '-') {
            end_part(parser, ST_EPILOGUE);
            return;
        }
        break;
    }
    bad(parser, "a boundary is followed by something else than a line end");
}

/* Bytes that turned out not to be a delimiter. */
static void give(cu_multipart_t *parser, const char *data, apr_size_t len)
{
    if (len == 0) {
        return;
    }
    if (parser->in_part) {
        if (parser->calls->part_data(parser->baton, data, len) != 0) {
            parser->state = ST_STOP;
        }
        return;
    }
    if (len > CU_MULTIPART_SKIP_MAX - parser->skipped) {
        bad(parser, "no boundary is found in the beginning of the body");
        return;
    }
    parser->skipped += len;
}

/* How many bytes of the delimiter, from its byte `from` on, stand at p? */
static apr_size_t match(const cu_multipart_t *parser, apr_size_t from,
                        const char *p, const char *end)
{
    apr_size_t max = parser->delimiter_len - from;
    apr_size_t n = 0;

    if (max > (apr_size_t)(end - p)) {
        max = (apr_size_t)(end - p);
    }
    while (n < max && p[n] == parser->delimiter[from + n]) {
        ++n;
    }
    return n;
}

/* The delimiter is matched as far as the input goes, perhaps whole. */
static void set_matched(cu_multipart_t *parser, apr_size_t matched)
{
    parser->matched = matched;
    if (matched == parser->delimiter_len) {
        parser->matched = 0;
        parser->skipped = 0;
        parser->state = ST_BOUNDARY_END;
    }
}

/* Go on with a match that an earlier input, or a start state, began.
 * Returns where the search goes on, NULL if there is nothing to search. */
static const char *resume_match(cu_multipart_t *parser, const char **cursor,
                                const char *end)
{
    int start = parser->state == ST_PREAMBLE_START
                || parser->state == ST_DATA_START;
    apr_size_t assumed = start ? LINE_END_LEN : 0;
    apr_size_t matched = parser->matched;
    apr_size_t n = match(parser, matched, *cursor, end);

    if (matched + n == parser->delimiter_len || *cursor + n == end) {
        set_matched(parser, matched + n);
        *cursor += n;
        return NULL;
    }
    parser->matched = 0;
    parser->state = parser->in_part ? ST_DATA : ST_PREAMBLE;
    give(parser, parser->delimiter + assumed, matched - assumed);
    return parser->state < ST_BOUNDARY_END ? *cursor + n : NULL;
}

/* The next CR from p on, or NULL; p < end.  Where one CR follows another, as
 * in data made to be slow, looking costs less than a call. */
static const char *find_cr(const char *p, const char *end)
{
    return *p == '\r' ? p : memchr(p, '\r', (apr_size_t)(end - p));
}

/* Part data and preamble: give on all that is no delimiter. */
static void feed_data(cu_multipart_t *parser, const char **cursor,
                      const char *end)
{
    const char *p, *at = *cursor;

    if (parser->matched > 0) {
        at = resume_match(parser, cursor, end);
        if (!at) {
            return;
        }
    }
    p = *cursor;
    *cursor = end;
    while ((at = find_cr(at, end)) != NULL) {
        apr_size_t n = match(parser, 0, at, end);

        if (n == parser->delimiter_len || at + n == end) {
            give(parser, p, (apr_size_t)(at - p));
            if (parser->state < ST_BOUNDARY_END) {
                set_matched(parser, n);
            }
            *cursor = at + n;
            return;
        }
        at += n;
    }
    give(parser, p, (apr_size_t)(end - p));
}

static cu_parse_t verdict(const cu_multipart_t *parser)
{
    switch (parser->state) {
    case ST_EPILOGUE:
        return CU_PARSE_DONE;
    case ST_BAD:
        return CU_PARSE_BAD;
    case ST_STOP:
        return CU_PARSE_STOP;
    default:
        return CU_PARSE_MORE;
    }
}

/* The value of a boundary parameter.  Wider than RFC 2046 where clients are:
 * Python's, Java's and Android's send "=", "/" or "*" without quotes. */
static int take_boundary(const cu_param_t *param, char *out)
{
    const char *p;

    if (!param->value
        || !cu_param_decode(param, out, CU_MULTIPART_BOUNDARY_MAX)) {
        return 0;
    }
    for (p = out; *p; ++p) {
        if (*p < 0x20 || *p > 0x7e) {
            return 0;
        }
        if (!param->quoted && (*p == '"' || *p == ',')) {
            return 0;
        }
    }
    return p != out && p[-1] != ' ';
}

int cu_multipart_boundary(const char *type, char *out)
{
    const char *p, *from, *end;
    cu_param_t boundary = { 0 }, param;
    int found;

    if (!type) {
        return 0;
    }
    end = type + strlen(type);
    p = from = cu_header_skip_blanks(type, end);
    while (p != end && *p != ';' && !cu_header_is_blank(*p)) {
        ++p;
    }
    if (!cu_header_is_word(from, (apr_size_t)(p - from),
                           "multipart/form-data")) {
        return 0;
    }
    p = cu_header_skip_blanks(p, end);
    if (p != end && *p != ';') {
        return -1;
    }
    while ((found = cu_param_next(&p, end, &param)) > 0) {
        if (cu_header_is_word(param.name, param.name_len, "boundary")
            && !cu_param_keep_once(&boundary, &param)) {
            return -1;
        }
    }
    return found == 0 && take_boundary(&boundary, out) ? 1 : -1;
}

void cu_multipart_init(cu_multipart_t *parser, const char *boundary,
                       const cu_multipart_callbacks_t *calls, void *baton)
{
    static const char lead[] = "\r\n--";
    const apr_size_t lead_len = sizeof(lead) - 1;
    apr_size_t len = strlen(boundary);

    parser->calls = calls;
    parser->baton = baton;
    parser->reason = NULL;
    parser->state = ST_PREAMBLE_START;
    parser->delimiter_len = 0;
    parser->matched = LINE_END_LEN;
    parser->header_len = 0;
    parser->skipped = 0;
    parser->parts = 0;
    parser->in_part = 0;
    parser->has_name = parser->has_filename = parser->has_type = 0;
    /* The search rests on this; see the top. */
    if (len == 0 || len > CU_MULTIPART_BOUNDARY_MAX
        || memchr(boundary, '\r', len)) {
        bad(parser, "the boundary is empty, too long or holds a CR");
        return;
    }
    memcpy(parser->delimiter, lead, lead_len);
    memcpy(parser->delimiter + lead_len, boundary, len + 1);
    parser->delimiter_len = lead_len + len;
}

cu_parse_t cu_multipart_feed(cu_multipart_t *parser, const char *data,
                             apr_size_t len)
{
    const char *p = data;
    const char *end;

    if (len == 0) {
        return verdict(parser);
    }
    end = data + len;
    while (p != end && parser->state < ST_EPILOGUE) {
        if (parser->state < ST_BOUNDARY_END) {
            feed_data(parser, &p, end);
        }
        else if (parser->state == ST_HEADERS) {
            feed_headers(parser, &p, end);
        }
        else {
            feed_boundary_end(parser, *p++);
        }
    }
    if (parser->state == ST_EPILOGUE) {
        if ((apr_size_t)(end - p) > CU_MULTIPART_SKIP_MAX - parser->skipped) {
            bad(parser, "too much follows the closing boundary");
        }
        else {
            parser->skipped += (apr_size_t)(end - p);
        }
    }
    return verdict(parser);
}

cu_parse_t cu_multipart_finish(cu_multipart_t *parser)
{
    if (parser->state < ST_EPILOGUE) {
        bad(parser, "the body ends before its closing boundary");
    }
    return verdict(parser);
}

const char *cu_multipart_reason(const cu_multipart_t *parser)
{
    return parser->reason;
}
