/*
 * Recovery on open.  Every step may itself be cut short and is harmless when
 * done again.
 */
#include "engine/recover.h"

#include <string.h>

#include "store/partfile.h"

#define HASH_BUFFER (256 * 1024)

/* Were bytes acknowledged that a power loss since may have taken? */
static int unsure_of_bytes(const cu_engine_t *engine,
                           const cu_state_file_t *sf)
{
    return sf->slot.status == CU_STATUS_OPEN
           && sf->slot.synced < sf->slot.offset
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

/* Do the first slot.offset bytes of the part hash to the saved state? */
static int bytes_match(const cu_state_file_t *sf, int fd, apr_pool_t *scratch)
{
    const cu_slot_t *slot = &sf->slot;
    unsigned char seen[CU_DIGEST_STATE_MAX];
    cu_digest_t *saved, *actual;
    apr_off_t covered;

    if (cu_digest_load(&saved, (cu_digest_alg_t)slot->digest,
                       slot->digest_state, slot->digest_len, &covered, scratch)
            != APR_SUCCESS
        || covered != slot->offset) {
        return 0;
    }
    if (cu_recover_hash(fd, slot->offset, (cu_digest_alg_t)slot->digest,
                        &actual, scratch)
        != APR_SUCCESS) {
        return 0;
    }
    return cu_digest_save(actual, seen) == slot->digest_len
           && memcmp(seen, slot->digest_state, slot->digest_len) == 0;
}

static cu_code_t recover_bytes(const cu_engine_t *engine, cu_state_file_t *sf,
                               const cu_log_t *log, cu_reply_t *reply,
                               apr_pool_t *scratch)
{
    cu_slot_t *slot = &sf->slot;
    apr_off_t size = 0;
    apr_status_t rv;
    int fd;

    rv = cu_part_open(&fd, sf->header.root, sf->header.path);
    if (rv == APR_SUCCESS) {
        rv = cu_part_size(fd, &size);
    }
    if (rv != APR_SUCCESS || size < slot->synced) {
        (void)cu_io_close(&fd);
        return cu_reply_say(reply, CU_DAMAGED, rv,
                            "the part is missing or shorter than what had "
                            "been synced");
    }
    if (size >= slot->offset && bytes_match(sf, fd, scratch)) {
        rv = cu_io_sync(fd);
        slot->synced = slot->offset;
    }
    else {
        cu_log(log, CU_LOG_NOTICE, APR_SUCCESS,
               CULOGNO(0010) "upload %s: the machine went down and the last "
                             "bytes are not there; going on from %" APR_OFF_T_FMT
                             " instead of %" APR_OFF_T_FMT,
               sf->header.id, slot->synced, slot->offset);
        slot->offset = slot->synced;
        slot->digest_len = 0;
        ++slot->generation;
    }
    (void)cu_io_close(&fd);
    if (rv == APR_SUCCESS) {
        memcpy(slot->boot, engine->boot, sizeof(slot->boot));
        slot->writer_active = 0;
        rv = cu_state_write(sf);
    }
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "recovery cannot write");
    }
    return CU_OK;
}

/* The bytes were verified and synced before SEALING was written: only the
 * last step is missing. */
static cu_code_t recover_sealing(const cu_engine_t *engine,
                                 cu_state_file_t *sf, const cu_log_t *log,
                                 cu_reply_t *reply, apr_pool_t *scratch)
{
    cu_record_t record;
    apr_status_t rv;

    sf->slot.status = CU_STATUS_DONE;
    sf->slot.completed = engine->clock();
    rv = cu_state_write(sf);
    if (rv == APR_SUCCESS) {
        cu_open_record(sf, &record);
        rv = cu_catalogue_put(engine->catalogue, sf->header.id, &record, log,
                              scratch);
    }
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "a completion cannot be finished");
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

    if (status == CU_STATUS_SEALING) {
        return recover_sealing(engine, sf, log, reply, scratch);
    }
    if (status == CU_STATUS_OPEN) {
        return recover_bytes(engine, sf, log, reply, scratch);
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
