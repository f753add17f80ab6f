/*
 * The engine itself: configuration, directories, the catalogue's source, and
 * the questions that move no bytes.
 */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "engine/open.h"
#include "engine/state.h"
#include "store/dirs.h"
#include "store/io.h"

/* The catalogue's view of one upload.  Whoever holds the upload's lock may be
 * waiting for the catalogue, so this never waits: then the header must do. */
static apr_status_t source_record(const cu_engine_t *engine, const char *id,
                                  cu_catalogue_visit_fn visit, void *baton,
                                  apr_pool_t *scratch)
{
    cu_state_file_t *sf;
    cu_record_t record;
    apr_status_t rv;

    rv = cu_state_open(&sf, engine->state_dir, id, 0, scratch);
    if (rv != APR_SUCCESS) {
        return APR_SUCCESS; /* gone, or damaged: fsck tells */
    }
    rv = cu_state_lock(sf, 0, 0);
    if (APR_STATUS_IS_EBUSY(rv)) {
        memset(&sf->slot, 0, sizeof(sf->slot));
        sf->slot.status = CU_STATUS_OPEN;
        sf->slot.length = CU_LENGTH_UNKNOWN;
        rv = APR_SUCCESS;
    }
    if (rv == APR_SUCCESS && sf->slot.status != CU_STATUS_CREATING
        && sf->slot.status != CU_STATUS_CANCELLED
        && sf->slot.status != CU_STATUS_EXPIRED) {
        cu_open_record(sf, &record);
        rv = visit(baton, id, &record, scratch);
    }
    else {
        rv = APR_SUCCESS;
    }
    cu_state_close(sf);
    return rv;
}

typedef struct source_walk_t {
    const cu_engine_t *engine;
    cu_catalogue_visit_fn visit;
    void *baton;
} source_walk_t;

static apr_status_t source_visit(void *baton, const char *id, const char *name,
                                 apr_pool_t *scratch)
{
    const source_walk_t *walk = baton;

    (void)name;
    if (!id) {
        return APR_SUCCESS;
    }
    return source_record(walk->engine, id, walk->visit, walk->baton, scratch);
}

static apr_status_t source_each(void *baton, int digit,
                                cu_catalogue_visit_fn visit,
                                void *visit_baton, apr_pool_t *pool)
{
    const cu_engine_t *engine = baton;
    source_walk_t walk;

    walk.engine = engine;
    walk.visit = visit;
    walk.baton = visit_baton;
    return cu_state_each(engine->state_dir, digit * 16, digit * 16 + 15,
                         source_visit, &walk, pool);
}

static void read_boot_id(char *boot)
{
    apr_size_t got = 0, i;
    int fd;

    boot[0] = '\0';
    if (cu_io_open(&fd, AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY,
                   0)
        != APR_SUCCESS) {
        return;
    }
    if (cu_io_pread(fd, boot, CU_BOOT_ID_MAX, 0, &got) != APR_SUCCESS) {
        got = 0;
    }
    (void)cu_io_close(&fd);
    for (i = 0; i < got && boot[i] > ' '; ++i) {
    }
    boot[i] = '\0';
}

void cu_engine_make(cu_engine_t **out, const cu_engine_config_t *config,
                    apr_pool_t *pool)
{
    cu_engine_t *engine = apr_pcalloc(pool, sizeof(*engine));

    engine->state_dir = apr_pstrdup(pool, config->state_dir);
    engine->root = config->root
                       ? apr_pstrdup(pool, config->root)
                       : apr_pstrcat(pool, config->state_dir, "/store", NULL);
    engine->dbm = apr_pstrdup(pool, config->dbm);
    engine->sync = config->sync;
    engine->clock = config->clock ? config->clock : apr_time_now;
    if (config->boot) {
        apr_cpystrn(engine->boot, config->boot, sizeof(engine->boot));
    }
    else {
        read_boot_id(engine->boot);
    }
    engine->source.each = source_each;
    engine->source.baton = engine;
    if (strcmp(engine->dbm, "mem") == 0) {
        cu_catalogue_mem_make(&engine->catalogue, pool);
    }
    else {
        cu_catalogue_dbm_make(
            &engine->catalogue,
            apr_pstrcat(pool, engine->state_dir, "/catalogue", NULL),
            engine->dbm, &engine->source, pool);
    }
    *out = engine;
}

/* One directory, owned by whom the caller says; its parent must exist. */
static apr_status_t prepare_dir(const char *path, long uid, long gid,
                                const char **why, apr_pool_t *pool)
{
    apr_status_t rv = cu_io_mkdir(AT_FDCWD, path, CU_DIR_MODE);
    int fd;

    if (APR_STATUS_IS_EEXIST(rv)) {
        rv = cu_dirs_open_root(&fd, path);
        (void)cu_io_close(&fd);
        if (rv != APR_SUCCESS) {
            *why = apr_psprintf(pool, "%s is not a directory we can open",
                                path);
        }
        return rv;
    }
    if (rv == APR_SUCCESS && uid >= 0 && gid >= 0
        && chown(path, (uid_t)uid, (gid_t)gid) < 0) {
        rv = APR_FROM_OS_ERROR(errno);
    }
    if (rv != APR_SUCCESS) {
        *why = apr_psprintf(pool,
                            "the directory %s cannot be made; make it and "
                            "give it to the server's user",
                            path);
    }
    return rv;
}

apr_status_t cu_engine_prepare(const cu_engine_t *engine, long uid, long gid,
                               const char **why, apr_pool_t *pool)
{
    const char *paths[4];
    apr_status_t rv = APR_SUCCESS;
    int i;

    paths[0] = engine->state_dir;
    paths[1] = apr_pstrcat(pool, engine->state_dir, "/state", NULL);
    paths[2] = apr_pstrcat(pool, engine->state_dir, "/catalogue", NULL);
    paths[3] = engine->root;
    for (i = 0; i < 4 && rv == APR_SUCCESS; ++i) {
        rv = prepare_dir(paths[i], uid, gid, why, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_catalogue_prepare(engine->catalogue, why, pool);
    }
    return rv;
}

/* The offset that is told must hold: whoever is writing is told to stop, by
 * the raised generation.  Under the exclusive lock. */
static cu_code_t fence(cu_state_file_t *sf, cu_reply_t *reply)
{
    apr_status_t rv;

    if (sf->slot.status != CU_STATUS_OPEN || !sf->slot.writer_active) {
        return CU_OK;
    }
    ++sf->slot.generation;
    sf->slot.writer_active = 0;
    rv = cu_state_write(sf);
    if (rv != APR_SUCCESS) {
        return cu_reply_disk(reply, rv, "the state file cannot be written");
    }
    return CU_OK;
}

cu_code_t cu_engine_query(const cu_engine_t *engine, const cu_ask_t *ask,
                          cu_reply_t *reply, apr_pool_t *pool)
{
    cu_state_file_t *sf;
    cu_code_t code;

    cu_reply_init(reply);
    code = cu_open_admit(ask, reply);
    if (code == CU_OK) {
        code = cu_open(engine, ask, ask->fence, &sf, reply, pool);
    }
    if (code != CU_OK) {
        return code;
    }
    code = cu_state_verdict(sf->slot.status, CU_EVENT_QUERY);
    if (code != CU_OK) {
        (void)cu_reply_say(reply, code, APR_SUCCESS,
                           "the upload is marked as damaged");
    }
    else if (sf->slot.status == CU_STATUS_OPEN
             && cu_open_expired(engine, sf)) {
        code = cu_reply_say(reply, CU_GONE, APR_SUCCESS,
                            "the upload has expired");
    }
    else {
        code = ask->fence ? fence(sf, reply) : CU_OK;
        if (code == CU_OK) {
            code = cu_open_confirm(engine, sf, reply);
        }
    }
    cu_state_close(sf);
    return code;
}

cu_code_t cu_engine_cancel(const cu_engine_t *engine, const cu_ask_t *ask,
                           cu_reply_t *reply, apr_pool_t *pool)
{
    cu_state_file_t *sf;
    apr_status_t rv;
    cu_code_t code;

    cu_reply_init(reply);
    code = cu_open_admit(ask, reply);
    if (code == CU_OK) {
        code = cu_open(engine, ask, 1, &sf, reply, pool);
    }
    if (code != CU_OK) {
        return code;
    }
    code = cu_state_verdict(sf->slot.status, CU_EVENT_CANCEL);
    if (code == CU_CONFLICT && ask->policy->delete_complete
        && sf->slot.status != CU_STATUS_HANDING) {
        code = CU_OK; /* its owner's word */
    }
    if (code != CU_OK) {
        (void)cu_reply_say(reply, code, APR_SUCCESS,
                           "the upload is complete already");
    }
    else {
        rv = cu_open_remove(engine, sf, CU_STATUS_CANCELLED, ask->log, pool);
        if (rv != APR_SUCCESS) {
            code = cu_reply_disk(reply, rv, "the upload cannot be removed");
        }
        reply->status = CU_STATUS_CANCELLED;
    }
    cu_state_close(sf);
    return code;
}
