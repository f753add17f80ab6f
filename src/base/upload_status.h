/*
 * The life of an upload.  The numbers are on disk: never renumber.
 *
 *   CREATING -> OPEN -> SEALING -> COMPLETE -> HANDING -> DONE
 *                 \-> CANCELLED, EXPIRED, DAMAGED
 */
#ifndef CU_BASE_UPLOAD_STATUS_H
#define CU_BASE_UPLOAD_STATUS_H

typedef enum cu_status_t {
    CU_STATUS_NONE = 0,
    CU_STATUS_CREATING = 1,  /* state file made, part perhaps not */
    CU_STATUS_OPEN = 2,      /* takes bytes */
    CU_STATUS_SEALING = 3,   /* verified and synced; being published */
    CU_STATUS_COMPLETE = 4,  /* published, not handed over */
    CU_STATUS_HANDING = 5,   /* a program is taking it */
    CU_STATUS_DONE = 6,      /* published and handed over, or nobody to hand to */
    CU_STATUS_CANCELLED = 7, /* being removed at its owner's word */
    CU_STATUS_EXPIRED = 8,   /* being removed for its age */
    CU_STATUS_DAMAGED = 9,   /* bytes and record disagree; kept for the admin */
    CU_STATUS_COUNT
} cu_status_t;

/* What an upload is to others.  The numbers are on disk: never renumber. */
typedef enum cu_role_t {
    CU_ROLE_FILE = 0,   /* a file of its own */
    CU_ROLE_PART = 1,   /* to be joined with others: never published alone */
    CU_ROLE_JOINED = 2, /* made of parts: takes no bytes from clients */
    CU_ROLE_COUNT
} cu_role_t;

/**
 * The word for a status, as the tool and the status answer say it.
 * @return a static lower-case word, "uploading" for OPEN and "complete" for
 *         DONE; "?" for values outside
 */
const char *cu_status_name(cu_status_t status);

#endif
