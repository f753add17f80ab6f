/*
 * Checking path templates.
 *
 * A conversion only ever becomes digits or a '%', so that what a component is
 * can be seen before any date is known: none becomes ".." by being filled in,
 * and none gets a slash.
 */
#include "parse/path_template.h"

#include <string.h>

#include <apr.h>
#include <apr_general.h>

/*
 * Most bytes a conversion can become; 0 when it is not allowed: what depends
 * on the locale, or holds a slash or a blank, is not.
 */
static apr_size_t conversion_size(char conversion)
{
    switch (conversion) {
    case 'Y':
        return 4;
    case 'j':
        return 3;
    case 'm':
    case 'd':
    case 'H':
    case 'M':
    case 'U':
    case 'y':
        return 2;
    case '%':
        return 1;
    default:
        return 0;
    }
}

/* Whatever the locale says. */
static int is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

static const char *check_component(const char *name, apr_size_t len)
{
    if (len == 0 || (len == 1 && name[0] == '.')
        || (len == 2 && name[0] == '.' && name[1] == '.')) {
        return "the path must be relative, and none of its components may be "
               "empty, \".\" or \"..\"";
    }
    return NULL;
}

const char *cu_path_template_check(const char *text)
{
    const char *component = text;
    const char *sentence;
    apr_size_t expanded = 0;
    const char *p;

    for (p = text; *p; ++p) {
        apr_size_t size = 1;

        if (*p == '%') {
            size = conversion_size(*++p);
            if (size == 0) {
                return "the conversions allowed are %Y %m %d %H %M %j %U %y "
                       "and %%";
            }
        }
        else if (*p == '/') {
            sentence = check_component(component, (apr_size_t)(p - component));
            if (sentence) {
                return sentence;
            }
            component = p + 1;
        }
        else if (!is_plain(*p)) {
            return "only letters, digits, \".\", \"_\", \"-\", \"/\" and "
                   "conversions such as %Y are allowed";
        }
        expanded += size;
    }
    if (p - text > CU_PATH_TEMPLATE_MAX || expanded > CU_PATH_TEMPLATE_MAX) {
        return "the path must not be longer than "
               APR_STRINGIFY(CU_PATH_TEMPLATE_MAX) " bytes, before and after "
               "its conversions are filled in";
    }
    return check_component(component, (apr_size_t)(p - component));
}
