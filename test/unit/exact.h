/*
 * Inputs in heap blocks of exactly their size, so that a sanitizer sees the
 * first byte read beyond them.  Included after cmocka.h.
 */
#ifndef CU_TEST_EXACT_H
#define CU_TEST_EXACT_H

#include <stdlib.h>
#include <string.h>

static inline char *exact_copy(const char *text, size_t len)
{
    char *copy = malloc(len ? len : 1);

    assert_non_null(copy);
    if (len) {
        memcpy(copy, text, len);
    }
    return copy;
}

#endif
