/* The table of commands. */
#include "cli/commands.h"

#include <string.h>

static const cu_command_t *const commands[] = {
    &cu_command_list,   &cu_command_show,   &cu_command_expire,
    &cu_command_cancel, &cu_command_verify, &cu_command_fsck,
    &cu_command_export, &cu_command_import,
};

#define COMMANDS ((int)(sizeof(commands) / sizeof(commands[0])))

const cu_command_t *cu_command_at(int n)
{
    return n >= 0 && n < COMMANDS ? commands[n] : NULL;
}

const cu_command_t *cu_command_find(const char *name)
{
    int i;

    for (i = 0; i < COMMANDS; ++i) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}
