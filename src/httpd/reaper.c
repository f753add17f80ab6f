/*
 * The reaper.  A job is an engine with the rules of the servers that share
 * it; where those differ, uploads are kept by the longest of their
 * ChunkedUploadKeepComplete and looked at by the shortest of their
 * ChunkedUploadReapInterval.
 *
 * The callback of mod_watchdog comes every second and works for a slice, so
 * that a child's end never waits for a pass.  Jobs are made anew at every
 * restart; a pass that is running then ends with its child, and the next
 * child starts another.
 */
#include "httpd/reaper.h"

#include <ap_mpm.h>
#include <apr_atomic.h>
#include <apr_optional.h>
#include <apr_tables.h>
#include <http_core.h>
#include <http_log.h>
#include <mod_watchdog.h>

#include "engine/pass.h"
#include "httpd/config.h"
#include "httpd/counters.h"
#include "httpd/log_sink.h"

APLOG_USE_MODULE(chunked_upload);

#define NAME "chunked_upload_reaper"
#define SLICE apr_time_from_msec(100)
#define FIRST apr_time_from_sec(60) /* to the first pass ever */
#define LAZY_EVERY 64

typedef struct job_t {
    const cu_engine_t *engine;
    apr_interval_time_t interval; /* -1: this engine is not looked after */
    cu_expire_rules_t rules;
    cu_log_t log;

    /* of the one thread that runs the callback */
    apr_pool_t *pool;
    cu_pass_t *pass; /* NULL between passes */
    apr_time_t next;
} job_t;

/* Set at post_config, then constant but for the counters of the lazy way. */
static apr_array_header_t *jobs;
static int by_watchdog;
static volatile apr_uint32_t begun;
static volatile apr_uint32_t bucket;

static int is_stopping(void *baton)
{
    int state;

    (void)baton;
    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS
           && state == AP_MPMQ_STOPPING;
}

/* ---- by mod_watchdog ---- */

static void end_pass(job_t *job, apr_time_t now)
{
    const cu_expire_t *result = cu_pass_result(job->pass);
    int quiet = result->incomplete + result->complete + result->finished
                    + result->stray + result->failed
                == 0;

    cu_log(&job->log, quiet ? CU_LOG_DEBUG : CU_LOG_INFO, APR_SUCCESS,
           CULOGNO(0210) "reaper: %" APR_UINT64_T_FMT " uploads seen, %"
                         APR_UINT64_T_FMT " incomplete and %"
                         APR_UINT64_T_FMT " complete removed, %"
                         APR_UINT64_T_FMT " leftovers finished, %"
                         APR_UINT64_T_FMT " strays removed, %"
                         APR_UINT64_T_FMT " busy, %" APR_UINT64_T_FMT
                         " failed",
           result->seen, result->incomplete, result->complete,
           result->finished, result->stray, result->busy, result->failed);
    cu_counters_add(CU_COUNT_PASSES, 1);
    job->next = now + job->interval;
}

/* A slice; the counters are told what it removed. */
static void work(job_t *job, apr_time_t until)
{
    cu_expire_t before = *cu_pass_result(job->pass);
    const cu_expire_t *after = cu_pass_result(job->pass);
    apr_status_t rv;

    do {
        rv = cu_pass_step(job->pass);
    } while (rv == APR_SUCCESS && apr_time_now() < until
             && !is_stopping(NULL));
    if (!cu_pass_waits(job->pass)) {
        cu_counters_add(CU_COUNT_EXPIRED,
                        after->incomplete - before.incomplete);
        cu_counters_add(CU_COUNT_PURGED, after->complete - before.complete);
    }
    if (rv == APR_SUCCESS) {
        return;
    }
    if (APR_STATUS_IS_EOF(rv)) {
        end_pass(job, apr_time_now());
    }
    else {
        if (rv != APR_EINTR) {
            cu_log(&job->log, CU_LOG_ERROR, rv,
                   CULOGNO(0211) "reaper: the state directory cannot be "
                                 "read; expired uploads stay until it can");
        }
        job->next = apr_time_now() + job->interval;
    }
    apr_pool_destroy(job->pool);
    job->pool = NULL;
    job->pass = NULL;
}

static void begin_pass(job_t *job)
{
    apr_pool_create(&job->pool, NULL);
    cu_pass_begin(&job->pass, job->engine, &job->rules, NULL, &job->log,
                  job->pool);
}

/* When this child begins: what another left at its end counts. */
static void first_time(job_t *job, apr_pool_t *pool)
{
    cu_pass_last_t last;
    apr_time_t now = apr_time_now();

    cu_pass_last(job->engine, &last, pool);
    job->next = last.ended + job->interval;
    if (last.ended == 0) {
        job->next = now + (job->interval < FIRST ? job->interval : FIRST);
    }
    else if (last.ended > now) {
        job->next = now; /* the clock went back */
    }
}

static apr_status_t run_jobs(int state, void *data, apr_pool_t *pool)
{
    apr_time_t now = apr_time_now();
    int i;

    (void)data;
    for (i = 0; i < jobs->nelts; ++i) {
        job_t *job = &APR_ARRAY_IDX(jobs, i, job_t);

        if (job->interval < 0) {
            continue;
        }
        if (state == AP_WATCHDOG_STATE_STARTING) {
            first_time(job, pool);
        }
        else if (state == AP_WATCHDOG_STATE_STOPPING) {
            if (job->pool) {
                apr_pool_destroy(job->pool);
                job->pool = NULL;
                job->pass = NULL;
            }
        }
        else if (!is_stopping(NULL)) {
            /* next is never far ahead, whatever the clock does */
            if (!job->pass && (now >= job->next
                               || job->next - now > job->interval)) {
                begin_pass(job);
            }
            if (job->pass) {
                work(job, apr_time_now() + SLICE);
            }
        }
    }
    return APR_SUCCESS;
}

static int register_callback(apr_pool_t *pool)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get_instance;
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *register_it;
    ap_watchdog_t *watchdog;

    get_instance = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    register_it = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    return get_instance && register_it
           && get_instance(&watchdog, NAME, 0, 1, pool) == APR_SUCCESS
           && register_it(watchdog, AP_WD_TM_INTERVAL, jobs, run_jobs)
                  == APR_SUCCESS;
}

/* ---- start-up ---- */

static job_t *job_of(const cu_engine_t *engine)
{
    int i;

    for (i = 0; i < jobs->nelts; ++i) {
        job_t *job = &APR_ARRAY_IDX(jobs, i, job_t);

        if (job->engine == engine) {
            return job;
        }
    }
    return NULL;
}

static int is_shorter(apr_interval_time_t a, apr_interval_time_t b)
{
    return a >= 0 && (b < 0 || a < b); /* -1 is never */
}

static void add_server(server_rec *s, const cu_server_config_t *config)
{
    job_t *job = job_of(config->engine);

    if (!job) {
        job = apr_array_push(jobs);
        memset(job, 0, sizeof(*job));
        job->engine = config->engine;
        job->interval = config->reap_interval;
        cu_expire_rules_init(&job->rules);
        job->rules.keep_complete = config->keep_complete;
        job->rules.stop = is_stopping;
        cu_log_sink_server(&job->log, s);
        return;
    }
    if (is_shorter(config->reap_interval, job->interval)) {
        job->interval = config->reap_interval;
    }
    if (is_shorter(job->rules.keep_complete, config->keep_complete)) {
        job->rules.keep_complete = config->keep_complete;
    }
}

void cu_reaper_start(server_rec *main_server, apr_pool_t *pconf)
{
    server_rec *s;

    jobs = apr_array_make(pconf, 4, sizeof(job_t));
    by_watchdog = 0;
    for (s = main_server; s; s = s->next) {
        const cu_server_config_t *config = cu_config_of_server(s);

        if (config->engine) {
            add_server(s, config);
        }
    }
    if (jobs->nelts > 0
        && ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG) {
        by_watchdog = register_callback(pconf);
        if (!by_watchdog) {
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, main_server,
                         CULOGNO(0212) "reaper: no mod_watchdog; expired "
                         "uploads are removed as new ones begin, and by "
                         "chunked-upload-ctl expire");
        }
    }
}

/* ---- without mod_watchdog ---- */

void cu_reaper_lazily(request_rec *r, const cu_engine_t *engine)
{
    job_t *job = by_watchdog || !jobs ? NULL : job_of(engine);
    cu_expire_t result;
    cu_log_t log;

    if (!job || job->interval < 0
        || apr_atomic_inc32(&begun) % LAZY_EVERY != LAZY_EVERY - 1) {
        return;
    }
    memset(&result, 0, sizeof(result));
    cu_log_sink_request(&log, r);
    if (cu_expire_step(engine, &job->rules,
                       (int)(apr_atomic_inc32(&bucket) % CU_EXPIRE_BUCKETS),
                       &log, &result, r->pool)
        == APR_SUCCESS) {
        cu_counters_add(CU_COUNT_EXPIRED, result.incomplete);
        cu_counters_add(CU_COUNT_PURGED, result.complete);
    }
}
