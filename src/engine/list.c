/* Looking at uploads as the admin does: whoever owns them.  See fsck.h. */
#include <string.h>

#include <apr_strings.h>

#include "engine/fsck.h"
#include "engine/open.h"

static cu_code_t look(const cu_engine_t *engine, const char *id,
                      apr_interval_time_t timeout, cu_listed_t *listed,
                      apr_pool_t *pool)
{
    cu_state_file_t *sf;
    apr_status_t rv;

    if (!cu_upload_id_valid(id, strlen(id))) {
        return CU_NOT_FOUND;
    }
    rv = cu_state_open(&sf, engine->state_dir, id, 0, pool);
    if (rv == APR_SUCCESS) {
        rv = cu_state_lock(sf, 0, timeout);
        if (rv != APR_SUCCESS) {
            cu_state_close(sf);
        }
    }
    if (rv != APR_SUCCESS) {
        return APR_STATUS_IS_ENOENT(rv)  ? CU_NOT_FOUND
               : APR_STATUS_IS_EBUSY(rv) ? CU_BUSY
               : rv == APR_EINVAL        ? CU_DAMAGED
                                         : CU_IO;
    }
    listed->id = sf->header.id;
    listed->owner = strncmp(sf->header.owner, "u:", 2) == 0
                        ? sf->header.owner + 2
                        : sf->header.owner;
    listed->scope = sf->header.scope;
    listed->name = sf->header.name;
    listed->type = sf->header.type;
    listed->path =
        apr_pstrcat(pool, sf->header.root, "/", sf->header.path, NULL);
    listed->digest_hex = apr_pstrdup(pool, sf->slot.digest_hex);
    listed->offset = sf->slot.offset;
    listed->length = sf->slot.length;
    listed->created = sf->header.created;
    listed->active = sf->slot.active;
    listed->expires = sf->slot.expires;
    listed->completed = sf->slot.completed;
    listed->chunks = sf->slot.chunks;
    listed->status = sf->slot.status;
    cu_state_close(sf);
    return CU_OK;
}

cu_code_t cu_list_one(const cu_engine_t *engine, const char *id,
                      cu_listed_t *listed, apr_pool_t *pool)
{
    return look(engine, id, APR_USEC_PER_SEC, listed, pool);
}

/* What the catalogue alone knows. */
static void from_record(const cu_engine_t *engine, const char *id,
                        const cu_record_t *record, cu_listed_t *listed,
                        apr_pool_t *pool)
{
    memset(listed, 0, sizeof(*listed));
    listed->id = id;
    listed->owner = strncmp(record->owner, "u:", 2) == 0 ? record->owner + 2
                                                         : record->owner;
    listed->scope = record->scope;
    listed->name = record->name;
    listed->type = "";
    listed->path = apr_pstrcat(pool, engine->root, "/", record->path, NULL);
    listed->digest_hex = "";
    listed->offset = CU_LENGTH_UNKNOWN;
    listed->length = record->length;
    listed->created = record->created;
    listed->expires = record->expires;
    listed->status = record->status;
}

typedef struct each_t {
    const cu_engine_t *engine;
    apr_status_t (*visit)(void *baton, const cu_listed_t *listed);
    void *baton;
} each_t;

static apr_status_t each_visit(void *baton, const char *id,
                               const cu_record_t *record, apr_pool_t *scratch)
{
    const each_t *each = baton;
    cu_listed_t listed;

    cu_code_t code;

    /* who holds the upload may be waiting for the shard that we hold */
    code = look(each->engine, id, 0, &listed, scratch);
    if (code == CU_BUSY) {
        from_record(each->engine, id, record, &listed, scratch);
    }
    else if (code != CU_OK) {
        return APR_SUCCESS;
    }
    return each->visit(each->baton, &listed);
}

apr_status_t cu_list_each(const cu_engine_t *engine,
                          apr_status_t (*visit)(void *baton,
                                                const cu_listed_t *listed),
                          void *baton, const cu_log_t *log, apr_pool_t *pool)
{
    each_t each;

    each.engine = engine;
    each.visit = visit;
    each.baton = baton;
    return cu_catalogue_each(engine->catalogue, each_visit, &each, log, pool);
}
