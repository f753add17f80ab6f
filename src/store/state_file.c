/* The state file of one upload; see state_file.h and the format in record.h. */
#include "store/state_file.h"

#include <fcntl.h>
#include <string.h>

#include <apr_file_info.h>
#include <apr_strings.h>

#include "store/dirs.h"
#include "store/fault.h"
#include "store/io.h"

#define SUFFIX ".state"
#define SUFFIX_NEW ".new"

static const char *dir_of(const char *state_dir, const char *id,
                          apr_pool_t *pool)
{
    return apr_psprintf(pool, "%s/state/%.2s", state_dir, id);
}

const char *cu_state_path(const char *state_dir, const char *id,
                          apr_pool_t *pool)
{
    return apr_pstrcat(pool, dir_of(state_dir, id, pool), "/", id, SUFFIX,
                       NULL);
}

static apr_status_t close_cleanup(void *data)
{
    cu_state_file_t *sf = data;

    sf->locked = 0; /* the lock goes with its only descriptor */
    return cu_io_close(&sf->fd);
}

static cu_state_file_t *make(const char *state_dir, const char *id, int sync,
                             apr_pool_t *pool)
{
    cu_state_file_t *sf = apr_pcalloc(pool, sizeof(*sf));

    sf->fd = -1;
    sf->sync = sync;
    sf->dir = dir_of(state_dir, id, pool);
    sf->pool = pool;
    apr_pool_cleanup_register(pool, sf, close_cleanup, apr_pool_cleanup_null);
    return sf;
}

/* Slot n lives at slots_at + (n odd) * CU_BLOCK: two neighbours in time never
 * overwrite one another. */
static apr_off_t slot_offset(const cu_state_file_t *sf, apr_uint64_t sequence)
{
    return sf->slots_at + (apr_off_t)(sequence & 1) * CU_BLOCK;
}

/* Header and both slots of a new file in one write; one slot stays empty. */
static apr_status_t write_new(cu_state_file_t *sf, const unsigned char *header,
                              apr_size_t header_len)
{
    unsigned char *all;
    apr_size_t len = header_len + 2 * CU_BLOCK;

    sf->slots_at = (apr_off_t)header_len;
    sf->slot.sequence = 2;
    all = apr_pcalloc(sf->pool, len);
    memcpy(all, header, header_len);
    cu_slot_encode(&sf->slot, all + header_len);
    return cu_io_pwrite(sf->fd, all, len, 0);
}

/* The directory for new state files of this id, made when missing. */
static apr_status_t open_bucket(int *fd, const char *state_dir, const char *id,
                                int sync, apr_pool_t *pool)
{
    const char *leaf;
    apr_status_t rv;
    int parent;

    *fd = -1;
    if (!sync) {
        rv = cu_dirs_open_root(fd, dir_of(state_dir, id, pool));
        if (!APR_STATUS_IS_ENOENT(rv)) {
            return rv;
        }
    }
    rv = cu_dirs_open_root(&parent, state_dir);
    if (rv == APR_SUCCESS) {
        rv = cu_dirs_open_beneath(
            fd, parent, apr_psprintf(pool, "state/%.2s/file", id), &leaf, 1,
            sync);
    }
    (void)cu_io_close(&parent);
    return rv;
}

apr_status_t cu_state_create(cu_state_file_t **out, const char *state_dir,
                             const cu_header_t *header, const cu_slot_t *first,
                             int sync, apr_pool_t *pool)
{
    char name[CU_UPLOAD_ID_LEN + sizeof(SUFFIX)];
    char aside[CU_UPLOAD_ID_LEN + sizeof(SUFFIX_NEW)];
    cu_state_file_t *sf = make(state_dir, header->id, sync, pool);
    unsigned char *bytes;
    apr_size_t len;
    apr_status_t rv;
    int dirfd = -1;

    *out = NULL;
    apr_snprintf(name, sizeof(name), "%s%s", header->id, SUFFIX);
    apr_snprintf(aside, sizeof(aside), "%s%s", header->id, SUFFIX_NEW);
    sf->header = *header;
    sf->slot = *first;
    rv = cu_header_encode(header, &bytes, &len, pool);
    if (rv == APR_SUCCESS) {
        rv = open_bucket(&dirfd, state_dir, header->id, sync, pool);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_io_open(&sf->fd, dirfd, aside,
                        O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, CU_FILE_MODE);
    }
    if (rv != APR_SUCCESS) {
        (void)cu_io_close(&dirfd);
        cu_state_close(sf);
        return rv;
    }
    /* locked before it has its name: nobody meets a half-made upload */
    rv = cu_io_lock(sf->fd, 1, 0);
    if (rv == APR_SUCCESS) {
        sf->locked = 1;
        rv = write_new(sf, bytes, len);
        CU_KILL_POINT("after_state_written");
    }
    if (rv == APR_SUCCESS && sync) {
        rv = cu_io_sync(sf->fd);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_io_rename(dirfd, aside, dirfd, name);
        CU_KILL_POINT("after_rename");
    }
    if (rv == APR_SUCCESS && sync) {
        rv = cu_io_sync_dir(dirfd);
    }
    if (rv != APR_SUCCESS) {
        CU_BEST_EFFORT(cu_io_unlink(dirfd, aside));
        CU_BEST_EFFORT(cu_io_unlink(dirfd, name));
        cu_state_close(sf);
    }
    else {
        *out = sf;
    }
    (void)cu_io_close(&dirfd);
    return rv;
}

static apr_status_t read_header(cu_state_file_t *sf, const char *id)
{
    unsigned char *bytes = apr_palloc(sf->pool, CU_BLOCK);
    apr_size_t len, got;
    apr_status_t rv;

    rv = cu_io_pread(sf->fd, bytes, CU_BLOCK, 0, &got);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    len = got == CU_BLOCK ? cu_header_size(bytes) : 0;
    if (len == 0) {
        return APR_EINVAL;
    }
    if (len > CU_BLOCK) {
        bytes = apr_palloc(sf->pool, len);
        rv = cu_io_pread(sf->fd, bytes, len, 0, &got);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (got != len) {
            return APR_EINVAL;
        }
    }
    rv = cu_header_decode(bytes, len, &sf->header, sf->pool);
    if (rv == APR_SUCCESS && strcmp(sf->header.id, id) != 0) {
        rv = APR_EINVAL;
    }
    sf->slots_at = (apr_off_t)len;
    return rv;
}

apr_status_t cu_state_open(cu_state_file_t **out, const char *state_dir,
                           const char *id, int sync, apr_pool_t *pool)
{
    cu_state_file_t *sf = make(state_dir, id, sync, pool);
    apr_status_t rv;

    *out = NULL;
    rv = cu_io_open(&sf->fd, AT_FDCWD, cu_state_path(state_dir, id, pool),
                    O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    if (rv == APR_SUCCESS) {
        rv = read_header(sf, id);
    }
    if (rv != APR_SUCCESS) {
        cu_state_close(sf);
        return rv;
    }
    *out = sf;
    return APR_SUCCESS;
}

/* A slot in the other one's place would be overwritten by the slot that
 * follows it: such a file is not ours. */
static int decode_at(const unsigned char *both, int place, cu_slot_t *slot)
{
    return cu_slot_decode(both + place * CU_BLOCK, slot) == APR_SUCCESS
           && (int)(slot->sequence & 1) == place;
}

static apr_status_t read_slots(cu_state_file_t *sf)
{
    unsigned char both[2 * CU_BLOCK];
    cu_slot_t a, b;
    apr_size_t got;
    apr_status_t rv;
    int a_ok, b_ok;

    rv = cu_io_pread(sf->fd, both, sizeof(both), sf->slots_at, &got);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    a_ok = got >= CU_BLOCK && decode_at(both, 0, &a);
    b_ok = got == sizeof(both) && decode_at(both, 1, &b);
    if (a_ok && (!b_ok || a.sequence > b.sequence)) {
        sf->slot = a;
    }
    else if (b_ok) {
        sf->slot = b;
    }
    else {
        return APR_EINVAL;
    }
    return APR_SUCCESS;
}

apr_status_t cu_state_lock(cu_state_file_t *sf, int exclusive,
                           apr_interval_time_t timeout)
{
    struct stat st;
    apr_status_t rv;

    rv = cu_io_lock(sf->fd, exclusive, timeout);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    sf->locked = 1;
    rv = cu_io_stat(sf->fd, &st);
    if (rv == APR_SUCCESS && st.st_nlink == 0) {
        rv = APR_ENOENT;
    }
    if (rv == APR_SUCCESS) {
        rv = read_slots(sf);
    }
    if (rv != APR_SUCCESS && rv != APR_EINVAL) {
        cu_state_unlock(sf);
    }
    return rv;
}

void cu_state_unlock(cu_state_file_t *sf)
{
    if (sf->locked) {
        sf->locked = 0;
        cu_io_unlock(sf->fd);
    }
}

apr_status_t cu_state_sync(cu_state_file_t *sf)
{
    const apr_size_t len = (apr_size_t)sf->slots_at + 2 * CU_BLOCK;
    apr_status_t rv = cu_io_sync(sf->fd);
    unsigned char *all;
    apr_size_t got;

    if (rv != APR_SUCCESS) {
        all = apr_palloc(sf->pool, len);
        if (cu_io_pread(sf->fd, all, len, 0, &got) == APR_SUCCESS) {
            CU_BEST_EFFORT(cu_io_pwrite(sf->fd, all, got, 0));
        }
    }
    return rv;
}

apr_status_t cu_state_write(cu_state_file_t *sf)
{
    unsigned char block[CU_BLOCK];
    apr_status_t rv;

    ++sf->slot.sequence;
    cu_slot_encode(&sf->slot, block);
    rv = cu_io_pwrite(sf->fd, block, sizeof(block),
                      slot_offset(sf, sf->slot.sequence));
    CU_KILL_POINT("after_slot");
    if (rv == APR_SUCCESS && sf->sync) {
        rv = cu_state_sync(sf);
    }
    if (rv != APR_SUCCESS) {
        /* a second try must hit the same slot, never the last good one */
        --sf->slot.sequence;
    }
    return rv;
}

apr_status_t cu_state_sync_name(const cu_state_file_t *sf)
{
    apr_status_t rv;
    int dirfd, above = -1;

    rv = cu_dirs_open_root(&dirfd, sf->dir);
    if (rv == APR_SUCCESS) {
        rv = cu_io_sync_dir(dirfd);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_io_open(&above, dirfd, "..", O_RDONLY | O_DIRECTORY, 0);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_io_sync_dir(above);
    }
    (void)cu_io_close(&above);
    (void)cu_io_close(&dirfd);
    return rv;
}

apr_status_t cu_state_remove(cu_state_file_t *sf)
{
    const char *path = apr_pstrcat(sf->pool, sf->dir, "/", sf->header.id,
                                   SUFFIX, NULL);

    return cu_io_unlink(AT_FDCWD, path);
}

void cu_state_close(cu_state_file_t *sf)
{
    if (sf && sf->fd >= 0) {
        apr_pool_cleanup_run(sf->pool, sf, close_cleanup);
    }
}

int cu_state_is_aside(const char *name)
{
    return strlen(name) == CU_UPLOAD_ID_LEN + sizeof(SUFFIX_NEW) - 1
           && strcmp(name + CU_UPLOAD_ID_LEN, SUFFIX_NEW) == 0
           && cu_upload_id_valid(name, CU_UPLOAD_ID_LEN);
}

/* "<id>.state" -> id in buf, anything else -> NULL. */
static const char *id_of_name(const char *name, char *buf)
{
    if (strlen(name) != CU_UPLOAD_ID_LEN + sizeof(SUFFIX) - 1
        || strcmp(name + CU_UPLOAD_ID_LEN, SUFFIX) != 0
        || !cu_upload_id_valid(name, CU_UPLOAD_ID_LEN)) {
        return NULL;
    }
    memcpy(buf, name, CU_UPLOAD_ID_LEN);
    buf[CU_UPLOAD_ID_LEN] = '\0';
    return buf;
}

apr_status_t cu_state_each(const char *state_dir, int first, int last,
                           apr_status_t (*visit)(void *baton, const char *id,
                                                 const char *name,
                                                 apr_pool_t *scratch),
                           void *baton, apr_pool_t *pool)
{
    apr_pool_t *dir_pool, *scratch;
    apr_status_t rv = APR_SUCCESS;
    int i;

    apr_pool_create(&dir_pool, pool);
    apr_pool_create(&scratch, pool);
    for (i = first; i <= last && rv == APR_SUCCESS; ++i) {
        apr_dir_t *dir;
        apr_finfo_t info;
        char id[CU_UPLOAD_ID_LEN + 1];

        apr_pool_clear(dir_pool);
        rv = cu_io_dir_open(&dir,
                            apr_psprintf(dir_pool, "%s/state/%02x", state_dir,
                                         (unsigned int)i),
                            dir_pool);
        if (APR_STATUS_IS_ENOENT(rv)) {
            rv = APR_SUCCESS;
            continue;
        }
        while (rv == APR_SUCCESS) {
            rv = cu_io_dir_read(dir, APR_FINFO_NAME, &info);
            if (rv != APR_SUCCESS) {
                rv = APR_STATUS_IS_EOF(rv) ? APR_SUCCESS : rv;
                break;
            }
            if (info.name[0] != '.') {
                apr_pool_clear(scratch);
                rv = visit(baton, id_of_name(info.name, id), info.name,
                           scratch);
            }
        }
    }
    apr_pool_destroy(scratch);
    apr_pool_destroy(dir_pool);
    return rv;
}
