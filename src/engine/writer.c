/* Batches of bytes into a part, fenced; see writer.h. */
#include "engine/writer.h"

#include <string.h>

#include "engine/policy.h"
#include "store/fault.h"

cu_code_t cu_writer_lock(cu_writer_t *writer, cu_reply_t *reply)
{
    cu_state_file_t *sf = writer->sf;
    apr_status_t rv = cu_state_lock(sf, 1, CU_LOCK_TIMEOUT);

    if (APR_STATUS_IS_ENOENT(rv)) {
        return cu_reply_say(reply, CU_SUPERSEDED, APR_SUCCESS,
                            "the upload was removed while its chunk arrived");
    }
    if (rv == APR_EINVAL) {
        cu_state_unlock(sf);
        return cu_reply_say(reply, CU_DAMAGED, rv,
                            "the state file has no valid slot");
    }
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "the state file cannot be locked");
    }
    if (sf->slot.generation != writer->generation
        || sf->slot.status != CU_STATUS_OPEN) {
        cu_code_t code = cu_open_confirm(writer->engine, sf, reply);

        cu_reply_facts(reply, sf, writer->pool);
        cu_state_unlock(sf);
        return code != CU_OK
                   ? code
                   : cu_reply_say(reply, CU_SUPERSEDED, APR_SUCCESS,
                                  "a newer request took the upload over");
    }
    return CU_OK;
}

cu_code_t cu_writer_record(cu_writer_t *writer, apr_off_t offset, int done,
                           cu_reply_t *reply)
{
    cu_state_file_t *sf = writer->sf;
    cu_slot_t before = sf->slot, *slot = &sf->slot;
    apr_status_t rv;

    slot->offset = offset;
    slot->active = writer->engine->clock();
    if (sf->header.expire_idle) {
        slot->expires = cu_policy_expires(sf->header.expire, slot->active);
    }
    if (writer->engine->sync == CU_SYNC_CHUNK) {
        slot->synced = offset;
    }
    memcpy(slot->boot, writer->engine->boot, sizeof(slot->boot));
    slot->digest_len =
        writer->digest ? cu_digest_save(writer->digest, slot->digest_state)
                       : 0;
    if (done) {
        slot->writer_active = 0;
        ++slot->chunks;
    }
    rv = cu_state_write(sf);
    CU_KILL_POINT("after_record");
    if (rv != APR_SUCCESS) {
        /* what is not safe was not acknowledged: say so on disk too */
        before.sequence = sf->slot.sequence;
        sf->slot = before;
        CU_BEST_EFFORT(cu_state_write(sf));
        return cu_reply_disk(reply, rv, "the new offset cannot be recorded");
    }
    return CU_OK;
}

/* Hash first and outside the lock: hashing is what takes the time. */
static void hash_pending(cu_writer_t *writer)
{
    int i;

    for (i = 0; i < writer->count; ++i) {
        cu_digest_update(writer->digest, writer->pieces[i].iov_base,
                         writer->pieces[i].iov_len);
        cu_digest_update(writer->checksum, writer->pieces[i].iov_base,
                         writer->pieces[i].iov_len);
    }
}

/* With Sync chunk an offset moves only after a sync; a body of many gigabytes
 * must not wait for its end, or a dead connection would cost it all.  The sync
 * is made outside of the lock. */
static cu_code_t checkpoint(cu_writer_t *writer, cu_reply_t *reply)
{
    apr_off_t flushed = writer->flushed;
    apr_status_t rv;
    cu_code_t code;

    if (!writer->sf || !writer->ask->keep_partial
        || writer->engine->sync != CU_SYNC_CHUNK
        || flushed - writer->synced < CU_WRITER_SYNC) {
        return CU_OK;
    }
    rv = cu_io_sync(writer->part_fd);
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "the bytes cannot be synced");
    }
    code = cu_writer_lock(writer, reply);
    if (code == CU_OK) {
        code = cu_writer_record(writer, writer->base + flushed, 0, reply);
        cu_state_unlock(writer->sf);
    }
    if (code == CU_OK) {
        writer->synced = flushed;
    }
    return code;
}

cu_code_t cu_writer_flush(cu_writer_t *writer, cu_reply_t *reply)
{
    apr_off_t at = writer->base + writer->flushed;
    apr_size_t len = writer->pending;
    cu_code_t code = CU_OK;
    apr_status_t rv;

    if (len == 0) {
        return CU_OK;
    }
    hash_pending(writer);
    if (writer->sf) {
        code = cu_writer_lock(writer, reply);
        if (code != CU_OK) {
            return code;
        }
    }
    rv = cu_io_pwritev(writer->part_fd, writer->pieces, writer->count, at);
    CU_KILL_POINT("after_bytes");
    if (rv != APR_SUCCESS) {
        code = cu_reply_disk(reply, rv, "the bytes cannot be written");
    }
    else {
        writer->flushed += (apr_off_t)len;
        writer->count = 0;
        writer->pending = 0;
        writer->buffered = 0;
        /* with Sync chunk the offset is only moved after the chunk's sync */
        if (writer->sf && writer->ask->keep_partial
            && writer->engine->sync != CU_SYNC_CHUNK) {
            code = cu_writer_record(writer, at + (apr_off_t)len, 0, reply);
        }
    }
    if (writer->sf) {
        cu_state_unlock(writer->sf);
    }
    return code == CU_OK ? checkpoint(writer, reply) : code;
}

/* Declared against arrived: too many bytes are refused as they come. */
static cu_code_t check_more(cu_writer_t *writer, apr_size_t len,
                            cu_reply_t *reply)
{
    const cu_ask_t *ask = writer->ask;
    apr_off_t more = (apr_off_t)len;
    apr_off_t length = writer->sf ? writer->sf->slot.length : ask->length;

    if (more > APR_INT64_MAX - writer->base - writer->received) {
        return cu_reply_say(reply, CU_LENGTH_MISMATCH, APR_SUCCESS,
                            "the upload would pass 2^63 bytes");
    }
    if ((ask->chunk_length != CU_LENGTH_UNKNOWN
         && writer->received + more > ask->chunk_length)
        || (length != CU_LENGTH_UNKNOWN
            && ask->offset + writer->received + more > length)) {
        return cu_reply_say(reply, CU_LENGTH_MISMATCH, APR_SUCCESS,
                            "more bytes arrived than declared");
    }
    return cu_policy_received(ask, ask->offset + writer->received + more,
                              reply);
}

cu_code_t cu_writer_take(cu_writer_t *writer, const char *data, apr_size_t len,
                         cu_reply_t *reply)
{
    cu_code_t code;

    if (len == 0) {
        return CU_OK;
    }
    code = check_more(writer, len, reply);
    if (code == CU_OK && writer->count == CU_WRITER_PIECES) {
        code = cu_writer_flush(writer, reply);
    }
    if (code != CU_OK) {
        return code;
    }
    writer->pieces[writer->count].iov_base = (void *)(apr_uintptr_t)data;
    writer->pieces[writer->count].iov_len = len;
    ++writer->count;
    writer->pending += len;
    writer->received += (apr_off_t)len;
    if (writer->pending >= CU_WRITER_BATCH) {
        code = cu_writer_flush(writer, reply);
    }
    return code;
}

cu_code_t cu_writer_settle(cu_writer_t *writer, cu_reply_t *reply)
{
    int i = writer->buffered ? 1 : 0;

    if (writer->pending >= CU_WRITER_SETTLE) {
        return cu_writer_flush(writer, reply);
    }
    if (writer->count == i) {
        return CU_OK;
    }
    if (!writer->buffer) {
        writer->buffer = apr_palloc(writer->pool, CU_WRITER_SETTLE);
    }
    for (; i < writer->count; ++i) {
        memcpy(writer->buffer + writer->buffered, writer->pieces[i].iov_base,
               writer->pieces[i].iov_len);
        writer->buffered += writer->pieces[i].iov_len;
    }
    writer->pieces[0].iov_base = writer->buffer;
    writer->pieces[0].iov_len = writer->buffered;
    writer->count = 1;
    return CU_OK;
}

void cu_writer_restart(cu_writer_t *writer)
{
    writer->received = 0;
    writer->flushed = 0;
    writer->synced = 0;
    writer->count = 0;
    writer->pending = 0;
    writer->buffered = 0;
    writer->checksum = NULL; /* read back, if it is asked for */
    writer->digest = writer->digest_base
                         ? cu_digest_copy(writer->digest_base, writer->pool)
                         : NULL;
}

void cu_writer_close(cu_writer_t *writer)
{
    cu_state_close(writer->sf);
    writer->sf = NULL;
    (void)cu_io_close(&writer->part_fd);
}
