/*
 * Every file operation of the store, in one place: interrupted calls are
 * repeated, short transfers continued, errno turned into apr_status_t.
 *
 * POSIX descriptors and not apr_file_t, because the store needs openat,
 * flock on a descriptor of its own, pwritev, O_TMPFILE and fdatasync, which
 * APR does not have.  Descriptors are close-on-exec.
 */
#ifndef CU_STORE_IO_H
#define CU_STORE_IO_H

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <apr_errno.h>
#include <apr_file_info.h>
#include <apr_time.h>

#include "base/result.h"

/**
 * openat(2) with O_CLOEXEC.
 * @param fd    (out) -1 unless APR_SUCCESS; the caller closes it
 * @param dirfd AT_FDCWD for absolute paths
 * @param mode  as given; the umask only narrows it
 */
CU_MUST_CHECK apr_status_t cu_io_open(int *fd, int dirfd, const char *path,
                                      int flags, mode_t mode);

/** close(2); *fd becomes -1.  Harmless on -1. */
apr_status_t cu_io_close(int *fd);

/**
 * Read until len bytes or the end of the file.
 * @param got (out) bytes read
 */
CU_MUST_CHECK apr_status_t cu_io_pread(int fd, void *data, apr_size_t len,
                                       apr_off_t offset, apr_size_t *got);

/** Write all of data. */
CU_MUST_CHECK apr_status_t cu_io_pwrite(int fd, const void *data,
                                        apr_size_t len, apr_off_t offset);

/**
 * Write all of several pieces, one after the other.
 * @param pieces up to IOV_MAX; changed by the call
 */
CU_MUST_CHECK apr_status_t cu_io_pwritev(int fd, struct iovec *pieces,
                                         int count, apr_off_t offset);

/** fdatasync(2): the file's bytes and its size. */
CU_MUST_CHECK apr_status_t cu_io_sync(int fd);

/** fsync(2) of a directory: its entries. */
CU_MUST_CHECK apr_status_t cu_io_sync_dir(int fd);

/** Start writing back a range, without waiting.  A hint: cannot fail. */
void cu_io_writeback(int fd, apr_off_t offset, apr_off_t len);

CU_MUST_CHECK apr_status_t cu_io_truncate(int fd, apr_off_t len);

CU_MUST_CHECK apr_status_t cu_io_stat(int fd, struct stat *st);

/** fstatat(2) of an absolute path, the link itself if it is one. */
CU_MUST_CHECK apr_status_t cu_io_stat_path(const char *path, struct stat *st);

/** mkdirat(2); APR_EEXIST when it is there. */
CU_MUST_CHECK apr_status_t cu_io_mkdir(int dirfd, const char *name,
                                       mode_t mode);

/** unlinkat(2) of a file; APR_ENOENT when it is not there. */
CU_MUST_CHECK apr_status_t cu_io_unlink(int dirfd, const char *name);

/** renameat(2): replaces. */
CU_MUST_CHECK apr_status_t cu_io_rename(int from_dir, const char *from,
                                        int to_dir, const char *to);

/** Open a list of names; closed with the pool. */
CU_MUST_CHECK apr_status_t cu_io_dir_open(apr_dir_t **dir, const char *path,
                                          apr_pool_t *pool);

/**
 * The next name.
 * @param wanted APR_FINFO_NAME, APR_FINFO_TYPE; a type that the system does
 *               not tell is APR_UNKFILE or APR_NOFILE
 * @return APR_SUCCESS; APR_EOF after the last; a status of the disk
 */
CU_MUST_CHECK apr_status_t cu_io_dir_read(apr_dir_t *dir, apr_int32_t wanted,
                                          apr_finfo_t *info);

/**
 * flock(2) on a descriptor opened for this purpose: excludes threads and
 * processes alike, and ends with the process.
 * @param exclusive 0: shared with other readers
 * @param timeout   microseconds to keep trying; 0: once
 * @return APR_SUCCESS, APR_EBUSY (somebody has it), or what flock said
 */
CU_MUST_CHECK apr_status_t cu_io_lock(int fd, int exclusive,
                                      apr_interval_time_t timeout);

void cu_io_unlock(int fd);

/** Does this status mean that the disk, or the right to use it, is full? */
int cu_io_is_full(apr_status_t rv);

#endif
