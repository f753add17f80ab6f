/* See torture.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "engine/append.h"
#include "engine/complete.h"
#include "engine/fsck.h"
#include "torture/torture.h"
#include "unit/scratch.h"

char torture_case[256];
char torture_problem[512];

static apr_time_t stopped_clock(void)
{
    return scratch_now;
}

const char *torture_bytes(void)
{
    static char bytes[TORTURE_BYTES];
    unsigned int i, x = 2463534242U;

    if (bytes[0] == 0) {
        for (i = 0; i < TORTURE_BYTES; ++i) {
            x = x * 1103515245U + 12345U;
            bytes[i] = (char)((x >> 16) | 1U); /* never zero */
        }
    }
    return bytes;
}

const char *torture_md5(apr_off_t len)
{
    static char hex[CU_DIGEST_HEX_MAX];
    cu_digest_t *digest;
    apr_pool_t *pool;

    apr_pool_create(&pool, NULL);
    assert_int_equal(cu_digest_begin(&digest, CU_DIGEST_MD5, pool), 0);
    cu_digest_update(digest, torture_bytes(), (apr_size_t)len);
    cu_digest_hex(digest, hex);
    apr_pool_destroy(pool);
    return hex;
}

void torture_engine(const char *dbm, cu_sync_t sync, const char *boot)
{
    cu_engine_config_t config;
    const char *why = "?";

    memset(&config, 0, sizeof(config));
    config.state_dir = scratch.dir;
    config.dbm = dbm;
    config.sync = sync;
    config.clock = stopped_clock;
    config.boot = boot;
    cu_engine_make(&scratch.engine, &config, scratch.pool);
    if (cu_engine_prepare(scratch.engine, -1, -1, &why, scratch.pool)
        != APR_SUCCESS) {
        fail_msg("%s: %s", torture_case, why);
    }
}

void torture_begin(const char *dbm, cu_sync_t sync)
{
    cu_fault_arm(NULL);
    cu_fault_fake_sync(1);
    assert_int_equal(scratch_setup(NULL), 0);
    scratch.policy.expire = -1;
    scratch_now = apr_time_now();
    torture_engine(dbm, sync, "first");
}

void torture_end(void)
{
    cu_fault_arm(NULL);
    cu_fault_watch(NULL);
    assert_int_equal(scratch_teardown(NULL), 0);
}

/* Replies outlive the pool of their call. */
static void keep(cu_reply_t *reply)
{
    reply->id = reply->id ? apr_pstrdup(scratch.pool, reply->id) : NULL;
    reply->path = reply->path ? apr_pstrdup(scratch.pool, reply->path) : NULL;
    reply->digest_hex = reply->digest_hex
                            ? apr_pstrdup(scratch.pool, reply->digest_hex)
                            : NULL;
    reply->name = NULL;
    reply->type = NULL;
}

cu_code_t torture_chunk(const char *id, apr_off_t offset, apr_size_t len,
                        cu_reply_t *reply)
{
    const char *data = torture_bytes() + offset;
    apr_size_t done = 0;
    cu_append_t *ap;
    apr_pool_t *pool;
    cu_code_t code;
    cu_ask_t ask;

    apr_pool_create(&pool, scratch.pool);
    scratch_ask(&ask, id);
    ask.offset = offset;
    ask.chunk_length = (apr_off_t)len;
    ask.length = TORTURE_BYTES;
    code = cu_append_begin(&ap, scratch.engine, &ask, reply, pool);
    while (code == CU_OK && done < len) {
        apr_size_t some = len - done < 20000 ? len - done : 20000;

        code = cu_append_write(ap, data + done, some, reply);
        done += some;
        if (code == CU_OK && done % 3 == 0) {
            code = cu_append_settle(ap, reply);
        }
    }
    if (code == CU_OK) {
        code = cu_append_end(ap, reply);
    }
    keep(reply);
    apr_pool_destroy(pool);
    return code;
}

/* One of the calls that move no bytes. */
static cu_code_t ask_for(const char *id, cu_reply_t *reply, const char *md5,
                         cu_code_t (*call)(const cu_engine_t *engine,
                                           const cu_ask_t *ask,
                                           cu_reply_t *reply,
                                           apr_pool_t *pool))
{
    apr_pool_t *pool;
    cu_code_t code;
    cu_ask_t ask;

    apr_pool_create(&pool, scratch.pool);
    scratch_ask(&ask, id);
    ask.digest_hex = md5;
    ask.digest_required = md5 != NULL;
    code = call(scratch.engine, &ask, reply, pool);
    keep(reply);
    apr_pool_destroy(pool);
    return code;
}

cu_code_t torture_complete(const char *id, cu_reply_t *reply)
{
    return ask_for(id, reply, torture_md5(TORTURE_BYTES), cu_complete);
}

cu_code_t torture_query(const char *id, cu_reply_t *reply)
{
    return ask_for(id, reply, NULL, cu_engine_query);
}

cu_code_t torture_cancel(const char *id, cu_reply_t *reply)
{
    return ask_for(id, reply, NULL, cu_engine_cancel);
}

static void told(void *baton, const char *line)
{
    (void)baton;
    apr_cpystrn(torture_problem, line, sizeof(torture_problem));
}

apr_uint64_t torture_fsck(int repair)
{
    apr_pool_t *pool;
    cu_fsck_t result;
    apr_status_t rv;

    torture_problem[0] = '\0';
    apr_pool_create(&pool, scratch.pool);
    rv = cu_fsck(scratch.engine, repair, told, NULL, &scratch.log, &result,
                 pool);
    apr_pool_destroy(pool);
    CHECK(rv == APR_SUCCESS);
    return repair ? result.problems - result.repaired : result.problems;
}

int torture_shows(const char *path, apr_off_t len)
{
    static char bytes[TORTURE_BYTES + 1];
    FILE *file = fopen(path, "re");
    size_t got = 0;

    if (file) {
        got = fread(bytes, 1, (size_t)len, file);
        fclose(file);
    }
    return file && got == (size_t)len
           && memcmp(bytes, torture_bytes(), got) == 0;
}

static apr_off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : -1;
}

void torture_finish(const char *id)
{
    cu_reply_t reply;

    CHECK(torture_query(id, &reply) == CU_OK);
    CHECK(torture_shows(reply.path, reply.offset));
    if (reply.status == CU_STATUS_OPEN && reply.offset < TORTURE_BYTES) {
        CHECK(torture_chunk(id, reply.offset,
                            (apr_size_t)(TORTURE_BYTES - reply.offset),
                            &reply)
              == CU_OK);
    }
    CHECK(torture_complete(id, &reply) == CU_OK);
    CHECK(reply.status == CU_STATUS_DONE);
    CHECK(size_of(reply.path) == TORTURE_BYTES);
    CHECK(torture_shows(reply.path, TORTURE_BYTES));
    if (torture_fsck(0) != 0) {
        fail_msg("%s: at the end: %s", torture_case, torture_problem);
    }
}

void torture_anew(void)
{
    cu_reply_t reply;

    CHECK(torture_chunk(NULL, 0, TORTURE_HALF, &reply) == CU_OK);
    torture_finish(reply.id);
}
