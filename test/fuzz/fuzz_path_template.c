/*
 * parse/path_template.h.
 *
 * Input: eight bytes that are a date, then the template.  What is accepted,
 * filled in by that date as the engine does it, must be a path that stays
 * below where it is appended: relative, no empty, "." or ".." component, no
 * NUL and no odd byte, within its length (one digit more a year after 9999).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_time.h>

#include "parse/path_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static void check_component(const char *name, size_t len)
{
    size_t i;

    require(len > 0);
    require(!(len == 1 && name[0] == '.'));
    require(!(len == 2 && name[0] == '.' && name[1] == '.'));
    for (i = 0; i < len; ++i) {
        require((name[i] >= '0' && name[i] <= '9')
                || (name[i] >= 'a' && name[i] <= 'z')
                || (name[i] >= 'A' && name[i] <= 'Z')
                || (name[i] && strchr("._-%", name[i])));
    }
}

static void check_date(const char *template, apr_time_t when)
{
    char path[2 * CU_PATH_TEMPLATE_MAX + 1];
    const char *p = path, *slash;
    apr_time_exp_t utc;
    apr_size_t len = 0;

    require(apr_time_exp_gmt(&utc, when) == APR_SUCCESS);
    require(apr_strftime(path, &len, sizeof(path), template, &utc)
            == APR_SUCCESS);
    require(len > 0 && strlen(path) == len);
    require(utc.tm_year > 9999 - 1900 || len <= CU_PATH_TEMPLATE_MAX);
    while ((slash = strchr(p, '/')) != NULL) {
        check_component(p, (size_t)(slash - p));
        p = slash + 1;
    }
    check_component(p, strlen(p));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* the years 1970 and 9999, their last days, and a leap day */
    static const apr_int64_t seconds[] = {
        0, 31535999, 951868799, 253370764800, 253402300799
    };
    apr_uint64_t when = 0;
    char *text;
    size_t i;

    if (size < 8 || size > 4096) {
        return 0;
    }
    for (i = 0; i < 8; ++i) {
        when = when << 8 | data[i];
    }
    text = malloc(size - 8 + 1);
    require(text != NULL);
    if (size > 8) {
        memcpy(text, data + 8, size - 8);
    }
    text[size - 8] = '\0';
    if (!cu_path_template_check(text)) {
        require(strlen(text) <= CU_PATH_TEMPLATE_MAX);
        check_date(text, (apr_time_t)(when >> 1));
        for (i = 0; i < sizeof(seconds) / sizeof(seconds[0]); ++i) {
            check_date(text, apr_time_from_sec(seconds[i]));
        }
    }
    free(text);
    return 0;
}
