/*
 * Power loss by replay: a store at work is recorded, with processes that die
 * in the middle and syncs that fail; then the power fails after any of its
 * steps, what was not synced is lost, kept, reordered, torn or zeroed, and
 * the machine boots again.
 *
 *   sync chunk:     no offset that was acknowledged or reported is lost
 *   sync complete:  no finished file is lost or damaged
 *   in every mode:  no offset is reported whose bytes are not there, and no
 *                   wrong file is completed
 *
 * REPLAYS=n runs n cuts instead of a few hundred, SEED=n begins elsewhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "engine/append.h"
#include "engine/complete.h"
#include "torture/recorder.h"
#include "torture/torture.h"
#include "unit/scratch.h"

#define UPLOADS 4
#define STEPS 50
#define CUTS 25        /* of one recording */
#define TOTAL 20000    /* bytes of an upload */
#define FACTS_MAX 1000

/* What clients knew when so many things had happened. */
typedef struct fact_t {
    int count;
    int upload;
    char id[40];
    apr_off_t promised; /* acknowledged or reported */
    int done;           /* said to be complete */
    int cancelled;      /* asked for, whatever was answered */
} fact_t;

static fact_t facts[FACTS_MAX];
static int fact_count;
static fact_t uploads[UPLOADS]; /* as they are now */
static unsigned long replays, recordings, finished, resumed;
static cu_sync_t mode;

static const char *bytes_of(int upload)
{
    return torture_bytes() + 5003 * upload;
}

static const char *md5_of(int upload)
{
    static char hex[CU_DIGEST_HEX_MAX];
    cu_digest_t *digest;

    CHECK(cu_digest_begin(&digest, CU_DIGEST_MD5, scratch.pool) == 0);
    cu_digest_update(digest, bytes_of(upload), TOTAL);
    cu_digest_hex(digest, hex);
    return hex;
}

static int shows(int upload, const char *path, apr_off_t len)
{
    static char bytes[TOTAL + 1];
    FILE *file = fopen(path, "re");
    size_t got = 0;

    if (file) {
        got = fread(bytes, 1, (size_t)len, file);
        fclose(file);
    }
    return file && got == (size_t)len
           && memcmp(bytes, bytes_of(upload), got) == 0;
}

/* --------------------------------------------------------------- recording */

static void note(int upload)
{
    CHECK(fact_count < FACTS_MAX);
    facts[fact_count] = uploads[upload];
    facts[fact_count].count = recorder_count();
    facts[fact_count].upload = upload;
    ++fact_count;
}

/* What this answer told its client. */
static void learn(int upload, cu_code_t code, const cu_reply_t *reply)
{
    fact_t *u = &uploads[upload];

    if (code != CU_OK && code != CU_OFFSET_MISMATCH) {
        return;
    }
    if (reply->id && !u->id[0]) {
        apr_cpystrn(u->id, reply->id, sizeof(u->id));
    }
    if (reply->offset > u->promised) {
        u->promised = reply->offset;
    }
    if (code == CU_OK && reply->status == CU_STATUS_DONE) {
        u->done = 1;
    }
    note(upload);
}

static cu_code_t send_some(int upload, apr_off_t offset, apr_size_t len,
                      cu_reply_t *reply, apr_pool_t *pool)
{
    fact_t *u = &uploads[upload];
    cu_append_t *ap;
    cu_code_t code;
    cu_ask_t ask;

    scratch_ask(&ask, u->id[0] ? u->id : NULL);
    ask.offset = offset;
    ask.chunk_length = (apr_off_t)len;
    ask.length = TOTAL;
    ask.keep_partial = (int)recorder_random(2);
    code = cu_append_begin(&ap, scratch.engine, &ask, reply, pool);
    if (code == CU_OK) {
        code = cu_append_write(ap, bytes_of(upload) + offset, len, reply);
    }
    if (code == CU_OK && recorder_random(3) == 0) {
        code = cu_append_settle(ap, reply);
    }
    return code == CU_OK ? cu_append_end(ap, reply) : code;
}

static void learned_send(int upload, apr_off_t offset)
{
    apr_size_t len = 1 + recorder_random(6000);
    cu_reply_t reply;
    apr_pool_t *pool;
    cu_code_t code;

    if ((apr_off_t)len > TOTAL - offset) {
        len = (apr_size_t)(TOTAL - offset);
    }
    apr_pool_create(&pool, scratch.pool);
    code = send_some(upload, offset, len, &reply, pool);
    learn(upload, code, &reply);
    apr_pool_destroy(pool);
}

/* One of the calls without bytes. */
static cu_code_t call(int upload, const char *md5, cu_reply_t *reply,
                      cu_code_t (*fn)(const cu_engine_t *engine,
                                      const cu_ask_t *ask, cu_reply_t *reply,
                                      apr_pool_t *pool))
{
    cu_ask_t ask;

    scratch_ask(&ask, uploads[upload].id);
    ask.digest_hex = md5;
    ask.digest_required = md5 != NULL;
    return fn(scratch.engine, &ask, reply, scratch.pool);
}

static void complete(int upload)
{
    const char *md5 = recorder_random(2) ? md5_of(upload) : NULL;
    cu_reply_t reply;
    cu_code_t code = call(upload, md5, &reply, cu_complete);

    learn(upload, code, &reply);
}

static void cancel(int upload)
{
    cu_reply_t reply;

    uploads[upload].cancelled = 1;
    note(upload);
    if (call(upload, NULL, &reply, cu_engine_cancel) == CU_OK) {
        memset(&uploads[upload], 0, sizeof(uploads[upload]));
    }
}

/* One of the next few syncs fails. */
static void fail_a_sync(unsigned int next)
{
    cu_fault_plan_t plan = { 1U << CU_FAULT_SYNC, 1 + recorder_random(next), 0,
                             EIO };

    cu_fault_arm(&plan);
}

static void go_on(int upload)
{
    fact_t *u = &uploads[upload];
    cu_reply_t reply;
    cu_code_t code;

    if (!u->id[0]) {
        learned_send(upload, 0);
        return;
    }
    code = call(upload, NULL, &reply, cu_engine_query);
    learn(upload, code, &reply);
    if (code == CU_NOT_FOUND) { /* a removal that was finished */
        CHECK(u->cancelled);
        memset(u, 0, sizeof(*u));
    }
    else if (code != CU_OK || u->done) {
        return; /* a fault, or nothing to do */
    }
    else if (reply.offset == TOTAL && recorder_random(4) == 0) {
        fail_a_sync(3);
        complete(upload);
        cu_fault_arm(NULL);
    }
    else if (reply.offset == TOTAL) {
        complete(upload);
    }
    else if (recorder_random(20) == 0) {
        learned_send(upload, reply.offset > 0 ? reply.offset - 1 : 1);
    }
    else if (recorder_random(40) == 0) {
        cancel(upload);
    }
    else {
        learned_send(upload, reply.offset);
    }
}

/* The process dies at one of its next calls, or of its next syncs: none that
 * follows has an effect.  Then somebody asks what there is. */
static void go_on_and_die(int upload)
{
    const int sync = (int)recorder_random(2);
    cu_fault_plan_t plan = { sync ? 1U << CU_FAULT_SYNC : CU_FAULT_ALL,
                             1 + recorder_random(sync ? 6 : 60), 2,
                             RECORDER_DEAD };
    cu_reply_t reply;

    cu_fault_arm(&plan);
    go_on(upload);
    cu_fault_arm(NULL);
    if (uploads[upload].id[0] && !uploads[upload].cancelled) {
        learn(upload, call(upload, NULL, &reply, cu_engine_query), &reply);
    }
}

static void go_on_unsynced(int upload)
{
    fail_a_sync(6);
    go_on(upload);
    cu_fault_arm(NULL);
}

static void record_workload(void)
{
    int i;

    memset(uploads, 0, sizeof(uploads));
    fact_count = 0;
    recorder_begin(scratch.dir);
    for (i = 0; i < STEPS; ++i) {
        int upload = (int)recorder_random(UPLOADS);

        switch (recorder_random(8)) {
        case 0:
            go_on_and_die(upload);
            break;
        case 1:
            go_on_unsynced(upload);
            break;
        default:
            go_on(upload);
        }
    }
    recorder_end();
    ++recordings;
}

/* --------------------------------------------------------------- replaying */

static void check_done(const fact_t *u, const cu_reply_t *reply)
{
    struct stat st;

    CHECK(stat(reply->path, &st) == 0 && st.st_size == TOTAL);
    CHECK(shows(u->upload, reply->path, TOTAL));
    CHECK(!reply->digest_hex
          || strcmp(reply->digest_hex, md5_of(u->upload)) == 0);
    ++finished;
}

/* Send the rest and complete, with and without a digest of the client's. */
static void check_resume(const fact_t *u, apr_off_t offset)
{
    const char *md5 = recorder_random(2) ? md5_of(u->upload) : NULL;
    cu_reply_t reply;
    apr_pool_t *pool;

    apr_pool_create(&pool, scratch.pool);
    if (offset < TOTAL) {
        CHECK(send_some(u->upload, offset, (apr_size_t)(TOTAL - offset), &reply,
                   pool)
              == CU_OK);
    }
    apr_pool_destroy(pool);
    CHECK(call(u->upload, md5, &reply, cu_complete) == CU_OK);
    check_done(u, &reply);
    ++resumed;
}

static void check_upload(const fact_t *u)
{
    cu_reply_t reply;
    cu_code_t code;

    uploads[u->upload] = *u;
    code = call(u->upload, NULL, &reply, cu_engine_query);
    if (u->done && mode != CU_SYNC_NONE) {
        CHECK(code == CU_OK && reply.status == CU_STATUS_DONE);
    }
    if (mode == CU_SYNC_CHUNK && u->promised > 0 && !u->cancelled) {
        CHECK(code == CU_OK);
        CHECK(reply.offset >= u->promised);
    }
    if (code != CU_OK) {
        CHECK(code == CU_NOT_FOUND
              || (code == CU_DAMAGED && mode != CU_SYNC_CHUNK));
    }
    else if (reply.status == CU_STATUS_OPEN) {
        CHECK(shows(u->upload, reply.path, reply.offset));
        check_resume(u, reply.offset);
    }
    else {
        CHECK(reply.status == CU_STATUS_DONE);
        check_done(u, &reply);
    }
}

/* With sync chunk there is nothing that fsck cannot mend. */
static void check_store(void)
{
    scratch_now += apr_time_from_sec(3600);
    if (torture_fsck(1) != 0 && mode == CU_SYNC_CHUNK) {
        fail_msg("%s: not mended: %s", torture_case, torture_problem);
    }
}

/* The last facts of each upload that were known by then. */
static void check_uploads(int count)
{
    int i, k;

    for (i = 0; i < fact_count; ++i) {
        int last = facts[i].count <= count;

        for (k = i + 1; last && k < fact_count; ++k) {
            last = facts[k].count > count
                   || strcmp(facts[k].id, facts[i].id) != 0;
        }
        if (last && facts[i].id[0]) {
            check_upload(&facts[i]);
        }
    }
}

static void replay(unsigned int seed)
{
    static const char *const styles[] = { "loses", "keeps", "zeroes",
                                          "mixes" };
    static const char *const modes[] = { "none", "complete", "chunk" };
    apr_pool_t *outer = scratch.pool;
    unsigned int total = (unsigned int)recorder_count();
    int count = 8 + (int)recorder_random(total - 7);
    cut_style_t style = recorder_random(2) ? CUT_MIXES
                                           : (cut_style_t)recorder_random(4);
    int store_first = (int)recorder_random(2);

    /* often right after an answer, before anything else can help */
    if (recorder_random(2) && fact_count > 0) {
        count = facts[recorder_random((unsigned int)fact_count)].count;
    }
    snprintf(torture_case, sizeof(torture_case),
             "SEED=%u, sync %s, cut after %d of %u, %s", seed, modes[mode],
             count, total, styles[style]);
    recorder_cut(count, style);
    apr_pool_create(&scratch.pool, outer);
    torture_engine("mem", mode, "second");
    if (store_first) {
        check_store();
    }
    check_uploads(count);
    check_store();
    apr_pool_destroy(scratch.pool);
    scratch.pool = outer;
    ++replays;
}

static void test_power_loss(void **state)
{
    const char *wanted = getenv("REPLAYS"), *from = getenv("SEED");
    unsigned long goal = wanted ? strtoul(wanted, NULL, 10) : 600;
    unsigned int seed = from ? (unsigned int)strtoul(from, NULL, 10) : 1;
    int i;

    (void)state;
    for (; replays < goal; ++seed) {
        recorder_seed(seed);
        mode = (cu_sync_t)(seed % 3);
        snprintf(torture_case, sizeof(torture_case), "SEED=%u, recording",
                 seed);
        torture_begin("mem", mode);
        record_workload();
        for (i = 0; i < CUTS && replays < goal; ++i) {
            replay(seed);
        }
        torture_end();
    }
    printf("figures: %lu power losses in %lu recordings; %lu files finished "
           "before or after, %lu of them resumed\n",
           replays, recordings, finished, resumed);
    CHECK(finished > 0 && resumed > 0 && resumed < finished);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_loss),
    };

    return cmocka_run_group_tests(tests, scratch_group_setup,
                                  scratch_group_teardown);
}
