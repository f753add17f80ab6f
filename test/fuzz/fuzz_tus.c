/*
 * The tus dialect through serve, against an engine in a temporary directory.
 *
 * Input: a byte of settings, then up to 8 requests divided by FS (0x1c), each:
 *   a byte of method and fate   POST, PATCH, HEAD, DELETE, OPTIONS, PUT; the
 *                               body breaks off half-way; lines are trailers
 *   a byte of target            the endpoint, or the number of an upload
 *   a byte                      seed of the pieces in which the body arrives
 *   lines "Name: value", an empty line, the body
 * In lines ESC (0x1b) and a digit stand for the id of that upload.
 *
 * Every answer carries Tus-Resumable and has no outcome that only a broken
 * disk or program explains.  After each request a HEAD of every upload: its
 * offset never goes back, a request moves it by bytes of its body only and
 * only if it began there, and the bytes before it are those that were sent.
 * As many part files as state files; no descriptor left open.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mkdtemp, nftw */
#endif
#include <fcntl.h>
#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "base/upload_id.h"
#include "serve/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NEXT_REQUEST 0x1c
#define ID_OF 0x1b
#define NOBODYS_ID "8230412e259c43e0a245c9f3009f3afc"

enum { INPUT_MAX = 8192, UPLOADS_MAX = 8, REQUESTS_MAX = 8, HEAD_LEN = 3,
       BYTES_MAX = UPLOADS_MAX * INPUT_MAX };
enum { CUT_OFF = 0x40, TRAILERS = 0x80 };
enum { SMALL = 1, NO_DIGEST = 2, KEEP_COMPLETE = 4, SYNC_CHUNK = 8 };

typedef struct upload_t {
    char id[CU_UPLOAD_ID_LEN + 1];
    int64_t offset;
    int gone;
    char bytes[BYTES_MAX]; /* what was sent for 0 .. offset */
} upload_t;

typedef struct body_t {
    const char *bytes;
    size_t len, sent;
    unsigned int seed;
    int cut;
    char *turn; /* memory that is gone at the next read */
    apr_table_t *trailers;
} body_t;

static apr_pool_t *top, *pool;
static char dir[64];
static cu_policy_t policy;
static cu_dialect_settings_t settings;
static cu_serve_t serve;
static upload_t uploads[UPLOADS_MAX];
static int count, parts, states;

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static apr_time_t fake_clock(void)
{
    return apr_time_from_sec(1795376633);
}

static int remove_one(const char *path, const struct stat *info, int kind,
                      struct FTW *walk)
{
    (void)info;
    (void)kind;
    return walk->level > 0 ? remove(path) : 0;
}

static void clean(void)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    (void)rmdir(dir);
}

static int count_one(const char *path, const struct stat *info, int kind,
                     struct FTW *walk)
{
    const char *dot = strrchr(path, '.');

    (void)info;
    (void)walk;
    if (kind == FTW_F && dot) {
        parts += strcmp(dot, ".part") == 0;
        states += strcmp(dot, ".state") == 0;
    }
    return 0;
}

static void begin(void)
{
    const char *base = getenv("TMPDIR");

    if (!base || strlen(base) > 30) {
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    require(apr_initialize() == APR_SUCCESS);
    require(apr_pool_create(&top, NULL) == APR_SUCCESS);
    (void)snprintf(dir, sizeof(dir), "%s/cu-fuzz-tus-XXXXXX", base);
    require(mkdtemp(dir) != NULL);
    require(atexit(clean) == 0);
}

static void set_scene(int flags)
{
    cu_engine_config_t config;
    cu_engine_t *engine;
    const char *reason;

    count = 0;
    memset(&policy, 0, sizeof(policy));
    policy.max_bytes = flags & SMALL ? 64 : CU_NO_LIMIT;
    policy.expire = -1;
    policy.path_template = "";
    policy.digest = flags & NO_DIGEST ? CU_DIGEST_NONE : CU_DIGEST_MD5;
    policy.anonymous = 1;
    policy.delete_complete = !(flags & KEEP_COMPLETE);
    settings.field_name = "file";
    settings.content_type = "application/json";
    settings.dialects = cu_dialect_bit("tus");
    config.state_dir = dir;
    config.root = apr_pstrcat(pool, dir, "/store", NULL);
    config.dbm = "mem";
    config.sync = flags & SYNC_CHUNK ? CU_SYNC_CHUNK : CU_SYNC_NONE;
    config.clock = fake_clock;
    cu_engine_make(&engine, &config, pool);
    require(cu_engine_prepare(engine, -1, -1, &reason, pool) == APR_SUCCESS);
    serve.engine = engine;
    serve.policy = &policy;
    serve.settings = &settings;
    serve.log = NULL;
}

static const char *id_at(int i)
{
    return i >= 0 && i < count ? uploads[i].id : NOBODYS_ID;
}

static apr_status_t feed(void *baton, struct iovec *pieces, int max,
                         int *number)
{
    body_t *body = baton;
    size_t end = body->cut ? body->len / 2 : body->len;
    size_t n = end - body->sent;

    require(max > 0);
    free(body->turn);
    body->turn = NULL;
    *number = 0;
    if (n == 0) {
        return body->cut ? APR_ECONNRESET : APR_EOF;
    }
    body->seed = body->seed * 1103515245u + 12345u;
    if (n > 1 + (body->seed >> 16) % 999) {
        n = 1 + (body->seed >> 16) % 999;
    }
    body->turn = malloc(n);
    require(body->turn != NULL);
    memcpy(body->turn, body->bytes + body->sent, n);
    body->sent += n;
    pieces[0].iov_base = body->turn;
    pieces[0].iov_len = n;
    *number = 1;
    return APR_SUCCESS;
}

static const apr_table_t *trailers(void *baton)
{
    body_t *body = baton;

    return body->trailers;
}

/* "Name: value" lines up to an empty one, ids filled in. */
static void take_lines(apr_table_t *table, const uint8_t **data, size_t *size)
{
    while (*size > 0) {
        const uint8_t *end = memchr(*data, '\n', *size);
        size_t len = end ? (size_t)(end - *data) : *size, i;
        char *line = apr_palloc(pool, (len + 1) * CU_UPLOAD_ID_LEN), *p = line;
        char *colon;

        for (i = 0; i < len; ++i) {
            if ((*data)[i] == ID_OF && i + 1 < len) {
                memcpy(p, id_at((*data)[++i] - '0'), CU_UPLOAD_ID_LEN);
                p += CU_UPLOAD_ID_LEN;
            }
            else if ((*data)[i] >= ' ') { /* httpd refuses all others */
                *p++ = (char)(*data)[i];
            }
        }
        *p = '\0';
        *data += len + (end != NULL);
        *size -= len + (end != NULL);
        colon = strstr(line, ": ");
        if (len == 0) {
            return;
        }
        if (colon) {
            *colon = '\0';
            apr_table_set(table, line, colon + 2);
        }
    }
}

static void ask(cu_wire_t *wire, const char *method, const char *path,
                apr_table_t *headers, body_t *body)
{
    cu_body_t source = { feed, body, 0, trailers };
    cu_outcome_t outcome;

    memset(wire, 0, sizeof(*wire));
    wire->method = method;
    wire->path = path;
    wire->headers_in = headers;
    wire->scope = "fuzz";
    wire->pool = pool;
    memset(&outcome, 0, sizeof(outcome));
    cu_serve(&serve, wire, &source, &outcome);
    free(body->turn);
    body->turn = NULL;
    require(wire->status >= 200 && wire->status <= 599);
    require(outcome.code != CU_BUG && outcome.code != CU_IO
            && outcome.code != CU_DAMAGED && outcome.code != CU_BUSY);
    require((outcome.code == CU_OK) == (wire->status < 300));
    require(strcmp(apr_table_get(wire->headers_out, "Tus-Resumable"), "1.0.0")
            == 0);
}

static void check_bytes(const upload_t *upload)
{
    char path[160], seen[BYTES_MAX];
    ssize_t got;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/store/%s.part", dir, upload->id);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    require(fd >= 0);
    got = pread(fd, seen, (size_t)upload->offset, 0);
    require(close(fd) == 0 && got == upload->offset);
    require(memcmp(seen, upload->bytes, (size_t)upload->offset) == 0);
}

/* What a HEAD says now, against what was known and what was just sent. */
static void check_upload(upload_t *upload, const body_t *body, int may_grow)
{
    apr_table_t *headers = apr_table_make(pool, 1);
    body_t none = { NULL, 0, 0, 0, 0, NULL, NULL };
    const char *text, *length;
    cu_wire_t wire;
    int64_t offset;

    apr_table_setn(headers, "Tus-Resumable", "1.0.0");
    ask(&wire, "HEAD", apr_pstrcat(pool, "/up/", upload->id, NULL), headers,
        &none);
    if (wire.status == 404) {
        upload->gone = 1;
        return;
    }
    require(wire.status == 200 && !upload->gone);
    text = apr_table_get(wire.headers_out, "Upload-Offset");
    require(text != NULL);
    offset = apr_atoi64(text);
    length = apr_table_get(wire.headers_out, "Upload-Length");
    require(!length || offset <= apr_atoi64(length));
    require(offset >= upload->offset);
    require(offset == upload->offset || may_grow);
    require(offset - upload->offset <= (int64_t)body->len);
    memcpy(upload->bytes + upload->offset, body->bytes,
           (size_t)(offset - upload->offset));
    upload->offset = offset;
    check_bytes(upload);
}

/* A new upload: of the body's first bytes, or of others'. */
static void remember(const cu_wire_t *wire, const body_t *body)
{
    const char *location = apr_table_get(wire->headers_out, "Location");
    const char *concat = apr_table_get(wire->headers_in, "Upload-Concat");
    upload_t *upload;

    require(location && strncmp(location, "up/", 3) == 0);
    require(cu_upload_id_valid(location + 3, strlen(location + 3)));
    if (concat && strncmp(concat, "final;", 6) == 0) {
        return; /* nothing can be appended, and what it has others have */
    }
    require(count < UPLOADS_MAX);
    upload = &uploads[count++];
    memcpy(upload->id, location + 3, sizeof(upload->id));
    upload->offset = 0;
    upload->gone = 0;
    check_upload(upload, body, 1);
}

static int lowest_fd(void)
{
    int fd = dup(STDERR_FILENO);

    require(fd >= 0 && close(fd) == 0);
    return fd;
}

static void run(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {
        "POST", "PATCH", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "POST"
    };
    const char *method = methods[data[0] & 7];
    int which = (data[1] & 15) - 1, flags = data[0], fd = lowest_fd(), i;
    apr_table_t *headers = apr_table_make(pool, 8);
    body_t body = { NULL, 0, 0, data[2], (flags & CUT_OFF) != 0, NULL, NULL };
    const char *offset;
    cu_wire_t wire;

    data += HEAD_LEN;
    size -= HEAD_LEN;
    apr_table_setn(headers, "Tus-Resumable", "1.0.0");
    take_lines(headers, &data, &size);
    if (flags & TRAILERS) {
        body.trailers = apr_table_make(pool, 1);
        take_lines(body.trailers, &data, &size);
        apr_table_setn(headers, "Transfer-Encoding", "chunked");
    }
    body.bytes = (const char *)data;
    body.len = size;
    apr_table_unset(headers, "Content-Length");
    if (!apr_table_get(headers, "Transfer-Encoding")) {
        apr_table_setn(headers, "Content-Length",
                       apr_psprintf(pool, "%" APR_SIZE_T_FMT, size));
    }
    ask(&wire, method,
        which < 0 ? "/up" : apr_pstrcat(pool, "/up/", id_at(which), NULL),
        headers, &body);
    offset = apr_table_get(headers, "Upload-Offset");
    for (i = 0; i < count; ++i) {
        check_upload(&uploads[i], &body,
                     strcmp(method, "PATCH") == 0 && which == i && offset
                         && apr_atoi64(offset) == uploads[i].offset);
    }
    if (wire.status == 201) {
        remember(&wire, &body);
    }
    require(lowest_fd() == fd);
    parts = states = 0;
    require(nftw(dir, count_one, 16, FTW_PHYS) == 0);
    require(parts == states);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int i;

    if (size < 1 + HEAD_LEN || size > INPUT_MAX) {
        return 0;
    }
    if (!top) {
        begin();
    }
    require(apr_pool_create(&pool, top) == APR_SUCCESS);
    set_scene(*data++);
    --size;
    for (i = 0; i < REQUESTS_MAX && size >= HEAD_LEN; ++i) {
        const uint8_t *end = memchr(data, NEXT_REQUEST, size);
        size_t len = end ? (size_t)(end - data) : size;

        if (len >= HEAD_LEN) {
            run(data, len);
        }
        len += end != NULL;
        data += len;
        size -= len;
    }
    apr_pool_destroy(pool);
    require(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
    return 0;
}
