/*
 * chunked-upload-ctl: looks at the store and keeps it, beside the server or without it.
 * Works through the engine, so the disk layout is known in one place, and
 * under the same locks.  Started as root it becomes the owner of the state
 * directory first, so that it leaves no file the server cannot open.
 *
 * Exit codes are in commands.h and in docs/chunked-upload-ctl.8.
 */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_dbm.h>
#include <apr_general.h>
#include <apr_getopt.h>
#include <apr_strings.h>

#include "cli/commands.h"

#ifndef CU_DEFAULT_STATE_DIR
#define CU_DEFAULT_STATE_DIR "/var/lib/apache2/chunked_upload"
#endif

static const char usage_head[] =
    "usage: chunked-upload-ctl [-d STATE_DIR] [-r ROOT] [-t DBM] COMMAND ...\n"
    "\n";

static const char usage_tail[] =
    "\n"
    "  -d STATE_DIR    ChunkedUploadStateDir (" CU_DEFAULT_STATE_DIR ")\n"
    "  -r ROOT         ChunkedUploadRoot (STATE_DIR/store)\n"
    "  -t DBM          ChunkedUploadDBM (db)\n"
    "\n"
    "COMMAND --help tells more.  Exit: 0 all well, 1 problems or no such\n"
    "upload, 2 wrong use, 3 the store cannot be read or written.\n";

static void print_usage(FILE *to)
{
    const cu_command_t *command;
    int i;

    fputs(usage_head, to);
    for (i = 0; (command = cu_command_at(i)) != NULL; ++i) {
        fprintf(to, "  %-8s %s\n", command->name, command->summary);
    }
    fputs(usage_tail, to);
}

static int wrong_use(const char *why)
{
    fprintf(stderr, "chunked-upload-ctl: %s\n", why);
    print_usage(stderr);
    return CU_EXIT_USAGE;
}

static int asks_for_help(const cu_tool_t *tool)
{
    int i;

    for (i = 0; i < tool->argc; ++i) {
        if (strcmp(tool->argv[i], "--help") == 0) {
            return 1;
        }
    }
    return 0;
}

/* As root: take the identity of the store's owner. */
static int become_owner(const char *state_dir)
{
    struct stat st;

    if (stat(state_dir, &st) < 0) {
        fprintf(stderr, "chunked-upload-ctl: %s: no such state directory "
                        "(-d names another)\n",
                state_dir);
        return CU_EXIT_STORE;
    }
    if (geteuid() == 0 && st.st_uid != 0
        && (setgroups(0, NULL) < 0 || setgid(st.st_gid) < 0
            || setuid(st.st_uid) < 0)) {
        perror("chunked-upload-ctl: cannot become the store's owner");
        return CU_EXIT_STORE;
    }
    return 0;
}

static int print_wanted(void *baton, cu_log_level_t level)
{
    (void)baton;
    return level <= CU_LOG_WARNING;
}

static void print_line(void *baton, cu_log_level_t level, apr_status_t rv,
                       const char *line)
{
    char why[128];

    (void)baton;
    (void)level;
    fprintf(stderr, "chunked-upload-ctl: %s%s%s\n", line,
            rv == APR_SUCCESS ? "" : ": ",
            rv == APR_SUCCESS ? "" : apr_strerror(rv, why, sizeof(why)));
}

static int run(int argc, const char *const *argv, apr_pool_t *pool)
{
    static const cu_log_t log = { print_wanted, print_line, NULL };
    cu_engine_config_t config = { CU_DEFAULT_STATE_DIR, NULL, "db",
                                  CU_SYNC_COMPLETE, NULL, NULL };
    const cu_command_t *command;
    cu_tool_t tool;
    apr_getopt_t *options;
    const char *value;
    char letter;
    int rc;

    if (apr_getopt_init(&options, pool, argc, argv) != APR_SUCCESS) {
        return CU_EXIT_STORE;
    }
    options->errfn = NULL;
    while (options->ind < argc && argv[options->ind][0] == '-') {
        if (strcmp(argv[options->ind], "--help") == 0) {
            print_usage(stdout);
            return 0;
        }
        if (apr_getopt(options, "d:r:t:h", &letter, &value) != APR_SUCCESS) {
            return wrong_use("unknown option, or its value is missing");
        }
        switch (letter) {
        case 'd':
            config.state_dir = value;
            break;
        case 'r':
            config.root = value;
            break;
        case 't':
            config.dbm = value;
            break;
        default:
            print_usage(stdout);
            return 0;
        }
    }
    if (options->ind >= argc) {
        return wrong_use("which command?");
    }
    command = cu_command_find(argv[options->ind]);
    if (!command) {
        return wrong_use("no such command");
    }
    tool.argc = argc - options->ind - 1;
    tool.argv = argv + options->ind + 1;
    if (asks_for_help(&tool)) {
        fputs(command->help, stdout);
        return 0;
    }
    rc = become_owner(config.state_dir);
    if (rc != 0) {
        return rc;
    }
    cu_engine_make(&tool.engine, &config, pool);
    tool.log = &log;
    tool.pool = pool;
    return command->run(&tool);
}

int main(int argc, const char *const *argv, const char *const *env)
{
    apr_pool_t *pool;
    int rc;

    if (apr_app_initialize(&argc, &argv, &env) != APR_SUCCESS
        || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return CU_EXIT_STORE;
    }
    rc = run(argc, argv, pool);
    apr_pool_destroy(pool);
    apr_terminate();
    return rc;
}
