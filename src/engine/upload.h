/*
 * The words between a dialect and the engine: an upload, what is asked of it,
 * what came out.  Speaks uploads, not HTTP.
 */
#ifndef CU_ENGINE_UPLOAD_H
#define CU_ENGINE_UPLOAD_H

#include <apr.h>
#include <apr_errno.h>
#include <apr_time.h>

#include "base/log.h"
#include "base/result.h"
#include "base/upload_status.h"
#include "digest/digest.h"

/* Longest texts that are kept; longer ones are refused (name is cut by the
 * dialect, an owner is hashed by the engine). */
#define CU_UPLOAD_NAME_MAX 255
#define CU_UPLOAD_TYPE_MAX 255
#define CU_UPLOAD_OWNER_MAX 64
#define CU_UPLOAD_SCOPE_MAX 200
#define CU_UPLOAD_PATH_MAX 200
#define CU_UPLOAD_CLIENT_MAX 8192 /* of metadata and of concat, each */

typedef enum cu_expire_from_t {
    CU_EXPIRE_FROM_CREATED, /* the seed's: later chunks do not extend it */
    CU_EXPIRE_FROM_IDLE     /* counted anew from every accepted chunk */
} cu_expire_from_t;

/* The limits and rules in force for one request; from the configuration. */
typedef struct cu_policy_t {
    apr_off_t max_bytes;          /* of the whole upload; CU_NO_LIMIT */
    apr_interval_time_t expire;   /* microseconds; -1 never */
    cu_expire_from_t expire_from;
    const char *path_template;    /* strftime in UTC, relative, below the root */
    cu_digest_alg_t digest;       /* kept while bytes arrive; NONE for none */
    int anonymous;                /* 0: an owner is needed */
    int delete_complete;          /* cancelling may remove a finished upload */
} cu_policy_t;

/* What is asked.  All memory is the caller's and outlives the call (for
 * append: the cu_append_t). */
typedef struct cu_ask_t {
    const char *id;          /* valid id, or NULL: a new upload */
    const char *owner;       /* authenticated user, or NULL: anonymous */
    const char *scope;       /* which endpoint's uploads; never NULL */
    const char *dialect;     /* name, stored at creation */
    const cu_policy_t *policy;
    const cu_log_t *log;     /* where this request's words go */

    apr_off_t offset;        /* of the chunk's first byte */
    apr_off_t chunk_length;  /* bytes the chunk will have; CU_LENGTH_UNKNOWN */
    apr_off_t length;        /* declared total; CU_LENGTH_UNKNOWN */
    int whole;               /* the chunk's end is the upload's end: its size
                                becomes the total (no Content-Range) */
    int keep_partial;        /* bytes of a broken chunk count (tus); 0: a chunk
                                counts whole or not at all (the seed) */
    const char *name;        /* display name for a new upload, or NULL */
    const char *type;        /* media type for a new upload, or NULL */
    const char *metadata;    /* the client's own words for a new upload, kept
                                as they are; or NULL */
    const char *concat;      /* likewise, how it is put together */
    cu_role_t role;          /* of a new upload */

    const char *fault;       /* a fault of the request that a dialect reports
                                only after the upload's own state (the seed's
                                order of checks): NULL, or the client's text
                                for CU_BAD_ASK */

    const char *digest_hex;  /* completion: what the client computed, or NULL */
    int digest_required;     /* completion: compare digest_hex with policy's
                                digest; 0: complete without comparing */

    cu_digest_alg_t checksum; /* of the bytes of this chunk alone; NONE: none.
                                Goes with keep_partial = 0: a chunk that is
                                checked counts whole or not at all */
    const char *checksum_hex; /* what the client computed */

    int fence;               /* query: the offset must hold, so a writer who
                                is at it is told to stop */
} cu_ask_t;

/* What came out.  Facts are set on every outcome on which they are known
 * (id != NULL says that the upload was found). */
typedef struct cu_reply_t {
    const char *id;          /* NULL: no upload was found or made */
    apr_off_t offset;        /* bytes that count; 0 for a new upload */
    apr_off_t length;        /* declared total; CU_LENGTH_UNKNOWN */
    apr_time_t created;
    apr_time_t expires;      /* 0: never */
    cu_status_t status;
    const char *name;        /* or NULL */
    const char *type;        /* or NULL */
    const char *path;        /* absolute path of the bytes; not for clients */
    const char *digest_hex;  /* of the complete file, or NULL */
    cu_digest_alg_t digest;  /* which one that is */
    const char *metadata;    /* as the client sent it, or NULL */
    const char *concat;      /* likewise */
    cu_role_t role;

    apr_off_t limit;         /* CU_TOO_LARGE: the limit that was passed */
    apr_interval_time_t retry_after; /* CU_BUSY: microseconds */
    apr_status_t rv;         /* the low cause, or APR_SUCCESS */
    const char *detail;      /* one sentence for the log; never NULL unless
                                CU_OK */
    apr_uint64_t reread;     /* bytes read back from disk for the digest */
} cu_reply_t;

#endif
