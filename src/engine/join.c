/*
 * Joining.
 *
 * Two passes over the list: the first looks at every part and adds the lengths
 * up, so that what is refused leaves nothing; the second copies.  A finished
 * part never changes, so nothing is locked while bytes are copied: a part that
 * is removed between the passes ends the joining, one that is removed while
 * its bytes are copied is still open here.  The new upload is its maker's
 * alone until it is complete: nobody else can append to it (CU_ROLE_JOINED).
 */
#include "engine/join.h"

#include "engine/complete.h"
#include "engine/create.h"
#include "engine/policy.h"
#include "store/copy.h"
#include "store/partfile.h"

typedef struct join_t {
    const cu_engine_t *engine;
    cu_ask_t ask; /* the caller's, with the length, and later the id */
    cu_reply_t *reply;
    cu_state_file_t *sf; /* of the new upload */
    int part_fd;
    apr_off_t offset; /* bytes copied so far */
} join_t;

/* Look at a part; its bytes are *length. */
static cu_code_t look(join_t *join, const char *id, apr_off_t *length,
                      int *part_fd, apr_pool_t *scratch)
{
    cu_ask_t ask = join->ask;
    cu_state_file_t *sf;
    cu_reply_t *reply = join->reply, facts;
    apr_status_t rv;
    cu_code_t code;

    ask.id = id;
    cu_reply_init(&facts);
    code = cu_open(join->engine, &ask, 0, &sf, &facts, scratch);
    if (code != CU_OK) {
        reply->retry_after = facts.retry_after;
        return cu_reply_say(reply, code, facts.rv, facts.detail);
    }
    *length = sf->slot.length;
    if (sf->header.role != CU_ROLE_PART) {
        code = cu_reply_say(reply, CU_BAD_ASK, APR_SUCCESS,
                            "an upload in the list is not a part");
    }
    else if (sf->slot.status != CU_STATUS_DONE
             && sf->slot.status != CU_STATUS_COMPLETE) {
        code = cu_reply_say(reply, CU_INCOMPLETE, APR_SUCCESS,
                            "a part in the list is not finished");
    }
    else if (part_fd) {
        rv = cu_part_open(part_fd, sf->header.root, sf->header.path);
        if (rv != APR_SUCCESS) {
            code = cu_reply_say(reply, CU_DAMAGED, rv,
                                "a part's bytes are missing");
        }
    }
    cu_state_close(sf);
    return code;
}

/* First pass: every part is fit, and how long all are together. */
static cu_code_t measure(join_t *join, const char *const *ids, int count,
                         apr_pool_t *scratch)
{
    apr_off_t sum = 0, length;
    cu_code_t code = CU_OK;
    int i;

    for (i = 0; i < count && code == CU_OK; ++i) {
        apr_pool_clear(scratch);
        code = look(join, ids[i], &length, NULL, scratch);
        if (code == CU_OK && length > APR_INT64_MAX - sum) {
            return cu_reply_say(join->reply, CU_BAD_ASK, APR_SUCCESS,
                                "the parts have more than 2^63 bytes");
        }
        sum += code == CU_OK ? length : 0;
    }
    if (code == CU_OK) {
        join->ask.length = sum;
        code = cu_policy_declared(&join->ask, join->reply);
    }
    return code;
}

static cu_code_t copy_one(join_t *join, const char *id, apr_pool_t *scratch)
{
    apr_off_t length, copied;
    int fd = -1;
    cu_code_t code = look(join, id, &length, &fd, scratch);
    apr_status_t rv;

    if (code != CU_OK) {
        return code;
    }
    if (length > join->ask.length - join->offset) {
        (void)cu_io_close(&fd);
        return cu_reply_say(join->reply, CU_DAMAGED, APR_SUCCESS,
                            "a finished part has grown");
    }
    rv = cu_copy_range(fd, join->part_fd, join->offset, length, &copied,
                       scratch);
    (void)cu_io_close(&fd);
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(join->reply, rv, "a part cannot be copied");
    }
    if (copied != length) {
        return cu_reply_say(join->reply, CU_DAMAGED, APR_EOF,
                            "a part is shorter than recorded");
    }
    join->offset += length;
    return CU_OK;
}

/* All bytes are there: say so in the slot. */
static cu_code_t record(join_t *join)
{
    cu_state_file_t *sf = join->sf;
    apr_status_t rv = cu_state_lock(sf, 1, CU_LOCK_TIMEOUT);

    if (rv == APR_SUCCESS) {
        sf->slot.offset = join->offset;
        sf->slot.chunks = 1;
        sf->slot.writer_active = 0;
        sf->slot.digest_len = 0; /* nobody has hashed these bytes */
        rv = cu_state_write(sf);
        cu_state_unlock(sf);
    }
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(join->reply, rv,
                             "the joined upload cannot be recorded");
    }
    return CU_OK;
}

static void undo(join_t *join, apr_pool_t *scratch)
{
    if (cu_state_lock(join->sf, 1, CU_LOCK_TIMEOUT) == APR_SUCCESS) {
        CU_BEST_EFFORT(cu_open_remove(join->engine, join->sf,
                                      CU_STATUS_CANCELLED, join->ask.log,
                                      scratch));
    }
}

static cu_code_t build(join_t *join, const char *const *ids, int count,
                       apr_pool_t *pool, apr_pool_t *scratch)
{
    cu_reply_t sealed;
    cu_code_t code = CU_OK;
    int i;

    for (i = 0; i < count && code == CU_OK; ++i) {
        apr_pool_clear(scratch);
        code = copy_one(join, ids[i], scratch);
    }
    if (code == CU_OK) {
        code = record(join);
    }
    if (code == CU_OK) {
        join->ask.id = join->sf->header.id;
        join->ask.digest_required = 0;
        code = cu_complete(join->engine, &join->ask, &sealed, pool);
        *join->reply = sealed;
    }
    if (code != CU_OK) {
        undo(join, scratch);
        join->reply->id = NULL;
    }
    return code;
}

cu_code_t cu_join(const cu_engine_t *engine, const cu_ask_t *ask,
                  const char *const *ids, int count, cu_reply_t *reply,
                  apr_pool_t *pool)
{
    apr_pool_t *scratch;
    join_t join;
    cu_code_t code;

    cu_reply_init(reply);
    join.engine = engine;
    join.ask = *ask;
    join.ask.id = NULL;
    join.ask.role = CU_ROLE_JOINED;
    join.reply = reply;
    join.offset = 0;
    code = cu_open_admit(ask, reply);
    if (code != CU_OK) {
        return code;
    }
    if (count < 1 || count > CU_JOIN_MAX) {
        return cu_reply_say(reply, CU_BAD_ASK, APR_SUCCESS,
                            "the list has no parts, or too many");
    }
    apr_pool_create(&scratch, pool);
    code = measure(&join, ids, count, scratch);
    if (code == CU_OK) {
        code = cu_create(engine, &join.ask, &join.sf, &join.part_fd, reply,
                         pool);
        if (code == CU_OK) {
            code = build(&join, ids, count, pool, scratch);
            (void)cu_io_close(&join.part_fd);
            cu_state_close(join.sf);
        }
    }
    apr_pool_destroy(scratch);
    return code;
}
