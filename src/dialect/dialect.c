/*
 * The list of dialects: one line each.  The order is that of the question
 * "is this yours?"; the form dialect says yes to everything and so is last
 * and the default.
 */
#include "dialect/dialect.h"

#include <apr_cstr.h>

#define DIALECTS(EACH) \
    EACH(tus) \
    EACH(form)

#define DECLARE(name) extern const cu_dialect_t cu_dialect_##name;
#define ADDRESS(name) &cu_dialect_##name,

DIALECTS(DECLARE)

static const cu_dialect_t *const list[] = {
    DIALECTS(ADDRESS)
};

enum { DIALECT_COUNT = sizeof(list) / sizeof(list[0]) };

static int may_speak(int i, unsigned int dialects)
{
    return dialects == 0 || (dialects & 1u << i) != 0;
}

const cu_dialect_t *cu_dialect_choose(const cu_wire_t *wire,
                                      unsigned int dialects)
{
    int i, last = DIALECT_COUNT - 1;

    while (last > 0 && !may_speak(last, dialects)) {
        --last;
    }
    for (i = 0; i < last; ++i) {
        if (may_speak(i, dialects) && list[i]->recognise(wire)) {
            return list[i];
        }
    }
    return list[last];
}

unsigned int cu_dialect_bit(const char *name)
{
    int i;

    for (i = 0; i < DIALECT_COUNT; ++i) {
        if (apr_cstr_casecmp(list[i]->name, name) == 0) {
            return 1u << i;
        }
    }
    return 0;
}

const cu_dialect_t *cu_dialect_at(int i)
{
    return i >= 0 && i < DIALECT_COUNT ? list[i] : NULL;
}
