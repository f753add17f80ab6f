/* See recorder.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw */
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/fault.h"
#include "torture/recorder.h"

#define EVENTS_MAX 20000
#define OBJECTS_MAX 2000
#define NAME_MAX_LEN 64
#define SECTOR 512
#define SIZE_MAX_FILE 400000

typedef struct object_t {
    ino_t ino;
    int is_dir;
} object_t;

typedef struct entry_t {
    cu_fault_call_t call;
    int object; /* the file; of a change of names the directory */
    int child;  /* CREATE, MKDIR: what got the name */
    char name[NAME_MAX_LEN];
    char to[NAME_MAX_LEN]; /* RENAME, within the directory */
    off_t offset;
    size_t len;
    char *data;
    int failed;
    int safe; /* of this cut: synced */
} entry_t;

static char base[256];
static object_t objects[OBJECTS_MAX];
static entry_t events[EVENTS_MAX];
static int object_count, event_count;
static uint32_t random_state = 1;

unsigned int recorder_random(unsigned int below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % below;
}

void recorder_seed(unsigned int seed)
{
    random_state = seed * 2654435761U + 12345U;
    random_state = random_state ? random_state : 1;
}

int recorder_count(void)
{
    return event_count;
}

/* --------------------------------------------------------------- recording */

static int add_object(ino_t ino, int is_dir)
{
    assert_true(object_count < OBJECTS_MAX);
    objects[object_count].ino = ino;
    objects[object_count].is_dir = is_dir;
    return object_count++;
}

/* The newest, since inode numbers are used again. */
static int find_object(ino_t ino)
{
    int i;

    for (i = object_count - 1; i >= 0; --i) {
        if (objects[i].ino == ino) {
            return i;
        }
    }
    return -1;
}

static entry_t *add_event(cu_fault_call_t call, int object)
{
    entry_t *e;

    assert_true(event_count < EVENTS_MAX);
    e = &events[event_count++];
    memset(e, 0, sizeof(*e));
    e->call = call;
    e->object = object;
    return e;
}

static void set_name(char *out, const char *name)
{
    assert_true(strlen(name) < NAME_MAX_LEN);
    strcpy(out, name);
}

/* The directory that a descriptor and a path mean, and the last component. */
static int directory_of(int fd, const char *path, const char **leaf)
{
    const char *slash = strrchr(path, '/');
    char dir[1024];
    struct stat st;

    *leaf = slash ? slash + 1 : path;
    if (fd == AT_FDCWD) {
        assert_true(slash && (size_t)(slash - path) < sizeof(dir));
        memcpy(dir, path, (size_t)(slash - path));
        dir[slash - path] = '\0';
        assert_int_equal(stat(dir, &st), 0);
    }
    else {
        assert_int_equal(fstat(fd, &st), 0);
    }
    return find_object(st.st_ino);
}

static void record_bytes(const cu_fault_event_t *event, int object)
{
    entry_t *e = add_event(event->call, object);
    size_t left = event->len, at = 0;
    const struct iovec *piece = event->pieces;

    e->offset = event->offset;
    e->len = event->len;
    e->data = malloc(event->len);
    assert_non_null(e->data);
    for (; left > 0; ++piece) {
        size_t some = piece->iov_len < left ? piece->iov_len : left;

        memcpy(e->data + at, piece->iov_base, some);
        at += some;
        left -= some;
    }
}

static void record_name(const cu_fault_event_t *event)
{
    const char *leaf, *to;
    int dir = directory_of(event->fd, event->name, &leaf);
    struct stat st;
    entry_t *e;

    if (dir < 0) {
        return;
    }
    e = add_event(event->call, dir);
    set_name(e->name, leaf);
    if (event->call == CU_FAULT_CREATE) {
        assert_int_equal(fstat(event->new_fd, &st), 0);
        e->child = add_object(st.st_ino, 0);
    }
    else if (event->call == CU_FAULT_MKDIR) {
        assert_int_equal(fstatat(event->fd, event->name, &st, 0), 0);
        e->child = add_object(st.st_ino, 1);
    }
    else if (event->call == CU_FAULT_RENAME) {
        assert_int_equal(directory_of(event->to_fd, event->to, &to), dir);
        set_name(e->to, to);
    }
}

static void record(const cu_fault_event_t *event)
{
    struct stat st;
    int object;

    switch (event->call) {
    case CU_FAULT_CREATE:
    case CU_FAULT_MKDIR:
    case CU_FAULT_RENAME:
    case CU_FAULT_UNLINK:
        record_name(event);
        return;
    default:
        break;
    }
    if (event->failed == RECORDER_DEAD || fstat(event->fd, &st) != 0) {
        return;
    }
    object = find_object(st.st_ino);
    if (object < 0) {
        return;
    }
    if (event->call == CU_FAULT_WRITE) {
        record_bytes(event, object);
    }
    else {
        entry_t *e = add_event(event->call, object);

        e->offset = event->offset;
        e->failed = event->failed != 0;
    }
}

/* The directories that are there at the beginning, parents first. */
static void take_directories(const char *path, int parent, const char *name)
{
    DIR *dir = opendir(path);
    struct dirent *item;
    struct stat st;
    int self;

    assert_non_null(dir);
    assert_int_equal(stat(path, &st), 0);
    self = add_object(st.st_ino, 1);
    if (parent >= 0) {
        entry_t *e = add_event(CU_FAULT_MKDIR, parent);

        e->child = self;
        set_name(e->name, name);
        (void)add_event(CU_FAULT_SYNC, parent);
    }
    while ((item = readdir(dir)) != NULL) {
        char below[1024];

        if (item->d_name[0] != '.') {
            snprintf(below, sizeof(below), "%s/%s", path, item->d_name);
            take_directories(below, self, item->d_name);
        }
    }
    closedir(dir);
}

void recorder_begin(const char *dir)
{
    int i;

    for (i = 0; i < event_count; ++i) {
        free(events[i].data);
    }
    event_count = 0;
    object_count = 0;
    snprintf(base, sizeof(base), "%s", dir);
    take_directories(dir, -1, NULL);
    cu_fault_watch(record);
}

void recorder_end(void)
{
    cu_fault_watch(NULL);
}

/* ----------------------------------------------------------------- cutting */

/* What was synced: there is a good sync behind it with no failed one in
 * between.  Names are kept by the file system itself, which tries again or
 * gives up altogether, so for a directory the next good sync does. */
static void find_safe(int count)
{
    int verdict[OBJECTS_MAX]; /* of what is before: 1 safe, 0 not (yet) */
    int i;

    memset(verdict, 0, sizeof(verdict));
    for (i = count - 1; i >= 0; --i) {
        entry_t *e = &events[i];

        if (e->call == CU_FAULT_SYNC) {
            if (!e->failed) {
                verdict[e->object] = 1;
            }
            else if (!objects[e->object].is_dir) {
                verdict[e->object] = 0;
            }
        }
        else {
            e->safe = verdict[e->object];
        }
    }
}

static int happens(cut_style_t style)
{
    return style == CUT_MIXES ? (int)recorder_random(2) : style != CUT_LOSES;
}

/* The parts of a write that reached the disk. */
static void write_unsafe(const entry_t *e, char *bytes, off_t *size,
                         cut_style_t style)
{
    off_t end = e->offset + (off_t)e->len;
    unsigned int fate = style == CUT_LOSES    ? 0
                        : style == CUT_KEEPS  ? 1
                        : style == CUT_ZEROES ? 2
                                              : recorder_random(4);
    size_t at;

    if (fate == 0) {
        return;
    }
    if (fate == 1) {
        memcpy(bytes + e->offset, e->data, e->len);
    }
    else if (fate == 3) {
        for (at = 0; at < e->len; at += SECTOR) {
            size_t some = e->len - at < SECTOR ? e->len - at : SECTOR;

            if (recorder_random(2)) {
                memcpy(bytes + e->offset + at, e->data + at, some);
            }
        }
    }
    if (end > *size) {
        *size = end;
    }
}

static void put_file(const char *path, int object, int count,
                     cut_style_t style)
{
    static char bytes[SIZE_MAX_FILE];
    off_t size = 0;
    int fd, i;

    memset(bytes, 0, sizeof(bytes));
    for (i = 0; i < count; ++i) {
        const entry_t *e = &events[i];

        if (e->object != object) {
            continue;
        }
        if (e->call == CU_FAULT_WRITE) {
            assert_true(e->offset + (off_t)e->len <= SIZE_MAX_FILE);
            if (e->safe) {
                memcpy(bytes + e->offset, e->data, e->len);
                if (e->offset + (off_t)e->len > size) {
                    size = e->offset + (off_t)e->len;
                }
            }
            else {
                write_unsafe(e, bytes, &size, style);
            }
        }
        else if (e->call == CU_FAULT_TRUNCATE
                 && (e->safe || happens(style))) {
            if (e->offset < size) {
                memset(bytes + e->offset, 0, (size_t)(size - e->offset));
            }
            size = e->offset;
        }
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, (size_t)size), size);
    close(fd);
}

typedef struct named_t {
    char name[NAME_MAX_LEN];
    int object;
} named_t;

#define NAMES_MAX 500

static int find_name(const named_t *names, int n, const char *name)
{
    int i;

    for (i = 0; i < n && strcmp(names[i].name, name) != 0; ++i) {
    }
    return i;
}

static int set_entry(named_t *names, int n, const char *name, int object)
{
    int i = find_name(names, n, name);

    assert_true(i < NAMES_MAX);
    strcpy(names[i].name, name);
    names[i].object = object;
    return i == n ? n + 1 : n;
}

static int drop_entry(named_t *names, int n, const char *name)
{
    int i = find_name(names, n, name);

    if (i < n) {
        names[i] = names[n - 1];
        --n;
    }
    return n;
}

/* Who has this name as the recording knows it, whatever the cut left? */
static int owner_of(int dir, const char *name, int before)
{
    int i;

    for (i = before - 1; i >= 0; --i) {
        const entry_t *e = &events[i];

        if (e->object == dir
            && (e->call == CU_FAULT_CREATE || e->call == CU_FAULT_MKDIR)
            && strcmp(e->name, name) == 0) {
            return e->child;
        }
    }
    return -1;
}

static void put_directory(const char *path, int object, int count,
                          cut_style_t style)
{
    named_t *names = calloc(NAMES_MAX, sizeof(*names));
    int n = 0, i;

    assert_non_null(names);
    for (i = 0; i < count; ++i) {
        const entry_t *e = &events[i];
        const int names_change =
            e->call == CU_FAULT_CREATE || e->call == CU_FAULT_MKDIR
            || e->call == CU_FAULT_RENAME || e->call == CU_FAULT_UNLINK;

        if (e->object != object || !names_change
            || (!e->safe && !happens(style))) {
            continue;
        }
        if (e->call == CU_FAULT_UNLINK) {
            n = drop_entry(names, n, e->name);
        }
        else if (e->call == CU_FAULT_RENAME) {
            n = drop_entry(names, n, e->name);
            n = set_entry(names, n, e->to, owner_of(object, e->name, i));
        }
        else {
            n = set_entry(names, n, e->name, e->child);
        }
    }
    for (i = 0; i < n; ++i) {
        char below[1024];

        snprintf(below, sizeof(below), "%s/%s", path, names[i].name);
        if (objects[names[i].object].is_dir) {
            assert_int_equal(mkdir(below, 0700), 0);
            put_directory(below, names[i].object, count, style);
        }
        else {
            put_file(below, names[i].object, count, style);
        }
    }
    free(names);
}

static int remove_below(const char *path, const struct stat *st, int type,
                        struct FTW *ftw)
{
    (void)st;
    (void)type;
    return ftw->level == 0 ? 0 : remove(path);
}

void recorder_cut(int count, cut_style_t style)
{
    assert_int_equal(nftw(base, remove_below, 16, FTW_DEPTH | FTW_PHYS), 0);
    find_safe(count);
    put_directory(base, 0, count, style);
}
