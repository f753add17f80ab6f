/*
 * A process dies by SIGKILL: before each of its calls in turn, and at each
 * point that has a name.  Then another goes on: what was acknowledged is
 * there, nothing is stuck or left over, and the upload is finished with the
 * right bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/append.h"
#include "torture/torture.h"
#include "unit/scratch.h"

typedef struct deed_t {
    const char *name;
    int chunks;    /* that the upload has before: 0, 1, 2 (whole) */
    cu_code_t (*act)(const char *id, cu_reply_t *reply);
    int is_cancel;
} deed_t;

static unsigned long deaths, points;

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

static const deed_t deeds[] = {
    { "create", 0, act_create, 0 },
    { "append", 1, act_append, 0 },
    { "complete", 2, torture_complete, 0 },
    { "cancel", 1, torture_cancel, 1 },
};

static const char *prepare(const deed_t *deed)
{
    cu_reply_t reply;
    const char *id = NULL;

    if (deed->chunks > 0) {
        CHECK(act_create(NULL, &reply) == CU_OK);
        id = reply.id;
    }
    if (deed->chunks > 1) {
        CHECK(act_append(id, &reply) == CU_OK);
    }
    return id;
}

/* Do it in a child, with what kills it.  1: it died of that. */
static int die(const deed_t *deed, const char *id,
               const cu_fault_plan_t *plan, const char *point)
{
    cu_reply_t reply;
    pid_t child;
    int status;

    fflush(NULL);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        cu_fault_arm(plan);
        cu_fault_kill_at(point, 1);
        _exit(deed->act(id, &reply) == CU_OK ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        ++deaths;
        return 1;
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

/* What is left of a cancelled upload: nothing, or all of it. */
static void after_cancel(const char *id)
{
    cu_reply_t reply;
    cu_code_t code = torture_query(id, &reply);

    if (code == CU_OK) {
        torture_finish(id);
        return;
    }
    CHECK(code == CU_NOT_FOUND);
    CHECK(torture_fsck(0) == 0);
    CHECK(scratch_files(".part") == 0);
    CHECK(scratch_files(".state") == 0);
}

/* With repair first or without: recovery is whose who comes next. */
static void go_on(const deed_t *deed, const char *id, int repair)
{
    cu_reply_t reply;

    scratch_now += apr_time_from_sec(3600);
    if (repair || !id) {
        CHECK(torture_fsck(1) == 0);
    }
    if (deed->is_cancel) {
        after_cancel(id);
    }
    else if (id) {
        CHECK(torture_query(id, &reply) == CU_OK);
        CHECK(reply.offset >= (deed->chunks > 1 ? TORTURE_BYTES
                                                : TORTURE_HALF));
        CHECK(torture_complete(id, &reply) == CU_OK
              || reply.offset < TORTURE_BYTES);
        CHECK(torture_fsck(1) == 0); /* the catalogue may not have heard */
        torture_finish(id);
    }
    else {
        CHECK(scratch_files(".part") == scratch_files(".state"));
        CHECK(scratch_files(".new") == 0);
        torture_anew();
    }
}

static const char *const syncs[] = { "none", "complete", "chunk" };

static void every_call(const deed_t *deed, cu_sync_t sync)
{
    cu_fault_plan_t plan = { CU_FAULT_ALL, 0, 0, CU_FAULT_DIE };
    int died;

    do {
        const char *id;

        ++plan.nth;
        snprintf(torture_case, sizeof(torture_case),
                 "%s, sync %s, killed before call %lu", deed->name,
                 syncs[sync], plan.nth);
        torture_begin("sdbm", sync);
        id = prepare(deed);
        died = die(deed, id, &plan, NULL);
        if (died) {
            go_on(deed, id, (int)(plan.nth & 1));
        }
        torture_end();
    } while (died);
}

#define POINTS_MAX 32

static char passed[POINTS_MAX][40];
static int passed_count;

static void see(const char *point)
{
    int i;

    for (i = 0; i < passed_count; ++i) {
        if (strcmp(passed[i], point) == 0) {
            return;
        }
    }
    CHECK(passed_count < POINTS_MAX);
    snprintf(passed[passed_count++], sizeof(passed[0]), "%s", point);
}

static void every_point(const deed_t *deed, cu_sync_t sync)
{
    cu_reply_t reply;
    const char *id;
    int i;

    passed_count = 0;
    torture_begin("sdbm", sync);
    id = prepare(deed);
    cu_fault_trace(see);
    CHECK(deed->act(id, &reply) == CU_OK);
    cu_fault_trace(NULL);
    torture_end();
    CHECK(passed_count > 2);
    for (i = 0; i < passed_count; ++i) {
        snprintf(torture_case, sizeof(torture_case),
                 "%s, sync %s, killed %.39s", deed->name, syncs[sync],
                 passed[i]);
        torture_begin("sdbm", sync);
        id = prepare(deed);
        CHECK(die(deed, id, NULL, passed[i]));
        go_on(deed, id, i & 1);
        torture_end();
        ++points;
    }
}

static void both(const deed_t *deed)
{
    int sync;

    for (sync = CU_SYNC_NONE; sync <= CU_SYNC_CHUNK; ++sync) {
        every_point(deed, (cu_sync_t)sync);
        if (sync != CU_SYNC_NONE) {
            every_call(deed, (cu_sync_t)sync);
        }
    }
}

static void test_create(void **state)
{
    (void)state;
    both(&deeds[0]);
}

static void test_append(void **state)
{
    (void)state;
    both(&deeds[1]);
}

static void test_complete(void **state)
{
    (void)state;
    both(&deeds[2]);
}

static void test_cancel(void **state)
{
    (void)state;
    both(&deeds[3]);
}

/* The environment names a point for a server that is built so. */
static void test_environment(void **state)
{
    const deed_t *deed = &deeds[1];
    const char *id;

    (void)state;
    torture_begin("mem", CU_SYNC_COMPLETE);
    id = prepare(deed);
    setenv("CU_KILL_AT", "after_bytes:1", 1);
    CHECK(die(deed, id, NULL, NULL));
    unsetenv("CU_KILL_AT");
    go_on(deed, id, 0);
    torture_end();
}

static int say_figures(void **state)
{
    printf("figures: %lu processes killed, %lu of them at named points\n",
           deaths, points);
    return scratch_group_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_environment),
    };

    return cmocka_run_group_tests(tests, scratch_group_setup, say_figures);
}
