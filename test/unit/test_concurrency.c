/*
 * One engine, many threads: equal, overlapping and stale offsets, completes,
 * cancels, queries and fsck on one upload and on several.  One winner for
 * each offset, the file right at the end, and nobody touches a published one.
 * To be run under ThreadSanitizer as well.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "engine/append.h"
#include "engine/complete.h"
#include "engine/fsck.h"
#include "engine/recover.h"
#include "unit/scratch.h"

#define THREADS 8
#define CHUNK 3000
#define CHUNKS 40
#define TOTAL (CHUNK * CHUNKS)

static char bytes[TOTAL];
static char md5[CU_DIGEST_HEX_MAX];

/* What the threads of a test share; changed by atomic operations only. */
static struct {
    char id[40];
    int wins[CHUNKS];   /* appends that were acknowledged, by offset */
    int others;         /* bytes that are not the upload's were accepted */
    int strange;        /* answers that must not come */
    int completions;
} shared;

typedef struct worker_t {
    pthread_t thread;
    apr_pool_t *pool;
    cu_log_t log;
    unsigned int random;
    int number;
    void (*work)(struct worker_t *worker);
} worker_t;

static int never(void *baton, cu_log_level_t level)
{
    (void)baton;
    (void)level;
    return 0;
}

static int count(int *number)
{
    return __atomic_add_fetch(number, 1, __ATOMIC_RELAXED);
}

static int is_strange(void)
{
    return __atomic_load_n(&shared.strange, __ATOMIC_RELAXED);
}

static unsigned int random_of(worker_t *worker, unsigned int below)
{
    worker->random = worker->random * 1103515245U + 12345U;
    return (worker->random >> 16) % below;
}

/* scratch_ask(), but with nothing that threads share. */
static void ask_of(worker_t *worker, cu_ask_t *ask, const char *id)
{
    scratch_ask(ask, id);
    ask->log = &worker->log;
}

static void expect(cu_code_t code, const cu_code_t *allowed, int n)
{
    int i;

    for (i = 0; i < n && allowed[i] != code; ++i) {
    }
    if (i == n) {
        fprintf(stderr, "unexpected answer: %s\n", cu_code_name(code));
        (void)count(&shared.strange);
    }
}

/* A chunk in several writes, which others may overtake in between. */
static cu_code_t append(worker_t *worker, const char *id, apr_off_t offset,
                        const char *data, apr_size_t len, cu_reply_t *reply)
{
    cu_append_t *ap;
    cu_code_t code;
    cu_ask_t ask;

    ask_of(worker, &ask, id);
    ask.offset = offset;
    ask.chunk_length = (apr_off_t)len;
    ask.length = TOTAL;
    code = cu_append_begin(&ap, scratch.engine, &ask, reply, worker->pool);
    if (code != CU_OK) {
        return code;
    }
    code = cu_append_write(ap, data, len / 2, reply);
    if (random_of(worker, 4) == 0) {
        usleep(random_of(worker, 300));
    }
    if (code == CU_OK) {
        code = cu_append_write(ap, data + len / 2, len - len / 2, reply);
    }
    if (code != CU_OK) {
        cu_append_abort(ap);
        return code;
    }
    return cu_append_end(ap, reply);
}

static cu_code_t query(worker_t *worker, cu_reply_t *reply)
{
    cu_ask_t ask;

    ask_of(worker, &ask, shared.id);
    return cu_engine_query(scratch.engine, &ask, reply, worker->pool);
}

static cu_code_t complete(worker_t *worker, cu_reply_t *reply)
{
    cu_ask_t ask;

    ask_of(worker, &ask, shared.id);
    ask.digest_hex = md5;
    ask.digest_required = 1;
    return cu_complete(scratch.engine, &ask, reply, worker->pool);
}

static const cu_code_t append_codes[] = { CU_OK, CU_OFFSET_MISMATCH,
                                          CU_SUPERSEDED, CU_CONFLICT };
static const cu_code_t gone_codes[] = { CU_OK, CU_OFFSET_MISMATCH,
                                        CU_SUPERSEDED, CU_CONFLICT,
                                        CU_NOT_FOUND, CU_INCOMPLETE,
                                        CU_BUSY };

/* Ask where to go on and send that, until it is all there; now and then a
 * chunk that is behind, and one that is not the upload's at a wrong place. */
static void send_all(worker_t *worker)
{
    apr_off_t at = 0;

    while (at < TOTAL && !is_strange()) {
        cu_reply_t reply;
        cu_code_t code;

        apr_pool_clear(worker->pool);
        code = append(worker, shared.id, at, bytes + at, CHUNK, &reply);
        expect(code, append_codes, 4);
        if (code == CU_OK) {
            (void)count(&shared.wins[at / CHUNK]);
        }
        if (random_of(worker, 5) == 0 && at >= CHUNK) {
            code = append(worker, shared.id, at - CHUNK / 2, "stale", 5,
                          &reply);
            expect(code, append_codes, 4);
            if (code == CU_OK) {
                (void)count(&shared.others);
            }
        }
        code = query(worker, &reply);
        expect(code, append_codes, 1);
        if (code == CU_OK && reply.offset < at) {
            (void)count(&shared.strange); /* it went backwards */
        }
        at = code == CU_OK ? reply.offset : at;
    }
}

static void complete_it(worker_t *worker)
{
    cu_reply_t reply;
    cu_code_t code;

    do {
        apr_pool_clear(worker->pool);
        code = complete(worker, &reply);
        expect(code, gone_codes, 7);
    } while (code != CU_OK && !is_strange());
    (void)count(&shared.completions);
}

static void send_and_complete(worker_t *worker)
{
    if (worker->number % 4 == 3) {
        complete_it(worker); /* from the beginning on */
    }
    else {
        send_all(worker);
        complete_it(worker);
    }
}

static void ignore_line(void *baton, const char *line)
{
    (void)baton;
    (void)line;
}

static void check_store(worker_t *worker)
{
    cu_fsck_t result;

    apr_pool_clear(worker->pool);
    if (cu_fsck(scratch.engine, 1, ignore_line, NULL, &worker->log, &result,
                worker->pool)
            != APR_SUCCESS
        || result.problems != 0) {
        fprintf(stderr, "fsck: %d problems\n", (int)result.problems);
        (void)count(&shared.strange);
    }
}

static void *run(void *data)
{
    worker_t *worker = data;

    worker->work(worker);
    apr_pool_destroy(worker->pool);
    return NULL;
}

static void at_once(int n, void (*work)(worker_t *worker))
{
    worker_t workers[2 * THREADS];
    int i;

    for (i = 0; i < n; ++i) {
        memset(&workers[i], 0, sizeof(workers[i]));
        apr_pool_create(&workers[i].pool, NULL);
        workers[i].number = i;
        workers[i].random = (unsigned int)(i * 7919 + 1);
        workers[i].work = work;
        workers[i].log.wanted = never;
    }
    for (i = 0; i < n; ++i) {
        assert_int_equal(
            pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
    for (i = 0; i < n; ++i) {
        pthread_join(workers[i].thread, NULL);
    }
}

/* An upload with its first chunk. */
static void begin(const char *dbm, cu_sync_t sync)
{
    cu_digest_t *digest;
    cu_reply_t reply;
    int i;

    memset(&shared, 0, sizeof(shared));
    scratch.log.wanted = never;
    for (i = 0; i < TOTAL; ++i) {
        bytes[i] = (char)('a' + (i * 31 + i / 251) % 26);
    }
    assert_int_equal(cu_digest_begin(&digest, CU_DIGEST_MD5, scratch.pool), 0);
    cu_digest_update(digest, bytes, TOTAL);
    cu_digest_hex(digest, md5);
    scratch_engine(dbm, sync);
    assert_int_equal(scratch_append(NULL, 0, bytes, CHUNK, TOTAL, &reply),
                     CU_OK);
    apr_cpystrn(shared.id, reply.id, sizeof(shared.id));
    shared.wins[0] = 1;
}

static void check_file(void)
{
    apr_size_t len;
    const char *data = scratch_read(scratch_file(".part"), &len);

    assert_int_equal(len, TOTAL);
    assert_memory_equal(data, bytes, TOTAL);
}

static void finish(void)
{
    cu_fsck_t result;
    int i;

    assert_int_equal(shared.strange, 0);
    assert_int_equal(shared.others, 0);
    for (i = 0; i < CHUNKS; ++i) {
        assert_int_equal(shared.wins[i], 1);
    }
    check_file();
    assert_int_equal(cu_fsck(scratch.engine, 0, ignore_line, NULL,
                             &scratch.log, &result, scratch.pool),
                     0);
    assert_int_equal(result.problems, 0);
}

static void test_one_winner_per_offset(void **state)
{
    (void)state;
    begin("mem", CU_SYNC_NONE);
    at_once(THREADS, send_and_complete);
    finish();
    assert_int_equal(shared.completions, THREADS);
}

static void test_one_winner_on_disk(void **state)
{
    (void)state;
    begin("sdbm", CU_SYNC_COMPLETE);
    at_once(THREADS, send_and_complete);
    finish();
}

/* fsck with repair beside everything else sees no problem and makes none. */
static void send_or_check(worker_t *worker)
{
    if (worker->number == 0) {
        while (!is_strange()
               && __atomic_load_n(&shared.completions, __ATOMIC_RELAXED)
                      < THREADS - 1) {
            check_store(worker);
        }
        return;
    }
    send_and_complete(worker);
}

static void test_fsck_beside(void **state)
{
    (void)state;
    begin("mem", CU_SYNC_NONE);
    at_once(THREADS, send_or_check);
    finish();
}

/* Each has its own upload, and the rest is shared. */
static void own_upload(worker_t *worker)
{
    static const cu_code_t ok = CU_OK;
    cu_reply_t reply;
    char id[40];
    cu_code_t code;
    cu_ask_t ask;
    int i;

    for (i = 0; i < 5; ++i) {
        apr_pool_clear(worker->pool);
        code = append(worker, NULL, 0, bytes, CHUNK, &reply);
        expect(code, &ok, 1);
        if (code != CU_OK) {
            return;
        }
        apr_cpystrn(id, reply.id, sizeof(id));
        expect(append(worker, id, CHUNK, bytes + CHUNK, TOTAL - CHUNK, &reply),
               &ok, 1);
        ask_of(worker, &ask, id);
        ask.digest_hex = md5;
        ask.digest_required = 1;
        expect(i % 2 ? cu_complete(scratch.engine, &ask, &reply, worker->pool)
                     : cu_engine_cancel(scratch.engine, &ask, &reply,
                                        worker->pool),
               &ok, 1);
    }
}

static void test_many_uploads(void **state)
{
    cu_fsck_t result;

    (void)state;
    begin("sdbm", CU_SYNC_NONE);
    at_once(THREADS, own_upload);
    assert_int_equal(shared.strange, 0);
    assert_int_equal(scratch_files(".part"), 1 + 2 * THREADS);
    assert_int_equal(cu_fsck(scratch.engine, 0, ignore_line, NULL,
                             &scratch.log, &result, scratch.pool),
                     0);
    assert_int_equal(result.problems, 0);
    assert_int_equal(result.uploads, 1 + 2 * THREADS);
}

/* Appends, completes and one cancel: either it is whole, or it is gone. */
static void send_or_cancel(worker_t *worker)
{
    apr_off_t at = 0;
    cu_reply_t reply;
    cu_code_t code = CU_OK;
    cu_ask_t ask;

    if (worker->number == 0) {
        usleep(2000 + random_of(worker, 20000));
        ask_of(worker, &ask, shared.id);
        expect(cu_engine_cancel(scratch.engine, &ask, &reply, worker->pool),
               gone_codes, 7);
        return;
    }
    while (code != CU_NOT_FOUND && at < TOTAL && !is_strange()) {
        apr_pool_clear(worker->pool);
        code = append(worker, shared.id, at, bytes + at, CHUNK, &reply);
        expect(code, gone_codes, 7);
        code = query(worker, &reply);
        expect(code, gone_codes, 7);
        at = code == CU_OK ? reply.offset : at;
    }
    code = complete(worker, &reply);
    expect(code, gone_codes, 7);
}

static void test_cancel_beside(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < 10; ++i) {
        cu_fsck_t result;

        begin("mem", CU_SYNC_NONE);
        at_once(THREADS, send_or_cancel);
        assert_int_equal(shared.strange, 0);
        assert_int_equal(scratch_files(".part"), scratch_files(".state"));
        if (scratch_files(".part") == 1) {
            check_file();
            assert_int_equal(unlink(scratch_file(".part")), 0);
            assert_int_equal(unlink(scratch_file(".state")), 0);
        }
        else {
            assert_int_equal(cu_fsck(scratch.engine, 0, ignore_line, NULL,
                                     &scratch.log, &result, scratch.pool),
                             0);
            assert_int_equal(result.problems, 0);
        }
    }
}

/* A writer that sleeps over the completion must not touch what is published. */
static void test_late_writer(void **state)
{
    worker_t late, quick;
    cu_reply_t reply;
    cu_append_t *ap;
    cu_ask_t ask;
    char wrong[CHUNK];

    (void)state;
    begin("mem", CU_SYNC_NONE);
    memset(&late, 0, sizeof(late));
    memset(wrong, '#', sizeof(wrong));
    apr_pool_create(&late.pool, scratch.pool);
    late.log.wanted = never;
    quick = late;
    apr_pool_create(&quick.pool, scratch.pool);
    ask_of(&late, &ask, shared.id);
    ask.offset = CHUNK;
    ask.length = TOTAL;
    assert_int_equal(cu_append_begin(&ap, scratch.engine, &ask, &reply,
                                     late.pool),
                     CU_OK);
    assert_int_equal(cu_append_write(ap, wrong, CHUNK, &reply), CU_OK);
    send_all(&quick);
    complete_it(&quick);
    assert_int_equal(cu_append_settle(ap, &reply), CU_OK); /* copied */
    assert_int_equal(cu_append_write(ap, wrong, CHUNK, &reply), CU_OK);
    assert_int_equal(cu_append_end(ap, &reply), CU_SUPERSEDED);
    check_file();
}

/* Who finds that another has recovered the upload between his two locks must
 * leave it alone. */
static void test_recovered_meanwhile(void **state)
{
    cu_state_file_t *sf;
    cu_reply_t reply;
    worker_t worker;

    (void)state;
    begin("mem", CU_SYNC_NONE);
    memset(&worker, 0, sizeof(worker));
    apr_pool_create(&worker.pool, scratch.pool);
    worker.log.wanted = never;
    send_all(&worker);
    complete_it(&worker);
    assert_int_equal(cu_state_open(&sf, scratch.dir, shared.id, 0,
                                   scratch.pool),
                     0);
    assert_int_equal(cu_state_lock(sf, 1, 0), 0);
    assert_int_equal(sf->slot.status, CU_STATUS_DONE);
    assert_int_equal(cu_recover(scratch.engine, sf, &scratch.log, &reply,
                                scratch.pool),
                     CU_OK);
    cu_state_close(sf);
    check_file();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_winner_per_offset,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_one_winner_on_disk, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_fsck_beside, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_many_uploads, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_beside, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_late_writer, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_recovered_meanwhile,
                                        scratch_setup, scratch_teardown),
    };

    return cmocka_run_group_tests(tests, scratch_group_setup,
                                  scratch_group_teardown);
}
