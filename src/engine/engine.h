/*
 * The engine: opening it, and the questions that move no bytes.
 *
 * An engine is configuration only: no descriptor, no memory that changes, so
 * any number of threads and processes share one or have their own over the
 * same directories.  All truth is in the store (design.md 4-6).
 */
#ifndef CU_ENGINE_ENGINE_H
#define CU_ENGINE_ENGINE_H

#include <apr_pools.h>

#include "base/clock.h"
#include "engine/upload.h"

/* How much is made safe against power loss.  design.md 6. */
typedef enum cu_sync_t {
    CU_SYNC_NONE,     /* the kernel's time */
    CU_SYNC_COMPLETE, /* a completed upload is on disk before it is said */
    CU_SYNC_CHUNK     /* every acknowledged chunk is on disk */
} cu_sync_t;

typedef struct cu_engine_config_t {
    const char *state_dir; /* absolute; state files and catalogue */
    const char *root;      /* absolute store root, or NULL: state_dir/store */
    const char *dbm;       /* apr_dbm type; "mem" keeps the catalogue in memory
                              (unit tests) */
    cu_sync_t sync;
    cu_clock_fn clock;     /* NULL: apr_time_now */
    const char *boot;      /* NULL: as the system says; tests play power loss */
} cu_engine_config_t;

typedef struct cu_engine_t cu_engine_t;

/**
 * Make an engine.  Touches no disk.
 * @param config copied
 * @param pool   owns it
 */
void cu_engine_make(cu_engine_t **engine, const cu_engine_config_t *config,
                    apr_pool_t *pool);

/**
 * Make the directories of an engine (0700) and try the DBM driver: harmless
 * when they exist.  To be called once before use, by whoever has the rights.
 * @param uid,gid owner to give new directories, or -1 to leave it
 * @param why     (out) one sentence naming the path or driver, on failure
 * @return APR_SUCCESS, or the status of what failed
 */
CU_MUST_CHECK apr_status_t cu_engine_prepare(const cu_engine_t *engine,
                                             long uid, long gid,
                                             const char **why,
                                             apr_pool_t *pool);

/**
 * Look an upload up.  Writes nothing (but recovery, if a crash left something
 * to finish) and fences nobody, unless ask->fence and a writer is at it: then
 * what arrives for him from now on does not count.
 * @param ask   id, owner, scope, fence, log
 * @param reply (out) the facts
 * @return CU_OK; CU_NOT_FOUND; CU_GONE (unfinished and past its expiry);
 *         CU_BUSY; CU_DAMAGED; CU_IO
 */
CU_MUST_CHECK cu_code_t cu_engine_query(const cu_engine_t *engine,
                                        const cu_ask_t *ask,
                                        cu_reply_t *reply, apr_pool_t *pool);

/**
 * Remove an unfinished upload, or with the policy's delete_complete a finished
 * one, and everything of it.  Writers are fenced.
 * @return CU_OK, also when repeated within one call's race; CU_NOT_FOUND;
 *         CU_CONFLICT (complete already); CU_BUSY; CU_IO
 */
CU_MUST_CHECK cu_code_t cu_engine_cancel(const cu_engine_t *engine,
                                         const cu_ask_t *ask,
                                         cu_reply_t *reply, apr_pool_t *pool);

#endif
