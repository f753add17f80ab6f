/*
 * Opening an upload for an operation: found, its owner's, locked, and with
 * whatever a crash left behind put right.  Internal to the engine layer.
 */
#ifndef CU_ENGINE_OPEN_H
#define CU_ENGINE_OPEN_H

#include "engine/engine.h"
#include "store/catalogue.h"
#include "store/state_file.h"

struct cu_engine_t {
    const char *state_dir;
    const char *root;
    const char *dbm;
    cu_sync_t sync;
    cu_clock_fn clock;
    char boot[CU_BOOT_ID_MAX + 1]; /* "" where the system has none: then a
                                      power loss is not told from a crash */
    cu_catalogue_t *catalogue;
    cu_catalogue_source_t source;
};

/** Begin a reply: everything unknown. */
void cu_reply_init(cu_reply_t *reply);

/**
 * Set code, low cause and detail.
 * @return code
 */
cu_code_t cu_reply_say(cu_reply_t *reply, cu_code_t code, apr_status_t rv,
                       const char *detail);

/**
 * The code for a disk status: NO_SPACE, BUSY (a lock) or IO.
 * @return the code, which is also said in the reply
 */
cu_code_t cu_reply_disk(cu_reply_t *reply, apr_status_t rv,
                        const char *detail);

/**
 * The code for a part that cannot be opened or measured: DAMAGED when it is
 * not there, or is something else, or is shorter than recorded (APR_EOF);
 * else what the disk says, since the bytes may well be there.
 */
cu_code_t cu_reply_part(cu_reply_t *reply, apr_status_t rv);

/** Facts of an open upload into a reply; texts are copied to pool. */
void cu_reply_facts(cu_reply_t *reply, const cu_state_file_t *sf,
                    apr_pool_t *pool);

/**
 * Is there a user where one is needed?  The first check of all.
 * @return CU_OK or CU_UNAUTHENTICATED
 */
CU_MUST_CHECK cu_code_t cu_open_admit(const cu_ask_t *ask, cu_reply_t *reply);

/**
 * The stored form of an owner: "" anonymous, "u:" + name, or "h:" + SHA-256
 * in hex for names above CU_UPLOAD_OWNER_MAX bytes.
 * @return NULL when libcrypto refuses
 */
const char *cu_open_owner(const char *owner, apr_pool_t *pool);

/**
 * Open, check the owner and scope, lock, read, recover.
 * @param exclusive 0 for looking only
 * @param sf        (out) locked; NULL unless CU_OK
 * @param reply     (out) facts
 * @return CU_OK; CU_NOT_FOUND; CU_GONE (was being removed for its age);
 *         CU_BUSY; CU_DAMAGED; CU_IO
 */
CU_MUST_CHECK cu_code_t cu_open(const cu_engine_t *engine,
                                const cu_ask_t *ask, int exclusive,
                                cu_state_file_t **sf, cu_reply_t *reply,
                                apr_pool_t *pool);

/**
 * What is said counts as a promise; but the process that wrote the slot may
 * have died before it synced it.  To be called before the facts of an upload
 * are told, by whoever does not write a slot himself.
 * @return CU_OK; CU_IO, CU_NO_SPACE (then reply says so)
 */
CU_MUST_CHECK cu_code_t cu_open_confirm(const cu_engine_t *engine,
                                        cu_state_file_t *sf,
                                        cu_reply_t *reply);

/** Is an upload with this slot past its expiry? */
int cu_open_expired(const cu_engine_t *engine, const cu_state_file_t *sf);

/** The catalogue record of a state file; texts by reference. */
void cu_open_record(const cu_state_file_t *sf, cu_record_t *record);

/**
 * Remove everything of an upload, in the order of store/partfile.h.  Under
 * the exclusive lock; harmless when repeated after a crash at any point.
 * @param status CU_STATUS_CANCELLED or CU_STATUS_EXPIRED
 */
CU_MUST_CHECK apr_status_t cu_open_remove(const cu_engine_t *engine,
                                          cu_state_file_t *sf,
                                          cu_status_t status,
                                          const cu_log_t *log,
                                          apr_pool_t *scratch);

#endif
