/*
 * parse/multipart.h: any cut of a body gives the same events.
 *
 * Input: two bytes that choose the cuts, then the value of a Content-Type
 * header up to the first NUL, then the body.  A value without a boundary is
 * replaced by the boundary "B", so that a mutation there does not stop the
 * search.  The body is parsed whole and cut; parts, bytes, verdict and reason
 * must be the same, and no byte may come from elsewhere than the input of the
 * call or the parser's delimiter.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parse/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct digest_t {
    uint64_t value;
    const cu_multipart_t *parser;
    const char *input;
    size_t input_len;
    int in_part;
} digest_t;

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

/* FNV-1a. */
static void mix(digest_t *digest, const char *data, size_t len)
{
    size_t i;

    for (i = 0; i < len; ++i) {
        digest->value ^= (unsigned char)data[i];
        digest->value *= 1099511628211u;
    }
}

static void mix_text(digest_t *digest, const char *text)
{
    mix(digest, text ? "+" : "-", 1);
    if (text) {
        mix(digest, text, strlen(text) + 1);
    }
}

static int on_begin(void *baton, const cu_multipart_part_t *part)
{
    digest_t *digest = baton;

    require(!digest->in_part);
    digest->in_part = 1;
    require(strlen(part->name) <= CU_MULTIPART_NAME_MAX);
    require(!part->filename
            || strlen(part->filename) <= CU_MULTIPART_FILENAME_MAX);
    require(!part->type || strlen(part->type) <= CU_MULTIPART_TYPE_MAX);
    mix(digest, "{", 1);
    mix_text(digest, part->name);
    mix_text(digest, part->filename);
    mix_text(digest, part->type);
    return 0;
}

static int on_data(void *baton, const char *data, apr_size_t len)
{
    digest_t *digest = baton;
    const cu_multipart_t *parser = digest->parser;

    require(digest->in_part && len > 0);
    require((data >= digest->input
             && data + len <= digest->input + digest->input_len)
            || (data >= parser->delimiter
                && data + len <= parser->delimiter + parser->delimiter_len));
    mix(digest, data, len);
    return 0;
}

static int on_end(void *baton)
{
    digest_t *digest = baton;

    require(digest->in_part);
    digest->in_part = 0;
    mix(digest, "}", 1);
    return 0;
}

static const cu_multipart_callbacks_t calls = { on_begin, on_data, on_end };

/* One piece, in a block of its own so that a byte too many is seen. */
static cu_parse_t feed(cu_multipart_t *parser, digest_t *digest,
                       const uint8_t *data, size_t len)
{
    char *copy = malloc(len ? len : 1);
    cu_parse_t verdict;

    require(copy != NULL);
    if (len) {
        memcpy(copy, data, len);
    }
    digest->input = copy;
    digest->input_len = len;
    verdict = cu_multipart_feed(parser, copy, len);
    free(copy);
    return verdict;
}

/* Cuts of 1 .. spread bytes drawn from seed; spread 0 is the whole body. */
static uint64_t run(const char *boundary, const uint8_t *data, size_t size,
                    unsigned int seed, size_t spread)
{
    cu_multipart_t *parser = malloc(sizeof(*parser));
    digest_t digest = { 14695981039346656037u, parser, NULL, 0, 0 };
    cu_parse_t verdict = CU_PARSE_MORE, ended;

    require(parser != NULL);
    cu_multipart_init(parser, boundary, &calls, &digest);
    while (size > 0) {
        size_t n = size;

        if (spread) {
            seed = seed * 1103515245u + 12345u;
            n = 1 + (seed >> 8) % spread;
            n = n < size ? n : size;
        }
        verdict = feed(parser, &digest, data, n);
        require(verdict != CU_PARSE_STOP);
        data += n;
        size -= n;
    }
    ended = cu_multipart_finish(parser);
    require(ended == CU_PARSE_DONE || ended == CU_PARSE_BAD);
    require(verdict == CU_PARSE_MORE ? ended == CU_PARSE_BAD
                                     : ended == verdict);
    require((ended == CU_PARSE_BAD)
            == (cu_multipart_reason(parser) != NULL));
    require(ended == CU_PARSE_BAD || !digest.in_part);
    mix_text(&digest, cu_multipart_reason(parser));
    free(parser);
    return digest.value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char boundary[CU_MULTIPART_BOUNDARY_MAX + 1];
    const uint8_t *type, *nul;
    unsigned int seed;
    uint64_t whole;
    int found;

    if (size < 2) {
        return 0;
    }
    seed = (unsigned int)(data[0] << 8 | data[1]);
    type = data + 2;
    nul = memchr(type, '\0', size - 2);
    if (!nul) {
        return 0;
    }
    found = cu_multipart_boundary((const char *)type, boundary);
    require(found >= -1 && found <= 1);
    if (found == 1) {
        require(boundary[0] != '\0');
    }
    else {
        strcpy(boundary, "B");
    }
    data = nul + 1;
    size -= 2 + (size_t)(data - type);
    whole = run(boundary, data, size, 0, 0);
    require(run(boundary, data, size, seed, 1) == whole);
    require(run(boundary, data, size, seed, 2 + seed % 61) == whole);
    require(run(boundary, data, size, seed, 2 + size / 2) == whole);
    return 0;
}
