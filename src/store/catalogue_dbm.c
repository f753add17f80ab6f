/*
 * The catalogue in DBM files through apr_dbm (Berkeley DB by default).
 *
 * One update per open and close, under the shard's lock file: that order left
 * no damage in hundreds of kills, batches did.  apr_dbm has no locks, no pool
 * cleanup (so every path closes), and a nextkey that reports success on
 * errors (so every walk is bounded).
 *
 * Beside the records each shard has their number, under a key of its own, in
 * the same update.  The drivers open a file that was cut short without a
 * word; the number tells.  A shard that fails, or has lost its number, is made
 * again from the state files, the old one set aside as "<name>.bad"; a shard
 * that is missing is made likewise.
 */
#include "store/catalogue.h"

#include <fcntl.h>
#include <string.h>

#include <apr_dbm.h>
#include <apr_strings.h>

#include "base/bytes.h"
#include "store/dirs.h"
#include "store/fault.h"
#include "store/io.h"

#define SHARDS 16
#define KEY_LEN (CU_UPLOAD_ID_LEN + 2) /* "u:" + id */
#define COUNT_KEY "count"              /* -> u64 */
#define COUNT_LEN 8
/* No shard of ours has more; a damaged file that goes in circles does. */
#define WALK_MAX 100000000UL
#define PERMISSIONS (APR_FPROT_UREAD | APR_FPROT_UWRITE)

typedef struct dbm_t {
    cu_catalogue_t base;
    const char *dir;
    const char *type;
    const cu_catalogue_source_t *source;
} dbm_t;

/* One operation on one open shard. */
typedef struct shard_t {
    const dbm_t *dbm;
    const cu_log_t *log;
    apr_pool_t *pool;
    const char *file; /* as apr_dbm wants it */
    int digit;
    int lock_fd;
    apr_dbm_t *db;
} shard_t;

static int digit_of(const char *id)
{
    return id[0] <= '9' ? id[0] - '0' : id[0] - 'a' + 10;
}

static const char *shard_file(const dbm_t *dbm, int digit, apr_pool_t *pool)
{
    return apr_psprintf(pool, "%s/%s-%x", dbm->dir, dbm->type,
                        (unsigned int)digit);
}

static apr_datum_t key_of(const char *id, apr_pool_t *pool)
{
    apr_datum_t key;

    key.dptr = apr_pstrcat(pool, "u:", id, NULL);
    key.dsize = KEY_LEN;
    return key;
}

static apr_status_t shard_lock(shard_t *shard, const dbm_t *dbm, int digit,
                               int exclusive, const cu_log_t *log,
                               apr_pool_t *pool)
{
    apr_status_t rv;

    memset(shard, 0, sizeof(*shard));
    shard->dbm = dbm;
    shard->log = log;
    shard->pool = pool;
    shard->digit = digit;
    shard->file = shard_file(dbm, digit, pool);
    rv = cu_io_open(&shard->lock_fd, AT_FDCWD,
                    apr_psprintf(pool, "%s/%x.lock", dbm->dir,
                                 (unsigned int)digit),
                    O_RDWR | O_CREAT | O_NOFOLLOW, CU_FILE_MODE);
    if (rv == APR_SUCCESS) {
        rv = cu_io_lock(shard->lock_fd, exclusive, 10 * APR_USEC_PER_SEC);
        if (rv != APR_SUCCESS) {
            (void)cu_io_close(&shard->lock_fd);
        }
    }
    return rv;
}

static void shard_close(shard_t *shard)
{
    if (shard->db) {
        apr_dbm_close(shard->db);
        shard->db = NULL;
    }
}

/* Close the database first, then let the lock go. */
static void shard_unlock(shard_t *shard)
{
    shard_close(shard);
    (void)cu_io_close(&shard->lock_fd);
}

/* apr_dbm does its own input and output; our calls of it can be made to
 * fail, and those below are all that return a status. */
static apr_status_t shard_open(shard_t *shard, int mode)
{
    apr_status_t rv = CU_FAULT_STATUS(CU_FAULT_DBM);

    return rv == APR_SUCCESS
               ? apr_dbm_open_ex(&shard->db, shard->dbm->type, shard->file,
                                 mode, PERMISSIONS, shard->pool)
               : rv;
}

static apr_status_t db_fetch(apr_dbm_t *db, apr_datum_t key,
                             apr_datum_t *value)
{
    apr_status_t rv = CU_FAULT_STATUS(CU_FAULT_DBM);

    return rv == APR_SUCCESS ? apr_dbm_fetch(db, key, value) : rv;
}

static apr_status_t db_store(apr_dbm_t *db, apr_datum_t key,
                             apr_datum_t value)
{
    apr_status_t rv = CU_FAULT_STATUS(CU_FAULT_DBM);

    return rv == APR_SUCCESS ? apr_dbm_store(db, key, value) : rv;
}

static apr_status_t db_delete(apr_dbm_t *db, apr_datum_t key)
{
    apr_status_t rv = CU_FAULT_STATUS(CU_FAULT_DBM);

    return rv == APR_SUCCESS ? apr_dbm_delete(db, key) : rv;
}

static apr_status_t db_next(apr_dbm_t *db, apr_datum_t *key)
{
    apr_status_t rv = CU_FAULT_STATUS(CU_FAULT_DBM);

    return rv == APR_SUCCESS ? apr_dbm_nextkey(db, key) : rv;
}

/* The number of records as the shard itself tells it. */
static apr_status_t count_get(const shard_t *shard, apr_uint64_t *count)
{
    apr_datum_t key = { (char *)COUNT_KEY, sizeof(COUNT_KEY) - 1 };
    apr_datum_t value = { NULL, 0 };
    apr_status_t rv = db_fetch(shard->db, key, &value);

    if (rv == APR_SUCCESS && (!value.dptr || value.dsize != COUNT_LEN)) {
        rv = APR_INCOMPLETE;
    }
    if (rv == APR_SUCCESS) {
        *count = cu_get_u64((const unsigned char *)value.dptr);
    }
    return rv;
}

static apr_status_t count_set(const shard_t *shard, apr_uint64_t count)
{
    apr_datum_t key = { (char *)COUNT_KEY, sizeof(COUNT_KEY) - 1 };
    unsigned char bytes[COUNT_LEN];
    apr_datum_t value = { (char *)bytes, COUNT_LEN };

    (void)cu_put_u64(bytes, count);
    return db_store(shard->db, key, value);
}

/* by: 1 or -1 */
static apr_status_t count_add(const shard_t *shard, int by)
{
    apr_uint64_t count;
    apr_status_t rv = count_get(shard, &count);

    return rv == APR_SUCCESS ? count_set(shard, count + (apr_uint64_t)by) : rv;
}

static apr_status_t shard_store(shard_t *shard, const char *id,
                                const cu_record_t *record, apr_pool_t *scratch)
{
    unsigned char bytes[CU_RECORD_MAX];
    apr_datum_t key = key_of(id, scratch), value;
    apr_status_t rv = APR_SUCCESS;

    value.dsize = cu_record_encode(record, bytes);
    value.dptr = (char *)bytes;
    if (value.dsize == 0) {
        return APR_EINVAL;
    }
    if (!apr_dbm_exists(shard->db, key)) {
        rv = count_add(shard, 1);
    }
    return rv == APR_SUCCESS ? db_store(shard->db, key, value) : rv;
}

/* The drivers answer differently for a file that is not there (Berkeley DB's
 * ENOENT comes shifted out of errno's range), so look. */
static int shard_is_missing(const shard_t *shard)
{
    const char *used1, *used2;
    struct stat st;

    return apr_dbm_get_usednames_ex(shard->pool, shard->dbm->type,
                                    shard->file, &used1, &used2)
               == APR_SUCCESS
           && APR_STATUS_IS_ENOENT(cu_io_stat_path(used1, &st));
}

/* Remove what an interrupted rebuild left under this name. */
static void remove_files(shard_t *shard, const char *name)
{
    const char *used1, *used2;

    if (apr_dbm_get_usednames_ex(shard->pool, shard->dbm->type, name, &used1,
                                 &used2)
        == APR_SUCCESS) {
        CU_BEST_EFFORT(cu_io_unlink(AT_FDCWD, used1));
        if (used2) {
            CU_BEST_EFFORT(cu_io_unlink(AT_FDCWD, used2));
        }
    }
}

/* Move a shard's files; a missing one is no failure. */
static apr_status_t rename_files(shard_t *shard, const char *from,
                                 const char *to)
{
    const char *from1, *from2, *to1, *to2;
    apr_status_t rv;

    rv = apr_dbm_get_usednames_ex(shard->pool, shard->dbm->type, from, &from1,
                                  &from2);
    if (rv == APR_SUCCESS) {
        rv = apr_dbm_get_usednames_ex(shard->pool, shard->dbm->type, to, &to1,
                                      &to2);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_io_rename(AT_FDCWD, from1, AT_FDCWD, to1);
        rv = APR_STATUS_IS_ENOENT(rv) ? APR_SUCCESS : rv;
    }
    if (rv == APR_SUCCESS && from2) {
        rv = cu_io_rename(AT_FDCWD, from2, AT_FDCWD, to2);
        rv = APR_STATUS_IS_ENOENT(rv) ? APR_SUCCESS : rv;
    }
    return rv;
}

static apr_status_t rebuild_visit(void *baton, const char *id,
                                  const cu_record_t *record,
                                  apr_pool_t *scratch)
{
    return shard_store(baton, id, record, scratch);
}

/*
 * Make the shard again, beside the old one, and put it in place once it is
 * whole.  Under the exclusive lock; the state files of its uploads may be
 * locked by others who wait for this lock, so the source must not wait for
 * them.
 */
static apr_status_t shard_rebuild(shard_t *shard)
{
    const dbm_t *dbm = shard->dbm;
    const char *live = shard->file;
    const char *fresh = apr_pstrcat(shard->pool, live, ".new", NULL);
    apr_status_t rv;

    shard_close(shard);
    remove_files(shard, fresh);
    /* Berkeley DB begins a file under this name; one that a killed process
     * left makes it wait 100 seconds and then fail, at every try */
    CU_BEST_EFFORT(cu_io_unlink(
        AT_FDCWD, apr_psprintf(shard->pool, "%s/__db.%s-%x.new", dbm->dir,
                               dbm->type, (unsigned int)shard->digit)));
    shard->file = fresh;
    /* not RWTRUNC: Berkeley DB truncates only what exists */
    rv = shard_open(shard, APR_DBM_RWCREATE);
    if (rv == APR_SUCCESS) {
        rv = count_set(shard, 0);
    }
    if (rv == APR_SUCCESS) {
        rv = dbm->source->each(dbm->source->baton, shard->digit,
                               rebuild_visit, shard, shard->pool);
    }
    shard_close(shard);
    shard->file = live;
    if (rv == APR_SUCCESS) {
        rv = rename_files(shard, live,
                          apr_pstrcat(shard->pool, live, ".bad", NULL));
    }
    if (rv == APR_SUCCESS) {
        rv = rename_files(shard, fresh, live);
    }
    else {
        remove_files(shard, fresh); /* the space is wanted elsewhere */
    }
    return rv;
}

/* Rebuild with a word in the log, and open. */
static apr_status_t shard_mend(shard_t *shard, int mode, apr_status_t cause)
{
    apr_status_t rv;

    cu_log(shard->log, CU_LOG_WARNING, cause,
           CULOGNO(0001) "catalogue: %s is damaged: set aside and made again "
                         "from the state files",
           shard->file);
    rv = shard_rebuild(shard);
    return rv == APR_SUCCESS ? shard_open(shard, mode) : rv;
}

/* Open for reading or writing; a missing or unreadable shard is rebuilt. */
static apr_status_t shard_ready(shard_t *shard, int mode)
{
    apr_status_t rv = shard_open(shard, mode);
    apr_uint64_t count;

    if (rv == APR_SUCCESS) {
        rv = count_get(shard, &count);
    }
    else if (shard_is_missing(shard)) {
        rv = shard_rebuild(shard);
        return rv == APR_SUCCESS ? shard_open(shard, mode) : rv;
    }
    return rv == APR_SUCCESS ? rv : shard_mend(shard, mode, rv);
}

typedef apr_status_t (*change_fn)(shard_t *shard, const char *id,
                                  const cu_record_t *record,
                                  apr_pool_t *scratch);

/* One change in one open and close; on damage rebuild and try once more. */
static apr_status_t change(const dbm_t *dbm, const char *id,
                           const cu_record_t *record, const cu_log_t *log,
                           change_fn fn, apr_pool_t *scratch)
{
    shard_t shard;
    apr_status_t rv;

    rv = shard_lock(&shard, dbm, digit_of(id), 1, log, scratch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = shard_ready(&shard, APR_DBM_READWRITE);
    if (rv == APR_SUCCESS) {
        rv = fn(&shard, id, record, scratch);
        /* sdbm calls a damaged page "no space", so that is tried as well:
         * on a full disk the old shard stays */
        if (rv != APR_SUCCESS && rv != APR_EINVAL) {
            rv = shard_mend(&shard, APR_DBM_READWRITE, rv);
            if (rv == APR_SUCCESS) {
                rv = fn(&shard, id, record, scratch);
            }
        }
    }
    shard_unlock(&shard);
    return rv;
}

static apr_status_t remove_one(shard_t *shard, const char *id,
                               const cu_record_t *record, apr_pool_t *scratch)
{
    apr_datum_t key = key_of(id, scratch);
    apr_status_t rv;

    (void)record;
    if (!apr_dbm_exists(shard->db, key)) {
        return APR_SUCCESS;
    }
    rv = db_delete(shard->db, key);
    return rv == APR_SUCCESS ? count_add(shard, -1) : rv;
}

static apr_status_t dbm_put(cu_catalogue_t *catalogue, const char *id,
                            const cu_record_t *record, const cu_log_t *log,
                            apr_pool_t *scratch)
{
    return change((dbm_t *)catalogue, id, record, log, shard_store, scratch);
}

static apr_status_t dbm_remove(cu_catalogue_t *catalogue, const char *id,
                               const cu_log_t *log, apr_pool_t *scratch)
{
    return change((dbm_t *)catalogue, id, NULL, log, remove_one, scratch);
}

static apr_status_t dbm_get(cu_catalogue_t *catalogue, const char *id,
                            cu_record_t *record, const cu_log_t *log,
                            apr_pool_t *pool)
{
    apr_datum_t value = { NULL, 0 };
    shard_t shard;
    apr_status_t rv;

    rv = shard_lock(&shard, (dbm_t *)catalogue, digit_of(id), 1, log, pool);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = shard_ready(&shard, APR_DBM_READONLY);
    if (rv == APR_SUCCESS) {
        rv = db_fetch(shard.db, key_of(id, pool), &value);
        if (rv == APR_SUCCESS && !value.dptr) {
            rv = APR_NOTFOUND;
        }
    }
    if (rv == APR_SUCCESS) {
        rv = cu_record_decode((const unsigned char *)value.dptr, value.dsize,
                              record, pool);
    }
    shard_unlock(&shard);
    return rv;
}

/* The id of a key, terminated, in buf; NULL for other kinds of key. */
static const char *id_of_key(const apr_datum_t *key, char *buf)
{
    if (key->dsize != KEY_LEN || memcmp(key->dptr, "u:", 2) != 0
        || !cu_upload_id_valid(key->dptr + 2, CU_UPLOAD_ID_LEN)) {
        return NULL;
    }
    memcpy(buf, key->dptr + 2, CU_UPLOAD_ID_LEN);
    buf[CU_UPLOAD_ID_LEN] = '\0';
    return buf;
}

/* sdbm ends a walk with EOF, Berkeley DB with a NULL key. */
static apr_status_t end_of_walk(apr_status_t rv)
{
    return APR_STATUS_IS_EOF(rv) ? APR_SUCCESS : rv;
}

static apr_status_t walk(shard_t *shard, cu_catalogue_visit_fn visit,
                         void *baton, apr_pool_t *scratch)
{
    apr_datum_t key, value;
    char buf[CU_UPLOAD_ID_LEN + 1];
    unsigned long bound = WALK_MAX;
    apr_status_t rv;

    rv = apr_dbm_firstkey(shard->db, &key);
    while (rv == APR_SUCCESS && key.dptr && bound-- > 0) {
        const char *id = id_of_key(&key, buf);
        cu_record_t record;

        apr_pool_clear(scratch);
        if (id && db_fetch(shard->db, key, &value) == APR_SUCCESS
            && value.dptr) {
            if (cu_record_decode((const unsigned char *)value.dptr,
                                 value.dsize, &record, scratch)
                == APR_SUCCESS) {
                rv = visit(baton, id, &record, scratch);
            }
            else {
                cu_log(shard->log, CU_LOG_WARNING, APR_EINVAL,
                       CULOGNO(0003) "catalogue: upload %s: record skipped, "
                                     "it cannot be read",
                       id);
            }
        }
        if (rv == APR_SUCCESS) {
            rv = db_next(shard->db, &key);
        }
    }
    return end_of_walk(rv);
}

/* Are there as many records as the shard says? */
static apr_status_t shard_verify(shard_t *shard)
{
    apr_uint64_t said = 0, seen = 0;
    apr_datum_t key;
    char buf[CU_UPLOAD_ID_LEN + 1];
    unsigned long bound = WALK_MAX;
    apr_status_t rv = count_get(shard, &said);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_dbm_firstkey(shard->db, &key);
    while (rv == APR_SUCCESS && key.dptr && bound-- > 0 && seen <= said) {
        seen += id_of_key(&key, buf) != NULL;
        rv = db_next(shard->db, &key);
    }
    rv = end_of_walk(rv);
    return rv == APR_SUCCESS && seen != said ? APR_INCOMPLETE : rv;
}

static apr_status_t dbm_each(cu_catalogue_t *catalogue,
                             cu_catalogue_visit_fn visit, void *baton,
                             const cu_log_t *log, apr_pool_t *pool)
{
    apr_pool_t *shard_pool, *scratch;
    apr_status_t rv = APR_SUCCESS;
    int digit;

    apr_pool_create(&shard_pool, pool);
    apr_pool_create(&scratch, pool);
    for (digit = 0; digit < SHARDS && rv == APR_SUCCESS; ++digit) {
        shard_t shard;

        apr_pool_clear(shard_pool);
        rv = shard_lock(&shard, (dbm_t *)catalogue, digit, 1, log,
                        shard_pool);
        if (rv != APR_SUCCESS) {
            break;
        }
        rv = shard_ready(&shard, APR_DBM_READONLY);
        if (rv == APR_SUCCESS) {
            rv = shard_verify(&shard);
            if (rv != APR_SUCCESS) {
                rv = shard_mend(&shard, APR_DBM_READONLY, rv);
            }
        }
        if (rv == APR_SUCCESS) {
            rv = walk(&shard, visit, baton, scratch);
        }
        shard_unlock(&shard);
    }
    apr_pool_destroy(scratch);
    apr_pool_destroy(shard_pool);
    return rv;
}

static apr_status_t dbm_prepare(cu_catalogue_t *catalogue, const char **why,
                                apr_pool_t *pool)
{
    dbm_t *dbm = (dbm_t *)catalogue;
    const char *used1, *used2;
    apr_status_t rv;

    /* loads the driver now, while there is somebody to tell */
    rv = apr_dbm_get_usednames_ex(pool, dbm->type, dbm->dir, &used1, &used2);
    if (rv != APR_SUCCESS) {
        *why = apr_psprintf(pool,
                            "the apr_dbm type \"%s\" is not available here; "
                            "install its driver or choose \"sdbm\"",
                            dbm->type);
        return rv;
    }
    rv = cu_io_mkdir(AT_FDCWD, dbm->dir, CU_DIR_MODE);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EEXIST(rv)) {
        *why = apr_psprintf(pool, "cannot make the directory %s", dbm->dir);
        return rv;
    }
    return APR_SUCCESS;
}

static const cu_catalogue_vtable_t dbm_vtable = {
    .prepare = dbm_prepare,
    .put = dbm_put,
    .get = dbm_get,
    .remove = dbm_remove,
    .each = dbm_each,
};

void cu_catalogue_dbm_make(cu_catalogue_t **catalogue, const char *dir,
                           const char *type,
                           const cu_catalogue_source_t *source,
                           apr_pool_t *pool)
{
    dbm_t *dbm = apr_pcalloc(pool, sizeof(*dbm));

    dbm->base.vtable = &dbm_vtable;
    dbm->dir = apr_pstrdup(pool, dir);
    dbm->type = apr_pstrdup(pool, type);
    dbm->source = source;
    *catalogue = &dbm->base;
}
