/*
 * expire: what the reaper does, by hand; with --all what the command
 * delete_expired_uploads of django-chunked-upload does, in its words.
 */
#include "engine/expire.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/text.h"

typedef struct asking_t {
    apr_pool_t *pool;
    int ended; /* nobody answers any more */
} asking_t;

/* "<name - upload_id: id - bytes: n - status: s>" until the answer is y or n. */
static int ask(void *baton, const cu_listed_t *at)
{
    asking_t *asking = baton;
    char line[64];

    while (!asking->ended) {
        apr_pool_clear(asking->pool);
        printf("Do you want to delete <%s - upload_id: %s - bytes: %"
               APR_OFF_T_FMT " - status: %d>? (y/n): ",
               at->name[0] ? cu_log_escape(at->name, asking->pool) : "",
               at->id, at->offset, at->status == CU_STATUS_OPEN ? 1 : 2);
        fflush(stdout);
        if (!fgets(line, sizeof(line), stdin)) {
            asking->ended = 1;
            putchar('\n');
        }
        else if (strcmp(line, "y\n") == 0 || strcmp(line, "Y\n") == 0) {
            return 1;
        }
        else if (strcmp(line, "n\n") == 0 || strcmp(line, "N\n") == 0) {
            return 0;
        }
    }
    return 0;
}

static void name_it(void *baton, const cu_listed_t *at)
{
    asking_t *asking = baton;

    apr_pool_clear(asking->pool);
    printf("%s  %-9s  %10s  %s\n", at->id, cu_status_name(at->status),
           cu_text_size(at->offset, asking->pool),
           cu_text_safe(at->name, asking->pool));
}

static int report(const cu_expire_t *result, int dry_run)
{
    const char *verb = dry_run ? "would be" : "were";

    printf("%" APR_UINT64_T_FMT " complete uploads %s deleted.\n",
           result->complete, verb);
    printf("%" APR_UINT64_T_FMT " incomplete uploads %s deleted.\n",
           result->incomplete, verb);
    fflush(stdout);
    if (result->busy > 0) {
        fprintf(stderr, "chunked-upload-ctl: %" APR_UINT64_T_FMT
                        " uploads are in use and were left alone\n",
                result->busy);
    }
    if (result->damaged > 0) {
        fprintf(stderr, "chunked-upload-ctl: %" APR_UINT64_T_FMT
                        " uploads cannot be read; fsck names them\n",
                result->damaged);
    }
    return result->failed > 0 || result->damaged > 0 ? CU_EXIT_PROBLEMS : 0;
}

static int run(cu_tool_t *tool)
{
    cu_expire_rules_t rules;
    cu_expire_t result;
    asking_t asking;
    int interactive = 0, bucket, rc;
    const cu_option_t options[] = {
        { "dry-run", CU_OPTION_FLAG, &rules.dry_run },
        { "interactive", CU_OPTION_FLAG, &interactive },
        { "older", CU_OPTION_AGE, &rules.older },
        { "all", CU_OPTION_FLAG, &rules.complete_too },
        { NULL, CU_OPTION_FLAG, NULL },
    };

    cu_expire_rules_init(&rules);
    rc = cu_options_read(tool, options, 0, 0);
    if (rc != 0) {
        return rc;
    }
    memset(&result, 0, sizeof(result));
    memset(&asking, 0, sizeof(asking));
    apr_pool_create(&asking.pool, tool->pool);
    rules.baton = &asking;
    rules.agree = interactive ? ask : NULL;
    rules.removed = rules.dry_run ? name_it : NULL;
    for (bucket = 0; bucket < CU_EXPIRE_BUCKETS; ++bucket) {
        apr_status_t rv = cu_expire_step(tool->engine, &rules, bucket,
                                         tool->log, &result, tool->pool);

        if (rv != APR_SUCCESS) {
            return cu_text_store_error(rv);
        }
    }
    return report(&result, rules.dry_run);
}

const cu_command_t cu_command_expire = {
    "expire", "remove what has expired",
    "usage: chunked-upload-ctl expire [--dry-run] [--interactive]\n"
    "           [--older AGE] [--all]\n"
    "\n"
    "Removes unfinished uploads whose time has passed, as the server does.\n"
    "\n"
    "  --dry-run      only name them\n"
    "  --interactive  ask before each\n"
    "  --older AGE    those begun this long ago, whatever their own expiry:\n"
    "                 90s, 10m, 2h, 7d\n"
    "  --all          complete uploads too (their files go with them)\n",
    run
};
