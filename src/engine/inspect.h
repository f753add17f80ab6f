/*
 * What the tool looks at beyond fsck.h: every upload without the catalogue's
 * locks, bytes against their digests, the catalogue's records as they are.
 */
#ifndef CU_ENGINE_INSPECT_H
#define CU_ENGINE_INSPECT_H

#include "engine/engine.h"
#include "engine/fsck.h"
#include "store/record.h"

/**
 * Visit every upload by its state file.  No lock is held while visit runs, so
 * it may print to a pager that waits.  Constant memory.
 * @param visit   listed lives until it returns; non-success ends the walk
 * @param missed  (out) uploads that could not be read: damaged, or locked for
 *                over a second
 */
CU_MUST_CHECK apr_status_t cu_inspect_each(
    const cu_engine_t *engine,
    apr_status_t (*visit)(void *baton, const cu_listed_t *listed),
    void *baton, apr_uint64_t *missed, apr_pool_t *pool);

typedef enum cu_verdict_t {
    CU_VERIFIED,       /* the bytes are those that were hashed */
    CU_VERIFY_NOTHING, /* no digest was kept */
    CU_VERIFY_DIFFERS, /* they are not */
    CU_VERIFY_SHORT,   /* the part is missing or shorter than recorded */
    CU_VERIFY_CHANGED, /* removed or cut back meanwhile: ask again */
    CU_VERIFY_COUNT
} cu_verdict_t;

/**
 * Read an upload's bytes and compare them with the digest that was kept: of
 * the whole for a complete upload, the running one of what counts for an
 * unfinished one.  Holds no lock while reading.
 * @param progress called with bytes read so far and in all; may be NULL;
 *                 non-zero ends it with APR_EINTR
 * @param verdict  (out) set on APR_SUCCESS
 * @return APR_SUCCESS; APR_ENOENT (no such upload); APR_EBUSY; APR_EINVAL
 *         (its state cannot be read); APR_EINTR; a status of the disk
 */
CU_MUST_CHECK apr_status_t cu_inspect_verify(
    const cu_engine_t *engine, const char *id,
    int (*progress)(void *baton, apr_off_t done, apr_off_t all), void *baton,
    cu_verdict_t *verdict, apr_pool_t *pool);

/**
 * Visit every record of the catalogue.  A shard is locked meanwhile: visit
 * must be quick, and must not wait for anybody.
 */
CU_MUST_CHECK apr_status_t cu_inspect_records(
    const cu_engine_t *engine,
    apr_status_t (*visit)(void *baton, const char *id,
                          const cu_record_t *record, apr_pool_t *scratch),
    void *baton, const cu_log_t *log, apr_pool_t *pool);

/**
 * Store a record of an upload that exists.
 * @return APR_SUCCESS; APR_ENOENT (no state file: nothing is stored);
 *         APR_EINVAL (not an id, or texts too long); a status of the disk
 */
CU_MUST_CHECK apr_status_t cu_inspect_put(const cu_engine_t *engine,
                                          const char *id,
                                          const cu_record_t *record,
                                          const cu_log_t *log,
                                          apr_pool_t *scratch);

#endif
