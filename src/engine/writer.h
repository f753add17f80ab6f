/*
 * One writer at one place of one part: fencing, batching, hashing.  Internal
 * to the engine layer; append.c decides what is asked of it.
 *
 * Bytes are taken by reference and written in batches.  For each batch the
 * upload's lock is held just long enough to see that the generation is still
 * ours and to write: a newer request raises it and never waits for us, and
 * nothing we write after that can touch its bytes.
 */
#ifndef CU_ENGINE_WRITER_H
#define CU_ENGINE_WRITER_H

#include "engine/open.h"
#include "store/partfile.h"

#define CU_WRITER_PIECES 64            /* pieces of one batch */
#define CU_WRITER_BATCH (256 * 1024)   /* bytes after which a batch goes out */
#define CU_WRITER_SYNC (16 * 1024 * 1024) /* with Sync chunk: bytes of a chunk
                                          that count piecemeal, after which
                                          they are synced and recorded */
#define CU_WRITER_SETTLE (64 * 1024)   /* less than this is copied, not written,
                                          when its memory is about to go */

typedef struct cu_writer_t {
    const cu_engine_t *engine;
    const cu_ask_t *ask;
    apr_pool_t *pool;
    cu_state_file_t *sf;     /* NULL: an unnamed file, nobody else sees it */
    int part_fd;
    int is_new;              /* the upload was made for this chunk */
    apr_uint64_t generation; /* ours */
    apr_off_t base;          /* where the chunk begins in the part */
    apr_off_t received;      /* bytes taken, written or pending */
    apr_off_t flushed;       /* bytes written */
    cu_digest_t *digest;     /* over 0 .. base + flushed; NULL: not kept */
    cu_digest_t *digest_base; /* as it was at base */
    cu_digest_t *checksum;   /* over the chunk alone; NULL: not asked for */
    apr_off_t synced;        /* of flushed: recorded after a sync of their own */
    struct iovec pieces[CU_WRITER_PIECES];
    int count;
    apr_size_t pending;      /* bytes in pieces */
    char *buffer;            /* CU_WRITER_SETTLE bytes, made when needed */
    apr_size_t buffered;     /* of them in use; they are pieces[0] then */
} cu_writer_t;

/** Take bytes by reference; see cu_append_write() for the codes. */
CU_MUST_CHECK cu_code_t cu_writer_take(cu_writer_t *writer, const char *data,
                                       apr_size_t len, cu_reply_t *reply);

/** Write or copy what is pending, since its memory is about to go. */
CU_MUST_CHECK cu_code_t cu_writer_settle(cu_writer_t *writer,
                                         cu_reply_t *reply);

/** Write what is pending. */
CU_MUST_CHECK cu_code_t cu_writer_flush(cu_writer_t *writer,
                                        cu_reply_t *reply);

/** Forget the chunk's bytes; the next ones go to its beginning again. */
void cu_writer_restart(cu_writer_t *writer);

/**
 * Lock, and see that we still are the writer.
 * @return CU_OK, locked; CU_SUPERSEDED (reply->offset is what counts now),
 *         CU_BUSY, CU_DAMAGED, CU_IO, unlocked
 */
CU_MUST_CHECK cu_code_t cu_writer_lock(cu_writer_t *writer,
                                       cu_reply_t *reply);

/**
 * Record that bytes up to `offset` count: slot with offset, digest, expiry.
 * Under the lock.
 * @param done 1: this was the chunk's last; the writer flag goes
 */
CU_MUST_CHECK cu_code_t cu_writer_record(cu_writer_t *writer, apr_off_t offset,
                                         int done, cu_reply_t *reply);

/** Unlock and close; harmless when repeated. */
void cu_writer_close(cu_writer_t *writer);

#endif
