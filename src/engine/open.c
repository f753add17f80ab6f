/*
 * Finding, locking and removing uploads; the reply's facts.  The rule that an
 * upload of somebody else looks like none at all is kept here, once.
 */
#include "engine/open.h"

#include <errno.h>
#include <string.h>

#include <apr_strings.h>

#include "engine/recover.h"
#include "store/fault.h"
#include "store/partfile.h"

void cu_reply_init(cu_reply_t *reply)
{
    memset(reply, 0, sizeof(*reply));
    reply->length = CU_LENGTH_UNKNOWN;
    reply->limit = CU_NO_LIMIT;
}

cu_code_t cu_reply_say(cu_reply_t *reply, cu_code_t code, apr_status_t rv,
                       const char *detail)
{
    reply->rv = rv;
    reply->detail = detail;
    if (code == CU_BUSY && reply->retry_after == 0) {
        reply->retry_after = APR_USEC_PER_SEC;
    }
    return code;
}

cu_code_t cu_reply_disk(cu_reply_t *reply, apr_status_t rv, const char *detail)
{
    cu_code_t code = CU_IO;

    if (cu_io_is_full(rv)) {
        code = CU_NO_SPACE;
    }
    else if (APR_STATUS_IS_EBUSY(rv)) {
        code = CU_BUSY;
    }
    return cu_reply_say(reply, code, rv, detail);
}

cu_code_t cu_reply_part(cu_reply_t *reply, apr_status_t rv)
{
    if (APR_STATUS_IS_ENOENT(rv) || APR_STATUS_IS_EOF(rv) || rv == APR_EINVAL
        || rv == APR_FROM_OS_ERROR(ENOTDIR)
        || rv == APR_FROM_OS_ERROR(ELOOP)) {
        return cu_reply_say(reply, CU_DAMAGED, rv,
                            "the part is missing or shorter than recorded");
    }
    return cu_reply_disk(reply, rv, "the part cannot be opened");
}

void cu_reply_facts(cu_reply_t *reply, const cu_state_file_t *sf,
                    apr_pool_t *pool)
{
    const cu_header_t *header = &sf->header;
    const cu_slot_t *slot = &sf->slot;

    reply->id = apr_pstrdup(pool, header->id);
    reply->offset = slot->offset;
    reply->length = slot->length;
    reply->created = header->created;
    reply->expires = slot->expires;
    reply->status = slot->status;
    reply->name = header->name[0] ? apr_pstrdup(pool, header->name) : NULL;
    reply->type = header->type[0] ? apr_pstrdup(pool, header->type) : NULL;
    reply->metadata =
        header->metadata[0] ? apr_pstrdup(pool, header->metadata) : NULL;
    reply->concat =
        header->concat[0] ? apr_pstrdup(pool, header->concat) : NULL;
    reply->role = header->role;
    reply->path = apr_pstrcat(pool, header->root, "/", header->path, NULL);
    reply->digest = (cu_digest_alg_t)slot->digest;
    reply->digest_hex =
        slot->digest_hex[0] ? apr_pstrdup(pool, slot->digest_hex) : NULL;
}

cu_code_t cu_open_admit(const cu_ask_t *ask, cu_reply_t *reply)
{
    if (!ask->policy->anonymous && !(ask->owner && ask->owner[0])) {
        return cu_reply_say(reply, CU_UNAUTHENTICATED, APR_SUCCESS,
                            "anonymous uploads are off and there is no user");
    }
    return CU_OK;
}

const char *cu_open_owner(const char *owner, apr_pool_t *pool)
{
    char hex[65];
    apr_size_t len;

    if (!owner || !owner[0]) {
        return "";
    }
    len = strlen(owner);
    if (len <= CU_UPLOAD_OWNER_MAX) {
        return apr_pstrcat(pool, "u:", owner, NULL);
    }
    if (cu_digest_sha256_hex(owner, len, hex) != APR_SUCCESS) {
        return NULL;
    }
    return apr_pstrcat(pool, "h:", hex, NULL);
}

cu_code_t cu_open_confirm(const cu_engine_t *engine, cu_state_file_t *sf,
                          cu_reply_t *reply)
{
    const cu_status_t status = sf->slot.status;
    apr_status_t rv = APR_SUCCESS;

    if (engine->sync == CU_SYNC_CHUNK
        || (engine->sync == CU_SYNC_COMPLETE
            && (status == CU_STATUS_COMPLETE || status == CU_STATUS_HANDING
                || status == CU_STATUS_DONE))) {
        rv = cu_state_sync(sf);
    }
    return rv == APR_SUCCESS
               ? CU_OK
               : cu_reply_disk(reply, rv, "the state file cannot be synced");
}

int cu_open_expired(const cu_engine_t *engine, const cu_state_file_t *sf)
{
    return sf->slot.expires != 0 && engine->clock() >= sf->slot.expires;
}

void cu_open_record(const cu_state_file_t *sf, cu_record_t *record)
{
    record->owner = sf->header.owner;
    record->scope = sf->header.scope;
    record->name = sf->header.name;
    record->path = sf->header.path;
    record->created = sf->header.created;
    record->expires = sf->slot.expires;
    record->length = sf->slot.length;
    record->status = sf->slot.status;
}

/* Open by id, and see whether this is the asker's. */
static cu_code_t find(const cu_engine_t *engine, const cu_ask_t *ask,
                      cu_state_file_t **sf, cu_reply_t *reply,
                      apr_pool_t *pool)
{
    const char *owner = cu_open_owner(ask->owner, pool);
    apr_status_t rv;

    if (!owner) {
        return cu_reply_say(reply, CU_BUG, APR_EGENERAL,
                            "the owner's name cannot be hashed");
    }
    if (!ask->id || !cu_upload_id_valid(ask->id, strlen(ask->id))) {
        return cu_reply_say(reply, CU_NOT_FOUND, APR_SUCCESS,
                            "this is no upload id");
    }
    rv = cu_state_open(sf, engine->state_dir, ask->id,
                       engine->sync == CU_SYNC_CHUNK, pool);
    if (APR_STATUS_IS_ENOENT(rv)) {
        return cu_reply_say(reply, CU_NOT_FOUND, APR_SUCCESS,
                            "no such upload");
    }
    if (rv == APR_EINVAL || rv == APR_ENOTIMPL) {
        return cu_reply_say(reply, CU_DAMAGED, rv,
                            rv == APR_EINVAL
                                ? "the state file's header is damaged"
                                : "the state file is of a later version");
    }
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "the state file cannot be opened");
    }
    if (strcmp((*sf)->header.owner, owner) != 0
        || strcmp((*sf)->header.scope, ask->scope) != 0) {
        cu_state_close(*sf);
        *sf = NULL;
        return cu_reply_say(reply, CU_NOT_FOUND, APR_SUCCESS,
                            "the upload is another owner's or scope's");
    }
    return CU_OK;
}

static cu_code_t lock(cu_state_file_t *sf, int exclusive, cu_reply_t *reply)
{
    apr_status_t rv = cu_state_lock(sf, exclusive, CU_LOCK_TIMEOUT);

    if (rv == APR_SUCCESS) {
        return CU_OK;
    }
    if (APR_STATUS_IS_ENOENT(rv)) {
        return cu_reply_say(reply, CU_NOT_FOUND, APR_SUCCESS,
                            "the upload was removed just now");
    }
    if (rv == APR_EINVAL) {
        return cu_reply_say(reply, CU_DAMAGED, rv,
                            "the state file has no valid slot");
    }
    return cu_reply_disk(reply, rv,
                         APR_STATUS_IS_EBUSY(rv)
                             ? "the upload's lock is held by another request"
                             : "the state file cannot be locked or read");
}

cu_code_t cu_open(const cu_engine_t *engine, const cu_ask_t *ask,
                  int exclusive, cu_state_file_t **sf, cu_reply_t *reply,
                  apr_pool_t *pool)
{
    cu_code_t code;

    *sf = NULL;
    code = find(engine, ask, sf, reply, pool);
    if (code == CU_OK) {
        code = lock(*sf, exclusive, reply);
    }
    if (code == CU_OK && cu_recover_needed(engine, *sf)) {
        if (!exclusive) {
            cu_state_unlock(*sf);
            code = lock(*sf, 1, reply);
        }
        if (code == CU_OK && cu_recover_needed(engine, *sf)) {
            code = cu_recover(engine, *sf, ask->log, reply, pool);
        }
    }
    if (code == CU_OK) {
        cu_reply_facts(reply, *sf, pool);
    }
    else {
        cu_state_close(*sf);
        *sf = NULL;
    }
    return code;
}

/* A full disk may have no room for a new slot (where blocks are copied on
 * write), and yet removing is what it needs.  So without a slot that says
 * it, the name of the state goes first: whoever looks finds nothing, writers
 * find their file unlinked, and a part that a crash leaves now is fsck's. */
static apr_status_t mark_removed(cu_state_file_t *sf, cu_status_t status)
{
    apr_status_t rv;

    if (sf->slot.status == status) {
        return APR_SUCCESS;
    }
    sf->slot.status = status;
    sf->slot.writer_active = 0;
    ++sf->slot.generation;
    rv = cu_state_write(sf);
    CU_KILL_POINT("after_cancelled");
    return rv == APR_SUCCESS ? rv : cu_state_remove(sf);
}

apr_status_t cu_open_remove(const cu_engine_t *engine, cu_state_file_t *sf,
                            cu_status_t status, const cu_log_t *log,
                            apr_pool_t *scratch)
{
    apr_status_t rv = mark_removed(sf, status);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cu_part_remove(sf->header.root, sf->header.path);
    CU_KILL_POINT("after_part_removed");
    if (rv != APR_SUCCESS && !APR_STATUS_IS_ENOENT(rv)) {
        return rv;
    }
    rv = cu_catalogue_remove(engine->catalogue, sf->header.id, log, scratch);
    CU_KILL_POINT("after_record_removed");
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = cu_state_remove(sf);
    return APR_STATUS_IS_ENOENT(rv) ? APR_SUCCESS : rv;
}
