/* The commands of chunked-upload-ctl. */
#ifndef CU_CLI_COMMANDS_H
#define CU_CLI_COMMANDS_H

#include "engine/engine.h"

#define CU_EXIT_PROBLEMS 1
#define CU_EXIT_USAGE 2
#define CU_EXIT_STORE 3

typedef struct cu_tool_t {
    cu_engine_t *engine;
    const cu_log_t *log;
    int argc;                /* arguments after the command */
    const char *const *argv;
    apr_pool_t *pool;
} cu_tool_t;

typedef struct cu_command_t {
    const char *name;
    int least, most; /* arguments */
    /** @return the exit code of the process */
    int (*run)(cu_tool_t *tool);
} cu_command_t;

/** @return NULL when there is no such command */
const cu_command_t *cu_command_find(const char *name);

#endif
