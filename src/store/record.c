/*
 * State file headers, slots and catalogue records as bytes.  record.h has the
 * tables; nothing here does I/O.
 */
#include "store/record.h"

#include <string.h>

#include <apr_siphash.h>
#include <apr_strings.h>

#include "base/bytes.h"

#define HEADER_MAGIC "CUUPLOAD"
#define HEADER_VERSION 1
#define HEADER_FIXED 52
#define HEADER_TEXTS 10
#define SLOT_MAGIC "CUSLOT01"
#define SLOT_FIXED 106
#define CHECKSUM_AT 16
#define RECORD_VERSION 1
#define RECORD_FIXED 26

/* The sum of bytes[0 .. len) as if the checksum field were zero. */
static apr_uint64_t checksum(const unsigned char *bytes, apr_size_t len)
{
    static const unsigned char key[APR_SIPHASH_KSIZE] = "mod_chunked_upl";
    apr_uint64_t head, rest;

    head = apr_siphash24(bytes, CHECKSUM_AT, key);
    rest = apr_siphash24(bytes + CHECKSUM_AT + 8, len - CHECKSUM_AT - 8, key);
    return head ^ (rest << 1 | rest >> 63) ^ len;
}

static int checksum_holds(const unsigned char *bytes, apr_size_t len)
{
    return cu_get_u64(bytes + CHECKSUM_AT) == checksum(bytes, len);
}

static unsigned char *put_text(unsigned char *p, const char *text)
{
    apr_size_t len = strlen(text);

    p = cu_put_u16(p, (unsigned int)len);
    memcpy(p, text, len);
    return p + len;
}

/* Take one counted text; NULL when it runs over the end or holds a NUL. */
static const char *get_text(const unsigned char **p, const unsigned char *end,
                            apr_pool_t *pool)
{
    apr_size_t len;
    const char *text;

    if (end - *p < 2) {
        return NULL;
    }
    len = cu_get_u16(*p);
    *p += 2;
    if ((apr_size_t)(end - *p) < len || memchr(*p, '\0', len)) {
        return NULL;
    }
    text = apr_pstrmemdup(pool, (const char *)*p, len);
    *p += len;
    return text;
}

apr_status_t cu_header_encode(const cu_header_t *header, unsigned char **bytes,
                              apr_size_t *len, apr_pool_t *pool)
{
    const char *texts[HEADER_TEXTS];
    apr_size_t used = HEADER_FIXED;
    unsigned char *p;
    int i;

    texts[0] = header->id;
    texts[1] = header->owner;
    texts[2] = header->scope;
    texts[3] = header->dialect;
    texts[4] = header->root;
    texts[5] = header->path;
    texts[6] = header->name;
    texts[7] = header->type;
    texts[8] = header->metadata;
    texts[9] = header->concat;
    for (i = 0; i < HEADER_TEXTS; ++i) {
        apr_size_t n = strlen(texts[i]);

        if (n > CU_RECORD_TEXT_MAX) {
            return APR_EINVAL;
        }
        used += 2 + n;
    }
    *len = APR_ALIGN(used, CU_BLOCK);
    if (*len > CU_HEADER_MAX) {
        return APR_EINVAL;
    }
    *bytes = apr_pcalloc(pool, *len);
    memcpy(*bytes, HEADER_MAGIC, 8);
    p = cu_put_u32(*bytes + 8, HEADER_VERSION);
    p = cu_put_u32(p, (apr_uint32_t)used);
    p = cu_put_u64(p, 0);
    p = cu_put_u64(p, (apr_uint64_t)header->created);
    p = cu_put_u64(p, (apr_uint64_t)header->expire);
    p = cu_put_u64(p, (apr_uint64_t)header->max_bytes);
    *p++ = (unsigned char)((header->expire_idle != 0) | header->role << 1);
    *p++ = (unsigned char)header->digest;
    p = cu_put_u16(p, HEADER_TEXTS);
    for (i = 0; i < HEADER_TEXTS; ++i) {
        p = put_text(p, texts[i]);
    }
    (void)cu_put_u64(*bytes + CHECKSUM_AT, checksum(*bytes, used));
    return APR_SUCCESS;
}

apr_size_t cu_header_size(const unsigned char *block)
{
    apr_size_t used;

    if (memcmp(block, HEADER_MAGIC, 8) != 0) {
        return 0;
    }
    used = cu_get_u32(block + 12);
    if (used < HEADER_FIXED || used > CU_HEADER_MAX) {
        return 0;
    }
    return APR_ALIGN(used, CU_BLOCK);
}

apr_status_t cu_header_decode(const unsigned char *bytes, apr_size_t len,
                              cu_header_t *header, apr_pool_t *pool)
{
    const unsigned char *p, *end;
    const char *texts[HEADER_TEXTS];
    apr_size_t used;
    int i;

    if (len < CU_BLOCK || cu_header_size(bytes) != len) {
        return APR_EINVAL;
    }
    if (cu_get_u32(bytes + 8) > HEADER_VERSION) {
        return APR_ENOTIMPL;
    }
    used = cu_get_u32(bytes + 12);
    if (cu_get_u32(bytes + 8) != HEADER_VERSION
        || !checksum_holds(bytes, used)
        || cu_get_u16(bytes + 50) != HEADER_TEXTS
        || bytes[48] >> 1 >= CU_ROLE_COUNT) {
        return APR_EINVAL;
    }
    p = bytes + HEADER_FIXED;
    end = bytes + used;
    for (i = 0; i < HEADER_TEXTS; ++i) {
        texts[i] = get_text(&p, end, pool);
        if (!texts[i] || strlen(texts[i]) > CU_RECORD_TEXT_MAX) {
            return APR_EINVAL;
        }
    }
    if (p != end || !cu_upload_id_valid(texts[0], strlen(texts[0]))) {
        return APR_EINVAL;
    }
    header->id = texts[0];
    header->owner = texts[1];
    header->scope = texts[2];
    header->dialect = texts[3];
    header->root = texts[4];
    header->path = texts[5];
    header->name = texts[6];
    header->type = texts[7];
    header->metadata = texts[8];
    header->concat = texts[9];
    header->created = (apr_time_t)cu_get_u64(bytes + 24);
    header->expire = (apr_interval_time_t)cu_get_u64(bytes + 32);
    header->max_bytes = (apr_off_t)cu_get_u64(bytes + 40);
    header->expire_idle = bytes[48] & 1;
    header->role = (cu_role_t)(bytes[48] >> 1);
    header->digest = bytes[49];
    return APR_SUCCESS;
}

void cu_slot_encode(const cu_slot_t *slot, unsigned char *block)
{
    apr_size_t boot_len = strlen(slot->boot);
    apr_size_t hex_len = strlen(slot->digest_hex);
    unsigned char *p;

    memset(block, 0, CU_BLOCK);
    memcpy(block, SLOT_MAGIC, 8);
    p = cu_put_u64(block + 24, slot->sequence);
    p = cu_put_u64(p, slot->generation);
    p = cu_put_u64(p, (apr_uint64_t)slot->offset);
    p = cu_put_u64(p, (apr_uint64_t)slot->synced);
    p = cu_put_u64(p, (apr_uint64_t)slot->length);
    p = cu_put_u64(p, (apr_uint64_t)slot->active);
    p = cu_put_u64(p, (apr_uint64_t)slot->expires);
    p = cu_put_u64(p, (apr_uint64_t)slot->completed);
    p = cu_put_u64(p, slot->chunks);
    *p++ = (unsigned char)slot->status;
    *p++ = (unsigned char)(slot->writer_active != 0);
    *p++ = (unsigned char)slot->digest;
    *p++ = 0;
    p = cu_put_u16(p, (unsigned int)boot_len);
    p = cu_put_u16(p, (unsigned int)slot->digest_len);
    p = cu_put_u16(p, (unsigned int)hex_len);
    memcpy(p, slot->boot, boot_len);
    p += boot_len;
    memcpy(p, slot->digest_state, slot->digest_len);
    p += slot->digest_len;
    memcpy(p, slot->digest_hex, hex_len);
    p += hex_len;
    (void)cu_put_u32(block + 8, (apr_uint32_t)(p - block));
    (void)cu_put_u64(block + CHECKSUM_AT,
                     checksum(block, (apr_size_t)(p - block)));
}

/* Bounds that every writer keeps, checked on what a disk gave back. */
static int slot_is_sane(const cu_slot_t *slot)
{
    return slot->status > CU_STATUS_NONE && slot->status < CU_STATUS_COUNT
           && slot->sequence <= CU_SEQUENCE_MAX
           && slot->offset >= 0 && slot->synced >= 0
           && slot->length >= CU_LENGTH_UNKNOWN
           && (slot->length == CU_LENGTH_UNKNOWN
               || slot->offset <= slot->length);
}

apr_status_t cu_slot_decode(const unsigned char *block, cu_slot_t *slot)
{
    const unsigned char *p = block + SLOT_FIXED;
    apr_size_t used, boot_len, hex_len;

    if (memcmp(block, SLOT_MAGIC, 8) != 0) {
        return APR_EINVAL;
    }
    used = cu_get_u32(block + 8);
    if (used < SLOT_FIXED || used > CU_BLOCK || !checksum_holds(block, used)) {
        return APR_EINVAL;
    }
    memset(slot, 0, sizeof(*slot));
    boot_len = cu_get_u16(block + 100);
    slot->digest_len = cu_get_u16(block + 102);
    hex_len = cu_get_u16(block + 104);
    if (boot_len > CU_BOOT_ID_MAX || slot->digest_len > CU_SLOT_DIGEST_MAX
        || hex_len > CU_SLOT_HEX_MAX
        || used != SLOT_FIXED + boot_len + slot->digest_len + hex_len) {
        return APR_EINVAL;
    }
    slot->sequence = cu_get_u64(block + 24);
    slot->generation = cu_get_u64(block + 32);
    slot->offset = (apr_off_t)cu_get_u64(block + 40);
    slot->synced = (apr_off_t)cu_get_u64(block + 48);
    slot->length = (apr_off_t)cu_get_u64(block + 56);
    slot->active = (apr_time_t)cu_get_u64(block + 64);
    slot->expires = (apr_time_t)cu_get_u64(block + 72);
    slot->completed = (apr_time_t)cu_get_u64(block + 80);
    slot->chunks = cu_get_u64(block + 88);
    slot->status = (cu_status_t)block[96];
    slot->writer_active = block[97] != 0;
    slot->digest = block[98];
    memcpy(slot->boot, p, boot_len);
    p += boot_len;
    memcpy(slot->digest_state, p, slot->digest_len);
    p += slot->digest_len;
    memcpy(slot->digest_hex, p, hex_len);
    return slot_is_sane(slot) ? APR_SUCCESS : APR_EINVAL;
}

apr_size_t cu_record_encode(const cu_record_t *record, unsigned char *bytes)
{
    unsigned char *p = bytes;

    if (RECORD_FIXED + 8 + strlen(record->owner) + strlen(record->scope)
            + strlen(record->name) + strlen(record->path)
        > CU_RECORD_MAX) {
        return 0;
    }
    *p++ = RECORD_VERSION;
    *p++ = (unsigned char)record->status;
    p = cu_put_u64(p, (apr_uint64_t)record->created);
    p = cu_put_u64(p, (apr_uint64_t)record->length);
    p = cu_put_u64(p, (apr_uint64_t)record->expires);
    p = put_text(p, record->owner);
    p = put_text(p, record->scope);
    p = put_text(p, record->name);
    p = put_text(p, record->path);
    return (apr_size_t)(p - bytes);
}

apr_status_t cu_record_decode(const unsigned char *bytes, apr_size_t len,
                              cu_record_t *record, apr_pool_t *pool)
{
    const unsigned char *p = bytes + RECORD_FIXED, *end = bytes + len;

    if (len < RECORD_FIXED || len > CU_RECORD_MAX
        || bytes[0] != RECORD_VERSION || bytes[1] >= CU_STATUS_COUNT) {
        return APR_EINVAL;
    }
    record->status = (cu_status_t)bytes[1];
    record->created = (apr_time_t)cu_get_u64(bytes + 2);
    record->length = (apr_off_t)cu_get_u64(bytes + 10);
    record->expires = (apr_time_t)cu_get_u64(bytes + 18);
    record->owner = get_text(&p, end, pool);
    record->scope = record->owner ? get_text(&p, end, pool) : NULL;
    record->name = record->scope ? get_text(&p, end, pool) : NULL;
    record->path = record->name ? get_text(&p, end, pool) : NULL;
    return record->path && p == end ? APR_SUCCESS : APR_EINVAL;
}
