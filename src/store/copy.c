/*
 * copy_file_range(2) in pieces, and reading and writing where it is missing
 * (an old kernel, a file system across which it does not work).  Which of the
 * two it was makes no difference to the caller.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* copy_file_range */
#endif
#include "store/copy.h"

#include <errno.h>
#include <unistd.h>

#include "store/io.h"

#define COPY_BUFFER (256 * 1024)
#define COPY_STEP (1024 * 1024 * 1024) /* of one system call, bytes */

/* A piece by hand.  *got is 0 at the end of the file. */
static apr_status_t copy_by_hand(int from, apr_off_t from_offset, int to,
                                 apr_off_t to_offset, apr_off_t len,
                                 char *buffer, apr_off_t *got)
{
    apr_size_t want = len < COPY_BUFFER ? (apr_size_t)len : COPY_BUFFER;
    apr_size_t n;
    apr_status_t rv = cu_io_pread(from, buffer, want, from_offset, &n);

    if (rv == APR_SUCCESS && n > 0) {
        rv = cu_io_pwrite(to, buffer, n, to_offset);
    }
    *got = (apr_off_t)n;
    return rv;
}

#if defined(__linux__) && !defined(CU_FAULTS) /* faults are in io.c */
/* APR_ENOTIMPL: not here, do it by hand. */
static apr_status_t copy_by_system(int from, apr_off_t from_offset, int to,
                                   apr_off_t to_offset, apr_off_t len,
                                   apr_off_t *got)
{
    ssize_t n;

    do {
        off_t in = from_offset, out = to_offset;

        n = copy_file_range(from, &in, to, &out,
                            len < COPY_STEP ? (size_t)len : COPY_STEP, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == ENOSYS || errno == EXDEV || errno == EINVAL
                       || errno == EOPNOTSUPP || errno == EPERM
                   ? APR_ENOTIMPL
                   : APR_FROM_OS_ERROR(errno);
    }
    *got = n;
    return APR_SUCCESS;
}
#else
static apr_status_t copy_by_system(int from, apr_off_t from_offset, int to,
                                   apr_off_t to_offset, apr_off_t len,
                                   apr_off_t *got)
{
    (void)from;
    (void)from_offset;
    (void)to;
    (void)to_offset;
    (void)len;
    (void)got;
    return APR_ENOTIMPL;
}
#endif

apr_status_t cu_copy_range(int from, int to, apr_off_t to_offset,
                           apr_off_t len, apr_off_t *copied, apr_pool_t *pool)
{
    char *buffer = NULL; /* made when the system does not copy */
    apr_status_t rv = APR_SUCCESS;

    *copied = 0;
    while (*copied < len) {
        apr_off_t got = 0, at = to_offset + *copied, rest = len - *copied;

        rv = buffer ? APR_ENOTIMPL
                    : copy_by_system(from, *copied, to, at, rest, &got);
        if (rv == APR_ENOTIMPL) {
            if (!buffer) {
                buffer = apr_palloc(pool, COPY_BUFFER);
            }
            rv = copy_by_hand(from, *copied, to, at, rest, buffer, &got);
        }
        if (rv != APR_SUCCESS || got == 0) {
            break;
        }
        *copied += got;
    }
    return rv;
}
