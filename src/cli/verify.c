/* verify: are the bytes on disk those that were hashed as they came? */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/options.h"
#include "cli/text.h"
#include "engine/inspect.h"

#define BAR 30

typedef struct verify_t {
    cu_tool_t *tool;
    apr_pool_t *scratch;
    const char *id;
    int bar; /* the bar is on a terminal */
    apr_time_t drawn;
    apr_uint64_t counts[CU_VERIFY_COUNT];
    apr_uint64_t unread;
} verify_t;

static int draw(void *baton, apr_off_t done, apr_off_t all)
{
    verify_t *verify = baton;
    apr_time_t now = apr_time_now();
    int filled = (int)((double)done * BAR / (double)all);

    if (!verify->bar
        || (done < all && now - verify->drawn < APR_USEC_PER_SEC / 10)) {
        return 0;
    }
    verify->drawn = now;
    fprintf(stderr, "\r%s [%.*s%*s] %3d%%", verify->id, filled,
            "##############################", BAR - filled, "",
            (int)((double)done * 100 / (double)all));
    return 0;
}

static void say(const verify_t *verify, const char *id, const char *what)
{
    if (verify->bar) {
        fprintf(stderr, "\r%*s\r", CU_UPLOAD_ID_LEN + BAR + 9, "");
    }
    printf("%s  %s\n", id, what);
    fflush(stdout);
}

static void verify_one(verify_t *verify, const char *id)
{
    static const char *const words[CU_VERIFY_COUNT] = {
        [CU_VERIFIED] = "ok",
        [CU_VERIFY_NOTHING] = "no digest was kept",
        [CU_VERIFY_DIFFERS] = "THE BYTES ARE NOT THOSE THAT CAME",
        [CU_VERIFY_SHORT] = "BYTES ARE MISSING",
        [CU_VERIFY_CHANGED] = "changed meanwhile",
    };
    cu_verdict_t verdict;
    apr_status_t rv;
    char why[128];

    verify->id = id;
    rv = cu_inspect_verify(verify->tool->engine, id, draw, verify, &verdict,
                           verify->scratch);
    if (rv == APR_SUCCESS) {
        ++verify->counts[verdict];
        say(verify, id, words[verdict]);
    }
    else {
        ++verify->unread;
        say(verify, id, apr_strerror(rv, why, sizeof(why)));
    }
}

static apr_status_t visit(void *baton, const cu_listed_t *listed)
{
    verify_t *verify = baton;

    apr_pool_clear(verify->scratch);
    verify_one(verify, listed->id);
    return APR_SUCCESS;
}

static int run(cu_tool_t *tool)
{
    const cu_option_t options[] = { { NULL, CU_OPTION_FLAG, NULL } };
    apr_uint64_t missed = 0, bad;
    verify_t verify;
    apr_status_t rv = APR_SUCCESS;
    int rc = cu_options_read(tool, options, 0, 1);

    if (rc != 0) {
        return rc;
    }
    memset(&verify, 0, sizeof(verify));
    verify.tool = tool;
    verify.bar = isatty(STDERR_FILENO);
    apr_pool_create(&verify.scratch, tool->pool);
    if (tool->argc == 1) {
        cu_listed_t at;
        cu_code_t code = cu_list_one(tool->engine, tool->argv[0], &at,
                                     tool->pool);

        if (code != CU_OK) {
            return cu_text_outcome(tool->argv[0], code, tool->pool);
        }
        verify_one(&verify, at.id);
    }
    else {
        rv = cu_inspect_each(tool->engine, visit, &verify, &missed,
                             tool->pool);
    }
    if (rv != APR_SUCCESS) {
        return cu_text_store_error(rv);
    }
    bad = verify.counts[CU_VERIFY_DIFFERS] + verify.counts[CU_VERIFY_SHORT];
    printf("%" APR_UINT64_T_FMT " verified, %" APR_UINT64_T_FMT
           " bad, %" APR_UINT64_T_FMT " without digest, %" APR_UINT64_T_FMT
           " changed meanwhile, %" APR_UINT64_T_FMT " unreadable\n",
           verify.counts[CU_VERIFIED], bad, verify.counts[CU_VERIFY_NOTHING],
           verify.counts[CU_VERIFY_CHANGED], verify.unread + missed);
    return bad + verify.unread + missed > 0 ? CU_EXIT_PROBLEMS : 0;
}

const cu_command_t cu_command_verify = {
    "verify", "compare bytes with their digests",
    "usage: chunked-upload-ctl verify [ID]\n"
    "\n"
    "Reads the bytes of one upload, or of all, and compares them with the\n"
    "digest that was kept as they came.  Changes nothing and holds no lock\n"
    "while reading.\n",
    run
};
