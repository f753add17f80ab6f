/* The options of one command: --name, or --name VALUE. */
#ifndef CU_CLI_OPTIONS_H
#define CU_CLI_OPTIONS_H

#include "cli/commands.h"

typedef enum cu_option_kind_t {
    CU_OPTION_FLAG, /* int, set to 1 */
    CU_OPTION_TEXT, /* const char * */
    CU_OPTION_AGE   /* apr_interval_time_t, microseconds */
} cu_option_kind_t;

typedef struct cu_option_t {
    const char *name; /* without the dashes; NULL ends a table */
    cu_option_kind_t kind;
    void *value;
} cu_option_t;

/**
 * Read the options; tool->argc and argv are then what is no option.
 * @param least,most how many of those there must be
 * @return 0, or CU_EXIT_USAGE after a sentence on stderr
 */
CU_MUST_CHECK int cu_options_read(cu_tool_t *tool, const cu_option_t *options,
                                  int least, int most);

#endif
