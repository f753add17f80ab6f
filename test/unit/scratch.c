/* See scratch.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw, mkdtemp */
#endif
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "engine/append.h"
#include "unit/scratch.h"

scratch_t scratch;
apr_time_t scratch_now;

static const char *wanted_suffix;
static int found;
static char found_path[1024];

static apr_time_t stopped_clock(void)
{
    return scratch_now;
}

static int log_wanted(void *baton, cu_log_level_t level)
{
    (void)baton;
    (void)level;
    return 1;
}

static void log_print(void *baton, cu_log_level_t level, apr_status_t rv,
                      const char *line)
{
    scratch_t *s = baton;

    (void)level;
    (void)rv;
    ++s->log_lines;
    apr_cpystrn(s->last_line, line, sizeof(s->last_line));
}

int scratch_group_setup(void **state)
{
    (void)state;
    return apr_initialize() == APR_SUCCESS ? 0 : -1;
}

int scratch_group_teardown(void **state)
{
    (void)state;
    apr_terminate();
    return 0;
}

void scratch_engine(const char *dbm, cu_sync_t sync)
{
    cu_engine_config_t config;
    const char *why = "?";

    memset(&config, 0, sizeof(config));
    config.state_dir = scratch.dir;
    config.dbm = dbm;
    config.sync = sync;
    config.clock = stopped_clock;
    cu_engine_make(&scratch.engine, &config, scratch.pool);
    if (cu_engine_prepare(scratch.engine, -1, -1, &why, scratch.pool)
        != APR_SUCCESS) {
        fail_msg("%s", why);
    }
}

int scratch_setup(void **state)
{
    const char *tmp;

    (void)state;
    memset(&scratch, 0, sizeof(scratch));
    scratch_now = apr_time_from_sec(1795376633);
    tmp = getenv("CU_TMPDIR"); /* one in memory is quicker */
    apr_snprintf(scratch.dir, sizeof(scratch.dir), "%s/cu-unit-XXXXXX",
                 tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    if (!mkdtemp(scratch.dir)
        || apr_pool_create(&scratch.pool, NULL) != APR_SUCCESS) {
        return -1;
    }
    scratch.log.wanted = log_wanted;
    scratch.log.print = log_print;
    scratch.log.baton = &scratch;
    scratch.policy.max_bytes = CU_NO_LIMIT;
    scratch.policy.expire = apr_time_from_sec(86400);
    scratch.policy.path_template = "chunked_uploads/%Y/%m/%d";
    scratch.policy.digest = CU_DIGEST_MD5;
    scratch.policy.anonymous = 1;
    scratch_engine("mem", CU_SYNC_COMPLETE);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int scratch_teardown(void **state)
{
    (void)state;
    apr_pool_destroy(scratch.pool);
    return nftw(scratch.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void scratch_ask(cu_ask_t *ask, const char *id)
{
    memset(ask, 0, sizeof(*ask));
    ask->id = id;
    ask->scope = "test";
    ask->dialect = "unit";
    ask->policy = &scratch.policy;
    ask->log = &scratch.log;
    ask->chunk_length = CU_LENGTH_UNKNOWN;
    ask->length = CU_LENGTH_UNKNOWN;
}

cu_code_t scratch_append(const char *id, apr_off_t offset, const char *data,
                         apr_size_t len, apr_off_t length, cu_reply_t *reply)
{
    cu_append_t *ap;
    cu_ask_t *ask = apr_pcalloc(scratch.pool, sizeof(*ask));
    cu_code_t code;

    scratch_ask(ask, id);
    ask->offset = offset;
    ask->chunk_length = (apr_off_t)len;
    ask->length = length;
    code = cu_append_begin(&ap, scratch.engine, ask, reply, scratch.pool);
    if (code != CU_OK) {
        return code;
    }
    code = cu_append_write(ap, data, len, reply);
    if (code != CU_OK) {
        cu_append_abort(ap);
        return code;
    }
    return cu_append_end(ap, reply);
}

static int count_one(const char *path, const struct stat *st, int type,
                     struct FTW *ftw)
{
    apr_size_t len = strlen(path), n = strlen(wanted_suffix);

    (void)st;
    (void)ftw;
    if (type == FTW_F && len >= n
        && strcmp(path + len - n, wanted_suffix) == 0) {
        ++found;
        apr_cpystrn(found_path, path, sizeof(found_path));
    }
    return 0;
}

int scratch_files(const char *suffix)
{
    wanted_suffix = suffix;
    found = 0;
    assert_int_equal(nftw(scratch.dir, count_one, 16, FTW_PHYS), 0);
    return found;
}

const char *scratch_file(const char *suffix)
{
    assert_int_equal(scratch_files(suffix), 1);
    return apr_pstrdup(scratch.pool, found_path);
}

char *scratch_read(const char *path, apr_size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    char *data;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    data = apr_palloc(scratch.pool, (apr_size_t)st.st_size + 1);
    assert_int_equal(read(fd, data, (size_t)st.st_size), st.st_size);
    data[st.st_size] = '\0';
    close(fd);
    *len = (apr_size_t)st.st_size;
    return data;
}

void scratch_flip(const char *path, apr_off_t at)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    unsigned char c;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c = (unsigned char)~c;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}
