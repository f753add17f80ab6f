/*
 * Looking, for the tool.  Verification takes a snapshot of the slot under the
 * shared lock and reads without it: bytes below the offset never change while
 * the upload lives, and whether it still does is asked afterwards.
 */
#include "engine/inspect.h"

#include <string.h>

#include <apr_strings.h>

#include "engine/open.h"
#include "store/io.h"
#include "store/partfile.h"

#define BUFFER (256 * 1024)

typedef struct each_t {
    const cu_engine_t *engine;
    apr_status_t (*visit)(void *baton, const cu_listed_t *listed);
    void *baton;
    apr_uint64_t *missed;
} each_t;

static apr_status_t each_visit(void *baton, const char *id, const char *name,
                               apr_pool_t *scratch)
{
    each_t *each = baton;
    cu_listed_t listed;
    cu_code_t code;

    (void)name;
    if (!id) {
        return APR_SUCCESS;
    }
    code = cu_list_one(each->engine, id, &listed, scratch);
    if (code == CU_OK) {
        return each->visit(each->baton, &listed);
    }
    if (code != CU_NOT_FOUND) {
        ++*each->missed;
    }
    return APR_SUCCESS;
}

apr_status_t cu_inspect_each(const cu_engine_t *engine,
                             apr_status_t (*visit)(void *baton,
                                                   const cu_listed_t *listed),
                             void *baton, apr_uint64_t *missed,
                             apr_pool_t *pool)
{
    each_t each;

    each.engine = engine;
    each.visit = visit;
    each.baton = baton;
    each.missed = missed;
    *missed = 0;
    return cu_state_each(engine->state_dir, 0, 255, each_visit, &each, pool);
}

/* ---- verify ---- */

static apr_status_t snapshot(const cu_engine_t *engine, const char *id,
                             cu_state_file_t **sf, apr_pool_t *pool)
{
    apr_status_t rv;

    if (!cu_upload_id_valid(id, strlen(id))) {
        return APR_ENOENT;
    }
    rv = cu_state_open(sf, engine->state_dir, id, 0, pool);
    if (rv != APR_SUCCESS) {
        return rv == APR_ENOTIMPL ? APR_EINVAL : rv;
    }
    rv = cu_state_lock(*sf, 0, CU_LOCK_TIMEOUT);
    cu_state_unlock(*sf);
    return rv;
}

static apr_status_t hash(int fd, apr_off_t len, cu_digest_t *digest,
                         int (*progress)(void *baton, apr_off_t done,
                                         apr_off_t all),
                         void *baton, apr_pool_t *pool)
{
    char *buffer = apr_palloc(pool, BUFFER);
    apr_off_t at = 0;

    while (at < len) {
        apr_size_t want = len - at < BUFFER ? (apr_size_t)(len - at) : BUFFER;
        apr_size_t got;
        apr_status_t rv = cu_io_pread(fd, buffer, want, at, &got);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (got == 0) {
            return APR_EOF;
        }
        cu_digest_update(digest, buffer, got);
        at += (apr_off_t)got;
        if (progress && progress(baton, at, len)) {
            return APR_EINTR;
        }
    }
    return APR_SUCCESS;
}

/* The digest to compare with: its algorithm and the bytes it stands for. */
static int has_digest(const cu_slot_t *slot, apr_off_t *covered,
                      apr_pool_t *pool)
{
    cu_digest_t *running;

    if (slot->digest == CU_DIGEST_NONE) {
        return 0;
    }
    if (slot->digest_hex[0]) {
        *covered = slot->length;
        return 1;
    }
    return cu_digest_load(&running, (cu_digest_alg_t)slot->digest,
                          slot->digest_state, slot->digest_len, covered, pool)
               == APR_SUCCESS
           && *covered == slot->offset;
}

static int is_equal(const cu_slot_t *slot, const cu_digest_t *digest)
{
    unsigned char state[CU_DIGEST_STATE_MAX];
    char hex[CU_DIGEST_HEX_MAX];

    if (slot->digest_hex[0]) {
        cu_digest_hex(digest, hex);
        return cu_digest_hex_equal(slot->digest_hex, hex);
    }
    return cu_digest_save(digest, state) == slot->digest_len
           && memcmp(state, slot->digest_state, slot->digest_len) == 0;
}

/* A difference counts only if the upload is what it was. */
static int is_same(cu_state_file_t *sf, const cu_slot_t *was)
{
    apr_status_t rv = cu_state_lock(sf, 0, CU_LOCK_TIMEOUT);
    int same = rv == APR_SUCCESS && sf->slot.offset >= was->offset
               && (sf->slot.status == was->status
                   || sf->slot.status == CU_STATUS_DONE);

    cu_state_unlock(sf);
    return same;
}

apr_status_t cu_inspect_verify(const cu_engine_t *engine, const char *id,
                               int (*progress)(void *baton, apr_off_t done,
                                               apr_off_t all),
                               void *baton, cu_verdict_t *verdict,
                               apr_pool_t *pool)
{
    cu_state_file_t *sf = NULL;
    cu_digest_t *digest;
    apr_off_t covered;
    apr_status_t rv;
    cu_slot_t was;
    int fd;

    rv = snapshot(engine, id, &sf, pool);
    if (rv != APR_SUCCESS) {
        cu_state_close(sf);
        return rv;
    }
    was = sf->slot;
    if (!has_digest(&was, &covered, pool)) {
        cu_state_close(sf);
        *verdict = CU_VERIFY_NOTHING;
        return APR_SUCCESS;
    }
    rv = cu_part_open(&fd, sf->header.root, sf->header.path);
    if (rv == APR_SUCCESS) {
        rv = cu_digest_begin(&digest, (cu_digest_alg_t)was.digest, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = hash(fd, covered, digest, progress, baton, pool);
    }
    (void)cu_io_close(&fd);
    *verdict = rv == APR_SUCCESS && is_equal(&was, digest) ? CU_VERIFIED
                                                           : CU_VERIFY_DIFFERS;
    if (APR_STATUS_IS_EOF(rv) || APR_STATUS_IS_ENOENT(rv)) {
        *verdict = CU_VERIFY_SHORT;
        rv = APR_SUCCESS;
    }
    if (rv == APR_SUCCESS && *verdict != CU_VERIFIED && !is_same(sf, &was)) {
        *verdict = CU_VERIFY_CHANGED;
    }
    cu_state_close(sf);
    return rv;
}

/* ---- records ---- */

apr_status_t cu_inspect_records(
    const cu_engine_t *engine,
    apr_status_t (*visit)(void *baton, const char *id,
                          const cu_record_t *record, apr_pool_t *scratch),
    void *baton, const cu_log_t *log, apr_pool_t *pool)
{
    return cu_catalogue_each(engine->catalogue, visit, baton, log, pool);
}

apr_status_t cu_inspect_put(const cu_engine_t *engine, const char *id,
                            const cu_record_t *record, const cu_log_t *log,
                            apr_pool_t *scratch)
{
    struct stat st;
    apr_status_t rv;

    if (!cu_upload_id_valid(id, strlen(id))) {
        return APR_EINVAL;
    }
    rv = cu_io_stat_path(cu_state_path(engine->state_dir, id, scratch), &st);
    if (rv == APR_SUCCESS) {
        rv = cu_catalogue_put(engine->catalogue, id, record, log, scratch);
    }
    return rv;
}
