/* The form dialect alone: wire in -> ask out, every code -> answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "dialect/dialect.h"

#define ID "8230412e259c43e0a245c9f3009f3afc"
#define OTHER_ID "00000000000000000000000000000001"

static apr_pool_t *pool;
static cu_wire_t wire;
static cu_exchange_t x;
static cu_policy_t policy;
static cu_dialect_settings_t settings;

static int set_up(void **state)
{
    (void)state;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return -1;
    }
    memset(&wire, 0, sizeof(wire));
    memset(&x, 0, sizeof(x));
    memset(&policy, 0, sizeof(policy));
    policy.max_bytes = CU_NO_LIMIT;
    policy.digest = CU_DIGEST_MD5;
    policy.anonymous = 1;
    settings.field_name = "file";
    settings.require_range = 0;
    settings.content_type = "application/json";
    settings.dialects = cu_dialect_bit("form");
    wire.method = "POST";
    wire.path = "/up";
    wire.scope = "test";
    wire.pool = pool;
    wire.headers_in = apr_table_make(pool, 4);
    wire.headers_out = apr_table_make(pool, 4);
    x.wire = &wire;
    x.settings = &settings;
    x.policy = &policy;
    x.ask.chunk_length = CU_LENGTH_UNKNOWN;
    x.ask.length = CU_LENGTH_UNKNOWN;
    x.reply.length = CU_LENGTH_UNKNOWN;
    x.dialect = cu_dialect_choose(&wire, settings.dialects);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return 0;
}

static void header(const char *name, const char *value)
{
    apr_table_set((apr_table_t *)wire.headers_in, name, value);
}

static cu_code_t head_of(const char *method, cu_resource_t resource)
{
    wire.method = method;
    wire.resource = resource;
    return x.dialect->read_head(&x);
}

static cu_code_t chunk_head(const char *range)
{
    header("Content-Type", "multipart/form-data; boundary=B");
    if (range) {
        header("Content-Range", range);
    }
    return head_of("POST", CU_RESOURCE_ENDPOINT);
}

static cu_code_t complete_head(void)
{
    header("Content-Type", "application/x-www-form-urlencoded");
    return head_of("POST", CU_RESOURCE_COMPLETE);
}

static cu_code_t field(const char *name, const char *value)
{
    return x.dialect->read_field(&x, name, value, strlen(value));
}

static cu_code_t file(const char *name, const char *filename,
                      const char *type, int *take)
{
    cu_multipart_part_t part;

    part.name = name;
    part.filename = filename;
    part.type = type;
    return x.dialect->read_file(&x, &part, take);
}

static void expect_answer(int status, const char *body)
{
    x.dialect->write(&x);
    assert_int_equal(wire.status, status);
    assert_string_equal(wire.body, body);
    assert_int_equal(wire.body_len, strlen(body));
    assert_string_equal(wire.content_type, settings.content_type);
}

static void the_last_of_all_and_the_default(void **state)
{
    const cu_dialect_t *form;
    int i;

    (void)state;
    assert_null(cu_dialect_at(-1));
    for (i = 0; cu_dialect_at(i + 1); ++i) {
        assert_int_equal(cu_dialect_bit(cu_dialect_at(i)->name), 1 << i);
    }
    form = cu_dialect_at(i);
    assert_string_equal(form->name, "form");
    assert_true(form->recognise(&wire));
    assert_ptr_equal(cu_dialect_choose(&wire, 0), form);
    assert_ptr_equal(cu_dialect_choose(&wire, cu_dialect_bit("FORM")), form);
    assert_string_equal(cu_dialect_choose(&wire, cu_dialect_bit("tus"))->name,
                        "tus");
    assert_int_equal(cu_dialect_bit("none"), 0);
}

static void reads_a_range(void **state)
{
    (void)state;
    assert_int_equal(chunk_head("bytes 100000-199999/250000"), CU_OK);
    assert_int_equal(x.op, CU_OP_APPEND);
    assert_int_equal(x.framing, CU_FRAMING_MULTIPART);
    assert_string_equal(x.boundary, "B");
    assert_int_equal(x.ask.offset, 100000);
    assert_int_equal(x.ask.chunk_length, 100000);
    assert_int_equal(x.ask.length, 250000);
    assert_false(x.ask.whole);
    assert_false(x.ask.keep_partial);
    assert_null(x.ask.fault);
}

static void reads_a_range_beyond_32_bits(void **state)
{
    (void)state;
    assert_int_equal(chunk_head("bytes 5368709120-5368709129/9999999999999"),
                     CU_OK);
    assert_int_equal(x.ask.offset, APR_INT64_C(5368709120));
    assert_int_equal(x.ask.chunk_length, 10);
    assert_int_equal(x.ask.length, APR_INT64_C(9999999999999));
}

static void no_range_is_the_whole_file(void **state)
{
    (void)state;
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_true(x.ask.whole);
    assert_int_equal(x.ask.offset, 0);
    assert_int_equal(x.ask.chunk_length, CU_LENGTH_UNKNOWN);
    assert_int_equal(x.ask.length, CU_LENGTH_UNKNOWN);
    assert_null(x.ask.fault);
}

static void no_range_is_a_fault_where_required(void **state)
{
    (void)state;
    settings.require_range = 1;
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_string_equal(x.ask.fault, "Error in request headers");
}

static void bad_ranges_are_faults(void **state)
{
    static const char *const bad[] = {
        "", "bytes */10", "bytes 0-4/*", "Bytes 0-1/2", "octets 0-1/2",
        "bytes  0-1/2", "bytes 0--1/0", "bytes 0-1/2 ", " bytes 0-1/2",
        "bytes 0-1/2\n", "bytes 4-3/10", "bytes 0-9/5", "bytes 0-1/1",
        "bytes +0-1/2", "bytes 00-1/2", "bytes 0-1/9223372036854775808",
        "bytes 0-1/2, bytes 2-3/4",
    };
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
        x.ask.fault = NULL;
        assert_int_equal(chunk_head(bad[i]), CU_OK);
        assert_non_null(x.ask.fault);
        assert_string_equal(x.ask.fault, "Error in request headers");
        assert_false(x.ask.whole);
        assert_int_equal(x.ask.offset, 0);
        assert_int_equal(x.ask.length, CU_LENGTH_UNKNOWN);
    }
}

static void other_bodies_have_no_file(void **state)
{
    (void)state;
    assert_int_equal(head_of("POST", CU_RESOURCE_ENDPOINT), CU_NO_FILE);
    assert_int_equal(x.op, CU_OP_APPEND);
    header("Content-Type", "application/octet-stream");
    assert_int_equal(head_of("POST", CU_RESOURCE_ENDPOINT), CU_NO_FILE);
    header("Content-Type", "application/x-www-form-urlencoded");
    assert_int_equal(head_of("POST", CU_RESOURCE_ENDPOINT), CU_NO_FILE);
    assert_int_equal(x.framing, CU_FRAMING_NONE);
}

static void a_boundary_must_be_usable(void **state)
{
    (void)state;
    header("Content-Type", "multipart/form-data");
    assert_int_equal(head_of("POST", CU_RESOURCE_ENDPOINT), CU_BAD_ASK);
    assert_int_equal(strncmp(x.complaint, "Malformed multipart body: ", 26),
                     0);
    x.complaint = NULL;
    assert_int_equal(head_of("POST", CU_RESOURCE_COMPLETE), CU_BAD_ASK);
    assert_non_null(x.complaint);
}

static void methods(void **state)
{
    static const char *const none[] = { "PUT", "PATCH", "DELETE", "post",
                                        "TRACE", "" };
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(none) / sizeof(none[0]); ++i) {
        assert_int_equal(head_of(none[i], CU_RESOURCE_ENDPOINT),
                         CU_BAD_METHOD);
        assert_string_equal(x.allow, "POST, OPTIONS");
        assert_int_equal(head_of(none[i], CU_RESOURCE_COMPLETE),
                         CU_BAD_METHOD);
        assert_string_equal(x.allow, "POST, OPTIONS");
        assert_int_equal(head_of(none[i], CU_RESOURCE_UPLOAD),
                         CU_BAD_METHOD);
        assert_string_equal(x.allow, "GET, HEAD, OPTIONS");
    }
    assert_int_equal(head_of("GET", CU_RESOURCE_ENDPOINT), CU_BAD_METHOD);
    assert_int_equal(head_of("HEAD", CU_RESOURCE_COMPLETE), CU_BAD_METHOD);
    assert_int_equal(head_of("POST", CU_RESOURCE_UPLOAD), CU_BAD_METHOD);
}

static void options(void **state)
{
    (void)state;
    assert_int_equal(head_of("OPTIONS", CU_RESOURCE_UPLOAD), CU_OK);
    assert_int_equal(x.op, CU_OP_NONE);
    x.code = CU_OK;
    x.dialect->write(&x);
    assert_int_equal(wire.status, 200);
    assert_null(wire.body);
    assert_int_equal(wire.body_len, 0);
    assert_string_equal(apr_table_get(wire.headers_out, "Allow"),
                        "GET, HEAD, OPTIONS");
}

static void reads_an_id(void **state)
{
    int take;

    (void)state;
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(field("csrfmiddlewaretoken", "x"), CU_OK);
    assert_int_equal(field("offset", "17"), CU_OK);
    assert_int_equal(field("Upload_ID", OTHER_ID), CU_OK);
    assert_null(x.ask.id);
    assert_int_equal(field("upload_id", OTHER_ID), CU_OK);
    assert_int_equal(field("upload_id", ID), CU_OK);
    assert_string_equal(x.ask.id, ID);
    assert_int_equal(file("file", "a", NULL, &take), CU_OK);
    assert_true(take);
    assert_int_equal(x.dialect->read_end(&x), CU_OK);
}

static void an_empty_id_is_none(void **state)
{
    (void)state;
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(field("upload_id", ID), CU_OK);
    assert_int_equal(field("upload_id", ""), CU_OK);
    assert_null(x.ask.id);
}

static void what_is_no_id_is_not_found(void **state)
{
    static const char *const bad[] = {
        "x", "8230412E259C43E0A245C9F3009F3AFC", ID "0", " " ID,
        "8230412e-259c-43e0-a245-c9f3009f3afc", "../../../../etc/passwd",
    };
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); ++i) {
        int take = 1;

        assert_int_equal(chunk_head(NULL), CU_OK);
        assert_int_equal(field("upload_id", bad[i]), CU_OK);
        assert_null(x.ask.id);
        assert_int_equal(x.dialect->read_end(&x), CU_NO_FILE);
        assert_int_equal(file("file", "a", NULL, &take), CU_NOT_FOUND);
        assert_false(take);
    }
}

static void an_id_with_a_nul_is_none(void **state)
{
    int take;

    (void)state;
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(x.dialect->read_field(&x, "upload_id", ID "\0x", 34),
                     CU_OK);
    assert_int_equal(file("file", "a", NULL, &take), CU_NOT_FOUND);
}

static void a_bad_id_after_the_file(void **state)
{
    int take;

    (void)state;
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(file("file", "a", NULL, &take), CU_OK);
    assert_int_equal(field("upload_id", "x"), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_NOT_FOUND);
    assert_int_equal(field("upload_id", ID), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_OK);
    assert_string_equal(x.ask.id, ID);
}

static void only_the_named_file_is_taken(void **state)
{
    int take;

    (void)state;
    settings.field_name = "the_file";
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(file("file", "a", NULL, &take), CU_OK);
    assert_false(take);
    assert_int_equal(file("The_File", "a", NULL, &take), CU_OK);
    assert_false(take);
    assert_int_equal(file("the_file", "", NULL, &take), CU_OK);
    assert_false(take);
    assert_int_equal(file("upload_id", "a", NULL, &take), CU_OK);
    assert_false(take);
    assert_int_equal(x.dialect->read_end(&x), CU_NO_FILE);
    assert_int_equal(file("the_file", "a", NULL, &take), CU_OK);
    assert_true(take);
    assert_int_equal(x.dialect->read_end(&x), CU_OK);
}

static void a_text_field_is_no_file(void **state)
{
    (void)state;
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(field("file", "contents"), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_NO_FILE);
}

static void keeps_name_and_type(void **state)
{
    int take;

    (void)state;
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(file("file", "../../etc/x", "image/png", &take), CU_OK);
    assert_string_equal(x.ask.name, "x");
    assert_string_equal(x.ask.type, "image/png");
    assert_int_equal(file("file", "second", "text/plain", &take), CU_OK);
    assert_true(take);
    assert_string_equal(x.ask.name, "x");
    assert_string_equal(x.ask.type, "image/png");
}

static void cuts_long_names(void **state)
{
    char name[1005];
    int take;

    (void)state;
    memset(name, 'n', sizeof(name));
    memcpy(name + sizeof(name) - 5, ".tgz", 5);
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(file("file", name, NULL, &take), CU_OK);
    assert_int_equal(strlen(x.ask.name), 255);
    assert_string_equal(x.ask.name + 251, ".tgz");
}

static void drops_types_it_cannot_keep(void **state)
{
    char longest[257];
    int take;

    (void)state;
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(file("file", "a", "text/\x01", &take), CU_OK);
    assert_null(x.ask.type);
    set_up(NULL);
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(file("file", "a", "text/\xc3\xa9", &take), CU_OK);
    assert_null(x.ask.type);
    set_up(NULL);
    memset(longest, 'a', 256);
    longest[256] = '\0';
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(file("file", "a", longest, &take), CU_OK);
    assert_null(x.ask.type);
    set_up(NULL);
    assert_int_equal(chunk_head(NULL), CU_OK);
    assert_int_equal(file("file", "a", longest + 1, &take), CU_OK);
    assert_string_equal(x.ask.type, longest + 1);
}

static void completion(void **state)
{
    (void)state;
    assert_int_equal(complete_head(), CU_OK);
    assert_int_equal(x.op, CU_OP_COMPLETE);
    assert_int_equal(x.framing, CU_FRAMING_URLENCODED);
    assert_int_equal(field("upload_id", ID), CU_OK);
    assert_int_equal(field("md5", "D41D8CD98F00B204E9800998ECF8427E"), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_OK);
    assert_string_equal(x.ask.id, ID);
    assert_string_equal(x.ask.digest_hex, "D41D8CD98F00B204E9800998ECF8427E");
    assert_true(x.ask.digest_required);
}

static void completion_framings(void **state)
{
    (void)state;
    header("Content-Type", "Application/X-WWW-Form-URLEncoded;charset=x");
    assert_int_equal(head_of("POST", CU_RESOURCE_COMPLETE), CU_OK);
    assert_int_equal(x.framing, CU_FRAMING_URLENCODED);
    header("Content-Type", "multipart/form-data; boundary=\"q q\"");
    assert_int_equal(head_of("POST", CU_RESOURCE_COMPLETE), CU_OK);
    assert_int_equal(x.framing, CU_FRAMING_MULTIPART);
    header("Content-Type", "application/json");
    assert_int_equal(head_of("POST", CU_RESOURCE_COMPLETE), CU_OK);
    assert_int_equal(x.framing, CU_FRAMING_NONE);
    header("Content-Type", "application/x-www-form-urlencodedx");
    assert_int_equal(head_of("POST", CU_RESOURCE_COMPLETE), CU_OK);
    assert_int_equal(x.framing, CU_FRAMING_NONE);
}

static void completion_wants_both(void **state)
{
    static const char text[] = "Both 'upload_id' and 'md5' are required";

    (void)state;
    assert_int_equal(complete_head(), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_BAD_ASK);
    assert_string_equal(x.complaint, text);
    assert_int_equal(field("upload_id", ID), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_BAD_ASK);
    assert_int_equal(field("md5", ""), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_BAD_ASK);
    assert_int_equal(field("md5", "x"), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_OK);
    assert_int_equal(field("upload_id", ""), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_BAD_ASK);
    assert_string_equal(x.complaint, text);
}

static void completion_without_digest(void **state)
{
    (void)state;
    policy.digest = CU_DIGEST_NONE;
    assert_int_equal(complete_head(), CU_OK);
    assert_int_equal(field("md5", "junk"), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_BAD_ASK);
    assert_string_equal(x.complaint, "'upload_id' is required");
    assert_int_equal(field("upload_id", ID), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_OK);
    assert_false(x.ask.digest_required);
    assert_null(x.ask.digest_hex);
}

static void completion_checks_fields_before_the_id(void **state)
{
    (void)state;
    assert_int_equal(complete_head(), CU_OK);
    assert_int_equal(field("upload_id", "nonsense"), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_BAD_ASK);
    assert_int_equal(field("md5", "x"), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_NOT_FOUND);
}

static void impossible_digests_match_nothing(void **state)
{
    char longer[200];

    (void)state;
    memset(longer, 'a', sizeof(longer));
    longer[199] = '\0';
    assert_int_equal(complete_head(), CU_OK);
    assert_int_equal(field("upload_id", ID), CU_OK);
    assert_int_equal(field("md5", longer), CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_OK);
    assert_string_equal(x.ask.digest_hex, "?");
    assert_int_equal(x.dialect->read_field(
                         &x, "md5", "d41d8cd98f00b204e9800998ecf8427e\0z",
                         34),
                     CU_OK);
    assert_int_equal(x.dialect->read_end(&x), CU_OK);
    assert_string_equal(x.ask.digest_hex, "?");
}

static void completion_skips_files(void **state)
{
    int take = 1;

    (void)state;
    assert_int_equal(complete_head(), CU_OK);
    assert_int_equal(file("file", "a", NULL, &take), CU_OK);
    assert_false(take);
}

static void query(void **state)
{
    (void)state;
    wire.id = ID;
    assert_int_equal(head_of("HEAD", CU_RESOURCE_UPLOAD), CU_OK);
    assert_int_equal(head_of("GET", CU_RESOURCE_UPLOAD), CU_OK);
    assert_int_equal(x.op, CU_OP_QUERY);
    assert_int_equal(x.framing, CU_FRAMING_NONE);
    assert_string_equal(x.ask.id, ID);
}

static void reply_facts(apr_time_t expires)
{
    x.code = CU_OK;
    x.reply.id = ID;
    x.reply.offset = 5;
    x.reply.expires = expires;
}

static void answers_a_chunk(void **state)
{
    (void)state;
    x.op = CU_OP_APPEND;
    reply_facts(apr_time_from_sec(1795463433) + 55999);
    expect_answer(200, "{\"upload_id\": \"" ID "\", \"offset\": 5, "
                       "\"expires\": \"2026-11-23T19:50:33.055Z\"}");
}

static void expires_forms(void **state)
{
    (void)state;
    x.op = CU_OP_APPEND;
    reply_facts(apr_time_from_sec(1795463433));
    expect_answer(200, "{\"upload_id\": \"" ID "\", \"offset\": 5, "
                       "\"expires\": \"2026-11-23T19:50:33Z\"}");
    reply_facts(apr_time_from_sec(1795463433) + 1);
    expect_answer(200, "{\"upload_id\": \"" ID "\", \"offset\": 5, "
                       "\"expires\": \"2026-11-23T19:50:33.000Z\"}");
    reply_facts(0);
    expect_answer(200, "{\"upload_id\": \"" ID "\", \"offset\": 5, "
                       "\"expires\": null}");
}

static void answers_a_completion(void **state)
{
    (void)state;
    x.op = CU_OP_COMPLETE;
    reply_facts(0);
    settings.content_type = "text/plain";
    expect_answer(200, "{}");
}

static void answers_a_query(void **state)
{
    (void)state;
    x.op = CU_OP_QUERY;
    reply_facts(0);
    x.reply.status = CU_STATUS_OPEN;
    x.reply.name = "\xc3\xa9\xff.png";
    expect_answer(200, "{\"upload_id\": \"" ID "\", \"offset\": 5, "
                       "\"expires\": null, \"status\": \"uploading\", "
                       "\"filename\": \"\\u00E9\\uFFFD.png\"}");
    x.reply.length = APR_INT64_C(5000000000000);
    x.reply.status = CU_STATUS_DONE;
    expect_answer(200, "{\"upload_id\": \"" ID "\", \"offset\": 5, "
                       "\"expires\": null, \"status\": \"complete\", "
                       "\"filename\": \"\\u00E9\\uFFFD.png\", "
                       "\"length\": 5000000000000}");
}

typedef struct answer_t {
    cu_code_t code;
    int status;
    const char *body;
} answer_t;

static const answer_t answers[] = {
    { CU_NOT_FOUND, 404, "{\"detail\": \"Not found\"}" },
    { CU_GONE, 410, "{\"detail\": \"Upload has expired\"}" },
    { CU_CONFLICT, 400, "{\"detail\": \"Upload has already been marked as "
                        "\\\"complete\\\"\"}" },
    { CU_UNAUTHENTICATED, 403, "{\"detail\": \"Authentication credentials "
                               "were not provided\"}" },
    { CU_BAD_ASK, 400, "{\"detail\": \"Error in request headers\"}" },
    { CU_NO_FILE, 400, "{\"detail\": \"No chunk file was submitted\"}" },
    { CU_BAD_METHOD, 405, "{\"detail\": \"Method not allowed\"}" },
    { CU_OFFSET_MISMATCH, 400, "{\"detail\": \"Offsets do not match\", "
                               "\"offset\": 17}" },
    { CU_LENGTH_MISMATCH, 400, "{\"detail\": \"File size doesn't match "
                               "headers\"}" },
    { CU_TOO_LARGE, 400, "{\"detail\": \"Size of file exceeds the limit "
                         "(5000000000 bytes)\"}" },
    { CU_DIGEST_MISMATCH, 400, "{\"detail\": \"md5 checksum does not "
                               "match\"}" },
    { CU_INCOMPLETE, 400, "{\"detail\": \"Upload is not complete\", "
                          "\"offset\": 17}" },
    { CU_BUSY, 503, "{\"detail\": \"Upload is busy, try again later\"}" },
    { CU_SUPERSEDED, 400, "{\"detail\": \"Offsets do not match\", "
                          "\"offset\": 17}" },
    { CU_NO_SPACE, 507, "{\"detail\": \"No space left for the upload\"}" },
    { CU_DAMAGED, 500, "{\"detail\": \"Upload is damaged\"}" },
    { CU_IO, 500, "{\"detail\": \"Internal server error\"}" },
    { CU_BODY_LOST, 400, "{\"detail\": \"Request body could not be read\"}" },
    { CU_BODY_TOO_LARGE, 413,
      "{\"detail\": \"Size of request exceeds the limit "
      "(5000000000 bytes)\"}" },
    { CU_BUG, 500, "{\"detail\": \"Internal server error\"}" },
};

static void answers_every_code(void **state)
{
    apr_size_t i;

    (void)state;
    /* CU_OK has an answer per operation; all others have a row. */
    assert_int_equal(sizeof(answers) / sizeof(answers[0]),
                     CU_CODE_COUNT - 1);
    x.op = CU_OP_APPEND;
    x.allow = "POST, OPTIONS";
    x.ask.fault = "Error in request headers";
    x.reply.offset = 17;
    x.reply.limit = APR_INT64_C(5000000000);
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); ++i) {
        assert_int_equal(answers[i].code, i + 1);
        apr_table_clear(wire.headers_out);
        x.code = answers[i].code;
        expect_answer(answers[i].status, answers[i].body);
        assert_int_equal(apr_table_get(wire.headers_out, "Allow") != NULL,
                         x.code == CU_BAD_METHOD);
        assert_int_equal(
            apr_table_get(wire.headers_out, "Retry-After") != NULL,
            x.code == CU_BUSY);
    }
}

static void unknown_codes_are_our_fault(void **state)
{
    (void)state;
    x.code = CU_CODE_COUNT;
    expect_answer(500, "{\"detail\": \"Internal server error\"}");
    x.code = (cu_code_t)-1;
    expect_answer(500, "{\"detail\": \"Internal server error\"}");
}

static void complaints_go_first(void **state)
{
    (void)state;
    x.code = CU_BAD_ASK;
    expect_answer(400, "{\"detail\": \"Bad request\"}");
    x.ask.fault = "Error in request headers";
    x.complaint = "'upload_id' is required";
    expect_answer(400, "{\"detail\": \"'upload_id' is required\"}");
}

static void retry_after_is_rounded_up(void **state)
{
    static const struct {
        apr_interval_time_t wait;
        const char *text;
    } waits[] = { { 0, "1" }, { -5, "1" }, { 1, "1" }, { 1000000, "1" },
                  { 1000001, "2" }, { 60000000, "60" } };
    apr_size_t i;

    (void)state;
    x.code = CU_BUSY;
    for (i = 0; i < sizeof(waits) / sizeof(waits[0]); ++i) {
        x.reply.retry_after = waits[i].wait;
        x.dialect->write(&x);
        assert_string_equal(apr_table_get(wire.headers_out, "Retry-After"),
                            waits[i].text);
    }
}

#define TEST(function) \
    cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_of_all_and_the_default),
        TEST(reads_a_range),
        TEST(reads_a_range_beyond_32_bits),
        TEST(no_range_is_the_whole_file),
        TEST(no_range_is_a_fault_where_required),
        TEST(bad_ranges_are_faults),
        TEST(other_bodies_have_no_file),
        TEST(a_boundary_must_be_usable),
        TEST(methods),
        TEST(options),
        TEST(reads_an_id),
        TEST(an_empty_id_is_none),
        TEST(what_is_no_id_is_not_found),
        TEST(an_id_with_a_nul_is_none),
        TEST(a_bad_id_after_the_file),
        TEST(only_the_named_file_is_taken),
        TEST(a_text_field_is_no_file),
        TEST(keeps_name_and_type),
        TEST(cuts_long_names),
        TEST(drops_types_it_cannot_keep),
        TEST(completion),
        TEST(completion_framings),
        TEST(completion_wants_both),
        TEST(completion_without_digest),
        TEST(completion_checks_fields_before_the_id),
        TEST(impossible_digests_match_nothing),
        TEST(completion_skips_files),
        TEST(query),
        TEST(answers_a_chunk),
        TEST(expires_forms),
        TEST(answers_a_completion),
        TEST(answers_a_query),
        TEST(answers_every_code),
        TEST(unknown_codes_are_our_fault),
        TEST(complaints_go_first),
        TEST(retry_after_is_rounded_up),
    };
    int failed;

    (void)apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
