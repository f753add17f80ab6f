/*
 * A client's file name -> a display name.  Never a path: what comes out has
 * no directory part, and nothing in the store is ever named by it.
 */
#ifndef CU_PARSE_FILE_NAME_H
#define CU_PARSE_FILE_NAME_H

#include <apr.h>

#include "base/result.h"

#define CU_FILE_NAME_MAX 255 /* bytes of the result, as the seed's column */

/**
 * Make the display name.  Directory parts of either slash are stripped (the
 * seed and old browsers), control characters (C0, DEL, C1), U+2028/9 and the
 * bidi controls (U+061C, U+200E/F, U+202A-E, U+2066-9) are removed, invalid
 * UTF-8 becomes U+FFFD, blanks at both ends go, at most 255 bytes remain, cut
 * at a character boundary before the extension (an extension of up to 32
 * bytes is kept whole).
 * "", "." and ".." become "upload".
 * @param text need not be terminated; may be NULL with len 0
 * @param out  CU_FILE_NAME_MAX + 1 bytes, terminated
 * @return length of out in bytes
 */
apr_size_t cu_file_name_display(const char *text, apr_size_t len, char *out);

#endif
