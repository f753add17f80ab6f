/*
 * What all children count together, in shared memory that lives as long as
 * the server's first process: a graceful restart, which loads this module
 * anew, finds it again by its name.  Nothing in it points anywhere.
 *
 * Counting never waits and cannot fail; without shared memory it is silence.
 */
#ifndef CU_HTTPD_COUNTERS_H
#define CU_HTTPD_COUNTERS_H

#include <httpd.h>

#include "base/upload_id.h"
#include "engine/engine.h"
#include "serve/serve.h"

typedef enum cu_count_t {
    CU_COUNT_STARTED,    /* uploads begun */
    CU_COUNT_CHUNKS,     /* chunks acknowledged */
    CU_COUNT_BYTES,      /* bytes acknowledged */
    CU_COUNT_COMPLETED,
    CU_COUNT_ABORTED,    /* requests whose body broke off */
    CU_COUNT_EXPIRED,    /* unfinished uploads removed by the reaper */
    CU_COUNT_PURGED,     /* complete ones, by ChunkedUploadKeepComplete */
    CU_COUNT_DIGEST,     /* completions with a wrong digest */
    CU_COUNT_TAKEOVER,   /* requests that a newer one superseded */
    CU_COUNT_PASSES,     /* of the reaper, ended */
    CU_COUNT_MAX
} cu_count_t;

#define CU_ROWS 64

/* An upload that was lately sent to. */
typedef struct cu_row_t {
    char id[CU_UPLOAD_ID_LEN + 1];
    apr_time_t first_at; /* when the bytes after first_offset were begun */
    apr_off_t first_offset;
    apr_time_t last_at;
    apr_off_t last_offset;
    cu_code_t last_code; /* of the last request */
} cu_row_t;

/** post_config: find the shared memory of this server, or make it. */
void cu_counters_start(server_rec *s);

/** Add to a counter. */
void cu_counters_add(cu_count_t which, apr_uint64_t n);

/** A counter's value. */
apr_uint64_t cu_counters_get(cu_count_t which);

/** Requests refused for this reason. */
apr_uint64_t cu_counters_refused(cu_code_t code);

/** Since when is counted; 0: not at all. */
apr_time_t cu_counters_since(void);

/**
 * The uploads that were sent to lately, in no order.
 * @param rows CU_ROWS of them
 * @return how many
 */
int cu_counters_rows(cu_row_t *rows);

/**
 * A request has been served: count it, and say one line about an upload that
 * is complete now.
 */
void cu_counters_observe(request_rec *r, const cu_engine_t *engine,
                         const cu_outcome_t *outcome, const cu_log_t *log);

#endif
