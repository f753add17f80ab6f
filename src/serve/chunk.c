/*
 * A chunk's life between the form and the engine.
 *
 * Without an id before the file part, a first chunk goes into a new upload
 * and any other into an unnamed file; what the form says afterwards moves
 * the bytes.  Nothing counts before cu_chunk_commit().
 */
#include "serve/chunk.h"

#include <string.h>

void cu_chunk_init(cu_chunk_t *chunk, const cu_engine_t *engine,
                   cu_exchange_t *x)
{
    memset(chunk, 0, sizeof(*chunk));
    chunk->engine = engine;
    chunk->x = x;
}

/* The dialect goes on filling the exchange's ask: the engine gets a copy. */
static void keep_ask(cu_chunk_t *chunk)
{
    chunk->ask = chunk->x->ask;
    if (chunk->ask.id) {
        memcpy(chunk->id, chunk->ask.id, CU_UPLOAD_ID_LEN);
        chunk->ask.id = chunk->id;
    }
}

cu_code_t cu_chunk_begin(cu_chunk_t *chunk)
{
    cu_reply_t *reply = &chunk->x->reply;
    apr_pool_t *pool = chunk->x->wire->pool;

    if (chunk->append) {
        return cu_append_restart(chunk->append, reply);
    }
    keep_ask(chunk);
    if (chunk->ask.id || chunk->ask.whole || chunk->ask.offset == 0) {
        return cu_append_begin(&chunk->append, chunk->engine, &chunk->ask,
                               reply, pool);
    }
    return cu_append_begin_unnamed(&chunk->append, chunk->engine, &chunk->ask,
                                   reply, pool);
}

cu_code_t cu_chunk_data(cu_chunk_t *chunk, const char *data, apr_size_t len)
{
    return cu_append_write(chunk->append, data, len, &chunk->x->reply);
}

cu_code_t cu_chunk_settle(cu_chunk_t *chunk)
{
    if (!chunk->append) {
        return CU_OK;
    }
    return cu_append_settle(chunk->append, &chunk->x->reply);
}

/* A form that names no upload after the file leaves things as they are. */
static int belongs_elsewhere(const cu_chunk_t *chunk)
{
    const char *wanted = chunk->x->ask.id;
    const char *have = cu_append_id(chunk->append);

    return wanted && (!have || strcmp(wanted, have) != 0);
}

cu_code_t cu_chunk_commit(cu_chunk_t *chunk)
{
    cu_reply_t *reply = &chunk->x->reply;
    cu_code_t code;

    if (!chunk->append) {
        return CU_BUG;
    }
    if (belongs_elsewhere(chunk)) {
        code = cu_append_adopt(chunk->append, &chunk->x->ask, reply);
        if (code != CU_OK) {
            return code;
        }
    }
    /* which a trailer may have brought */
    chunk->ask.checksum = chunk->x->ask.checksum;
    chunk->ask.checksum_hex = chunk->x->ask.checksum_hex;
    return cu_append_end(chunk->append, reply);
}

void cu_chunk_abort(cu_chunk_t *chunk)
{
    cu_append_abort(chunk->append);
}
