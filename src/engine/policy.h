/*
 * Limits, all in one place.  Internal to the engine layer.
 */
#ifndef CU_ENGINE_POLICY_H
#define CU_ENGINE_POLICY_H

#include "engine/upload.h"

/**
 * Does what the ask declares fit the limits?
 * @return CU_OK; CU_TOO_LARGE with reply->limit
 */
CU_MUST_CHECK cu_code_t cu_policy_declared(const cu_ask_t *ask,
                                           cu_reply_t *reply);

/**
 * May the upload grow to this many bytes?  Counts what arrived, not claims.
 * @return CU_OK; CU_TOO_LARGE with reply->limit
 */
CU_MUST_CHECK cu_code_t cu_policy_received(const cu_ask_t *ask,
                                           apr_off_t bytes,
                                           cu_reply_t *reply);

/**
 * When an upload expires.
 * @param expire  microseconds; -1 never
 * @param from    created, or now for the idle rule
 * @return 0: never
 */
apr_time_t cu_policy_expires(apr_interval_time_t expire, apr_time_t from);

#endif
