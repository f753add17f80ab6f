/*
 * Flat JSON objects for answers: a thin front of jansson.
 *
 * Keys keep the order in which they were added; the text is ASCII, with ", "
 * and ": " as separators, as Python's json.dumps writes it.
 */
#ifndef CU_DIALECT_JSON_H
#define CU_DIALECT_JSON_H

#include <apr.h>
#include <apr_pools.h>

#include "base/result.h"

typedef struct cu_json_t cu_json_t;

/**
 * Make an empty object.
 * @param pool owns it
 */
cu_json_t *cu_json_make(apr_pool_t *pool);

/**
 * Add a text.
 * @param key  ASCII
 * @param text any bytes: what is not UTF-8 becomes U+FFFD; NULL gives null
 * @param pool for the text while it is made valid
 */
void cu_json_add_text(cu_json_t *json, const char *key, const char *text,
                      apr_pool_t *pool);

/** Add a 64-bit integer; key as above. */
void cu_json_add_number(cu_json_t *json, const char *key,
                        apr_int64_t number);

/**
 * Write the object.
 * @param len  (out) bytes
 * @param pool owns the result
 * @return terminated; NULL when memory ran out here or while adding
 */
CU_MUST_CHECK const char *cu_json_write(const cu_json_t *json,
                                        apr_size_t *len, apr_pool_t *pool);

#endif
