/*
 * The three walks of fsck: catalogue records without a state, state files
 * (each with its part and its record), parts without a state.  By the order of
 * writing (store/partfile.h) neither of the last two can come up in a healthy
 * store at any moment.
 */
#include "engine/fsck.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "engine/open.h"
#include "engine/recover.h"
#include "store/partfile.h"

#define DEPTH_MAX 32 /* directories below the root; templates have fewer */
#define ASIDE_AGE (60 * APR_USEC_PER_SEC) /* no creation takes that long */

typedef struct walk_t {
    const cu_engine_t *engine;
    int repair;
    void (*say)(void *baton, const char *line);
    void *baton;
    const cu_log_t *log;
    cu_fsck_t *result;
    apr_array_header_t *orphans; /* ids with a record and no state */
    apr_pool_t *pool;
} walk_t;

static void problem(walk_t *walk, apr_pool_t *scratch, int repaired,
                    const char *fmt, ...) CU_PRINTF(4, 5);

static void problem(walk_t *walk, apr_pool_t *scratch, int repaired,
                    const char *fmt, ...)
{
    const char *line;
    va_list args;

    va_start(args, fmt);
    line = apr_pvsprintf(scratch, fmt, args);
    va_end(args);
    ++walk->result->problems;
    if (repaired) {
        ++walk->result->repaired;
        line = apr_pstrcat(scratch, line, " (repaired)", NULL);
    }
    walk->say(walk->baton, line);
}

/* Is there surely no state file of this id?  A look that fails is no proof:
 * with repair, finished files would go. */
static int lacks_state(const walk_t *walk, const char *id, apr_pool_t *scratch)
{
    const char *path = cu_state_path(walk->engine->state_dir, id, scratch);
    struct stat st;

    return APR_STATUS_IS_ENOENT(cu_io_stat_path(path, &st));
}

static void check_part(walk_t *walk, cu_state_file_t *sf, apr_pool_t *scratch)
{
    apr_off_t size = 0;
    apr_status_t rv;
    int fd;

    rv = cu_part_open(&fd, sf->header.root, sf->header.path);
    if (rv == APR_SUCCESS) {
        rv = cu_part_size(fd, &size);
    }
    (void)cu_io_close(&fd);
    if (rv != APR_SUCCESS) {
        problem(walk, scratch, 0, "upload %s: its part %s/%s cannot be opened",
                sf->header.id, sf->header.root, sf->header.path);
    }
    else if (size < sf->slot.offset) {
        problem(walk, scratch, 0,
                "upload %s: its part has %" APR_OFF_T_FMT
                " bytes, %" APR_OFF_T_FMT " were acknowledged",
                sf->header.id, size, sf->slot.offset);
    }
}

static void check_record(walk_t *walk, cu_state_file_t *sf,
                         apr_pool_t *scratch)
{
    cu_catalogue_t *catalogue = walk->engine->catalogue;
    cu_record_t record;
    apr_status_t rv;
    int repaired = 0;

    rv = cu_catalogue_get(catalogue, sf->header.id, &record, walk->log,
                          scratch);
    if (rv == APR_SUCCESS
        && (record.status == CU_STATUS_DONE)
               == (sf->slot.status == CU_STATUS_DONE)) {
        return;
    }
    if (walk->repair) {
        cu_open_record(sf, &record);
        repaired = cu_catalogue_put(catalogue, sf->header.id, &record,
                                    walk->log, scratch)
                   == APR_SUCCESS;
    }
    problem(walk, scratch, repaired, "upload %s: its catalogue record %s",
            sf->header.id,
            rv == APR_SUCCESS ? "has another status" : "is missing");
}

/* Something a crash cut short.  1: there is nothing more to look at. */
static int check_unfinished(walk_t *walk, cu_state_file_t *sf,
                            apr_pool_t *scratch)
{
    cu_status_t status = sf->slot.status;
    cu_reply_t reply;
    cu_code_t code = CU_BUSY;

    if (!cu_recover_needed(walk->engine, sf)) {
        return 0;
    }
    if (walk->repair) {
        cu_reply_init(&reply);
        cu_state_unlock(sf);
        if (cu_state_lock(sf, 1, APR_USEC_PER_SEC) == APR_SUCCESS) {
            /* a request may have been quicker between the two locks */
            if (!cu_recover_needed(walk->engine, sf)) {
                return 0;
            }
            code = cu_recover(walk->engine, sf, walk->log, &reply, scratch);
        }
    }
    problem(walk, scratch,
            code == CU_OK || code == CU_NOT_FOUND || code == CU_GONE,
            "upload %s: cut short by a crash while %s", sf->header.id,
            cu_status_name(status));
    return code != CU_OK;
}

/* What a creation writes before it has its name.  Young ones may be in the
 * making; the others lost their creator. */
static void check_aside(walk_t *walk, const char *name, apr_pool_t *scratch)
{
    const char *path = apr_psprintf(scratch, "%s/state/%.2s/%s",
                                    walk->engine->state_dir, name, name);
    apr_time_t written;
    struct stat st;

    if (cu_io_stat_path(path, &st) != APR_SUCCESS) {
        return; /* it has its name now */
    }
    written = apr_time_from_sec(st.st_mtime);
    if (walk->engine->clock() - written >= ASIDE_AGE) {
        problem(walk, scratch,
                walk->repair && cu_io_unlink(AT_FDCWD, path) == APR_SUCCESS,
                "state: %s was left by a creation that was cut short", name);
    }
}

static apr_status_t state_visit(void *baton, const char *id, const char *name,
                                apr_pool_t *scratch)
{
    walk_t *walk = baton;
    cu_state_file_t *sf;
    apr_status_t rv;

    if (!id) {
        if (cu_state_is_aside(name)) {
            check_aside(walk, name, scratch);
            return APR_SUCCESS;
        }
        problem(walk, scratch, 0, "state: %s is no state file",
                cu_log_escape(name, scratch));
        return APR_SUCCESS;
    }
    rv = cu_state_open(&sf, walk->engine->state_dir, id,
                       walk->engine->sync == CU_SYNC_CHUNK, scratch);
    if (APR_STATUS_IS_ENOENT(rv)) {
        return APR_SUCCESS;
    }
    ++walk->result->uploads;
    if (rv != APR_SUCCESS) {
        problem(walk, scratch, 0, "upload %s: its state file is %s", id,
                rv == APR_ENOTIMPL ? "of a later version" : "damaged");
        return APR_SUCCESS;
    }
    rv = cu_state_lock(sf, 0, APR_USEC_PER_SEC);
    if (APR_STATUS_IS_EBUSY(rv)) {
        ++walk->result->busy;
    }
    else if (rv == APR_EINVAL) {
        problem(walk, scratch, 0, "upload %s: no slot of its state is valid",
                id);
    }
    else if (rv == APR_SUCCESS && !check_unfinished(walk, sf, scratch)) {
        check_part(walk, sf, scratch);
        check_record(walk, sf, scratch);
    }
    cu_state_close(sf);
    return APR_SUCCESS;
}

static apr_status_t record_visit(void *baton, const char *id,
                                 const cu_record_t *record,
                                 apr_pool_t *scratch)
{
    walk_t *walk = baton;

    (void)record;
    if (lacks_state(walk, id, scratch)) {
        APR_ARRAY_PUSH(walk->orphans, const char *) =
            apr_pstrdup(walk->pool, id);
    }
    return APR_SUCCESS;
}

static apr_status_t check_orphans(walk_t *walk)
{
    cu_catalogue_t *catalogue = walk->engine->catalogue;
    apr_status_t rv;
    int i;

    walk->orphans = apr_array_make(walk->pool, 16, sizeof(const char *));
    rv = cu_catalogue_each(catalogue, record_visit, walk, walk->log,
                           walk->pool);
    for (i = 0; i < walk->orphans->nelts && rv == APR_SUCCESS; ++i) {
        const char *id = APR_ARRAY_IDX(walk->orphans, i, const char *);
        int repaired = 0;

        if (!lacks_state(walk, id, walk->pool)) {
            continue;
        }
        if (walk->repair) {
            repaired = cu_catalogue_remove(catalogue, id, walk->log,
                                           walk->pool)
                       == APR_SUCCESS;
        }
        problem(walk, walk->pool, repaired,
                "upload %s: a catalogue record without a state file", id);
    }
    return rv;
}

static void check_store_file(walk_t *walk, const char *dir, const char *name,
                             apr_pool_t *scratch)
{
    char id[CU_UPLOAD_ID_LEN + 1];
    const char *path;

    if (!cu_upload_id_valid(name, strnlen(name, CU_UPLOAD_ID_LEN))
        || strcmp(name + CU_UPLOAD_ID_LEN, ".part") != 0) {
        return; /* not ours: the admin may keep what he likes there */
    }
    memcpy(id, name, CU_UPLOAD_ID_LEN);
    id[CU_UPLOAD_ID_LEN] = '\0';
    if (!lacks_state(walk, id, scratch)) {
        return;
    }
    path = apr_pstrcat(scratch, dir, "/", name, NULL);
    problem(walk, scratch,
            walk->repair && cu_io_unlink(AT_FDCWD, path) == APR_SUCCESS,
            "store: %s belongs to no upload", path);
}

static apr_status_t check_store(walk_t *walk, const char *path, int depth,
                                apr_pool_t *pool)
{
    apr_pool_t *scratch;
    apr_finfo_t info;
    apr_status_t rv;
    apr_dir_t *dir;

    if (depth > DEPTH_MAX) {
        return APR_SUCCESS;
    }
    apr_pool_create(&scratch, pool);
    rv = cu_io_dir_open(&dir, path, pool);
    while (rv == APR_SUCCESS) {
        apr_pool_clear(scratch);
        rv = cu_io_dir_read(dir, APR_FINFO_NAME | APR_FINFO_TYPE, &info);
        if (rv != APR_SUCCESS) {
            break;
        }
        if (info.filetype == APR_REG) {
            check_store_file(walk, path, info.name, scratch);
        }
        else if (info.filetype == APR_DIR && strcmp(info.name, ".") != 0
                 && strcmp(info.name, "..") != 0) {
            rv = check_store(walk,
                             apr_pstrcat(scratch, path, "/", info.name, NULL),
                             depth + 1, scratch);
        }
    }
    apr_pool_destroy(scratch);
    return APR_STATUS_IS_EOF(rv) || APR_STATUS_IS_ENOENT(rv) ? APR_SUCCESS
                                                             : rv;
}

apr_status_t cu_fsck(const cu_engine_t *engine, int repair,
                     void (*say)(void *baton, const char *line), void *baton,
                     const cu_log_t *log, cu_fsck_t *result, apr_pool_t *pool)
{
    walk_t walk;
    apr_status_t rv;

    memset(result, 0, sizeof(*result));
    memset(&walk, 0, sizeof(walk));
    walk.engine = engine;
    walk.repair = repair;
    walk.say = say;
    walk.baton = baton;
    walk.log = log;
    walk.result = result;
    walk.pool = pool;
    /* the catalogue first: walking it mends what is damaged as a whole */
    rv = check_orphans(&walk);
    if (rv == APR_SUCCESS) {
        rv = cu_state_each(engine->state_dir, 0, 255, state_visit, &walk,
                           pool);
    }
    if (rv == APR_SUCCESS) {
        rv = check_store(&walk, engine->root, 0, pool);
    }
    return rv;
}
