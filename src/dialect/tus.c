/*
 * The tus dialect: the resumable upload protocol 1.0.0 of tus.io with all of
 * its extensions (docs/tus.md says what is supported, and the limits).
 *
 * An upload is a resource: POST to the endpoint makes it, PATCH appends the
 * body as it is, HEAD asks for the offset, DELETE removes it.  Every byte of a
 * broken PATCH counts, unless the client gave a checksum for it.  Statuses are
 * chosen by what clients do with them: 409 and 423 make them ask and go on, a
 * HEAD that fails with anything else makes them begin anew, all other 4xx end
 * the upload.  Knows no body, no engine: see dialect.h.
 */
#include "dialect/dialect.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "base/number.h"
#include "parse/file_name.h"
#include "parse/header_param.h"
#include "parse/tus_metadata.h"

#define VERSION "1.0.0"
#define EXTENSIONS \
    "creation,creation-with-upload,creation-defer-length,expiration," \
    "checksum,checksum-trailer,termination,concatenation"
#define ALGORITHMS "md5,sha1,sha256,sha512,crc32c"
#define CHUNK_TYPE "application/offset+octet-stream"

/* What the head has said so far; the ask points into it. */
typedef struct tus_t {
    int status;         /* of a refusal that is not in the table; 0: it is */
    int with_body;      /* a creation that brings bytes along */
    int awaits_trailer; /* the checksum comes behind the body */
    char checksum[CU_DIGEST_HEX_MAX];
    char name[CU_FILE_NAME_MAX + 1];
    char type[CU_UPLOAD_TYPE_MAX + 1];
} tus_t;

static const char *const allow_of[] = {
    [CU_RESOURCE_ENDPOINT] = "POST, OPTIONS",
    [CU_RESOURCE_COMPLETE] = "POST, OPTIONS",
    [CU_RESOURCE_UPLOAD] = "GET, HEAD, PATCH, DELETE, OPTIONS",
};

static int is_method(const cu_wire_t *wire, const char *method)
{
    return strcmp(wire->method, method) == 0;
}

static const char *header(const cu_wire_t *wire, const char *name)
{
    return apr_table_get(wire->headers_in, name);
}

/* Is the body the bytes of an upload?  Parameters mean nothing. */
static int is_chunk_type(const cu_wire_t *wire)
{
    const char *type = header(wire, "Content-Type");

    if (!type) {
        return 0;
    }
    type += strspn(type, " \t");
    return cu_header_is_word(type, strcspn(type, "; \t"), CHUNK_TYPE);
}

/* Requests of other dialects that look alike: those of the drafts of the
 * IETF, and FilePond's. */
static int is_look_alike(const cu_wire_t *wire)
{
    return header(wire, "Upload-Complete") || header(wire, "Upload-Incomplete")
           || header(wire, "Upload-Draft-Interop-Version")
           || header(wire, "Upload-Name");
}

/* A request without Tus-Resumable that can be nothing else is ours, to be told
 * so.  OPTIONS carries it seldom; a GET is a question for the status. */
static int recognise(const cu_wire_t *wire)
{
    if (wire->resource == CU_RESOURCE_COMPLETE || is_method(wire, "GET")) {
        return 0;
    }
    if (is_method(wire, "OPTIONS") || header(wire, "Tus-Resumable")) {
        return 1;
    }
    if (is_look_alike(wire)) {
        return 0;
    }
    if (is_method(wire, "PATCH")) {
        return is_chunk_type(wire);
    }
    return is_method(wire, "POST")
           && (header(wire, "Upload-Length")
               || header(wire, "Upload-Defer-Length"))
           && (!header(wire, "Content-Type") || is_chunk_type(wire));
}

/* A refusal whose status is not that of its code. */
static cu_code_t refuse(cu_exchange_t *x, int status, const char *complaint)
{
    tus_t *tus = x->own;

    tus->status = status;
    x->complaint = complaint;
    return CU_BAD_ASK;
}

/* A header that must be a number if it is there. */
static cu_code_t read_number(cu_exchange_t *x, const char *name,
                             apr_off_t *out)
{
    const char *text = header(x->wire, name);
    apr_int64_t number;

    if (!text) {
        return CU_OK;
    }
    if (!cu_number_parse(text, strlen(text), &number)) {
        return refuse(x, 400,
                      apr_pstrcat(x->wire->pool, name,
                                  " is not a non-negative integer", NULL));
    }
    *out = (apr_off_t)number;
    return CU_OK;
}

/* A creation says how long the upload will be, or that it will say so. */
static cu_code_t read_length(cu_exchange_t *x)
{
    const char *defer = header(x->wire, "Upload-Defer-Length");
    cu_code_t code = read_number(x, "Upload-Length", &x->ask.length);

    if (code != CU_OK) {
        return code;
    }
    if (defer && strcmp(defer, "1") != 0) {
        return refuse(x, 400, "Upload-Defer-Length is not 1");
    }
    if (!defer == (x->ask.length == CU_LENGTH_UNKNOWN)) {
        return refuse(x, 400, "Upload-Length or Upload-Defer-Length is needed, "
                              "and not both");
    }
    return CU_OK;
}

/* The value of a key, terminated; NULL when it is not there or empty. */
static const char *metadata_value(cu_exchange_t *x, const char *text,
                                  const char *key, apr_size_t *len)
{
    cu_tus_pair_t pair;
    char *value;

    if (!cu_tus_metadata_find(text, strlen(text), key, &pair)
        || pair.value_len == 0) {
        return NULL;
    }
    value = apr_palloc(x->wire->pool, pair.value_len + 1);
    if (!cu_tus_base64(pair.value, pair.value_len, value, pair.value_len,
                       len)) {
        return NULL;
    }
    value[*len] = '\0';
    return value;
}

static int is_printable(const char *text, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len; ++i) {
        if (text[i] < 0x20 || text[i] > 0x7e) {
            return 0;
        }
    }
    return 1;
}

/* The client's words are kept as they are; the file's name and type are taken
 * from the keys that clients use for them. */
static cu_code_t read_metadata(cu_exchange_t *x)
{
    const char *text = header(x->wire, "Upload-Metadata"), *value, *wrong;
    tus_t *tus = x->own;
    apr_size_t len;

    if (!text) {
        return CU_OK;
    }
    wrong = cu_tus_metadata_check(text, strlen(text));
    if (wrong) {
        return refuse(x, 400, wrong);
    }
    x->ask.metadata = text;
    value = metadata_value(x, text, "filename", &len);
    if (!value) {
        value = metadata_value(x, text, "name", &len);
    }
    if (value) {
        (void)cu_file_name_display(value, len, tus->name);
        x->ask.name = tus->name;
    }
    value = metadata_value(x, text, "filetype", &len);
    if (!value) {
        value = metadata_value(x, text, "type", &len);
    }
    if (value && len < sizeof(tus->type) && is_printable(value, len)) {
        memcpy(tus->type, value, len + 1);
        x->ask.type = tus->type;
    }
    return CU_OK;
}

/* "<algorithm> <base64>" over the bytes of this request. */
static cu_code_t read_checksum_value(cu_exchange_t *x, const char *text)
{
    unsigned char raw[CU_DIGEST_SIZE_MAX];
    const char *blank = strchr(text, ' ');
    apr_size_t name_len = blank ? (apr_size_t)(blank - text) : strlen(text);
    cu_digest_alg_t alg = cu_digest_of_name(text, name_len);
    tus_t *tus = x->own;
    apr_size_t len;

    if (alg == CU_DIGEST_NONE) {
        return refuse(x, 400, "The checksum's algorithm is not one of "
                              ALGORITHMS);
    }
    if (!blank
        || !cu_tus_base64(blank + 1, strlen(blank + 1), (char *)raw,
                          sizeof(raw), &len)
        || len != cu_digest_size(alg)) {
        return refuse(x, 400, "Upload-Checksum is not an algorithm, a blank "
                              "and its digest in base64");
    }
    cu_digest_to_hex(raw, len, tus->checksum);
    x->ask.checksum = alg;
    x->ask.checksum_hex = tus->checksum;
    return CU_OK;
}

/* Is Upload-Checksum among the trailer fields that are announced? */
static int announces_checksum(const cu_wire_t *wire)
{
    const char *p = header(wire, "Trailer");

    while (p && *p) {
        apr_size_t len;

        p += strspn(p, " \t,");
        len = strcspn(p, " \t,");
        if (cu_header_is_word(p, len, "Upload-Checksum")) {
            return 1;
        }
        p += len;
    }
    return 0;
}

/* What is checked counts whole or not at all. */
static cu_code_t read_checksum(cu_exchange_t *x)
{
    const char *text = header(x->wire, "Upload-Checksum");
    tus_t *tus = x->own;

    if (text) {
        x->ask.keep_partial = 0;
        return read_checksum_value(x, text);
    }
    if (announces_checksum(x->wire)) {
        x->ask.keep_partial = 0;
        tus->awaits_trailer = 1;
    }
    return CU_OK;
}

/* The body is the chunk.  Its length, where it is known, lets a chunk that is
 * too long be refused before it comes. */
static cu_code_t read_chunk_head(cu_exchange_t *x)
{
    const char *text = header(x->wire, "Content-Length");
    apr_int64_t length;

    x->framing = CU_FRAMING_RAW;
    if (text && !header(x->wire, "Transfer-Encoding")
        && cu_number_parse(text, strlen(text), &length)) {
        x->ask.chunk_length = (apr_off_t)length;
    }
    return read_checksum(x);
}

/* The list of parts, in order. */
static cu_code_t read_final(cu_exchange_t *x, const char *list)
{
    const char *end = list + strlen(list), *cursor = list;
    apr_size_t most = strlen(list) / CU_UPLOAD_ID_LEN + 1;
    const char **ids = apr_palloc(x->wire->pool, most * sizeof(*ids));
    char id[CU_UPLOAD_ID_LEN + 1];
    int count = 0, more;

    if (header(x->wire, "Upload-Length")
        || header(x->wire, "Upload-Defer-Length")) {
        return refuse(x, 400, "A final upload has no Upload-Length of its "
                              "own");
    }
    while ((more = cu_tus_concat_next(&cursor, end, id)) == 1) {
        ids[count++] = apr_pstrdup(x->wire->pool, id);
    }
    if (more < 0 || count == 0) {
        return refuse(x, 400, "Upload-Concat is not a list of uploads");
    }
    x->op = CU_OP_JOIN;
    x->parts = ids;
    x->part_count = count;
    return read_metadata(x);
}

static cu_code_t read_creation(cu_exchange_t *x)
{
    const char *concat = header(x->wire, "Upload-Concat"), *list;
    tus_t *tus = x->own;
    cu_code_t code;

    x->op = CU_OP_CREATE;
    if (concat) {
        x->ask.concat = concat;
        switch (cu_tus_concat(concat, strlen(concat), &list)) {
        case CU_TUS_CONCAT_FINAL:
            return read_final(x, list);
        case CU_TUS_CONCAT_PARTIAL:
            x->ask.role = CU_ROLE_PART;
            break;
        case CU_TUS_CONCAT_BAD:
            return refuse(x, 400, "Upload-Concat is neither partial nor a "
                                  "list of at most 8192 bytes");
        }
    }
    code = read_length(x);
    if (code == CU_OK) {
        code = read_metadata(x);
    }
    if (code == CU_OK && is_chunk_type(x->wire)) {
        tus->with_body = 1;
        code = read_chunk_head(x);
    }
    return code;
}

static cu_code_t read_patch(cu_exchange_t *x)
{
    cu_code_t code;

    x->op = CU_OP_APPEND;
    if (!is_chunk_type(x->wire)) {
        return refuse(x, 415, "The Content-Type of a PATCH is " CHUNK_TYPE);
    }
    if (!header(x->wire, "Upload-Offset")) {
        return refuse(x, 400, "Upload-Offset is missing");
    }
    code = read_number(x, "Upload-Offset", &x->ask.offset);
    if (code == CU_OK) {
        code = read_number(x, "Upload-Length", &x->ask.length);
    }
    return code == CU_OK ? read_chunk_head(x) : code;
}

static cu_code_t read_upload_head(cu_exchange_t *x)
{
    x->ask.id = x->wire->id;
    if (is_method(x->wire, "HEAD")) {
        x->op = CU_OP_QUERY;
        x->ask.fence = 1;
        return CU_OK;
    }
    if (is_method(x->wire, "PATCH")) {
        return read_patch(x);
    }
    if (is_method(x->wire, "DELETE")) {
        x->op = CU_OP_CANCEL;
        return CU_OK;
    }
    return CU_BAD_METHOD;
}

static cu_code_t read_head(cu_exchange_t *x)
{
    const cu_wire_t *wire = x->wire;
    const char *version = header(wire, "Tus-Resumable");

    x->own = apr_pcalloc(wire->pool, sizeof(tus_t));
    x->allow = allow_of[wire->resource];
    x->op = CU_OP_NONE;
    x->framing = CU_FRAMING_NONE;
    if (is_method(wire, "OPTIONS")) {
        return CU_OK;
    }
    if (!version || strcmp(version, VERSION) != 0) {
        return refuse(x, 412, "Tus-Resumable is not " VERSION);
    }
    x->completes = 1;
    x->ask.keep_partial = 1;
    if (wire->resource == CU_RESOURCE_UPLOAD) {
        return read_upload_head(x);
    }
    if (wire->resource == CU_RESOURCE_ENDPOINT) {
        if (is_method(wire, "POST")) {
            return read_creation(x);
        }
        if (is_method(wire, "HEAD") || is_method(wire, "PATCH")
            || is_method(wire, "DELETE")) {
            return CU_NOT_FOUND; /* a URL that ends in no id names nothing */
        }
    }
    return CU_BAD_METHOD;
}

static cu_code_t read_field(cu_exchange_t *x, const char *name,
                            const char *value, apr_size_t len)
{
    (void)x;
    (void)name;
    (void)value;
    (void)len;
    return CU_OK; /* there are no forms */
}

static cu_code_t read_file(cu_exchange_t *x, const cu_multipart_part_t *part,
                           int *take)
{
    (void)x;
    (void)part;
    *take = 0;
    return CU_OK;
}

static cu_code_t read_end(cu_exchange_t *x)
{
    const tus_t *tus = x->own;
    const char *text;

    if (!tus->awaits_trailer) {
        return CU_OK;
    }
    text = x->trailers ? apr_table_get(x->trailers, "Upload-Checksum") : NULL;
    if (!text) {
        return refuse(x, 400, "The announced trailer Upload-Checksum did not "
                              "come");
    }
    return read_checksum_value(x, text);
}

/* ---- answers ---- */

static void say(cu_exchange_t *x, const char *name, const char *value)
{
    apr_table_setn(x->wire->headers_out, name, value);
}

static void say_number(cu_exchange_t *x, const char *name, apr_off_t number)
{
    say(x, name, apr_psprintf(x->wire->pool, "%" APR_OFF_T_FMT, number));
}

/* Only what is unfinished expires. */
static void say_expires(cu_exchange_t *x)
{
    char *text;

    if (x->reply.expires == 0 || x->reply.status != CU_STATUS_OPEN) {
        return;
    }
    text = apr_palloc(x->wire->pool, APR_RFC822_DATE_LEN);
    if (apr_rfc822_date(text, x->reply.expires) == APR_SUCCESS) {
        say(x, "Upload-Expires", text);
    }
}

/* Percent-encode all but unreserved characters (RFC 3986 2.3) and slashes. */
static const char *escape_path(const char *path, apr_pool_t *pool)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = apr_palloc(pool, 3 * strlen(path) + 1), *p = out;

    for (; *path; ++path) {
        unsigned char c = (unsigned char)*path;

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9') || strchr("-._~/", c)) {
            *p++ = (char)c;
        }
        else {
            *p++ = '%';
            *p++ = hex[c >> 4];
            *p++ = hex[c & 15];
        }
    }
    *p = '\0';
    return out;
}

/* Relative to the endpoint's own URL, whatever scheme, host and prefix that
 * has for the client: "up/<id>" for .../up, "<id>" for .../up/. */
static const char *location(const cu_exchange_t *x)
{
    const cu_wire_t *wire = x->wire;
    const char *path = escape_path(wire->path, wire->pool);
    const char *slash = strrchr(path, '/');
    const char *last = slash ? slash + 1 : path;

    return apr_pstrcat(wire->pool, wire->origin ? wire->origin : "",
                       wire->origin ? path : last, *last ? "/" : "",
                       x->reply.id, NULL);
}

static void write_options(cu_exchange_t *x)
{
    x->wire->status = 200;
    say(x, "Allow", x->allow);
    say(x, "Tus-Version", VERSION);
    say(x, "Tus-Extension", EXTENSIONS);
    say(x, "Tus-Checksum-Algorithm", ALGORITHMS);
    if (x->policy->max_bytes != CU_NO_LIMIT) {
        say_number(x, "Tus-Max-Size", x->policy->max_bytes);
    }
}

static void write_facts(cu_exchange_t *x)
{
    const cu_reply_t *reply = &x->reply;

    x->wire->status = 200;
    if (reply->role != CU_ROLE_JOINED || reply->offset == reply->length) {
        say_number(x, "Upload-Offset", reply->offset);
    }
    if (reply->length == CU_LENGTH_UNKNOWN) {
        say(x, "Upload-Defer-Length", "1");
    }
    else {
        say_number(x, "Upload-Length", reply->length);
    }
    if (reply->metadata) {
        say(x, "Upload-Metadata", reply->metadata);
    }
    if (reply->concat) {
        say(x, "Upload-Concat", reply->concat);
    }
    say_expires(x);
}

static void write_ok(cu_exchange_t *x)
{
    const tus_t *tus = x->own;

    switch (x->op) {
    case CU_OP_NONE:
        write_options(x);
        break;
    case CU_OP_CREATE:
    case CU_OP_JOIN:
        x->wire->status = 201;
        say(x, "Location", location(x));
        if (tus->with_body) {
            say_number(x, "Upload-Offset", x->reply.offset);
        }
        say_expires(x);
        break;
    case CU_OP_APPEND:
        x->wire->status = 204;
        say_number(x, "Upload-Offset", x->reply.offset);
        say_expires(x);
        break;
    case CU_OP_QUERY:
        write_facts(x);
        break;
    case CU_OP_CANCEL:
    case CU_OP_COMPLETE:
        x->wire->status = 204;
        break;
    }
}

typedef struct status_row_t {
    int status;
    const char *text;
} status_row_t;

static const status_row_t status_of[CU_CODE_COUNT];

/* Where one code has more than one status. */
static int choose_status(const cu_exchange_t *x, cu_code_t code)
{
    const tus_t *tus = x->own;

    if (code == CU_BAD_ASK && tus && tus->status) {
        return tus->status;
    }
    if (code == CU_LENGTH_MISMATCH && x->ask.length != CU_LENGTH_UNKNOWN
        && x->reply.length != CU_LENGTH_UNKNOWN
        && x->ask.length != x->reply.length) {
        return 400; /* a length, once said, is another now */
    }
    if (code == CU_CONFLICT && x->reply.role != CU_ROLE_JOINED
        && x->ask.offset != x->reply.offset) {
        return 409;
    }
    /* Any other failure of a HEAD makes clients throw away what is here. */
    if (x->op == CU_OP_QUERY && (code == CU_IO || code == CU_NO_SPACE)) {
        return 423;
    }
    return status_of[code].status;
}

static const char *choose_text(const cu_exchange_t *x, cu_code_t code)
{
    if (code == CU_BAD_ASK && x->complaint) {
        return x->complaint;
    }
    if (code == CU_BAD_ASK && x->op == CU_OP_JOIN && x->reply.detail) {
        return "The list names an upload that is not a partial one, or has "
               "too many";
    }
    return status_of[code].text;
}

/* Whole seconds, rounded up: the header has nothing finer. */
static const char *retry_after_text(const cu_exchange_t *x)
{
    apr_int64_t seconds = apr_time_sec(x->reply.retry_after
                                       + APR_USEC_PER_SEC - 1);

    return apr_psprintf(x->wire->pool, "%" APR_INT64_T_FMT,
                        seconds < 1 ? 1 : seconds);
}

static void write_refusal(cu_exchange_t *x)
{
    cu_wire_t *wire = x->wire;
    cu_code_t code = x->code;

    if ((unsigned)code >= CU_CODE_COUNT || !status_of[code].status) {
        code = CU_BUG;
    }
    wire->status = choose_status(x, code);
    wire->body = apr_pstrcat(wire->pool, choose_text(x, code), "\n", NULL);
    wire->body_len = strlen(wire->body);
    wire->content_type = "text/plain; charset=utf-8";
    if (wire->status == 412) {
        say(x, "Tus-Version", VERSION);
    }
    if (wire->status == 423) {
        say(x, "Retry-After", retry_after_text(x));
    }
    if (wire->status == 460) {
        wire->reason = "Checksum Mismatch";
    }
    if (code == CU_BAD_METHOD) {
        say(x, "Allow", x->allow);
    }
    if (code == CU_OFFSET_MISMATCH) {
        say_number(x, "Upload-Offset", x->reply.offset);
    }
}

static void write_answer(cu_exchange_t *x)
{
    say(x, "Tus-Resumable", VERSION);
    if (x->code == CU_OK) {
        write_ok(x);
    }
    else {
        write_refusal(x);
    }
}

extern const cu_dialect_t cu_dialect_tus;

const cu_dialect_t cu_dialect_tus = {
    "tus", recognise, read_head, read_field, read_file, read_end, write_answer
};

/* One row per code; CU_OK's answer depends on the operation.  503 for a body
 * that stopped coming: a client that is still there tries again. */
static const status_row_t status_of[CU_CODE_COUNT] = {
    [CU_NOT_FOUND] = { 404, "There is no such upload" },
    [CU_GONE] = { 410, "The upload has expired" },
    [CU_CONFLICT] = { 403, "The upload is complete and takes no more bytes" },
    [CU_UNAUTHENTICATED] = { 403, "Uploads are for authenticated users" },
    [CU_BAD_ASK] = { 400, "Bad request" },
    [CU_NO_FILE] = { 400, "There are no bytes" },
    [CU_BAD_METHOD] = { 405, "Method not allowed" },
    [CU_OFFSET_MISMATCH] = { 409, "Upload-Offset is not where the upload "
                                  "stands" },
    [CU_LENGTH_MISMATCH] = { 403, "The bytes go beyond the upload's length, "
                                  "or the length is another than before" },
    [CU_TOO_LARGE] = { 413, "The upload is larger than Tus-Max-Size" },
    [CU_BODY_TOO_LARGE] = { 413, "The request is larger than this server "
                                 "takes; send smaller pieces" },
    [CU_DIGEST_MISMATCH] = { 460, "The bytes do not have this checksum" },
    [CU_INCOMPLETE] = { 400, "A partial upload in the list is not complete" },
    [CU_BUSY] = { 423, "The upload is busy; try again" },
    [CU_SUPERSEDED] = { 409, "A newer request took the upload over" },
    [CU_NO_SPACE] = { 507, "No space left for the upload" },
    [CU_DAMAGED] = { 500, "The upload is damaged" },
    [CU_IO] = { 500, "Internal server error" },
    [CU_BODY_LOST] = { 503, "The body ended early; ask for the offset and go "
                            "on" },
    [CU_BUG] = { 500, "Internal server error" },
};
