/*
 * The catalogue in memory, for unit tests.  It goes through the same encoding
 * as the DBM one, so what does not survive there does not survive here.
 */
#include "store/catalogue.h"

#include <apr_hash.h>
#include <apr_strings.h>
#include <apr_thread_mutex.h>

typedef struct value_t {
    apr_size_t len;
    unsigned char bytes[CU_RECORD_MAX];
} value_t;

typedef struct mem_t {
    cu_catalogue_t base;
    apr_hash_t *records;
    apr_thread_mutex_t *mutex;
    apr_pool_t *pool;
} mem_t;

static apr_status_t mem_prepare(cu_catalogue_t *catalogue, const char **why,
                                apr_pool_t *pool)
{
    (void)catalogue;
    (void)why;
    (void)pool;
    return APR_SUCCESS;
}

static apr_status_t mem_put(cu_catalogue_t *catalogue, const char *id,
                            const cu_record_t *record, const cu_log_t *log,
                            apr_pool_t *scratch)
{
    mem_t *mem = (mem_t *)catalogue;
    value_t value, *kept;

    (void)log;
    (void)scratch;
    value.len = cu_record_encode(record, value.bytes);
    if (value.len == 0) {
        return APR_EINVAL;
    }
    apr_thread_mutex_lock(mem->mutex);
    kept = apr_hash_get(mem->records, id, APR_HASH_KEY_STRING);
    if (kept) {
        *kept = value;
    }
    else {
        kept = apr_pmemdup(mem->pool, &value, sizeof(value));
        apr_hash_set(mem->records, apr_pstrdup(mem->pool, id),
                     APR_HASH_KEY_STRING, kept);
    }
    apr_thread_mutex_unlock(mem->mutex);
    return APR_SUCCESS;
}

static apr_status_t mem_get(cu_catalogue_t *catalogue, const char *id,
                            cu_record_t *record, const cu_log_t *log,
                            apr_pool_t *pool)
{
    mem_t *mem = (mem_t *)catalogue;
    apr_status_t rv = APR_NOTFOUND;
    value_t *kept;

    (void)log;
    apr_thread_mutex_lock(mem->mutex);
    kept = apr_hash_get(mem->records, id, APR_HASH_KEY_STRING);
    if (kept) {
        rv = cu_record_decode(kept->bytes, kept->len, record, pool);
    }
    apr_thread_mutex_unlock(mem->mutex);
    return rv;
}

static apr_status_t mem_remove(cu_catalogue_t *catalogue, const char *id,
                               const cu_log_t *log, apr_pool_t *scratch)
{
    mem_t *mem = (mem_t *)catalogue;

    (void)log;
    (void)scratch;
    apr_thread_mutex_lock(mem->mutex);
    apr_hash_set(mem->records, id, APR_HASH_KEY_STRING, NULL);
    apr_thread_mutex_unlock(mem->mutex);
    return APR_SUCCESS;
}

static apr_status_t mem_each(cu_catalogue_t *catalogue,
                             cu_catalogue_visit_fn visit, void *baton,
                             const cu_log_t *log, apr_pool_t *pool)
{
    mem_t *mem = (mem_t *)catalogue;
    apr_status_t rv = APR_SUCCESS;
    apr_hash_index_t *at;
    apr_pool_t *scratch;

    (void)log;
    apr_pool_create(&scratch, pool);
    apr_thread_mutex_lock(mem->mutex);
    for (at = apr_hash_first(pool, mem->records); at && rv == APR_SUCCESS;
         at = apr_hash_next(at)) {
        const value_t *kept = apr_hash_this_val(at);
        cu_record_t record;

        apr_pool_clear(scratch);
        rv = cu_record_decode(kept->bytes, kept->len, &record, scratch);
        if (rv == APR_SUCCESS) {
            rv = visit(baton, apr_hash_this_key(at), &record, scratch);
        }
    }
    apr_thread_mutex_unlock(mem->mutex);
    apr_pool_destroy(scratch);
    return rv;
}

static const cu_catalogue_vtable_t mem_vtable = {
    .prepare = mem_prepare,
    .put = mem_put,
    .get = mem_get,
    .remove = mem_remove,
    .each = mem_each,
};

void cu_catalogue_mem_make(cu_catalogue_t **catalogue, apr_pool_t *pool)
{
    mem_t *mem = apr_pcalloc(pool, sizeof(*mem));

    mem->base.vtable = &mem_vtable;
    /* a pool of its own: puts come from many threads, under the mutex */
    apr_pool_create(&mem->pool, pool);
    mem->records = apr_hash_make(mem->pool);
    apr_thread_mutex_create(&mem->mutex, APR_THREAD_MUTEX_DEFAULT, pool);
    *catalogue = &mem->base;
}
