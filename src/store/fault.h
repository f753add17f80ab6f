/*
 * Faults on purpose, for the tests of reliability; only in builds with
 * -DCU_FAULTS (make FAULTS=1).  In every other build this file is a handful
 * of empty macros: no code, no cost, no way to switch anything on.
 *
 * With it, the system calls of io.c pass through here by name, so that the
 * loops around them (interrupted calls, short transfers) are tested as they
 * are.  To be included after all system headers.
 */
#ifndef CU_STORE_FAULT_H
#define CU_STORE_FAULT_H

#include <apr_errno.h>

#ifndef CU_FAULTS

/* Does the process die here?  It does not. */
#define CU_KILL_POINT(name) ((void)0)
#define CU_FAULT_STATUS(call) APR_SUCCESS

#else

#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef enum cu_fault_call_t {
    CU_FAULT_OPEN,     /* for reading, or of a directory */
    CU_FAULT_OPEN_RW,  /* of a file that exists, for writing */
    CU_FAULT_CREATE,
    CU_FAULT_CLOSE,    /* is carried out, and then reports */
    CU_FAULT_READ,
    CU_FAULT_WRITE,
    CU_FAULT_SYNC,     /* of a file or a directory */
    CU_FAULT_TRUNCATE,
    CU_FAULT_STAT,
    CU_FAULT_MKDIR,
    CU_FAULT_UNLINK,
    CU_FAULT_RENAME,
    CU_FAULT_LOCK,
    CU_FAULT_DIR,      /* opening or reading a list of names */
    CU_FAULT_DBM,      /* our own calls of apr_dbm */
    CU_FAULT_CALL_COUNT
} cu_fault_call_t;

#define CU_FAULT_ALL ((1U << CU_FAULT_CALL_COUNT) - 1U)
#define CU_FAULT_SHORT (-1) /* not an error: half of a transfer is done */
#define CU_FAULT_DIE (-2)   /* nor this: SIGKILL before the call */

/* Which call fails, and how. */
typedef struct cu_fault_plan_t {
    unsigned int calls; /* bits 1 << cu_fault_call_t: those that are counted */
    unsigned long nth;  /* of the counted ones this fails, from 1; 0: none */
    int sticky;         /* 1: so do all counted ones that follow; 2: so does
                           every call that follows */
    int error;          /* errno, CU_FAULT_SHORT or CU_FAULT_DIE */
} cu_fault_plan_t;

/* What was changed, for a recorder; called after it succeeded, or a sync
 * after it failed. */
typedef struct cu_fault_event_t {
    cu_fault_call_t call;
    int fd;                 /* file, or directory of name */
    const char *name;
    int new_fd;             /* CREATE: the file */
    int to_fd;              /* RENAME: directory of to */
    const char *to;
    const struct iovec *pieces; /* WRITE: what is written .. */
    off_t offset;               /* .. and where; TRUNCATE: the size */
    size_t len;                 /* .. of it so many bytes */
    int failed;                 /* SYNC only: errno, it did not happen */
} cu_fault_event_t;

typedef void (*cu_fault_watch_fn)(const cu_fault_event_t *event);

/** Begin to count and to fail; NULL ends it. */
void cu_fault_arm(const cu_fault_plan_t *plan);

/** How often a call was made to fail since the last cu_fault_arm(). */
unsigned long cu_fault_hits(void);

/**
 * Die by SIGKILL when `point` is passed for the nth time; NULL: as the
 * environment says (CU_KILL_AT=point or point:nth), as long as it does.
 */
void cu_fault_kill_at(const char *point, unsigned long nth);

/** Name the kill points that are passed to a function; NULL: to none. */
void cu_fault_trace(void (*seen)(const char *point));

/** Tell every change to a recorder; NULL: to none. */
void cu_fault_watch(cu_fault_watch_fn watch);

/** 1: syncs are counted, fail and are told, but not carried out. */
void cu_fault_fake_sync(int fake);

void cu_fault_point(const char *point);
apr_status_t cu_fault_status(cu_fault_call_t call);

int cu_fault_openat(int dirfd, const char *path, int flags, mode_t mode);
int cu_fault_close(int fd);
ssize_t cu_fault_pread(int fd, void *data, size_t len, off_t offset);
ssize_t cu_fault_pwritev(int fd, const struct iovec *pieces, int count,
                         off_t offset);
int cu_fault_fdatasync(int fd);
int cu_fault_fsync(int fd);
int cu_fault_ftruncate(int fd, off_t len);
int cu_fault_fstat(int fd, struct stat *st);
int cu_fault_fstatat(int dirfd, const char *path, struct stat *st, int flags);
int cu_fault_mkdirat(int dirfd, const char *name, mode_t mode);
int cu_fault_unlinkat(int dirfd, const char *name, int flags);
int cu_fault_renameat(int from_dir, const char *from, int to_dir,
                      const char *to);
int cu_fault_flock(int fd, int operation);

#define CU_KILL_POINT(name) cu_fault_point(name)
#define CU_FAULT_STATUS(call) cu_fault_status(call)

#ifdef CU_FAULT_SYSTEM_CALLS /* io.c asks for it */
#define openat(dirfd, path, flags, mode)                                      \
    cu_fault_openat(dirfd, path, flags, mode)
#define close(fd) cu_fault_close(fd)
#define pread(fd, data, len, offset) cu_fault_pread(fd, data, len, offset)
#define pwritev(fd, pieces, count, offset)                                    \
    cu_fault_pwritev(fd, pieces, count, offset)
#define fdatasync(fd) cu_fault_fdatasync(fd)
#define fsync(fd) cu_fault_fsync(fd)
#define ftruncate(fd, len) cu_fault_ftruncate(fd, len)
#define fstat(fd, st) cu_fault_fstat(fd, st)
#define fstatat(dirfd, path, st, flags)                                       \
    cu_fault_fstatat(dirfd, path, st, flags)
#define mkdirat(dirfd, name, mode) cu_fault_mkdirat(dirfd, name, mode)
#define unlinkat(dirfd, name, flags) cu_fault_unlinkat(dirfd, name, flags)
#define renameat(from_dir, from, to_dir, to)                                  \
    cu_fault_renameat(from_dir, from, to_dir, to)
#define flock(fd, operation) cu_fault_flock(fd, operation)
#endif

#endif /* CU_FAULTS */
#endif
