/*
 * Recovery on open.  Every step may itself be cut short and is harmless when
 * done again.
 */
#include "engine/recover.h"

#include <string.h>

#include "store/partfile.h"

#define HASH_BUFFER (256 * 1024)

/* Did a power loss since take bytes that were acknowledged, or the name of a
 * part that had nothing synced? */
static int unsure_of_bytes(const cu_engine_t *engine,
                           const cu_state_file_t *sf)
{
    return (sf->slot.synced < sf->slot.offset
            || (sf->slot.status == CU_STATUS_OPEN && sf->slot.synced == 0))
           && strcmp(sf->slot.boot, engine->boot) != 0;
}

int cu_recover_needed(const cu_engine_t *engine, const cu_state_file_t *sf)
{
    switch (sf->slot.status) {
    case CU_STATUS_CREATING:
    case CU_STATUS_SEALING:
    case CU_STATUS_CANCELLED:
    case CU_STATUS_EXPIRED:
        return 1;
    case CU_STATUS_DAMAGED:
        return 0;
    default:
        return unsure_of_bytes(engine, sf);
    }
}

apr_status_t cu_recover_hash(int fd, apr_off_t len, cu_digest_alg_t alg,
                             cu_digest_t **digest, apr_pool_t *pool)
{
    apr_off_t at = 0;
    apr_status_t rv;
    char *buffer;

    rv = cu_digest_begin(digest, alg, pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    buffer = apr_palloc(pool, HASH_BUFFER);
    while (at < len) {
        apr_size_t want =
            len - at < HASH_BUFFER ? (apr_size_t)(len - at) : HASH_BUFFER;
        apr_size_t got;

        rv = cu_io_pread(fd, buffer, want, at, &got);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (got == 0) {
            return APR_EOF;
        }
        cu_digest_update(*digest, buffer, got);
        at += (apr_off_t)got;
    }
    return APR_SUCCESS;
}

/* Do the first slot.offset bytes of the part hash to the saved state?  That
 * they cannot be read just now is no answer. */
static apr_status_t bytes_match(const cu_state_file_t *sf, int fd, int *match,
                                apr_pool_t *scratch)
{
    const cu_slot_t *slot = &sf->slot;
    unsigned char seen[CU_DIGEST_STATE_MAX];
    cu_digest_t *saved, *actual;
    apr_off_t covered;
    apr_status_t rv;

    *match = 0;
    if (cu_digest_load(&saved, (cu_digest_alg_t)slot->digest,
                       slot->digest_state, slot->digest_len, &covered, scratch)
            != APR_SUCCESS
        || covered != slot->offset) {
        return APR_SUCCESS;
    }
    rv = cu_recover_hash(fd, slot->offset, (cu_digest_alg_t)slot->digest,
                         &actual, scratch);
    if (rv == APR_SUCCESS) {
        *match = cu_digest_save(actual, seen) == slot->digest_len
                 && memcmp(seen, slot->digest_state, slot->digest_len) == 0;
    }
    return APR_STATUS_IS_EOF(rv) ? APR_SUCCESS : rv;
}

/* The offset becomes the synced one, with a digest that stands for it; where
 * that cannot be had, completion reads the bytes. */
static void fall_back(cu_state_file_t *sf, int fd, apr_pool_t *scratch)
{
    cu_slot_t *slot = &sf->slot;
    cu_digest_t *digest;

    slot->offset = slot->synced;
    slot->digest_len = 0;
    if (cu_recover_hash(fd, slot->offset, (cu_digest_alg_t)slot->digest,
                        &digest, scratch)
        == APR_SUCCESS) {
        slot->digest_len = cu_digest_save(digest, slot->digest_state);
    }
    slot->writer_active = 0;
    ++slot->generation;
}

apr_status_t cu_recover_distrust(cu_state_file_t *sf, const cu_log_t *log,
                                 apr_pool_t *scratch)
{
    int fd;

    if (sf->slot.status != CU_STATUS_OPEN) {
        return APR_SUCCESS;
    }
    cu_log(log, CU_LOG_ERROR, APR_SUCCESS,
           CULOGNO(0040) "upload %s: its part could not be synced: going on "
                         "from %" APR_OFF_T_FMT " instead of %" APR_OFF_T_FMT,
           sf->header.id, sf->slot.synced, sf->slot.offset);
    /* without it there is no digest, which is no reason to go on */
    CU_BEST_EFFORT(cu_part_open(&fd, sf->header.root, sf->header.path));
    fall_back(sf, fd, scratch);
    (void)cu_io_close(&fd);
    return cu_state_write(sf);
}

static cu_code_t recover_bytes(const cu_engine_t *engine, cu_state_file_t *sf,
                               const cu_log_t *log, cu_reply_t *reply,
                               apr_pool_t *scratch)
{
    cu_slot_t *slot = &sf->slot;
    apr_off_t size = 0;
    apr_status_t rv;
    int fd, match = 0;

    rv = cu_part_open(&fd, sf->header.root, sf->header.path);
    if (APR_STATUS_IS_ENOENT(rv) && slot->synced == 0) {
        rv = cu_part_create(&fd, sf->header.root, sf->header.path,
                            engine->sync == CU_SYNC_CHUNK);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_part_size(fd, &size);
    }
    if (rv == APR_SUCCESS && size < slot->synced) {
        rv = APR_EOF;
    }
    if (rv == APR_SUCCESS) {
        rv = bytes_match(sf, fd, &match, scratch);
    }
    if (rv != APR_SUCCESS) {
        (void)cu_io_close(&fd);
        return cu_reply_part(reply, rv);
    }
    if (match && cu_io_sync(fd) == APR_SUCCESS) {
        slot->synced = slot->offset;
    }
    else if (slot->offset > slot->synced) {
        cu_log(log, CU_LOG_NOTICE, APR_SUCCESS,
               CULOGNO(0010) "upload %s: the machine went down and the last "
                             "bytes are not there; going on from %" APR_OFF_T_FMT
                             " instead of %" APR_OFF_T_FMT,
               sf->header.id, slot->synced, slot->offset);
        fall_back(sf, fd, scratch);
    }
    (void)cu_io_close(&fd);
    memcpy(slot->boot, engine->boot, sizeof(slot->boot));
    slot->writer_active = 0;
    rv = cu_state_write(sf);
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "recovery cannot write");
    }
    return CU_OK;
}

/* Does the whole part hash to the recorded digest? */
static apr_status_t whole_matches(const cu_state_file_t *sf, int *match,
                                  apr_pool_t *scratch)
{
    const cu_slot_t *slot = &sf->slot;
    char hex[CU_DIGEST_HEX_MAX];
    cu_digest_t *actual;
    apr_status_t rv;
    int fd;

    *match = 0;
    rv = cu_part_open(&fd, sf->header.root, sf->header.path);
    if (rv == APR_SUCCESS && slot->digest_hex[0]) {
        rv = cu_recover_hash(fd, slot->length, (cu_digest_alg_t)slot->digest,
                             &actual, scratch);
        if (rv == APR_SUCCESS) {
            cu_digest_hex(actual, hex);
            *match = cu_digest_hex_equal(hex, slot->digest_hex)
                     && cu_io_sync(fd) == APR_SUCCESS;
        }
    }
    (void)cu_io_close(&fd);
    return APR_STATUS_IS_EOF(rv) || APR_STATUS_IS_ENOENT(rv) ? APR_SUCCESS
                                                             : rv;
}

/* Completed without a sync, and then the machine went down. */
static cu_code_t recover_finished(const cu_engine_t *engine,
                                  cu_state_file_t *sf, const cu_log_t *log,
                                  cu_reply_t *reply, apr_pool_t *scratch)
{
    cu_slot_t *slot = &sf->slot;
    apr_status_t rv;
    int match;

    rv = whole_matches(sf, &match, scratch);
    if (rv != APR_SUCCESS) {
        return cu_reply_part(reply, rv);
    }
    if (match) {
        slot->synced = slot->length;
    }
    else if (slot->status == CU_STATUS_SEALING) {
        slot->status = CU_STATUS_OPEN;
        slot->digest_hex[0] = '\0';
        return recover_bytes(engine, sf, log, reply, scratch);
    }
    else if (slot->digest_hex[0]) {
        cu_log(log, CU_LOG_ERROR, APR_SUCCESS,
               CULOGNO(0041) "upload %s: finished without a sync before the "
                             "machine went down, and its bytes are not "
                             "those of its digest: marked as damaged",
               sf->header.id);
        slot->status = CU_STATUS_DAMAGED;
    }
    memcpy(slot->boot, engine->boot, sizeof(slot->boot));
    rv = cu_state_write(sf);
    return rv == APR_SUCCESS
               ? CU_OK
               : cu_reply_disk(reply, rv, "recovery cannot write");
}

/* The bytes were verified and synced before SEALING was written: only the
 * last step is missing. */
static cu_code_t recover_sealing(const cu_engine_t *engine,
                                 cu_state_file_t *sf, const cu_log_t *log,
                                 cu_reply_t *reply, apr_pool_t *scratch)
{
    cu_record_t record;
    apr_status_t rv;

    sf->sync = engine->sync != CU_SYNC_NONE;
    sf->slot.status = CU_STATUS_DONE;
    sf->slot.completed = engine->clock();
    rv = cu_state_write(sf);
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "a completion cannot be finished");
    }
    cu_open_record(sf, &record);
    rv = cu_catalogue_put(engine->catalogue, sf->header.id, &record, log,
                          scratch);
    if (rv != APR_SUCCESS) { /* a hint, which fsck mends */
        cu_log(log, CU_LOG_WARNING, rv,
               CULOGNO(0042) "upload %s: complete, but the catalogue does "
                             "not take it",
               sf->header.id);
    }
    cu_log(log, CU_LOG_NOTICE, APR_SUCCESS,
           CULOGNO(0011) "upload %s: completion cut short by a crash, "
                         "finished now",
           sf->header.id);
    return CU_OK;
}

cu_code_t cu_recover(const cu_engine_t *engine, cu_state_file_t *sf,
                     const cu_log_t *log, cu_reply_t *reply,
                     apr_pool_t *scratch)
{
    cu_status_t status = sf->slot.status;
    apr_status_t rv;

    if (!cu_recover_needed(engine, sf)) {
        return CU_OK;
    }
    if (status == CU_STATUS_OPEN) {
        return recover_bytes(engine, sf, log, reply, scratch);
    }
    if (status == CU_STATUS_SEALING && !unsure_of_bytes(engine, sf)) {
        return recover_sealing(engine, sf, log, reply, scratch);
    }
    if (status != CU_STATUS_CREATING && status != CU_STATUS_CANCELLED
        && status != CU_STATUS_EXPIRED) {
        cu_code_t code = recover_finished(engine, sf, log, reply, scratch);

        return code == CU_OK && sf->slot.status == CU_STATUS_SEALING
                   ? recover_sealing(engine, sf, log, reply, scratch)
                   : code;
    }
    rv = cu_open_remove(engine, sf,
                        status == CU_STATUS_EXPIRED ? CU_STATUS_EXPIRED
                                                    : CU_STATUS_CANCELLED,
                        log, scratch);
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "a removal cannot be finished");
    }
    return cu_reply_say(reply,
                        status == CU_STATUS_EXPIRED ? CU_GONE : CU_NOT_FOUND,
                        APR_SUCCESS, "the upload was being removed");
}
