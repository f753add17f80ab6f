/*
 * Every call of the store fails in turn: the first, the second, ... until a
 * run sees no fault any more, with every kind of error, once and for good.
 * After each run the answer was true, the store is whole or mends itself, and
 * the upload goes on once the fault is gone.
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
#include <unistd.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "engine/append.h"
#include "engine/fsck.h"
#include "engine/open.h"
#include "store/partfile.h"
#include "torture/torture.h"
#include "unit/scratch.h"

#define BIT(call) (1U << (call))
#define TAKES_SPACE                                                           \
    (BIT(CU_FAULT_CREATE) | BIT(CU_FAULT_WRITE) | BIT(CU_FAULT_SYNC)          \
     | BIT(CU_FAULT_MKDIR) | BIT(CU_FAULT_RENAME) | BIT(CU_FAULT_DBM))
#define CHANGES                                                               \
    (BIT(CU_FAULT_OPEN_RW) | BIT(CU_FAULT_CREATE) | BIT(CU_FAULT_WRITE)       \
     | BIT(CU_FAULT_TRUNCATE) | BIT(CU_FAULT_MKDIR) | BIT(CU_FAULT_UNLINK)    \
     | BIT(CU_FAULT_RENAME) | BIT(CU_FAULT_DBM))
#define OPENS                                                                 \
    (BIT(CU_FAULT_OPEN) | BIT(CU_FAULT_OPEN_RW) | BIT(CU_FAULT_CREATE)        \
     | BIT(CU_FAULT_DIR))

typedef struct kind_t {
    const char *name;
    int error;
    unsigned int calls;
    int sticky;
    int invisible;    /* must not be noticed at all */
    int removes;      /* what failed can be removed while the fault lasts */
    cu_code_t code;   /* the answer, when it is not CU_OK */
} kind_t;

static const kind_t kinds[] = {
    { "ENOSPC", ENOSPC, TAKES_SPACE, 0, 0, 1, CU_NO_SPACE },
    { "ENOSPC for good", ENOSPC, TAKES_SPACE, 1, 0, 1, CU_NO_SPACE },
    { "EDQUOT", EDQUOT, TAKES_SPACE, 0, 0, 1, CU_NO_SPACE },
    { "EIO", EIO, CU_FAULT_ALL, 0, 0, 1, CU_IO },
    { "EIO for good", EIO, CU_FAULT_ALL, 1, 0, 0, CU_IO },
    { "EROFS for good", EROFS, CHANGES, 1, 0, 0, CU_IO },
    { "EMFILE", EMFILE, OPENS, 0, 0, 1, CU_IO },
    { "EMFILE for good", EMFILE, OPENS, 1, 0, 0, CU_IO },
    { "sync EIO", EIO, BIT(CU_FAULT_SYNC), 0, 0, 1, CU_IO },
    { "sync EIO for good", EIO, BIT(CU_FAULT_SYNC), 1, 0, 1, CU_IO },
    { "EINTR", EINTR, CU_FAULT_ALL & ~BIT(CU_FAULT_DBM) & ~BIT(CU_FAULT_STAT)
          & ~BIT(CU_FAULT_DIR), 0, 1, 1, CU_OK },
    { "short", CU_FAULT_SHORT, BIT(CU_FAULT_READ) | BIT(CU_FAULT_WRITE), 0, 1,
      1, CU_OK },
    { "all short", CU_FAULT_SHORT, BIT(CU_FAULT_READ) | BIT(CU_FAULT_WRITE), 1,
      1, 1, CU_OK },
};

/* One thing that is done under faults. */
typedef struct deed_t {
    const char *name;
    /* Without faults; returns the id, or NULL when there is none yet. */
    const char *(*prepare)(void);
    cu_code_t (*act)(const char *id, cu_reply_t *reply);
    /* After the faults: what must be true by this answer. */
    void (*verify)(const char *id, cu_code_t code, const cu_reply_t *reply,
                   const kind_t *kind);
} deed_t;

static unsigned long injected;

/* ------------------------------------------- bytes lost by a failed sync */

static struct {
    ino_t part;
    apr_off_t from; /* written since the last good sync; -1 nothing */
    apr_off_t lost; /* from here on a failed sync lost them; -1 nothing */
} cache;

static void cache_watch(const cu_fault_event_t *event)
{
    struct stat st;

    if ((event->call != CU_FAULT_WRITE && event->call != CU_FAULT_SYNC)
        || fstat(event->fd, &st) != 0 || st.st_ino != cache.part) {
        return;
    }
    if (event->call == CU_FAULT_WRITE) {
        if (cache.from < 0 || event->offset < cache.from) {
            cache.from = event->offset;
        }
    }
    else {
        if (event->failed && cache.from >= 0) {
            cache.lost = cache.from;
        }
        cache.from = -1;
    }
}

/* The pages that a sync could not write were marked clean and are gone when
 * memory is short: what a reader gets is what the disk has. */
static void cache_drop(const char *path)
{
    struct stat st;

    if (cache.lost >= 0 && stat(path, &st) == 0 && st.st_size > cache.lost) {
        CHECK(truncate(path, cache.lost) == 0);
        CHECK(truncate(path, st.st_size) == 0);
    }
}

/* ------------------------------------------------------------------- deeds */

static const char *nothing(void)
{
    return NULL;
}

static const char *half(void)
{
    cu_reply_t reply;

    CHECK(torture_chunk(NULL, 0, TORTURE_HALF, &reply) == CU_OK);
    return reply.id;
}

static const char *whole(void)
{
    cu_reply_t reply;
    const char *id = half();

    CHECK(torture_chunk(id, TORTURE_HALF, TORTURE_BYTES - TORTURE_HALF, &reply)
          == CU_OK);
    return id;
}

static const char *done(void)
{
    cu_reply_t reply;
    const char *id = whole();

    CHECK(torture_complete(id, &reply) == CU_OK);
    return id;
}

/* An upload in another status, as a crash leaves it. */
static const char *left_as(const char *id, cu_status_t status)
{
    cu_state_file_t *sf;

    CHECK(cu_state_open(&sf, scratch.dir, id, 0, scratch.pool) == 0);
    CHECK(cu_state_lock(sf, 1, 0) == 0);
    sf->slot.status = status;
    CHECK(cu_state_write(sf) == 0);
    cu_state_close(sf);
    return id;
}

static const char *left_creating(void)
{
    return left_as(half(), CU_STATUS_CREATING);
}

static const char *left_sealing(void)
{
    return left_as(whole(), CU_STATUS_SEALING);
}

static const char *left_cancelled(void)
{
    return left_as(half(), CU_STATUS_CANCELLED);
}

/* A catalogue on disk has many calls of its own: once is enough. */
static const char *dbm_of(cu_sync_t sync)
{
    return sync == CU_SYNC_COMPLETE ? "sdbm" : "mem";
}

/* The machine went down; what was written did reach the disk. */
static const char *other_boot(void)
{
    const char *id = half();

    torture_engine(dbm_of(scratch.engine->sync), scratch.engine->sync,
                   "second");
    return id;
}

/* A tail that was never acknowledged. */
static const char *whole_and_tail(void)
{
    const char *id = whole();
    const char *path = scratch_file(".part");
    FILE *file = fopen(path, "ae");

    CHECK(file != NULL);
    CHECK(fputs("tail", file) >= 0);
    CHECK(fclose(file) == 0);
    return id;
}

static cu_code_t act_create(const char *id, cu_reply_t *reply)
{
    (void)id;
    return torture_chunk(NULL, 0, TORTURE_HALF, reply);
}

static cu_code_t act_append(const char *id, cu_reply_t *reply)
{
    return torture_chunk(id, TORTURE_HALF, TORTURE_BYTES - TORTURE_HALF,
                         reply);
}

/* The id is known only at the end. */
static cu_code_t act_adopt(const char *id, cu_reply_t *reply)
{
    cu_append_t *ap;
    apr_pool_t *pool;
    cu_ask_t ask, known;
    cu_code_t code;

    apr_pool_create(&pool, scratch.pool);
    scratch_ask(&ask, NULL);
    ask.offset = TORTURE_HALF;
    ask.length = TORTURE_BYTES;
    known = ask;
    known.id = id;
    code = cu_append_begin_unnamed(&ap, scratch.engine, &ask, reply, pool);
    if (code == CU_OK) {
        code = cu_append_write(ap, torture_bytes() + TORTURE_HALF,
                               TORTURE_BYTES - TORTURE_HALF, reply);
        if (code == CU_OK) {
            code = cu_append_adopt(ap, &known, reply);
        }
        if (code == CU_OK) {
            code = cu_append_end(ap, reply);
        }
        cu_append_abort(ap);
    }
    reply->id = id;
    apr_pool_destroy(pool);
    return code;
}

/* A body that breaks off where what has arrived counts. */
static cu_code_t act_broken(const char *id, cu_reply_t *reply)
{
    cu_append_t *ap;
    apr_pool_t *pool;
    cu_code_t code;
    cu_ask_t ask;

    apr_pool_create(&pool, scratch.pool);
    scratch_ask(&ask, id);
    ask.offset = TORTURE_HALF;
    ask.length = TORTURE_BYTES;
    ask.keep_partial = 1;
    code = cu_append_begin(&ap, scratch.engine, &ask, reply, pool);
    if (code == CU_OK) {
        code = cu_append_write(ap, torture_bytes() + TORTURE_HALF, 150000,
                               reply);
        cu_append_abort(ap);
    }
    apr_pool_destroy(pool);
    return code;
}

static void verify_create(const char *id, cu_code_t code,
                          const cu_reply_t *reply, const kind_t *kind)
{
    (void)id;
    if (code == CU_OK) {
        CHECK(torture_shows(reply->path, TORTURE_HALF));
        torture_finish(reply->id);
        return;
    }
    if (kind->removes) {
        CHECK(scratch_files(".part") == 0);
        CHECK(scratch_files(".state") == 0);
        CHECK(scratch_files(".new") == 0);
    }
    scratch_now += apr_time_from_sec(3600); /* what is old is left over */
    CHECK(torture_fsck(1) == 0);
    torture_anew();
}

static void verify_append(const char *id, cu_code_t code,
                          const cu_reply_t *reply, const kind_t *kind)
{
    cu_reply_t now;

    (void)reply;
    CHECK(torture_query(id, &now) == CU_OK);
    if (code == CU_OK) {
        CHECK(now.offset == TORTURE_BYTES);
    }
    else if (!kind->sticky || !(kind->calls & BIT(CU_FAULT_WRITE))) {
        /* what was not acknowledged is not reported either */
        CHECK(now.offset == TORTURE_HALF);
    }
    torture_finish(id);
}

static void verify_broken(const char *id, cu_code_t code,
                          const cu_reply_t *reply, const kind_t *kind)
{
    cu_reply_t now;

    (void)code;
    (void)reply;
    CHECK(torture_query(id, &now) == CU_OK);
    CHECK(now.offset <= TORTURE_HALF + 150000);
    if (kind->invisible) {
        CHECK(now.offset == TORTURE_HALF + 150000);
    }
    torture_finish(id);
}

static void verify_complete(const char *id, cu_code_t code,
                            const cu_reply_t *reply, const kind_t *kind)
{
    cu_reply_t now;

    (void)reply;
    (void)kind;
    CHECK(torture_query(id, &now) == CU_OK);
    if (code == CU_OK) {
        CHECK(now.status == CU_STATUS_DONE);
    }
    torture_finish(id);
}

static void verify_gone(const char *id, cu_code_t code,
                        const cu_reply_t *reply, const kind_t *kind)
{
    cu_reply_t now;

    (void)reply;
    (void)kind;
    if (code != CU_OK && code != CU_NOT_FOUND
        && torture_cancel(id, &now) != CU_OK) {
        CHECK(torture_query(id, &now) == CU_NOT_FOUND);
    }
    CHECK(torture_query(id, &now) == CU_NOT_FOUND);
    CHECK(torture_fsck(0) == 0);
    CHECK(scratch_files(".part") == 0);
    CHECK(scratch_files(".state") == 0);
}

static void verify_same(const char *id, cu_code_t code,
                        const cu_reply_t *reply, const kind_t *kind)
{
    (void)code;
    (void)reply;
    (void)kind;
    torture_finish(id);
}

static const deed_t deeds[] = {
    { "create", nothing, act_create, verify_create },
    { "append", half, act_append, verify_append },
    { "adopt", half, act_adopt, verify_append },
    { "broken off", half, act_broken, verify_broken },
    { "complete", whole, torture_complete, verify_complete },
    { "complete a tail", whole_and_tail, torture_complete, verify_complete },
    { "complete again", done, torture_complete, verify_complete },
    { "query", half, torture_query, verify_same },
    { "cancel", half, torture_cancel, verify_gone },
    { "recover creating", left_creating, torture_query, verify_gone },
    { "recover sealing", left_sealing, torture_query, verify_same },
    { "recover cancelled", left_cancelled, torture_query, verify_gone },
    { "recover bytes", other_boot, torture_query, verify_same },
};

/* The answers that a fault may have. */
static int is_true_answer(const deed_t *deed, const kind_t *kind,
                          cu_code_t code, cu_code_t without)
{
    (void)deed;
    return code == without || (!kind->invisible && code == kind->code);
}

static void mend(void)
{
    scratch_now += apr_time_from_sec(3600); /* what is old is left over */
    if (torture_fsck(1) != 0) {
        fail_msg("%s: not mended: %s", torture_case, torture_problem);
    }
    if (torture_problem[0] && torture_fsck(0) != 0) {
        fail_msg("%s: not clean: %s", torture_case, torture_problem);
    }
}

/* One run.  0 when its fault was beyond the last call. */
static int run(const deed_t *deed, const kind_t *kind, cu_sync_t sync,
               unsigned long nth, cu_code_t *without)
{
    cu_fault_plan_t plan = { kind->calls, nth, kind->sticky, kind->error };
    unsigned long hits;
    struct stat st;
    cu_reply_t reply;
    const char *id, *path = NULL;
    cu_code_t code;

    torture_begin(dbm_of(sync), sync);
    id = deed->prepare();
    memset(&cache, 0, sizeof(cache));
    cache.from = cache.lost = -1;
    if (scratch_files(".part") == 1) {
        path = scratch_file(".part");
        CHECK(stat(path, &st) == 0);
        cache.part = st.st_ino;
        cache.from = sync == CU_SYNC_CHUNK ? -1 : 0;
        cu_fault_watch(cache_watch);
    }
    cu_fault_arm(&plan);
    code = deed->act(id, &reply);
    hits = cu_fault_hits();
    cu_fault_arm(NULL);
    cu_fault_watch(NULL);
    if (hits == 0) {
        *without = code;
        torture_end();
        return 0;
    }
    injected += hits;
    if (!is_true_answer(deed, kind, code, *without)) {
        fail_msg("%s: answered %s: %s", torture_case, cu_code_name(code),
                 reply.detail ? reply.detail : "");
    }
    /* a sync that failed cannot be made up for where nothing can be written */
    if (path && !(kind->sticky && (kind->calls & BIT(CU_FAULT_WRITE)))) {
        cache_drop(path);
    }
    if (deed->act == act_create && code != CU_OK) {
        deed->verify(id, code, &reply, kind);
        mend();
    }
    else {
        mend();
        deed->verify(id, code, &reply, kind);
    }
    torture_end();
    return 1;
}

static void torture(const deed_t *deed, cu_sync_t sync)
{
    static const char *const syncs[] = { "none", "complete", "chunk" };
    const kind_t none = { "no fault", 0, 0, 0, 0, 0, CU_OK };
    cu_code_t without = CU_OK;
    apr_size_t k;

    snprintf(torture_case, sizeof(torture_case), "%s, sync %s", deed->name,
             syncs[sync]);
    CHECK(run(deed, &none, sync, 0, &without) == 0);
    for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); ++k) {
        unsigned long nth = 0;

        /* without syncs there are fewer calls, and none of its own */
        if (sync == CU_SYNC_NONE && kinds[k].error != EIO) {
            continue;
        }
        /* and these do not depend on them */
        if (sync == CU_SYNC_CHUNK
            && (kinds[k].error == EMFILE || kinds[k].error == EROFS
                || kinds[k].error == EDQUOT)) {
            continue;
        }
        do {
            ++nth;
            snprintf(torture_case, sizeof(torture_case),
                     "%s, sync %s, %s at call %lu", deed->name, syncs[sync],
                     kinds[k].name, nth);
        } while (run(deed, &kinds[k], sync, nth, &without));
    }
}

static void deed_by_name(const char *name)
{
    apr_size_t i;
    int sync;

    for (i = 0; i < sizeof(deeds) / sizeof(deeds[0]); ++i) {
        if (strcmp(deeds[i].name, name) == 0) {
            for (sync = CU_SYNC_NONE; sync <= CU_SYNC_CHUNK; ++sync) {
                torture(&deeds[i], (cu_sync_t)sync);
            }
            return;
        }
    }
    fail_msg("no deed %s", name);
}

static void test_create(void **state)
{
    (void)state;
    deed_by_name("create");
}

static void test_append(void **state)
{
    (void)state;
    deed_by_name("append");
}

static void test_adopt(void **state)
{
    (void)state;
    deed_by_name("adopt");
}

static void test_broken_off(void **state)
{
    (void)state;
    deed_by_name("broken off");
}

static void test_complete(void **state)
{
    (void)state;
    deed_by_name("complete");
}

static void test_complete_a_tail(void **state)
{
    (void)state;
    deed_by_name("complete a tail");
}

static void test_complete_again(void **state)
{
    (void)state;
    deed_by_name("complete again");
}

static void test_query(void **state)
{
    (void)state;
    deed_by_name("query");
}

static void test_cancel(void **state)
{
    (void)state;
    deed_by_name("cancel");
}

static void test_recover_creating(void **state)
{
    (void)state;
    deed_by_name("recover creating");
}

static void test_recover_sealing(void **state)
{
    (void)state;
    deed_by_name("recover sealing");
}

static void test_recover_cancelled(void **state)
{
    (void)state;
    deed_by_name("recover cancelled");
}

static void test_recover_bytes(void **state)
{
    (void)state;
    deed_by_name("recover bytes");
}

static void ignore_line(void *baton, const char *line)
{
    (void)baton;
    (void)line;
}

/* fsck that cannot look must not take what it does not see for missing. */
static void test_fsck_keeps_what_it_cannot_see(void **state)
{
    unsigned long nth, hits;
    apr_size_t k;

    (void)state;
    for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); ++k) {
        nth = 0;
        do {
            cu_fault_plan_t plan = { kinds[k].calls, ++nth, kinds[k].sticky,
                                     kinds[k].error };
            const char *finished, *open;
            apr_pool_t *pool;
            cu_fsck_t result;

            snprintf(torture_case, sizeof(torture_case), "fsck, %s at call %lu",
                     kinds[k].name, nth);
            torture_begin("mem", CU_SYNC_COMPLETE);
            finished = done();
            open = half();
            apr_pool_create(&pool, scratch.pool);
            cu_fault_arm(&plan);
            CU_BEST_EFFORT(cu_fsck(scratch.engine, 1, ignore_line, NULL,
                                   &scratch.log, &result, pool));
            hits = cu_fault_hits();
            cu_fault_arm(NULL);
            apr_pool_destroy(pool);
            injected += hits;
            CHECK(scratch_files(".part") == 2);
            mend();
            torture_finish(finished);
            torture_finish(open);
            torture_end();
        } while (hits > 0);
    }
}

static int say_figures(void **state)
{
    (void)state;
    printf("figures: %lu faults injected\n", injected);
    return scratch_group_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_adopt),
        cmocka_unit_test(test_broken_off),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_complete_a_tail),
        cmocka_unit_test(test_complete_again),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_recover_creating),
        cmocka_unit_test(test_recover_sealing),
        cmocka_unit_test(test_recover_cancelled),
        cmocka_unit_test(test_recover_bytes),
        cmocka_unit_test(test_fsck_keeps_what_it_cannot_see),
    };

    cmocka_set_test_filter(getenv("ONLY")); /* "test_append" and the like */
    return cmocka_run_group_tests(tests, scratch_group_setup, say_figures);
}
