/* Options by a table; "--" ends them, --name=VALUE is --name VALUE. */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "base/number.h"

static int wrong(const char *what, const char *name)
{
    fprintf(stderr, "chunked-upload-ctl: %s: %s (--help tells more)\n", name,
            what);
    return CU_EXIT_USAGE;
}

static const cu_option_t *find(const cu_option_t *options, const char *text,
                               apr_size_t len)
{
    for (; options->name; ++options) {
        if (strlen(options->name) == len
            && strncmp(options->name, text, len) == 0) {
            return options;
        }
    }
    return NULL;
}

static int set(const cu_option_t *option, const char *value)
{
    const char *sentence;

    if (option->kind == CU_OPTION_TEXT) {
        *(const char **)option->value = value;
        return 0;
    }
    sentence = cu_number_parse_age(value, option->value);
    if (!sentence && *(apr_interval_time_t *)option->value < 0) {
        sentence = "None is no age here";
    }
    return sentence ? wrong(sentence, option->name) : 0;
}

int cu_options_read(cu_tool_t *tool, const cu_option_t *options, int least,
                    int most)
{
    const char **rest = apr_pcalloc(tool->pool,
                                    sizeof(char *) * (tool->argc + 1));
    int i, count = 0, ended = 0, rc;

    for (i = 0; i < tool->argc; ++i) {
        const char *arg = tool->argv[i];
        const char *value = ended ? NULL : strchr(arg, '=');
        const cu_option_t *option;

        if (ended || strncmp(arg, "--", 2) != 0) {
            rest[count++] = arg;
            continue;
        }
        if (!arg[2]) {
            ended = 1;
            continue;
        }
        option = find(options, arg + 2,
                      value ? (apr_size_t)(value - arg - 2)
                            : strlen(arg + 2));
        if (!option) {
            return wrong("no such option", arg);
        }
        if (option->kind == CU_OPTION_FLAG) {
            if (value) {
                return wrong("takes no value", arg);
            }
            *(int *)option->value = 1;
            continue;
        }
        value = value ? value + 1 : ++i < tool->argc ? tool->argv[i] : NULL;
        if (!value) {
            return wrong("its value is missing", arg);
        }
        rc = set(option, value);
        if (rc != 0) {
            return rc;
        }
    }
    if (count < least || count > most) {
        fprintf(stderr, "chunked-upload-ctl: too %s arguments (--help tells "
                        "more)\n", count < least ? "few" : "many");
        return CU_EXIT_USAGE;
    }
    tool->argc = count;
    tool->argv = rest;
    return 0;
}
