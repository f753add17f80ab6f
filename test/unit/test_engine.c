/*
 * Uploads through the engine: the order of checks, what counts when, fencing,
 * completion, recovery; SD-1 to SD-6 below HTTP.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "engine/append.h"
#include "engine/complete.h"
#include "engine/fsck.h"
#include "engine/open.h"
#include "unit/scratch.h"

#define MD5_OF_ABCDEF "e80b5017098950fc58aad83c8c14978e"

static void count_problem(void *baton, const char *line)
{
    (void)line;
    ++*(int *)baton;
}

/* Everything in the store belongs together. */
static void clean(int repair)
{
    cu_fsck_t result;
    int lines = 0;

    assert_int_equal(cu_fsck(scratch.engine, repair, count_problem, &lines,
                             &scratch.log, &result, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(result.problems, result.repaired);
    assert_int_equal(lines, result.problems);
    if (!repair) {
        assert_int_equal(lines, 0);
    }
}

static const char *first(const char *data, apr_off_t length)
{
    cu_reply_t reply;

    assert_int_equal(
        scratch_append(NULL, 0, data, strlen(data), length, &reply), CU_OK);
    return apr_pstrdup(scratch.pool, reply.id);
}

static cu_code_t complete(const char *id, const char *md5, cu_reply_t *reply)
{
    cu_ask_t ask;

    scratch_ask(&ask, id);
    ask.digest_hex = md5;
    ask.digest_required = md5 != NULL;
    return cu_complete(scratch.engine, &ask, reply, scratch.pool);
}

static cu_code_t query(const char *id, cu_reply_t *reply)
{
    cu_ask_t ask;

    scratch_ask(&ask, id);
    return cu_engine_query(scratch.engine, &ask, reply, scratch.pool);
}

static void assert_part(const char *want)
{
    apr_size_t len;

    assert_string_equal(scratch_read(scratch_file(".part"), &len), want);
    assert_int_equal(len, strlen(want));
}

static void test_three_chunks_and_done(void **state)
{
    cu_reply_t reply;
    const char *id = first("ab", 6);

    (void)state;
    assert_int_equal(scratch_append(id, 2, "cd", 2, 6, &reply), CU_OK);
    assert_int_equal(reply.offset, 4);
    assert_int_equal(scratch_append(id, 4, "ef", 2, 6, &reply), CU_OK);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_int_equal(reply.status, CU_STATUS_DONE);
    assert_int_equal(reply.reread, 0);
    assert_string_equal(reply.digest_hex, MD5_OF_ABCDEF);
    assert_part("abcdef");
    clean(0);
}

static void test_complete_twice_and_otherwise(void **state)
{
    cu_reply_t reply;
    const char *id = first("abcdef", 6);

    (void)state;
    assert_int_equal(complete(id, "00000000000000000000000000000000", &reply),
                     CU_DIGEST_MISMATCH);
    assert_int_equal(query(id, &reply), CU_OK);
    assert_int_equal(reply.status, CU_STATUS_OPEN);
    assert_int_equal(complete(id, "E80B5017098950FC58AAD83C8C14978E", &reply),
                     CU_OK);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_int_equal(complete(id, "00000000000000000000000000000000", &reply),
                     CU_DIGEST_MISMATCH);
    assert_int_equal(scratch_append(id, 6, "g", 1, 7, &reply), CU_CONFLICT);
    assert_part("abcdef");
    clean(0);
}

static void test_short_cannot_complete(void **state)
{
    cu_reply_t reply;
    const char *id = first("abcde", 6);

    (void)state;
    assert_int_equal(complete(id, "ab56b4d92b40713acc5af89985d4b786", &reply),
                     CU_INCOMPLETE);
    assert_int_equal(scratch_append(id, 5, "f", 1, 6, &reply), CU_OK);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
}

static void test_without_digest(void **state)
{
    cu_reply_t reply;
    const char *id;

    (void)state;
    scratch.policy.digest = CU_DIGEST_NONE;
    id = first("abcdef", 6);
    assert_int_equal(complete(id, NULL, &reply), CU_OK);
    assert_null(reply.digest_hex);
    assert_part("abcdef");
}

/* The digest was not kept: completion reads the bytes, with the right end. */
static void test_reread_when_not_kept(void **state)
{
    cu_reply_t reply;
    const char *id;

    (void)state;
    scratch.policy.digest = CU_DIGEST_NONE;
    id = first("abcdef", 6);
    scratch.policy.digest = CU_DIGEST_MD5;
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_int_equal(reply.reread, 6);
}

/* The saved state is damaged inside a slot with a good checksum. */
static void test_reread_when_state_is_foreign(void **state)
{
    cu_state_file_t *sf;
    cu_reply_t reply;
    const char *id = first("abcdef", 6);

    (void)state;
    assert_int_equal(cu_state_open(&sf, scratch.dir, id, 0, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(cu_state_lock(sf, 1, 0), APR_SUCCESS);
    sf->slot.digest_state[0] = 99;
    assert_int_equal(cu_state_write(sf), APR_SUCCESS);
    cu_state_close(sf);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_int_equal(reply.reread, 6);
    clean(0);
}

/* A chunk on top of a foreign state does not make a wrong digest. */
static void test_append_on_foreign_state(void **state)
{
    cu_state_file_t *sf;
    cu_reply_t reply;
    const char *id = first("abc", 6);

    (void)state;
    assert_int_equal(cu_state_open(&sf, scratch.dir, id, 0, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(cu_state_lock(sf, 1, 0), APR_SUCCESS);
    sf->slot.digest_len = 0;
    assert_int_equal(cu_state_write(sf), APR_SUCCESS);
    cu_state_close(sf);
    assert_int_equal(scratch_append(id, 3, "def", 3, 6, &reply), CU_OK);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_int_equal(reply.reread, 6);
}

static void test_offsets(void **state)
{
    cu_reply_t reply;
    const char *id = first("abc", 6);

    (void)state;
    assert_int_equal(scratch_append(id, 0, "abc", 3, 6, &reply),
                     CU_OFFSET_MISMATCH);
    assert_int_equal(reply.offset, 3);
    assert_int_equal(scratch_append(id, 4, "e", 1, 6, &reply),
                     CU_OFFSET_MISMATCH);
    assert_int_equal(scratch_append(NULL, 4, "e", 1, 6, &reply),
                     CU_OFFSET_MISMATCH);
    assert_int_equal(reply.offset, 0);
    assert_null(reply.id);
    assert_int_equal(scratch_files(".part"), 1);
    clean(0);
}

/* SD-3: the declared total may not change, and claims are not facts. */
static void test_declared_and_arrived(void **state)
{
    cu_reply_t reply;
    cu_append_t *ap;
    cu_ask_t ask;
    const char *id = first("abc", 6);

    (void)state;
    assert_int_equal(scratch_append(id, 3, "d", 1, 99, &reply),
                     CU_LENGTH_MISMATCH);
    scratch_ask(&ask, id);
    ask.offset = 3;
    ask.chunk_length = 2;
    ask.length = 6;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(cu_append_write(ap, "def", 3, &reply),
                     CU_LENGTH_MISMATCH);
    cu_append_abort(ap);
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(cu_append_write(ap, "d", 1, &reply), CU_OK);
    assert_int_equal(cu_append_end(ap, &reply), CU_LENGTH_MISMATCH);
    assert_int_equal(query(id, &reply), CU_OK);
    assert_int_equal(reply.offset, 3);
    assert_int_equal(scratch_append(id, 3, "def", 3, 6, &reply), CU_OK);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_part("abcdef");
}

static void test_limits(void **state)
{
    cu_reply_t reply;
    cu_append_t *ap;
    cu_ask_t ask;

    (void)state;
    scratch.policy.max_bytes = 5;
    assert_int_equal(scratch_append(NULL, 0, "ab", 2, 6, &reply),
                     CU_TOO_LARGE);
    assert_int_equal(reply.limit, 5);
    /* nothing declared: what arrives is counted */
    scratch_ask(&ask, NULL);
    ask.whole = 1;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(cu_append_write(ap, "abcde", 5, &reply), CU_OK);
    assert_int_equal(cu_append_write(ap, "f", 1, &reply), CU_TOO_LARGE);
    cu_append_abort(ap);
    assert_int_equal(scratch_files(".part"), 0);
    assert_int_equal(scratch_files(".state"), 0);
    clean(0);
}

static void test_aborted_first_chunk_leaves_nothing(void **state)
{
    cu_reply_t reply;
    apr_pool_t *request;
    cu_append_t *ap;
    cu_ask_t ask;

    (void)state;
    apr_pool_create(&request, scratch.pool);
    scratch_ask(&ask, NULL);
    ask.length = 6;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, request), CU_OK);
    assert_int_equal(cu_append_write(ap, "abc", 3, &reply), CU_OK);
    /* the request's pool goes without a word */
    apr_pool_destroy(request);
    assert_int_equal(scratch_files(".part"), 0);
    assert_int_equal(scratch_files(".state"), 0);
    clean(0);
}

/* The newest request wins, and the older one's bytes do not count. */
static void test_fencing(void **state)
{
    cu_append_t *older, *newer;
    cu_reply_t reply;
    cu_ask_t ask;
    const char *id = first("ab", 6);

    (void)state;
    scratch_ask(&ask, id);
    ask.offset = 2;
    ask.length = 6;
    assert_int_equal(
        cu_append_begin(&older, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(cu_append_write(older, "XX", 2, &reply), CU_OK);
    assert_int_equal(
        cu_append_begin(&newer, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(cu_append_write(newer, "cdef", 4, &reply), CU_OK);
    assert_int_equal(cu_append_end(newer, &reply), CU_OK);
    assert_int_equal(reply.offset, 6);
    assert_int_equal(cu_append_write(older, "XX", 2, &reply), CU_OK);
    assert_int_equal(cu_append_end(older, &reply), CU_SUPERSEDED);
    assert_int_equal(reply.offset, 6);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_part("abcdef");
}

/* A slow duplicate that writes on after completion touches nothing. */
static void test_late_writer_after_completion(void **state)
{
    static char big[300 * 1024];
    cu_append_t *late;
    cu_reply_t reply;
    cu_ask_t ask;
    const char *id = first("abcdef", 6);

    (void)state;
    scratch_ask(&ask, id);
    ask.offset = 6;
    assert_int_equal(
        cu_append_begin(&late, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_int_equal(cu_append_write(late, big, sizeof(big), &reply),
                     CU_LENGTH_MISMATCH);
    cu_append_abort(late);
    assert_part("abcdef");
    assert_int_equal(query(id, &reply), CU_OK);
    assert_int_equal(reply.status, CU_STATUS_DONE);
}

/* A tail beyond the offset is not in the finished file. */
static void test_tail_is_cut(void **state)
{
    static char big[300 * 1024];
    cu_append_t *ap;
    cu_reply_t reply;
    cu_ask_t ask;
    apr_size_t len;
    const char *id;

    (void)state;
    scratch_ask(&ask, NULL);
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(cu_append_write(ap, "abc", 3, &reply), CU_OK);
    assert_int_equal(cu_append_end(ap, &reply), CU_OK);
    id = reply.id;
    scratch_ask(&ask, id);
    ask.offset = 3;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(cu_append_write(ap, big, sizeof(big), &reply), CU_OK);
    cu_append_abort(ap);
    scratch_read(scratch_file(".part"), &len);
    assert_true(len > 6);
    assert_int_equal(scratch_append(id, 3, "def", 3, 6, &reply), CU_OK);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_part("abcdef");
}

static void test_keep_partial(void **state)
{
    cu_append_t *ap;
    cu_reply_t reply;
    cu_ask_t ask;
    const char *id = first("ab", 6);

    (void)state;
    scratch_ask(&ask, id);
    ask.offset = 2;
    ask.chunk_length = 4;
    ask.length = 6;
    ask.keep_partial = 1;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(cu_append_write(ap, "cd", 2, &reply), CU_OK);
    cu_append_abort(ap);
    assert_int_equal(query(id, &reply), CU_OK);
    assert_int_equal(reply.offset, 4);
    assert_int_equal(scratch_append(id, 4, "ef", 2, 6, &reply), CU_OK);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_int_equal(reply.reread, 0);
}

static void test_adopt_new_and_unnamed(void **state)
{
    cu_append_t *ap;
    cu_reply_t reply;
    cu_ask_t ask, to;
    const char *id = first("ab", 6);

    (void)state;
    scratch_ask(&ask, NULL);
    ask.offset = 2;
    ask.chunk_length = 2;
    ask.length = 6;
    assert_int_equal(cu_append_begin_unnamed(&ap, scratch.engine, &ask, &reply,
                                             scratch.pool),
                     CU_OK);
    assert_null(cu_append_id(ap));
    assert_int_equal(cu_append_write(ap, "cd", 2, &reply), CU_OK);
    to = ask;
    to.id = id;
    assert_int_equal(cu_append_adopt(ap, &to, &reply), CU_OK);
    assert_string_equal(cu_append_id(ap), id);
    assert_int_equal(cu_append_end(ap, &reply), CU_OK);
    assert_int_equal(reply.offset, 4);
    /* begun as a new upload: that one goes */
    scratch_ask(&ask, NULL);
    ask.chunk_length = 2;
    ask.length = 6;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_true(cu_append_is_new(ap));
    assert_int_equal(cu_append_write(ap, "ef", 2, &reply), CU_OK);
    to = ask;
    to.id = id;
    to.offset = 4;
    assert_int_equal(cu_append_adopt(ap, &to, &reply), CU_OK);
    assert_false(cu_append_is_new(ap));
    assert_int_equal(cu_append_end(ap, &reply), CU_OK);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_int_equal(reply.reread, 0);
    assert_part("abcdef");
    clean(0);
    /* nobody adopts: nothing is left */
    scratch_ask(&ask, NULL);
    ask.offset = 2;
    assert_int_equal(cu_append_begin_unnamed(&ap, scratch.engine, &ask, &reply,
                                             scratch.pool),
                     CU_OK);
    assert_int_equal(cu_append_write(ap, "cd", 2, &reply), CU_OK);
    assert_int_equal(cu_append_end(ap, &reply), CU_OFFSET_MISMATCH);
    assert_int_equal(reply.offset, 0);
    clean(0);
}

static void test_restart(void **state)
{
    cu_append_t *ap;
    cu_reply_t reply;
    cu_ask_t ask;

    (void)state;
    scratch_ask(&ask, NULL);
    ask.whole = 1;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(cu_append_write(ap, "first and longer", 16, &reply),
                     CU_OK);
    assert_int_equal(cu_append_settle(ap, &reply), CU_OK);
    assert_int_equal(cu_append_restart(ap, &reply), CU_OK);
    assert_int_equal(cu_append_write(ap, "abcdef", 6, &reply), CU_OK);
    assert_int_equal(cu_append_end(ap, &reply), CU_OK);
    assert_int_equal(reply.length, 6);
    assert_int_equal(complete(reply.id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_int_equal(reply.reread, 0);
    assert_part("abcdef");
}

static void test_owner_and_scope(void **state)
{
    char longname[300];
    cu_reply_t reply;
    cu_append_t *ap;
    cu_ask_t ask;
    const char *id;

    (void)state;
    memset(longname, 'j', sizeof(longname) - 1);
    longname[sizeof(longname) - 1] = '\0';
    scratch_ask(&ask, NULL);
    ask.owner = longname;
    ask.whole = 1;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(cu_append_end(ap, &reply), CU_OK);
    id = reply.id;
    ask.id = id;
    assert_int_equal(
        cu_engine_query(scratch.engine, &ask, &reply, scratch.pool), CU_OK);
    longname[298] = 'k';
    assert_int_equal(
        cu_engine_query(scratch.engine, &ask, &reply, scratch.pool),
        CU_NOT_FOUND);
    longname[298] = 'j';
    ask.scope = "elsewhere";
    assert_int_equal(
        cu_engine_query(scratch.engine, &ask, &reply, scratch.pool),
        CU_NOT_FOUND);
    assert_int_equal(query(id, &reply), CU_NOT_FOUND);
    assert_null(reply.id);
    scratch.policy.anonymous = 0;
    assert_int_equal(query(id, &reply), CU_UNAUTHENTICATED);
    assert_int_equal(scratch_append(NULL, 0, "x", 1, 1, &reply),
                     CU_UNAUTHENTICATED);
    assert_int_equal(complete(id, NULL, &reply), CU_UNAUTHENTICATED);
}

static void test_expiry(void **state)
{
    cu_reply_t reply;
    const char *id = first("abc", 6), *whole = first("abcdef", 6);

    (void)state;
    assert_int_equal(complete(whole, MD5_OF_ABCDEF, &reply), CU_OK);
    scratch_now += apr_time_from_sec(86400) - 1;
    assert_int_equal(query(id, &reply), CU_OK);
    scratch_now += 1;
    assert_int_equal(query(id, &reply), CU_GONE);
    assert_int_equal(scratch_append(id, 3, "def", 3, 6, &reply), CU_GONE);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_GONE);
    /* the seed looks for expiry before it looks for completion */
    assert_int_equal(scratch_append(whole, 6, "g", 1, 7, &reply), CU_GONE);
    assert_int_equal(query(whole, &reply), CU_OK);
    assert_int_equal(complete(whole, MD5_OF_ABCDEF, &reply), CU_OK);
}

static void test_expiry_idle_and_never(void **state)
{
    cu_reply_t reply;
    const char *id;

    (void)state;
    scratch.policy.expire_from = CU_EXPIRE_FROM_IDLE;
    id = first("abc", 6);
    scratch_now += apr_time_from_sec(86000);
    assert_int_equal(scratch_append(id, 3, "d", 1, 6, &reply), CU_OK);
    assert_true(reply.expires == scratch_now + apr_time_from_sec(86400));
    scratch_now += apr_time_from_sec(86000);
    assert_int_equal(query(id, &reply), CU_OK);
    scratch.policy.expire = -1;
    id = first("abc", 6);
    scratch_now += apr_time_from_sec(86400) * 36500;
    assert_int_equal(query(id, &reply), CU_OK);
    assert_true(reply.expires == 0);
}

static void test_fault_comes_after_state(void **state)
{
    cu_reply_t reply;
    cu_append_t *ap;
    cu_ask_t ask;
    const char *id = first("abcdef", 6);

    (void)state;
    scratch_ask(&ask, id);
    ask.fault = "no";
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_BAD_ASK);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_CONFLICT);
    ask.id = "00000000000000000000000000000000";
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_NOT_FOUND);
    ask.id = NULL;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_BAD_ASK);
    assert_int_equal(scratch_files(".part"), 1);
}

static void test_cancel(void **state)
{
    cu_append_t *ap;
    cu_reply_t reply;
    cu_ask_t ask;
    const char *id = first("abc", 6);

    (void)state;
    scratch_ask(&ask, id);
    ask.offset = 3;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    assert_int_equal(
        cu_engine_cancel(scratch.engine, &ask, &reply, scratch.pool), CU_OK);
    assert_int_equal(cu_append_write(ap, "d", 1, &reply), CU_OK);
    assert_int_equal(cu_append_end(ap, &reply), CU_SUPERSEDED);
    assert_int_equal(query(id, &reply), CU_NOT_FOUND);
    assert_int_equal(scratch_files(".part"), 0);
    clean(0);
}

static void set_status(const char *id, cu_status_t status)
{
    cu_state_file_t *sf;

    assert_int_equal(cu_state_open(&sf, scratch.dir, id, 0, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(cu_state_lock(sf, 1, 0), APR_SUCCESS);
    sf->slot.status = status;
    assert_int_equal(cu_state_write(sf), APR_SUCCESS);
    cu_state_close(sf);
}

/* A crash in each state that is not at rest. */
static void test_recovery(void **state)
{
    cu_reply_t reply;
    const char *id = first("abcdef", 6);

    (void)state;
    set_status(id, CU_STATUS_SEALING);
    assert_int_equal(query(id, &reply), CU_OK);
    assert_int_equal(reply.status, CU_STATUS_DONE);
    clean(0);
    set_status(id, CU_STATUS_EXPIRED);
    assert_int_equal(query(id, &reply), CU_GONE);
    assert_int_equal(query(id, &reply), CU_NOT_FOUND);
    id = first("abc", 6);
    set_status(id, CU_STATUS_CREATING);
    assert_int_equal(query(id, &reply), CU_NOT_FOUND);
    id = first("abc", 6);
    set_status(id, CU_STATUS_CANCELLED);
    clean(1);
    assert_int_equal(scratch_files(".part"), 0);
    assert_int_equal(scratch_files(".state"), 0);
    clean(0);
}

/* As if the machine had gone down since the slot was written. */
static void set_other_boot(const char *id)
{
    cu_state_file_t *sf;

    assert_int_equal(cu_state_open(&sf, scratch.dir, id, 0, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(cu_state_lock(sf, 1, 0), APR_SUCCESS);
    strcpy(sf->slot.boot, "another");
    assert_int_equal(cu_state_write(sf), APR_SUCCESS);
    cu_state_close(sf);
}

static void test_power_loss(void **state)
{
    cu_reply_t reply;
    const char *id = first("abcdef", 9);

    (void)state;
    /* the bytes are there after all */
    set_other_boot(id);
    assert_int_equal(query(id, &reply), CU_OK);
    assert_int_equal(reply.offset, 6);
    /* a tail of zeros of the right length is not taken for them */
    assert_int_equal(scratch_append(id, 6, "ghi", 3, 9, &reply), CU_OK);
    assert_int_equal(truncate(scratch_file(".part"), 6), 0);
    assert_int_equal(truncate(scratch_file(".part"), 9), 0);
    set_other_boot(id);
    assert_int_equal(query(id, &reply), CU_OK);
    assert_int_equal(reply.offset, 6);
    assert_int_equal(scratch_append(id, 6, "ghi", 3, 9, &reply), CU_OK);
    assert_int_equal(complete(id, "8aa99b1f439ff71293e95357bac6fd94", &reply),
                     CU_OK);
    assert_part("abcdefghi");
    clean(0);
}

static void test_power_loss_below_synced(void **state)
{
    cu_reply_t reply;
    const char *id = first("abcdef", 9);

    (void)state;
    set_other_boot(id);
    assert_int_equal(query(id, &reply), CU_OK); /* synced now */
    assert_int_equal(truncate(scratch_file(".part"), 3), 0);
    assert_int_equal(scratch_append(id, 6, "ghi", 3, 9, &reply), CU_DAMAGED);
}

static void test_part_shortened(void **state)
{
    cu_reply_t reply;
    const char *id = first("abcdef", 6);

    (void)state;
    assert_int_equal(truncate(scratch_file(".part"), 3), 0);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_DAMAGED);
    assert_int_equal(unlink(scratch_file(".part")), 0);
    assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_DAMAGED);
}

/* SEC-9: links planted in the store are not followed. */
static void test_links_in_the_store(void **state)
{
    const char *outside = apr_pstrcat(scratch.pool, scratch.dir, "/x", NULL);
    const char *planted =
        apr_pstrcat(scratch.pool, scratch.dir, "/store/chunked_uploads", NULL);
    cu_reply_t reply;

    (void)state;
    assert_int_equal(symlink(outside, planted), 0);
    assert_int_not_equal(scratch_append(NULL, 0, "abc", 3, 6, &reply), CU_OK);
    assert_int_equal(scratch_files(".part"), 0);
    assert_int_equal(scratch_files(".state"), 0);
    clean(0);
}

static void test_sync_modes(void **state)
{
    static const cu_sync_t modes[] = { CU_SYNC_NONE, CU_SYNC_CHUNK };
    cu_reply_t reply;
    const char *id;
    int i;

    (void)state;
    for (i = 0; i < 2; ++i) {
        scratch_engine(i ? "db" : "sdbm", modes[i]);
        id = first("abc", 6);
        assert_int_equal(scratch_append(id, 3, "def", 3, 6, &reply), CU_OK);
        assert_int_equal(complete(id, MD5_OF_ABCDEF, &reply), CU_OK);
        clean(0);
        assert_int_equal(unlink(scratch_file(".part")), 0);
        assert_int_equal(unlink(scratch_file(".state")), 0);
        clean(1);
    }
}

static void test_fsck_finds_and_mends(void **state)
{
    cu_fsck_t result;
    cu_reply_t reply;
    int lines = 0;
    const char *id;

    (void)state;
    scratch_engine("db", CU_SYNC_NONE);
    id = first("abc", 6);
    assert_int_equal(unlink(cu_state_path(scratch.dir, id, scratch.pool)), 0);
    assert_int_equal(cu_fsck(scratch.engine, 0, count_problem, &lines,
                             &scratch.log, &result, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(result.problems, 2); /* the part and the record */
    clean(1);
    assert_int_equal(scratch_files(".part"), 0);
    clean(0);
    id = first("abc", 6);
    assert_int_equal(truncate(scratch_file(".part"), 1), 0);
    lines = 0;
    assert_int_equal(cu_fsck(scratch.engine, 1, count_problem, &lines,
                             &scratch.log, &result, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(result.problems, 1);
    assert_int_equal(result.repaired, 0); /* bytes cannot be made */
    assert_int_equal(scratch_append(id, 3, "d", 1, 6, &reply), CU_DAMAGED);
}

static void test_long_pieces_and_small_ones(void **state)
{
    static char data[1500 * 1000];
    unsigned int random = 7;
    apr_size_t at = 0, len, i;
    cu_append_t *ap;
    cu_reply_t reply;
    cu_ask_t ask;

    (void)state;
    for (i = 0; i < sizeof(data); ++i) {
        random = random * 1103515245u + 12345u;
        data[i] = (char)(random >> 16);
    }
    scratch_ask(&ask, NULL);
    ask.whole = 1;
    assert_int_equal(
        cu_append_begin(&ap, scratch.engine, &ask, &reply, scratch.pool),
        CU_OK);
    while (at < sizeof(data)) {
        char *piece;

        random = random * 1103515245u + 12345u;
        len = (random >> 8) % ((random & 64) ? 400000 : 9000) + 1;
        if (len > sizeof(data) - at) {
            len = sizeof(data) - at;
        }
        piece = malloc(len);
        memcpy(piece, data + at, len);
        assert_int_equal(cu_append_write(ap, piece, len, &reply), CU_OK);
        assert_int_equal(cu_append_settle(ap, &reply), CU_OK);
        memset(piece, 0, len);
        free(piece);
        at += len;
    }
    assert_int_equal(cu_append_end(ap, &reply), CU_OK);
    assert_memory_equal(scratch_read(scratch_file(".part"), &len), data,
                        sizeof(data));
    assert_int_equal(len, sizeof(data));
}

#define TEST(name)                                                            \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_three_chunks_and_done),
        TEST(test_complete_twice_and_otherwise),
        TEST(test_short_cannot_complete),
        TEST(test_without_digest),
        TEST(test_reread_when_not_kept),
        TEST(test_reread_when_state_is_foreign),
        TEST(test_append_on_foreign_state),
        TEST(test_offsets),
        TEST(test_declared_and_arrived),
        TEST(test_limits),
        TEST(test_aborted_first_chunk_leaves_nothing),
        TEST(test_fencing),
        TEST(test_late_writer_after_completion),
        TEST(test_tail_is_cut),
        TEST(test_keep_partial),
        TEST(test_adopt_new_and_unnamed),
        TEST(test_restart),
        TEST(test_owner_and_scope),
        TEST(test_expiry),
        TEST(test_expiry_idle_and_never),
        TEST(test_fault_comes_after_state),
        TEST(test_cancel),
        TEST(test_recovery),
        TEST(test_power_loss),
        TEST(test_power_loss_below_synced),
        TEST(test_part_shortened),
        TEST(test_links_in_the_store),
        TEST(test_sync_modes),
        TEST(test_fsck_finds_and_mends),
        TEST(test_long_pieces_and_small_ones),
    };

    return cmocka_run_group_tests(tests, scratch_group_setup,
                                  scratch_group_teardown);
}
