/*
 * Counters are added to atomically.  A row is written by whoever gets its
 * lock word at once (else the row stays as it is: this is for looking at),
 * and read twice until both looks agree.  A child that died with the word in
 * its hand loses it after some seconds.
 */
#include "httpd/counters.h"

#include <string.h>

#include <apr_shm.h>
#include <apr_strings.h>
#include <http_log.h>

#include "engine/fsck.h"

#define STALE 5 /* seconds */

typedef struct slot_t {
    apr_uint32_t holder;   /* second in which it was taken; 0: free */
    apr_uint32_t sequence; /* odd while being written */
    cu_row_t row;
} slot_t;

typedef struct shared_t {
    apr_uint64_t counts[CU_COUNT_MAX];
    apr_uint64_t refused[CU_CODE_COUNT];
    apr_time_t since;
    slot_t slots[CU_ROWS];
} shared_t;

static shared_t *shared;

void cu_counters_start(server_rec *s)
{
    /* another size is another layout: a new name */
    const char *key = apr_psprintf(s->process->pool,
                                   "mod_chunked_upload-counters-1-%d",
                                   (int)sizeof(shared_t));
    void *found = NULL;
    apr_shm_t *shm;
    apr_status_t rv;

    apr_pool_userdata_get(&found, key, s->process->pool);
    if (!found) {
        rv = apr_shm_create(&shm, sizeof(shared_t), NULL, s->process->pool);
        if (rv != APR_SUCCESS) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s,
                         CULOGNO(0200) "no shared memory: nothing is counted "
                         "for the status page");
            shared = NULL;
            return;
        }
        found = apr_shm_baseaddr_get(shm);
        memset(found, 0, sizeof(shared_t));
        ((shared_t *)found)->since = apr_time_now();
        apr_pool_userdata_set(found, key, NULL, s->process->pool);
    }
    shared = found;
}

void cu_counters_add(cu_count_t which, apr_uint64_t n)
{
    if (shared) {
        __atomic_fetch_add(&shared->counts[which], n, __ATOMIC_RELAXED);
    }
}

apr_uint64_t cu_counters_get(cu_count_t which)
{
    return shared ? __atomic_load_n(&shared->counts[which], __ATOMIC_RELAXED)
                  : 0;
}

apr_uint64_t cu_counters_refused(cu_code_t code)
{
    return shared ? __atomic_load_n(&shared->refused[code], __ATOMIC_RELAXED)
                  : 0;
}

apr_time_t cu_counters_since(void)
{
    return shared ? shared->since : 0;
}

/* ---- rows ---- */

static int take(slot_t *slot)
{
    apr_uint32_t now = (apr_uint32_t)apr_time_sec(apr_time_now());
    apr_uint32_t held = __atomic_load_n(&slot->holder, __ATOMIC_RELAXED);

    if (held != 0 && now - held < STALE) {
        return 0;
    }
    return __atomic_compare_exchange_n(&slot->holder, &held, now, 0,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void write_row(slot_t *slot, const cu_row_t *row)
{
    __atomic_store_n(&slot->sequence, slot->sequence | 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    slot->row = *row;
    __atomic_store_n(&slot->sequence, (slot->sequence | 1) + 1,
                     __ATOMIC_RELEASE);
}

static int read_row(const slot_t *slot, cu_row_t *row)
{
    int tries;

    for (tries = 0; tries < 100; ++tries) {
        apr_uint32_t before = __atomic_load_n(&slot->sequence,
                                              __ATOMIC_ACQUIRE);

        if (before & 1) {
            continue;
        }
        *row = slot->row;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) == before) {
            row->id[CU_UPLOAD_ID_LEN] = '\0';
            return row->id[0] != '\0';
        }
    }
    return 0;
}

/* The row of an id; else a free one; else the one unused for longest. */
static slot_t *find_slot(const char *id)
{
    slot_t *oldest = &shared->slots[0];
    int i;

    for (i = 0; i < CU_ROWS; ++i) {
        slot_t *slot = &shared->slots[i];

        if (memcmp(slot->row.id, id, CU_UPLOAD_ID_LEN) == 0) {
            return slot;
        }
        if (slot->row.last_at < oldest->row.last_at) {
            oldest = slot;
        }
    }
    return oldest;
}

static void note_row(const request_rec *r, const cu_outcome_t *outcome)
{
    slot_t *slot;
    cu_row_t row;

    if (!shared || !outcome->reply->id) {
        return;
    }
    slot = find_slot(outcome->id);
    if (!take(slot)) {
        return;
    }
    row = slot->row;
    if (strcmp(row.id, outcome->id) != 0) {
        memset(&row, 0, sizeof(row));
        apr_cpystrn(row.id, outcome->id, sizeof(row.id));
        row.first_at = r->request_time;
        row.first_offset = outcome->reply->offset - outcome->received;
    }
    row.last_at = apr_time_now();
    row.last_offset = outcome->reply->offset;
    row.last_code = outcome->code;
    write_row(slot, &row);
    __atomic_store_n(&slot->holder, 0, __ATOMIC_RELEASE);
}

int cu_counters_rows(cu_row_t *rows)
{
    int i, count = 0;

    for (i = 0; shared && i < CU_ROWS; ++i) {
        if (read_row(&shared->slots[i], &rows[count])) {
            ++count;
        }
    }
    return count;
}

/* ---- a request ---- */

/* A completion that is repeated answers the same, and is no news. */
static void note_complete(request_rec *r, const cu_engine_t *engine,
                          const cu_outcome_t *outcome, const cu_log_t *log)
{
    cu_listed_t at;

    if (cu_list_one(engine, outcome->id, &at, r->pool) != CU_OK
        || at.completed < r->request_time) {
        return;
    }
    cu_counters_add(CU_COUNT_COMPLETED, 1);
    cu_log(log, CU_LOG_INFO, APR_SUCCESS,
           CULOGNO(0201) "upload %s: complete: owner %s, name %s, %"
                         APR_OFF_T_FMT " bytes, %" APR_TIME_T_FMT ".%03d s, %"
                         APR_UINT64_T_FMT " chunks, digest %s",
           at.id, at.owner[0] ? cu_log_escape(at.owner, r->pool) : "-",
           at.name[0] ? cu_log_escape(at.name, r->pool) : "-", at.offset,
           apr_time_sec(at.completed - at.created),
           (int)apr_time_msec(at.completed - at.created), at.chunks,
           at.digest_hex[0] ? at.digest_hex : "-");
}

static void note_chunk(request_rec *r, const cu_outcome_t *outcome,
                       const cu_log_t *log)
{
    cu_counters_add(CU_COUNT_STARTED, outcome->created ? 1 : 0);
    cu_counters_add(CU_COUNT_CHUNKS, 1);
    cu_counters_add(CU_COUNT_BYTES, (apr_uint64_t)outcome->received);
    cu_log(log, CU_LOG_DEBUG, APR_SUCCESS,
           CULOGNO(0202) "upload %s: %s%" APR_OFF_T_FMT " bytes in %"
                         APR_TIME_T_FMT " ms, offset %" APR_OFF_T_FMT
                         " of %" APR_OFF_T_FMT,
           outcome->id, outcome->created ? "begun with " : "",
           outcome->received,
           apr_time_as_msec(apr_time_now() - r->request_time),
           outcome->reply->offset, outcome->reply->length);
}

void cu_counters_observe(request_rec *r, const cu_engine_t *engine,
                         const cu_outcome_t *outcome, const cu_log_t *log)
{
    cu_code_t code = outcome->code;

    if (code != CU_OK) {
        if (shared) {
            __atomic_fetch_add(&shared->refused[code], 1, __ATOMIC_RELAXED);
        }
        cu_counters_add(CU_COUNT_ABORTED, code == CU_BODY_LOST);
        cu_counters_add(CU_COUNT_DIGEST, code == CU_DIGEST_MISMATCH);
        cu_counters_add(CU_COUNT_TAKEOVER, code == CU_SUPERSEDED);
    }
    else if (outcome->created || outcome->op == CU_OP_APPEND) {
        note_chunk(r, outcome, log);
    }
    /* by whatever request: with tus the last byte completes an upload, or the
     * question that comes after it */
    if (code == CU_OK && outcome->reply->status == CU_STATUS_DONE) {
        note_complete(r, engine, outcome, log);
    }
    if (outcome->created || outcome->op == CU_OP_APPEND
        || outcome->op == CU_OP_COMPLETE) {
        note_row(r, outcome);
    }
}
