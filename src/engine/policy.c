/* The limits of an endpoint, applied to claims and to facts. */
#include "engine/policy.h"

#include "engine/open.h"

static cu_code_t within(const cu_ask_t *ask, apr_off_t bytes,
                        cu_reply_t *reply, const char *detail)
{
    if (ask->policy->max_bytes == CU_NO_LIMIT
        || bytes <= ask->policy->max_bytes) {
        return CU_OK;
    }
    reply->limit = ask->policy->max_bytes;
    return cu_reply_say(reply, CU_TOO_LARGE, APR_SUCCESS, detail);
}

cu_code_t cu_policy_declared(const cu_ask_t *ask, cu_reply_t *reply)
{
    apr_off_t most = ask->length;

    if (most == CU_LENGTH_UNKNOWN && ask->chunk_length != CU_LENGTH_UNKNOWN) {
        most = ask->chunk_length > APR_INT64_MAX - ask->offset
                   ? APR_INT64_MAX
                   : ask->offset + ask->chunk_length;
    }
    return within(ask, most, reply,
                  "the declared size is above ChunkedUploadMaxBytes");
}

cu_code_t cu_policy_received(const cu_ask_t *ask, apr_off_t bytes,
                             cu_reply_t *reply)
{
    return within(ask, bytes, reply,
                  "more bytes arrived than ChunkedUploadMaxBytes allows");
}

apr_time_t cu_policy_expires(apr_interval_time_t expire, apr_time_t from)
{
    return expire < 0 ? 0 : from + expire;
}
