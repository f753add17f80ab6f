/*
 * State headers, slots and catalogue records: what goes in comes out, and of
 * every byte that a disk changes something is said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <apr_strings.h>

#include "base/bytes.h"
#include "store/record.h"
#include "unit/scratch.h"

#define ID "8230412e259c43e0a245c9f3009f3afc"

static void fill(cu_header_t *header)
{
    memset(header, 0, sizeof(*header));
    header->id = ID;
    header->owner = "u:jo";
    header->scope = "www.example.org";
    header->dialect = "form";
    header->root = "/srv/store";
    header->path = "a/b/" ID ".part";
    header->name = "na\xc3\xafve.txt";
    header->type = "text/plain";
    header->metadata = "filename bmFtZQ==,empty";
    header->concat = "partial";
    header->role = CU_ROLE_PART;
    header->created = 1795376633055999;
    header->expire = -1;
    header->max_bytes = CU_NO_LIMIT;
    header->digest = 1;
}

static void test_header_comes_back(void **state)
{
    cu_header_t in, out;
    unsigned char *bytes;
    apr_size_t len;

    (void)state;
    fill(&in);
    assert_int_equal(cu_header_encode(&in, &bytes, &len, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(len, CU_BLOCK);
    assert_int_equal(cu_header_size(bytes), len);
    assert_int_equal(cu_header_decode(bytes, len, &out, scratch.pool),
                     APR_SUCCESS);
    assert_string_equal(out.id, in.id);
    assert_string_equal(out.owner, in.owner);
    assert_string_equal(out.scope, in.scope);
    assert_string_equal(out.dialect, in.dialect);
    assert_string_equal(out.root, in.root);
    assert_string_equal(out.path, in.path);
    assert_string_equal(out.name, in.name);
    assert_string_equal(out.type, in.type);
    assert_string_equal(out.metadata, in.metadata);
    assert_string_equal(out.concat, in.concat);
    assert_int_equal(out.role, CU_ROLE_PART);
    assert_true(out.created == in.created);
    assert_true(out.expire == -1);
    assert_true(out.max_bytes == CU_NO_LIMIT);
    assert_int_equal(out.expire_idle, 0);
    assert_int_equal(out.digest, 1);
}

static void test_header_long_texts(void **state)
{
    char *text = apr_pcalloc(scratch.pool, CU_RECORD_TEXT_MAX + 2);
    cu_header_t in, out;
    unsigned char *bytes;
    apr_size_t len;

    (void)state;
    fill(&in);
    memset(text, 'x', CU_RECORD_TEXT_MAX);
    in.root = in.path = text;
    assert_int_equal(cu_header_encode(&in, &bytes, &len, scratch.pool),
                     APR_SUCCESS);
    assert_int_equal(len, 5 * CU_BLOCK);
    assert_int_equal(cu_header_decode(bytes, len, &out, scratch.pool),
                     APR_SUCCESS);
    assert_string_equal(out.root, text);
    text[CU_RECORD_TEXT_MAX] = 'y';
    assert_int_equal(cu_header_encode(&in, &bytes, &len, scratch.pool),
                     APR_EINVAL);
}

/* Every single changed byte of the used part is noticed. */
static void test_header_every_byte(void **state)
{
    cu_header_t in, out;
    unsigned char *bytes, *copy;
    apr_size_t len, used, i;

    (void)state;
    fill(&in);
    assert_int_equal(cu_header_encode(&in, &bytes, &len, scratch.pool),
                     APR_SUCCESS);
    used = cu_get_u32(bytes + 12);
    copy = malloc(len);
    for (i = 0; i < used; ++i) {
        memcpy(copy, bytes, len);
        copy[i] ^= 0x41;
        if (cu_header_size(copy) == len) {
            assert_int_not_equal(
                cu_header_decode(copy, len, &out, scratch.pool), APR_SUCCESS);
        }
    }
    memcpy(copy, bytes, len);
    copy[11] = 2;
    assert_int_equal(cu_header_decode(copy, len, &out, scratch.pool),
                     APR_ENOTIMPL);
    free(copy);
}

static void fill_slot(cu_slot_t *slot)
{
    memset(slot, 0, sizeof(*slot));
    slot->sequence = 7;
    slot->generation = 3;
    slot->offset = APR_INT64_C(5) << 32;
    slot->synced = 4096;
    slot->length = APR_INT64_C(6) << 32;
    slot->active = 1795376633055999;
    slot->expires = 0;
    slot->chunks = 9;
    slot->status = CU_STATUS_OPEN;
    slot->writer_active = 1;
    slot->digest = 1;
    slot->digest_len = CU_SLOT_DIGEST_MAX;
    memset(slot->digest_state, 0xa5, sizeof(slot->digest_state));
    memset(slot->digest_hex, 'f', CU_SLOT_HEX_MAX);
    memset(slot->boot, 'b', CU_BOOT_ID_MAX);
}

static void test_slot_comes_back(void **state)
{
    unsigned char block[CU_BLOCK];
    cu_slot_t in, out;

    (void)state;
    fill_slot(&in);
    cu_slot_encode(&in, block);
    assert_int_equal(cu_slot_decode(block, &out), APR_SUCCESS);
    assert_memory_equal(&in.digest_state, &out.digest_state,
                        sizeof(in.digest_state));
    assert_true(out.offset == in.offset && out.length == in.length);
    assert_true(out.sequence == 7 && out.generation == 3);
    assert_true(out.active == in.active && out.chunks == 9);
    assert_int_equal(out.status, CU_STATUS_OPEN);
    assert_string_equal(out.digest_hex, in.digest_hex);
    assert_string_equal(out.boot, in.boot);
}

static void test_slot_every_byte(void **state)
{
    unsigned char block[CU_BLOCK], copy[CU_BLOCK];
    cu_slot_t in, out;
    apr_size_t used, i;

    (void)state;
    fill_slot(&in);
    cu_slot_encode(&in, block);
    used = cu_get_u32(block + 8);
    for (i = 0; i < used; ++i) {
        /* four bytes between length and checksum are not used yet, but sum */
        memcpy(copy, block, sizeof(copy));
        copy[i] ^= 0x10;
        assert_int_not_equal(cu_slot_decode(copy, &out), APR_SUCCESS);
    }
    memset(copy, 0, sizeof(copy));
    assert_int_equal(cu_slot_decode(copy, &out), APR_EINVAL);
}

/* A slot with a good checksum and senseless values is refused as well. */
static void test_slot_insane(void **state)
{
    unsigned char block[CU_BLOCK];
    cu_slot_t in, out;

    (void)state;
    fill_slot(&in);
    in.offset = in.length + 1;
    cu_slot_encode(&in, block);
    assert_int_equal(cu_slot_decode(block, &out), APR_EINVAL);
    fill_slot(&in);
    in.offset = -1;
    cu_slot_encode(&in, block);
    assert_int_equal(cu_slot_decode(block, &out), APR_EINVAL);
    fill_slot(&in);
    in.status = CU_STATUS_COUNT;
    cu_slot_encode(&in, block);
    assert_int_equal(cu_slot_decode(block, &out), APR_EINVAL);
    /* the slot after it could never be the newest */
    fill_slot(&in);
    in.sequence = CU_SEQUENCE_MAX;
    cu_slot_encode(&in, block);
    assert_int_equal(cu_slot_decode(block, &out), APR_SUCCESS);
    ++in.sequence;
    cu_slot_encode(&in, block);
    assert_int_equal(cu_slot_decode(block, &out), APR_EINVAL);
    in.sequence = APR_UINT64_MAX;
    cu_slot_encode(&in, block);
    assert_int_equal(cu_slot_decode(block, &out), APR_EINVAL);
}

static void test_record(void **state)
{
    unsigned char bytes[CU_RECORD_MAX];
    char name[CU_RECORD_MAX + 1];
    cu_record_t in, out;
    apr_size_t len, i;

    (void)state;
    in.owner = "";
    in.scope = "s";
    in.name = "n";
    in.path = "p/q";
    in.created = 1;
    in.expires = 2;
    in.length = CU_LENGTH_UNKNOWN;
    in.status = CU_STATUS_DONE;
    len = cu_record_encode(&in, bytes);
    assert_true(len > 0);
    assert_int_equal(cu_record_decode(bytes, len, &out, scratch.pool),
                     APR_SUCCESS);
    assert_string_equal(out.path, "p/q");
    assert_true(out.length == CU_LENGTH_UNKNOWN);
    assert_int_equal(out.status, CU_STATUS_DONE);
    for (i = 0; i < len; ++i) {
        unsigned char *exact = malloc(i ? i : 1);

        memcpy(exact, bytes, i);
        assert_int_equal(cu_record_decode(exact, i, &out, scratch.pool),
                         APR_EINVAL);
        free(exact);
    }
    memset(name, 'x', CU_RECORD_MAX);
    name[CU_RECORD_MAX] = '\0';
    in.name = name;
    assert_int_equal(cu_record_encode(&in, bytes), 0);
}

/* What no writer makes is not read either, though every text is in place. */
static void test_record_too_long(void **state)
{
    static const unsigned char head[] = { 1, CU_STATUS_OPEN };
    unsigned char bytes[CU_RECORD_MAX + 1];
    cu_record_t out;
    apr_size_t len;

    (void)state;
    for (len = CU_RECORD_MAX; len <= CU_RECORD_MAX + 1; ++len) {
        memset(bytes, 0, sizeof(bytes));
        memcpy(bytes, head, sizeof(head));
        (void)cu_put_u16(bytes + 26, (unsigned int)len - 26 - 8);
        memset(bytes + 28, 'o', len - 26 - 8);
        assert_int_equal(cu_record_decode(bytes, len, &out, scratch.pool),
                         len > CU_RECORD_MAX ? APR_EINVAL : APR_SUCCESS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_header_comes_back, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_header_long_texts, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_header_every_byte, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_slot_comes_back, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_slot_every_byte, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_slot_insane, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_record, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_record_too_long, scratch_setup,
                                        scratch_teardown),
    };

    return cmocka_run_group_tests(tests, scratch_group_setup,
                                  scratch_group_teardown);
}
