/*
 * Bodies, in each framing.
 *
 * One buffer for a field's value and one parser are allocated per request,
 * nothing per field or piece.  File bytes stay where the server read them
 * until the end of the turn, when the chunk must settle.  A field that is too
 * long is skipped: no dialect has one.
 */
#include "serve/form_body.h"

#include <string.h>

#include <apr_strings.h>

#include "parse/urlencoded.h"

typedef enum part_kind_t {
    PART_SKIPPED,
    PART_FIELD,
    PART_CHUNK
} part_kind_t;

typedef struct multipart_form_t {
    cu_exchange_t *x;
    cu_chunk_t *chunk;
    cu_code_t code; /* why a callback stopped the parser */
    part_kind_t kind;
    apr_size_t value_len;
    char name[CU_MULTIPART_NAME_MAX + 1];
    char value[CU_FIELD_MAX + 1];
    cu_multipart_t parser;
} multipart_form_t;

static void begin_field(multipart_form_t *form,
                        const cu_multipart_part_t *part)
{
    form->kind = PART_FIELD;
    form->value_len = 0;
    apr_cpystrn(form->name, part->name, sizeof(form->name));
}

static void begin_file(multipart_form_t *form,
                       const cu_multipart_part_t *part)
{
    int take = 0;

    form->kind = PART_SKIPPED;
    form->code = form->x->dialect->read_file(form->x, part, &take);
    if (form->code == CU_OK && take && form->chunk) {
        form->kind = PART_CHUNK;
        form->code = cu_chunk_begin(form->chunk);
    }
}

static int part_begin(void *baton, const cu_multipart_part_t *part)
{
    multipart_form_t *form = baton;

    if (part->filename) {
        begin_file(form, part);
    }
    else {
        begin_field(form, part);
    }
    return form->code != CU_OK;
}

static void add_to_field(multipart_form_t *form, const char *data,
                         apr_size_t len)
{
    /* cut, not dropped: a value this long is nothing that any field may hold,
     * which is another answer than a field that is absent */
    if (len > CU_FIELD_MAX - form->value_len) {
        len = CU_FIELD_MAX - form->value_len;
    }
    memcpy(form->value + form->value_len, data, len);
    form->value_len += len;
}

static int part_data(void *baton, const char *data, apr_size_t len)
{
    multipart_form_t *form = baton;

    switch (form->kind) {
    case PART_SKIPPED:
        break;
    case PART_FIELD:
        add_to_field(form, data, len);
        break;
    case PART_CHUNK:
        form->code = cu_chunk_data(form->chunk, data, len);
        break;
    }
    return form->code != CU_OK;
}

static int part_end(void *baton)
{
    multipart_form_t *form = baton;

    if (form->kind == PART_FIELD) {
        form->value[form->value_len] = '\0';
        form->code = form->x->dialect->read_field(form->x, form->name,
                                                  form->value,
                                                  form->value_len);
    }
    form->kind = PART_SKIPPED;
    return form->code != CU_OK;
}

static const cu_multipart_callbacks_t callbacks = {
    part_begin, part_data, part_end
};

static cu_code_t verdict_code(multipart_form_t *form, cu_parse_t verdict)
{
    switch (verdict) {
    case CU_PARSE_MORE:
    case CU_PARSE_DONE:
        return CU_OK;
    case CU_PARSE_STOP:
        return form->code != CU_OK ? form->code : CU_BUG;
    case CU_PARSE_BAD:
        break;
    }
    form->x->complaint = apr_pstrcat(form->x->wire->pool,
                                     "Malformed multipart body: ",
                                     cu_multipart_reason(&form->parser),
                                     NULL);
    return CU_BAD_ASK;
}

static cu_code_t feed_pieces(multipart_form_t *form, cu_source_t *source)
{
    cu_code_t code = CU_OK;
    int i;

    for (i = 0; i < source->count && code == CU_OK; ++i) {
        const struct iovec *piece = &source->pieces[i];

        if (piece->iov_len > 0) {
            code = verdict_code(form, cu_multipart_feed(&form->parser,
                                                        piece->iov_base,
                                                        piece->iov_len));
        }
    }
    return code;
}

static cu_code_t read_multipart(cu_exchange_t *x, cu_source_t *source,
                                cu_chunk_t *chunk)
{
    multipart_form_t *form = apr_palloc(x->wire->pool, sizeof(*form));
    cu_code_t code;

    form->x = x;
    form->chunk = chunk;
    form->code = CU_OK;
    form->kind = PART_SKIPPED;
    form->value_len = 0;
    cu_multipart_init(&form->parser, x->boundary, &callbacks, form);
    for (;;) {
        code = cu_source_next(source);
        if (code != CU_OK || source->ended) {
            break;
        }
        code = feed_pieces(form, source);
        if (code == CU_OK && chunk) {
            code = cu_chunk_settle(chunk);
        }
        if (code != CU_OK) {
            break;
        }
    }
    /* An empty body is a form without fields, as the seed takes it. */
    if (code == CU_OK && source->taken > 0) {
        code = verdict_code(form, cu_multipart_finish(&form->parser));
    }
    return code;
}

static cu_code_t read_pairs(cu_exchange_t *x, const char *text,
                            apr_size_t text_len)
{
    const char *cursor = text, *end = text + text_len;
    char name[CU_MULTIPART_NAME_MAX + 1], value[CU_FIELD_MAX + 1];
    apr_size_t len;
    cu_code_t code = CU_OK;

    while (code == CU_OK
           && cu_urlencoded_next(&cursor, end, name, sizeof(name), value,
                                 sizeof(value), &len)) {
        code = x->dialect->read_field(x, name, value, len);
    }
    return code;
}

static int keep_pieces(char *text, apr_size_t *len, const cu_source_t *source)
{
    int i;

    for (i = 0; i < source->count; ++i) {
        const struct iovec *piece = &source->pieces[i];

        if (piece->iov_len > CU_FORM_URLENCODED_MAX - *len) {
            return 0;
        }
        memcpy(text + *len, piece->iov_base, piece->iov_len);
        *len += piece->iov_len;
    }
    return 1;
}

static cu_code_t read_urlencoded(cu_exchange_t *x, cu_source_t *source)
{
    char *text = apr_palloc(x->wire->pool, CU_FORM_URLENCODED_MAX);
    apr_size_t len = 0;
    cu_code_t code;

    for (;;) {
        code = cu_source_next(source);
        if (code != CU_OK) {
            return code;
        }
        if (source->ended) {
            return read_pairs(x, text, len);
        }
        if (!keep_pieces(text, &len, source)) {
            x->complaint = "Form is too large";
            return CU_BAD_ASK;
        }
    }
}

/* The bytes are the chunk, which has begun. */
static cu_code_t read_raw(cu_exchange_t *x, cu_source_t *source,
                          cu_chunk_t *chunk)
{
    cu_code_t code;
    int i;

    for (;;) {
        code = cu_source_next(source);
        if (code != CU_OK || source->ended) {
            break;
        }
        for (i = 0; i < source->count && code == CU_OK; ++i) {
            code = cu_chunk_data(chunk, source->pieces[i].iov_base,
                                 source->pieces[i].iov_len);
        }
        if (code == CU_OK) {
            code = cu_chunk_settle(chunk);
        }
        if (code != CU_OK) {
            break;
        }
    }
    if (code == CU_OK && source->body->trailers) {
        x->trailers = source->body->trailers(source->body->baton);
    }
    return code;
}

cu_code_t cu_form_body_read(cu_exchange_t *x, cu_source_t *source,
                            cu_chunk_t *chunk)
{
    cu_code_t code = CU_OK;

    switch (x->framing) {
    case CU_FRAMING_NONE:
        break;
    case CU_FRAMING_MULTIPART:
        code = read_multipart(x, source, chunk);
        break;
    case CU_FRAMING_URLENCODED:
        code = read_urlencoded(x, source);
        break;
    case CU_FRAMING_RAW:
        code = chunk ? read_raw(x, source, chunk) : CU_BUG;
        break;
    }
    return code == CU_OK ? x->dialect->read_end(x) : code;
}
