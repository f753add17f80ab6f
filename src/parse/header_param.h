/*
 * The inside of header values: tokens, parameter lists (RFC 9110 5.6.6),
 * extended values (RFC 5987), and the one header made of them that a form's
 * parts have, Content-Disposition (RFC 6266, RFC 7578 4.2).
 *
 * Texts need not be terminated and are never changed; parameters point into
 * them.  Nothing is allocated.
 */
#ifndef CU_PARSE_HEADER_PARAM_H
#define CU_PARSE_HEADER_PARAM_H

#include <apr.h>

#include "base/result.h"

/* One parameter, still in the text. */
typedef struct cu_param_t {
    const char *name;      /* a token */
    apr_size_t name_len;
    const char *value;     /* between the quotes, if there were any; NULL in a
                              zeroed struct: not given */
    apr_size_t value_len;
    int quoted;
} cu_param_t;

/* What a Content-Disposition says, and where to write it. */
typedef struct cu_disposition_t {
    char *name;              /* (in) name_max + 1 bytes */
    apr_size_t name_max;
    char *filename;          /* (in) filename_max + 1 bytes */
    apr_size_t filename_max; /* bytes of the decoded name */
    int has_filename;        /* (out) 0: filename is unspecified */
} cu_disposition_t;

/** A blank or a tab: the whitespace of header values (RFC 9110 5.6.3). */
static inline int cu_header_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/** The first byte at or after p that is no blank, or end. */
const char *cu_header_skip_blanks(const char *p, const char *end);

/** Is this a token of RFC 9110 5.6.2?  An empty text is none. */
int cu_header_is_token(const char *text, apr_size_t len);

/**
 * Is this text that word, in any case of its letters?
 * @param word terminated, ASCII
 */
int cu_header_is_word(const char *text, apr_size_t len, const char *word);

/**
 * Take the next parameter behind a media type or a disposition.  Empty ones
 * (";;") are passed over, RFC 9110 5.6.6.  In a quoted value a backslash
 * escapes a quote or a backslash only: browsers send paths of Windows as they
 * are.  An unquoted value ends at a blank or a ';' and may be no token (what
 * clients send as a boundary is not): whoever wants one asks.
 * @param cursor (in/out) at the end, or at a ';' or blanks before one
 * @param param  (out) name and value, into the text
 * @return 1 with one; 0 at the end; -1 if this is no parameter list
 */
CU_MUST_CHECK int cu_param_next(const char **cursor, const char *end,
                                cu_param_t *param);

/**
 * Remember a parameter that may be given once.
 * @param kept zeroed at first
 * @return 0 if it was given before: kept is unchanged
 */
CU_MUST_CHECK int cu_param_keep_once(cu_param_t *kept,
                                     const cu_param_t *param);

/**
 * A parameter's value, quoted pairs undone.
 * @param out max + 1 bytes; terminated on success
 * @return 1, or 0 if it is above max bytes
 */
CU_MUST_CHECK int cu_param_decode(const cu_param_t *param, char *out,
                                  apr_size_t max);

typedef enum cu_ext_t {
    CU_EXT_OK,
    CU_EXT_UNKNOWN,   /* a character set other than the two RFC 5987 names */
    CU_EXT_TOO_LONG,
    CU_EXT_MALFORMED  /* not charset'language'value, quoted, a bad %XX, or a
                         NUL */
} cu_ext_t;

/**
 * An extended value (RFC 5987), "UTF-8''na%C3%AFve": UTF-8 is decoded and not
 * checked, ISO-8859-1 becomes UTF-8.
 * @param out max + 1 bytes; terminated with CU_EXT_OK, unchanged with
 *            CU_EXT_UNKNOWN, else unspecified
 */
CU_MUST_CHECK cu_ext_t cu_param_decode_ext(const cu_param_t *param, char *out,
                                           apr_size_t max);

/**
 * Read the value of a part's Content-Disposition.  One that is not form-data
 * names nothing.  filename* wins over filename, unless its character set is
 * unknown; %22, %0D and %0A in a filename stay, as browsers mean them.
 * @param text without NUL
 * @param out  (in/out) name is "" when there is none
 * @return NULL, or a static sentence fragment that says why it is malformed:
 *         then out is unspecified
 */
CU_MUST_CHECK const char *cu_disposition_parse(const char *text,
                                               apr_size_t len,
                                               cu_disposition_t *out);

#endif
