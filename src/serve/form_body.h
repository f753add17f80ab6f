/*
 * The body of a request.  As a form: fields go to the dialect, the file part
 * that the dialect takes goes to the chunk; raw: all of it does.  Constant
 * memory, whatever comes.
 */
#ifndef CU_SERVE_FORM_BODY_H
#define CU_SERVE_FORM_BODY_H

#include "serve/chunk.h"
#include "serve/source.h"

#define CU_FORM_URLENCODED_MAX (16 * 1024) /* bytes of such a body */

/**
 * Read the body to its end, in the framing that the dialect asked for.
 * Nothing is committed.
 * @param x      complaint is set with CU_BAD_ASK
 * @param chunk  NULL: every file is skipped; for a raw body it has begun
 * @return CU_OK: the form was whole and the dialect is content with it;
 *         CU_BODY_LOST; CU_BODY_TOO_LARGE; CU_BAD_ASK for the grammar; what
 *         the dialect or the chunk said
 */
CU_MUST_CHECK cu_code_t cu_form_body_read(cu_exchange_t *x,
                                          cu_source_t *source,
                                          cu_chunk_t *chunk);

#endif
