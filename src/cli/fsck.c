/* fsck: do state files, parts and catalogue belong together? */
#include "engine/fsck.h"

#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/text.h"

static void say(void *baton, const char *line)
{
    (void)baton;
    printf("%s\n", line);
}

static int run(cu_tool_t *tool)
{
    int repair = 0;
    const cu_option_t options[] = {
        { "repair", CU_OPTION_FLAG, &repair },
        { NULL, CU_OPTION_FLAG, NULL },
    };
    cu_fsck_t result;
    apr_status_t rv;
    int rc = cu_options_read(tool, options, 0, 0);

    if (rc != 0) {
        return rc;
    }
    rv = cu_fsck(tool->engine, repair, say, NULL, tool->log, &result,
                 tool->pool);
    if (rv != APR_SUCCESS) {
        return cu_text_store_error(rv);
    }
    printf("%" APR_UINT64_T_FMT " uploads, %" APR_UINT64_T_FMT
           " problems, %" APR_UINT64_T_FMT " repaired, %" APR_UINT64_T_FMT
           " busy\n",
           result.uploads, result.problems, result.repaired, result.busy);
    return result.problems > result.repaired ? CU_EXIT_PROBLEMS : 0;
}

const cu_command_t cu_command_fsck = {
    "fsck", "do state files, parts and catalogue belong together?",
    "usage: chunked-upload-ctl fsck [--repair]\n"
    "\n"
    "  --repair  finish what a crash cut short, remove parts and records that\n"
    "            belong to no upload, add records that are missing\n",
    run
};
