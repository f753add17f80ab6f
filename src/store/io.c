/* The store's system calls; see io.h for what each guarantees. */
#include "store/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#define CU_FAULT_SYSTEM_CALLS
#include "store/fault.h"

apr_status_t cu_io_open(int *fd, int dirfd, const char *path, int flags,
                        mode_t mode)
{
    do {
        *fd = openat(dirfd, path, flags | O_CLOEXEC, mode);
    } while (*fd < 0 && errno == EINTR);
    return *fd < 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

apr_status_t cu_io_close(int *fd)
{
    int rc;

    if (*fd < 0) {
        return APR_SUCCESS;
    }
    /* never repeated on EINTR: Linux has closed it by then */
    rc = close(*fd);
    *fd = -1;
    return rc < 0 && errno != EINTR ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

apr_status_t cu_io_pread(int fd, void *data, apr_size_t len, apr_off_t offset,
                         apr_size_t *got)
{
    char *p = data;

    *got = 0;
    while (*got < len) {
        ssize_t n = pread(fd, p + *got, len - *got,
                          offset + (apr_off_t)*got);

        if (n == 0) {
            break;
        }
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return APR_FROM_OS_ERROR(errno);
        }
        *got += (apr_size_t)n;
    }
    return APR_SUCCESS;
}

apr_status_t cu_io_pwrite(int fd, const void *data, apr_size_t len,
                          apr_off_t offset)
{
    struct iovec one;

    one.iov_base = (void *)(apr_uintptr_t)data;
    one.iov_len = len;
    return cu_io_pwritev(fd, &one, 1, offset);
}

apr_status_t cu_io_pwritev(int fd, struct iovec *pieces, int count,
                           apr_off_t offset)
{
    while (count > 0) {
        ssize_t n;

        if (pieces->iov_len == 0) {
            ++pieces;
            --count;
            continue;
        }
        n = pwritev(fd, pieces, count, offset);
        if (n < 0) {
            if (errno == EINTR) {
                continue;
            }
            return APR_FROM_OS_ERROR(errno);
        }
        if (n == 0) {
            return APR_ENOSPC;
        }
        offset += n;
        while (n > 0 && (apr_size_t)n >= pieces->iov_len) {
            n -= (ssize_t)pieces->iov_len;
            ++pieces;
            --count;
        }
        if (n > 0) {
            pieces->iov_base = (char *)pieces->iov_base + n;
            pieces->iov_len -= (apr_size_t)n;
        }
    }
    return APR_SUCCESS;
}

apr_status_t cu_io_sync(int fd)
{
    int rc;

    do {
        rc = fdatasync(fd);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

apr_status_t cu_io_sync_dir(int fd)
{
    int rc;

    do {
        rc = fsync(fd);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

void cu_io_writeback(int fd, apr_off_t offset, apr_off_t len)
{
#ifdef SYNC_FILE_RANGE_WRITE
    (void)sync_file_range(fd, offset, len, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd;
    (void)offset;
    (void)len;
#endif
}

apr_status_t cu_io_truncate(int fd, apr_off_t len)
{
    int rc;

    do {
        rc = ftruncate(fd, len);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

apr_status_t cu_io_stat(int fd, struct stat *st)
{
    return fstat(fd, st) < 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

apr_status_t cu_io_stat_path(const char *path, struct stat *st)
{
    return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW) < 0
               ? APR_FROM_OS_ERROR(errno)
               : APR_SUCCESS;
}

/* Local file systems are not interrupted in the three that follow; those of
 * a network or of a program may be. */
apr_status_t cu_io_mkdir(int dirfd, const char *name, mode_t mode)
{
    int rc;

    do {
        rc = mkdirat(dirfd, name, mode);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

apr_status_t cu_io_unlink(int dirfd, const char *name)
{
    int rc;

    do {
        rc = unlinkat(dirfd, name, 0);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

apr_status_t cu_io_rename(int from_dir, const char *from, int to_dir,
                          const char *to)
{
    int rc;

    do {
        rc = renameat(from_dir, from, to_dir, to);
    } while (rc < 0 && errno == EINTR);
    return rc < 0 ? APR_FROM_OS_ERROR(errno) : APR_SUCCESS;
}

apr_status_t cu_io_dir_open(apr_dir_t **dir, const char *path,
                            apr_pool_t *pool)
{
    apr_status_t rv = CU_FAULT_STATUS(CU_FAULT_DIR);

    return rv == APR_SUCCESS ? apr_dir_open(dir, path, pool) : rv;
}

apr_status_t cu_io_dir_read(apr_dir_t *dir, apr_int32_t wanted,
                            apr_finfo_t *info)
{
    apr_status_t rv = CU_FAULT_STATUS(CU_FAULT_DIR);

    if (rv == APR_SUCCESS) {
        rv = apr_dir_read(info, wanted, dir);
    }
    if (rv == APR_INCOMPLETE) { /* the name is there, which is enough */
        rv = APR_SUCCESS;
    }
    return APR_STATUS_IS_ENOENT(rv) ? APR_EOF : rv;
}

apr_status_t cu_io_lock(int fd, int exclusive, apr_interval_time_t timeout)
{
    apr_interval_time_t waited = 0, pause = 200;

    for (;;) {
        if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) {
            return APR_SUCCESS;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EWOULDBLOCK) {
            return APR_FROM_OS_ERROR(errno);
        }
        if (waited >= timeout) {
            return APR_EBUSY;
        }
        apr_sleep(pause);
        waited += pause;
        if (pause < 5000) {
            pause *= 2;
        }
    }
}

void cu_io_unlock(int fd)
{
    (void)flock(fd, LOCK_UN);
}

int cu_io_is_full(apr_status_t rv)
{
    return APR_STATUS_IS_ENOSPC(rv) || rv == APR_FROM_OS_ERROR(EDQUOT)
           || rv == APR_FROM_OS_ERROR(EFBIG);
}
