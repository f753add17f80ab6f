/*
 * store/state_file.h: a whole state file of untrusted bytes.
 *
 * Input: a byte of flags, then the file.  With PIECES the file is made of
 * three: two big-endian lengths (of the header and of slot A) come first, each
 * piece is padded to its blocks, and magic, id and checksums are put right as
 * the other flags say.  Opening and locking must answer with one of their
 * verdicts; a slot that counts must be the one that two decoders agree on; and
 * a slot written after that must be found again while the one before it is
 * still whole.  The source of the records is included for its checksum.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* mkdtemp */
#endif
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_general.h>

#include "store/record.c"
#include "store/state_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID "00112233445566778899aabbccddeeff"
enum { PIECES = 1, FIX_HEADER = 2, FIX_A = 4, FIX_B = 8, ODD_B = 16,
       CUT_SHORT = 32, FILE_MAX = CU_HEADER_MAX + 2 * CU_BLOCK };

static apr_pool_t *top;
static char dir[64], path[160];
static unsigned char file[FILE_MAX];

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void clean(void)
{
    static const char *const names[] = { "/state/00", "/state", "" };
    char name[80];
    int i;

    (void)unlink(path);
    for (i = 0; i < 3; ++i) {
        (void)snprintf(name, sizeof(name), "%s%s", dir, names[i]);
        (void)rmdir(name);
    }
}

static void begin(void)
{
    const char *base = getenv("TMPDIR");
    char name[80];

    if (!base || strlen(base) > 30) {
        base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    require(apr_initialize() == APR_SUCCESS);
    require(apr_pool_create(&top, NULL) == APR_SUCCESS);
    (void)snprintf(dir, sizeof(dir), "%s/cu-fuzz-state-XXXXXX", base);
    require(mkdtemp(dir) != NULL);
    (void)snprintf(name, sizeof(name), "%s/state", dir);
    require(mkdir(name, 0700) == 0);
    (void)snprintf(name, sizeof(name), "%s/state/00", dir);
    require(mkdir(name, 0700) == 0);
    (void)snprintf(path, sizeof(path), "%s/" ID ".state", name);
    require(atexit(clean) == 0);
}

static void fix_slot(unsigned char *block, int odd)
{
    size_t used = cu_get_u32(block + 8);

    memcpy(block, SLOT_MAGIC, 8);
    block[31] = (unsigned char)((block[31] & 0xfe) | odd);
    if (used >= SLOT_FIXED && used <= CU_BLOCK) {
        (void)cu_put_u64(block + CHECKSUM_AT, checksum(block, used));
    }
}

static void fix_header(unsigned char *bytes, size_t room)
{
    size_t used;

    memcpy(bytes, HEADER_MAGIC, 8);
    used = cu_get_u32(bytes + 12);
    if (used >= HEADER_FIXED + 2 + CU_UPLOAD_ID_LEN && used <= room) {
        (void)cu_put_u32(bytes + 8, HEADER_VERSION);
        (void)cu_put_u16(bytes + 50, HEADER_TEXTS);
        (void)cu_put_u16(bytes + HEADER_FIXED, CU_UPLOAD_ID_LEN);
        memcpy(bytes + HEADER_FIXED + 2, ID, CU_UPLOAD_ID_LEN);
        (void)cu_put_u64(bytes + CHECKSUM_AT, checksum(bytes, used));
    }
}

static size_t copy(unsigned char *to, size_t room, const uint8_t **from,
                   size_t *size, size_t len)
{
    len = len < *size ? len : *size;
    len = len < room ? len : room;
    memcpy(to, *from, len);
    *from += len;
    *size -= len;
    return len;
}

/* The bytes of the file; their number. */
static size_t build(const uint8_t *data, size_t size)
{
    int flags = *data++;
    size_t header_len, a_len, at, len;

    --size;
    memset(file, 0, sizeof(file));
    if (!(flags & PIECES) || size < 4) {
        return copy(file, sizeof(file), &data, &size, size);
    }
    header_len = cu_get_u16(data);
    a_len = cu_get_u16(data + 2);
    data += 4;
    size -= 4;
    len = copy(file, CU_HEADER_MAX, &data, &size, header_len);
    if (flags & FIX_HEADER) {
        fix_header(file, CU_HEADER_MAX);
    }
    at = cu_header_size(file);
    if (at == 0) {
        at = APR_ALIGN(len ? len : 1, CU_BLOCK);
    }
    memset(file + at, 0, sizeof(file) - at);
    (void)copy(file + at, CU_BLOCK, &data, &size, a_len);
    (void)copy(file + at + CU_BLOCK, CU_BLOCK, &data, &size, size);
    if (flags & FIX_A) {
        fix_slot(file + at, 0);
    }
    if (flags & FIX_B) {
        fix_slot(file + at + CU_BLOCK, (flags & ODD_B) != 0);
    }
    return flags & CUT_SHORT ? at + CU_BLOCK + a_len % CU_BLOCK
                             : at + 2 * CU_BLOCK;
}

static void store(size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    require(fd >= 0);
    require(write(fd, file, len) == (ssize_t)len);
    require(close(fd) == 0);
}

static cu_state_file_t *reopen(apr_pool_t *pool)
{
    cu_state_file_t *sf;

    require(cu_state_open(&sf, dir, ID, 0, pool) == APR_SUCCESS);
    require(strcmp(sf->header.id, ID) == 0);
    require(sf->slots_at > 0 && sf->slots_at <= CU_HEADER_MAX);
    return sf;
}

/* Write a slot: it counts now, and the one before is where it was. */
static void check_write(cu_state_file_t *sf, apr_pool_t *pool)
{
    unsigned char both[2 * CU_BLOCK];
    cu_slot_t before = sf->slot, slot;
    int fd, i, seen = 0;

    require(cu_state_write(sf) == APR_SUCCESS);
    require(sf->slot.sequence == before.sequence + 1);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    require(fd >= 0);
    require(pread(fd, both, sizeof(both), sf->slots_at)
            == (ssize_t)sizeof(both));
    require(close(fd) == 0);
    for (i = 0; i < 2; ++i) {
        seen += cu_slot_decode(both + i * CU_BLOCK, &slot) == APR_SUCCESS
                && slot.sequence == before.sequence;
    }
    require(seen == 1);
    cu_state_close(sf);
    sf = reopen(pool);
    require(cu_state_lock(sf, 0, 0) == APR_SUCCESS);
    require(sf->slot.sequence == before.sequence + 1);
    require(sf->slot.offset == before.offset);
    require(sf->slot.status == before.status);
    cu_state_close(sf);
}

static void check(size_t len, apr_pool_t *pool)
{
    cu_state_file_t *sf;
    apr_status_t rv = cu_state_open(&sf, dir, ID, 0, pool);

    if (rv != APR_SUCCESS) {
        require(sf == NULL && (rv == APR_EINVAL || rv == APR_ENOTIMPL));
        return;
    }
    cu_state_close(sf);
    sf = reopen(pool);
    rv = cu_state_lock(sf, 1, 0);
    require(sf->locked && (rv == APR_SUCCESS || rv == APR_EINVAL));
    if (rv == APR_EINVAL) {
        cu_state_close(sf);
        return;
    }
    require((size_t)sf->slots_at + CU_BLOCK <= len);
    require(sf->slot.status > CU_STATUS_NONE
            && sf->slot.status < CU_STATUS_COUNT);
    require(sf->slot.length == CU_LENGTH_UNKNOWN
            || sf->slot.offset <= sf->slot.length);
    if (sf->slot.sequence < CU_SEQUENCE_MAX) {
        check_write(sf, pool);
    }
    else {
        cu_state_close(sf);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool;
    size_t len;

    if (size < 1) {
        return 0;
    }
    if (!top) {
        begin();
    }
    require(apr_pool_create(&pool, top) == APR_SUCCESS);
    len = build(data, size);
    store(len);
    check(len, pool);
    apr_pool_destroy(pool);
    return 0;
}
