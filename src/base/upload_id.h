/*
 * Upload ids: 128 random bits as 32 lower-case hex digits, the form of the
 * seed's uuid4().hex.  Nothing else is an id, so an id is safe in a path.
 */
#ifndef CU_BASE_UPLOAD_ID_H
#define CU_BASE_UPLOAD_ID_H

#include <apr_errno.h>
#include <apr_pools.h>

#include "base/result.h"

#define CU_UPLOAD_ID_LEN 32

/**
 * Make a new id from the system's generator.
 * @param out  CU_UPLOAD_ID_LEN + 1 bytes, terminated
 * @return APR_SUCCESS, or what apr_generate_random_bytes() said
 */
CU_MUST_CHECK apr_status_t cu_upload_id_make(char *out);

/**
 * Is this exactly an id?
 * @param text need not be terminated; NULL is no id
 * @param len  its length in bytes
 */
int cu_upload_id_valid(const char *text, apr_size_t len);

#endif
