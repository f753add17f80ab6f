/*
 * A store with very many uploads, made through the engine, and what it costs
 * to live with: one chunk, a look at one upload, the listing, a pass of the
 * reaper, the largest memory of the process.  One in ten is complete, one in
 * a hundred has expired.  Built and run by million.sh.
 *
 * usage: million DIRECTORY UPLOADS [DBM]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "engine/append.h"
#include "engine/complete.h"
#include "engine/inspect.h"
#include "engine/pass.h"

#define DATA "0123456789abcdef"
#define MD5_OF_DATA "4032af8d61035123906e58e067140cc5"

static apr_time_t ahead; /* added to the clock */

static apr_time_t clock_ahead(void)
{
    return apr_time_now() + ahead;
}

static cu_engine_t *engine;
static cu_policy_t policy;

static void die(const char *what, int code)
{
    fprintf(stderr, "million: %s: %d\n", what, code);
    exit(1);
}

static double seconds_since(apr_time_t from)
{
    return (double)(apr_time_now() - from) / APR_USEC_PER_SEC;
}

static long peak_kib(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void init_ask(cu_ask_t *ask, const char *id)
{
    memset(ask, 0, sizeof(*ask));
    ask->id = id;
    ask->scope = "bench";
    ask->dialect = "form";
    ask->policy = &policy;
    ask->length = 2 * (apr_off_t)strlen(DATA);
    ask->chunk_length = (apr_off_t)strlen(DATA);
    ask->name = "a file.bin";
}

/* One chunk; the id of its upload in id. */
static void send_chunk(const char *known, apr_off_t offset, apr_off_t length,
                 char *id, apr_pool_t *pool)
{
    cu_append_t *ap;
    cu_reply_t reply;
    cu_ask_t ask;
    cu_code_t code;

    init_ask(&ask, known);
    ask.offset = offset;
    ask.length = length;
    code = cu_append_begin(&ap, engine, &ask, &reply, pool);
    if (code == CU_OK) {
        code = cu_append_write(ap, DATA, strlen(DATA), &reply);
    }
    if (code == CU_OK) {
        code = cu_append_end(ap, &reply);
    }
    if (code != CU_OK) {
        die("a chunk", (int)code);
    }
    apr_cpystrn(id, reply.id, CU_UPLOAD_ID_LEN + 1);
}

static void complete(const char *id, apr_pool_t *pool)
{
    cu_reply_t reply;
    cu_ask_t ask;
    cu_code_t code;

    init_ask(&ask, id);
    ask.digest_hex = MD5_OF_DATA;
    ask.digest_required = 1;
    code = cu_complete(engine, &ask, &reply, pool);
    if (code != CU_OK) {
        die("a completion", (int)code);
    }
}

static void make_all(long count, char *last, apr_pool_t *pool)
{
    apr_time_t from = apr_time_now();
    apr_pool_t *scratch;
    long i;

    apr_pool_create(&scratch, pool);
    for (i = 0; i < count; ++i) {
        apr_off_t len = (apr_off_t)strlen(DATA);
        int whole = i % 10 == 0;

        apr_pool_clear(scratch);
        policy.expire = apr_time_from_sec(i % 100 == 1 ? 6 * 3600 : 864000);
        send_chunk(NULL, 0, whole ? len : 2 * len, last, scratch);
        if (whole) {
            complete(last, scratch);
        }
        if (i % 100000 == 99999) {
            printf("  %ld made, %.0f s\n", i + 1, seconds_since(from));
            fflush(stdout);
        }
    }
    printf("made %ld uploads in %.1f s: %.1f us each\n", count,
           seconds_since(from),
           seconds_since(from) * 1e6 / (double)(count ? count : 1));
    apr_pool_destroy(scratch);
}

static void one_chunk(const char *what, apr_pool_t *pool)
{
    enum { TIMES = 200 };
    char ids[TIMES][CU_UPLOAD_ID_LEN + 1];
    apr_pool_t *scratch;
    apr_time_t from;
    int i;

    apr_pool_create(&scratch, pool);
    from = apr_time_now();
    for (i = 0; i < TIMES; ++i) {
        apr_pool_clear(scratch);
        send_chunk(NULL, 0, 2 * (apr_off_t)strlen(DATA), ids[i], scratch);
    }
    printf("%s: first chunk %.1f us", what,
           seconds_since(from) * 1e6 / TIMES);
    from = apr_time_now();
    for (i = 0; i < TIMES; ++i) {
        char same[CU_UPLOAD_ID_LEN + 1];

        apr_pool_clear(scratch);
        send_chunk(ids[i], (apr_off_t)strlen(DATA), 2 * (apr_off_t)strlen(DATA),
             same, scratch);
    }
    printf(", another %.1f us", seconds_since(from) * 1e6 / TIMES);
    from = apr_time_now();
    for (i = 0; i < TIMES; ++i) {
        cu_reply_t reply;
        cu_ask_t ask;

        apr_pool_clear(scratch);
        init_ask(&ask, ids[i]);
        if (cu_engine_query(engine, &ask, &reply, scratch) != CU_OK) {
            die("a query", 0);
        }
    }
    printf(", status %.1f us\n", seconds_since(from) * 1e6 / TIMES);
    apr_pool_destroy(scratch);
}

static apr_status_t count_visit(void *baton, const cu_listed_t *listed)
{
    *(apr_uint64_t *)baton += listed->offset >= 0;
    return APR_SUCCESS;
}

static void list_all(apr_pool_t *pool)
{
    apr_time_t from = apr_time_now();
    apr_uint64_t count = 0, missed;

    if (cu_inspect_each(engine, count_visit, &count, &missed, pool)
        != APR_SUCCESS) {
        die("list", 0);
    }
    printf("list: %" APR_UINT64_T_FMT " uploads in %.2f s, peak memory %ld "
           "KiB\n", count, seconds_since(from), peak_kib());
}

static void pass(const char *what, apr_pool_t *pool)
{
    apr_time_t from = apr_time_now(), before;
    apr_interval_time_t longest = 0;
    cu_expire_rules_t rules;
    const cu_expire_t *result;
    apr_pool_t *own;
    apr_status_t rv;
    cu_pass_t *at;
    int steps = 0;

    apr_pool_create(&own, pool);
    cu_expire_rules_init(&rules);
    cu_pass_begin(&at, engine, &rules, NULL, NULL, own);
    do {
        before = apr_time_now();
        rv = cu_pass_step(at);
        ++steps;
        if (apr_time_now() - before > longest) {
            longest = apr_time_now() - before;
        }
    } while (rv == APR_SUCCESS);
    if (!APR_STATUS_IS_EOF(rv)) {
        die("a pass", rv);
    }
    result = cu_pass_result(at);
    printf("%s: %" APR_UINT64_T_FMT " seen, %" APR_UINT64_T_FMT
           " removed in %.2f s, %d steps, the longest %.0f ms, peak memory "
           "%ld KiB\n",
           what, result->seen, result->incomplete, seconds_since(from), steps,
           (double)longest / 1000, peak_kib());
    apr_pool_destroy(own);
}

int main(int argc, const char *const *argv)
{
    cu_engine_config_t config;
    char last[CU_UPLOAD_ID_LEN + 1];
    const char *why = "?";
    apr_pool_t *pool;

    if (argc < 3 || apr_initialize() != APR_SUCCESS
        || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        fprintf(stderr, "usage: million DIRECTORY UPLOADS [DBM]\n");
        return 2;
    }
    memset(&config, 0, sizeof(config));
    config.state_dir = argv[1];
    config.dbm = argc > 3 ? argv[3] : "sdbm";
    config.sync = CU_SYNC_NONE;
    config.clock = clock_ahead;
    memset(&policy, 0, sizeof(policy));
    policy.max_bytes = CU_NO_LIMIT;
    policy.path_template = "%Y/%m/%d/%H%M";
    policy.digest = CU_DIGEST_MD5;
    policy.anonymous = 1;
    policy.expire = apr_time_from_sec(864000);
    cu_engine_make(&engine, &config, pool);
    if (cu_engine_prepare(engine, -1, -1, &why, pool) != APR_SUCCESS) {
        fprintf(stderr, "million: %s\n", why);
        return 1;
    }
    one_chunk("empty store", pool);
    make_all(atol(argv[2]), last, pool);
    one_chunk("full store", pool);
    list_all(pool);
    pass("pass, nothing expired yet, with the daily search", pool);
    ahead = apr_time_from_sec(7 * 3600);
    pass("pass, one in a hundred expired", pool);
    pass("pass, nothing to do", pool);
    apr_terminate();
    return 0;
}
