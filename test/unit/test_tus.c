/*
 * The tus dialect: alone (whose request it is, what each code answers), and
 * in conversations through serve and a real engine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "serve/serve.h"
#include "unit/scratch.h"

#define ID "8230412e259c43e0a245c9f3009f3afc"
#define CHUNK_TYPE "application/offset+octet-stream"

/* One request, its body in pieces of `step` bytes. */
typedef struct client_t {
    cu_wire_t wire;
    apr_table_t *headers;
    const char *body;
    apr_size_t len, sent, step;
    const apr_table_t *trailers;
    int lost; /* the body breaks off at its end */
} client_t;

static cu_dialect_settings_t settings;

static int set_up(void **state)
{
    memset(&settings, 0, sizeof(settings));
    settings.field_name = "file";
    settings.content_type = "application/json";
    return scratch_setup(state);
}

static apr_status_t feed(void *baton, struct iovec *pieces, int max,
                         int *count)
{
    client_t *client = baton;
    apr_size_t n = client->len - client->sent;

    assert_true(max > 0);
    *count = 0;
    if (n == 0) {
        return client->lost ? APR_INCOMPLETE : APR_EOF;
    }
    if (client->step && n > client->step) {
        n = client->step;
    }
    pieces[0].iov_base = apr_pmemdup(scratch.pool, client->body
                                                       + client->sent, n);
    pieces[0].iov_len = n;
    client->sent += n;
    *count = 1;
    return APR_SUCCESS;
}

static const apr_table_t *trailers(void *baton)
{
    client_t *client = baton;

    return client->trailers;
}

static client_t *request(const char *method, const char *path)
{
    client_t *client = apr_pcalloc(scratch.pool, sizeof(*client));

    client->headers = apr_table_make(scratch.pool, 4);
    client->wire.method = method;
    client->wire.path = path;
    client->wire.headers_in = client->headers;
    client->wire.scope = "test";
    client->wire.pool = scratch.pool;
    apr_table_set(client->headers, "Tus-Resumable", "1.0.0");
    return client;
}

static void with(client_t *client, const char *name, const char *value)
{
    apr_table_set(client->headers, name, value);
}

static void send_body(client_t *client, const char *body)
{
    client->body = body;
    client->len = strlen(body);
    with(client, "Content-Type", CHUNK_TYPE);
}

static int converse(client_t *client)
{
    cu_body_t body = { feed, client, 0, trailers };
    cu_serve_t serve;
    cu_outcome_t outcome;

    serve.engine = scratch.engine;
    serve.policy = &scratch.policy;
    serve.settings = &settings;
    serve.log = &scratch.log;
    cu_serve(&serve, &client->wire, &body, &outcome);
    return client->wire.status;
}

static const char *header(const client_t *client, const char *name)
{
    return apr_table_get(client->wire.headers_out, name);
}

/* Make an upload of this length; its path. */
static const char *create(const char *length)
{
    client_t *client = request("POST", "/up");

    with(client, "Upload-Length", length);
    assert_int_equal(converse(client), 201);
    return apr_pstrcat(scratch.pool, "/", header(client, "Location"), NULL);
}

static client_t *patch(const char *path, const char *offset, const char *body)
{
    client_t *client = request("PATCH", path);

    with(client, "Upload-Offset", offset);
    send_body(client, body);
    return client;
}

static client_t *head_of(const char *path)
{
    client_t *client = request("HEAD", path);

    assert_int_equal(converse(client), 200);
    return client;
}

static void whose_request_it_is(void **state)
{
    static const struct {
        const char *method, *name, *value;
        cu_resource_t resource;
        const char *dialect;
    } rows[] = {
        { "POST", "Tus-Resumable", "1.0.0", CU_RESOURCE_ENDPOINT, "tus" },
        { "POST", "Tus-Resumable", "", CU_RESOURCE_UPLOAD, "tus" },
        { "PUT", "Tus-Resumable", "9", CU_RESOURCE_ENDPOINT, "tus" },
        { "GET", "Tus-Resumable", "1.0.0", CU_RESOURCE_UPLOAD, "form" },
        { "POST", "Tus-Resumable", "1.0.0", CU_RESOURCE_COMPLETE, "form" },
        { "OPTIONS", "X", "", CU_RESOURCE_ENDPOINT, "tus" },
        { "OPTIONS", "X", "", CU_RESOURCE_COMPLETE, "form" },
        { "PATCH", "Content-Type", CHUNK_TYPE, CU_RESOURCE_UPLOAD, "tus" },
        { "PATCH", "Content-Type", "text/plain", CU_RESOURCE_UPLOAD, "form" },
        { "POST", "Upload-Length", "1", CU_RESOURCE_ENDPOINT, "tus" },
        { "POST", "Upload-Complete", "?1", CU_RESOURCE_ENDPOINT, "form" },
        { "POST", "Content-Type", CHUNK_TYPE, CU_RESOURCE_ENDPOINT, "form" },
        { "HEAD", "X", "", CU_RESOURCE_UPLOAD, "form" },
        { "DELETE", "X", "", CU_RESOURCE_UPLOAD, "form" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        client_t *client = request(rows[i].method, "/up");
        const cu_dialect_t *dialect;

        apr_table_clear(client->headers);
        with(client, rows[i].name, rows[i].value);
        client->wire.resource = rows[i].resource;
        dialect = cu_dialect_choose(&client->wire, 0);
        if (strcmp(dialect->name, rows[i].dialect) != 0) {
            fail_msg("row %d: %s", (int)i, dialect->name);
        }
        assert_string_equal(cu_dialect_choose(&client->wire,
                                              cu_dialect_bit("form"))->name,
                            "form");
    }
}

/* Each code has an answer of its own, in plain text. */
static void every_code_has_an_answer(void **state)
{
    static const int expected[CU_CODE_COUNT] = {
        [CU_NOT_FOUND] = 404, [CU_GONE] = 410, [CU_CONFLICT] = 403,
        [CU_UNAUTHENTICATED] = 403, [CU_BAD_ASK] = 400, [CU_NO_FILE] = 400,
        [CU_BAD_METHOD] = 405, [CU_OFFSET_MISMATCH] = 409,
        [CU_LENGTH_MISMATCH] = 403, [CU_TOO_LARGE] = 413,
        [CU_BODY_TOO_LARGE] = 413,
        [CU_DIGEST_MISMATCH] = 460, [CU_INCOMPLETE] = 400, [CU_BUSY] = 423,
        [CU_SUPERSEDED] = 409, [CU_NO_SPACE] = 507, [CU_DAMAGED] = 500,
        [CU_IO] = 500, [CU_BODY_LOST] = 503, [CU_BUG] = 500,
    };
    int code;

    (void)state;
    for (code = CU_OK + 1; code <= CU_CODE_COUNT; ++code) {
        client_t *client = request("PATCH", "/up/" ID);
        cu_exchange_t x;

        memset(&x, 0, sizeof(x));
        client->wire.headers_out = apr_table_make(scratch.pool, 4);
        client->wire.resource = CU_RESOURCE_UPLOAD;
        x.wire = &client->wire;
        x.policy = &scratch.policy;
        x.settings = &settings;
        x.allow = "X";
        x.op = CU_OP_APPEND;
        x.ask.length = x.reply.length = CU_LENGTH_UNKNOWN;
        x.code = (cu_code_t)code;
        cu_dialect_choose(&client->wire, 0)->write(&x);
        assert_int_equal(client->wire.status,
                         code < CU_CODE_COUNT ? expected[code] : 500);
        assert_true(client->wire.body_len > 10);
        assert_int_equal(client->wire.body[client->wire.body_len - 1], '\n');
        assert_string_equal(client->wire.content_type,
                            "text/plain; charset=utf-8");
        assert_string_equal(header(client, "Tus-Resumable"), "1.0.0");
        assert_int_equal(header(client, "Retry-After") != NULL,
                         code == CU_BUSY);
        /* a HEAD that fails but with 423 makes clients begin anew */
        x.op = CU_OP_QUERY;
        cu_dialect_choose(&client->wire, 0)->write(&x);
        if (code == CU_BUSY || code == CU_IO || code == CU_NO_SPACE) {
            assert_int_equal(client->wire.status, 423);
        }
    }
}

static void one_byte_at_a_time(void **state)
{
    const char *path = create("6");
    client_t *client;
    int step;

    (void)state;
    client = patch(path, "0", "abc");
    client->step = 1;
    assert_int_equal(converse(client), 204);
    assert_string_equal(header(client, "Upload-Offset"), "3");
    for (step = 0; step < 2; ++step) { /* and the end, repeated */
        client = patch(path, step ? "6" : "3", step ? "" : "def");
        with(client, "Content-Length", step ? "0" : "3");
        assert_int_equal(converse(client), 204);
        assert_string_equal(header(client, "Upload-Offset"), "6");
        assert_null(header(client, "Upload-Expires"));
    }
    assert_int_equal(converse(patch(path, "6", "x")), 403);
    assert_int_equal(converse(patch(path, "0", "x")), 409);
}

static void broken_at_every_byte(void **state)
{
    static const char data[] = "abcdefghijklmnopqrstuvwxyz";
    int cut;

    (void)state;
    for (cut = 0; cut <= 26; ++cut) {
        const char *path = create("26");
        client_t *client = patch(path, "0", data);

        client->len = (apr_size_t)cut;
        client->lost = 1;
        client->step = 5;
        assert_int_equal(converse(client), 503);
        client = head_of(path);
        assert_string_equal(header(client, "Upload-Offset"),
                            apr_itoa(scratch.pool, cut));
    }
}

/* Bytes that all arrived, but whose last request did not come to its end: the
 * next question completes the upload. */
static void a_question_completes_what_is_full(void **state)
{
    const char *path = create("3");
    client_t *client = patch(path, "0", "abc");
    const char *id = strrchr(path, '/') + 1;
    cu_reply_t reply;
    cu_ask_t ask;

    (void)state;
    client->lost = 1;
    assert_int_equal(converse(client), 503);
    scratch_ask(&ask, id);
    assert_int_equal(cu_engine_query(scratch.engine, &ask, &reply,
                                     scratch.pool),
                     CU_OK);
    assert_int_equal(reply.status, CU_STATUS_OPEN);
    client = head_of(path);
    assert_string_equal(header(client, "Upload-Offset"), "3");
    assert_int_equal(cu_engine_query(scratch.engine, &ask, &reply,
                                     scratch.pool),
                     CU_OK);
    assert_int_equal(reply.status, CU_STATUS_DONE);
    assert_string_equal(reply.digest_hex, "900150983cd24fb0d6963f7d28e17f72");
}

static void locations(void **state)
{
    static const struct {
        const char *path, *origin, *expected;
    } rows[] = {
        { "/up", NULL, "up/" }, { "/up/", NULL, "" }, { "/", NULL, "" },
        { "/a/b c:d", NULL, "b%20c%3Ad/" }, { "/\xc3\xa4", NULL, "%C3%A4/" },
        { "/up", "https://a.example", "https://a.example/up/" },
        { "/a%/", "http://b:81", "http://b:81/a%25/" },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        client_t *client = request("POST", rows[i].path);
        const char *location;

        with(client, "Upload-Length", "1");
        client->wire.origin = rows[i].origin;
        assert_int_equal(converse(client), 201);
        location = header(client, "Location");
        assert_int_equal(strlen(location), strlen(rows[i].expected) + 32);
        assert_memory_equal(location, rows[i].expected,
                            strlen(rows[i].expected));
    }
}

static void checksum_behind_the_body(void **state)
{
    const char *path = create("3");
    apr_table_t *fields = apr_table_make(scratch.pool, 1);
    client_t *client = patch(path, "0", "abc");

    (void)state;
    with(client, "Trailer", "a, UPLOAD-checksum");
    assert_int_equal(converse(client), 400);
    apr_table_set(fields, "Upload-Checksum", "crc32c AAAAAA==");
    client = patch(path, "0", "abc");
    with(client, "Trailer", "upload-checksum");
    client->trailers = fields;
    assert_int_equal(converse(client), 460);
    assert_string_equal(client->wire.reason, "Checksum Mismatch");
    assert_string_equal(header(head_of(path), "Upload-Offset"), "0");
    apr_table_set(fields, "Upload-Checksum", "crc32c Nks/tw==");
    client = patch(path, "0", "abc");
    with(client, "Trailer", "upload-checksum");
    client->trailers = fields;
    assert_int_equal(converse(client), 204);
    /* not announced: it is none of ours */
    path = create("3");
    client = patch(path, "0", "abd");
    client->trailers = fields;
    assert_int_equal(converse(client), 204);
}

static void nobody_without_a_user(void **state)
{
    client_t *client = request("POST", "/up");

    (void)state;
    scratch.policy.anonymous = 0;
    with(client, "Upload-Length", "1");
    assert_int_equal(converse(client), 403);
    assert_int_equal(scratch_files(".state"), 0);
    client = request("OPTIONS", "/up");
    assert_int_equal(converse(client), 200);
    client = request("POST", "/up");
    with(client, "Upload-Length", "1");
    client->wire.user = "jo";
    assert_int_equal(converse(client), 201);
}

#define TEST(function)                                                        \
    cmocka_unit_test_setup_teardown(function, set_up, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whose_request_it_is),
        TEST(every_code_has_an_answer),
        TEST(one_byte_at_a_time),
        TEST(broken_at_every_byte),
        TEST(a_question_completes_what_is_full),
        TEST(locations),
        TEST(checksum_behind_the_body),
        TEST(nobody_without_a_user),
    };

    return cmocka_run_group_tests(tests, scratch_group_setup,
                                  scratch_group_teardown);
}
