/*
 * The template of the directories that new uploads are kept in: a relative
 * path with strftime conversions, filled in later by whoever has the date.
 */
#ifndef CU_PARSE_PATH_TEMPLATE_H
#define CU_PARSE_PATH_TEMPLATE_H

#include "base/result.h"

#define CU_PATH_TEMPLATE_MAX 200 /* bytes, as written and as filled in */

/**
 * Is this a template that is safe for every date?  Filled in, for years up to
 * 9999 and in any locale, it is a relative path of at most
 * CU_PATH_TEMPLATE_MAX bytes whose components are neither empty nor "." nor
 * "..", in letters, digits and "._-%" of ASCII.
 * @param text terminated
 * @return NULL, or a static sentence that says what is allowed
 */
CU_MUST_CHECK const char *cu_path_template_check(const char *text);

#endif
