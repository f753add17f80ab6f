/* show: all that is known of one upload. */
#include "cli/commands.h"

#include <stdio.h>

#include "cli/options.h"
#include "cli/text.h"

static void print(const cu_listed_t *at, apr_pool_t *pool)
{
    printf("id         %s\n", at->id);
    printf("status     %s\n", cu_status_name(at->status));
    printf("name       %s\n", cu_text_safe(at->name, pool));
    printf("type       %s\n", cu_text_safe(at->type, pool));
    printf("owner      %s\n", cu_text_safe(at->owner, pool));
    printf("scope      %s\n", cu_text_safe(at->scope, pool));
    printf("offset     %" APR_OFF_T_FMT "\n", at->offset);
    if (at->length == CU_LENGTH_UNKNOWN) {
        printf("length     ?\n");
    }
    else {
        printf("length     %" APR_OFF_T_FMT "\n", at->length);
    }
    printf("chunks     %" APR_UINT64_T_FMT "\n", at->chunks);
    printf("created    %s\n", cu_text_time(at->created, pool));
    printf("active     %s\n", cu_text_time(at->active, pool));
    printf("expires    %s\n", cu_text_time(at->expires, pool));
    printf("completed  %s\n", cu_text_time(at->completed, pool));
    printf("digest     %s\n", at->digest_hex);
    printf("path       %s\n", at->path);
}

static int run(cu_tool_t *tool)
{
    int json = 0;
    const cu_option_t options[] = {
        { "json", CU_OPTION_FLAG, &json },
        { NULL, CU_OPTION_FLAG, NULL },
    };
    cu_listed_t at;
    cu_code_t code;
    int rc = cu_options_read(tool, options, 1, 1);

    if (rc != 0) {
        return rc;
    }
    code = cu_list_one(tool->engine, tool->argv[0], &at, tool->pool);
    if (code != CU_OK) {
        return cu_text_outcome(tool->argv[0], code, tool->pool);
    }
    if (json) {
        const char *line = cu_text_json(&at, tool->pool);

        return line && puts(line) >= 0 ? 0 : CU_EXIT_STORE;
    }
    print(&at, tool->pool);
    return 0;
}

const cu_command_t cu_command_show = {
    "show", "all that is known of one upload",
    "usage: chunked-upload-ctl show ID [--json]\n"
    "\n"
    "  --json  as one JSON object\n",
    run
};
