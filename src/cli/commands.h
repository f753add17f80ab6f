/* The commands of chunked-upload-ctl. */
#ifndef CU_CLI_COMMANDS_H
#define CU_CLI_COMMANDS_H

#include "engine/engine.h"

/* Documented in docs/chunked-upload-ctl.8. */
#define CU_EXIT_PROBLEMS 1 /* found, or no such upload */
#define CU_EXIT_USAGE 2
#define CU_EXIT_STORE 3    /* the store cannot be read or written */

typedef struct cu_tool_t {
    cu_engine_t *engine;
    const cu_log_t *log;
    int argc;                /* arguments after the command, then what
                                cu_options_read() left of them */
    const char *const *argv;
    apr_pool_t *pool;
} cu_tool_t;

typedef struct cu_command_t {
    const char *name;
    const char *summary; /* for the list of commands */
    const char *help;    /* whole text of --help */
    /** @return the exit code of the process */
    int (*run)(cu_tool_t *tool);
} cu_command_t;

/** @return NULL when there is no such command */
const cu_command_t *cu_command_find(const char *name);

/** The n-th command; NULL after the last. */
const cu_command_t *cu_command_at(int n);

/* One each, in the file of its name. */
extern const cu_command_t cu_command_list;
extern const cu_command_t cu_command_show;
extern const cu_command_t cu_command_expire;
extern const cu_command_t cu_command_cancel;
extern const cu_command_t cu_command_verify;
extern const cu_command_t cu_command_fsck;
extern const cu_command_t cu_command_export;
extern const cu_command_t cu_command_import;

#endif
