/*
 * Does everything in the store belong together?  For the tool and the tests;
 * safe beside a running server, since every look is under the upload's lock.
 */
#ifndef CU_ENGINE_FSCK_H
#define CU_ENGINE_FSCK_H

#include "engine/engine.h"

typedef struct cu_fsck_t {
    apr_uint64_t uploads;  /* state files seen */
    apr_uint64_t busy;     /* of them locked by others for over a second */
    apr_uint64_t problems;
    apr_uint64_t repaired;
} cu_fsck_t;

/**
 * Check state files, parts and catalogue against one another; with repair
 * finish what a crash cut short, remove parts and records that belong to no
 * upload, add records that are missing.  A part that is shorter than its
 * record, or a damaged state file, is only reported.  Constant memory but for
 * the ids of orphans.
 * @param say    called with one line per problem, no newline
 * @param result (out)
 * @return APR_SUCCESS when everything could be looked at
 */
CU_MUST_CHECK apr_status_t cu_fsck(const cu_engine_t *engine, int repair,
                                   void (*say)(void *baton, const char *line),
                                   void *baton, const cu_log_t *log,
                                   cu_fsck_t *result, apr_pool_t *pool);

/* One upload as a listing shows it. */
typedef struct cu_listed_t {
    const char *id;
    const char *owner; /* user name, "" anonymous, or "h:" + hash of a long one */
    const char *scope;
    const char *name;
    const char *type;
    const char *path;  /* absolute */
    const char *digest_hex; /* "" unless complete */
    apr_off_t offset; /* CU_LENGTH_UNKNOWN: in use just now, from a listing */
    apr_off_t length;
    apr_time_t created;
    apr_time_t active;
    apr_time_t expires;
    apr_time_t completed;
    apr_uint64_t chunks;
    cu_status_t status;
} cu_listed_t;

/**
 * Read one upload, whoever owns it.
 * @return CU_OK; CU_NOT_FOUND; CU_BUSY; CU_DAMAGED; CU_IO
 */
CU_MUST_CHECK cu_code_t cu_list_one(const cu_engine_t *engine, const char *id,
                                    cu_listed_t *listed, apr_pool_t *pool);

/**
 * Visit every upload in the catalogue with its state as it is now; uploads
 * whose state cannot be read are skipped.
 */
CU_MUST_CHECK apr_status_t cu_list_each(
    const cu_engine_t *engine,
    apr_status_t (*visit)(void *baton, const cu_listed_t *listed),
    void *baton, const cu_log_t *log, apr_pool_t *pool);

#endif
