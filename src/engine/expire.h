/*
 * Expiry: what has passed its time is removed, what a crash left half-made or
 * half-removed is finished.  One step is one of the 256 state directories, so
 * that whoever runs it can stop in between; the cursor is the caller's.
 *
 * Safe beside a running server: every look and every removal is under the
 * upload's own lock, which is never waited for.  Constant memory.
 */
#ifndef CU_ENGINE_EXPIRE_H
#define CU_ENGINE_EXPIRE_H

#include "engine/engine.h"
#include "engine/fsck.h"

#define CU_EXPIRE_BUCKETS 256

/* An upload is being written as long as its writer has not ended and neither
 * its state nor its part was silent for this long, microseconds. */
#define CU_EXPIRE_WRITER_GRACE (60 * 60 * APR_USEC_PER_SEC)

/* Files that nobody finished or owns go after this time without a change. */
#define CU_EXPIRE_STRAY_GRACE (60 * 60 * APR_USEC_PER_SEC)

typedef struct cu_expire_rules_t {
    apr_interval_time_t older; /* unfinished uploads: -1 when their own expiry
                                  has passed; else at this age from creation */
    apr_interval_time_t keep_complete; /* complete uploads go at this age from
                                          completion; -1: they stay */
    int complete_too; /* complete uploads go as unfinished ones do (the seed's
                         command); keep_complete is not asked then */
    int dry_run;      /* count and tell, remove nothing */

    /* All three may be NULL.  No lock is held while agree or removed runs. */
    int (*agree)(void *baton, const cu_listed_t *upload); /* 0: leave it */
    void (*removed)(void *baton, const cu_listed_t *upload); /* or would be */
    int (*stop)(void *baton); /* non-zero: end the step as soon as possible */
    void *baton;
} cu_expire_rules_t;

/* What was seen and done, added up over steps. */
typedef struct cu_expire_t {
    apr_uint64_t seen;       /* state files */
    apr_uint64_t open;       /* of them unfinished, before removal */
    apr_uint64_t open_bytes; /* received by those */
    apr_uint64_t done;       /* complete */
    apr_uint64_t done_bytes;
    apr_time_t oldest;       /* creation of the oldest unfinished; 0: none */
    apr_uint64_t incomplete; /* unfinished uploads removed (or would be) */
    apr_uint64_t complete;   /* complete ones */
    apr_uint64_t bytes;      /* of both */
    apr_uint64_t finished;   /* leftovers of a crash put right */
    apr_uint64_t stray;      /* files without an upload removed */
    apr_uint64_t kept_stray; /* such files left for fsck, see stray.h */
    apr_uint64_t busy;       /* locked by others or being written: next time */
    apr_uint64_t damaged;    /* state files nobody can read */
    apr_uint64_t failed;     /* what the disk did not let go */
} cu_expire_t;

/** The reaper's rules: own expiry, complete uploads stay. */
void cu_expire_rules_init(cu_expire_rules_t *rules);

/**
 * One step: every upload of one state directory.
 * @param bucket 0 .. CU_EXPIRE_BUCKETS - 1
 * @param result added to
 * @return APR_SUCCESS; APR_EINTR (rules->stop said so); what reading the
 *         directory said.  A single upload's failure is counted and logged.
 */
CU_MUST_CHECK apr_status_t cu_expire_step(const cu_engine_t *engine,
                                          const cu_expire_rules_t *rules,
                                          int bucket, const cu_log_t *log,
                                          cu_expire_t *result,
                                          apr_pool_t *pool);

/**
 * Remove one upload, whoever owns it: the admin's word.
 * @param complete_too 0: only an unfinished one
 * @return CU_OK; CU_NOT_FOUND; CU_CONFLICT (it is complete); CU_BUSY;
 *         CU_DAMAGED (its state cannot be read); CU_NO_SPACE; CU_IO
 */
CU_MUST_CHECK cu_code_t cu_expire_one(const cu_engine_t *engine,
                                      const char *id, int complete_too,
                                      const cu_log_t *log, apr_pool_t *pool);

#endif
