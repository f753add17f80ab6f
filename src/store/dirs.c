/* Walking down without following links; see dirs.h. */
#include "store/dirs.h"

#include <fcntl.h>
#include <string.h>

#include "store/io.h"

#define COMPONENT_MAX 255

apr_status_t cu_dirs_open_root(int *fd, const char *path)
{
    return cu_io_open(fd, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
}

static int component_is_plain(const char *name, apr_size_t len)
{
    if (len == 0 || len > COMPONENT_MAX) {
        return 0;
    }
    return !(name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')));
}

/* One step down; makes the directory when asked and it is missing. */
static apr_status_t step(int *next, int fd, const char *name, int create,
                         int sync)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    apr_status_t rv;

    rv = cu_io_open(next, fd, name, flags, 0);
    if (create && APR_STATUS_IS_ENOENT(rv)) {
        rv = cu_io_mkdir(fd, name, CU_DIR_MODE);
        if (rv == APR_SUCCESS || APR_STATUS_IS_EEXIST(rv)) {
            rv = cu_io_open(next, fd, name, flags, 0);
        }
    }
    if (rv == APR_SUCCESS && sync) {
        rv = cu_io_sync_dir(fd);
        if (rv != APR_SUCCESS) {
            (void)cu_io_close(next);
        }
    }
    return rv;
}

apr_status_t cu_dirs_open_beneath(int *fd, int rootfd, const char *path,
                                  const char **leaf, int create, int sync)
{
    char name[COMPONENT_MAX + 1];
    apr_status_t rv;
    int here;

    *fd = -1;
    rv = cu_io_open(&here, rootfd, ".", O_RDONLY | O_DIRECTORY, 0);
    while (rv == APR_SUCCESS) {
        const char *slash = strchr(path, '/');
        apr_size_t len = slash ? (apr_size_t)(slash - path) : strlen(path);
        int next;

        if (!component_is_plain(path, len)) {
            rv = APR_EINVAL;
            break;
        }
        if (!slash) {
            *leaf = path;
            *fd = here;
            return APR_SUCCESS;
        }
        memcpy(name, path, len);
        name[len] = '\0';
        rv = step(&next, here, name, create, sync);
        (void)cu_io_close(&here);
        here = next;
        path = slash + 1;
    }
    (void)cu_io_close(&here);
    return rv;
}
