/*
 * parse/content_range.h and base/number.h.
 *
 * Input: the header's value.  What is accepted must have the order of its
 * numbers, must print back to the very same text, and must not depend on
 * whether "*" is allowed unless it ends in one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "parse/content_range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void check_range(const char *text, size_t size, int star)
{
    cu_content_range_t range;
    char back[128];
    int n;

    if (!cu_content_range_parse(text, size, star, &range)) {
        return;
    }
    require(range.start >= 0 && range.end >= range.start);
    require(range.end < INT64_MAX);
    if (range.total == CU_LENGTH_UNKNOWN) {
        require(star);
        n = snprintf(back, sizeof(back), "bytes %lld-%lld/*",
                     (long long)range.start, (long long)range.end);
    }
    else {
        require(range.total > range.end);
        n = snprintf(back, sizeof(back), "bytes %lld-%lld/%lld",
                     (long long)range.start, (long long)range.end,
                     (long long)range.total);
    }
    require((size_t)n == size && memcmp(back, text, size) == 0);
    require(cu_content_range_parse(text, size, !star, &range)
            == (star ? text[size - 1] != '*' : 1));
}

static void check_number(const char *text, size_t size)
{
    char back[32];
    apr_int64_t value;
    int n;

    if (cu_number_parse(text, size, &value)) {
        n = snprintf(back, sizeof(back), "%lld", (long long)value);
        require((size_t)n == size && memcmp(back, text, size) == 0);
    }
}

static void check_directive(const char *text, size_t size)
{
    char *copy = malloc(size + 1);
    apr_interval_time_t age = -7;
    apr_off_t bytes = -7;

    require(copy != NULL);
    if (size) {
        memcpy(copy, text, size);
    }
    copy[size] = '\0';
    if (cu_number_parse_size(copy, &bytes)) {
        require(bytes == -7);
    }
    else {
        require(bytes >= 0 || bytes == CU_NO_LIMIT);
    }
    if (cu_number_parse_age(copy, &age)) {
        require(age == -7);
    }
    else {
        require(age > 0 || age == -1);
        require(age <= apr_time_from_sec((apr_int64_t)36525 * 86400));
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;

    check_range(text, size, 0);
    check_range(text, size, 1);
    check_number(text, size);
    check_directive(text, size);
    return 0;
}
