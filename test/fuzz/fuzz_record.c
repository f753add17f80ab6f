/*
 * store/record.h: headers, slots and catalogue records from untrusted bytes.
 *
 * Input: a byte that chooses what the rest is (header, slot, record), and
 * whether its magic and checksum are put right: else none but the corpus
 * would pass them.  What is decoded must lie in its bounds, and must be the
 * same when it is encoded and decoded again.  The source is included for its
 * checksum.
 */
#include <stdint.h>
#include <stdlib.h>

#include <apr_general.h>

#include "store/record.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADER, SLOT, RECORD, KINDS };
#define WITH_CHECKSUM 0x80

static apr_pool_t *top;

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

/* A block of its own of len bytes, zero behind the data. */
static unsigned char *block_of(const uint8_t *data, size_t size, size_t len)
{
    unsigned char *block = calloc(1, len);

    require(block != NULL);
    if (size) {
        memcpy(block, data, size < len ? size : len);
    }
    return block;
}

static void put_right(unsigned char *block, const char *magic, size_t least,
                      size_t most)
{
    size_t used = cu_get_u32(block + 12);

    if (strcmp(magic, SLOT_MAGIC) == 0) {
        used = cu_get_u32(block + 8);
    }
    memcpy(block, magic, 8);
    if (used >= least && used <= most) {
        (void)cu_put_u64(block + CHECKSUM_AT, checksum(block, used));
    }
}

static void same_header(const cu_header_t *a, const cu_header_t *b)
{
    require(strcmp(a->id, b->id) == 0 && strcmp(a->owner, b->owner) == 0);
    require(strcmp(a->scope, b->scope) == 0);
    require(strcmp(a->dialect, b->dialect) == 0);
    require(strcmp(a->root, b->root) == 0 && strcmp(a->path, b->path) == 0);
    require(strcmp(a->name, b->name) == 0 && strcmp(a->type, b->type) == 0);
    require(strcmp(a->metadata, b->metadata) == 0);
    require(strcmp(a->concat, b->concat) == 0 && a->role == b->role);
    require(a->created == b->created && a->expire == b->expire);
    require(a->max_bytes == b->max_bytes && a->digest == b->digest);
    require(a->expire_idle == b->expire_idle);
}

static void check_header(const uint8_t *data, size_t size, int right,
                         apr_pool_t *pool)
{
    unsigned char *first = block_of(data, size, CU_BLOCK), *all, *back;
    cu_header_t header, again;
    apr_size_t len, back_len;
    apr_status_t rv;

    if (right) {
        memcpy(first, HEADER_MAGIC, 8);
    }
    len = cu_header_size(first);
    require(len % CU_BLOCK == 0 && len <= CU_HEADER_MAX);
    if (len == 0) {
        require(cu_header_decode(first, CU_BLOCK, &header, pool)
                == APR_EINVAL);
        free(first);
        return;
    }
    all = block_of(data, size, len);
    if (right) {
        put_right(all, HEADER_MAGIC, HEADER_FIXED, CU_HEADER_MAX);
    }
    rv = cu_header_decode(all, len, &header, pool);
    require(rv == APR_SUCCESS || rv == APR_EINVAL || rv == APR_ENOTIMPL);
    if (rv == APR_SUCCESS) {
        require(cu_header_encode(&header, &back, &back_len, pool)
                == APR_SUCCESS);
        require(back_len == len
                && cu_get_u32(back + 12) == cu_get_u32(all + 12));
        require(cu_header_decode(back, back_len, &again, pool)
                == APR_SUCCESS);
        same_header(&header, &again);
    }
    free(all);
    free(first);
}

static void same_slot(const cu_slot_t *a, const cu_slot_t *b)
{
    require(a->sequence == b->sequence && a->generation == b->generation);
    require(a->offset == b->offset && a->synced == b->synced);
    require(a->length == b->length && a->active == b->active);
    require(a->expires == b->expires && a->completed == b->completed);
    require(a->chunks == b->chunks && a->status == b->status);
    require(a->writer_active == b->writer_active && a->digest == b->digest);
    require(a->digest_len == b->digest_len
            && memcmp(a->digest_state, b->digest_state, a->digest_len) == 0);
    require(strcmp(a->digest_hex, b->digest_hex) == 0);
    require(strcmp(a->boot, b->boot) == 0);
}

static void check_slot(const uint8_t *data, size_t size, int right)
{
    unsigned char *block = block_of(data, size, CU_BLOCK);
    unsigned char *back = block_of(NULL, 0, CU_BLOCK);
    cu_slot_t slot, again;

    if (right) {
        put_right(block, SLOT_MAGIC, SLOT_FIXED, CU_BLOCK);
    }
    if (cu_slot_decode(block, &slot) == APR_SUCCESS) {
        require(slot.status > CU_STATUS_NONE && slot.status < CU_STATUS_COUNT);
        require(slot.offset >= 0 && slot.synced >= 0);
        require(strlen(slot.boot) <= CU_BOOT_ID_MAX);
        require(strlen(slot.digest_hex) <= CU_SLOT_HEX_MAX);
        cu_slot_encode(&slot, back);
        require(cu_slot_decode(back, &again) == APR_SUCCESS);
        same_slot(&slot, &again);
    }
    free(back);
    free(block);
}

static void check_record(const uint8_t *data, size_t size, apr_pool_t *pool)
{
    unsigned char *bytes = block_of(data, size, size ? size : 1);
    unsigned char *back = block_of(NULL, 0, CU_RECORD_MAX);
    cu_record_t a, b;
    apr_size_t len;

    if (cu_record_decode(bytes, size, &a, pool) == APR_SUCCESS) {
        len = cu_record_encode(&a, back);
        require(len == size && memcmp(back, bytes, size) == 0);
        require(cu_record_decode(back, len, &b, pool) == APR_SUCCESS);
        require(strcmp(a.owner, b.owner) == 0);
        require(strcmp(a.scope, b.scope) == 0);
        require(strcmp(a.name, b.name) == 0 && strcmp(a.path, b.path) == 0);
        require(a.created == b.created && a.expires == b.expires);
        require(a.length == b.length && a.status == b.status);
    }
    free(back);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool;
    int right;

    if (size < 1) {
        return 0;
    }
    if (!top) {
        require(apr_initialize() == APR_SUCCESS);
        require(apr_pool_create(&top, NULL) == APR_SUCCESS);
    }
    require(apr_pool_create(&pool, top) == APR_SUCCESS);
    right = (data[0] & WITH_CHECKSUM) != 0;
    switch ((data[0] & ~WITH_CHECKSUM) % KINDS) {
    case HEADER:
        check_header(data + 1, size - 1, right, pool);
        break;
    case SLOT:
        check_slot(data + 1, size - 1, right);
        break;
    default:
        check_record(data + 1, size - 1, pool);
        break;
    }
    apr_pool_destroy(pool);
    return 0;
}
