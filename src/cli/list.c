/* list: every upload, or those a filter lets through. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "cli/options.h"
#include "cli/text.h"
#include "engine/inspect.h"

typedef struct list_t {
    const char *owner, *scope, *status;
    apr_interval_time_t older;
    int json;
    apr_time_t now;
    apr_pool_t *scratch;
} list_t;

static int is_wanted(const list_t *list, const cu_listed_t *at)
{
    return (!list->owner || strcmp(list->owner, at->owner) == 0)
           && (!list->scope || strcmp(list->scope, at->scope) == 0)
           && (!list->status
               || strcmp(list->status, cu_status_name(at->status)) == 0)
           && (list->older < 0 || list->now - at->created >= list->older);
}

static const char *percent(const cu_listed_t *at, apr_pool_t *pool)
{
    if (at->length == CU_LENGTH_UNKNOWN) {
        return "?";
    }
    if (at->length == 0) {
        return "100%";
    }
    return apr_psprintf(pool, "%d%%",
                        (int)((double)at->offset * 100 / (double)at->length));
}

/* Bytes a second from creation to the last one that counted. */
static const char *speed(const cu_listed_t *at, apr_pool_t *pool)
{
    apr_interval_time_t took = at->active - at->created;

    if (took <= 0 || at->offset <= 0) {
        return "-";
    }
    return apr_pstrcat(pool,
                       cu_text_size((apr_off_t)((double)at->offset
                                                * APR_USEC_PER_SEC
                                                / (double)took),
                                    pool),
                       "/s", NULL);
}

static apr_status_t visit(void *baton, const cu_listed_t *at)
{
    list_t *list = baton;
    apr_pool_t *pool = list->scratch;
    int wrote;

    if (!is_wanted(list, at)) {
        return APR_SUCCESS;
    }
    apr_pool_clear(pool);
    if (list->json) {
        const char *line = cu_text_json(at, pool);

        wrote = line ? puts(line) : 0;
    }
    else {
        wrote = printf("%s  %-9s  %10s  %10s  %4s  %5s  %12s  %-12s  %s\n",
                       at->id, cu_status_name(at->status),
                       cu_text_size(at->offset, pool),
                       cu_text_size(at->length, pool), percent(at, pool),
                       cu_text_age(list->now - at->created, pool),
                       speed(at, pool), cu_text_safe(at->owner, pool),
                       cu_text_safe(at->name, pool));
    }
    /* a pager that was left is no failure of the store */
    return wrote < 0 ? APR_EOF : APR_SUCCESS;
}

static int run(cu_tool_t *tool)
{
    list_t list = { NULL, NULL, NULL, -1, 0, 0, NULL };
    const cu_option_t options[] = {
        { "owner", CU_OPTION_TEXT, &list.owner },
        { "scope", CU_OPTION_TEXT, &list.scope },
        { "status", CU_OPTION_TEXT, &list.status },
        { "older", CU_OPTION_AGE, &list.older },
        { "json", CU_OPTION_FLAG, &list.json },
        { NULL, CU_OPTION_FLAG, NULL },
    };
    apr_uint64_t missed;
    apr_status_t rv;
    int rc = cu_options_read(tool, options, 0, 0);

    if (rc != 0) {
        return rc;
    }
    list.now = apr_time_now();
    apr_pool_create(&list.scratch, tool->pool);
    if (!list.json) {
        printf("%-32s  %-9s  %10s  %10s  %4s  %5s  %12s  %-12s  %s\n", "ID",
               "STATUS", "RECEIVED", "OF", "", "AGE", "SPEED", "OWNER",
               "NAME");
    }
    rv = cu_inspect_each(tool->engine, visit, &list, &missed, tool->pool);
    if (rv != APR_SUCCESS && rv != APR_EOF) {
        return cu_text_store_error(rv);
    }
    if (missed > 0) {
        fprintf(stderr, "chunked-upload-ctl: %" APR_UINT64_T_FMT
                        " uploads cannot be read; fsck names them\n",
                missed);
        return CU_EXIT_PROBLEMS;
    }
    return 0;
}

const cu_command_t cu_command_list = {
    "list", "uploads, one line each",
    "usage: chunked-upload-ctl list [--owner NAME] [--scope NAME]\n"
    "           [--status STATUS] [--older AGE] [--json]\n"
    "\n"
    "  --owner NAME     only uploads of this user; \"\" for anonymous ones\n"
    "  --scope NAME     only uploads of this virtual host\n"
    "  --status STATUS  only uploading, complete, damaged ...\n"
    "  --older AGE      only uploads begun this long ago: 90s, 10m, 2h, 7d\n"
    "  --json           an object per line, with all that is known\n",
    run
};
