/*
 * The walk for what belongs to no upload: the store's tree with the open
 * directories on a stack, so that it goes on where the last step ended; then
 * the catalogue.  Links are not followed, foreign names not touched.
 */
#include "engine/stray.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <apr_strings.h>

#include "engine/open.h"
#include "store/io.h"

#define DEPTH_MAX 32      /* as fsck */
#define RECORDS_MAX 1000  /* removed in one pass: constant memory */

typedef struct level_t {
    apr_pool_t *pool;
    DIR *dir; /* not apr_dir_t, which keeps a copy of every name it read */
    const char *path;
} level_t;

struct cu_stray_t {
    const cu_engine_t *engine;
    apr_pool_t *pool;
    apr_pool_t *scratch;
    level_t stack[DEPTH_MAX];
    int depth; /* -1: the tree is through */
};

static apr_status_t close_cleanup(void *data)
{
    return closedir(data) < 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

/* A directory that cannot be opened is passed over: it may be gone. */
static void enter(cu_stray_t *stray, const char *path)
{
    level_t *level;
    DIR *dir = NULL;
    int fd;

    if (stray->depth + 1 >= DEPTH_MAX
        || cu_io_open(&fd, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0)
               != APR_SUCCESS) {
        return;
    }
    dir = fdopendir(fd);
    if (!dir) {
        (void)cu_io_close(&fd);
        return;
    }
    level = &stray->stack[++stray->depth];
    apr_pool_create(&level->pool, stray->pool);
    level->path = apr_pstrdup(level->pool, path);
    level->dir = dir;
    apr_pool_cleanup_register(level->pool, dir, close_cleanup,
                              apr_pool_cleanup_null);
}

/* What the file system does not tell, the file does; links are neither. */
static unsigned char type_of(const struct dirent *entry, const char *path)
{
    struct stat st;

    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type;
    }
    if (cu_io_stat_path(path, &st) != APR_SUCCESS) {
        return DT_UNKNOWN;
    }
    return S_ISREG(st.st_mode)   ? DT_REG
           : S_ISDIR(st.st_mode) ? DT_DIR
                                 : DT_UNKNOWN;
}

static void leave(cu_stray_t *stray)
{
    apr_pool_destroy(stray->stack[stray->depth].pool);
    --stray->depth;
}

void cu_stray_begin(cu_stray_t **out, const cu_engine_t *engine,
                    apr_pool_t *pool)
{
    cu_stray_t *stray = apr_pcalloc(pool, sizeof(*stray));

    stray->engine = engine;
    stray->depth = -1;
    apr_pool_create(&stray->pool, pool);
    apr_pool_create(&stray->scratch, stray->pool);
    enter(stray, engine->root);
    *out = stray;
}

static int has_state(const cu_engine_t *engine, const char *id,
                     apr_pool_t *scratch)
{
    struct stat st;

    /* what cannot be looked at is there */
    return !APR_STATUS_IS_ENOENT(
        cu_io_stat_path(cu_state_path(engine->state_dir, id, scratch), &st));
}

static int is_old(const cu_engine_t *engine, const char *path)
{
    struct stat st;

    return cu_io_stat_path(path, &st) == APR_SUCCESS && S_ISREG(st.st_mode)
           && engine->clock()
                      - apr_time_from_sec((apr_time_t)st.st_mtim.tv_sec)
                  >= CU_EXPIRE_STRAY_GRACE;
}

static void visit_part(cu_stray_t *stray, const char *name, const char *path,
                       const cu_expire_rules_t *rules, const cu_log_t *log,
                       cu_expire_t *result)
{
    const cu_engine_t *engine = stray->engine;
    char id[CU_UPLOAD_ID_LEN + 1];
    cu_record_t record;
    apr_status_t rv;

    if (!cu_upload_id_valid(name, strnlen(name, CU_UPLOAD_ID_LEN))
        || strcmp(name + CU_UPLOAD_ID_LEN, ".part") != 0) {
        return;
    }
    apr_cpystrn(id, name, sizeof(id));
    if (has_state(engine, id, stray->scratch) || !is_old(engine, path)) {
        return;
    }
    rv = cu_catalogue_get(engine->catalogue, id, &record, log,
                          stray->scratch);
    if (rv != APR_SUCCESS || record.status != CU_STATUS_OPEN) {
        ++result->kept_stray;
        return;
    }
    /* looked at once more: with it gone nobody can make it again */
    if (has_state(engine, id, stray->scratch)) {
        return;
    }
    rv = rules->dry_run ? APR_SUCCESS : cu_io_unlink(AT_FDCWD, path);
    if (rv == APR_SUCCESS) {
        ++result->stray;
        cu_log(log, CU_LOG_NOTICE, APR_SUCCESS,
               CULOGNO(0052) "upload %s: its state file is gone; %s, "
                             "unfinished, is removed",
               id, path);
    }
    else {
        ++result->failed;
    }
}

static apr_status_t step_tree(cu_stray_t *stray,
                              const cu_expire_rules_t *rules,
                              const cu_log_t *log, cu_expire_t *result)
{
    int i;

    for (i = 0; i < CU_STRAY_STEP && stray->depth >= 0; ++i) {
        level_t *level = &stray->stack[stray->depth];
        const struct dirent *entry;
        const char *path;

        if (rules->stop && rules->stop(rules->baton)) {
            return APR_EINTR;
        }
        apr_pool_clear(stray->scratch);
        entry = readdir(level->dir);
        if (!entry) {
            leave(stray); /* the end of it, or it cannot be read */
            continue;
        }
        if (entry->d_name[0] == '.') {
            continue;
        }
        path = apr_pstrcat(stray->scratch, level->path, "/", entry->d_name,
                           NULL);
        switch (type_of(entry, path)) {
        case DT_REG:
            visit_part(stray, entry->d_name, path, rules, log, result);
            break;
        case DT_DIR:
            enter(stray, path);
            break;
        default:
            break;
        }
    }
    return APR_SUCCESS;
}

typedef struct records_t {
    const cu_engine_t *engine;
    const cu_expire_rules_t *rules;
    apr_pool_t *pool;
    int count;
    const char *ids[RECORDS_MAX];
} records_t;

static apr_status_t visit_record(void *baton, const char *id,
                                 const cu_record_t *record,
                                 apr_pool_t *scratch)
{
    records_t *records = baton;

    (void)record;
    if (records->rules->stop && records->rules->stop(records->rules->baton)) {
        return APR_EINTR;
    }
    if (records->count < RECORDS_MAX
        && !has_state(records->engine, id, scratch)) {
        records->ids[records->count++] = apr_pstrdup(records->pool, id);
    }
    return APR_SUCCESS;
}

/* A record goes only when a rebuild of its shard would not bring it back. */
static apr_status_t step_records(cu_stray_t *stray,
                                 const cu_expire_rules_t *rules,
                                 const cu_log_t *log, cu_expire_t *result)
{
    const cu_engine_t *engine = stray->engine;
    records_t *records = apr_pcalloc(stray->pool, sizeof(*records));
    apr_status_t rv;
    int i;

    records->engine = engine;
    records->rules = rules;
    records->pool = stray->pool;
    rv = cu_catalogue_each(engine->catalogue, visit_record, records, log,
                           stray->pool);
    for (i = 0; i < records->count && rv == APR_SUCCESS; ++i) {
        apr_pool_clear(stray->scratch);
        if (has_state(engine, records->ids[i], stray->scratch)) {
            continue;
        }
        if (!rules->dry_run) {
            rv = cu_catalogue_remove(engine->catalogue, records->ids[i], log,
                                     stray->scratch);
        }
        if (rv == APR_SUCCESS) {
            ++result->stray;
        }
    }
    return rv;
}

apr_status_t cu_stray_step(cu_stray_t *stray, const cu_expire_rules_t *rules,
                           const cu_log_t *log, cu_expire_t *result)
{
    apr_status_t rv;

    if (stray->depth >= 0) {
        return step_tree(stray, rules, log, result);
    }
    rv = step_records(stray, rules, log, result);
    apr_pool_destroy(stray->pool);
    return rv == APR_SUCCESS ? APR_EOF : rv;
}
