/* Part files beneath a store root; see partfile.h. */
#include "store/partfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/upload_id.h"

apr_status_t cu_part_create(int *fd, const char *root, const char *path,
                            int sync)
{
    const char *leaf;
    apr_status_t rv;
    int rootfd, dirfd = -1;

    *fd = -1;
    rv = cu_dirs_open_root(&rootfd, root);
    if (rv == APR_SUCCESS) {
        rv = cu_dirs_open_beneath(&dirfd, rootfd, path, &leaf, 1, sync);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_io_open(fd, dirfd, leaf,
                        O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, CU_FILE_MODE);
    }
    if (rv == APR_SUCCESS && sync) {
        rv = cu_io_sync_dir(dirfd);
        if (rv != APR_SUCCESS) {
            CU_BEST_EFFORT(cu_io_unlink(dirfd, leaf));
            (void)cu_io_close(fd);
        }
    }
    (void)cu_io_close(&dirfd);
    (void)cu_io_close(&rootfd);
    return rv;
}

/* Open the directory of a part that should exist. */
static apr_status_t open_dir_of(int *dirfd, const char *root, const char *path,
                                const char **leaf, int sync)
{
    apr_status_t rv;
    int rootfd;

    *dirfd = -1;
    rv = cu_dirs_open_root(&rootfd, root);
    if (rv == APR_SUCCESS) {
        rv = cu_dirs_open_beneath(dirfd, rootfd, path, leaf, 0, sync);
    }
    (void)cu_io_close(&rootfd);
    return rv;
}

apr_status_t cu_part_sync_name(const char *root, const char *path)
{
    const char *leaf;
    apr_status_t rv;
    int dirfd;

    rv = open_dir_of(&dirfd, root, path, &leaf, 1);
    if (rv == APR_SUCCESS) {
        rv = cu_io_sync_dir(dirfd);
    }
    (void)cu_io_close(&dirfd);
    return rv;
}

apr_status_t cu_part_open(int *fd, const char *root, const char *path)
{
    const char *leaf;
    struct stat st;
    apr_status_t rv;
    int dirfd;

    *fd = -1;
    rv = open_dir_of(&dirfd, root, path, &leaf, 0);
    if (rv == APR_SUCCESS) {
        rv = cu_io_open(fd, dirfd, leaf, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_io_stat(*fd, &st);
        if (rv == APR_SUCCESS && !S_ISREG(st.st_mode)) {
            rv = APR_EINVAL;
        }
        if (rv != APR_SUCCESS) {
            (void)cu_io_close(fd);
        }
    }
    (void)cu_io_close(&dirfd);
    return rv;
}

apr_status_t cu_part_remove(const char *root, const char *path)
{
    const char *leaf;
    apr_status_t rv;
    int dirfd;

    rv = open_dir_of(&dirfd, root, path, &leaf, 0);
    if (rv == APR_FROM_OS_ERROR(ENOTDIR) || rv == APR_FROM_OS_ERROR(ELOOP)) {
        rv = APR_ENOENT; /* behind a link is nothing of ours */
    }
    if (rv == APR_SUCCESS) {
        rv = cu_io_unlink(dirfd, leaf);
    }
    (void)cu_io_close(&dirfd);
    return rv;
}

apr_status_t cu_part_unnamed(int *fd, const char *root)
{
    char name[CU_UPLOAD_ID_LEN + sizeof(".tmp")];
    apr_status_t rv;
    int rootfd;

    *fd = -1;
    rv = cu_dirs_open_root(&rootfd, root);
    if (rv != APR_SUCCESS) {
        return rv;
    }
#ifdef O_TMPFILE
    rv = cu_io_open(fd, rootfd, ".", O_RDWR | O_TMPFILE, CU_FILE_MODE);
    if (rv == APR_SUCCESS) {
        (void)cu_io_close(&rootfd);
        return rv;
    }
#endif
    /* file systems without O_TMPFILE: a name that lives for two calls */
    rv = cu_upload_id_make(name);
    if (rv == APR_SUCCESS) {
        memcpy(name + CU_UPLOAD_ID_LEN, ".tmp", sizeof(".tmp"));
        rv = cu_io_open(fd, rootfd, name,
                        O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, CU_FILE_MODE);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_io_unlink(rootfd, name);
        if (rv != APR_SUCCESS) {
            (void)cu_io_close(fd);
        }
    }
    (void)cu_io_close(&rootfd);
    return rv;
}

apr_status_t cu_part_size(int fd, apr_off_t *size)
{
    struct stat st;
    apr_status_t rv = cu_io_stat(fd, &st);

    *size = rv == APR_SUCCESS ? (apr_off_t)st.st_size : 0;
    return rv;
}
