/* How the tool writes times, sizes and uploads. */
#ifndef CU_CLI_TEXT_H
#define CU_CLI_TEXT_H

#include "cli/commands.h"
#include "engine/fsck.h"

/** "2026-11-23T19:50:33Z", or "never" for 0. */
const char *cu_text_time(apr_time_t time, apr_pool_t *pool);

/** "1.5 MiB"; "?" for CU_LENGTH_UNKNOWN. */
const char *cu_text_size(apr_off_t bytes, apr_pool_t *pool);

/** "42s", "17m", "5h", "12d". */
const char *cu_text_age(apr_interval_time_t age, apr_pool_t *pool);

/** Text of somebody else's, safe for a terminal; "-" for none. */
const char *cu_text_safe(const char *text, apr_pool_t *pool);

/** All of an upload as one line of JSON, without a newline; NULL: no memory. */
const char *cu_text_json(const cu_listed_t *listed, apr_pool_t *pool);

/**
 * Say that the store cannot be used.
 * @return CU_EXIT_STORE
 */
int cu_text_store_error(apr_status_t rv);

/**
 * Say what an outcome other than CU_OK means for an id.
 * @return the exit code
 */
int cu_text_outcome(const char *id, cu_code_t code, apr_pool_t *pool);

#endif
