/*
 * The catalogue: one suite over memory, Berkeley DB and sdbm; and for the DBM
 * ones what happens when a shard is damaged or gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "store/catalogue.h"
#include "unit/scratch.h"

static int from_source; /* uploads the source knows, ids 10.., 11.. */

static const char *id_of(unsigned int digit, unsigned int n)
{
    return apr_psprintf(scratch.pool, "%x%031x", digit, n);
}

static void fill(cu_record_t *record, const char *name)
{
    record->owner = "u:jo";
    record->scope = "www.example.org";
    record->name = name;
    record->path = "a/b.part";
    record->created = 1;
    record->expires = 2;
    record->length = 3;
    record->status = CU_STATUS_OPEN;
}

static apr_status_t source_each(void *baton, int digit,
                                cu_catalogue_visit_fn visit,
                                void *visit_baton, apr_pool_t *pool)
{
    apr_status_t rv = APR_SUCCESS;
    cu_record_t record;
    int i;

    (void)baton;
    for (i = 0; i < from_source && rv == APR_SUCCESS; ++i) {
        fill(&record, "rebuilt");
        rv = visit(visit_baton, id_of((unsigned int)digit, (unsigned int)i),
                   &record, pool);
    }
    return rv;
}

static const cu_catalogue_source_t source = { source_each, NULL };

static cu_catalogue_t *make(const char *type)
{
    cu_catalogue_t *catalogue;
    const char *why = NULL;

    from_source = 0;
    if (strcmp(type, "mem") == 0) {
        cu_catalogue_mem_make(&catalogue, scratch.pool);
    }
    else {
        cu_catalogue_dbm_make(
            &catalogue, apr_pstrcat(scratch.pool, scratch.dir, "/cat", NULL),
            type, &source, scratch.pool);
    }
    assert_int_equal(cu_catalogue_prepare(catalogue, &why, scratch.pool),
                     APR_SUCCESS);
    return catalogue;
}

static apr_status_t put(cu_catalogue_t *catalogue, const char *id,
                        const char *name)
{
    cu_record_t record;

    fill(&record, name);
    return cu_catalogue_put(catalogue, id, &record, &scratch.log,
                            scratch.pool);
}

static apr_status_t count_visit(void *baton, const char *id,
                                const cu_record_t *record, apr_pool_t *pool)
{
    (void)id;
    (void)record;
    (void)pool;
    ++*(int *)baton;
    return APR_SUCCESS;
}

static int count(cu_catalogue_t *catalogue)
{
    int n = 0;

    assert_int_equal(cu_catalogue_each(catalogue, count_visit, &n,
                                       &scratch.log, scratch.pool),
                     APR_SUCCESS);
    return n;
}

static void suite(const char *type)
{
    cu_catalogue_t *catalogue = make(type);
    cu_record_t record;
    unsigned int digit;

    assert_int_equal(count(catalogue), 0);
    for (digit = 0; digit < 16; ++digit) {
        assert_int_equal(put(catalogue, id_of(digit, 1), "one"), APR_SUCCESS);
        assert_int_equal(put(catalogue, id_of(digit, 2), "two"), APR_SUCCESS);
    }
    assert_int_equal(count(catalogue), 32);
    assert_int_equal(cu_catalogue_get(catalogue, id_of(15, 2), &record,
                                      &scratch.log, scratch.pool),
                     APR_SUCCESS);
    assert_string_equal(record.name, "two");
    assert_string_equal(record.owner, "u:jo");
    assert_true(record.length == 3);
    /* replaced, not doubled */
    assert_int_equal(put(catalogue, id_of(15, 2), "three"), APR_SUCCESS);
    assert_int_equal(cu_catalogue_get(catalogue, id_of(15, 2), &record,
                                      &scratch.log, scratch.pool),
                     APR_SUCCESS);
    assert_string_equal(record.name, "three");
    assert_int_equal(count(catalogue), 32);
    assert_int_equal(cu_catalogue_get(catalogue, id_of(7, 99), &record,
                                      &scratch.log, scratch.pool),
                     APR_NOTFOUND);
    assert_int_equal(cu_catalogue_remove(catalogue, id_of(15, 2),
                                         &scratch.log, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(cu_catalogue_remove(catalogue, id_of(15, 2),
                                         &scratch.log, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(count(catalogue), 31);
    assert_int_equal(scratch.log_lines, 0);
}

static void test_mem(void **state)
{
    (void)state;
    suite("mem");
}

static void test_db(void **state)
{
    (void)state;
    suite("db");
}

static void test_sdbm(void **state)
{
    (void)state;
    suite("sdbm");
}

static void test_largest_record_fits_sdbm(void **state)
{
    cu_catalogue_t *catalogue = make("sdbm");
    char name[CU_RECORD_MAX];
    cu_record_t record;
    unsigned char bytes[CU_RECORD_MAX];
    apr_size_t len = sizeof(name) - 1;

    (void)state;
    memset(name, 'x', sizeof(name));
    name[len] = '\0';
    fill(&record, name);
    while (cu_record_encode(&record, bytes) == 0) {
        name[--len] = '\0';
    }
    assert_int_equal(cu_record_encode(&record, bytes), CU_RECORD_MAX);
    assert_int_equal(put(catalogue, id_of(3, 1), name), APR_SUCCESS);
    assert_int_equal(cu_catalogue_get(catalogue, id_of(3, 1), &record,
                                      &scratch.log, scratch.pool),
                     APR_SUCCESS);
    assert_string_equal(record.name, name);
    name[len] = 'x';
    assert_int_equal(put(catalogue, id_of(3, 2), name), APR_EINVAL);
}

static void missing_shard(const char *type, const char *file)
{
    cu_catalogue_t *catalogue = make(type);

    assert_int_equal(put(catalogue, id_of(10, 500), "x"), APR_SUCCESS);
    assert_int_equal(
        unlink(apr_pstrcat(scratch.pool, scratch.dir, "/cat/", file, NULL)),
        0);
    from_source = 5;
    assert_int_equal(put(catalogue, id_of(10, 501), "y"), APR_SUCCESS);
    from_source = 0;
    assert_int_equal(count(catalogue), 6);
}

static void test_missing_shard_is_rebuilt(void **state)
{
    (void)state;
    missing_shard("db", "db-a");
}

static void damaged_shard(const char *type, const char *file)
{
    cu_catalogue_t *catalogue = make(type);
    const char *path =
        apr_pstrcat(scratch.pool, scratch.dir, "/cat/", file, NULL);
    cu_record_t record;
    FILE *f;

    assert_int_equal(put(catalogue, id_of(10, 500), "x"), APR_SUCCESS);
    f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fwrite("this is no database of any kind", 31, 1, f), 1);
    fclose(f);
    assert_int_equal(truncate(path, 31), 0);
    from_source = 5;
    assert_int_equal(cu_catalogue_get(catalogue, id_of(10, 4), &record,
                                      &scratch.log, scratch.pool),
                     APR_SUCCESS);
    assert_string_equal(record.name, "rebuilt");
    assert_true(scratch.log_lines >= 1);
    from_source = 0;
    assert_int_equal(count(catalogue), 5);
    assert_int_equal(put(catalogue, id_of(10, 501), "y"), APR_SUCCESS);
    assert_int_equal(count(catalogue), 6);
}

static void test_damaged_db(void **state)
{
    (void)state;
    damaged_shard("db", "db-a");
}

static void test_unknown_type(void **state)
{
    cu_catalogue_t *catalogue;
    const char *why = NULL;

    (void)state;
    cu_catalogue_dbm_make(&catalogue, scratch.dir, "no-such", &source,
                          scratch.pool);
    assert_int_not_equal(cu_catalogue_prepare(catalogue, &why, scratch.pool),
                         APR_SUCCESS);
    assert_non_null(strstr(why, "sdbm"));
}

/* Four processes, each its own keys in one shard: nothing is lost. */
static void test_processes_do_not_lose_updates(void **state)
{
    cu_catalogue_t *catalogue = make("db");
    int i, status;

    (void)state;
    for (i = 0; i < 4; ++i) {
        if (fork() == 0) {
            unsigned int n;

            for (n = 0; n < 50; ++n) {
                if (put(catalogue, id_of(5, (unsigned int)i * 100 + n), "p")
                    != APR_SUCCESS) {
                    _exit(1);
                }
            }
            _exit(0);
        }
    }
    for (i = 0; i < 4; ++i) {
        wait(&status);
        assert_int_equal(status, 0);
    }
    assert_int_equal(count(catalogue), 200);
}

#define TEST(name)                                                            \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_mem),
        TEST(test_db),
        TEST(test_sdbm),
        TEST(test_largest_record_fits_sdbm),
        TEST(test_missing_shard_is_rebuilt),
        TEST(test_damaged_db),
        TEST(test_unknown_type),
        TEST(test_processes_do_not_lose_updates),
    };

    return cmocka_run_group_tests(tests, scratch_group_setup,
                                  scratch_group_teardown);
}
