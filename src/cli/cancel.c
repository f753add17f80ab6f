/* cancel: remove one upload at the admin's word. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/text.h"
#include "engine/expire.h"

static int run(cu_tool_t *tool)
{
    int complete = 0;
    const cu_option_t options[] = {
        { "complete", CU_OPTION_FLAG, &complete },
        { NULL, CU_OPTION_FLAG, NULL },
    };
    cu_code_t code;
    int rc = cu_options_read(tool, options, 1, 1);

    if (rc != 0) {
        return rc;
    }
    code = cu_expire_one(tool->engine, tool->argv[0], complete, tool->log,
                         tool->pool);
    if (code != CU_OK) {
        return cu_text_outcome(tool->argv[0], code, tool->pool);
    }
    printf("%s was removed.\n", tool->argv[0]);
    return 0;
}

const cu_command_t cu_command_cancel = {
    "cancel", "remove one upload",
    "usage: chunked-upload-ctl cancel ID [--complete]\n"
    "\n"
    "Removes an unfinished upload, whoever owns it; who is writing to it is\n"
    "told that it is gone.\n"
    "\n"
    "  --complete  also a complete one, with its file\n",
    run
};
