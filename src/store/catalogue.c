/* The typed front of the catalogue: forwards. */
#include "store/catalogue.h"

apr_status_t cu_catalogue_prepare(cu_catalogue_t *catalogue, const char **why,
                                  apr_pool_t *pool)
{
    return catalogue->vtable->prepare(catalogue, why, pool);
}

apr_status_t cu_catalogue_put(cu_catalogue_t *catalogue, const char *id,
                              const cu_record_t *record, const cu_log_t *log,
                              apr_pool_t *scratch)
{
    return catalogue->vtable->put(catalogue, id, record, log, scratch);
}

apr_status_t cu_catalogue_get(cu_catalogue_t *catalogue, const char *id,
                              cu_record_t *record, const cu_log_t *log,
                              apr_pool_t *pool)
{
    return catalogue->vtable->get(catalogue, id, record, log, pool);
}

apr_status_t cu_catalogue_remove(cu_catalogue_t *catalogue, const char *id,
                                 const cu_log_t *log, apr_pool_t *scratch)
{
    return catalogue->vtable->remove(catalogue, id, log, scratch);
}

apr_status_t cu_catalogue_each(cu_catalogue_t *catalogue,
                               cu_catalogue_visit_fn visit, void *baton,
                               const cu_log_t *log, apr_pool_t *pool)
{
    return catalogue->vtable->each(catalogue, visit, baton, log, pool);
}
