/*
 * Whole conversations: requests in, answers out, over a real engine in a
 * temporary directory.  Every test runs three times: with each body in one
 * piece, byte by byte, and in random pieces; a piece's memory is gone after
 * its turn.  Every answer is checked for what all answers must have, and every
 * refusal for its one log line.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw, mkdtemp */
#endif
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <jansson.h>

#include "digest/digest.h"
#include "serve/serve.h"

#define UNKNOWN_ID "8230412e259c43e0a245c9f3009f3afc"
#define START_TIME (apr_time_from_sec(1795376633) + 55999)
#define BOUNDARY "----a boundary"

enum { WHOLE, BYTES, RANDOM };

/* ------------------------------------------------------------ the set-up */

static apr_pool_t *pool;
static char dir[64];
static apr_time_t now;
static int mode;
static unsigned int random_state;
static cu_policy_t policy;
static cu_dialect_settings_t settings;
static cu_serve_t serve;
static int log_lines;
static char last_line[2048];

static apr_time_t fake_clock(void)
{
    return now;
}

static unsigned int next_random(unsigned int below)
{
    random_state = random_state * 1103515245u + 12345u;
    return (random_state >> 16) % below;
}

static int log_wanted(void *baton, cu_log_level_t level)
{
    (void)baton;
    return level <= CU_LOG_INFO;
}

static void log_print(void *baton, cu_log_level_t level, apr_status_t rv,
                      const char *line)
{
    (void)baton;
    (void)level;
    (void)rv;
    if (strncmp(line, "CU0100: ", 8) == 0
        || strncmp(line, "CU0101: ", 8) == 0) {
        ++log_lines;
        apr_cpystrn(last_line, line, sizeof(last_line));
    }
}

static const cu_log_t test_log = { log_wanted, log_print, NULL };

static void make_engine(void)
{
    cu_engine_config_t config;
    cu_engine_t *engine;
    const char *reason = NULL;

    memset(&config, 0, sizeof(config));
    config.state_dir = apr_pstrcat(pool, dir, "/state", NULL);
    config.root = apr_pstrcat(pool, dir, "/store", NULL);
    config.dbm = "mem";
    config.sync = CU_SYNC_NONE;
    config.clock = fake_clock;
    cu_engine_make(&engine, &config, pool);
    if (cu_engine_prepare(engine, -1, -1, &reason, pool) != APR_SUCCESS) {
        fail_msg("prepare: %s", reason ? reason : "?");
    }
    serve.engine = engine;
}

static int set_up(void **state)
{
    mode = *(const int *)*state;
    random_state = 20261123u;
    now = START_TIME;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return -1;
    }
    strcpy(dir, "/tmp/cu-test-serve-XXXXXX");
    if (!mkdtemp(dir)) {
        return -1;
    }
    memset(&policy, 0, sizeof(policy));
    policy.max_bytes = CU_NO_LIMIT;
    policy.expire = apr_time_from_sec(86400);
    policy.path_template = "chunked_uploads/%Y/%m/%d";
    policy.digest = CU_DIGEST_MD5;
    policy.anonymous = 1;
    settings.field_name = "file";
    settings.require_range = 0;
    settings.content_type = "application/json";
    settings.dialects = cu_dialect_bit("form");
    serve.policy = &policy;
    serve.settings = &settings;
    serve.log = &test_log;
    log_lines = 0;
    make_engine();
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind,
                      struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static int tear_down(void **state)
{
    (void)state;
    apr_pool_destroy(pool);
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ------------------------------------------------------------- the store */

static int files_found;
static char file_found[1024];
static const char *suffix_wanted;

static int look_at(const char *path, const struct stat *info, int kind,
                   struct FTW *walk)
{
    apr_size_t len = strlen(path), suffix_len = strlen(suffix_wanted);

    (void)info;
    (void)walk;
    if (kind == FTW_F && len >= suffix_len
        && strcmp(path + len - suffix_len, suffix_wanted) == 0) {
        ++files_found;
        apr_cpystrn(file_found, path, sizeof(file_found));
    }
    return 0;
}

static int count_files(const char *suffix)
{
    files_found = 0;
    suffix_wanted = suffix;
    assert_int_equal(nftw(dir, look_at, 16, FTW_PHYS), 0);
    return files_found;
}

static void expect_uploads(int count)
{
    assert_int_equal(count_files(".part"), count);
    assert_int_equal(count_files(".state"), count);
}

static const char *part_of(const char *id)
{
    assert_int_equal(count_files(apr_pstrcat(pool, id, ".part", NULL)), 1);
    return apr_pstrdup(pool, file_found);
}

static void expect_part(const char *id, const char *text, apr_size_t len)
{
    int fd = open(part_of(id), O_RDONLY | O_CLOEXEC);
    char *bytes = apr_palloc(pool, len + 1);

    assert_true(fd >= 0);
    assert_int_equal(read(fd, bytes, len + 1), len);
    close(fd);
    assert_memory_equal(bytes, text, len);
}

static const char *md5_of(const char *text, apr_size_t len)
{
    cu_digest_t *digest;
    char *hex = apr_palloc(pool, CU_DIGEST_HEX_MAX);

    assert_int_equal(cu_digest_begin(&digest, CU_DIGEST_MD5, pool),
                     APR_SUCCESS);
    cu_digest_update(digest, text, len);
    cu_digest_hex(digest, hex);
    return hex;
}

/* ------------------------------------------------------------ the client */

typedef struct client_t {
    apr_table_t *headers;
    const char *method, *path, *query, *user;
    cu_handler_t handler;
    char *body;
    apr_size_t len, room;

    /* how the body arrives */
    apr_size_t sent, cut_at;
    apr_status_t cut_rv;
    apr_off_t limit;
    int reads;
    char *turn;
    void (*midway)(struct client_t *client);

    /* the answer */
    cu_wire_t wire;
    cu_outcome_t outcome;
    json_t *json;
} client_t;

static apr_status_t drop_json(void *data)
{
    json_decref(((client_t *)data)->json);
    free(((client_t *)data)->turn);
    return APR_SUCCESS;
}

static client_t *request(const char *method, const char *path)
{
    client_t *client = apr_pcalloc(pool, sizeof(*client));

    client->headers = apr_table_make(pool, 4);
    client->method = method;
    client->path = path;
    client->handler = CU_HANDLER_UPLOAD;
    client->room = 1024;
    client->body = apr_palloc(pool, client->room);
    client->cut_at = (apr_size_t)-1;
    apr_pool_cleanup_register(pool, client, drop_json,
                              apr_pool_cleanup_null);
    return client;
}

static void add(client_t *client, const char *bytes, apr_size_t len)
{
    if (len > client->room - client->len) {
        char *old = client->body;

        client->room = 2 * client->room + len;
        client->body = apr_palloc(pool, client->room);
        memcpy(client->body, old, client->len);
    }
    if (len > 0) {
        memcpy(client->body + client->len, bytes, len);
    }
    client->len += len;
}

static void add_text(client_t *client, const char *text)
{
    add(client, text, strlen(text));
}

static void add_field(client_t *client, const char *name, const char *value)
{
    add_text(client, apr_psprintf(pool, "--" BOUNDARY "\r\n"
                                  "Content-Disposition: form-data; "
                                  "name=\"%s\"\r\n\r\n%s\r\n", name, value));
}

static void add_file(client_t *client, const char *filename,
                     const char *bytes, apr_size_t len)
{
    add_text(client, apr_psprintf(pool, "--" BOUNDARY "\r\n"
                                  "Content-Disposition: form-data; "
                                  "name=\"%s\"; filename=\"%s\"\r\n"
                                  "Content-Type: image/png\r\n\r\n",
                                  settings.field_name, filename));
    add(client, bytes, len);
    add_text(client, "\r\n");
}

static client_t *form(const char *path)
{
    client_t *client = request("POST", path);

    apr_table_set(client->headers, "Content-Type",
                  "multipart/form-data; boundary=\"" BOUNDARY "\"");
    return client;
}

static client_t *chunk_form(const char *range)
{
    client_t *client = form("/up");

    if (range) {
        apr_table_set(client->headers, "Content-Range", range);
    }
    return client;
}

static void end_form(client_t *client)
{
    add_text(client, "--" BOUNDARY "--\r\n");
}

/* Pieces of this turn, in memory that the next turn takes away. */
static apr_status_t feed(void *baton, struct iovec *pieces, int max,
                         int *count)
{
    client_t *client = baton;
    apr_size_t end = client->len, offset = client->sent;

    ++client->reads;
    free(client->turn);
    client->turn = NULL;
    *count = 0;
    if (client->midway && client->sent * 2 >= client->len) {
        void (*midway)(client_t *) = client->midway;

        client->midway = NULL;
        midway(client);
    }
    if (client->cut_at < end) {
        end = client->cut_at;
    }
    if (offset == end) {
        return client->cut_at == end ? client->cut_rv : APR_EOF;
    }
    client->turn = malloc(end - offset);
    memcpy(client->turn, client->body + offset, end - offset);
    while (*count < max && client->sent < end) {
        apr_size_t len = end - client->sent;

        if (mode == BYTES) {
            len = 1;
        }
        else if (mode == RANDOM && len > 1) {
            len = 1 + next_random((unsigned int)(len > 5000 ? 5000 : len));
        }
        pieces[*count].iov_base = client->turn + (client->sent - offset);
        pieces[*count].iov_len = len;
        client->sent += len;
        ++*count;
        if (mode == RANDOM && next_random(4) == 0) {
            break;
        }
        if (mode == WHOLE || (client->midway && client->sent * 2
                                                   >= client->len)) {
            break;
        }
    }
    return APR_SUCCESS;
}

static void expect_common(client_t *client)
{
    const cu_wire_t *wire = &client->wire;

    assert_string_equal(apr_table_get(wire->headers_out, "Cache-Control"),
                        "no-store");
    assert_string_equal(apr_table_get(wire->headers_out,
                                      "X-Content-Type-Options"), "nosniff");
    if (strcmp(client->method, "OPTIONS") == 0) {
        assert_null(wire->body);
        return;
    }
    assert_non_null(wire->body);
    assert_string_equal(wire->content_type, settings.content_type);
    client->json = json_loadb(wire->body, wire->body_len, 0, NULL);
    assert_true(json_is_object(client->json));
}

static void converse(client_t *client)
{
    cu_body_t body = { feed, client, client->limit, NULL };
    int lines = log_lines;

    if (!apr_table_get(client->headers, "Transfer-Encoding")
        && !apr_table_get(client->headers, "Content-Length")
        && client->len > 0) {
        apr_table_set(client->headers, "Content-Length",
                      apr_psprintf(pool, "%" APR_SIZE_T_FMT, client->len));
    }
    memset(&client->wire, 0, sizeof(client->wire));
    client->wire.method = client->method;
    client->wire.path = client->path;
    client->wire.query = client->query;
    client->wire.headers_in = client->headers;
    client->wire.user = client->user;
    client->wire.scope = "example.org/up";
    client->wire.handler = client->handler;
    assert_int_equal(apr_pool_create(&client->wire.pool, pool), APR_SUCCESS);
    cu_serve(&serve, &client->wire, &body, &client->outcome);
    expect_common(client);
    if (client->outcome.code == CU_OK) {
        assert_int_equal(client->wire.status, 200);
        assert_int_equal(log_lines, lines);
    }
    else {
        assert_true(client->wire.status >= 400);
        assert_int_equal(log_lines, lines + 1);
        assert_non_null(strstr(last_line,
                               cu_code_name(client->outcome.code)));
    }
}

static const char *text_of(const client_t *client, const char *key)
{
    return json_string_value(json_object_get(client->json, key));
}

static apr_int64_t number_of(const client_t *client, const char *key)
{
    assert_true(json_is_integer(json_object_get(client->json, key)));
    return json_integer_value(json_object_get(client->json, key));
}

static void expect_detail(const client_t *client, int status,
                          const char *detail)
{
    assert_string_equal(text_of(client, "detail"), detail);
    assert_int_equal(client->wire.status, status);
    assert_int_equal(json_object_size(client->json), 1);
}

static void expect_offset_error(const client_t *client, apr_off_t offset)
{
    assert_string_equal(text_of(client, "detail"), "Offsets do not match");
    assert_int_equal(client->wire.status, 400);
    assert_int_equal(number_of(client, "offset"), offset);
    assert_int_equal(json_object_size(client->json), 2);
}

/* A chunk as the seed's clients send it. */
static client_t *send_chunk(const char *id, const char *range,
                            const char *bytes, apr_size_t len)
{
    client_t *client = chunk_form(range);

    add_field(client, "csrfmiddlewaretoken", "token");
    if (id) {
        add_field(client, "upload_id", id);
    }
    add_file(client, "trip video.mp4", bytes, len);
    end_form(client);
    converse(client);
    return client;
}

/* The same with the id after the file. */
static client_t *send_chunk_first(const char *range, const char *bytes,
                                  const char *id)
{
    client_t *client = chunk_form(range);

    add_file(client, "a.bin", bytes, strlen(bytes));
    add_field(client, "upload_id", id);
    end_form(client);
    converse(client);
    return client;
}

static void expect_accepted(const client_t *client, apr_off_t offset)
{
    assert_int_equal(client->wire.status, 200);
    assert_int_equal(client->outcome.code, CU_OK);
    assert_int_equal(json_object_size(client->json), 3);
    assert_int_equal(number_of(client, "offset"), offset);
    assert_int_equal(strlen(text_of(client, "upload_id")), 32);
    assert_false(client->wire.close);
}

/* A new upload of five of ten bytes: "01234". */
static const char *half_upload(void)
{
    client_t *client = send_chunk(NULL, "bytes 0-4/10", "01234", 5);

    expect_accepted(client, 5);
    return text_of(client, "upload_id");
}

static const char *full_upload(void)
{
    const char *id = half_upload();

    expect_accepted(send_chunk(id, "bytes 5-9/10", "56789", 5), 10);
    return id;
}

static client_t *send_complete(const char *id, const char *md5)
{
    client_t *client = request("POST", "/up/complete");

    apr_table_set(client->headers, "Content-Type",
                  "application/x-www-form-urlencoded");
    add_text(client, "csrfmiddlewaretoken=x%26y");
    if (id) {
        add_text(client, apr_psprintf(pool, "&upload_id=%s", id));
    }
    if (md5) {
        add_text(client, apr_psprintf(pool, "&md5=%s", md5));
    }
    converse(client);
    return client;
}

static void expect_completed(const client_t *client)
{
    assert_int_equal(client->wire.status, 200);
    assert_string_equal(client->wire.body, "{}");
}

static client_t *send_query(const char *id)
{
    client_t *client = request("GET", apr_pstrcat(pool, "/up/", id, NULL));

    converse(client);
    return client;
}

static void expect_at(const char *id, apr_off_t offset)
{
    client_t *client = send_query(id);

    assert_int_equal(client->wire.status, 200);
    assert_int_equal(number_of(client, "offset"), offset);
}

#define MD5_OF_DIGITS md5_of("0123456789", 10)

/* -------------------------------------------------- the ordinary course */

static void uploads_in_chunks(void **state)
{
    enum { SIZE = 25000, CHUNK = 10000 };
    char *bytes = apr_palloc(pool, SIZE);
    const char *id = NULL;
    int i;

    (void)state;
    for (i = 0; i < SIZE; ++i) {
        bytes[i] = (char)next_random(256);
    }
    memcpy(bytes + 9990, "\r\n--" BOUNDARY, 10);
    memcpy(bytes + 200, "\r\n----a bound\r\n--\r\n-", 20);
    for (i = 0; i < SIZE; i += CHUNK) {
        int len = SIZE - i < CHUNK ? SIZE - i : CHUNK;
        client_t *client = send_chunk(
            id, apr_psprintf(pool, "bytes %d-%d/%d", i, i + len - 1, SIZE),
            bytes + i, (apr_size_t)len);

        expect_accepted(client, i + len);
        id = text_of(client, "upload_id");
        now += apr_time_from_sec(1);
    }
    expect_uploads(1);
    expect_part(id, bytes, SIZE);
    expect_completed(send_complete(id, md5_of(bytes, SIZE)));
    expect_part(id, bytes, SIZE);
}

static void answers_a_chunk(void **state)
{
    client_t *client = send_chunk(NULL, "bytes 0-4/10", "01234", 5);
    const char *id = text_of(client, "upload_id");

    (void)state;
    assert_string_equal(client->wire.body,
                        apr_psprintf(pool, "{\"upload_id\": \"%s\", "
                                     "\"offset\": 5, \"expires\": "
                                     "\"2026-11-23T19:43:53.055Z\"}", id));
    assert_string_equal(client->outcome.id, id);
    now += apr_time_from_sec(100);
    client = send_chunk(id, "bytes 5-9/10", "56789", 5);
    assert_string_equal(text_of(client, "expires"),
                        "2026-11-23T19:43:53.055Z");
    assert_int_equal(log_lines, 0);
}

static void expiry_by_idleness(void **state)
{
    const char *id;
    client_t *client;

    (void)state;
    policy.expire_from = CU_EXPIRE_FROM_IDLE;
    id = half_upload();
    now += apr_time_from_sec(100) - 55999;
    client = send_chunk(id, "bytes 5-9/10", "56789", 5);
    assert_string_equal(text_of(client, "expires"), "2026-11-23T19:45:33Z");
}

static void never_expires(void **state)
{
    client_t *client;

    (void)state;
    policy.expire = -1;
    client = send_chunk(NULL, NULL, "01234", 5);
    expect_accepted(client, 5);
    assert_true(json_is_null(json_object_get(client->json, "expires")));
}

static void a_whole_file_without_range(void **state)
{
    client_t *client = send_chunk(NULL, NULL, "0123456789", 10);

    (void)state;
    expect_accepted(client, 10);
    expect_completed(send_complete(text_of(client, "upload_id"),
                                   MD5_OF_DIGITS));
}

static void fields_of_no_interest(void **state)
{
    client_t *client = chunk_form("bytes 0-4/10");
    char longer[3000];

    (void)state;
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    add_text(client, "preamble\r\n");
    add_field(client, "offset", "77");
    add_field(client, "user", "root");
    add_field(client, "filename", "other");
    add_field(client, "long", longer);
    add_field(client, "file", "a text field, no file");
    add_file(client, "", "nobody chose a file", 19);
    add_file(client, "dir\\..\\real.bin", "01234", 5);
    add_field(client, "long", longer);
    end_form(client);
    add_text(client, "epilogue");
    client->query = "upload_id=" UNKNOWN_ID;
    converse(client);
    expect_accepted(client, 5);
    client = send_query(text_of(client, "upload_id"));
    assert_string_equal(text_of(client, "filename"), "real.bin");
}

static void another_field_name(void **state)
{
    client_t *client;

    (void)state;
    settings.field_name = "the_file";
    expect_accepted(send_chunk(NULL, NULL, "01234", 5), 5);
    client = chunk_form(NULL);
    settings.field_name = "file";
    add_file(client, "a", "01234", 5);
    settings.field_name = "the_file";
    end_form(client);
    converse(client);
    expect_detail(client, 400, "No chunk file was submitted");
    expect_uploads(1);
}

static void another_content_type(void **state)
{
    (void)state;
    settings.content_type = "text/plain";
    expect_accepted(send_chunk(NULL, NULL, "01234", 5), 5);
    expect_detail(send_query(UNKNOWN_ID), 404, "Not found");
}

static void zero_bytes(void **state)
{
    client_t *client = send_chunk(NULL, NULL, "", 0);
    const char *id = text_of(client, "upload_id");

    (void)state;
    expect_accepted(client, 0);
    expect_uploads(1);
    expect_completed(send_complete(id, "d41d8cd98f00b204e9800998ecf8427e"));
    expect_completed(send_complete(id, "d41d8cd98f00b204e9800998ecf8427e"));
    expect_part(id, "", 0);
}

static void zero_bytes_against_a_range(void **state)
{
    (void)state;
    expect_detail(send_chunk(NULL, "bytes 0-4/10", "", 0), 400,
                  "File size doesn't match headers");
    expect_uploads(0);
}

/* --------------------------------------- clients.md 1.3: order of checks */

static void permission_goes_first(void **state)
{
    client_t *client = request("POST", "/up");

    (void)state;
    policy.anonymous = 0;
    converse(client);
    expect_detail(client, 403, "Authentication credentials were not "
                               "provided");
    client = chunk_form("nonsense");
    apr_table_set(client->headers, "Transfer-Encoding", "chunked");
    add_field(client, "upload_id", "nonsense");
    converse(client);
    expect_detail(client, 403, "Authentication credentials were not "
                               "provided");
    assert_int_equal(client->reads, 0);
    assert_true(client->wire.close);
    expect_uploads(0);
    expect_detail(send_complete(NULL, NULL), 403,
                  "Authentication credentials were not provided");
    expect_detail(send_query(UNKNOWN_ID), 403,
                  "Authentication credentials were not provided");
    client = request("GET", "/up");
    client->query = "upload_id=nonsense";
    converse(client);
    assert_int_equal(client->wire.status, 403);
}

static void method_goes_before_permission(void **state)
{
    client_t *client = request("DELETE", "/up");

    (void)state;
    policy.anonymous = 0;
    converse(client);
    expect_detail(client, 405, "Method not allowed");
    client = request("OPTIONS", "/up");
    converse(client);
    assert_int_equal(client->wire.status, 200);
}

static void a_file_goes_before_the_id(void **state)
{
    client_t *client = chunk_form("nonsense");

    (void)state;
    add_field(client, "upload_id", UNKNOWN_ID);
    end_form(client);
    converse(client);
    expect_detail(client, 400, "No chunk file was submitted");
    client = chunk_form("nonsense");
    add_field(client, "upload_id", "nonsense");
    add_field(client, "file", "text");
    end_form(client);
    converse(client);
    expect_detail(client, 400, "No chunk file was submitted");
    expect_uploads(0);
}

static void the_id_goes_before_the_range(void **state)
{
    (void)state;
    policy.max_bytes = 1;
    expect_detail(send_chunk(UNKNOWN_ID, "nonsense", "0", 1), 404,
                  "Not found");
    expect_detail(send_chunk("8230412E259C43E0A245C9F3009F3AFC", "nonsense",
                             "0", 1), 404, "Not found");
    expect_detail(send_chunk(UNKNOWN_ID, "bytes 5-9/10", "0", 1), 404,
                  "Not found");
    expect_uploads(0);
}

static void expiry_goes_before_the_range(void **state)
{
    const char *id = half_upload();

    (void)state;
    now += policy.expire;
    expect_detail(send_chunk(id, "nonsense", "0", 1), 410,
                  "Upload has expired");
    expect_detail(send_chunk(id, "bytes 5-9/10", "56789", 5), 410,
                  "Upload has expired");
}

static void completeness_goes_before_the_range(void **state)
{
    const char *id = full_upload();

    (void)state;
    expect_completed(send_complete(id, MD5_OF_DIGITS));
    expect_detail(send_chunk(id, "nonsense", "0", 1), 400,
                  "Upload has already been marked as \"complete\"");
    expect_detail(send_chunk(id, "bytes 5-9/10", "56789", 5), 400,
                  "Upload has already been marked as \"complete\"");
    expect_part(id, "0123456789", 10);
}

static void the_range_goes_before_the_limit(void **state)
{
    const char *id = half_upload();

    (void)state;
    policy.max_bytes = 7;
    expect_detail(send_chunk(id, "bytes 5-9/5", "56789", 5), 400,
                  "Error in request headers");
    expect_detail(send_chunk(id, "bytes 7-9/10", "0", 1), 400,
                  "Size of file exceeds the limit (7 bytes)");
    expect_at(id, 5);
    expect_uploads(1);
}

static void the_offset_goes_before_the_size(void **state)
{
    const char *id = half_upload();

    (void)state;
    expect_offset_error(send_chunk(id, "bytes 6-9/10", "0", 1), 5);
    expect_offset_error(send_chunk(id, "bytes 0-4/10", "01234", 5), 5);
    expect_detail(send_chunk(id, "bytes 5-9/10", "5678", 4), 400,
                  "File size doesn't match headers");
    expect_detail(send_chunk(id, "bytes 5-9/10", "56789a", 6), 400,
                  "File size doesn't match headers");
    expect_at(id, 5);
    expect_accepted(send_chunk(id, "bytes 5-9/10", "56789", 5), 10);
    expect_part(id, "0123456789", 10);
}

static void refused_first_chunks_leave_nothing(void **state)
{
    static const char *const ranges[] = {
        "", "bytes */10", "bytes 0-4/*", "Bytes 0-4/10", "octets 0-4/10",
        "bytes  0-4/10", "bytes 0--1/0", "bytes 0-4/10\n", "bytes 0-4/5 ",
        "bytes 0-9/5", "bytes 4-0/10", "bytes 00-4/10", "bytes +0-4/10",
        "bytes 0-4/9223372036854775808",
        "bytes 0-4/99999999999999999999999999999999",
    };
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); ++i) {
        expect_detail(send_chunk(NULL, ranges[i], "01234", 5), 400,
                      "Error in request headers");
        expect_uploads(0);
    }
    expect_detail(send_chunk(NULL, "bytes 0-4/10", "0123", 4), 400,
                  "File size doesn't match headers");
    expect_uploads(0);
    expect_detail(send_chunk(NULL, "bytes 0-4/10", "012345", 6), 400,
                  "File size doesn't match headers");
    expect_uploads(0);
    expect_offset_error(send_chunk(NULL, "bytes 5-9/10", "56789", 5), 0);
    expect_uploads(0);
    policy.max_bytes = 9;
    expect_detail(send_chunk(NULL, "bytes 0-4/10", "01234", 5), 400,
                  "Size of file exceeds the limit (9 bytes)");
    expect_uploads(0);
    expect_detail(send_chunk(NULL, NULL, "0123456789", 10), 400,
                  "Size of file exceeds the limit (9 bytes)");
    expect_uploads(0);
    settings.require_range = 1;
    expect_detail(send_chunk(NULL, NULL, "0", 1), 400,
                  "Error in request headers");
    expect_uploads(0);
}

static void the_total_may_not_change(void **state)
{
    const char *id = half_upload();

    (void)state;
    expect_detail(send_chunk(id, "bytes 5-9/11", "56789", 5), 400,
                  "File size doesn't match headers");
    expect_detail(send_chunk(id, "bytes 5-7/8", "567", 3), 400,
                  "File size doesn't match headers");
    expect_at(id, 5);
}

/* ------------------------------------ clients.md 1.5: order of completion */

static void completion_wants_its_fields(void **state)
{
    static const char both[] = "Both 'upload_id' and 'md5' are required";

    (void)state;
    expect_detail(send_complete(NULL, NULL), 400, both);
    expect_detail(send_complete(UNKNOWN_ID, NULL), 400, both);
    expect_detail(send_complete(UNKNOWN_ID, ""), 400, both);
    expect_detail(send_complete(NULL, "x"), 400, both);
    expect_detail(send_complete("", "x"), 400, both);
    expect_detail(send_complete(UNKNOWN_ID, "x"), 404, "Not found");
    expect_detail(send_complete("nonsense", "x"), 404, "Not found");
    policy.digest = CU_DIGEST_NONE;
    expect_detail(send_complete(NULL, "x"), 400, "'upload_id' is required");
    expect_detail(send_complete(UNKNOWN_ID, NULL), 404, "Not found");
}

static void completion_compares(void **state)
{
    const char *id = full_upload();
    char upper[33];
    int i;

    (void)state;
    strcpy(upper, MD5_OF_DIGITS);
    for (i = 0; i < 32; ++i) {
        if (upper[i] >= 'a') {
            upper[i] = (char)(upper[i] - 'a' + 'A');
        }
    }
    expect_detail(send_complete(id, "d41d8cd98f00b204e9800998ecf8427e"), 400,
                  "md5 checksum does not match");
    expect_detail(send_complete(id, "junk"), 400,
                  "md5 checksum does not match");
    expect_detail(send_complete(id, apr_pstrcat(pool, MD5_OF_DIGITS, "%00",
                                                NULL)),
                  400, "md5 checksum does not match");
    expect_at(id, 10);
    expect_completed(send_complete(id, upper));
}

static void completion_without_digest(void **state)
{
    const char *id;

    (void)state;
    policy.digest = CU_DIGEST_NONE;
    id = full_upload();
    expect_completed(send_complete(id, NULL));
    expect_completed(send_complete(id, "ignored"));
}

/* SD-1 */
static void completing_twice_is_once(void **state)
{
    const char *id = full_upload();

    (void)state;
    expect_completed(send_complete(id, MD5_OF_DIGITS));
    expect_completed(send_complete(id, MD5_OF_DIGITS));
    expect_detail(send_complete(id, "d41d8cd98f00b204e9800998ecf8427e"), 400,
                  "md5 checksum does not match");
    assert_string_equal(text_of(send_query(id), "status"), "complete");
}

/* SD-2 */
static void half_a_file_cannot_complete(void **state)
{
    const char *id = half_upload();
    client_t *client = send_complete(id, md5_of("01234", 5));

    (void)state;
    assert_int_equal(client->wire.status, 400);
    assert_string_equal(text_of(client, "detail"), "Upload is not complete");
    assert_int_equal(number_of(client, "offset"), 5);
    expect_accepted(send_chunk(id, "bytes 5-9/10", "56789", 5), 10);
    expect_completed(send_complete(id, MD5_OF_DIGITS));
}

/* SD-2 */
static void an_expired_upload_cannot_complete(void **state)
{
    const char *id = full_upload();

    (void)state;
    now += policy.expire;
    expect_detail(send_complete(id, MD5_OF_DIGITS), 410,
                  "Upload has expired");
}

static void what_is_complete_does_not_expire(void **state)
{
    const char *id = full_upload();

    (void)state;
    expect_completed(send_complete(id, MD5_OF_DIGITS));
    now += 10 * policy.expire;
    expect_completed(send_complete(id, MD5_OF_DIGITS));
    assert_string_equal(text_of(send_query(id), "status"), "complete");
    expect_part(id, "0123456789", 10);
}

static void completion_forms(void **state)
{
    const char *id = full_upload();
    client_t *client = form("/up/complete");

    (void)state;
    add_field(client, "upload_id", UNKNOWN_ID);
    add_field(client, "md5", "junk");
    add_file(client, "a file nobody wants", "01234", 5);
    add_field(client, "md5", MD5_OF_DIGITS);
    add_field(client, "upload_id", id);
    end_form(client);
    converse(client);
    expect_completed(client);

    client = request("POST", "/anything");
    client->handler = CU_HANDLER_COMPLETE;
    apr_table_set(client->headers, "Content-Type",
                  "application/x-www-form-urlencoded; charset=UTF-8");
    add_text(client, apr_psprintf(pool, "md5=%s&upload_id=%s&upload%%5Fid=%s",
                                  MD5_OF_DIGITS, UNKNOWN_ID, id));
    converse(client);
    expect_completed(client);
}

static void completion_in_other_forms(void **state)
{
    const char *id = full_upload();
    client_t *client = request("POST", "/up/complete");

    (void)state;
    apr_table_set(client->headers, "Content-Type", "application/json");
    add_text(client, "{}");
    client->query = apr_psprintf(pool, "upload_id=%s&md5=%s", id,
                                 MD5_OF_DIGITS);
    converse(client);
    expect_detail(client, 400, "Both 'upload_id' and 'md5' are required");
    client = request("POST", "/up/complete");
    converse(client);
    expect_detail(client, 400, "Both 'upload_id' and 'md5' are required");
    client = form("/up/complete");
    converse(client);
    expect_detail(client, 400, "Both 'upload_id' and 'md5' are required");
    client = form("/up/complete");
    add_text(client, "no multipart");
    converse(client);
    assert_int_equal(client->wire.status, 400);
    assert_int_equal(strncmp(text_of(client, "detail"),
                             "Malformed multipart body: ", 26), 0);
}

static void completion_forms_are_bounded(void **state)
{
    client_t *client = request("POST", "/up/complete");
    const char *id = full_upload();

    (void)state;
    apr_table_set(client->headers, "Content-Type",
                  "application/x-www-form-urlencoded");
    add_text(client, apr_psprintf(pool, "upload_id=%s&md5=%s&junk=", id,
                                  MD5_OF_DIGITS));
    while (client->len < 16 * 1024) {
        add(client, "x", 1);
    }
    converse(client);
    expect_completed(client);
    client->sent = 0;
    json_decref(client->json);
    client->json = NULL;
    apr_table_unset(client->headers, "Content-Length");
    add(client, "x", 1);
    converse(client);
    expect_detail(client, 400, "Form is too large");
}

/* -------------------------------------------- upload_id after the file */

static void an_id_after_a_later_chunk(void **state)
{
    const char *id = half_upload();

    (void)state;
    expect_accepted(send_chunk_first("bytes 5-9/10", "56789", id), 10);
    expect_uploads(1);
    expect_part(id, "0123456789", 10);
    expect_completed(send_complete(id, MD5_OF_DIGITS));
}

static void an_id_after_a_first_chunk(void **state)
{
    const char *id = half_upload();

    (void)state;
    expect_offset_error(send_chunk_first("bytes 0-4/10", "01234", id), 5);
    expect_offset_error(send_chunk_first(NULL, "01234", id), 5);
    expect_uploads(1);
    expect_at(id, 5);
}

static void unknown_ids_after_the_file(void **state)
{
    static const char *const ids[] = { UNKNOWN_ID, "nonsense",
                                       "8230412E259C43E0A245C9F3009F3AFC" };
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); ++i) {
        expect_detail(send_chunk_first("bytes 0-4/10", "01234", ids[i]), 404,
                      "Not found");
        expect_uploads(0);
        expect_detail(send_chunk_first("bytes 5-9/10", "56789", ids[i]), 404,
                      "Not found");
        expect_uploads(0);
        expect_detail(send_chunk_first(NULL, "01234", ids[i]), 404,
                      "Not found");
        expect_uploads(0);
    }
}

static void an_empty_id_after_the_file(void **state)
{
    (void)state;
    expect_offset_error(send_chunk_first("bytes 5-9/10", "56789", ""), 0);
    expect_uploads(0);
    expect_accepted(send_chunk_first("bytes 0-4/10", "01234", ""), 5);
    expect_accepted(send_chunk_first(NULL, "01234", ""), 5);
    expect_uploads(2);
}

static void an_id_before_and_after(void **state)
{
    const char *a = half_upload(), *b = half_upload();
    client_t *client = chunk_form("bytes 5-9/10");

    (void)state;
    add_field(client, "upload_id", a);
    add_file(client, "x", "56789", 5);
    add_field(client, "upload_id", a);
    end_form(client);
    converse(client);
    expect_accepted(client, 10);
    assert_string_equal(text_of(client, "upload_id"), a);

    a = half_upload();
    client = chunk_form("bytes 5-9/10");
    add_field(client, "upload_id", a);
    add_file(client, "x", "56789", 5);
    add_field(client, "upload_id", b);
    end_form(client);
    converse(client);
    expect_accepted(client, 10);
    assert_string_equal(text_of(client, "upload_id"), b);
    expect_part(b, "0123456789", 10);
    expect_at(a, 5);
    expect_accepted(send_chunk(a, "bytes 5-9/10", "56789", 5), 10);
    expect_part(a, "0123456789", 10);

    a = half_upload();
    client = chunk_form("bytes 5-9/10");
    add_field(client, "upload_id", a);
    add_file(client, "x", "56789", 5);
    add_field(client, "upload_id", "");
    end_form(client);
    converse(client);
    expect_accepted(client, 10);
    assert_string_equal(text_of(client, "upload_id"), a);
    expect_uploads(4);
}

static void the_last_id_after_the_file_wins(void **state)
{
    const char *a = half_upload(), *b = half_upload();
    client_t *client = chunk_form("bytes 5-9/10");

    (void)state;
    add_file(client, "x", "56789", 5);
    add_field(client, "upload_id", "nonsense");
    add_field(client, "upload_id", a);
    add_field(client, "upload_id", b);
    end_form(client);
    converse(client);
    expect_accepted(client, 10);
    assert_string_equal(text_of(client, "upload_id"), b);
    expect_at(a, 5);

    client = chunk_form("bytes 5-9/10");
    add_file(client, "x", "56789", 5);
    add_field(client, "upload_id", a);
    add_field(client, "upload_id", "");
    end_form(client);
    converse(client);
    expect_offset_error(client, 0);
    expect_at(a, 5);
    expect_uploads(2);
}

static void checks_after_the_file_keep_their_order(void **state)
{
    const char *id = half_upload();
    const char *done = full_upload();

    (void)state;
    expect_completed(send_complete(done, MD5_OF_DIGITS));
    expect_detail(send_chunk_first("bytes 5-9/10", "56789", done), 400,
                  "Upload has already been marked as \"complete\"");
    expect_detail(send_chunk_first("bytes 5-9/11", "56789", id), 400,
                  "File size doesn't match headers");
    expect_detail(send_chunk_first("bytes 5-9/10", "5678", id), 400,
                  "File size doesn't match headers");
    expect_offset_error(send_chunk_first("bytes 6-9/10", "6789", id), 5);
    policy.max_bytes = 7;
    expect_detail(send_chunk_first("bytes 5-9/10", "56789", id), 400,
                  "Size of file exceeds the limit (7 bytes)");
    policy.max_bytes = CU_NO_LIMIT;
    now += policy.expire;
    expect_detail(send_chunk_first("bytes 5-9/10", "56789", id), 410,
                  "Upload has expired");
    part_of(done);
}

/* ------------------------------------------------------ repeated fields */

static void the_last_id_before_the_file_wins(void **state)
{
    const char *a = half_upload(), *b = half_upload();
    client_t *client = chunk_form("bytes 5-9/10");

    (void)state;
    add_field(client, "upload_id", "nonsense");
    add_field(client, "upload_id", a);
    add_field(client, "upload_id", b);
    add_file(client, "x", "56789", 5);
    end_form(client);
    converse(client);
    expect_accepted(client, 10);
    assert_string_equal(text_of(client, "upload_id"), b);
    expect_at(a, 5);

    client = chunk_form("bytes 0-4/10");
    add_field(client, "upload_id", a);
    add_field(client, "upload_id", "");
    add_file(client, "x", "01234", 5);
    end_form(client);
    converse(client);
    expect_accepted(client, 5);
    assert_string_not_equal(text_of(client, "upload_id"), a);
    expect_uploads(3);
}

static client_t *send_two_files(const char *range, const char *before,
                                const char *between, const char *after,
                                const char *first, const char *second)
{
    client_t *client = chunk_form(range);

    if (before) {
        add_field(client, "upload_id", before);
    }
    add_file(client, "first", first, strlen(first));
    if (between) {
        add_field(client, "upload_id", between);
    }
    add_file(client, "second", second, strlen(second));
    if (after) {
        add_field(client, "upload_id", after);
    }
    end_form(client);
    converse(client);
    return client;
}

static void the_last_file_wins(void **state)
{
    client_t *client = send_two_files("bytes 0-4/10", NULL, NULL, NULL,
                                      "xxxxx", "01234");
    const char *id = text_of(client, "upload_id");

    (void)state;
    expect_accepted(client, 5);
    expect_part(id, "01234", 5);
    client = send_two_files("bytes 5-9/10", id, NULL, NULL, "yyyyy",
                            "56789");
    expect_accepted(client, 10);
    expect_part(id, "0123456789", 10);
    expect_completed(send_complete(id, MD5_OF_DIGITS));

    id = half_upload();
    client = send_two_files("bytes 5-9/10", NULL, NULL, id, "yyyyy",
                            "56789");
    expect_accepted(client, 10);
    expect_part(id, "0123456789", 10);
    expect_completed(send_complete(id, MD5_OF_DIGITS));

    id = half_upload();
    client = send_two_files("bytes 5-9/10", NULL, id, NULL, "yyyyy",
                            "56789");
    expect_accepted(client, 10);
    expect_part(id, "0123456789", 10);
    expect_uploads(3);

    client = send_two_files(NULL, NULL, NULL, NULL, "a longer file", "short");
    expect_accepted(client, 5);
    expect_part(text_of(client, "upload_id"), "short", 5);
    expect_detail(send_complete(text_of(client, "upload_id"),
                                md5_of("a longer file", 13)), 400,
                  "md5 checksum does not match");
    expect_completed(send_complete(text_of(client, "upload_id"),
                                   md5_of("short", 5)));

    expect_detail(send_two_files("bytes 0-4/10", NULL, NULL, NULL, "01234",
                                 "0123"), 400,
                  "File size doesn't match headers");
    expect_uploads(4);
}

/* ------------------------------------------------- the seed's defects */

/* SD-3 */
static void limits_count_what_arrives(void **state)
{
    char bytes[150];
    const char *id;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    policy.max_bytes = 100;
    expect_detail(send_chunk(NULL, NULL, bytes, 150), 400,
                  "Size of file exceeds the limit (100 bytes)");
    expect_detail(send_chunk(NULL, "bytes 0-149/99", bytes, 150), 400,
                  "Error in request headers");
    expect_detail(send_chunk(NULL, "bytes 0-98/99", bytes, 150), 400,
                  "File size doesn't match headers");
    expect_uploads(0);
    id = text_of(send_chunk(NULL, "bytes 0-49/100", bytes, 50), "upload_id");
    expect_detail(send_chunk(id, "bytes 50-149/150", bytes, 100), 400,
                  "Size of file exceeds the limit (100 bytes)");
    expect_at(id, 50);
    expect_accepted(send_chunk(id, "bytes 50-99/100", bytes, 50), 100);
}

/* SD-4: a crash after the bytes and before the record. */
static void a_tail_nobody_acknowledged(void **state)
{
    const char *id = half_upload();
    int fd = open(part_of(id), O_WRONLY | O_APPEND | O_CLOEXEC);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "JUNK", 4), 4);
    close(fd);
    expect_accepted(send_chunk(id, "bytes 5-9/10", "56789", 5), 10);
    expect_part(id, "0123456789", 10);
    expect_completed(send_complete(id, MD5_OF_DIGITS));
}

static const char *contested;
static client_t *rival;

static void send_rival(client_t *client)
{
    (void)client;
    rival = send_chunk(contested, "bytes 5-9/10", "56789", 5);
}

static client_t *contested_chunk(int id_first)
{
    client_t *client = chunk_form("bytes 5-9/10");

    contested = half_upload();
    if (id_first) {
        add_field(client, "upload_id", contested);
    }
    add_file(client, "x", "vwxyz", 5);
    if (!id_first) {
        add_field(client, "upload_id", contested);
    }
    end_form(client);
    client->midway = send_rival;
    return client;
}

/* The middle of the body must lie behind the beginning of the file part. */
static void pad(client_t *client)
{
    char longer[1000];

    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    client->len -= strlen("--" BOUNDARY "--\r\n");
    add_field(client, "pad", longer);
    end_form(client);
}

/* SD-5: two requests with the same offset; the newer one wins. */
static void one_writer(void **state)
{
    client_t *client = contested_chunk(1);

    (void)state;
    if (mode == WHOLE) {
        return; /* nothing can come between */
    }
    pad(client);
    converse(client);
    expect_accepted(rival, 10);
    assert_int_equal(client->wire.status, 400);
    assert_string_equal(text_of(client, "detail"), "Offsets do not match");
    expect_part(contested, "0123456789", 10);
    expect_completed(send_complete(contested, MD5_OF_DIGITS));
}

/* The id comes after the file: the newer request was there first. */
static void one_writer_with_a_late_id(void **state)
{
    client_t *client = contested_chunk(0);

    (void)state;
    pad(client);
    converse(client);
    expect_accepted(rival, 10);
    expect_offset_error(client, 10);
    expect_part(contested, "0123456789", 10);
    expect_completed(send_complete(contested, MD5_OF_DIGITS));
}

/* SD-8 */
static void others_see_nothing(void **state)
{
    client_t *client = chunk_form("bytes 0-4/10");
    const char *id;

    (void)state;
    client->user = "alice";
    add_file(client, "x", "01234", 5);
    end_form(client);
    converse(client);
    expect_accepted(client, 5);
    id = text_of(client, "upload_id");
    expect_detail(send_query(id), 404, "Not found");
    expect_detail(send_chunk(id, "bytes 5-9/10", "56789", 5), 404,
                  "Not found");
    expect_detail(send_complete(id, "x"), 404, "Not found");
    client = request("GET", apr_pstrcat(pool, "/up/", id, NULL));
    client->user = "bob";
    converse(client);
    expect_detail(client, 404, "Not found");
    client = request("GET", apr_pstrcat(pool, "/up/", id, NULL));
    client->user = "alice";
    converse(client);
    assert_int_equal(client->wire.status, 200);
}

/* SD-10 */
static void status_queries(void **state)
{
    const char *id = half_upload();
    client_t *client = send_query(id);

    (void)state;
    assert_string_equal(
        client->wire.body,
        apr_psprintf(pool, "{\"upload_id\": \"%s\", \"offset\": 5, "
                     "\"expires\": \"2026-11-23T19:43:53.055Z\", "
                     "\"status\": \"uploading\", "
                     "\"filename\": \"trip video.mp4\", \"length\": 10}",
                     id));
    client = request("HEAD", apr_pstrcat(pool, "/up/", id, NULL));
    converse(client);
    assert_int_equal(client->wire.status, 200);
    assert_int_equal(number_of(client, "offset"), 5);
    client = request("GET", "/up/");
    client->query = apr_psprintf(pool, "x=y&upload_id=%s", id);
    converse(client);
    assert_int_equal(client->wire.status, 200);
    assert_int_equal(number_of(client, "offset"), 5);
    client = request("GET", "/up");
    client->query = apr_psprintf(pool, "upload_id=nonsense&upload_id=%s", id);
    converse(client);
    assert_int_equal(client->wire.status, 200);
    client = request("GET", "/up");
    client->query = apr_psprintf(pool, "upload_id=%s&upload_id=nonsense", id);
    converse(client);
    expect_detail(client, 404, "Not found");
    now += policy.expire;
    expect_detail(send_query(id), 410, "Upload has expired");
}

/* SD-11 */
static void unknown_ids_answer_json(void **state)
{
    (void)state;
    expect_detail(send_query(UNKNOWN_ID), 404, "Not found");
    assert_non_null(strstr(last_line, UNKNOWN_ID));
    expect_detail(send_complete(UNKNOWN_ID, "x"), 404, "Not found");
    expect_detail(send_chunk(UNKNOWN_ID, NULL, "", 0), 404, "Not found");
}

static apr_int64_t bytes_read_so_far(void)
{
    FILE *io = fopen("/proc/self/io", "r");
    long long count = -1;

    if (io) {
        if (fscanf(io, "rchar: %lld", &count) != 1) {
            count = -1;
        }
        fclose(io);
    }
    return count;
}

/* SD-13 */
static void completion_reads_no_file(void **state)
{
    enum { SIZE = 1024 * 1024 };
    char *bytes = apr_palloc(pool, SIZE);
    client_t *client;
    apr_int64_t before;
    const char *md5, *id;

    (void)state;
    if (mode == BYTES) {
        return; /* the same, slowly */
    }
    memset(bytes, 'z', SIZE);
    md5 = md5_of(bytes, SIZE);
    client = send_chunk(NULL, apr_psprintf(pool, "bytes 0-%d/%d", SIZE - 1,
                                           SIZE), bytes, SIZE);
    expect_accepted(client, SIZE);
    id = text_of(client, "upload_id");
    before = bytes_read_so_far();
    expect_completed(send_complete(id, md5));
    if (before >= 0) {
        assert_true(bytes_read_so_far() - before < SIZE / 8);
    }
}

/* ------------------------------------------------------------ the body */

static void bodies_that_are_no_form(void **state)
{
    static const char *const types[] = { "application/octet-stream",
                                         "application/json", "text/plain",
                                         "multipart/mixed; boundary=B" };
    client_t *client;
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(types) / sizeof(types[0]); ++i) {
        client = request("POST", "/up");
        apr_table_set(client->headers, "Content-Type", types[i]);
        apr_table_set(client->headers, "Content-Length", "1000000");
        add_text(client, "raw bytes");
        converse(client);
        expect_detail(client, 400, "No chunk file was submitted");
        assert_int_equal(client->reads, 0);
        assert_true(client->wire.close);
    }
    client = request("POST", "/up");
    converse(client);
    expect_detail(client, 400, "No chunk file was submitted");
    assert_false(client->wire.close);
    client = form("/up");
    converse(client);
    expect_detail(client, 400, "No chunk file was submitted");
}

static void expect_malformed(client_t *client)
{
    converse(client);
    assert_int_equal(client->wire.status, 400);
    assert_int_equal(client->outcome.code, CU_BAD_ASK);
    assert_int_equal(strncmp(text_of(client, "detail"),
                             "Malformed multipart body: ", 26), 0);
    assert_true(strlen(text_of(client, "detail")) > 30);
    expect_uploads(0);
}

static void malformed_forms(void **state)
{
    client_t *client = request("POST", "/up");
    apr_size_t cut;

    (void)state;
    apr_table_set(client->headers, "Content-Type", "multipart/form-data");
    expect_malformed(client);

    client = form("/up");
    add_text(client, "not the boundary");
    expect_malformed(client);

    client = form("/up");
    add_text(client, "--" BOUNDARY "\r\nno colon\r\n\r\nx\r\n");
    end_form(client);
    expect_malformed(client);

    /* the form ends anywhere before its closing delimiter */
    for (cut = 1; cut < 200; cut += 7) {
        client = chunk_form(NULL);
        add_file(client, "a", "0123456789", 10);
        end_form(client);
        client->len = cut < client->len - 4 ? cut : client->len - 5;
        expect_malformed(client);
    }
}

static void a_form_that_ends_early_changes_nothing(void **state)
{
    const char *id = half_upload();
    client_t *client = chunk_form("bytes 5-9/10");

    (void)state;
    add_field(client, "upload_id", id);
    add_file(client, "a", "56789", 5);
    converse(client);
    assert_int_equal(client->outcome.code, CU_BAD_ASK);
    expect_at(id, 5);
    expect_accepted(send_chunk(id, "bytes 5-9/10", "56789", 5), 10);
    expect_part(id, "0123456789", 10);
}

/* Told by the head nothing is read; without a length what came tells. */
static void too_large_bodies(void **state)
{
    const char *id = half_upload();
    int chunked;

    (void)state;
    for (chunked = 0; chunked < 2; ++chunked) {
        client_t *client = chunk_form("bytes 5-9/10");

        add_field(client, "upload_id", id);
        add_file(client, "a", "56789", 5);
        end_form(client);
        client->limit = (apr_off_t)client->len - 1;
        if (chunked) {
            apr_table_set(client->headers, "Transfer-Encoding", "chunked");
        }
        converse(client);
        assert_int_equal(client->outcome.code, CU_BODY_TOO_LARGE);
        assert_int_equal(client->outcome.body_rv, APR_SUCCESS);
        assert_int_equal(client->reads > 0, chunked);
        expect_detail(client, 413,
                      apr_psprintf(pool, "Size of request exceeds the limit "
                                   "(%" APR_OFF_T_FMT " bytes)",
                                   client->limit));
    }
    expect_at(id, 5);
    expect_uploads(1);
}

static void bodies_at_the_limit(void **state)
{
    client_t *client = chunk_form("bytes 0-4/5");

    (void)state;
    add_file(client, "a", "01234", 5);
    end_form(client);
    client->limit = (apr_off_t)client->len;
    converse(client);
    assert_int_equal(client->outcome.code, CU_OK);
}

static void lost_bodies(void **state)
{
    const char *id = half_upload();
    client_t *client;
    apr_size_t cut;

    (void)state;
    for (cut = 0; cut < 400; cut += 19) {
        client = chunk_form("bytes 5-9/10");
        add_field(client, "upload_id", id);
        add_file(client, "a", "56789", 5);
        end_form(client);
        client->cut_at = cut < client->len ? cut : client->len;
        client->cut_rv = APR_TIMEUP;
        converse(client);
        assert_int_equal(client->outcome.code, CU_BODY_LOST);
        assert_int_equal(client->outcome.body_rv, APR_TIMEUP);
        assert_true(client->wire.close);
        expect_detail(client, 400, "Request body could not be read");
    }
    expect_at(id, 5);
    expect_uploads(1);
    client = chunk_form("bytes 0-4/10");
    add_file(client, "a", "01234", 5);
    end_form(client);
    client->cut_at = client->len - 1;
    client->cut_rv = APR_ECONNRESET;
    converse(client);
    assert_int_equal(client->outcome.body_rv, APR_ECONNRESET);
    expect_uploads(1);
    expect_accepted(send_chunk(id, "bytes 5-9/10", "56789", 5), 10);
}

static client_t *refused_early(apr_size_t more)
{
    client_t *client = chunk_form(NULL);
    char *bytes = apr_pcalloc(pool, more);

    add_field(client, "upload_id", "nonsense");
    add_file(client, "a", bytes, more);
    end_form(client);
    return client;
}

/* A refusal is not kept waiting by a rest that may never come. */
static void leaves_a_small_rest_unread(void **state)
{
    client_t *client = refused_early(30000);

    (void)state;
    converse(client);
    assert_int_equal(client->wire.status, 404);
    if (mode == BYTES) {
        assert_true(client->sent < 1000);
    }
    assert_false(client->wire.close);
}

static void closes_on_a_large_rest(void **state)
{
    client_t *client = refused_early(100000);

    (void)state;
    converse(client);
    assert_int_equal(client->wire.status, 404);
    if (mode != WHOLE) {
        assert_true(client->sent < 20000);
        assert_true(client->wire.close);
    }
    client = refused_early(30000);
    apr_table_set(client->headers, "Transfer-Encoding", "chunked");
    converse(client);
    assert_int_equal(client->wire.status, 404);
    assert_true(client->wire.close);
    client = refused_early(30000);
    apr_table_set(client->headers, "Content-Length", "10");
    converse(client);
    assert_true(client->wire.close);
}

static void wakes_nobody_who_waits(void **state)
{
    client_t *client = refused_early(10);

    (void)state;
    policy.anonymous = 0;
    apr_table_set(client->headers, "Expect", "100-Continue");
    converse(client);
    assert_int_equal(client->wire.status, 403);
    assert_int_equal(client->reads, 0);
    assert_true(client->wire.close);
    client = refused_early(10);
    converse(client);
    assert_int_equal(client->reads, 0);
    assert_false(client->wire.close);
}

static void many_fields(void **state)
{
    client_t *client = chunk_form("bytes 0-4/10");
    int i;

    (void)state;
    for (i = 0; i < 900; ++i) {
        add_field(client, "upload_id", "nonsense");
    }
    add_field(client, "upload_id", "");
    add_file(client, "a", "01234", 5);
    end_form(client);
    converse(client);
    expect_accepted(client, 5);
    client = chunk_form("bytes 0-4/10");
    for (i = 0; i < 1200; ++i) {
        add_field(client, "x", "");
    }
    add_file(client, "a", "01234", 5);
    end_form(client);
    converse(client);
    assert_int_equal(client->outcome.code, CU_BAD_ASK);
    expect_uploads(1);
}

/* --------------------------------------------------- URLs and methods */

typedef struct url_t {
    const char *method, *path, *query;
    int status;
    const char *allow;
} url_t;

static const url_t urls[] = {
    { "GET", "/up", NULL, 405, "POST, OPTIONS" },
    { "HEAD", "/up/", NULL, 405, "POST, OPTIONS" },
    { "PUT", "/up/index.html", NULL, 405, "POST, OPTIONS" },
    { "GET", "/up", "upload_id=", 405, "POST, OPTIONS" },
    { "GET", "/up", "upload_id=nonsense", 404, NULL },
    { "GET", "/up", "upload_id=" UNKNOWN_ID, 404, NULL },
    { "GET", "/up", "upload_id=" UNKNOWN_ID "&upload_id=", 405,
      "POST, OPTIONS" },
    { "PUT", "/up", "upload_id=" UNKNOWN_ID, 405, "POST, OPTIONS" },
    { "POST", "/up", "upload_id=" UNKNOWN_ID, 400, NULL },
    { "GET", "/up/complete", NULL, 405, "POST, OPTIONS" },
    { "GET", "/up/complete", "upload_id=" UNKNOWN_ID, 405, "POST, OPTIONS" },
    { "GET", "/up/complete/", NULL, 405, "POST, OPTIONS" },
    { "POST", "/up/complete", NULL, 400, NULL },
    { "GET", "/up/" UNKNOWN_ID, NULL, 404, NULL },
    { "POST", "/up/" UNKNOWN_ID, NULL, 405, "GET, HEAD, OPTIONS" },
    { "DELETE", "/up/" UNKNOWN_ID, NULL, 405, "GET, HEAD, OPTIONS" },
    { "PATCH", "/up/" UNKNOWN_ID, NULL, 405, "GET, HEAD, OPTIONS" },
    { "GET", "/up/" UNKNOWN_ID "/", NULL, 405, "POST, OPTIONS" },
    { "GET", "/up/" UNKNOWN_ID "0", NULL, 405, "POST, OPTIONS" },
    { "GET", "/up/8230412E259C43E0A245C9F3009F3AFC", NULL, 405,
      "POST, OPTIONS" },
    { "get", "/up/" UNKNOWN_ID, NULL, 405, "GET, HEAD, OPTIONS" },
    { "OPTIONS", "/up", NULL, 200, "POST, OPTIONS" },
    { "OPTIONS", "/up/complete", NULL, 200, "POST, OPTIONS" },
    { "OPTIONS", "/up/" UNKNOWN_ID, NULL, 200, "GET, HEAD, OPTIONS" },
    { "GET", "", NULL, 405, "POST, OPTIONS" },
};

static void urls_and_methods(void **state)
{
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); ++i) {
        client_t *client = request(urls[i].method, urls[i].path);
        const char *allow;

        client->query = urls[i].query;
        converse(client);
        if (client->wire.status != urls[i].status) {
            fail_msg("%s %s: %d", urls[i].method, urls[i].path,
                     client->wire.status);
        }
        allow = apr_table_get(client->wire.headers_out, "Allow");
        assert_int_equal(allow != NULL, urls[i].allow != NULL);
        if (allow) {
            assert_string_equal(allow, urls[i].allow);
        }
        assert_int_equal(client->reads, 0);
        assert_false(client->wire.close);
    }
}

static void the_completion_handler_has_any_url(void **state)
{
    static const char *const paths[] = { "/done", "/up/" UNKNOWN_ID, "/",
                                         "/up/complete" };
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); ++i) {
        client_t *client = request("POST", paths[i]);

        client->handler = CU_HANDLER_COMPLETE;
        converse(client);
        expect_detail(client, 400,
                      "Both 'upload_id' and 'md5' are required");
    }
}

/* ---------------------------------------------------- when it is our fault */

static void damage_is_said_and_kept_apart(void **state)
{
    const char *id = half_upload(), *other = half_upload();
    client_t *client;

    (void)state;
    assert_int_equal(truncate(part_of(id), 2), 0);
    client = send_chunk(id, "bytes 5-9/10", "56789", 5);
    expect_detail(client, 500, "Upload is damaged");
    assert_int_equal(strncmp(last_line, "CU0100: ", 8), 0);
    expect_accepted(send_chunk(other, "bytes 5-9/10", "56789", 5), 10);
    expect_completed(send_complete(other, MD5_OF_DIGITS));
    part_of(id);
}

static void a_store_that_is_gone(void **state)
{
    client_t *client;

    (void)state;
    assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    client = send_chunk(NULL, NULL, "01234", 5);
    expect_detail(client, 500, "Internal server error");
    assert_int_equal(client->outcome.code, CU_IO);
    assert_int_equal(strncmp(last_line, "CU0100: ", 8), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
}

static void who_holds_the_lock_is_waited_for(void **state)
{
    const char *id = half_upload();
    client_t *client;
    int fd;

    (void)state;
    if (mode != WHOLE) {
        return; /* once is enough: it waits */
    }
    assert_int_equal(count_files(".state"), 1);
    fd = open(file_found, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    client = send_chunk(id, "bytes 5-9/10", "56789", 5);
    close(fd);
    expect_detail(client, 503, "Upload is busy, try again later");
    assert_true(atoi(apr_table_get(client->wire.headers_out,
                                   "Retry-After")) >= 1);
    expect_accepted(send_chunk(id, "bytes 5-9/10", "56789", 5), 10);
}

static void one_line_for_a_refusal(void **state)
{
    client_t *client = chunk_form("bytes 5-9/10");
    const char *id = half_upload();

    (void)state;
    assert_int_equal(log_lines, 0);
    add_field(client, "upload_id", id);
    add_file(client, "x", "5", 1);
    end_form(client);
    converse(client);
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(last_line, apr_pstrcat(pool, "upload ", id,
                                                  NULL)));
    assert_non_null(strstr(last_line, "LENGTH_MISMATCH"));
    assert_non_null(strstr(last_line, "(400)"));
    client = request("PUT", "/up");
    converse(client);
    assert_int_equal(log_lines, 2);
    assert_non_null(strstr(last_line, "upload -: "));
}

#define IN_MODE(function, mode_number)                                     \
    { #function " " #mode_number, function, set_up, tear_down,             \
      (void *)&modes[mode_number] }
#define TEST(function)                                                     \
    IN_MODE(function, WHOLE), IN_MODE(function, BYTES),                    \
    IN_MODE(function, RANDOM)

static const int modes[] = { WHOLE, BYTES, RANDOM };

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(uploads_in_chunks),
        TEST(answers_a_chunk),
        TEST(expiry_by_idleness),
        TEST(never_expires),
        TEST(a_whole_file_without_range),
        TEST(fields_of_no_interest),
        TEST(another_field_name),
        TEST(another_content_type),
        TEST(zero_bytes),
        TEST(zero_bytes_against_a_range),
        TEST(permission_goes_first),
        TEST(method_goes_before_permission),
        TEST(a_file_goes_before_the_id),
        TEST(the_id_goes_before_the_range),
        TEST(expiry_goes_before_the_range),
        TEST(completeness_goes_before_the_range),
        TEST(the_range_goes_before_the_limit),
        TEST(the_offset_goes_before_the_size),
        TEST(refused_first_chunks_leave_nothing),
        TEST(the_total_may_not_change),
        TEST(completion_wants_its_fields),
        TEST(completion_compares),
        TEST(completion_without_digest),
        TEST(completing_twice_is_once),
        TEST(half_a_file_cannot_complete),
        TEST(an_expired_upload_cannot_complete),
        TEST(what_is_complete_does_not_expire),
        TEST(completion_forms),
        TEST(completion_in_other_forms),
        TEST(completion_forms_are_bounded),
        TEST(an_id_after_a_later_chunk),
        TEST(an_id_after_a_first_chunk),
        TEST(unknown_ids_after_the_file),
        TEST(an_empty_id_after_the_file),
        TEST(an_id_before_and_after),
        TEST(the_last_id_after_the_file_wins),
        TEST(checks_after_the_file_keep_their_order),
        TEST(the_last_id_before_the_file_wins),
        TEST(the_last_file_wins),
        TEST(limits_count_what_arrives),
        TEST(a_tail_nobody_acknowledged),
        TEST(one_writer),
        TEST(one_writer_with_a_late_id),
        TEST(others_see_nothing),
        TEST(status_queries),
        TEST(unknown_ids_answer_json),
        TEST(completion_reads_no_file),
        TEST(bodies_that_are_no_form),
        TEST(malformed_forms),
        TEST(a_form_that_ends_early_changes_nothing),
        TEST(too_large_bodies),
        TEST(bodies_at_the_limit),
        TEST(lost_bodies),
        TEST(leaves_a_small_rest_unread),
        TEST(closes_on_a_large_rest),
        TEST(wakes_nobody_who_waits),
        TEST(many_fields),
        TEST(urls_and_methods),
        TEST(the_completion_handler_has_any_url),
        TEST(damage_is_said_and_kept_apart),
        TEST(a_store_that_is_gone),
        TEST(who_holds_the_lock_is_waited_for),
        TEST(one_line_for_a_refusal),
    };
    int failed;

    (void)apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
