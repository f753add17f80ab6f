/*
 * A dialect translates: wire -> ask, reply -> wire.  It never calls the
 * engine and never reads the body; serve does both.  A new dialect is one
 * file with one cu_dialect_t, plus one line in dialect.c.
 */
#ifndef CU_DIALECT_DIALECT_H
#define CU_DIALECT_DIALECT_H

#include "dialect/wire.h"
#include "engine/upload.h"
#include "parse/multipart.h"

/* What a request wants of the engine. */
typedef enum cu_op_t {
    CU_OP_NONE,     /* the dialect answers by itself: OPTIONS */
    CU_OP_APPEND,   /* a chunk, to a new or a known upload */
    CU_OP_COMPLETE,
    CU_OP_QUERY,
    CU_OP_CREATE,   /* a new upload, with the body's bytes if it has some */
    CU_OP_JOIN,     /* a new upload of the bytes of others */
    CU_OP_CANCEL
} cu_op_t;

/* How the request's body is to be read. */
typedef enum cu_framing_t {
    CU_FRAMING_NONE,       /* it is not wanted */
    CU_FRAMING_MULTIPART,  /* fields and a file, boundary in the exchange */
    CU_FRAMING_URLENCODED, /* a small form */
    CU_FRAMING_RAW         /* its bytes are the chunk */
} cu_framing_t;

/* Per-directory settings that concern translation only. */
typedef struct cu_dialect_settings_t {
    const char *field_name;   /* of the file part: "file" */
    int require_range;        /* a chunk without Content-Range is refused */
    const char *content_type; /* of JSON answers: "application/json" */
    unsigned int dialects;    /* those that are spoken, as cu_dialect_bit() has
                                 them; 0: all */
} cu_dialect_settings_t;

typedef struct cu_dialect_t cu_dialect_t;

/* One request on its way through; made by serve, in the request's pool. */
typedef struct cu_exchange_t {
    cu_wire_t *wire;
    const cu_dialect_t *dialect;
    const cu_dialect_settings_t *settings;
    const cu_policy_t *policy;

    cu_op_t op;
    cu_framing_t framing;
    char boundary[CU_MULTIPART_BOUNDARY_MAX + 1];
    cu_ask_t ask;             /* serve has set owner, scope, dialect, policy,
                                 log and the defaults before read_head */
    cu_reply_t reply;
    cu_code_t code;           /* the outcome, for the dialect to write */
    const char *complaint;    /* CU_BAD_ASK: the text for the client */
    const char *allow;        /* CU_BAD_METHOD and OPTIONS: methods */
    int completes;            /* an upload is complete when its offset reaches
                                 its length, without being asked for */
    const char *const *parts; /* CU_OP_JOIN: ids, in order */
    int part_count;
    const apr_table_t *trailers; /* read_end: fields behind the body, or NULL */
    void *own;                /* the dialect's, e.g. fields seen so far */
} cu_exchange_t;

struct cu_dialect_t {
    const char *name;

    /** Is this request one of ours?  Looks only at the head. */
    int (*recognise)(const cu_wire_t *wire);

    /**
     * Headers -> op, framing, ask.
     * @return CU_OK, or the code to answer with (no body is read then)
     */
    cu_code_t (*read_head)(cu_exchange_t *x);

    /**
     * A text field of a form.
     * @param value terminated; may hold NUL bytes
     * @param len   bytes, at most CU_FIELD_MAX
     * @return CU_OK (also for fields of no interest), or the code to answer
     */
    cu_code_t (*read_field)(cu_exchange_t *x, const char *name,
                            const char *value, apr_size_t len);

    /**
     * A part with a file name begins.
     * @param take (out) 1 if this is the chunk, 0 to skip the part; when 1,
     *             x->ask is complete but perhaps for the id
     */
    cu_code_t (*read_file)(cu_exchange_t *x, const cu_multipart_part_t *part,
                           int *take);

    /**
     * All of the body has been read.
     * @return CU_OK, or the code to answer with (a required field missing)
     */
    cu_code_t (*read_end)(cu_exchange_t *x);

    /** x->code, x->reply -> wire: status, headers, body.  Cannot fail. */
    void (*write)(cu_exchange_t *x);
};

#define CU_FIELD_MAX 1024 /* bytes of a text field's value; longer ones are
                             cut: no dialect has one that long */

/**
 * The dialect that speaks for a request.
 * @param dialects those that may; 0: all
 * @return never NULL: the last of them is the default, the form dialect if it
 *         is among them
 */
const cu_dialect_t *cu_dialect_choose(const cu_wire_t *wire,
                                      unsigned int dialects);

/**
 * The bit of a dialect in a set of them.
 * @param name in any case of its letters
 * @return 0 when there is none of this name
 */
unsigned int cu_dialect_bit(const char *name);

/**
 * All dialects, for tests and listings.
 * @param i from 0
 * @return NULL past the last
 */
const cu_dialect_t *cu_dialect_at(int i);

#endif
