/*
 * Expiry and passes: what goes, what stays, who is never touched, and what a
 * jump of the clock does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "engine/append.h"
#include "engine/complete.h"
#include "engine/expire.h"
#include "engine/open.h"
#include "engine/pass.h"
#include "unit/scratch.h"

#define MD5_OF_ABCDEF "e80b5017098950fc58aad83c8c14978e"
#define HOUR apr_time_from_sec(3600)
#define DAY (24 * HOUR)

static cu_expire_rules_t rules;
static apr_time_t steady_now;

static apr_time_t stopped_steady(void)
{
    return steady_now;
}

static int setup(void **state)
{
    cu_expire_rules_init(&rules);
    steady_now = DAY;
    return scratch_setup(state);
}

static const char *begin(const char *data, apr_off_t length)
{
    cu_reply_t reply;

    assert_int_equal(
        scratch_append(NULL, 0, data, strlen(data), length, &reply), CU_OK);
    return apr_pstrdup(scratch.pool, reply.id);
}

static const char *finished(void)
{
    cu_ask_t ask;
    cu_reply_t reply;
    const char *id = begin("abcdef", 6);

    scratch_ask(&ask, id);
    ask.digest_hex = MD5_OF_ABCDEF;
    ask.digest_required = 1;
    assert_int_equal(cu_complete(scratch.engine, &ask, &reply, scratch.pool),
                     CU_OK);
    return id;
}

static cu_code_t query(const char *id)
{
    cu_ask_t ask;
    cu_reply_t reply;

    scratch_ask(&ask, id);
    return cu_engine_query(scratch.engine, &ask, &reply, scratch.pool);
}

static void sweep(cu_expire_t *result)
{
    int bucket;

    memset(result, 0, sizeof(*result));
    for (bucket = 0; bucket < CU_EXPIRE_BUCKETS; ++bucket) {
        assert_int_equal(cu_expire_step(scratch.engine, &rules, bucket,
                                        &scratch.log, result, scratch.pool),
                         APR_SUCCESS);
    }
}

/* Runs to its end; the result is the pass's own. */
static const cu_expire_t *pass(int *waits)
{
    cu_pass_t *at;
    apr_status_t rv;

    cu_pass_begin(&at, scratch.engine, &rules, stopped_steady, &scratch.log,
                  scratch.pool);
    *waits = cu_pass_waits(at);
    do {
        rv = cu_pass_step(at);
    } while (rv == APR_SUCCESS);
    assert_int_equal(rv, APR_EOF);
    return cu_pass_result(at);
}

static void pass_time(apr_interval_time_t by)
{
    scratch_now += by;
    steady_now += by;
}

/* The files' own clock is the system's: set a file's age by the test's. */
static void touch(const char *path, apr_interval_time_t age)
{
    struct timespec times[2];

    times[0].tv_sec = (time_t)apr_time_sec(scratch_now - age);
    times[0].tv_nsec = 0;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void test_gone_then_not_found(void **state)
{
    cu_expire_t result;
    const char *id = begin("abc", 6);

    (void)state;
    sweep(&result);
    assert_int_equal(result.seen, 1);
    assert_int_equal(result.open, 1);
    assert_int_equal(result.open_bytes, 3);
    assert_int_equal(result.oldest, scratch_now);
    assert_int_equal(result.incomplete, 0);
    assert_int_equal(query(id), CU_OK);
    scratch_now += DAY;
    assert_int_equal(query(id), CU_GONE);
    sweep(&result);
    assert_int_equal(result.incomplete, 1);
    assert_int_equal(result.bytes, 3);
    assert_non_null(strstr(scratch.last_line, "CU0050: upload "));
    assert_non_null(strstr(scratch.last_line, id));
    assert_int_equal(query(id), CU_NOT_FOUND);
    assert_int_equal(scratch_files(".state"), 0);
    assert_int_equal(scratch_files(".part"), 0);
    sweep(&result);
    assert_int_equal(result.seen, 0);
}

static void test_idle_expiry_moves_with_each_chunk(void **state)
{
    cu_expire_t result;
    cu_reply_t reply;
    const char *id;

    (void)state;
    scratch.policy.expire_from = CU_EXPIRE_FROM_IDLE;
    id = begin("abc", 6);
    scratch_now += 20 * HOUR;
    assert_int_equal(scratch_append(id, 3, "d", 1, 6, &reply), CU_OK);
    scratch_now += 20 * HOUR;
    sweep(&result);
    assert_int_equal(result.incomplete, 0);
    scratch_now += 4 * HOUR;
    sweep(&result);
    assert_int_equal(result.incomplete, 1);
}

static void test_never(void **state)
{
    cu_expire_t result;

    (void)state;
    scratch.policy.expire = -1;
    (void)begin("abc", 6);
    scratch_now += 10000 * DAY;
    sweep(&result);
    assert_int_equal(result.incomplete, 0);
    rules.older = DAY;
    sweep(&result);
    assert_int_equal(result.incomplete, 1);
}

static void test_complete_stay_unless_told(void **state)
{
    cu_expire_t result;
    const char *id = finished();

    (void)state;
    scratch_now += 100 * DAY;
    sweep(&result);
    assert_int_equal(result.done, 1);
    assert_int_equal(result.done_bytes, 6);
    assert_int_equal(result.complete, 0);
    assert_int_equal(query(id), CU_OK);
    rules.keep_complete = 100 * DAY + 1;
    sweep(&result);
    assert_int_equal(result.complete, 0);
    rules.keep_complete = 100 * DAY;
    sweep(&result);
    assert_int_equal(result.complete, 1);
    assert_int_equal(result.incomplete, 0);
    assert_int_equal(query(id), CU_NOT_FOUND);
    assert_int_equal(scratch_files(".part"), 0);
}

static void test_the_seeds_command(void **state)
{
    cu_expire_t result;

    (void)state;
    (void)finished();
    (void)begin("abc", 6);
    rules.complete_too = 1;
    scratch_now += DAY - 1;
    sweep(&result);
    assert_int_equal(result.complete + result.incomplete, 0);
    scratch_now += 1;
    rules.dry_run = 1;
    sweep(&result);
    assert_int_equal(result.complete, 1);
    assert_int_equal(result.incomplete, 1);
    assert_int_equal(scratch_files(".part"), 2);
    rules.dry_run = 0;
    sweep(&result);
    assert_int_equal(result.complete, 1);
    assert_int_equal(result.incomplete, 1);
    assert_int_equal(scratch_files(".part"), 0);
}

static void test_a_writer_is_left_alone(void **state)
{
    cu_append_t *ap;
    cu_expire_t result;
    cu_reply_t reply;
    cu_ask_t ask;
    const char *id = begin("abc", 6);

    (void)state;
    scratch_ask(&ask, id);
    ask.offset = 3;
    ask.chunk_length = 3;
    ask.length = 6;
    scratch_now += DAY - 1;
    assert_int_equal(cu_append_begin(&ap, scratch.engine, &ask, &reply,
                                     scratch.pool), CU_OK);
    assert_int_equal(cu_append_write(ap, "def", 3, &reply), CU_OK);
    scratch_now += HOUR;
    touch(scratch_file(".state"), 2 * HOUR);
    touch(scratch_file(".part"), HOUR - APR_USEC_PER_SEC);
    sweep(&result);
    assert_int_equal(result.busy, 1);
    assert_int_equal(result.incomplete, 0);
    assert_int_equal(cu_append_end(ap, &reply), CU_OK);
    assert_int_equal(reply.offset, 6);
    scratch_now += 1;
    sweep(&result);
    assert_int_equal(result.incomplete, 1);
}

static void test_a_dead_writer_is_no_writer(void **state)
{
    cu_append_t *ap;
    cu_expire_t result;
    cu_reply_t reply;
    cu_ask_t ask;
    const char *id = begin("abc", 6);

    (void)state;
    scratch_ask(&ask, id);
    ask.offset = 3;
    ask.chunk_length = 3;
    ask.length = 6;
    assert_int_equal(cu_append_begin(&ap, scratch.engine, &ask, &reply,
                                     scratch.pool), CU_OK);
    scratch_now += 2 * DAY;
    touch(scratch_file(".state"), DAY);
    touch(scratch_file(".part"), HOUR);
    sweep(&result);
    assert_int_equal(result.incomplete, 1);
    /* and should it wake up: fenced */
    CU_BEST_EFFORT(cu_append_write(ap, "def", 3, &reply));
    assert_int_not_equal(cu_append_end(ap, &reply), CU_OK);
    assert_int_equal(scratch_files(".part"), 0);
}

static void test_locked_is_not_waited_for(void **state)
{
    cu_state_file_t *sf;
    cu_expire_t result;
    const char *id = begin("abc", 6);
    apr_time_t before;

    (void)state;
    scratch_now += 2 * DAY;
    assert_int_equal(cu_state_open(&sf, scratch.dir, id, 0, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(cu_state_lock(sf, 0, 0), APR_SUCCESS);
    before = apr_time_now();
    sweep(&result);
    assert_true(apr_time_now() - before < 2 * APR_USEC_PER_SEC);
    assert_int_equal(result.busy, 1);
    assert_int_equal(result.incomplete, 0);
    cu_state_close(sf);
    sweep(&result);
    assert_int_equal(result.incomplete, 1);
}

static void rewrite(const char *id, cu_status_t status)
{
    cu_state_file_t *sf;

    assert_int_equal(cu_state_open(&sf, scratch.dir, id, 0, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(cu_state_lock(sf, 1, 0), APR_SUCCESS);
    sf->slot.status = status;
    assert_int_equal(cu_state_write(sf), APR_SUCCESS);
    cu_state_close(sf);
}

static void test_leftovers_are_finished(void **state)
{
    static const cu_status_t undone[] = {
        CU_STATUS_CREATING, CU_STATUS_CANCELLED, CU_STATUS_EXPIRED
    };
    cu_expire_t result;
    const char *sealed;
    apr_size_t i;

    (void)state;
    for (i = 0; i < sizeof(undone) / sizeof(undone[0]); ++i) {
        rewrite(begin("abc", 6), undone[i]);
    }
    sealed = begin("abcdef", 6);
    rewrite(sealed, CU_STATUS_SEALING);
    rules.dry_run = 1;
    sweep(&result);
    assert_int_equal(result.finished, 0);
    rules.dry_run = 0;
    sweep(&result);
    assert_int_equal(result.finished, 4);
    assert_int_equal(scratch_files(".state"), 1);
    assert_int_equal(query(sealed), CU_OK);
}

static void test_damaged_and_future_stay(void **state)
{
    cu_expire_t result;
    const char *id = begin("abc", 6);

    (void)state;
    rewrite(id, CU_STATUS_DAMAGED);
    (void)begin("abc", 6);
    scratch_now -= 2 * DAY; /* now its activity lies ahead */
    rules.older = 0;
    sweep(&result);
    assert_int_equal(result.incomplete, 0);
    scratch_now += 10 * DAY;
    sweep(&result);
    assert_int_equal(result.incomplete, 1);
    assert_int_equal(scratch_files(".state"), 1);
    scratch_flip(cu_state_path(scratch.dir, id, scratch.pool), 30);
    sweep(&result);
    assert_int_equal(result.damaged, 1);
    assert_int_equal(scratch_files(".state"), 1);
}

static void test_stale_new_files(void **state)
{
    cu_expire_t result;
    const char *id = begin("abc", 6);
    const char *stale = apr_psprintf(
        scratch.pool, "%s/state/%.2s/%.30sff.new", scratch.dir, id, id);
    const char *foreign = apr_psprintf(
        scratch.pool, "%s/state/%.2s/notes.new", scratch.dir, id);
    FILE *file;

    (void)state;
    file = fopen(stale, "w");
    assert_non_null(file);
    fclose(file);
    file = fopen(foreign, "w");
    assert_non_null(file);
    fclose(file);
    touch(stale, HOUR - APR_USEC_PER_SEC);
    touch(foreign, 2 * HOUR);
    sweep(&result);
    assert_int_equal(result.stray, 0);
    touch(stale, HOUR);
    sweep(&result);
    assert_int_equal(result.stray, 1);
    assert_int_equal(access(stale, F_OK), -1);
    assert_int_equal(access(foreign, F_OK), 0);
}

static int agreed;
static int asked;

static int agree(void *baton, const cu_listed_t *upload)
{
    (void)baton;
    assert_int_equal(upload->status, CU_STATUS_OPEN);
    ++asked;
    return agreed;
}

static void test_agreement(void **state)
{
    cu_expire_t result;

    (void)state;
    (void)begin("abc", 6);
    scratch_now += 2 * DAY;
    rules.agree = agree;
    agreed = 0;
    asked = 0;
    sweep(&result);
    assert_int_equal(asked, 1);
    assert_int_equal(result.incomplete, 0);
    agreed = 1;
    sweep(&result);
    assert_int_equal(asked, 2);
    assert_int_equal(result.incomplete, 1);
}

static int steps_left;

static int stop(void *baton)
{
    (void)baton;
    return steps_left-- <= 0;
}

static void test_stops_in_the_middle(void **state)
{
    cu_expire_t result;
    const char *id = begin("abc", 6);
    char digits[3] = "";

    (void)state;
    memcpy(digits, id, 2);
    memset(&result, 0, sizeof(result));
    rules.stop = stop;
    steps_left = 0;
    assert_int_equal(cu_expire_step(scratch.engine, &rules,
                                    (int)strtol(digits, NULL, 16),
                                    &scratch.log, &result, scratch.pool),
                     APR_EINTR);
    assert_int_equal(result.seen, 0);
}

static void test_one_by_the_admins_word(void **state)
{
    const char *open = begin("abc", 6), *done = finished();

    (void)state;
    assert_int_equal(cu_expire_one(scratch.engine, open, 0, &scratch.log,
                                   scratch.pool), CU_OK);
    assert_int_equal(cu_expire_one(scratch.engine, open, 0, &scratch.log,
                                   scratch.pool), CU_NOT_FOUND);
    assert_int_equal(cu_expire_one(scratch.engine, "x", 0, &scratch.log,
                                   scratch.pool), CU_NOT_FOUND);
    assert_int_equal(cu_expire_one(scratch.engine, done, 0, &scratch.log,
                                   scratch.pool), CU_CONFLICT);
    assert_int_equal(cu_expire_one(scratch.engine, done, 1, &scratch.log,
                                   scratch.pool), CU_OK);
    assert_int_equal(scratch_files(".part"), 0);
}

static void test_a_jump_delays_one_pass(void **state)
{
    int waits;

    (void)state;
    (void)begin("abc", 6);
    assert_int_equal(pass(&waits)->incomplete, 0);
    assert_int_equal(waits, 0);
    scratch_now += 400 * DAY; /* the steady clock knows nothing of it */
    steady_now += HOUR;
    assert_int_equal(pass(&waits)->incomplete, 0);
    assert_int_equal(waits, 1);
    scratch_now -= 400 * DAY; /* put right in time */
    steady_now += HOUR;
    assert_int_equal(pass(&waits)->incomplete, 0);
    assert_int_equal(waits, 1);
    pass_time(HOUR);
    (void)pass(&waits);
    assert_int_equal(waits, 0);
    assert_int_equal(scratch_files(".part"), 1);
    pass_time(30 * DAY); /* no jump: it was really that long */
    assert_int_equal(pass(&waits)->incomplete, 1);
    assert_int_equal(waits, 0);
}

static void test_last_pass_is_recorded(void **state)
{
    cu_pass_last_t last;
    int waits;

    (void)state;
    cu_pass_last(scratch.engine, &last, scratch.pool);
    assert_int_equal(last.ended, 0);
    (void)begin("abc", 6);
    (void)finished();
    (void)pass(&waits);
    cu_pass_last(scratch.engine, &last, scratch.pool);
    assert_int_equal(last.ended, scratch_now);
    assert_int_equal(last.result.open, 1);
    assert_int_equal(last.result.done, 1);
    assert_int_equal(last.result.done_bytes, 6);
    assert_int_equal(last.result.oldest, scratch_now);
    assert_int_equal(last.stray, scratch_now);
}

static void test_strays(void **state)
{
    const char *open = begin("abc", 6), *done = finished();
    const char *part = NULL;
    int waits;

    (void)state;
    /* both lose their state: the unfinished one's part may go, the finished
     * one's may not */
    assert_int_equal(unlink(cu_state_path(scratch.dir, done, scratch.pool)),
                     0);
    assert_int_equal(unlink(cu_state_path(scratch.dir, open, scratch.pool)),
                     0);
    assert_int_equal(scratch_files(".part"), 2);
    scratch_now = apr_time_now() + 2 * HOUR;
    steady_now = DAY;
    assert_int_equal(pass(&waits)->kept_stray, 1);
    assert_int_equal(waits, 0);
    assert_int_equal(scratch_files(".part"), 1);
    part = scratch_file(".part");
    assert_non_null(strstr(part, done));
    /* their records went with them */
    pass_time(DAY);
    assert_int_equal(pass(&waits)->stray, 0);
    assert_int_equal(scratch_files(".part"), 1);
}

static void test_fresh_strays_wait(void **state)
{
    const char *id = begin("abc", 6);
    int waits;

    (void)state;
    assert_int_equal(unlink(cu_state_path(scratch.dir, id, scratch.pool)), 0);
    scratch_now = apr_time_now();
    (void)pass(&waits);
    assert_int_equal(scratch_files(".part"), 1);
}

#define TEST(name)                                                            \
    cmocka_unit_test_setup_teardown(name, setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_gone_then_not_found),
        TEST(test_idle_expiry_moves_with_each_chunk),
        TEST(test_never),
        TEST(test_complete_stay_unless_told),
        TEST(test_the_seeds_command),
        TEST(test_a_writer_is_left_alone),
        TEST(test_a_dead_writer_is_no_writer),
        TEST(test_locked_is_not_waited_for),
        TEST(test_leftovers_are_finished),
        TEST(test_damaged_and_future_stay),
        TEST(test_stale_new_files),
        TEST(test_agreement),
        TEST(test_stops_in_the_middle),
        TEST(test_one_by_the_admins_word),
        TEST(test_a_jump_delays_one_pass),
        TEST(test_last_pass_is_recorded),
        TEST(test_strays),
        TEST(test_fresh_strays_wait),
    };

    return cmocka_run_group_tests(tests, scratch_group_setup,
                                  scratch_group_teardown);
}
