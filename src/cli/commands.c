/* What each command of chunked-upload-ctl prints. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "engine/fsck.h"

/* "2026-11-23T19:50:33Z", or "never" for 0. */
static const char *when(apr_time_t time, char *buf, apr_size_t size)
{
    apr_time_exp_t utc;

    if (time == 0 || apr_time_exp_gmt(&utc, time) != APR_SUCCESS) {
        return "never";
    }
    apr_snprintf(buf, (apr_size_t)size, "%04d-%02d-%02dT%02d:%02d:%02dZ",
                 utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                 utc.tm_min, utc.tm_sec);
    return buf;
}

static const char *bytes(apr_off_t n, char *buf, apr_size_t size)
{
    if (n == CU_LENGTH_UNKNOWN) {
        return "?";
    }
    apr_snprintf(buf, size, "%" APR_OFF_T_FMT, n);
    return buf;
}

static apr_status_t list_visit(void *baton, const cu_listed_t *listed)
{
    cu_tool_t *tool = baton;
    char offset[32], length[32], expires[32];
    apr_pool_t *scratch;

    apr_pool_create(&scratch, tool->pool);
    printf("%s  %-9s  %15s / %-15s  %-20s  %-12s  %s\n", listed->id,
           cu_status_name(listed->status),
           bytes(listed->offset, offset, sizeof(offset)),
           bytes(listed->length, length, sizeof(length)),
           when(listed->expires, expires, sizeof(expires)),
           listed->owner[0] ? cu_log_escape(listed->owner, scratch) : "-",
           listed->name[0] ? cu_log_escape(listed->name, scratch) : "-");
    apr_pool_destroy(scratch);
    return APR_SUCCESS;
}

static int store_error(apr_status_t rv)
{
    char why[128];

    fprintf(stderr, "chunked-upload-ctl: the store cannot be read: %s\n",
            apr_strerror(rv, why, sizeof(why)));
    return CU_EXIT_STORE;
}

static int run_list(cu_tool_t *tool)
{
    apr_status_t rv;

    printf("%-32s  %-9s  %15s / %-15s  %-20s  %-12s  %s\n", "ID", "STATUS",
           "BYTES", "OF", "EXPIRES", "OWNER", "NAME");
    rv = cu_list_each(tool->engine, list_visit, tool, tool->log, tool->pool);
    return rv == APR_SUCCESS ? 0 : store_error(rv);
}

static int run_show(cu_tool_t *tool)
{
    const char *id = tool->argv[0];
    char buf[32];
    cu_listed_t at;
    cu_code_t code = cu_list_one(tool->engine, id, &at, tool->pool);

    if (code != CU_OK) {
        fprintf(stderr, "chunked-upload-ctl: %s: %s\n",
                cu_log_escape(id, tool->pool),
                code == CU_NOT_FOUND ? "no such upload"
                                     : cu_code_name(code));
        return code == CU_NOT_FOUND || code == CU_DAMAGED ? CU_EXIT_PROBLEMS
                                                          : CU_EXIT_STORE;
    }
    printf("id         %s\n", at.id);
    printf("status     %s\n", cu_status_name(at.status));
    printf("name       %s\n", cu_log_escape(at.name, tool->pool));
    printf("type       %s\n", cu_log_escape(at.type, tool->pool));
    printf("owner      %s\n", cu_log_escape(at.owner, tool->pool));
    printf("scope      %s\n", cu_log_escape(at.scope, tool->pool));
    printf("offset     %" APR_OFF_T_FMT "\n", at.offset);
    printf("length     %s\n", bytes(at.length, buf, sizeof(buf)));
    printf("chunks     %" APR_UINT64_T_FMT "\n", at.chunks);
    printf("created    %s\n", when(at.created, buf, sizeof(buf)));
    printf("active     %s\n", when(at.active, buf, sizeof(buf)));
    printf("expires    %s\n", when(at.expires, buf, sizeof(buf)));
    printf("completed  %s\n", when(at.completed, buf, sizeof(buf)));
    printf("digest     %s\n", at.digest_hex);
    printf("path       %s\n", at.path);
    return 0;
}

static void fsck_say(void *baton, const char *line)
{
    (void)baton;
    printf("%s\n", line);
}

static int run_fsck(cu_tool_t *tool)
{
    cu_fsck_t result;
    apr_status_t rv;
    int repair = 0;

    if (tool->argc == 1) {
        repair = strcmp(tool->argv[0], "--repair") == 0;
        if (!repair) {
            fprintf(stderr, "chunked-upload-ctl: fsck knows --repair only\n");
            return CU_EXIT_USAGE;
        }
    }
    rv = cu_fsck(tool->engine, repair, fsck_say, NULL, tool->log, &result,
                 tool->pool);
    if (rv != APR_SUCCESS) {
        return store_error(rv);
    }
    printf("%" APR_UINT64_T_FMT " uploads, %" APR_UINT64_T_FMT
           " problems, %" APR_UINT64_T_FMT " repaired, %" APR_UINT64_T_FMT
           " busy\n",
           result.uploads, result.problems, result.repaired, result.busy);
    return result.problems > result.repaired ? CU_EXIT_PROBLEMS : 0;
}

static const cu_command_t commands[] = {
    { "list", 0, 0, run_list },
    { "show", 1, 1, run_show },
    { "fsck", 0, 1, run_fsck },
};

const cu_command_t *cu_command_find(const char *name)
{
    apr_size_t i;

    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); ++i) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}
