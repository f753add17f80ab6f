/*
 * The vocabulary of outcomes, from the engine upwards.
 *
 * Leaf layers (parse, digest, store) answer with apr_status_t or a parser
 * verdict; engine, dialect and serve answer with cu_code_t.  No code here
 * knows an HTTP status: each dialect ends in one table that gives it one.
 */
#ifndef CU_BASE_RESULT_H
#define CU_BASE_RESULT_H

#if defined(__GNUC__)
#define CU_MUST_CHECK __attribute__((warn_unused_result))
#define CU_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define CU_MUST_CHECK
#define CU_PRINTF(fmt, first)
#endif

/* For the undoing of something that failed already: the first failure is the
 * one to report, and this says that the second was thought of. */
#define CU_BEST_EFFORT(call)                                                  \
    do {                                                                      \
        if ((call) != 0) {                                                    \
        }                                                                     \
    } while (0)

/* A length (bytes) that is not known yet; a limit that is not set. */
#define CU_LENGTH_UNKNOWN ((apr_off_t)-1)
#define CU_NO_LIMIT ((apr_off_t)-1)

typedef enum cu_code_t {
    CU_OK = 0,          /* done as asked */
    CU_NOT_FOUND,       /* no such upload, or not this owner's: no difference
                           is to be seen from outside */
    CU_GONE,            /* expired or cancelled, but still known */
    CU_CONFLICT,        /* already complete; nothing changed */
    CU_UNAUTHENTICATED, /* this endpoint wants a user and there is none */
    CU_BAD_ASK,         /* the request contradicts itself or the grammar */
    CU_NO_FILE,         /* a chunk was expected and the body has none */
    CU_BAD_METHOD,      /* this resource does not have this method */
    CU_OFFSET_MISMATCH, /* nothing changed; reply->offset is where to go on */
    CU_LENGTH_MISMATCH, /* more or fewer bytes than declared, or the declared
                           total changed; nothing counts */
    CU_TOO_LARGE,       /* above reply->limit bytes */
    CU_DIGEST_MISMATCH, /* the bytes are not those the client meant */
    CU_INCOMPLETE,      /* completion asked, bytes still missing */
    CU_BUSY,            /* locked or being finished: ask again in
                           reply->retry_after */
    CU_SUPERSEDED,      /* a newer request for the same upload took over */
    CU_NO_SPACE,        /* disk or disk quota full */
    CU_DAMAGED,         /* what is on disk contradicts itself; kept, reported */
    CU_IO,              /* the disk failed; reply->rv says how */
    CU_BODY_LOST,       /* the client's body broke off or could not be read */
    CU_BODY_TOO_LARGE,  /* a request with more than reply->limit bytes */
    CU_BUG,             /* ours */
    CU_CODE_COUNT
} cu_code_t;

/**
 * The name of a code, for logs and tests.
 * @param code any value
 * @return a static string such as "OFFSET_MISMATCH"; "?" for values outside
 */
const char *cu_code_name(cu_code_t code);

#endif
