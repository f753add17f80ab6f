/*
 * Expiry, an upload at a time.
 *
 * An upload is judged under the shared lock, so that readers are not in each
 * other's way, and judged again under the exclusive one before anything is
 * removed: what changed in between counts.  The verdict never looks at the
 * catalogue, whose expiry is only a hint.
 */
#include "engine/expire.h"

#include <fcntl.h>
#include <string.h>

#include <apr_strings.h>

#include "engine/open.h"
#include "engine/policy.h"
#include "engine/recover.h"
#include "store/partfile.h"

typedef enum verdict_t {
    KEEP,
    WRITING, /* would go, but somebody writes */
    FINISH,  /* a crash's leftover */
    REMOVE
} verdict_t;

typedef struct run_t {
    const cu_engine_t *engine;
    const cu_expire_rules_t *rules;
    const cu_log_t *log;
    cu_expire_t *result;
    int bucket;
    apr_time_t now;
} run_t;

void cu_expire_rules_init(cu_expire_rules_t *rules)
{
    memset(rules, 0, sizeof(*rules));
    rules->older = -1;
    rules->keep_complete = -1;
}

static apr_time_t modified(const struct stat *st)
{
    return apr_time_from_sec((apr_time_t)st->st_mtim.tv_sec)
           + st->st_mtim.tv_nsec / 1000;
}

/* When did its writer last do anything?  The slot is written at the ends of
 * a chunk only, the part in between. */
static apr_time_t last_sign(const cu_state_file_t *sf)
{
    apr_time_t last = sf->slot.active;
    struct stat st;
    int fd;

    if (cu_io_stat(sf->fd, &st) == APR_SUCCESS && modified(&st) > last) {
        last = modified(&st);
    }
    if (cu_part_open(&fd, sf->header.root, sf->header.path) == APR_SUCCESS) {
        if (cu_io_stat(fd, &st) == APR_SUCCESS && modified(&st) > last) {
            last = modified(&st);
        }
        (void)cu_io_close(&fd);
    }
    return last;
}

static int is_complete(cu_status_t status)
{
    return status == CU_STATUS_DONE || status == CU_STATUS_COMPLETE;
}

/* Past an age, or past its own expiry with age -1?  A time in the future is
 * the clock's fault and no age. */
static int is_past(const run_t *run, apr_time_t from,
                   apr_interval_time_t age, apr_time_t own)
{
    if (age < 0) {
        return own != 0 && run->now >= own;
    }
    return from <= run->now && run->now - from >= age;
}

static verdict_t judge(const run_t *run, const cu_state_file_t *sf)
{
    const cu_expire_rules_t *rules = run->rules;
    const cu_header_t *header = &sf->header;
    const cu_slot_t *slot = &sf->slot;

    switch (slot->status) {
    case CU_STATUS_CREATING:
    case CU_STATUS_SEALING:
    case CU_STATUS_CANCELLED:
    case CU_STATUS_EXPIRED:
        return FINISH;
    case CU_STATUS_OPEN:
        if (slot->active > run->now
            || !is_past(run, header->created, rules->older, slot->expires)) {
            return KEEP;
        }
        return slot->writer_active
                       && run->now - last_sign(sf) < CU_EXPIRE_WRITER_GRACE
                   ? WRITING
                   : REMOVE;
    case CU_STATUS_COMPLETE:
    case CU_STATUS_DONE:
        if (rules->complete_too) {
            return is_past(run, header->created, rules->older,
                           cu_policy_expires(header->expire, header->created))
                       ? REMOVE
                       : KEEP;
        }
        return rules->keep_complete >= 0
                       && is_past(run, slot->completed, rules->keep_complete,
                                  0)
                   ? REMOVE
                   : KEEP;
    default:
        return KEEP; /* being handed over, or damaged: the admin's */
    }
}

static void tally(cu_expire_t *result, const cu_state_file_t *sf)
{
    const cu_slot_t *slot = &sf->slot;

    if (is_complete(slot->status)) {
        ++result->done;
        result->done_bytes += (apr_uint64_t)slot->offset;
    }
    else if (slot->status == CU_STATUS_OPEN) {
        ++result->open;
        result->open_bytes += (apr_uint64_t)slot->offset;
        if (result->oldest == 0 || sf->header.created < result->oldest) {
            result->oldest = sf->header.created;
        }
    }
}

static void log_removal(const run_t *run, const cu_state_file_t *sf,
                        const cu_slot_t *was, apr_pool_t *scratch)
{
    const char *owner = sf->header.owner;

    cu_log(run->log, CU_LOG_INFO, APR_SUCCESS,
           CULOGNO(0050) "upload %s: removed for its age: owner %s, name %s, "
                         "%" APR_OFF_T_FMT " of %" APR_OFF_T_FMT " bytes, %"
                         APR_TIME_T_FMT " s, %" APR_UINT64_T_FMT " chunks, %s",
           sf->header.id,
           owner[0] ? cu_log_escape(strncmp(owner, "u:", 2) == 0 ? owner + 2
                                                                 : owner,
                                    scratch)
                    : "-",
           cu_log_escape(sf->header.name[0] ? sf->header.name : NULL, scratch),
           was->offset, was->length,
           apr_time_sec(run->now - sf->header.created), was->chunks,
           is_complete(was->status) ? "complete" : "expired");
}

static void count_removal(const run_t *run, const cu_slot_t *was)
{
    if (is_complete(was->status)) {
        ++run->result->complete;
    }
    else {
        ++run->result->incomplete;
    }
    run->result->bytes += (apr_uint64_t)was->offset;
}

static void note_failure(const run_t *run, const char *id, apr_status_t rv,
                         const char *what)
{
    ++run->result->failed;
    cu_log(run->log, CU_LOG_WARNING, rv,
           CULOGNO(0051) "upload %s: %s; the next pass tries again", id, what);
}

/* Under the exclusive lock: do what the second look says. */
static int carry_out(const run_t *run, cu_state_file_t *sf,
                     apr_pool_t *scratch)
{
    cu_slot_t was = sf->slot;
    cu_reply_t reply;
    apr_status_t rv;
    cu_code_t code;

    switch (judge(run, sf)) {
    case FINISH:
        cu_reply_init(&reply);
        code = cu_recover(run->engine, sf, run->log, &reply, scratch);
        if (code == CU_OK || code == CU_NOT_FOUND || code == CU_GONE) {
            ++run->result->finished;
        }
        else {
            note_failure(run, sf->header.id, reply.rv, reply.detail);
        }
        return 0;
    case REMOVE:
        rv = cu_open_remove(run->engine, sf, CU_STATUS_EXPIRED, run->log,
                            scratch);
        if (rv != APR_SUCCESS) {
            note_failure(run, sf->header.id, rv, "cannot be removed");
            return 0;
        }
        count_removal(run, &was);
        log_removal(run, sf, &was, scratch);
        return 1;
    default:
        return 0;
    }
}

static void settle(const run_t *run, cu_state_file_t *sf, verdict_t verdict,
                   apr_pool_t *scratch)
{
    const cu_expire_rules_t *rules = run->rules;
    cu_listed_t listed;
    cu_slot_t was = sf->slot;
    int told = verdict == REMOVE && (rules->agree || rules->removed);
    int gone = 0;

    cu_state_unlock(sf);
    if (told
        && cu_list_one(run->engine, sf->header.id, &listed, scratch)
               != CU_OK) {
        return;
    }
    if (verdict == REMOVE && rules->agree
        && !rules->agree(rules->baton, &listed)) {
        return;
    }
    if (rules->dry_run) {
        gone = verdict == REMOVE;
        if (gone) {
            count_removal(run, &was);
        }
    }
    else {
        apr_status_t rv = cu_state_lock(sf, 1, 0);

        if (rv == APR_SUCCESS) {
            gone = carry_out(run, sf, scratch);
        }
        else if (APR_STATUS_IS_EBUSY(rv)) {
            ++run->result->busy;
        }
    }
    if (gone && rules->removed) {
        rules->removed(rules->baton, &listed);
    }
}

static void visit_upload(const run_t *run, const char *id,
                         apr_pool_t *scratch)
{
    cu_state_file_t *sf;
    verdict_t verdict;
    apr_status_t rv;

    rv = cu_state_open(&sf, run->engine->state_dir, id,
                       run->engine->sync == CU_SYNC_CHUNK, scratch);
    if (APR_STATUS_IS_ENOENT(rv)) {
        return;
    }
    ++run->result->seen;
    if (rv == APR_SUCCESS) {
        rv = cu_state_lock(sf, 0, 0);
    }
    else {
        sf = NULL;
    }
    if (APR_STATUS_IS_EBUSY(rv)) {
        ++run->result->busy;
    }
    else if (rv != APR_SUCCESS && !APR_STATUS_IS_ENOENT(rv)) {
        ++run->result->damaged; /* kept: fsck tells, the admin decides */
    }
    if (rv == APR_SUCCESS) {
        tally(run->result, sf);
        verdict = judge(run, sf);
        if (verdict == WRITING) {
            ++run->result->busy;
        }
        else if (verdict != KEEP) {
            settle(run, sf, verdict, scratch);
        }
    }
    cu_state_close(sf);
}

/* "<id>.new": a state file whose creator died before it had its name.  A
 * living one holds its lock. */
static void visit_other(const run_t *run, const char *name,
                        apr_pool_t *scratch)
{
    const char *path;
    struct stat st;
    int fd;

    if (!cu_upload_id_valid(name, strnlen(name, CU_UPLOAD_ID_LEN))
        || strcmp(name + CU_UPLOAD_ID_LEN, ".new") != 0) {
        return;
    }
    path = apr_psprintf(scratch, "%s/state/%02x/%s", run->engine->state_dir,
                        (unsigned int)run->bucket, name);
    if (cu_io_open(&fd, AT_FDCWD, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0)
        != APR_SUCCESS) {
        return;
    }
    if (cu_io_stat(fd, &st) == APR_SUCCESS && S_ISREG(st.st_mode)
        && run->now - modified(&st) >= CU_EXPIRE_STRAY_GRACE
        && cu_io_lock(fd, 1, 0) == APR_SUCCESS) {
        apr_status_t rv = run->rules->dry_run
                              ? APR_SUCCESS
                              : cu_io_unlink(AT_FDCWD, path);

        if (rv == APR_SUCCESS) {
            ++run->result->stray;
        }
        else if (!APR_STATUS_IS_ENOENT(rv)) {
            note_failure(run, name, rv, "a stale file cannot be removed");
        }
    }
    (void)cu_io_close(&fd);
}

static apr_status_t visit(void *baton, const char *id, const char *name,
                          apr_pool_t *scratch)
{
    const run_t *run = baton;

    if (run->rules->stop && run->rules->stop(run->rules->baton)) {
        return APR_EINTR;
    }
    if (id) {
        visit_upload(run, id, scratch);
    }
    else {
        visit_other(run, name, scratch);
    }
    return APR_SUCCESS;
}

apr_status_t cu_expire_step(const cu_engine_t *engine,
                            const cu_expire_rules_t *rules, int bucket,
                            const cu_log_t *log, cu_expire_t *result,
                            apr_pool_t *pool)
{
    run_t run;

    run.engine = engine;
    run.rules = rules;
    run.log = log;
    run.result = result;
    run.bucket = bucket;
    run.now = engine->clock();
    return cu_state_each(engine->state_dir, bucket, bucket, visit, &run, pool);
}

cu_code_t cu_expire_one(const cu_engine_t *engine, const char *id,
                        int complete_too, const cu_log_t *log,
                        apr_pool_t *pool)
{
    cu_state_file_t *sf;
    cu_reply_t reply;
    apr_status_t rv;
    cu_code_t code = CU_OK;

    if (!cu_upload_id_valid(id, strlen(id))) {
        return CU_NOT_FOUND;
    }
    rv = cu_state_open(&sf, engine->state_dir, id,
                       engine->sync == CU_SYNC_CHUNK, pool);
    if (rv == APR_SUCCESS) {
        rv = cu_state_lock(sf, 1, CU_LOCK_TIMEOUT);
    }
    else {
        sf = NULL;
    }
    cu_reply_init(&reply);
    if (APR_STATUS_IS_ENOENT(rv)) {
        code = CU_NOT_FOUND;
    }
    else if (rv == APR_EINVAL || rv == APR_ENOTIMPL) {
        code = CU_DAMAGED;
    }
    else if (rv != APR_SUCCESS) {
        code = cu_reply_disk(&reply, rv, "cannot be locked");
    }
    if (code == CU_OK && cu_recover_needed(engine, sf)
        && sf->slot.status != CU_STATUS_OPEN) {
        code = cu_recover(engine, sf, log, &reply, pool);
    }
    if (code == CU_OK && sf->slot.status != CU_STATUS_OPEN
        && sf->slot.status != CU_STATUS_DAMAGED && !complete_too) {
        code = CU_CONFLICT;
    }
    if (code == CU_OK) {
        rv = cu_open_remove(engine, sf, CU_STATUS_CANCELLED, log, pool);
        if (rv != APR_SUCCESS) {
            code = cu_reply_disk(&reply, rv, "cannot be removed");
        }
    }
    cu_state_close(sf);
    return code;
}
