/*
 * One chunk into one upload: the hot path.  The order of writing is in
 * store/partfile.h, who may write is in design.md 5 (one writer, the newest).
 */
#ifndef CU_ENGINE_APPEND_H
#define CU_ENGINE_APPEND_H

#include "engine/engine.h"

typedef struct cu_append_t cu_append_t;

/**
 * Take the right to append one chunk, to the upload ask->id or to a new one.
 * Holds the upload's lock only while the generation is raised; never across
 * calls.  A new upload exists from here on, and is removed again by
 * cu_append_abort() unless ask->keep_partial.
 * @param ap    (out) NULL unless CU_OK; valid until end/abort or `pool` goes
 * @param ask   kept by reference until end/abort
 * @param reply (out) facts on any outcome
 * @param pool  owns *ap and its descriptors; clearing it is an abort
 * @return CU_OK: this request is the writer now;
 *         in this order: CU_UNAUTHENTICATED, CU_NOT_FOUND, CU_GONE,
 *         CU_CONFLICT, CU_BAD_ASK (ask->fault), CU_TOO_LARGE (declared),
 *         CU_LENGTH_MISMATCH (declared total differs from an earlier one),
 *         CU_OFFSET_MISMATCH (reply->offset), CU_LENGTH_MISMATCH (the chunk
 *         would end beyond the upload); or CU_BUSY, CU_DAMAGED,
 *         CU_NO_SPACE, CU_IO.  Nothing changed on any of these.
 */
CU_MUST_CHECK cu_code_t cu_append_begin(cu_append_t **ap,
                                        const cu_engine_t *engine,
                                        const cu_ask_t *ask,
                                        cu_reply_t *reply, apr_pool_t *pool);

/**
 * The same for a chunk whose upload is not known yet (`upload_id` follows the
 * file part): the bytes go to an unnamed temporary file in the store, under
 * the same limits, until cu_append_adopt().
 */
CU_MUST_CHECK cu_code_t cu_append_begin_unnamed(cu_append_t **ap,
                                                const cu_engine_t *engine,
                                                const cu_ask_t *ask,
                                                cu_reply_t *reply,
                                                apr_pool_t *pool);

/**
 * Add bytes, by reference: the memory must stay until cu_append_settle().
 * @return CU_OK; CU_TOO_LARGE (policy); CU_LENGTH_MISMATCH (more than
 *         declared); CU_SUPERSEDED; CU_NO_SPACE; CU_IO.  After anything but
 *         CU_OK only cu_append_abort() is useful.
 */
CU_MUST_CHECK cu_code_t cu_append_write(cu_append_t *ap, const char *data,
                                        apr_size_t len, cu_reply_t *reply);

/**
 * The memory of earlier writes is about to go: write it out, or copy it when
 * it is too little to be worth a write.
 * @return as cu_append_write()
 */
CU_MUST_CHECK cu_code_t cu_append_settle(cu_append_t *ap, cu_reply_t *reply);

/**
 * Forget the bytes of this chunk and start it again at the same offset (a
 * form that repeats its file field: the last wins).  What was declared for
 * the chunk stays.
 * @return as cu_append_write()
 */
CU_MUST_CHECK cu_code_t cu_append_restart(cu_append_t *ap, cu_reply_t *reply);

/**
 * The bytes so far belong to the upload ask->id: begin there by the rules of
 * cu_append_begin(), move them over, and go on there.  An upload that
 * cu_append_begin() made for them is removed.
 * @param ask with an id; kept by reference from here on
 * @return as cu_append_begin() and cu_append_write(); after anything but
 *         CU_OK only cu_append_abort() is useful
 */
CU_MUST_CHECK cu_code_t cu_append_adopt(cu_append_t *ap, const cu_ask_t *ask,
                                        cu_reply_t *reply);

/**
 * The chunk is whole: write, sync as configured, record, and let go.
 * @param reply (out) the new offset, expiry
 * @return CU_OK: the bytes are acknowledged; CU_LENGTH_MISMATCH (fewer than
 *         declared): nothing of the chunk counts unless ask->keep_partial;
 *         CU_DIGEST_MISMATCH (ask->checksum: nothing of the chunk counts);
 *         CU_OFFSET_MISMATCH (an unnamed chunk nobody adopted: reply->offset
 *         is 0); CU_SUPERSEDED; CU_NO_SPACE; CU_IO.  After anything but CU_OK
 *         the append is aborted.
 */
CU_MUST_CHECK cu_code_t cu_append_end(cu_append_t *ap, cu_reply_t *reply);

/**
 * Give the chunk up: with ask->keep_partial what was written counts, and an
 * upload made by begin stays; else nothing does, and it is removed.  Harmless when repeated,
 * after end, and with NULL.
 */
void cu_append_abort(cu_append_t *ap);

/** The id the bytes go to; NULL while unnamed. */
const char *cu_append_id(const cu_append_t *ap);

/** Was this upload made by cu_append_begin()? */
int cu_append_is_new(const cu_append_t *ap);

#endif
