/*
 * parse/urlencoded.h.
 *
 * Input: two bytes that choose the sizes of the buffers, then the form.  The
 * buffers have exactly those sizes; the cursor must move on with each pair and
 * end at the end; no name may be empty or hold a NUL, and what bigger buffers
 * give must hold, in order, all that smaller ones give.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parse/urlencoded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct walk_t {
    const char *cursor, *end;
    char *name, *value;
    size_t name_max, value_max, value_len;
} walk_t;

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void walk_begin(walk_t *walk, const char *text, size_t size,
                       size_t name_max, size_t value_max)
{
    walk->cursor = text;
    walk->end = text + size;
    walk->name = malloc(name_max);
    walk->value = malloc(value_max);
    walk->name_max = name_max;
    walk->value_max = value_max;
    require(walk->name && walk->value);
}

static int walk_next(walk_t *walk)
{
    const char *before = walk->cursor;
    size_t name_len;

    if (!cu_urlencoded_next(&walk->cursor, walk->end, walk->name,
                            walk->name_max, walk->value, walk->value_max,
                            &walk->value_len)) {
        require(walk->cursor == walk->end);
        return 0;
    }
    require(walk->cursor > before && walk->cursor <= walk->end);
    name_len = strnlen(walk->name, walk->name_max);
    require(name_len > 0 && name_len < walk->name_max);
    require(walk->value_len < walk->value_max);
    require(walk->value[walk->value_len] == '\0');
    return 1;
}

/* The same pair, but for a value cut to what the smaller buffer holds. */
static int walk_same(const walk_t *small, const walk_t *big)
{
    size_t len = big->value_len < small->value_max ? big->value_len
                                                   : small->value_max - 1;

    return small->cursor == big->cursor && strcmp(small->name, big->name) == 0
           && small->value_len == len
           && memcmp(small->value, big->value, len) == 0;
}

static void walk_end(walk_t *walk)
{
    free(walk->name);
    free(walk->value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk_t small, big;

    if (size < 2) {
        return 0;
    }
    walk_begin(&small, (const char *)data + 2, size - 2,
               1 + (size_t)data[0] % 40, 1 + (size_t)data[1] % 80);
    walk_begin(&big, (const char *)data + 2, size - 2, size, size);
    while (walk_next(&small)) {
        do {
            require(walk_next(&big));
        } while (big.cursor < small.cursor);
        require(walk_same(&small, &big));
    }
    while (walk_next(&big)) {
        require(strlen(big.name) >= small.name_max
                || (small.value_max == 1 && big.value_len > 0));
    }
    walk_end(&small);
    walk_end(&big);
    return 0;
}
