/*
 * The bytes of a state file, in and out.  The format comes first:
 *
 *   state file = header | slot A | slot B
 *
 *   header, in whole blocks of 4096 bytes, at most CU_HEADER_MAX, written once:
 *     0   8  "CUUPLOAD"
 *     8   4  version = 1
 *    12   4  length of the encoded header in bytes (the rest is zero)
 *    16   8  checksum of bytes 0 .. length-1 with this field zero
 *    24   8  created, microseconds since the epoch
 *    32   8  expire, microseconds; all ones: never
 *    40   8  max_bytes; all ones: no limit
 *    48   1  bit 0: expire counts from 0 creation, 1 last activity; bits 1-2:
 *            role (base/upload_status.h)
 *    49   1  digest kept: 0 none, 1 md5
 *    50   2  number of texts = 10
 *    52   .  texts, each u16 length + bytes, no NUL inside: id, owner, scope,
 *            dialect, root, path, name, type, metadata, concat ("" for none)
 *
 *   slot, in a block of 4096 bytes of its own, the two written in turn:
 *     0   8  "CUSLOT01"
 *     8   4  length of the encoded slot in bytes
 *    12   4  zero
 *    16   8  checksum of bytes 0 .. length-1 with this field zero
 *    24   8  sequence: the higher valid slot counts
 *    32   8  generation: raised by whoever takes the right to write
 *    40   8  offset: bytes that count
 *    48   8  synced: bytes known to be on disk
 *    56   8  length declared; all ones: unknown
 *    64   8  last activity    72 8 expiry (0 never)    80 8 completed at
 *    88   8  chunks accepted
 *    96   1  status           97 1 writer active
 *    98   1  digest           99 1 zero
 *   100   2  length of the boot id      102 2 length of the digest state
 *   104   2  length of the digest in hex
 *   106   .  boot id, digest state, digest in hex
 *
 * All numbers big-endian.  The checksum is SipHash-2-4 under a fixed key: it
 * finds tears and flips, it is no signature.  What is read back is untrusted:
 * every length is bounded before it is used.
 */
#ifndef CU_STORE_RECORD_H
#define CU_STORE_RECORD_H

#include <apr_errno.h>
#include <apr_pools.h>
#include <apr_time.h>

#include "base/result.h"
#include "base/upload_id.h"
#include "base/upload_status.h"

#define CU_BLOCK 4096
#define CU_HEADER_MAX (8 * CU_BLOCK)
#define CU_RECORD_TEXT_MAX 8192
#define CU_BOOT_ID_MAX 64
#define CU_SLOT_DIGEST_MAX 256
#define CU_SLOT_HEX_MAX 128
#define CU_SEQUENCE_MAX APR_INT64_MAX /* of a slot: the next one is above it,
                                         and no disk lives to see it */

/* Written once, at creation.  Texts are never NULL; "" is none. */
typedef struct cu_header_t {
    const char *id;
    const char *owner;   /* stored form, see engine/open.h */
    const char *scope;
    const char *dialect;
    const char *root;    /* absolute store root of the part */
    const char *path;    /* of the part, relative to the root */
    const char *name;
    const char *type;
    const char *metadata; /* the client's own words, as sent */
    const char *concat;   /* how it is put together, as sent */
    apr_time_t created;
    apr_interval_time_t expire; /* microseconds; -1 never */
    apr_off_t max_bytes;        /* CU_NO_LIMIT */
    int expire_idle;            /* 1: counts from the last activity */
    unsigned int digest;        /* algorithm number, opaque here */
    cu_role_t role;
} cu_header_t;

/* Written at every change, by whoever holds the exclusive lock. */
typedef struct cu_slot_t {
    apr_uint64_t sequence;
    apr_uint64_t generation;
    apr_off_t offset;
    apr_off_t synced;
    apr_off_t length;   /* CU_LENGTH_UNKNOWN */
    apr_time_t active;
    apr_time_t expires; /* 0: never */
    apr_time_t completed;
    apr_uint64_t chunks;
    cu_status_t status;
    int writer_active;
    unsigned int digest; /* algorithm of digest_state and digest_hex */
    apr_size_t digest_len;
    unsigned char digest_state[CU_SLOT_DIGEST_MAX];
    char digest_hex[CU_SLOT_HEX_MAX + 1]; /* of the whole file; "" till sealed */
    char boot[CU_BOOT_ID_MAX + 1];        /* boot in which it was written */
} cu_slot_t;

/**
 * Encode a header.
 * @param bytes (out) in pool, padded with zeros to whole blocks
 * @param len   (out) a multiple of CU_BLOCK
 * @return APR_SUCCESS; APR_EINVAL for a text that is too long
 */
CU_MUST_CHECK apr_status_t cu_header_encode(const cu_header_t *header,
                                            unsigned char **bytes,
                                            apr_size_t *len,
                                            apr_pool_t *pool);

/**
 * How long is the header that begins with this block, in bytes with padding?
 * @param block CU_BLOCK bytes
 * @return 0 when this is no header
 */
apr_size_t cu_header_size(const unsigned char *block);

/**
 * Decode a header.
 * @param len    as cu_header_size() said
 * @param header (out) texts live in pool
 * @return APR_SUCCESS; APR_EINVAL (damaged); APR_ENOTIMPL (a later version)
 */
CU_MUST_CHECK apr_status_t cu_header_decode(const unsigned char *bytes,
                                            apr_size_t len,
                                            cu_header_t *header,
                                            apr_pool_t *pool);

/**
 * Encode a slot into a block.
 * @param block CU_BLOCK bytes; all are set
 */
void cu_slot_encode(const cu_slot_t *slot, unsigned char *block);

/**
 * Decode a slot.
 * @return APR_SUCCESS; APR_EINVAL (empty, torn, damaged)
 */
CU_MUST_CHECK apr_status_t cu_slot_decode(const unsigned char *block,
                                          cu_slot_t *slot);

/**
 * The record of an upload in the catalogue: what listing needs, under 1008
 * bytes for key and value together (sdbm).  The state file is the truth.
 *   u8 version = 1, u8 status, u64 created, u64 length, u64 expires, then
 *   u16-counted texts: owner, scope, name, root-relative path
 */
typedef struct cu_record_t {
    const char *owner;
    const char *scope;
    const char *name;
    const char *path;
    apr_time_t created;
    apr_time_t expires;
    apr_off_t length;
    cu_status_t status;
} cu_record_t;

#define CU_RECORD_MAX 900

/**
 * Encode a catalogue record.
 * @param bytes CU_RECORD_MAX bytes
 * @return its length; 0 when the texts do not fit (callers cap them)
 */
apr_size_t cu_record_encode(const cu_record_t *record, unsigned char *bytes);

/** @return APR_SUCCESS; APR_EINVAL (damaged or another version) */
CU_MUST_CHECK apr_status_t cu_record_decode(const unsigned char *bytes,
                                            apr_size_t len,
                                            cu_record_t *record,
                                            apr_pool_t *pool);

#endif
