/*
 * Completion.
 *
 * What takes time (a reread where the running digest is missing, the sync)
 * happens between two short locks: the first fences every writer by raising
 * the generation, the second sees that nobody came since, and seals.  So the
 * bytes are verified and synced before SEALING is written, and whoever finds
 * SEALING only has the last step to do.
 */
#include "engine/complete.h"

#include <string.h>

#include <apr_strings.h>

#include "engine/open.h"
#include "engine/recover.h"
#include "engine/state.h"
#include "store/fault.h"
#include "store/partfile.h"

typedef struct seal_t {
    const cu_engine_t *engine;
    const cu_ask_t *ask;
    cu_reply_t *reply;
    apr_pool_t *pool;
    cu_state_file_t *sf;
    int part_fd;
    apr_uint64_t generation;
    char hex[CU_DIGEST_HEX_MAX]; /* "" when no digest is known */
} seal_t;

/* Which digest is compared. */
static cu_digest_alg_t wanted(const seal_t *seal)
{
    return seal->ask->digest_required ? seal->ask->policy->digest
                                      : (cu_digest_alg_t)seal->sf->slot.digest;
}

/* Completed before: the same answer, or a mismatch with what was recorded. */
static cu_code_t answer_again(seal_t *seal)
{
    const cu_slot_t *slot = &seal->sf->slot;

    if (seal->ask->digest_required && slot->digest_hex[0]
        && slot->digest == (unsigned int)seal->ask->policy->digest
        && !cu_digest_hex_equal(slot->digest_hex, seal->ask->digest_hex)) {
        return cu_reply_say(seal->reply, CU_DIGEST_MISMATCH, APR_SUCCESS,
                            "completed before, with another digest");
    }
    return CU_OK;
}

/* First lock: may it be completed?  Fence the writers. */
static cu_code_t fence(seal_t *seal)
{
    cu_state_file_t *sf = seal->sf;
    cu_code_t code;
    apr_status_t rv;

    code = cu_state_verdict(sf->slot.status, CU_EVENT_COMPLETE);
    if (code != CU_OK) {
        return cu_reply_say(seal->reply, code, APR_SUCCESS,
                            "the upload's state does not allow completion");
    }
    if (cu_open_expired(seal->engine, sf)) {
        return cu_reply_say(seal->reply, CU_GONE, APR_SUCCESS,
                            "the upload expired before it was finished");
    }
    if (sf->slot.length == CU_LENGTH_UNKNOWN
        || sf->slot.offset != sf->slot.length) {
        return cu_reply_say(seal->reply, CU_INCOMPLETE, APR_SUCCESS,
                            "bytes are missing");
    }
    ++sf->slot.generation;
    sf->slot.writer_active = 0;
    rv = cu_state_write(sf);
    CU_KILL_POINT("after_fence");
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(seal->reply, rv,
                             "the state file cannot be written");
    }
    seal->generation = sf->slot.generation;
    cu_state_unlock(sf);
    return CU_OK;
}

static cu_code_t open_part(seal_t *seal)
{
    const cu_header_t *header = &seal->sf->header;
    apr_off_t size, length = seal->sf->slot.length;
    apr_status_t rv;

    rv = cu_part_open(&seal->part_fd, header->root, header->path);
    if (rv == APR_SUCCESS) {
        rv = cu_part_size(seal->part_fd, &size);
    }
    if (rv == APR_SUCCESS && size < length) {
        rv = APR_EOF;
    }
    if (rv != APR_SUCCESS) {
        return cu_reply_part(seal->reply, rv);
    }
    return CU_OK;
}

/* The digest of the whole: from the saved state, else by reading. */
static cu_code_t digest(seal_t *seal)
{
    const cu_slot_t *slot = &seal->sf->slot;
    cu_digest_alg_t alg = wanted(seal);
    cu_digest_t *running;
    apr_off_t covered;
    apr_status_t rv;

    if (alg == CU_DIGEST_NONE) {
        return CU_OK;
    }
    rv = cu_digest_load(&running, alg, slot->digest_state, slot->digest_len,
                        &covered, seal->pool);
    if (rv != APR_SUCCESS || covered != slot->length) {
        if (!seal->ask->digest_required) {
            return CU_OK;
        }
        rv = cu_recover_hash(seal->part_fd, slot->length, alg, &running,
                             seal->pool);
        if (rv != APR_SUCCESS) {
            return cu_reply_disk(seal->reply, rv,
                                 "the part cannot be read back");
        }
        seal->reply->reread = (apr_uint64_t)slot->length;
        cu_log(seal->ask->log, CU_LOG_DEBUG, APR_SUCCESS,
               CULOGNO(0030) "upload %s: no running digest, %" APR_OFF_T_FMT
                             " bytes read back",
               seal->sf->header.id, slot->length);
    }
    cu_digest_hex(running, seal->hex);
    if (seal->ask->digest_required
        && !cu_digest_hex_equal(seal->hex, seal->ask->digest_hex)) {
        return cu_reply_say(seal->reply, CU_DIGEST_MISMATCH, APR_SUCCESS,
                            "the digest is not the client's");
    }
    return CU_OK;
}

/* Second lock: nobody came since? */
static cu_code_t lock_again(seal_t *seal)
{
    cu_state_file_t *sf = seal->sf;
    apr_status_t rv = cu_state_lock(sf, 1, CU_LOCK_TIMEOUT);

    if (APR_STATUS_IS_ENOENT(rv)) {
        return cu_reply_say(seal->reply, CU_NOT_FOUND, APR_SUCCESS,
                            "the upload was removed meanwhile");
    }
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(seal->reply, rv,
                             "the state file cannot be locked");
    }
    if (sf->slot.generation == seal->generation
        && sf->slot.status == CU_STATUS_OPEN) {
        return CU_OK;
    }
    if (cu_state_verdict(sf->slot.status, CU_EVENT_COMPLETE)
        == CU_CONFLICT) {
        return CU_CONFLICT; /* another completion was quicker */
    }
    return cu_reply_say(seal->reply, CU_BUSY, APR_SUCCESS,
                        "a newer request took the upload over");
}

/* Bring the bytes to the disk, and the names by which they are found.  Bytes
 * that cannot be brought there do not count: see cu_recover_distrust(). */
static cu_code_t sync_all(seal_t *seal)
{
    const cu_header_t *header = &seal->sf->header;
    apr_status_t rv = cu_io_sync(seal->part_fd);

    if (rv == APR_SUCCESS) {
        rv = cu_part_sync_name(header->root, header->path);
        if (rv == APR_SUCCESS) {
            rv = cu_state_sync_name(seal->sf);
        }
        return rv == APR_SUCCESS
                   ? CU_OK
                   : cu_reply_disk(seal->reply, rv,
                                   "a directory cannot be synced");
    }
    if (cu_state_lock(seal->sf, 1, CU_LOCK_TIMEOUT) == APR_SUCCESS) {
        CU_BEST_EFFORT(cu_recover_distrust(seal->sf, seal->ask->log,
                                           seal->pool));
    }
    return cu_reply_disk(seal->reply, rv, "the part cannot be synced");
}

/* Under the lock: SEALING, publish (it stays where it is), DONE. */
static cu_code_t seal_it(seal_t *seal)
{
    cu_slot_t *slot = &seal->sf->slot, before = *slot;
    apr_off_t size;
    apr_status_t rv;

    rv = cu_part_size(seal->part_fd, &size);
    if (rv == APR_SUCCESS && size > slot->length) {
        /* a tail that was never acknowledged; no writer is left */
        rv = cu_io_truncate(seal->part_fd, slot->length);
        if (rv == APR_SUCCESS && seal->engine->sync != CU_SYNC_NONE) {
            rv = cu_io_sync(seal->part_fd);
        }
    }
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(seal->reply, rv, "the part cannot be finished");
    }
    slot->status = CU_STATUS_SEALING;
    if (seal->engine->sync != CU_SYNC_NONE) {
        slot->synced = slot->length;
    }
    if (seal->hex[0]) {
        slot->digest = (unsigned int)wanted(seal);
        memcpy(slot->digest_hex, seal->hex, sizeof(seal->hex));
    }
    rv = cu_state_write(seal->sf);
    CU_KILL_POINT("after_sealing");
    if (rv == APR_SUCCESS) {
        /* one sync takes both slots along */
        seal->sf->sync = seal->engine->sync != CU_SYNC_NONE;
        slot->status = CU_STATUS_DONE;
        slot->completed = seal->engine->clock();
        slot->active = slot->completed;
        rv = cu_state_write(seal->sf);
        CU_KILL_POINT("after_done");
    }
    if (rv != APR_SUCCESS) {
        /* what is not safe did not happen: say so on disk too */
        before.sequence = slot->sequence;
        *slot = before;
        CU_BEST_EFFORT(cu_state_write(seal->sf));
        return cu_reply_disk(seal->reply, rv,
                             "the completion cannot be recorded");
    }
    return CU_OK;
}

/* The catalogue is a hint: a completion that is recorded in the state has
 * happened, whatever the catalogue says. */
static void tell_catalogue(seal_t *seal)
{
    cu_record_t record;
    apr_status_t rv;

    cu_open_record(seal->sf, &record);
    rv = cu_catalogue_put(seal->engine->catalogue, seal->sf->header.id,
                          &record, seal->ask->log, seal->pool);
    CU_KILL_POINT("after_complete");
    if (rv != APR_SUCCESS) {
        cu_log(seal->ask->log, CU_LOG_WARNING, rv,
               CULOGNO(0031) "upload %s: complete, but the catalogue does "
                             "not take it",
               seal->sf->header.id);
    }
}

static cu_code_t complete(seal_t *seal)
{
    cu_code_t code = fence(seal);

    if (code == CU_OK) {
        code = open_part(seal);
    }
    if (code == CU_OK) {
        code = digest(seal);
    }
    if (code == CU_OK && seal->engine->sync != CU_SYNC_NONE) {
        code = sync_all(seal);
    }
    CU_KILL_POINT("after_verify");
    if (code == CU_OK) {
        code = lock_again(seal);
    }
    if (code == CU_OK) {
        code = seal_it(seal);
        if (code == CU_OK) {
            tell_catalogue(seal);
        }
    }
    if (code == CU_CONFLICT || code == CU_INCOMPLETE) {
        cu_code_t said = cu_open_confirm(seal->engine, seal->sf, seal->reply);

        code = said == CU_OK ? code : said;
    }
    if (code == CU_CONFLICT) {
        code = answer_again(seal);
        if (code == CU_OK) {
            tell_catalogue(seal); /* a crash may have kept it from hearing */
        }
    }
    return code;
}

cu_code_t cu_complete(const cu_engine_t *engine, const cu_ask_t *ask,
                      cu_reply_t *reply, apr_pool_t *pool)
{
    seal_t seal;
    cu_code_t code;

    memset(&seal, 0, sizeof(seal));
    seal.engine = engine;
    seal.ask = ask;
    seal.reply = reply;
    seal.pool = pool;
    seal.part_fd = -1;
    cu_reply_init(reply);
    code = cu_open_admit(ask, reply);
    if (code == CU_OK) {
        code = cu_open(engine, ask, 1, &seal.sf, reply, pool);
    }
    if (code != CU_OK) {
        return code;
    }
    code = complete(&seal);
    if (seal.sf->locked || code == CU_OK) {
        cu_reply_facts(reply, seal.sf, pool);
    }
    (void)cu_io_close(&seal.part_fd);
    cu_state_close(seal.sf);
    return code;
}
