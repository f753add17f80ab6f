/*
 * The list of dialects: one line each.  The order is that of the question
 * "is this yours?"; the form dialect says yes to everything and so is last
 * and the default.
 */
#include "dialect/dialect.h"

#define DIALECTS(EACH) \
    EACH(form)

#define DECLARE(name) extern const cu_dialect_t cu_dialect_##name;
#define ADDRESS(name) &cu_dialect_##name,

DIALECTS(DECLARE)

static const cu_dialect_t *const dialects[] = {
    DIALECTS(ADDRESS)
};

enum { DIALECT_COUNT = sizeof(dialects) / sizeof(dialects[0]) };

const cu_dialect_t *cu_dialect_choose(const cu_wire_t *wire)
{
    int i;

    for (i = 0; i < DIALECT_COUNT - 1; ++i) {
        if (dialects[i]->recognise(wire)) {
            return dialects[i];
        }
    }
    return dialects[DIALECT_COUNT - 1];
}

const cu_dialect_t *cu_dialect_at(int i)
{
    return i >= 0 && i < DIALECT_COUNT ? dialects[i] : NULL;
}
