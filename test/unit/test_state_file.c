/*
 * State files on a real disk: locks, turns of the two slots, tears, removal
 * under a reader, and the walk.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "store/state_file.h"
#include "unit/scratch.h"

#define ID "8230412e259c43e0a245c9f3009f3afc"

static cu_state_file_t *create(void)
{
    cu_state_file_t *sf;
    cu_header_t header;
    cu_slot_t slot;

    memset(&header, 0, sizeof(header));
    header.id = ID;
    header.owner = header.scope = header.dialect = header.root = "";
    header.path = header.name = header.type = "";
    header.metadata = header.concat = "";
    memset(&slot, 0, sizeof(slot));
    slot.status = CU_STATUS_CREATING;
    slot.length = CU_LENGTH_UNKNOWN;
    assert_int_equal(cu_state_create(&sf, scratch.dir, &header, &slot, 0,
                                     scratch.pool),
                     APR_SUCCESS);
    return sf;
}

static cu_state_file_t *open_again(void)
{
    cu_state_file_t *sf;

    assert_int_equal(
        cu_state_open(&sf, scratch.dir, ID, 0, scratch.pool), APR_SUCCESS);
    return sf;
}

static void test_created_locked(void **state)
{
    cu_state_file_t *sf = create(), *other = open_again();
    struct stat st;

    (void)state;
    assert_true(sf->locked);
    assert_int_equal(cu_state_lock(other, 0, 0), APR_EBUSY);
    cu_state_unlock(sf);
    assert_int_equal(cu_state_lock(other, 0, 0), APR_SUCCESS);
    assert_int_equal(other->slot.status, CU_STATUS_CREATING);
    assert_int_equal(
        stat(cu_state_path(scratch.dir, ID, scratch.pool), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(scratch_files(".new"), 0);
}

static void test_slots_take_turns(void **state)
{
    cu_state_file_t *sf = create(), *other;
    int i;

    (void)state;
    for (i = 1; i <= 5; ++i) {
        sf->slot.offset = i;
        assert_int_equal(cu_state_write(sf), APR_SUCCESS);
    }
    cu_state_close(sf);
    other = open_again();
    assert_int_equal(cu_state_lock(other, 1, 0), APR_SUCCESS);
    assert_int_equal(other->slot.offset, 5);
    /* the newest torn: the one before counts */
    scratch_flip(cu_state_path(scratch.dir, ID, scratch.pool),
                 other->slots_at
                     + (apr_off_t)(other->slot.sequence & 1) * CU_BLOCK + 50);
    cu_state_close(other);
    other = open_again();
    assert_int_equal(cu_state_lock(other, 1, 0), APR_SUCCESS);
    assert_int_equal(other->slot.offset, 4);
    /* writing on hits the torn one, never the last good one */
    other->slot.offset = 6;
    assert_int_equal(cu_state_write(other), APR_SUCCESS);
    cu_state_close(other);
    other = open_again();
    assert_int_equal(cu_state_lock(other, 1, 0), APR_SUCCESS);
    assert_int_equal(other->slot.offset, 6);
}

static void test_both_slots_torn(void **state)
{
    cu_state_file_t *sf = create();
    const char *path = cu_state_path(scratch.dir, ID, scratch.pool);

    (void)state;
    assert_int_equal(cu_state_write(sf), APR_SUCCESS);
    scratch_flip(path, sf->slots_at + 30);
    scratch_flip(path, sf->slots_at + CU_BLOCK + 30);
    cu_state_close(sf);
    sf = open_again();
    assert_int_equal(cu_state_lock(sf, 1, 0), APR_EINVAL);
    assert_true(sf->locked);
}

static void test_removed_under_a_reader(void **state)
{
    cu_state_file_t *sf = create(), *reader = open_again(), *none;

    (void)state;
    assert_int_equal(cu_state_remove(sf), APR_SUCCESS);
    cu_state_unlock(sf);
    assert_int_equal(cu_state_lock(reader, 1, 0), APR_ENOENT);
    assert_false(reader->locked);
    assert_true(APR_STATUS_IS_ENOENT(
        cu_state_open(&none, scratch.dir, ID, 0, scratch.pool)));
    assert_null(none);
}

static void test_damaged_header(void **state)
{
    cu_state_file_t *sf = create();
    const char *path = cu_state_path(scratch.dir, ID, scratch.pool);

    (void)state;
    cu_state_close(sf);
    scratch_flip(path, 40);
    assert_int_equal(cu_state_open(&sf, scratch.dir, ID, 0, scratch.pool),
                     APR_EINVAL);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(cu_state_open(&sf, scratch.dir, ID, 0, scratch.pool),
                     APR_EINVAL);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(cu_state_open(&sf, scratch.dir, ID, 0, scratch.pool),
                     APR_EINVAL);
}

/* A state file under another id's name is not taken for that one's. */
static void test_renamed(void **state)
{
    const char *other = "8230412e259c43e0a245c9f3009f3aff";
    cu_state_file_t *sf = create();

    (void)state;
    cu_state_close(sf);
    assert_int_equal(rename(cu_state_path(scratch.dir, ID, scratch.pool),
                            cu_state_path(scratch.dir, other, scratch.pool)),
                     0);
    assert_int_equal(cu_state_open(&sf, scratch.dir, other, 0, scratch.pool),
                     APR_EINVAL);
}

/* SEC-9, SEC-12: a link or a FIFO in its place is refused at once. */
static void test_no_link_no_fifo(void **state)
{
    const char *path = cu_state_path(scratch.dir, ID, scratch.pool);
    cu_state_file_t *sf = create();

    (void)state;
    cu_state_close(sf);
    assert_int_equal(rename(path, apr_pstrcat(scratch.pool, path, ".x", NULL)),
                     0);
    assert_int_equal(symlink(apr_pstrcat(scratch.pool, path, ".x", NULL),
                             path),
                     0);
    assert_int_not_equal(
        cu_state_open(&sf, scratch.dir, ID, 0, scratch.pool), APR_SUCCESS);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_not_equal(
        cu_state_open(&sf, scratch.dir, ID, 0, scratch.pool), APR_SUCCESS);
}

static void test_lock_dies_with_its_process(void **state)
{
    cu_state_file_t *sf = create();
    int status;
    pid_t child;

    (void)state;
    cu_state_close(sf);
    child = fork();
    if (child == 0) {
        cu_state_file_t *mine;

        if (cu_state_open(&mine, scratch.dir, ID, 0, scratch.pool)
                != APR_SUCCESS
            || cu_state_lock(mine, 1, 0) != APR_SUCCESS) {
            _exit(1);
        }
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    sf = open_again();
    assert_int_equal(cu_state_lock(sf, 1, 0), APR_SUCCESS);
}

static apr_status_t count(void *baton, const char *id, const char *name,
                          apr_pool_t *pool)
{
    int *counts = baton;

    (void)pool;
    (void)name;
    ++counts[id != NULL];
    return APR_SUCCESS;
}

static void test_walk(void **state)
{
    int counts[2] = { 0, 0 };
    const char *stray;
    int fd;

    (void)state;
    cu_state_close(create());
    stray = apr_pstrcat(scratch.pool, scratch.dir, "/state/82/stray", NULL);
    fd = open(stray, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(cu_state_each(scratch.dir, 0, 255, count, counts,
                                   scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(counts[1], 1);
    assert_int_equal(counts[0], 1);
    counts[0] = counts[1] = 0;
    assert_int_equal(cu_state_each(scratch.dir, 0, 0x81, count, counts,
                                   scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(counts[0] + counts[1], 0);
}

/* A valid slot in the wrong place must not count: the next one written would
 * take its place, and a torn write would leave none. */
static void test_slot_in_the_wrong_place(void **state)
{
    cu_state_file_t *sf = create();
    unsigned char block[CU_BLOCK];
    cu_slot_t slot = sf->slot;
    int fd;

    (void)state;
    cu_state_close(sf);
    fd = open(cu_state_path(scratch.dir, ID, scratch.pool), O_RDWR);
    assert_true(fd >= 0);
    slot.sequence = 4; /* its place is slot A's */
    slot.offset = 77;
    cu_slot_encode(&slot, block);
    assert_int_equal(pwrite(fd, block, CU_BLOCK, 2 * CU_BLOCK), CU_BLOCK);
    sf = open_again();
    assert_int_equal(cu_state_lock(sf, 1, 0), APR_SUCCESS);
    assert_true(sf->slot.sequence == 2 && sf->slot.offset == 0);
    cu_state_close(sf);
    slot.sequence = 3;
    cu_slot_encode(&slot, block);
    assert_int_equal(pwrite(fd, block, CU_BLOCK, CU_BLOCK), CU_BLOCK);
    sf = open_again();
    assert_int_equal(cu_state_lock(sf, 1, 0), APR_EINVAL);
    cu_state_close(sf);
    assert_int_equal(close(fd), 0);
}

#define TEST(name)                                                            \
    cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_created_locked),
        TEST(test_slots_take_turns),
        TEST(test_both_slots_torn),
        TEST(test_slot_in_the_wrong_place),
        TEST(test_removed_under_a_reader),
        TEST(test_damaged_header),
        TEST(test_renamed),
        TEST(test_no_link_no_fifo),
        TEST(test_lock_dies_with_its_process),
        TEST(test_walk),
    };

    return cmocka_run_group_tests(tests, scratch_group_setup,
                                  scratch_group_teardown);
}
