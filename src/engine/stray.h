/*
 * Files and records that belong to no upload.  By the order of writing
 * (store/partfile.h) none comes up but by a power loss or by hands from
 * outside, so this walk is slow and rare.  Internal to the engine layer.
 *
 * A part without a state is removed only when the catalogue still knows it as
 * unfinished.  Without such a record it could be somebody's finished file
 * whose state directory was lost or restored from yesterday: no program
 * removes that by itself, fsck --repair does at the admin's word.
 */
#ifndef CU_ENGINE_STRAY_H
#define CU_ENGINE_STRAY_H

#include "engine/expire.h"

/* Entries looked at in one step. */
#define CU_STRAY_STEP 2000

typedef struct cu_stray_t cu_stray_t;

/** Begin at the store's root.  @param pool owns it, with open directories */
void cu_stray_begin(cu_stray_t **stray, const cu_engine_t *engine,
                    apr_pool_t *pool);

/**
 * Look at the next CU_STRAY_STEP entries of the store; when those are through,
 * in one last step at the catalogue's records, a shard's lock at a time.
 * @return APR_SUCCESS (there is more); APR_EOF (all seen); APR_EINTR; a
 *         status of the disk
 */
CU_MUST_CHECK apr_status_t cu_stray_step(cu_stray_t *stray,
                                         const cu_expire_rules_t *rules,
                                         const cu_log_t *log,
                                         cu_expire_t *result);

#endif
