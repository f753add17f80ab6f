/*
 * Numbers from clients and from directives.
 *
 * There is one grammar, the one of cu_number_parse(); sizes and ages are that
 * grammar with one unit letter behind it.  Nothing here uses strtol() and its
 * kin, which take blanks, signs, other bases and trailing text (SEC-16).
 */
#include "base/number.h"

#include <stdint.h>
#include <string.h>

#include <apr_cstr.h>

typedef struct unit_t {
    char letter;
    apr_int64_t factor;
} unit_t;

static const char size_help[] =
    "must be a number of bytes with an optional unit K, M, G or T, below "
    "8388608T, or None for no limit";

static const char age_help[] =
    "must be a number above 0 with an optional unit s, m, h, d or w "
    "(seconds without one), at most 100 years (36525d), or None for never";

int cu_number_parse(const char *text, apr_size_t len, apr_int64_t *out)
{
    apr_int64_t value = 0;
    apr_size_t i;

    if (len == 0 || (len > 1 && text[0] == '0')) {
        return 0;
    }
    for (i = 0; i < len; ++i) {
        int digit = text[i] - '0';

        if (digit < 0 || digit > 9 || value > (INT64_MAX - digit) / 10) {
            return 0;
        }
        value = value * 10 + digit;
    }
    *out = value;
    return 1;
}

/* A number with or without one letter of units; 0 also when it overflows. */
static int parse_scaled(const char *text, const unit_t *units,
                        apr_int64_t *out)
{
    apr_size_t len = strlen(text);
    apr_int64_t factor = 1, value;
    const unit_t *unit;

    for (unit = units; len > 0 && unit->letter; ++unit) {
        if (text[len - 1] == unit->letter) {
            factor = unit->factor;
            --len;
            break;
        }
    }
    if (!cu_number_parse(text, len, &value) || value > INT64_MAX / factor) {
        return 0;
    }
    *out = value * factor;
    return 1;
}

const char *cu_number_parse_size(const char *text, apr_off_t *out)
{
    static const unit_t units[] = {
        { 'K', (apr_int64_t)1 << 10 }, { 'k', (apr_int64_t)1 << 10 },
        { 'M', (apr_int64_t)1 << 20 }, { 'm', (apr_int64_t)1 << 20 },
        { 'G', (apr_int64_t)1 << 30 }, { 'g', (apr_int64_t)1 << 30 },
        { 'T', (apr_int64_t)1 << 40 }, { 't', (apr_int64_t)1 << 40 },
        { '\0', 0 }
    };
    apr_int64_t value;

    if (apr_cstr_casecmp(text, "none") == 0) {
        *out = CU_NO_LIMIT;
        return NULL;
    }
    if (!parse_scaled(text, units, &value)) {
        return size_help;
    }
    *out = (apr_off_t)value;
    return NULL;
}

const char *cu_number_parse_age(const char *text, apr_interval_time_t *out)
{
    static const unit_t units[] = {
        { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
        { 'w', 7 * 86400 }, { '\0', 0 }
    };
    const apr_int64_t max_seconds = (apr_int64_t)36525 * 86400;
    apr_int64_t seconds;

    if (apr_cstr_casecmp(text, "none") == 0) {
        *out = -1;
        return NULL;
    }
    if (!parse_scaled(text, units, &seconds) || seconds == 0
        || seconds > max_seconds) {
        return age_help;
    }
    *out = apr_time_from_sec(seconds);
    return NULL;
}
