/*
 * The form dialect: django-chunked-upload's protocol, as jQuery File Upload
 * and plain HTML forms speak it.
 *
 * A chunk is a multipart POST with one file part, a Content-Range header and
 * the field upload_id; a completion is a POST with upload_id and md5.  Status
 * codes, detail texts and the order in which faults are reported are the
 * seed's (docs/compatibility.md lists where we differ); the status query is
 * ours.  Knows no body, no engine: see dialect.h.
 */
#include "dialect/dialect.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "base/upload_id.h"
#include "dialect/json.h"
#include "parse/content_range.h"
#include "parse/file_name.h"

typedef enum id_field_t {
    ID_ABSENT, /* no field, or an empty one */
    ID_GOOD,
    ID_BAD     /* says something that is no id: nobody has it */
} id_field_t;

/* What the form has said so far; the ask points into it. */
typedef struct form_t {
    id_field_t id_field;
    int has_file;
    char id[CU_UPLOAD_ID_LEN + 1];
    char md5[CU_DIGEST_HEX_MAX];
    char name[CU_FILE_NAME_MAX + 1];
    char type[CU_UPLOAD_TYPE_MAX + 1];
} form_t;

static const char *const allow_of[] = {
    [CU_RESOURCE_ENDPOINT] = "POST, OPTIONS",
    [CU_RESOURCE_COMPLETE] = "POST, OPTIONS",
    [CU_RESOURCE_UPLOAD] = "GET, HEAD, OPTIONS",
};

static int is_method(const cu_wire_t *wire, const char *method)
{
    return strcmp(wire->method, method) == 0;
}

/* The default dialect: whatever no other one wants. */
static int recognise(const cu_wire_t *wire)
{
    (void)wire;
    return 1;
}

/* Absent: the part is the whole file.  The seed takes a malformed range for
 * an absent one; we do not store a piece as if it were the file. */
static void read_range(cu_exchange_t *x)
{
    static const char fault[] = "Error in request headers";
    const char *text = apr_table_get(x->wire->headers_in, "Content-Range");
    cu_content_range_t range;

    if (!text) {
        x->ask.whole = 1;
        if (x->settings->require_range) {
            x->ask.fault = fault;
        }
        return;
    }
    if (!cu_content_range_parse(text, strlen(text), 0, &range)) {
        x->ask.fault = fault;
        return;
    }
    x->ask.offset = range.start;
    x->ask.chunk_length = range.end - range.start + 1;
    x->ask.length = range.total;
}

/* 1, 0 and -1 as cu_multipart_boundary(); fills framing and complaint. */
static int read_multipart_type(cu_exchange_t *x)
{
    const char *type = apr_table_get(x->wire->headers_in, "Content-Type");
    int multipart = cu_multipart_boundary(type, x->boundary);

    if (multipart == 1) {
        x->framing = CU_FRAMING_MULTIPART;
    }
    else if (multipart == -1) {
        x->complaint = "Malformed multipart body: the Content-Type has no "
                       "usable boundary";
    }
    return multipart;
}

static int is_urlencoded(const cu_wire_t *wire)
{
    static const char wanted[] = "application/x-www-form-urlencoded";
    const char *type = apr_table_get(wire->headers_in, "Content-Type");
    apr_size_t len;

    if (!type) {
        return 0;
    }
    type += strspn(type, " \t");
    len = strcspn(type, "; \t");
    return len == sizeof(wanted) - 1
           && apr_cstr_casecmpn(type, wanted, len) == 0;
}

static cu_code_t read_chunk_head(cu_exchange_t *x)
{
    x->op = CU_OP_APPEND;
    read_range(x);
    switch (read_multipart_type(x)) {
    case 1:
        return CU_OK;
    case 0:
        return CU_NO_FILE;
    default:
        return CU_BAD_ASK;
    }
}

/* Any other type of body is a form without fields: read_end complains. */
static cu_code_t read_complete_head(cu_exchange_t *x)
{
    x->op = CU_OP_COMPLETE;
    if (is_urlencoded(x->wire)) {
        x->framing = CU_FRAMING_URLENCODED;
        return CU_OK;
    }
    return read_multipart_type(x) == -1 ? CU_BAD_ASK : CU_OK;
}

static cu_code_t read_head(cu_exchange_t *x)
{
    const cu_wire_t *wire = x->wire;

    x->own = apr_pcalloc(wire->pool, sizeof(form_t));
    x->allow = allow_of[wire->resource];
    x->op = CU_OP_NONE;
    x->framing = CU_FRAMING_NONE;
    if (is_method(wire, "OPTIONS")) {
        return CU_OK;
    }
    switch (wire->resource) {
    case CU_RESOURCE_ENDPOINT:
        return is_method(wire, "POST") ? read_chunk_head(x) : CU_BAD_METHOD;
    case CU_RESOURCE_COMPLETE:
        return is_method(wire, "POST") ? read_complete_head(x)
                                       : CU_BAD_METHOD;
    case CU_RESOURCE_UPLOAD:
        if (is_method(wire, "GET") || is_method(wire, "HEAD")) {
            x->op = CU_OP_QUERY;
            x->ask.id = wire->id;
            return CU_OK;
        }
        return CU_BAD_METHOD;
    }
    return CU_BUG;
}

/* The last field of a name wins, an empty one too. */
static void read_id(cu_exchange_t *x, const char *value, apr_size_t len)
{
    form_t *form = x->own;

    x->ask.id = NULL;
    if (len == 0) {
        form->id_field = ID_ABSENT;
    }
    else if (cu_upload_id_valid(value, len)) {
        form->id_field = ID_GOOD;
        memcpy(form->id, value, len);
        form->id[len] = '\0';
        x->ask.id = form->id;
    }
    else {
        form->id_field = ID_BAD;
    }
}

/* What cannot be a digest is kept as a text that no digest equals. */
static void read_md5(cu_exchange_t *x, const char *value, apr_size_t len)
{
    form_t *form = x->own;

    if (len < sizeof(form->md5) && !memchr(value, '\0', len)) {
        memcpy(form->md5, value, len);
        form->md5[len] = '\0';
    }
    else {
        memcpy(form->md5, "?", 2);
    }
}

static cu_code_t read_field(cu_exchange_t *x, const char *name,
                            const char *value, apr_size_t len)
{
    if (strcmp(name, "upload_id") == 0) {
        read_id(x, value, len);
    }
    else if (x->op == CU_OP_COMPLETE && strcmp(name, "md5") == 0) {
        read_md5(x, value, len);
    }
    return CU_OK;
}

static int is_printable(const char *text)
{
    for (; *text; ++text) {
        if (*text < 0x20 || *text > 0x7e) {
            return 0;
        }
    }
    return 1;
}

static void keep_name_and_type(cu_exchange_t *x,
                               const cu_multipart_part_t *part)
{
    form_t *form = x->own;

    (void)cu_file_name_display(part->filename, strlen(part->filename),
                               form->name);
    x->ask.name = form->name;
    if (part->type && *part->type && strlen(part->type) < sizeof(form->type)
        && is_printable(part->type)) {
        apr_cpystrn(form->type, part->type, sizeof(form->type));
        x->ask.type = form->type;
    }
}

static cu_code_t read_file(cu_exchange_t *x, const cu_multipart_part_t *part,
                           int *take)
{
    form_t *form = x->own;

    *take = 0;
    if (x->op != CU_OP_APPEND || !part->filename || !*part->filename
        || strcmp(part->name, x->settings->field_name) != 0) {
        return CU_OK;
    }
    /* The ask of an append that has begun must not change under it: the name
     * is the first part's. */
    if (!form->has_file) {
        keep_name_and_type(x, part);
        form->has_file = 1;
    }
    if (form->id_field == ID_BAD) {
        return CU_NOT_FOUND;
    }
    *take = 1;
    return CU_OK;
}

static cu_code_t read_complete_end(cu_exchange_t *x)
{
    const form_t *form = x->own;
    int with_digest = x->policy->digest != CU_DIGEST_NONE;

    if (form->id_field == ID_ABSENT || (with_digest && !form->md5[0])) {
        x->complaint = with_digest ? "Both 'upload_id' and 'md5' are required"
                                   : "'upload_id' is required";
        return CU_BAD_ASK;
    }
    x->ask.digest_required = with_digest;
    x->ask.digest_hex = with_digest ? form->md5 : NULL;
    return form->id_field == ID_BAD ? CU_NOT_FOUND : CU_OK;
}

static cu_code_t read_end(cu_exchange_t *x)
{
    const form_t *form = x->own;

    if (x->op == CU_OP_COMPLETE) {
        return read_complete_end(x);
    }
    if (!form->has_file) {
        return CU_NO_FILE;
    }
    return form->id_field == ID_BAD ? CU_NOT_FOUND : CU_OK;
}

/* As the seed's encoder: milliseconds cut, not rounded; no fraction when there
 * are no microseconds at all. */
static const char *expires_text(apr_time_t expires, apr_pool_t *pool)
{
    apr_time_exp_t t;
    const char *fraction;

    if (expires == 0 || apr_time_exp_gmt(&t, expires) != APR_SUCCESS) {
        return NULL;
    }
    fraction = t.tm_usec == 0 ? ""
                              : apr_psprintf(pool, ".%03d", t.tm_usec / 1000);
    return apr_psprintf(pool, "%04d-%02d-%02dT%02d:%02d:%02d%sZ",
                        t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour,
                        t.tm_min, t.tm_sec, fraction);
}

static void add_facts(cu_json_t *json, const cu_reply_t *reply,
                      apr_pool_t *pool)
{
    cu_json_add_text(json, "upload_id", reply->id, pool);
    cu_json_add_number(json, "offset", reply->offset);
    cu_json_add_text(json, "expires", expires_text(reply->expires, pool),
                     pool);
}

static void add_status(cu_json_t *json, const cu_reply_t *reply,
                       apr_pool_t *pool)
{
    cu_json_add_text(json, "status", cu_status_name(reply->status), pool);
    cu_json_add_text(json, "filename", reply->name, pool);
    if (reply->length != CU_LENGTH_UNKNOWN) {
        cu_json_add_number(json, "length", reply->length);
    }
}

static void send_json(cu_exchange_t *x, const cu_json_t *json)
{
    cu_wire_t *wire = x->wire;

    wire->body = cu_json_write(json, &wire->body_len, wire->pool);
    if (wire->body) {
        wire->content_type = x->settings->content_type;
    }
    else {
        wire->status = 500;
    }
}

static void write_ok(cu_exchange_t *x)
{
    apr_pool_t *pool = x->wire->pool;
    cu_json_t *json = cu_json_make(pool);

    x->wire->status = 200;
    switch (x->op) {
    case CU_OP_NONE:
        apr_table_setn(x->wire->headers_out, "Allow", x->allow);
        return;
    case CU_OP_QUERY:
        add_facts(json, &x->reply, pool);
        add_status(json, &x->reply, pool);
        break;
    case CU_OP_APPEND:
        add_facts(json, &x->reply, pool);
        break;
    case CU_OP_COMPLETE:
        break; /* the seed's default: {} */
    case CU_OP_CREATE:
    case CU_OP_JOIN:
    case CU_OP_CANCEL:
        break; /* never asked for */
    }
    send_json(x, json);
}

/* Whole seconds, rounded up: the header has nothing finer. */
static const char *retry_after_text(const cu_exchange_t *x)
{
    apr_int64_t seconds = apr_time_sec(x->reply.retry_after
                                       + APR_USEC_PER_SEC - 1);

    return apr_psprintf(x->wire->pool, "%" APR_INT64_T_FMT,
                        seconds < 1 ? 1 : seconds);
}

typedef struct status_row_t {
    int status;
    const char *detail;
    int with_offset; /* the client can go on from there */
} status_row_t;

static const status_row_t status_of[CU_CODE_COUNT];

static const char *detail_text(const cu_exchange_t *x, cu_code_t code)
{
    if (code == CU_TOO_LARGE || code == CU_BODY_TOO_LARGE) {
        return apr_psprintf(x->wire->pool, "%s (%" APR_OFF_T_FMT " bytes)",
                            status_of[code].detail, x->reply.limit);
    }
    if (code == CU_BAD_ASK && x->complaint) {
        return x->complaint;
    }
    if (code == CU_BAD_ASK && x->ask.fault) {
        return x->ask.fault;
    }
    return status_of[code].detail;
}

static void write_refusal(cu_exchange_t *x)
{
    cu_wire_t *wire = x->wire;
    cu_code_t code = x->code;
    cu_json_t *json = cu_json_make(wire->pool);

    if ((unsigned)code >= CU_CODE_COUNT || !status_of[code].status) {
        code = CU_BUG;
    }
    wire->status = status_of[code].status;
    cu_json_add_text(json, "detail", detail_text(x, code), wire->pool);
    if (status_of[code].with_offset) {
        cu_json_add_number(json, "offset", x->reply.offset);
    }
    if (code == CU_BUSY) {
        apr_table_setn(wire->headers_out, "Retry-After", retry_after_text(x));
    }
    if (code == CU_BAD_METHOD) {
        apr_table_setn(wire->headers_out, "Allow", x->allow);
    }
    send_json(x, json);
}

static void write_answer(cu_exchange_t *x)
{
    if (x->code == CU_OK) {
        write_ok(x);
    }
    else {
        write_refusal(x);
    }
}

extern const cu_dialect_t cu_dialect_form;

const cu_dialect_t cu_dialect_form = {
    "form", recognise, read_head, read_field, read_file, read_end,
    write_answer
};

/* One row per code; CU_OK's answer depends on the operation.  A superseded
 * writer hears what the seed's client can act on: where to go on. */
static const status_row_t status_of[CU_CODE_COUNT] = {
    [CU_NOT_FOUND] = { 404, "Not found", 0 },
    [CU_GONE] = { 410, "Upload has expired", 0 },
    [CU_CONFLICT] = { 400, "Upload has already been marked as \"complete\"",
                      0 },
    [CU_UNAUTHENTICATED] = { 403, "Authentication credentials were not "
                                  "provided", 0 },
    [CU_BAD_ASK] = { 400, "Bad request", 0 },
    [CU_NO_FILE] = { 400, "No chunk file was submitted", 0 },
    [CU_BAD_METHOD] = { 405, "Method not allowed", 0 },
    [CU_OFFSET_MISMATCH] = { 400, "Offsets do not match", 1 },
    [CU_LENGTH_MISMATCH] = { 400, "File size doesn't match headers", 0 },
    [CU_TOO_LARGE] = { 400, "Size of file exceeds the limit", 0 },
    [CU_DIGEST_MISMATCH] = { 400, "md5 checksum does not match", 0 },
    [CU_INCOMPLETE] = { 400, "Upload is not complete", 1 },
    [CU_BUSY] = { 503, "Upload is busy, try again later", 0 },
    [CU_SUPERSEDED] = { 400, "Offsets do not match", 1 },
    [CU_NO_SPACE] = { 507, "No space left for the upload", 0 },
    [CU_DAMAGED] = { 500, "Upload is damaged", 0 },
    [CU_IO] = { 500, "Internal server error", 0 },
    [CU_BODY_LOST] = { 400, "Request body could not be read", 0 },
    [CU_BODY_TOO_LARGE] = { 413, "Size of request exceeds the limit", 0 },
    [CU_BUG] = { 500, "Internal server error", 0 },
};
