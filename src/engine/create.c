/*
 * Creation, in the order of store/partfile.h.  The state file is locked from
 * before it has a name until the slot says OPEN, so that whoever finds
 * CREATING under the lock knows that the creator is dead.
 */
#include "engine/create.h"

#include <string.h>

#include <apr_strings.h>

#include "engine/policy.h"
#include "store/fault.h"
#include "store/partfile.h"

/* The part's relative path: the template through strftime in UTC + id. */
static const char *part_path(const cu_ask_t *ask, const char *id,
                             apr_time_t now, apr_pool_t *pool)
{
    char dir[CU_UPLOAD_PATH_MAX + 1];
    apr_time_exp_t utc;
    apr_size_t len = 0;

    if (!ask->policy->path_template[0]) {
        return apr_pstrcat(pool, id, ".part", NULL);
    }
    if (apr_time_exp_gmt(&utc, now) != APR_SUCCESS
        || apr_strftime(dir, &len, sizeof(dir), ask->policy->path_template,
                        &utc)
               != APR_SUCCESS
        || len == 0) {
        return NULL;
    }
    return apr_pstrcat(pool, dir, "/", id, ".part", NULL);
}

static apr_status_t fill_header(const cu_engine_t *engine, const cu_ask_t *ask,
                                cu_header_t *header, apr_pool_t *pool)
{
    const cu_policy_t *policy = ask->policy;
    char id[CU_UPLOAD_ID_LEN + 1];
    apr_status_t rv;

    rv = cu_upload_id_make(id);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    header->id = apr_pstrdup(pool, id);
    header->created = engine->clock();
    header->owner = cu_open_owner(ask->owner, pool);
    header->scope = ask->scope;
    header->dialect = ask->dialect;
    header->root = engine->root;
    header->path = part_path(ask, header->id, header->created, pool);
    header->name = ask->name ? ask->name : "";
    header->type = ask->type ? ask->type : "";
    header->metadata = ask->metadata ? ask->metadata : "";
    header->concat = ask->concat ? ask->concat : "";
    header->role = ask->role;
    header->expire = policy->expire;
    header->expire_idle = policy->expire_from == CU_EXPIRE_FROM_IDLE;
    header->max_bytes = policy->max_bytes;
    header->digest = policy->digest;
    if (!header->owner || !header->path
        || strlen(header->scope) > CU_UPLOAD_SCOPE_MAX
        || strlen(header->name) > CU_UPLOAD_NAME_MAX
        || strlen(header->type) > CU_UPLOAD_TYPE_MAX
        || strlen(header->metadata) > CU_UPLOAD_CLIENT_MAX
        || strlen(header->concat) > CU_UPLOAD_CLIENT_MAX) {
        return APR_EINVAL;
    }
    return APR_SUCCESS;
}

static apr_status_t fill_slot(const cu_engine_t *engine, const cu_ask_t *ask,
                              const cu_header_t *header, cu_slot_t *slot,
                              apr_pool_t *scratch)
{
    cu_digest_t *digest;
    apr_status_t rv = APR_SUCCESS;

    memset(slot, 0, sizeof(*slot));
    slot->status = CU_STATUS_CREATING;
    slot->generation = 1;
    slot->writer_active = 1;
    slot->length = ask->length;
    slot->active = header->created;
    slot->expires = cu_policy_expires(header->expire, header->created);
    memcpy(slot->boot, engine->boot, sizeof(slot->boot));
    slot->digest = header->digest;
    if (header->digest != CU_DIGEST_NONE) {
        rv = cu_digest_begin(&digest, (cu_digest_alg_t)header->digest,
                             scratch);
        if (rv == APR_SUCCESS) {
            slot->digest_len = cu_digest_save(digest, slot->digest_state);
        }
    }
    return rv;
}

/* Part, slot OPEN, catalogue: what follows the state file. */
static apr_status_t build(const cu_engine_t *engine, const cu_ask_t *ask,
                          cu_state_file_t *sf, int *part_fd,
                          apr_pool_t *scratch)
{
    cu_record_t record;
    apr_status_t rv;

    CU_KILL_POINT("after_state");
    rv = cu_part_create(part_fd, engine->root, sf->header.path,
                        engine->sync == CU_SYNC_CHUNK);
    CU_KILL_POINT("after_part");
    if (rv == APR_SUCCESS) {
        sf->slot.status = CU_STATUS_OPEN;
        rv = cu_state_write(sf);
        CU_KILL_POINT("after_open");
    }
    if (rv == APR_SUCCESS) {
        cu_open_record(sf, &record);
        rv = cu_catalogue_put(engine->catalogue, sf->header.id, &record,
                              ask->log, scratch);
        CU_KILL_POINT("after_catalogue");
    }
    return rv;
}

cu_code_t cu_create(const cu_engine_t *engine, const cu_ask_t *ask,
                    cu_state_file_t **sf, int *part_fd, cu_reply_t *reply,
                    apr_pool_t *pool)
{
    cu_header_t header;
    cu_slot_t slot;
    apr_status_t rv;

    *sf = NULL;
    *part_fd = -1;
    rv = fill_header(engine, ask, &header, pool);
    if (rv == APR_EINVAL) {
        return cu_reply_say(reply, CU_BUG, rv,
                            "a text of the new upload is too long (a path of "
                            "ChunkedUploadPath, a scope, a name)");
    }
    if (rv == APR_SUCCESS) {
        rv = fill_slot(engine, ask, &header, &slot, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_state_create(sf, engine->state_dir, &header, &slot,
                             engine->sync == CU_SYNC_CHUNK, pool);
    }
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "the state file cannot be made");
    }
    rv = build(engine, ask, *sf, part_fd, pool);
    if (rv != APR_SUCCESS) {
        (void)cu_io_close(part_fd);
        CU_BEST_EFFORT(cu_open_remove(engine, *sf, CU_STATUS_CANCELLED,
                                      ask->log, pool));
        cu_state_close(*sf);
        *sf = NULL;
        return cu_reply_disk(reply, rv, "the new upload cannot be made");
    }
    cu_reply_facts(reply, *sf, pool);
    cu_state_unlock(*sf);
    return CU_OK;
}
