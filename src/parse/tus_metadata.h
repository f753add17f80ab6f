/*
 * The two headers of tus 1.0 that have a grammar of their own.
 *
 *   Upload-Metadata: key base64(value),key base64(value),key
 *   Upload-Concat:   partial  |  final;URL URL ...
 *
 * Texts need not be terminated and are never changed; what comes out points
 * into them.  Nothing is allocated.
 */
#ifndef CU_PARSE_TUS_METADATA_H
#define CU_PARSE_TUS_METADATA_H

#include <apr.h>

#include "base/result.h"
#include "base/upload_id.h"

#define CU_TUS_METADATA_MAX 8192 /* bytes of the header's value */
#define CU_TUS_PAIRS_MAX 64      /* pairs in it */
#define CU_TUS_KEY_MAX 128       /* bytes of a key */
#define CU_TUS_CONCAT_MAX 8192   /* bytes of the header's value */

typedef struct cu_tus_pair_t {
    const char *key;
    apr_size_t key_len;
    const char *value; /* base64, perhaps empty */
    apr_size_t value_len;
} cu_tus_pair_t;

/**
 * Is this a value of Upload-Metadata: pairs divided by commas, blanks around
 * them allowed; keys of printable ASCII without blank and comma, each once;
 * values absent or well-formed base64; within the bounds above?  An empty text
 * is one without pairs.
 * @return NULL, or a static sentence that says what is wrong
 */
CU_MUST_CHECK const char *cu_tus_metadata_check(const char *text,
                                                apr_size_t len);

/**
 * Find a key in a text that cu_tus_metadata_check() is content with.
 * @param key  terminated, compared exactly
 * @param pair (out) set only when found
 * @return 1 if it is there
 */
CU_MUST_CHECK int cu_tus_metadata_find(const char *text, apr_size_t len,
                                       const char *key, cu_tus_pair_t *pair);

/**
 * Decode base64 (RFC 4648 4): padded to fours, no other character, unused bits
 * zero.
 * @param out     out_max bytes; not terminated
 * @param out_len (out) bytes decoded; set only on success
 * @return 1; 0 if it is malformed or does not fit
 */
CU_MUST_CHECK int cu_tus_base64(const char *text, apr_size_t len, char *out,
                                apr_size_t out_max, apr_size_t *out_len);

typedef enum cu_tus_concat_t {
    CU_TUS_CONCAT_BAD,
    CU_TUS_CONCAT_PARTIAL,
    CU_TUS_CONCAT_FINAL
} cu_tus_concat_t;

/**
 * Read a value of Upload-Concat.
 * @param list (out) for FINAL: where the URLs begin; they go on to the end
 */
CU_MUST_CHECK cu_tus_concat_t cu_tus_concat(const char *text, apr_size_t len,
                                            const char **list);

/**
 * Take the next URL of a list.  Only its last segment is looked at, since
 * scheme, host and prefix are what a proxy made of them; a query or fragment
 * behind it is passed over.
 * @param cursor (in/out)
 * @param id     (out) CU_UPLOAD_ID_LEN + 1 bytes, terminated
 * @return 1 with one; 0 at the end; -1 if this is no URL of an upload
 */
CU_MUST_CHECK int cu_tus_concat_next(const char **cursor, const char *end,
                                     char *id);

#endif
