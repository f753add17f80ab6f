/*
 * The engine as protocols of raw bodies use it: bytes that count piecemeal, a
 * query that fences, a chunk's own checksum, removal, and joining.
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
#include "engine/join.h"
#include "unit/scratch.h"

#define SHA1_OF_ABC "a9993e364706816aba3e25717850c26c9cd0d89d"

static void say_nothing(void *baton, const char *line)
{
    (void)baton;
    fail_msg("%s", line);
}

/* Everything in the store belongs together, and this many uploads are. */
static void clean(int uploads)
{
    cu_fsck_t result;

    assert_int_equal(cu_fsck(scratch.engine, 0, say_nothing, NULL,
                             &scratch.log, &result, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(result.uploads, uploads);
    assert_int_equal(scratch_files(".part"), uploads);
    assert_int_equal(scratch_files(".state"), uploads);
}

static cu_ask_t *raw_ask(const char *id, apr_off_t offset, apr_off_t length)
{
    cu_ask_t *ask = apr_pcalloc(scratch.pool, sizeof(*ask));

    scratch_ask(ask, id);
    ask->offset = offset;
    ask->length = length;
    ask->keep_partial = 1;
    return ask;
}

static cu_append_t *begin(const cu_ask_t *ask, const char *data)
{
    cu_append_t *ap;
    cu_reply_t reply;

    assert_int_equal(cu_append_begin(&ap, scratch.engine, ask, &reply,
                                     scratch.pool),
                     CU_OK);
    assert_int_equal(cu_append_write(ap, data, strlen(data), &reply), CU_OK);
    return ap;
}

/* A whole chunk; its id. */
static const char *append(cu_ask_t *ask, const char *data)
{
    cu_append_t *ap = begin(ask, data);
    cu_reply_t reply;

    assert_int_equal(cu_append_end(ap, &reply), CU_OK);
    assert_int_equal(reply.offset, ask->offset + (apr_off_t)strlen(data));
    return apr_pstrdup(scratch.pool, reply.id);
}

static cu_reply_t look(const char *id, int fence)
{
    cu_ask_t ask;
    cu_reply_t reply;

    scratch_ask(&ask, id);
    ask.fence = fence;
    assert_int_equal(cu_engine_query(scratch.engine, &ask, &reply,
                                     scratch.pool),
                     CU_OK);
    return reply;
}

static void a_broken_chunk_keeps_its_new_upload(void **state)
{
    cu_append_t *ap = begin(raw_ask(NULL, 0, 6), "abc");
    const char *id = apr_pstrdup(scratch.pool, cu_append_id(ap));

    (void)state;
    cu_append_abort(ap);
    assert_int_equal(look(id, 0).offset, 3);
    assert_int_equal(look(id, 0).status, CU_STATUS_OPEN);
    append(raw_ask(id, 3, CU_LENGTH_UNKNOWN), "def");
    clean(1);
}

static void with_every_sync(void **state)
{
    static const cu_sync_t syncs[] = {
        CU_SYNC_NONE, CU_SYNC_COMPLETE, CU_SYNC_CHUNK
    };
    size_t i;

    (void)state;
    for (i = 0; i < 3; ++i) {
        cu_append_t *ap;
        const char *id;

        scratch_engine("mem", syncs[i]);
        ap = begin(raw_ask(NULL, 0, 6), "abcd");
        id = apr_pstrdup(scratch.pool, cu_append_id(ap));
        cu_append_abort(ap);
        cu_append_abort(ap);
        assert_int_equal(look(id, 1).offset, 4);
    }
}

/* With Sync chunk a long body is recorded on its way. */
static void long_bodies_are_recorded_on_the_way(void **state)
{
    enum { PIECE = 1024 * 1024, PIECES = 40 };
    char *piece = apr_pcalloc(scratch.pool, PIECE);
    cu_append_t *ap;
    cu_reply_t reply;
    const char *id;
    int i;

    (void)state;
    scratch_engine("mem", CU_SYNC_CHUNK);
    ap = begin(raw_ask(NULL, 0, CU_LENGTH_UNKNOWN), "");
    id = apr_pstrdup(scratch.pool, cu_append_id(ap));
    for (i = 0; i < PIECES; ++i) {
        assert_int_equal(cu_append_write(ap, piece, PIECE, &reply), CU_OK);
    }
    assert_int_equal(look(id, 0).offset, 32 * PIECE);
    cu_append_abort(ap);
    assert_int_equal(look(id, 0).offset, (apr_off_t)PIECES * PIECE);
}

static void a_query_fences_when_it_is_asked_to(void **state)
{
    const char *id = append(raw_ask(NULL, 0, 9), "abc"), *file;
    cu_append_t *ap = begin(raw_ask(id, 3, 9), "def");
    char *before, *after;
    apr_size_t len;
    cu_reply_t reply;

    (void)state;
    file = scratch_file(".state");
    before = scratch_read(file, &len);
    assert_int_equal(look(id, 0).offset, 3);
    assert_memory_equal(scratch_read(file, &len), before, len);
    assert_int_equal(look(id, 1).offset, 3);
    after = scratch_read(file, &len);
    assert_memory_not_equal(after, before, len);
    assert_int_equal(cu_append_end(ap, &reply), CU_SUPERSEDED);
    assert_int_equal(look(id, 1).offset, 3);
    /* nobody writes: nothing is written */
    assert_memory_equal(scratch_read(file, &len), after, len);
    append(raw_ask(id, 3, 9), "def");
}

static void beyond_the_length_is_refused_before_it_comes(void **state)
{
    const char *id = append(raw_ask(NULL, 0, 5), "abc");
    cu_ask_t *ask = raw_ask(id, 3, CU_LENGTH_UNKNOWN);
    cu_append_t *ap;
    cu_reply_t reply;

    (void)state;
    ask->chunk_length = 3;
    assert_int_equal(cu_append_begin(&ap, scratch.engine, ask, &reply,
                                     scratch.pool),
                     CU_LENGTH_MISMATCH);
    ask->chunk_length = APR_INT64_MAX;
    assert_int_equal(cu_append_begin(&ap, scratch.engine, ask, &reply,
                                     scratch.pool),
                     CU_LENGTH_MISMATCH);
    ask->chunk_length = 2;
    append(ask, "de");
    /* a length that comes late and is below what is there */
    id = append(raw_ask(NULL, 0, CU_LENGTH_UNKNOWN), "abc");
    assert_int_equal(cu_append_begin(&ap, scratch.engine, raw_ask(id, 3, 2),
                                     &reply, scratch.pool),
                     CU_LENGTH_MISMATCH);
    append(raw_ask(id, 3, 3), "");
    assert_int_equal(look(id, 0).length, 3);
}

static void checked_chunks(void **state)
{
    cu_ask_t *ask = raw_ask(NULL, 0, 6);
    cu_append_t *ap;
    cu_reply_t reply;
    const char *id;

    (void)state;
    ask->keep_partial = 0;
    ask->checksum = CU_DIGEST_SHA1;
    ask->checksum_hex = SHA1_OF_ABC;
    ap = begin(ask, "abx");
    assert_int_equal(cu_append_end(ap, &reply), CU_DIGEST_MISMATCH);
    clean(0);
    id = append(ask, "abc");
    ask = raw_ask(id, 3, 6);
    ask->keep_partial = 0;
    ap = begin(ask, "abc");
    /* said only now, behind the bytes */
    ask->checksum = CU_DIGEST_SHA1;
    ask->checksum_hex = "00";
    assert_int_equal(cu_append_end(ap, &reply), CU_DIGEST_MISMATCH);
    assert_int_equal(look(id, 0).offset, 3);
    ask->checksum = CU_DIGEST_NONE;
    ap = begin(ask, "abc");
    ask->checksum = CU_DIGEST_SHA1;
    ask->checksum_hex = SHA1_OF_ABC;
    assert_int_equal(cu_append_end(ap, &reply), CU_OK);
    assert_int_equal(look(id, 0).offset, 6);
    clean(1);
}

static const char *finished(const char *data, cu_role_t role)
{
    cu_ask_t *ask = raw_ask(NULL, 0, (apr_off_t)strlen(data));
    cu_reply_t reply;
    const char *id;

    ask->role = role;
    id = append(ask, data);
    scratch_ask(ask, id);
    assert_int_equal(cu_complete(scratch.engine, ask, &reply, scratch.pool),
                     CU_OK);
    return id;
}

static void removal_of_finished_uploads_is_policy(void **state)
{
    const char *id = finished("abc", CU_ROLE_FILE);
    cu_ask_t ask;
    cu_reply_t reply;

    (void)state;
    scratch_ask(&ask, id);
    assert_int_equal(cu_engine_cancel(scratch.engine, &ask, &reply,
                                      scratch.pool),
                     CU_CONFLICT);
    scratch.policy.delete_complete = 1;
    assert_int_equal(cu_engine_cancel(scratch.engine, &ask, &reply,
                                      scratch.pool),
                     CU_OK);
    clean(0);
}

static void the_clients_words_are_kept(void **state)
{
    cu_ask_t *ask = raw_ask(NULL, 0, 6);
    char *text = apr_pcalloc(scratch.pool, CU_UPLOAD_CLIENT_MAX + 2);
    cu_append_t *ap;
    cu_reply_t reply;
    const char *id;

    (void)state;
    memset(text, 'm', CU_UPLOAD_CLIENT_MAX);
    ask->metadata = text;
    ask->concat = "partial";
    ask->role = CU_ROLE_PART;
    id = append(ask, "abc");
    reply = look(id, 0);
    assert_string_equal(reply.metadata, text);
    assert_string_equal(reply.concat, "partial");
    assert_int_equal(reply.role, CU_ROLE_PART);
    text[CU_UPLOAD_CLIENT_MAX] = 'm';
    assert_int_equal(cu_append_begin(&ap, scratch.engine, ask, &reply,
                                     scratch.pool),
                     CU_BUG);
    clean(1);
}

static cu_code_t join(const char *const *ids, int count, cu_reply_t *reply)
{
    cu_ask_t ask;

    scratch_ask(&ask, NULL);
    ask.concat = "final;...";
    return cu_join(scratch.engine, &ask, ids, count, reply, scratch.pool);
}

static void joined_in_order(void **state)
{
    const char *ids[3], *id;
    cu_reply_t reply;
    apr_size_t len;
    cu_append_t *ap;

    (void)state;
    ids[0] = finished("abc", CU_ROLE_PART);
    ids[1] = finished("", CU_ROLE_PART);
    ids[2] = ids[0];
    assert_int_equal(join(ids, 3, &reply), CU_OK);
    assert_int_equal(reply.status, CU_STATUS_DONE);
    assert_int_equal(reply.offset, 6);
    assert_int_equal(reply.length, 6);
    id = apr_pstrdup(scratch.pool, reply.id);
    assert_string_equal(scratch_read(reply.path, &len), "abcabc");
    assert_int_equal(look(id, 0).role, CU_ROLE_JOINED);
    assert_int_equal(cu_append_begin(&ap, scratch.engine,
                                     raw_ask(id, 6, CU_LENGTH_UNKNOWN),
                                     &reply, scratch.pool),
                     CU_CONFLICT);
    clean(3);
    /* of nothing but empty parts */
    assert_int_equal(join(&ids[1], 1, &reply), CU_OK);
    assert_int_equal(reply.length, 0);
    clean(4);
}

static void what_cannot_be_joined_leaves_nothing(void **state)
{
    const char *part = finished("abc", CU_ROLE_PART), *ids[2];
    cu_ask_t *ask = raw_ask(NULL, 0, 5);
    cu_reply_t reply;

    (void)state;
    ids[0] = part;
    ids[1] = finished("abc", CU_ROLE_FILE);
    assert_int_equal(join(ids, 2, &reply), CU_BAD_ASK);
    assert_null(reply.id);
    ask->role = CU_ROLE_PART;
    ids[1] = append(ask, "abc");
    assert_int_equal(join(ids, 2, &reply), CU_INCOMPLETE);
    ids[1] = "00112233445566778899aabbccddeeff";
    assert_int_equal(join(ids, 2, &reply), CU_NOT_FOUND);
    assert_int_equal(join(ids, 0, &reply), CU_BAD_ASK);
    assert_int_equal(join(ids, CU_JOIN_MAX + 1, &reply), CU_BAD_ASK);
    ids[1] = part;
    scratch.policy.max_bytes = 5;
    assert_int_equal(join(ids, 2, &reply), CU_TOO_LARGE);
    scratch.policy.max_bytes = CU_NO_LIMIT;
    scratch.policy.anonymous = 0;
    assert_int_equal(join(ids, 2, &reply), CU_UNAUTHENTICATED);
    scratch.policy.anonymous = 1;
    clean(3);
    /* a part whose bytes are gone, or fewer than recorded */
    assert_int_equal(truncate(look(part, 0).path, 2), 0);
    assert_int_equal(join(ids, 2, &reply), CU_DAMAGED);
    assert_int_equal(unlink(look(part, 0).path), 0);
    assert_int_equal(join(ids, 2, &reply), CU_DAMAGED);
    assert_int_equal(scratch_files(".state"), 3);
}

#define TEST(function)                                                        \
    cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_broken_chunk_keeps_its_new_upload),
        TEST(with_every_sync),
        TEST(long_bodies_are_recorded_on_the_way),
        TEST(a_query_fences_when_it_is_asked_to),
        TEST(beyond_the_length_is_refused_before_it_comes),
        TEST(checked_chunks),
        TEST(removal_of_finished_uploads_is_policy),
        TEST(the_clients_words_are_kept),
        TEST(joined_in_order),
        TEST(what_cannot_be_joined_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, scratch_group_setup,
                                  scratch_group_teardown);
}
