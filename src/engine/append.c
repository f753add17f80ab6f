/*
 * One chunk: the order of checks, where its bytes go, when they count.  The
 * bytes themselves are writer.c's.
 */
#include "engine/append.h"

#include <string.h>

#include "engine/create.h"
#include "engine/policy.h"
#include "engine/recover.h"
#include "engine/state.h"
#include "engine/writer.h"
#include "store/fault.h"

#define COPY_BUFFER (64 * 1024)

struct cu_append_t {
    const cu_engine_t *engine;
    const cu_ask_t *ask;
    apr_pool_t *pool;
    cu_writer_t writer;
    int unnamed; /* no upload yet */
    int broken;  /* a write failed: what is pending does not count */
    int over;    /* ended or aborted */
};

static void writer_init(cu_writer_t *writer, const cu_engine_t *engine,
                        const cu_ask_t *ask, apr_pool_t *pool)
{
    memset(writer, 0, sizeof(*writer));
    writer->engine = engine;
    writer->ask = ask;
    writer->pool = pool;
    writer->part_fd = -1;
}

/* The running digest as the slot has it at its offset; without one the bytes
 * are reread at completion. */
static void load_digest(cu_writer_t *writer)
{
    const cu_slot_t *slot = &writer->sf->slot;
    cu_digest_alg_t alg = (cu_digest_alg_t)slot->digest;
    apr_off_t covered;

    if (alg == CU_DIGEST_NONE) {
        return;
    }
    if (cu_digest_load(&writer->digest, alg, slot->digest_state,
                       slot->digest_len, &covered, writer->pool)
            != APR_SUCCESS
        || covered != slot->offset) {
        writer->digest = NULL;
        return;
    }
    writer->digest_base = cu_digest_copy(writer->digest, writer->pool);
}

/* Where the chunk will end is known before it comes, or is not; a length that
 * is only declared now must not be below what there is. */
static cu_code_t check_end(const cu_ask_t *ask, apr_off_t length,
                           cu_reply_t *reply)
{
    apr_off_t coming = ask->chunk_length != CU_LENGTH_UNKNOWN
                           ? ask->chunk_length
                           : 0;

    if (length == CU_LENGTH_UNKNOWN) {
        length = ask->length;
    }
    if (length != CU_LENGTH_UNKNOWN
        && (ask->offset > length || coming > length - ask->offset)) {
        return cu_reply_say(reply, CU_LENGTH_MISMATCH, APR_SUCCESS,
                            "the chunk ends beyond the upload's length");
    }
    return CU_OK;
}

/* The digest over this chunk alone, when the client has said which. */
static cu_code_t begin_checksum(cu_writer_t *writer, cu_reply_t *reply)
{
    apr_status_t rv;

    writer->checksum = NULL;
    if (writer->ask->checksum == CU_DIGEST_NONE) {
        return CU_OK;
    }
    rv = cu_digest_begin(&writer->checksum, writer->ask->checksum,
                         writer->pool);
    if (rv != APR_SUCCESS) {
        return cu_reply_say(reply, CU_BUG, rv,
                            "the chunk's checksum cannot be computed");
    }
    return CU_OK;
}

/* What the ask says against what the limits and the upload say; offset and
 * length are the upload's. */
static cu_code_t check_ask(const cu_ask_t *ask, apr_off_t offset,
                           apr_off_t length, cu_reply_t *reply)
{
    cu_code_t code;

    if (ask->fault) {
        return cu_reply_say(reply, CU_BAD_ASK, APR_SUCCESS, ask->fault);
    }
    code = cu_policy_declared(ask, reply);
    if (code != CU_OK) {
        return code;
    }
    if (length != CU_LENGTH_UNKNOWN && ask->length != CU_LENGTH_UNKNOWN
        && length != ask->length) {
        return cu_reply_say(reply, CU_LENGTH_MISMATCH, APR_SUCCESS,
                            "the declared total is not the one of before");
    }
    if (ask->offset != offset) {
        return cu_reply_say(reply, CU_OFFSET_MISMATCH, APR_SUCCESS,
                            "the chunk does not begin where the upload ends");
    }
    return check_end(ask, length, reply);
}

/* State of the upload, then the ask: the seed's order. */
static cu_code_t check_open(const cu_engine_t *engine, const cu_ask_t *ask,
                            const cu_state_file_t *sf, cu_reply_t *reply)
{
    cu_code_t code;

    if (cu_open_expired(engine, sf)) {
        return cu_reply_say(reply, CU_GONE, APR_SUCCESS,
                            "the upload has expired");
    }
    code = cu_state_verdict(sf->slot.status, CU_EVENT_APPEND);
    if (code == CU_OK && sf->header.role == CU_ROLE_JOINED) {
        code = CU_CONFLICT; /* its maker has not come to the end */
    }
    if (code != CU_OK) {
        return cu_reply_say(reply, code, APR_SUCCESS,
                            code == CU_CONFLICT
                                ? "the upload is complete already"
                                : "the upload is marked as damaged");
    }
    return check_ask(ask, sf->slot.offset, sf->slot.length, reply);
}

/* Raise the generation: from here on we are the writer.  Under the lock. */
static cu_code_t take_over(cu_writer_t *writer, cu_reply_t *reply)
{
    cu_state_file_t *sf = writer->sf;
    apr_off_t size;
    apr_status_t rv;

    rv = cu_part_open(&writer->part_fd, sf->header.root, sf->header.path);
    if (rv == APR_SUCCESS) {
        rv = cu_part_size(writer->part_fd, &size);
        if (rv == APR_SUCCESS && size < sf->slot.offset) {
            rv = APR_EOF;
        }
    }
    if (rv != APR_SUCCESS) {
        return cu_reply_part(reply, rv);
    }
    if (sf->slot.length == CU_LENGTH_UNKNOWN) {
        sf->slot.length = writer->ask->length;
    }
    ++sf->slot.generation;
    sf->slot.writer_active = 1;
    rv = cu_state_write(sf);
    CU_KILL_POINT("after_take_over");
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "the state file cannot be written");
    }
    return CU_OK;
}

/* Become the writer of the upload ask->id. */
static cu_code_t begin_known(cu_writer_t *writer, cu_reply_t *reply)
{
    cu_code_t code;

    code = cu_open(writer->engine, writer->ask, 1, &writer->sf, reply,
                   writer->pool);
    if (code != CU_OK) {
        return code;
    }
    code = check_open(writer->engine, writer->ask, writer->sf, reply);
    if (code == CU_OK) {
        code = take_over(writer, reply);
    }
    else {
        cu_code_t said = cu_open_confirm(writer->engine, writer->sf, reply);

        code = said == CU_OK ? code : said;
    }
    if (code != CU_OK) {
        cu_writer_close(writer);
        return code;
    }
    writer->generation = writer->sf->slot.generation;
    writer->base = writer->sf->slot.offset;
    load_digest(writer);
    cu_state_unlock(writer->sf);
    return begin_checksum(writer, reply);
}

static cu_code_t begin_new(cu_writer_t *writer, cu_reply_t *reply)
{
    cu_code_t code = check_ask(writer->ask, 0, CU_LENGTH_UNKNOWN, reply);

    if (code == CU_OK) {
        code = cu_create(writer->engine, writer->ask, &writer->sf,
                         &writer->part_fd, reply, writer->pool);
    }
    if (code == CU_OK) {
        writer->is_new = 1;
        writer->generation = writer->sf->slot.generation;
        load_digest(writer);
        code = begin_checksum(writer, reply);
    }
    return code;
}

/* Let a place go whose bytes do not count (any more). */
static void forget(cu_writer_t *writer)
{
    cu_reply_t reply;

    if (writer->sf && cu_writer_lock(writer, &reply) == CU_OK) {
        if (writer->is_new) {
            CU_BEST_EFFORT(cu_open_remove(writer->engine, writer->sf,
                                          CU_STATUS_CANCELLED,
                                          writer->ask->log, writer->pool));
        }
        else {
            writer->sf->slot.writer_active = 0;
            CU_BEST_EFFORT(cu_state_write(writer->sf));
        }
    }
    cu_writer_close(writer);
}

/* A sync failed: nothing since the last good one counts.  A new upload is
 * removed anyway. */
static cu_code_t distrust(cu_writer_t *writer, apr_status_t rv,
                          cu_reply_t *reply)
{
    cu_reply_t ignored;

    if (!writer->is_new && cu_writer_lock(writer, &ignored) == CU_OK) {
        CU_BEST_EFFORT(cu_recover_distrust(writer->sf, writer->ask->log,
                                           writer->pool));
        cu_state_unlock(writer->sf);
    }
    return cu_reply_disk(reply, rv, "the bytes cannot be synced");
}

/* With keep_partial: what has arrived counts.  The last batch may not have
 * gone out yet. */
static void keep(cu_append_t *ap)
{
    cu_writer_t *writer = &ap->writer;
    cu_reply_t reply;
    cu_code_t code = CU_OK;

    cu_reply_init(&reply);
    if (!ap->broken) {
        code = cu_writer_flush(writer, &reply);
    }
    if (code == CU_OK && ap->engine->sync == CU_SYNC_CHUNK) {
        apr_status_t rv = cu_io_sync(writer->part_fd);

        if (rv != APR_SUCCESS) {
            code = distrust(writer, rv, &reply);
        }
    }
    if (code == CU_OK && !ap->broken
        && cu_writer_lock(writer, &reply) == CU_OK) {
        code = cu_writer_record(writer, writer->base + writer->flushed, 1,
                                &reply);
    }
    if (code != CU_OK) {
        cu_log(ap->ask->log, CU_LOG_INFO, reply.rv,
               CULOGNO(0020) "upload %s: the end of a broken chunk is lost: %s",
               writer->sf->header.id,
               reply.detail ? reply.detail : "");
    }
    cu_writer_close(writer);
}

static apr_status_t abort_cleanup(void *data)
{
    cu_append_t *ap = data;

    if (!ap->over) {
        ap->over = 1;
        if (ap->writer.sf && ap->ask->keep_partial) {
            keep(ap);
        }
        else {
            forget(&ap->writer);
        }
    }
    return APR_SUCCESS;
}

static cu_append_t *make(const cu_engine_t *engine, const cu_ask_t *ask,
                         apr_pool_t *pool)
{
    cu_append_t *ap = apr_pcalloc(pool, sizeof(*ap));

    ap->engine = engine;
    ap->ask = ask;
    ap->pool = pool;
    writer_init(&ap->writer, engine, ask, pool);
    return ap;
}

cu_code_t cu_append_begin(cu_append_t **out, const cu_engine_t *engine,
                          const cu_ask_t *ask, cu_reply_t *reply,
                          apr_pool_t *pool)
{
    cu_append_t *ap = make(engine, ask, pool);
    cu_code_t code;

    *out = NULL;
    cu_reply_init(reply);
    code = cu_open_admit(ask, reply);
    if (code == CU_OK) {
        code = ask->id ? begin_known(&ap->writer, reply)
                       : begin_new(&ap->writer, reply);
    }
    if (code == CU_OK) {
        /* registered after the descriptors' own cleanups: it runs first */
        apr_pool_pre_cleanup_register(pool, ap, abort_cleanup);
        *out = ap;
    }
    else {
        forget(&ap->writer);
    }
    return code;
}

cu_code_t cu_append_begin_unnamed(cu_append_t **out, const cu_engine_t *engine,
                                  const cu_ask_t *ask, cu_reply_t *reply,
                                  apr_pool_t *pool)
{
    cu_append_t *ap = make(engine, ask, pool);
    cu_code_t code;
    apr_status_t rv;

    *out = NULL;
    cu_reply_init(reply);
    code = cu_open_admit(ask, reply);
    if (code == CU_OK) {
        code = cu_policy_declared(ask, reply);
    }
    if (code != CU_OK) {
        return code;
    }
    rv = cu_part_unnamed(&ap->writer.part_fd, engine->root);
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "no temporary file can be made");
    }
    ap->unnamed = 1;
    apr_pool_pre_cleanup_register(pool, ap, abort_cleanup);
    *out = ap;
    return CU_OK;
}

cu_code_t cu_append_write(cu_append_t *ap, const char *data, apr_size_t len,
                          cu_reply_t *reply)
{
    cu_code_t code = cu_writer_take(&ap->writer, data, len, reply);

    ap->broken |= code != CU_OK;
    return code;
}

cu_code_t cu_append_settle(cu_append_t *ap, cu_reply_t *reply)
{
    cu_code_t code = cu_writer_settle(&ap->writer, reply);

    ap->broken |= code != CU_OK;
    return code;
}

cu_code_t cu_append_restart(cu_append_t *ap, cu_reply_t *reply)
{
    (void)reply;
    cu_writer_restart(&ap->writer);
    return CU_OK;
}

/* Copy what `from` has taken to the end of `to`. */
static cu_code_t copy_over(cu_writer_t *from, cu_writer_t *to,
                           cu_reply_t *reply)
{
    char *buffer = apr_palloc(to->pool, COPY_BUFFER);
    apr_off_t at = 0;
    cu_code_t code = CU_OK;

    while (code == CU_OK && at < from->received) {
        apr_off_t rest = from->received - at;
        apr_size_t want = rest < COPY_BUFFER ? (apr_size_t)rest : COPY_BUFFER;
        apr_size_t got;
        apr_status_t rv = cu_io_pread(from->part_fd, buffer, want,
                                      from->base + at, &got);

        if (rv != APR_SUCCESS || got != want) {
            return cu_reply_disk(reply, rv != APR_SUCCESS ? rv : APR_EOF,
                                 "staged bytes cannot be read back");
        }
        code = cu_writer_take(to, buffer, got, reply);
        if (code == CU_OK) {
            code = cu_writer_flush(to, reply);
        }
        at += (apr_off_t)got;
    }
    return code;
}

cu_code_t cu_append_adopt(cu_append_t *ap, const cu_ask_t *ask,
                          cu_reply_t *reply)
{
    cu_writer_t to;
    cu_code_t code;

    code = cu_writer_flush(&ap->writer, reply);
    if (code != CU_OK) {
        ap->broken = 1;
        return code;
    }
    cu_reply_init(reply);
    writer_init(&to, ap->engine, ask, ap->pool);
    code = begin_known(&to, reply);
    if (code == CU_OK) {
        code = copy_over(&ap->writer, &to, reply);
    }
    if (code != CU_OK) {
        forget(&to);
        ap->broken = 1;
        return code;
    }
    forget(&ap->writer);
    ap->writer = to;
    ap->ask = ask;
    ap->unnamed = 0;
    return CU_OK;
}

/* Declared against arrived, at the end. */
static cu_code_t check_whole(cu_append_t *ap, cu_reply_t *reply)
{
    const cu_ask_t *ask = ap->ask;

    if (ap->unnamed) {
        reply->offset = 0;
        return cu_reply_say(reply, CU_OFFSET_MISMATCH, APR_SUCCESS,
                            "a new upload cannot begin in the middle");
    }
    if (ask->chunk_length != CU_LENGTH_UNKNOWN
        && ap->writer.received != ask->chunk_length) {
        return cu_reply_say(reply, CU_LENGTH_MISMATCH, APR_SUCCESS,
                            "fewer bytes arrived than declared");
    }
    if (ask->whole && ap->writer.sf->slot.length != CU_LENGTH_UNKNOWN
        && ap->writer.sf->slot.length
               != ap->writer.base + ap->writer.received) {
        return cu_reply_say(reply, CU_LENGTH_MISMATCH, APR_SUCCESS,
                            "the part's size is not the declared total");
    }
    return CU_OK;
}

/* The checksum that came behind the bytes: they are read back. */
static cu_code_t reread_checksum(cu_append_t *ap, cu_reply_t *reply)
{
    cu_writer_t *writer = &ap->writer;
    char *buffer = apr_palloc(ap->pool, COPY_BUFFER);
    apr_off_t at = 0;
    cu_code_t code = begin_checksum(writer, reply);

    while (code == CU_OK && at < writer->received) {
        apr_off_t rest = writer->received - at;
        apr_size_t want = rest < COPY_BUFFER ? (apr_size_t)rest : COPY_BUFFER;
        apr_size_t got;
        apr_status_t rv = cu_io_pread(writer->part_fd, buffer, want,
                                      writer->base + at, &got);

        if (rv != APR_SUCCESS || got != want) {
            return cu_reply_disk(reply, rv != APR_SUCCESS ? rv : APR_EOF,
                                 "the chunk cannot be read back");
        }
        cu_digest_update(writer->checksum, buffer, got);
        at += (apr_off_t)got;
    }
    return code;
}

static cu_code_t check_sum(cu_append_t *ap, cu_reply_t *reply)
{
    char hex[CU_DIGEST_HEX_MAX];
    cu_code_t code = CU_OK;

    if (ap->ask->checksum == CU_DIGEST_NONE) {
        return CU_OK;
    }
    if (!ap->writer.checksum) {
        code = reread_checksum(ap, reply);
    }
    if (code != CU_OK) {
        return code;
    }
    cu_digest_hex(ap->writer.checksum, hex);
    if (!cu_digest_hex_equal(hex, ap->ask->checksum_hex)) {
        return cu_reply_say(reply, CU_DIGEST_MISMATCH, APR_SUCCESS,
                            "the chunk's checksum is not the client's");
    }
    return CU_OK;
}

/* Sync, lock, record: from here on the bytes count. */
static cu_code_t commit(cu_append_t *ap, cu_reply_t *reply)
{
    cu_writer_t *writer = &ap->writer;
    apr_status_t rv;
    cu_code_t code;

    if (ap->engine->sync == CU_SYNC_CHUNK) {
        rv = cu_io_sync(writer->part_fd);
        CU_KILL_POINT("after_sync");
        if (rv != APR_SUCCESS) {
            return distrust(writer, rv, reply);
        }
    }
    else if (ap->engine->sync == CU_SYNC_COMPLETE) {
        /* so that completion's sync finds little left to do */
        cu_io_writeback(writer->part_fd, writer->base, writer->received);
    }
    code = cu_writer_lock(writer, reply);
    if (code != CU_OK) {
        return code;
    }
    if (ap->ask->whole) {
        writer->sf->slot.length = writer->base + writer->received;
    }
    code = cu_writer_record(writer, writer->base + writer->received, 1,
                            reply);
    if (code == CU_OK) {
        cu_reply_facts(reply, writer->sf, ap->pool);
    }
    cu_state_unlock(writer->sf);
    return code;
}

cu_code_t cu_append_end(cu_append_t *ap, cu_reply_t *reply)
{
    cu_code_t code = check_whole(ap, reply);

    if (code == CU_OK) {
        code = cu_writer_flush(&ap->writer, reply);
        ap->broken |= code != CU_OK;
    }
    if (code == CU_OK) {
        code = check_sum(ap, reply);
    }
    if (code == CU_OK) {
        code = commit(ap, reply);
        ap->broken |= code != CU_OK;
    }
    if (code != CU_OK) {
        cu_append_abort(ap);
        return code;
    }
    ap->over = 1;
    cu_writer_close(&ap->writer);
    return CU_OK;
}

void cu_append_abort(cu_append_t *ap)
{
    if (ap) {
        (void)abort_cleanup(ap);
    }
}

const char *cu_append_id(const cu_append_t *ap)
{
    return ap->writer.sf ? ap->writer.sf->header.id : NULL;
}

int cu_append_is_new(const cu_append_t *ap)
{
    return ap->writer.is_new;
}
