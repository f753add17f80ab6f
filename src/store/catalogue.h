/*
 * The catalogue: metadata records for listing and look-ups, keyed by upload
 * id.  Never the truth: it can always be made again from the state files, and
 * is, whenever it fails.  Never on the append path.
 *
 * A typed front over a vtable: catalogue_dbm.c (apr_dbm, Berkeley DB by
 * default) and catalogue_mem.c (unit tests, which keep the vtable honest).
 * All functions may be called by any thread at any time; calls on one
 * catalogue with different pools do not meet but in the store.
 */
#ifndef CU_STORE_CATALOGUE_H
#define CU_STORE_CATALOGUE_H

#include <apr_pools.h>

#include "base/log.h"
#include "store/record.h"

typedef struct cu_catalogue_t cu_catalogue_t;

/* Called for every record; record texts live in scratch, which is cleared
 * between calls.  Non-success stops the walk and is returned. */
typedef apr_status_t (*cu_catalogue_visit_fn)(void *baton, const char *id,
                                              const cu_record_t *record,
                                              apr_pool_t *scratch);

/* Where records come from when a part of the catalogue is made again: calls
 * visit for every upload whose id begins with one of the 16 hex digits. */
typedef struct cu_catalogue_source_t {
    apr_status_t (*each)(void *baton, int digit, cu_catalogue_visit_fn visit,
                         void *visit_baton, apr_pool_t *pool);
    void *baton;
} cu_catalogue_source_t;

typedef struct cu_catalogue_vtable_t {
    apr_status_t (*prepare)(cu_catalogue_t *catalogue, const char **why,
                            apr_pool_t *pool);
    apr_status_t (*put)(cu_catalogue_t *catalogue, const char *id,
                        const cu_record_t *record, const cu_log_t *log,
                        apr_pool_t *scratch);
    apr_status_t (*get)(cu_catalogue_t *catalogue, const char *id,
                        cu_record_t *record, const cu_log_t *log,
                        apr_pool_t *pool);
    apr_status_t (*remove)(cu_catalogue_t *catalogue, const char *id,
                           const cu_log_t *log, apr_pool_t *scratch);
    apr_status_t (*each)(cu_catalogue_t *catalogue,
                         cu_catalogue_visit_fn visit, void *baton,
                         const cu_log_t *log, apr_pool_t *pool);
} cu_catalogue_vtable_t;

/* First member of every implementation. */
struct cu_catalogue_t {
    const cu_catalogue_vtable_t *vtable;
};

/**
 * A catalogue in DBM files: <dir>/<type>-<digit>, sharded by the first digit
 * of the id, each with a lock file <digit>.lock that is never removed.
 * @param dir    absolute; made by prepare
 * @param type   an apr_dbm type: "db", "sdbm", ...
 * @param source for rebuilding; kept by reference
 */
void cu_catalogue_dbm_make(cu_catalogue_t **catalogue, const char *dir,
                           const char *type,
                           const cu_catalogue_source_t *source,
                           apr_pool_t *pool);

/** A catalogue in this process's memory, for unit tests; thread-safe. */
void cu_catalogue_mem_make(cu_catalogue_t **catalogue, apr_pool_t *pool);

/**
 * Make what must be there and try the driver.
 * @param why (out) one sentence on failure
 */
CU_MUST_CHECK apr_status_t cu_catalogue_prepare(cu_catalogue_t *catalogue,
                                                const char **why,
                                                apr_pool_t *pool);

/**
 * Store a record, replacing an older one.
 * @return APR_SUCCESS; APR_EINVAL (does not fit); APR_EBUSY; a status of the
 *         disk when even a rebuilt shard does not take it
 */
CU_MUST_CHECK apr_status_t cu_catalogue_put(cu_catalogue_t *catalogue,
                                            const char *id,
                                            const cu_record_t *record,
                                            const cu_log_t *log,
                                            apr_pool_t *scratch);

/** @return APR_SUCCESS; APR_NOTFOUND; or as put */
CU_MUST_CHECK apr_status_t cu_catalogue_get(cu_catalogue_t *catalogue,
                                            const char *id,
                                            cu_record_t *record,
                                            const cu_log_t *log,
                                            apr_pool_t *pool);

/** @return APR_SUCCESS, also when there was none; or as put */
CU_MUST_CHECK apr_status_t cu_catalogue_remove(cu_catalogue_t *catalogue,
                                               const char *id,
                                               const cu_log_t *log,
                                               apr_pool_t *scratch);

/**
 * Visit every record, a shard at a time; a shard is locked while it is read,
 * so visit must not call the catalogue.  Records that cannot be decoded are
 * skipped and logged.
 */
CU_MUST_CHECK apr_status_t cu_catalogue_each(cu_catalogue_t *catalogue,
                                             cu_catalogue_visit_fn visit,
                                             void *baton, const cu_log_t *log,
                                             apr_pool_t *pool);

#endif
