/*
 * The one chunk of a request, on its way from the form into an upload whose
 * id may come before the file, after it, or never.
 */
#ifndef CU_SERVE_CHUNK_H
#define CU_SERVE_CHUNK_H

#include "base/upload_id.h"
#include "dialect/dialect.h"
#include "engine/append.h"

typedef struct cu_chunk_t {
    const cu_engine_t *engine;
    cu_exchange_t *x;
    cu_append_t *append;            /* NULL until begun */
    cu_ask_t ask;                   /* as it was at the beginning: the
                                       exchange's goes on changing */
    char id[CU_UPLOAD_ID_LEN + 1];  /* ask.id, likewise */
} cu_chunk_t;

/**
 * Nothing happens yet.
 * @param x kept by reference; replies go to x->reply
 */
void cu_chunk_init(cu_chunk_t *chunk, const cu_engine_t *engine,
                   cu_exchange_t *x);

/**
 * A file part begins.  A second one starts the chunk again: the last wins.
 * @return as cu_append_begin() or cu_append_restart()
 */
CU_MUST_CHECK cu_code_t cu_chunk_begin(cu_chunk_t *chunk);

/** Bytes of it, by reference until cu_chunk_settle(); as cu_append_write(). */
CU_MUST_CHECK cu_code_t cu_chunk_data(cu_chunk_t *chunk, const char *data,
                                      apr_size_t len);

/** The memory of the bytes is about to go.  Harmless before begin. */
CU_MUST_CHECK cu_code_t cu_chunk_settle(cu_chunk_t *chunk);

/**
 * The form is whole: bring the chunk to the upload it names and record it.
 * @return as cu_append_adopt() and cu_append_end(); CU_BUG before begin
 */
CU_MUST_CHECK cu_code_t cu_chunk_commit(cu_chunk_t *chunk);

/** Give it up.  Harmless at any time. */
void cu_chunk_abort(cu_chunk_t *chunk);

#endif
