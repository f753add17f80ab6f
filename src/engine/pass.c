/*
 * Passes and their record.  Two passes at a time do no harm, since each
 * upload is judged under its own lock; the record is the later one's.
 */
#include "engine/pass.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <apr_strings.h>

#include "engine/open.h"
#include "engine/stray.h"
#include "store/dirs.h"
#include "store/io.h"

#define STRAY_EVERY (24 * 60 * 60 * APR_USEC_PER_SEC)
#define RECORD_MAX 2048

struct cu_pass_t {
    const cu_engine_t *engine;
    cu_expire_rules_t rules;
    cu_clock_fn steady;
    const cu_log_t *log;
    apr_pool_t *pool;
    apr_pool_t *scratch;
    apr_time_t started; /* steady */
    apr_time_t last_stray;
    cu_stray_t *stray;
    cu_expire_t result;
    int bucket;
    int waits;
};

static apr_time_t steady_clock(void)
{
    struct timespec at;
#ifdef CLOCK_BOOTTIME
    clockid_t id = CLOCK_BOOTTIME; /* goes on while the machine sleeps */
#else
    clockid_t id = CLOCK_MONOTONIC;
#endif

    if (clock_gettime(id, &at) < 0) {
        return 0;
    }
    return apr_time_from_sec((apr_time_t)at.tv_sec) + at.tv_nsec / 1000;
}

/* The record's lines: a name, a blank, a number. */
typedef struct field_t {
    const char *name;
    apr_size_t offset;
} field_t;

#define IN_LAST(name) { #name, offsetof(cu_pass_last_t, name) }
#define IN_RESULT(name) { #name, offsetof(cu_pass_last_t, result.name) }

static const field_t fields[] = {
    IN_LAST(ended),        IN_LAST(steady),       IN_LAST(stray),
    IN_LAST(took),         IN_RESULT(seen),       IN_RESULT(open),
    IN_RESULT(open_bytes), IN_RESULT(done),       IN_RESULT(done_bytes),
    IN_RESULT(oldest),     IN_RESULT(incomplete), IN_RESULT(complete),
    IN_RESULT(bytes),      IN_RESULT(finished),   { "strays",
                             offsetof(cu_pass_last_t, result.stray) },
    IN_RESULT(kept_stray), IN_RESULT(busy),       IN_RESULT(damaged),
    IN_RESULT(failed),
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static const char *record_path(const cu_engine_t *engine, const char *end,
                               apr_pool_t *pool)
{
    return apr_pstrcat(pool, engine->state_dir, "/last-pass", end, NULL);
}

static apr_int64_t *field_of(cu_pass_last_t *last, const field_t *field)
{
    return (apr_int64_t *)((char *)last + field->offset);
}

static void read_line(cu_pass_last_t *last, char *line)
{
    char *value = strchr(line, ' ');
    apr_size_t i;

    if (!value) {
        return;
    }
    *value++ = '\0';
    if (strcmp(line, "boot") == 0) {
        apr_cpystrn(last->boot, value, sizeof(last->boot));
    }
    for (i = 0; i < FIELDS; ++i) {
        if (strcmp(fields[i].name, line) == 0) {
            *field_of(last, &fields[i]) = apr_atoi64(value);
        }
    }
}

void cu_pass_last(const cu_engine_t *engine, cu_pass_last_t *last,
                  apr_pool_t *scratch)
{
    char text[RECORD_MAX + 1], *line, *rest;
    apr_size_t got = 0;
    int fd;

    memset(last, 0, sizeof(*last));
    if (cu_io_open(&fd, AT_FDCWD, record_path(engine, "", scratch),
                   O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0)
        != APR_SUCCESS) {
        return;
    }
    if (cu_io_pread(fd, text, RECORD_MAX, 0, &got) != APR_SUCCESS) {
        got = 0;
    }
    (void)cu_io_close(&fd);
    text[got] = '\0';
    for (line = apr_strtok(text, "\n", &rest); line;
         line = apr_strtok(NULL, "\n", &rest)) {
        read_line(last, line);
    }
}

static apr_status_t write_record(const cu_pass_t *pass, cu_pass_last_t *last)
{
    const char *aside = apr_psprintf(
        pass->scratch, "%s.%" APR_PID_T_FMT,
        record_path(pass->engine, "", pass->scratch), getpid());
    const char *text = apr_pstrcat(pass->scratch, "boot ", last->boot, "\n",
                                   NULL);
    apr_status_t rv;
    apr_size_t i;
    int fd;

    for (i = 0; i < FIELDS; ++i) {
        text = apr_psprintf(pass->scratch, "%s%s %" APR_INT64_T_FMT "\n",
                            text, fields[i].name,
                            *field_of(last, &fields[i]));
    }
    rv = cu_io_open(&fd, AT_FDCWD, aside,
                    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, CU_FILE_MODE);
    if (rv == APR_SUCCESS) {
        rv = cu_io_pwrite(fd, text, strlen(text), 0);
        (void)cu_io_close(&fd);
    }
    if (rv == APR_SUCCESS) {
        rv = cu_io_rename(AT_FDCWD, aside, AT_FDCWD,
                          record_path(pass->engine, "", pass->scratch));
    }
    if (rv != APR_SUCCESS) {
        CU_BEST_EFFORT(cu_io_unlink(AT_FDCWD, aside));
    }
    return rv;
}

/* Within one boot the steady clock tells how much time has really gone by;
 * across boots a gap of more than a day is doubted as well. */
static int has_jumped(const cu_pass_t *pass, const cu_pass_last_t *last)
{
    apr_interval_time_t wall, real = 0;

    if (last->ended == 0) {
        return 0;
    }
    wall = pass->engine->clock() - last->ended;
    if (strcmp(last->boot, pass->engine->boot) == 0
        && pass->started >= last->steady) {
        real = pass->started - last->steady;
    }
    return wall - real > CU_PASS_JUMP || real - wall > CU_PASS_JUMP;
}

void cu_pass_begin(cu_pass_t **out, const cu_engine_t *engine,
                   const cu_expire_rules_t *rules, cu_clock_fn steady,
                   const cu_log_t *log, apr_pool_t *pool)
{
    cu_pass_t *pass = apr_pcalloc(pool, sizeof(*pass));
    cu_pass_last_t last;

    pass->engine = engine;
    pass->rules = *rules;
    pass->steady = steady ? steady : steady_clock;
    pass->log = log;
    pass->pool = pool;
    apr_pool_create(&pass->scratch, pool);
    pass->started = pass->steady();
    cu_pass_last(engine, &last, pass->scratch);
    pass->last_stray = last.stray;
    pass->waits = has_jumped(pass, &last);
    if (pass->waits) {
        pass->rules.dry_run = 1;
        pass->rules.agree = NULL;
        pass->rules.removed = NULL;
        cu_log(log, CU_LOG_WARNING, APR_SUCCESS,
               CULOGNO(0053) "the clock has jumped by more than a day since "
                             "the last pass: nothing is removed in this one");
    }
    *out = pass;
}

static void end_pass(cu_pass_t *pass)
{
    cu_pass_last_t last;
    apr_status_t rv;

    memset(&last, 0, sizeof(last));
    if (pass->waits) {
        /* what would have gone has not gone */
        pass->result.incomplete = 0;
        pass->result.complete = 0;
        pass->result.bytes = 0;
        pass->result.stray = 0;
    }
    last.ended = pass->engine->clock();
    last.steady = pass->steady();
    last.took = last.steady - pass->started;
    last.stray = pass->last_stray;
    last.result = pass->result;
    apr_cpystrn(last.boot, pass->engine->boot, sizeof(last.boot));
    rv = write_record(pass, &last);
    if (rv != APR_SUCCESS) {
        cu_log(pass->log, CU_LOG_WARNING, rv,
               CULOGNO(0054) "the record of the last pass cannot be written");
    }
    if (pass->result.kept_stray > 0) {
        cu_log(pass->log, CU_LOG_WARNING, APR_SUCCESS,
               CULOGNO(0055) "%" APR_UINT64_T_FMT " files in the store belong "
                             "to no upload; chunked-upload-ctl fsck names "
                             "them, fsck --repair removes them",
               pass->result.kept_stray);
    }
}

static int strays_are_due(const cu_pass_t *pass)
{
    apr_time_t now = pass->engine->clock();

    return !pass->waits
           && (pass->last_stray > now
               || now - pass->last_stray >= STRAY_EVERY);
}

apr_status_t cu_pass_step(cu_pass_t *pass)
{
    apr_status_t rv;

    apr_pool_clear(pass->scratch);
    if (pass->bucket < CU_EXPIRE_BUCKETS) {
        rv = cu_expire_step(pass->engine, &pass->rules, pass->bucket,
                            pass->log, &pass->result, pass->scratch);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (++pass->bucket < CU_EXPIRE_BUCKETS) {
            return APR_SUCCESS;
        }
        if (strays_are_due(pass)) {
            cu_stray_begin(&pass->stray, pass->engine, pass->pool);
            return APR_SUCCESS;
        }
        end_pass(pass);
        return APR_EOF;
    }
    rv = cu_stray_step(pass->stray, &pass->rules, pass->log, &pass->result);
    if (APR_STATUS_IS_EOF(rv)) {
        pass->last_stray = pass->engine->clock();
        end_pass(pass);
    }
    return rv;
}

int cu_pass_waits(const cu_pass_t *pass)
{
    return pass->waits;
}

const cu_expire_t *cu_pass_result(const cu_pass_t *pass)
{
    return &pass->result;
}
