/*
 * The system calls of the store with faults on purpose, kill points, and
 * what a recorder is told; see fault.h.  Compiled to nothing without
 * CU_FAULTS.
 */
#include "store/fault.h"

#ifdef CU_FAULTS

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PIECES_MAX 64

static cu_fault_plan_t plan;
static unsigned long counted, hits;
static const char *kill_point;
static unsigned long kill_nth, kill_seen;
static void (*tracer)(const char *point);
static cu_fault_watch_fn watcher;
static int fake_sync;

void cu_fault_arm(const cu_fault_plan_t *wanted)
{
    memset(&plan, 0, sizeof(plan));
    if (wanted) {
        plan = *wanted;
    }
    counted = 0;
    hits = 0;
}

unsigned long cu_fault_hits(void)
{
    return hits;
}

void cu_fault_kill_at(const char *point, unsigned long nth)
{
    kill_point = point;
    kill_nth = nth;
    kill_seen = 0;
}

void cu_fault_trace(void (*seen)(const char *point))
{
    tracer = seen;
}

void cu_fault_watch(cu_fault_watch_fn watch)
{
    watcher = watch;
}

void cu_fault_fake_sync(int fake)
{
    fake_sync = fake;
}

/* Is this the point that the setter or the environment names? */
static int is_last(const char *point)
{
    const char *wanted = kill_point ? kill_point : getenv("CU_KILL_AT");
    const char *colon = wanted ? strchr(wanted, ':') : NULL;
    size_t len = strlen(point);
    unsigned long nth = kill_point ? kill_nth : 1;

    if (!wanted || strncmp(wanted, point, len) != 0
        || (wanted[len] != '\0' && wanted[len] != ':')) {
        return 0;
    }
    if (!kill_point && colon) {
        nth = strtoul(colon + 1, NULL, 10);
    }
    return __atomic_add_fetch(&kill_seen, 1, __ATOMIC_RELAXED) == nth;
}

void cu_fault_point(const char *point)
{
    if (tracer) {
        tracer(point);
    }
    if (is_last(point)) {
        (void)kill(getpid(), SIGKILL);
    }
}

/* Is this one of the calls that fail by the plan? */
static int is_planned(cu_fault_call_t call)
{
    unsigned long n;

    if (plan.sticky == 2 && hits > 0) {
        return 1;
    }
    if (!(plan.calls & (1U << call))) {
        return 0;
    }
    n = __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
    return plan.nth != 0 && (plan.sticky ? n >= plan.nth : n == plan.nth);
}

/* Does this call fail?  errno says how. */
static int strikes(cu_fault_call_t call)
{
    if (!is_planned(call)) {
        return 0;
    }
    (void)__atomic_add_fetch(&hits, 1, __ATOMIC_RELAXED);
    if (plan.error == CU_FAULT_DIE) {
        (void)kill(getpid(), SIGKILL);
    }
    errno = plan.error == CU_FAULT_SHORT ? 0 : plan.error;
    return 1;
}

apr_status_t cu_fault_status(cu_fault_call_t call)
{
    return strikes(call) && errno != 0 ? APR_FROM_OS_ERROR(errno)
                                       : APR_SUCCESS;
}

/* Tell a change of a name in a directory, or of a file. */
static void tell(cu_fault_call_t call, int fd, const char *name)
{
    const int error = errno;
    cu_fault_event_t event;

    if (watcher) {
        memset(&event, 0, sizeof(event));
        event.call = call;
        event.fd = fd;
        event.name = name;
        watcher(&event);
        errno = error;
    }
}

/* A sync, carried out or struck, is told in either case. */
static int sync_with(int fd, int (*call)(int fd))
{
    const int struck = strikes(CU_FAULT_SYNC) && errno != 0;
    int rc = -1, error = errno;
    cu_fault_event_t event;

    if (!struck) {
        rc = fake_sync ? 0 : call(fd);
        error = errno;
    }
    if (watcher && (rc == 0 || error != EINTR)) {
        memset(&event, 0, sizeof(event));
        event.call = CU_FAULT_SYNC;
        event.fd = fd;
        event.failed = rc != 0 ? error : 0;
        watcher(&event);
    }
    errno = error;
    return rc;
}

int cu_fault_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    cu_fault_event_t event;
    cu_fault_call_t call = CU_FAULT_OPEN;
    int fd;

    if (flags & O_CREAT) {
        call = CU_FAULT_CREATE;
    }
#ifdef O_TMPFILE
    else if ((flags & O_TMPFILE) == O_TMPFILE) {
        call = CU_FAULT_CREATE;
    }
#endif
    else if ((flags & O_ACCMODE) != O_RDONLY) {
        call = CU_FAULT_OPEN_RW;
    }
    if (strikes(call)) {
        return -1;
    }
    fd = openat(dirfd, path, flags, mode);
    if (fd >= 0 && (flags & O_CREAT) && (flags & O_EXCL) && watcher) {
        memset(&event, 0, sizeof(event));
        event.call = CU_FAULT_CREATE;
        event.fd = dirfd;
        event.name = path;
        event.new_fd = fd;
        watcher(&event);
    }
    return fd;
}

int cu_fault_close(int fd)
{
    int struck = strikes(CU_FAULT_CLOSE), error = errno;
    int rc = close(fd);

    if (struck && error != 0) {
        errno = error;
        return -1;
    }
    return rc;
}

ssize_t cu_fault_pread(int fd, void *data, size_t len, off_t offset)
{
    if (strikes(CU_FAULT_READ)) {
        if (errno != 0) {
            return -1;
        }
        len = (len + 1) / 2;
    }
    return pread(fd, data, len, offset);
}

/* Half of it, which may end inside a piece. */
static ssize_t write_half(int fd, const struct iovec *pieces, int count,
                          off_t offset)
{
    struct iovec some[PIECES_MAX];
    size_t all = 0, left;
    int i;

    for (i = 0; i < count; ++i) {
        all += pieces[i].iov_len;
    }
    left = (all + 1) / 2;
    for (i = 0; i < count && i < PIECES_MAX && left > 0; ++i) {
        some[i] = pieces[i];
        if (some[i].iov_len > left) {
            some[i].iov_len = left;
        }
        left -= some[i].iov_len;
    }
    return pwritev(fd, some, i, offset);
}

ssize_t cu_fault_pwritev(int fd, const struct iovec *pieces, int count,
                         off_t offset)
{
    cu_fault_event_t event;
    ssize_t n;

    if (strikes(CU_FAULT_WRITE)) {
        if (errno != 0) {
            return -1;
        }
        n = write_half(fd, pieces, count, offset);
    }
    else {
        n = pwritev(fd, pieces, count, offset);
    }
    if (n > 0 && watcher) {
        memset(&event, 0, sizeof(event));
        event.call = CU_FAULT_WRITE;
        event.fd = fd;
        event.pieces = pieces;
        event.offset = offset;
        event.len = (size_t)n;
        watcher(&event);
    }
    return n;
}

int cu_fault_fdatasync(int fd)
{
    return sync_with(fd, fdatasync);
}

int cu_fault_fsync(int fd)
{
    return sync_with(fd, fsync);
}

int cu_fault_ftruncate(int fd, off_t len)
{
    cu_fault_event_t event;
    int rc;

    if (strikes(CU_FAULT_TRUNCATE) && errno != 0) {
        return -1;
    }
    rc = ftruncate(fd, len);
    if (rc == 0 && watcher) {
        memset(&event, 0, sizeof(event));
        event.call = CU_FAULT_TRUNCATE;
        event.fd = fd;
        event.offset = len;
        watcher(&event);
    }
    return rc;
}

int cu_fault_fstat(int fd, struct stat *st)
{
    return strikes(CU_FAULT_STAT) && errno != 0 ? -1 : fstat(fd, st);
}

int cu_fault_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
    return strikes(CU_FAULT_STAT) && errno != 0
               ? -1
               : fstatat(dirfd, path, st, flags);
}

int cu_fault_mkdirat(int dirfd, const char *name, mode_t mode)
{
    int rc;

    if (strikes(CU_FAULT_MKDIR) && errno != 0) {
        return -1;
    }
    rc = mkdirat(dirfd, name, mode);
    if (rc == 0) {
        tell(CU_FAULT_MKDIR, dirfd, name);
    }
    return rc;
}

int cu_fault_unlinkat(int dirfd, const char *name, int flags)
{
    int rc;

    if (strikes(CU_FAULT_UNLINK) && errno != 0) {
        return -1;
    }
    rc = unlinkat(dirfd, name, flags);
    if (rc == 0) {
        tell(CU_FAULT_UNLINK, dirfd, name);
    }
    return rc;
}

int cu_fault_renameat(int from_dir, const char *from, int to_dir,
                      const char *to)
{
    cu_fault_event_t event;
    int rc;

    if (strikes(CU_FAULT_RENAME) && errno != 0) {
        return -1;
    }
    rc = renameat(from_dir, from, to_dir, to);
    if (rc == 0 && watcher) {
        memset(&event, 0, sizeof(event));
        event.call = CU_FAULT_RENAME;
        event.fd = from_dir;
        event.name = from;
        event.to_fd = to_dir;
        event.to = to;
        watcher(&event);
    }
    return rc;
}

int cu_fault_flock(int fd, int operation)
{
    if (operation != LOCK_UN && strikes(CU_FAULT_LOCK) && errno != 0) {
        return -1;
    }
    return flock(fd, operation);
}

#endif
