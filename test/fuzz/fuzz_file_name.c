/*
 * parse/file_name.h.
 *
 * Input: a file name as a client sent it.  What comes out must be 1 to 255
 * bytes of valid UTF-8 (judged by a decoder of this file), hold no slash,
 * control or direction character, have no blank at its ends, not be a name of
 * a directory, and stay the same when it is put in again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parse/file_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

/* By its definition: decode by the lead byte, then ask whether the number
 * needed that many bytes and is a scalar value. */
static uint32_t decode(const unsigned char **p)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned char lead = *(*p)++;
    int len = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2
              : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
    uint32_t code = lead;
    int i;

    require(len > 0);
    if (len > 1) {
        code = lead & (0xffu >> (len + 1));
    }
    for (i = 1; i < len; ++i) {
        unsigned char c = *(*p)++;

        require((c & 0xc0) == 0x80);
        code = code * 64 + (c & 0x3f);
    }
    require(code >= least[len] && code <= 0x10ffff);
    require(code < 0xd800 || code > 0xdfff);
    return code;
}

static void check_character(uint32_t code)
{
    static const uint32_t ranges[][2] = {
        { 0, 0x1f }, { '/', '/' }, { '\\', '\\' }, { 0x7f, 0x9f },
        { 0x061c, 0x061c }, { 0x200e, 0x200f }, { 0x2028, 0x2029 },
        { 0x202a, 0x202e }, { 0x2066, 0x2069 },
    };
    size_t i;

    for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); ++i) {
        require(code < ranges[i][0] || code > ranges[i][1]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *first = malloc(CU_FILE_NAME_MAX + 1);
    char *second = malloc(CU_FILE_NAME_MAX + 1);
    const unsigned char *p, *end;
    size_t len;

    require(first && second);
    len = cu_file_name_display((const char *)data, size, first);
    require(len >= 1 && len <= CU_FILE_NAME_MAX);
    require(strlen(first) == len);
    require(strcmp(first, ".") != 0 && strcmp(first, "..") != 0);
    require(first[0] != ' ' && first[len - 1] != ' ');
    p = (const unsigned char *)first;
    for (end = p + len; p < end;) {
        check_character(decode(&p));
    }
    require(p == end);
    require(cu_file_name_display(first, len, second) == len);
    require(memcmp(first, second, len + 1) == 0);
    free(first);
    free(second);
    return 0;
}
