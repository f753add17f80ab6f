/*
 * serve/serve.h: whole requests against an engine in a temporary directory.
 *
 * Input: a byte of settings, then up to 8 requests divided by FS (0x1c), each:
 *   flags        a method, what the URL names, cut off, without a length
 *   who and when the number of an upload, another user, a jump of the clock
 *   cuts         seed of the pieces in which the body arrives
 *   Content-Range, NUL, Content-Type, NUL (empty: no such header), the body
 * In a body ESC (0x1b) and a digit stand for the id of that upload, SUB (0x1a)
 * and a digit for the md5 of its bytes; there is no other way to say them.
 * Every input begins with an empty store, so that it can be replayed.
 *
 * After each request: an answer with a status and a JSON object; an offset
 * that is the end of the chunk's range; as many part files as state files; no
 * descriptor left open; no outcome that only a broken disk or a broken program
 * explains; log lines of printable ASCII; and every acknowledged byte of every
 * upload in its file, unchanged, whatever came after.
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
#include <jansson.h>

#include "base/upload_id.h"
#include "digest/digest.h"
#include "parse/content_range.h"
#include "serve/serve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NEXT_REQUEST 0x1c
#define ID_OF 0x1b
#define MD5_OF 0x1a
#define NOBODYS_ID "8230412e259c43e0a245c9f3009f3afc"
#define LONG_NAME "a name that is above the 64 bytes that the state of an " \
                  "upload holds of its owner's, "
#define UPLOADS_MAX 8
#define REQUESTS_MAX 8
#define HEAD_LEN 3

enum { METHOD = 7, TARGET = 0x18, COMPLETE_HANDLER = 0x20, CHUNKED = 0x40,
       CUT_OFF = 0x80 };
enum { WHICH = 7, OTHER_USER = 8, ANONYMOUS = 16, LATER = 32, EXPECTS = 64,
       LONG_USER = 128 };
enum { REQUIRE_RANGE = 1, NEED_USER = 2, NO_DIGEST = 4, SMALL = 8, IDLE = 16,
       NO_TEMPLATE = 32 };

typedef struct upload_t {
    char id[CU_UPLOAD_ID_LEN + 1];
    int64_t offset; /* acknowledged */
    uint64_t sum;   /* of the bytes before it */
} upload_t;

/* One input. */
typedef struct scene_t {
    apr_pool_t *pool;
    cu_serve_t serve;
    cu_policy_t policy;
    cu_dialect_settings_t settings;
    upload_t uploads[UPLOADS_MAX];
    int count;
} scene_t;

/* One request's body, in memory that is gone at the next turn. */
typedef struct body_t {
    const char *bytes;
    size_t len, sent;
    unsigned int seed;
    int cut;
    char *turn;
} body_t;

static apr_pool_t *top;
static char dir[64];
static apr_time_t now;
static int parts, states;
static char part_path[512];
static const char *part_wanted;

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static apr_time_t fake_clock(void)
{
    return now;
}

static int log_wanted(void *baton, cu_log_level_t level)
{
    (void)baton;
    (void)level;
    return 1;
}

/* Nothing of a client can end a line or colour a terminal. */
static void log_print(void *baton, cu_log_level_t level, apr_status_t rv,
                      const char *line)
{
    (void)baton;
    (void)rv;
    require(level != CU_LOG_ERROR && strncmp(line, "CU", 2) == 0);
    for (; *line; ++line) {
        require(*line >= 0x20 && *line <= 0x7e);
    }
}

static const cu_log_t fuzz_log = { log_wanted, log_print, NULL };

/* ------------------------------------------------------------ the store */

static int remove_one(const char *path, const struct stat *info, int kind,
                      struct FTW *walk)
{
    (void)info;
    (void)kind;
    return walk->level > 0 ? remove(path) : 0;
}

static void empty_store(void)
{
    require(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

static void clean(void)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    (void)rmdir(dir);
}

static int ends_in(const char *path, const char *suffix)
{
    size_t len = strlen(path), n = strlen(suffix);

    return len >= n && strcmp(path + len - n, suffix) == 0;
}

static int count_one(const char *path, const struct stat *info, int kind,
                     struct FTW *walk)
{
    (void)info;
    (void)walk;
    if (kind != FTW_F) {
        return 0;
    }
    parts += ends_in(path, ".part");
    states += ends_in(path, ".state");
    if (part_wanted && ends_in(path, ".part") && strstr(path, part_wanted)) {
        (void)snprintf(part_path, sizeof(part_path), "%s", path);
    }
    return 0;
}

/* Count the files; the path of one upload's part, or "". */
static const char *look(const char *id)
{
    parts = states = 0;
    part_path[0] = '\0';
    part_wanted = id;
    require(nftw(dir, count_one, 16, FTW_PHYS) == 0);
    return part_path;
}

static const char *md5_of(const char *id, apr_pool_t *pool)
{
    char *hex = apr_palloc(pool, CU_DIGEST_HEX_MAX);
    char buf[4096];
    cu_digest_t *digest;
    ssize_t n;
    int fd = open(look(id), O_RDONLY | O_CLOEXEC);

    require(cu_digest_begin(&digest, CU_DIGEST_MD5, pool) == APR_SUCCESS);
    while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
        cu_digest_update(digest, buf, (size_t)n);
    }
    if (fd >= 0) {
        require(close(fd) == 0);
    }
    cu_digest_hex(digest, hex);
    return hex;
}

static void begin(void)
{
    const char *base = getenv("TMPDIR");

    if (!base || strlen(base) > 30) {
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    require(apr_initialize() == APR_SUCCESS);
    require(apr_pool_create(&top, NULL) == APR_SUCCESS);
    (void)snprintf(dir, sizeof(dir), "%s/cu-fuzz-serve-XXXXXX", base);
    require(mkdtemp(dir) != NULL);
    require(atexit(clean) == 0);
}

/* ------------------------------------------------------------ the scene */

static void set_policy(scene_t *scene, int flags)
{
    memset(&scene->policy, 0, sizeof(scene->policy));
    scene->policy.max_bytes = flags & SMALL ? 64 : CU_NO_LIMIT;
    scene->policy.expire = apr_time_from_sec(86400);
    scene->policy.expire_from = flags & IDLE ? CU_EXPIRE_FROM_IDLE
                                             : CU_EXPIRE_FROM_CREATED;
    scene->policy.path_template = flags & NO_TEMPLATE ? "" : "c/%Y";
    scene->policy.digest = flags & NO_DIGEST ? CU_DIGEST_NONE : CU_DIGEST_MD5;
    scene->policy.anonymous = !(flags & NEED_USER);
    scene->settings.field_name = "file";
    scene->settings.require_range = flags & REQUIRE_RANGE;
    scene->settings.content_type = "application/json";
    scene->settings.dialects = cu_dialect_bit("form");
}

static void set_scene(scene_t *scene, int flags)
{
    cu_engine_config_t config;
    cu_engine_t *engine;
    const char *reason;

    memset(scene, 0, sizeof(*scene));
    require(apr_pool_create(&scene->pool, top) == APR_SUCCESS);
    set_policy(scene, flags);
    memset(&config, 0, sizeof(config));
    config.state_dir = apr_pstrcat(scene->pool, dir, "/state", NULL);
    config.root = apr_pstrcat(scene->pool, dir, "/store", NULL);
    config.dbm = "mem";
    config.sync = CU_SYNC_NONE;
    config.clock = fake_clock;
    cu_engine_make(&engine, &config, scene->pool);
    require(cu_engine_prepare(engine, -1, -1, &reason, scene->pool)
            == APR_SUCCESS);
    scene->serve.engine = engine;
    scene->serve.policy = &scene->policy;
    scene->serve.settings = &scene->settings;
    scene->serve.log = &fuzz_log;
    now = apr_time_from_sec(1795376633) + 55999;
}

static upload_t *find(scene_t *scene, const char *id)
{
    int i;

    for (i = 0; i < scene->count; ++i) {
        if (strcmp(scene->uploads[i].id, id) == 0) {
            return &scene->uploads[i];
        }
    }
    require(i < UPLOADS_MAX);
    ++scene->count;
    memcpy(scene->uploads[i].id, id, sizeof(scene->uploads[i].id));
    return &scene->uploads[i];
}

static const char *id_at(const scene_t *scene, int i)
{
    return i >= 0 && i < scene->count ? scene->uploads[i].id : NOBODYS_ID;
}

/* ---------------------------------------------------------- one request */

/* The body with what stands for ids and digests filled in. */
static void fill_body(const scene_t *scene, body_t *body, const uint8_t *data,
                      size_t size, apr_pool_t *pool)
{
    char *p = apr_palloc(pool, CU_UPLOAD_ID_LEN * size + 1);
    size_t i;

    body->bytes = p;
    for (i = 0; i < size; ++i) {
        const char *text = NULL;

        if (i + 1 < size && data[i] == ID_OF) {
            text = id_at(scene, data[i + 1] - '0');
        }
        else if (i + 1 < size && data[i] == MD5_OF) {
            text = md5_of(id_at(scene, data[i + 1] - '0'), pool);
        }
        if (text) {
            memcpy(p, text, CU_UPLOAD_ID_LEN);
            p += CU_UPLOAD_ID_LEN;
            ++i;
        }
        else {
            *p++ = (char)data[i];
        }
    }
    body->len = (size_t)(p - body->bytes);
}

static apr_status_t feed(void *baton, struct iovec *pieces, int max,
                         int *count)
{
    body_t *body = baton;
    size_t from = body->sent, end = body->cut ? body->len / 2 : body->len;

    free(body->turn);
    body->turn = NULL;
    *count = 0;
    if (from == end) {
        return body->cut ? APR_ECONNRESET : APR_EOF;
    }
    body->turn = malloc(end - from);
    require(body->turn != NULL);
    memcpy(body->turn, body->bytes + from, end - from);
    while (*count < max && body->sent < end) {
        size_t len = end - body->sent, n;

        body->seed = body->seed * 1103515245u + 12345u;
        n = 1 + (body->seed >> 16) % 97;
        if ((body->seed & 0xf0000000u) == 0 || n > len) {
            n = len;
        }
        pieces[*count].iov_base = body->turn + (body->sent - from);
        pieces[*count].iov_len = n;
        body->sent += n;
        ++*count;
        if ((body->seed >> 8) % 4 == 0) {
            break;
        }
    }
    return APR_SUCCESS;
}

static void set_target(const scene_t *scene, cu_wire_t *wire, const uint8_t *p)
{
    const char *id = id_at(scene, p[1] & WHICH);

    wire->path = "/up";
    switch (p[0] & TARGET) {
    case 0x08:
        wire->path = "/up/complete";
        break;
    case 0x10:
        wire->path = apr_pstrcat(wire->pool, "/up/", id, NULL);
        break;
    case 0x18:
        wire->query = apr_pstrcat(wire->pool, "upload_id=", id, NULL);
        break;
    default:
        break;
    }
}

static const char *user(int who)
{
    if (who & ANONYMOUS) {
        return NULL;
    }
    if (who & LONG_USER) {
        return who & OTHER_USER ? LONG_NAME "1" : LONG_NAME "2";
    }
    return who & OTHER_USER ? "eve" : "bob";
}

static void set_wire(const scene_t *scene, cu_wire_t *wire, const uint8_t *p)
{
    static const char *const methods[] = {
        "POST", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "POST"
    };

    memset(wire, 0, sizeof(*wire));
    require(apr_pool_create(&wire->pool, scene->pool) == APR_SUCCESS);
    wire->method = methods[p[0] & METHOD];
    wire->headers_in = apr_table_make(wire->pool, 4);
    wire->scope = "example.org/up";
    wire->user = user(p[1]);
    wire->handler = p[0] & COMPLETE_HANDLER ? CU_HANDLER_COMPLETE
                                            : CU_HANDLER_UPLOAD;
    set_target(scene, wire, p);
}

/* Take a NUL-terminated header value off the input. */
static void take_header(cu_wire_t *wire, const char *name,
                        const uint8_t **data, size_t *size)
{
    const uint8_t *nul = *size ? memchr(*data, '\0', *size) : NULL;
    size_t len = nul ? (size_t)(nul - *data) : *size;

    if (len > 0) {
        apr_table_setn((apr_table_t *)wire->headers_in, name,
                       apr_pstrmemdup(wire->pool, (const char *)*data, len));
    }
    len += nul != NULL;
    *data += len;
    *size -= len;
}

static void set_length(cu_wire_t *wire, const body_t *body, const uint8_t *p)
{
    apr_table_t *headers = (apr_table_t *)wire->headers_in;

    if (p[0] & CHUNKED) {
        apr_table_setn(headers, "Transfer-Encoding", "chunked");
    }
    else if (body->len > 0) {
        apr_table_setn(headers, "Content-Length",
                       apr_psprintf(wire->pool, "%" APR_SIZE_T_FMT,
                                    body->len));
    }
    if (p[1] & EXPECTS) {
        apr_table_setn(headers, "Expect", "100-continue");
    }
}

/* ----------------------------------------------------------- the answer */

/* FNV-1a of the acknowledged bytes, all of which must be there; 0 when the
 * upload is gone. */
static uint64_t acknowledged(const upload_t *upload)
{
    FILE *part = fopen(look(upload->id), "rb");
    uint64_t sum = 14695981039346656037u;
    int64_t i;

    if (!part) {
        return 0;
    }
    for (i = 0; i < upload->offset; ++i) {
        int c = getc(part);

        require(c != EOF);
        sum = (sum ^ (unsigned int)c) * 1099511628211u;
    }
    require(fclose(part) == 0);
    return sum;
}

static void check_acknowledged(const upload_t *upload)
{
    uint64_t sum = acknowledged(upload);

    require(sum == 0 || sum == upload->sum);
}

/* A chunk that counts ends where its Content-Range says. */
static void check_range(const cu_wire_t *wire, int64_t offset)
{
    const char *text = apr_table_get(wire->headers_in, "Content-Range");
    cu_content_range_t range;

    if (text && strcmp(wire->method, "POST") == 0) {
        require(cu_content_range_parse(text, strlen(text), 0, &range));
        require(offset == range.end + 1);
    }
}

static void check_facts(scene_t *scene, const cu_wire_t *wire,
                        const cu_outcome_t *outcome, json_t *json)
{
    const char *id = json_string_value(json_object_get(json, "upload_id"));
    json_t *offset = json_object_get(json, "offset");
    upload_t *upload;

    if (!id) {
        return;
    }
    require(cu_upload_id_valid(id, strlen(id)) && json_is_integer(offset));
    require(outcome->id && strcmp(outcome->id, id) == 0);
    check_range(wire, json_integer_value(offset));
    upload = find(scene, id);
    require(json_integer_value(offset) >= upload->offset);
    if (upload->sum) {
        check_acknowledged(upload);
    }
    upload->offset = json_integer_value(offset);
    upload->sum = acknowledged(upload);
    require(upload->sum != 0);
}

static void check_answer(scene_t *scene, const cu_wire_t *wire,
                         const cu_outcome_t *outcome)
{
    json_t *json;

    require(wire->status >= 200 && wire->status <= 599);
    require((outcome->code == CU_OK) == (wire->status == 200));
    require(outcome->code != CU_BUG && outcome->code != CU_IO);
    require(outcome->code != CU_DAMAGED && outcome->code != CU_BUSY);
    require(apr_table_get(wire->headers_out, "Cache-Control") != NULL);
    if (!wire->body) {
        require(strcmp(wire->method, "OPTIONS") == 0 && !wire->content_type);
        return;
    }
    require(strcmp(wire->content_type, "application/json") == 0);
    require(strlen(wire->body) == wire->body_len);
    json = json_loadb(wire->body, wire->body_len, 0, NULL);
    require(json_is_object(json));
    if (outcome->code == CU_OK) {
        check_facts(scene, wire, outcome, json);
    }
    else {
        require(json_is_string(json_object_get(json, "detail")));
    }
    json_decref(json);
}

static int lowest_fd(void)
{
    int fd = dup(STDERR_FILENO);

    require(fd >= 0 && close(fd) == 0);
    return fd;
}

static void run(scene_t *scene, const uint8_t *data, size_t size)
{
    const uint8_t *p = data;
    body_t body = { NULL, 0, 0, p[2], (p[0] & CUT_OFF) != 0, NULL };
    cu_body_t source = { feed, &body, 0, NULL };
    cu_outcome_t outcome;
    cu_wire_t wire;
    int fd = lowest_fd(), i;

    data += HEAD_LEN;
    size -= HEAD_LEN;
    now += p[1] & LATER ? apr_time_from_sec(50000) : 1;
    set_wire(scene, &wire, p);
    take_header(&wire, "Content-Range", &data, &size);
    take_header(&wire, "Content-Type", &data, &size);
    fill_body(scene, &body, data, size, wire.pool);
    set_length(&wire, &body, p);
    memset(&outcome, 0, sizeof(outcome));
    cu_serve(&scene->serve, &wire, &source, &outcome);
    free(body.turn);
    check_answer(scene, &wire, &outcome);
    apr_pool_destroy(wire.pool);
    require(lowest_fd() == fd);
    for (i = 0; i < scene->count; ++i) {
        check_acknowledged(&scene->uploads[i]);
    }
    (void)look(NULL);
    require(parts == states);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scene_t scene;
    int flags, i;

    if (size < 1 + HEAD_LEN || size > 8192) {
        return 0;
    }
    if (!top) {
        begin();
    }
    flags = *data++;
    --size;
    set_scene(&scene, flags);
    for (i = 0; i < REQUESTS_MAX && size >= HEAD_LEN; ++i) {
        const uint8_t *end = memchr(data, NEXT_REQUEST, size);
        size_t len = end ? (size_t)(end - data) : size;

        if (len >= HEAD_LEN) {
            run(&scene, data, len);
        }
        len += end != NULL;
        data += len;
        size -= len;
    }
    apr_pool_destroy(scene.pool);
    empty_store();
    return 0;
}
