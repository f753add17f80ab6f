/*
 * A pass over the whole store, in steps: the 256 state directories, then once
 * a day what belongs to no upload.  What the last pass found is kept in
 * <state_dir>/last-pass, a few lines of text, for whoever comes next (another
 * child, the tool, the status page) and to notice that the clock has jumped:
 * then nothing is removed for one pass, so that a wrong clock that is put
 * right in time costs nobody his upload.
 */
#ifndef CU_ENGINE_PASS_H
#define CU_ENGINE_PASS_H

#include "engine/expire.h"

#define CU_PASS_JUMP (24 * 60 * 60 * APR_USEC_PER_SEC)

typedef struct cu_pass_t cu_pass_t;

/* The record of a pass. */
typedef struct cu_pass_last_t {
    apr_time_t ended;         /* wall clock; 0: no pass yet */
    apr_time_t steady;        /* a clock that nobody sets, in that boot */
    apr_time_t stray;         /* when strays were last looked for */
    apr_interval_time_t took;
    char boot[64];
    cu_expire_t result;
} cu_pass_last_t;

/**
 * Begin a pass.
 * @param steady a clock that does not jump; NULL: the system's, which counts
 *               from boot
 * @param pool   owns it
 */
void cu_pass_begin(cu_pass_t **pass, const cu_engine_t *engine,
                   const cu_expire_rules_t *rules, cu_clock_fn steady,
                   const cu_log_t *log, apr_pool_t *pool);

/**
 * One step, in the order of tens of milliseconds.
 * @return APR_SUCCESS (there is more); APR_EOF (the pass is over and
 *         recorded); APR_EINTR (rules->stop); a status of the disk, which
 *         ends the pass
 */
CU_MUST_CHECK apr_status_t cu_pass_step(cu_pass_t *pass);

/** Does this pass remove nothing, since the clock has jumped? */
int cu_pass_waits(const cu_pass_t *pass);

/** What this pass has found so far. */
const cu_expire_t *cu_pass_result(const cu_pass_t *pass);

/** What the last pass that ended found; all zero when there was none. */
void cu_pass_last(const cu_engine_t *engine, cu_pass_last_t *last,
                  apr_pool_t *scratch);

#endif
