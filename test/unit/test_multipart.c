/*
 * parse/multipart.h: SEC-23, SEC-24 and the forms the seed's clients send.
 *
 * Every vector runs whole, byte by byte, split at each position and split in
 * three at random places (fixed seed); events, bytes, verdict and reason must
 * be the same each time, and every byte given on must lie in the input of the
 * call or in the parser's own delimiter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "exact.h"
#include "parse/multipart.h"

typedef struct recorder_t {
    cu_multipart_t *parser;
    const char *input; /* of the call under way */
    size_t input_len;
    char *text; /* the events, readable */
    size_t len, size;
    int stop_after; /* callbacks until one says stop; 0 is never */
    int calls;
    size_t bytes;
} recorder_t;

static void add(recorder_t *rec, const char *text, size_t len)
{
    static const char hex[] = "0123456789abcdef";
    size_t i;

    if (rec->size - rec->len < len * 4 + 1) {
        rec->size = (rec->size + len * 4 + 1) * 2;
        rec->text = realloc(rec->text, rec->size);
        assert_non_null(rec->text);
    }
    for (i = 0; i < len; ++i) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c < 0x7f) {
            rec->text[rec->len++] = (char)c;
        }
        else {
            rec->text[rec->len++] = '~';
            rec->text[rec->len++] = hex[c >> 4];
            rec->text[rec->len++] = hex[c & 15];
        }
    }
    rec->text[rec->len] = '\0';
}

static int count_call(recorder_t *rec)
{
    return ++rec->calls == rec->stop_after;
}

/* {name|filename|type: data} with "-" for NULL */
static int on_begin(void *baton, const cu_multipart_part_t *part)
{
    recorder_t *rec = baton;

    add(rec, "{", 1);
    add(rec, part->name, strlen(part->name));
    add(rec, "|", 1);
    add(rec, part->filename ? part->filename : "-",
        part->filename ? strlen(part->filename) : 1);
    add(rec, "|", 1);
    add(rec, part->type ? part->type : "-",
        part->type ? strlen(part->type) : 1);
    add(rec, ": ", 2);
    return count_call(rec);
}

static int on_data(void *baton, const char *data, apr_size_t len)
{
    recorder_t *rec = baton;
    const cu_multipart_t *parser = rec->parser;
    int in_input = data >= rec->input
                   && data + len <= rec->input + rec->input_len;
    int in_delimiter = data >= parser->delimiter
                       && data + len <= parser->delimiter
                                            + parser->delimiter_len;

    assert_true(len > 0);
    assert_true(in_input || in_delimiter);
    add(rec, data, len);
    rec->bytes += len;
    return count_call(rec);
}

static int on_end(void *baton)
{
    recorder_t *rec = baton;

    add(rec, "}", 1);
    return count_call(rec);
}

static const cu_multipart_callbacks_t callbacks = { on_begin, on_data,
                                                    on_end };

static cu_parse_t feed(recorder_t *rec, const char *data, size_t len)
{
    char *copy = exact_copy(data, len);
    cu_parse_t verdict;

    rec->input = copy;
    rec->input_len = len;
    verdict = cu_multipart_feed(rec->parser, copy, len);
    free(copy);
    return verdict;
}

/*
 * Run a body cut at the n given ascending places, or after every byte when
 * cuts is NULL and n is not 0, and end it.  The caller frees rec->text.
 */
static cu_parse_t run(recorder_t *rec, const char *boundary, const char *body,
                      size_t len, const size_t *cuts, size_t n)
{
    cu_multipart_t *parser = malloc(sizeof(*parser));
    cu_parse_t verdict = CU_PARSE_MORE, ended;
    size_t at = 0, i = 0;

    assert_non_null(parser);
    memset(parser, 0x5a, sizeof(*parser));
    memset(rec, 0, sizeof(*rec));
    rec->parser = parser;
    add(rec, "", 0);
    cu_multipart_init(parser, boundary, &callbacks, rec);
    while (at < len) {
        size_t to = len;

        if (!cuts && n) {
            to = at + 1;
        }
        else if (i < n) {
            to = cuts[i++];
        }
        verdict = feed(rec, body + at, to - at);
        at = to;
    }
    ended = cu_multipart_finish(parser);
    if (verdict != CU_PARSE_MORE) {
        assert_int_equal(ended, verdict);
    }
    assert_int_equal(cu_multipart_finish(parser), ended);
    assert_int_equal(feed(rec, "x", 1), ended);
    assert_int_equal(cu_multipart_feed(parser, NULL, 0), ended);
    add(rec, ended == CU_PARSE_BAD ? "!" : ".", 1);
    if (ended == CU_PARSE_BAD) {
        assert_non_null(cu_multipart_reason(parser));
        add(rec, cu_multipart_reason(parser),
            strlen(cu_multipart_reason(parser)));
    }
    else {
        assert_null(cu_multipart_reason(parser));
    }
    free(parser);
    return ended;
}

static void same(const char *boundary, const char *body, size_t len,
                 const size_t *cuts, size_t n, const char *expected)
{
    recorder_t rec;

    (void)run(&rec, boundary, body, len, cuts, n);
    if (strcmp(rec.text, expected) != 0) {
        print_error("cuts: %d %d\n", cuts && n > 0 ? (int)cuts[0] : -1,
                    cuts && n > 1 ? (int)cuts[1] : -1);
        assert_string_equal(rec.text, expected);
    }
    free(rec.text);
}

static unsigned int next_random(unsigned int *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 8;
}

/* All the ways of cutting, and the same events each time. */
static void check_splits(const char *boundary, const char *body, size_t len,
                         const char *expected)
{
    unsigned int seed = 20240229;
    size_t cuts[2] = { 0, 0 }, i;

    same(boundary, body, len, cuts, 0, expected);
    same(boundary, body, len, NULL, 1, expected);
    for (i = 0; i <= len; ++i) {
        cuts[0] = i;
        same(boundary, body, len, cuts, 1, expected);
    }
    for (i = 0; i < 200; ++i) {
        size_t a = next_random(&seed) % (len + 1);
        size_t b = next_random(&seed) % (len + 1);

        cuts[0] = a < b ? a : b;
        cuts[1] = a < b ? b : a;
        same(boundary, body, len, cuts, 2, expected);
    }
}

/* expected: the events, then "." or "!" and a piece of the reason. */
static void check(const char *boundary, const char *body, size_t len,
                  const char *expected)
{
    recorder_t rec;
    size_t n = strcspn(expected, "!");

    (void)run(&rec, boundary, body, len, NULL, 0);
    if (strncmp(rec.text, expected, n) != 0
        || (expected[n] ? rec.text[n] != '!'
                              || !strstr(rec.text + n + 1, expected + n + 1)
                        : rec.text[n] != '\0')) {
        print_error("body: %s\n", body);
        assert_string_equal(rec.text, expected);
    }
    check_splits(boundary, body, len, rec.text);
    free(rec.text);
}

static void check_text(const char *boundary, const char *body,
                       const char *expected)
{
    check(boundary, body, strlen(body), expected);
}

typedef struct vector_t {
    const char *body, *expected;
} vector_t;

static void check_all(const vector_t *vectors, size_t n)
{
    size_t i;

    for (i = 0; i < n; ++i) {
        check_text("B", vectors[i].body, vectors[i].expected);
    }
}

#define CHECK_ALL(vectors) \
    check_all(vectors, sizeof(vectors) / sizeof((vectors)[0]))

#define CD "Content-Disposition: form-data"
#define HEAD "--B\r\n" CD "; name=\"f\"\r\n\r\n"
#define TAIL "\r\n--B--\r\n"

static void parts_and_bytes(void **state)
{
    static const vector_t vectors[] = {
        { HEAD "hello" TAIL, "{f|-|-: hello}." },
        { HEAD TAIL, "{f|-|-: }." },
        { HEAD "hello\r\n--B--", "{f|-|-: hello}." },
        { "--B--", "." },
        { "--B--\r\n", "." },
        { "\r\n--B--", "." },
        { HEAD "a\r\n" HEAD "b" TAIL, "{f|-|-: a}{f|-|-: b}." },
        { "--B\r\n" CD "; name=\"f\"; filename=\"x.bin\"\r\n"
          "Content-Type: application/octet-stream\r\n\r\nab" TAIL,
          "{f|x.bin|application/octet-stream: ab}." },
        /* the seed's own page, clients.md 1.9 */
        { "--B\r\n" CD "; name=\"csrfmiddlewaretoken\"\r\n\r\ntok\r\n"
          "--B\r\n" CD "; name=\"upload_id\"\r\n\r\n"
          "8230412e259c43e0a245c9f3009f3afc\r\n"
          "--B\r\n" CD "; name=\"the_file\"; filename=\"trip video.mp4\"\r\n"
          "Content-Type: video/mp4\r\n\r\n12345" TAIL,
          "{csrfmiddlewaretoken|-|-: tok}"
          "{upload_id|-|-: 8230412e259c43e0a245c9f3009f3afc}"
          "{the_file|trip video.mp4|video/mp4: 12345}." },
        /* empty file, zero bytes (1.6), and the id after the file */
        { "--B\r\n" CD "; name=\"file\"; filename=\"e\"\r\n\r\n\r\n"
          "--B\r\n" CD "; name=\"upload_id\"\r\n\r\nx" TAIL,
          "{file|e|-: }{upload_id|-|-: x}." },
        /* a body part without body, RFC 2046 5.1.1 */
        { "--B\r\n" CD "; name=\"f\"\r\n\r\n--B--", "{f|-|-: }." },
        { "--B\r\n" CD "; name=\"f\"\r\n\r\n" HEAD "b" TAIL,
          "{f|-|-: }{f|-|-: b}." },
        /* no headers at all */
        { "--B\r\n\r\nx" TAIL, "{|-|-: x}." },
        { "--B\r\nX-Other: 1\r\n\r\nx" TAIL, "{|-|-: x}." },
        /* a nested multipart is data */
        { "--B\r\n" CD "; name=\"f\"\r\n"
          "Content-Type: multipart/mixed; boundary=C\r\n\r\n"
          "--C\r\n" CD "; name=\"g\"\r\n\r\nx\r\n--C--" TAIL,
          "{f|-|multipart/mixed; boundary=C: --C~0d~0aContent-Disposition: "
          "form-data; name=\"g\"~0d~0a~0d~0ax~0d~0a--C--}." },
    };

    (void)state;
    CHECK_ALL(vectors);
}

static void false_starts(void **state)
{
    static const vector_t vectors[] = {
        { HEAD "\r" TAIL, "{f|-|-: ~0d}." },
        { HEAD "\n" TAIL, "{f|-|-: ~0a}." },
        { HEAD "\r\n" TAIL, "{f|-|-: ~0d~0a}." },
        { HEAD "\r\r\n\n" TAIL, "{f|-|-: ~0d~0d~0a~0a}." },
        { HEAD "\r\r\r" TAIL, "{f|-|-: ~0d~0d~0d}." },
        { HEAD "\r\n\r\n" TAIL, "{f|-|-: ~0d~0a~0d~0a}." },
        { HEAD "\r\n-" TAIL, "{f|-|-: ~0d~0a-}." },
        { HEAD "\r\n--" TAIL, "{f|-|-: ~0d~0a--}." },
        { HEAD "\r\n--\r\n--C" TAIL, "{f|-|-: ~0d~0a--~0d~0a--C}." },
        { HEAD "\r\n-\r\n--" TAIL, "{f|-|-: ~0d~0a-~0d~0a--}." },
        { HEAD "\r\r\n--C" TAIL, "{f|-|-: ~0d~0d~0a--C}." },
        { HEAD "a\n--B\nb" TAIL, "{f|-|-: a~0a--B~0ab}." },
        { HEAD "a\r--B\rb" TAIL, "{f|-|-: a~0d--B~0db}." },
        { HEAD "a--B\r\nb--B--" TAIL, "{f|-|-: a--B~0d~0ab--B--}." },
        { HEAD "\r\n--b" TAIL, "{f|-|-: ~0d~0a--b}." },
        { HEAD "-" TAIL, "{f|-|-: -}." },
        { HEAD "--" TAIL, "{f|-|-: --}." },
        { HEAD "--C" TAIL, "{f|-|-: --C}." },
        { HEAD "-\r\n--" TAIL, "{f|-|-: -~0d~0a--}." },
        { HEAD "--\r" TAIL, "{f|-|-: --~0d}." },
    };
    static const char long_body[] =
        "--abcabcabd\r\n\r\n\r\n--abcabc\r\n--abcabcab\r\n--abcabcabcabd"
        "--abcabcabd\r\n--abcabca\r\r\n--abcabcabd--";

    (void)state;
    CHECK_ALL(vectors);
    check_text("abcabcabd", long_body,
               "{|-|-: ~0d~0a--abcabc~0d~0a--abcabcab~0d~0a--abcabcabcabd"
               "--abcabcabd~0d~0a--abcabca~0d}.");
    /* boundaries made of what surrounds them */
    check_text("-", "---\r\n\r\nx\r\n--\r\n---y",
               "{|-|-: x~0d~0a--!followed by");
    check_text("--", "----\r\n\r\nx\r\n---y\r\n------",
               "{|-|-: x~0d~0a---y}.");
    check_text("\n", "--\n\r\n\r\nx\r\n--\r\n--\n--", "{|-|-: x~0d~0a--}.");
}

static void preamble_and_epilogue(void **state)
{
    static const vector_t vectors[] = {
        { "\r\n" HEAD "x" TAIL, "{f|-|-: x}." },
        { "preamble\r\n" HEAD "x" TAIL, "{f|-|-: x}." },
        { "\r\r\n\r\n--\r\n-\r\n" HEAD "x" TAIL, "{f|-|-: x}." },
        { "--C\r\n" HEAD "x" TAIL, "{f|-|-: x}." },
        /* the first line is no delimiter line, the second one is */
        { "-" HEAD "x" TAIL, "." },
        { HEAD "x" TAIL "epilogue\r\n--B\r\n\r\nno part" TAIL,
          "{f|-|-: x}." },
        { HEAD "x\r\n--B--junk", "{f|-|-: x}." },
    };

    (void)state;
    CHECK_ALL(vectors);
}

static void delimiter_lines(void **state)
{
    static const vector_t vectors[] = {
        { "--B \t \r\n\r\nx\r\n--B\t\r\n\r\ny\r\n--B--",
          "{|-|-: x}{|-|-: y}." },
        { "--B\n\r\nx" TAIL, "!followed by" },
        { "--B\r\r\n\r\nx" TAIL, "!followed by" },
        { "--BX\r\n\r\nx" TAIL, "!followed by" },
        { "--B X\r\n\r\nx" TAIL, "!followed by" },
        { "--B --\r\n", "!followed by" },
        { "--B-\r\n", "!followed by" },
        { "--B-X", "!followed by" },
        { "--B\rX", "!followed by" },
        /* the part before a broken delimiter line is not ended */
        { HEAD "x\r\n--BX\r\ny" TAIL, "{f|-|-: x!followed by" },
        { HEAD "x\r\n--B-\r\ny" TAIL, "{f|-|-: x!followed by" },
    };

    (void)state;
    CHECK_ALL(vectors);
}

static void bodies_that_end_early(void **state)
{
    static const char body[] = "\r\n" HEAD "x\r\ny\r\n" HEAD "z\r\n--B--";
    static const char whole[] = "{f|-|-: x~0d~0ay}{f|-|-: z}.";
    size_t len;

    (void)state;
    check_text("B", body, whole);
    for (len = 0; len < strlen(body); ++len) {
        recorder_t rec;
        char *events;
        size_t n;

        assert_int_equal(run(&rec, "B", body, len, NULL, 0), CU_PARSE_BAD);
        events = rec.text;
        n = strcspn(events, "!");
        assert_non_null(strstr(events + n, "before its closing boundary"));
        assert_memory_equal(events, whole, n);
        check_splits("B", body, len, events);
        free(events);
    }
}

static void dispositions(void **state)
{
#define D(text) "--B\r\nContent-Disposition:" text "\r\n\r\nx" TAIL
    static const vector_t vectors[] = {
        { D("form-data;name=f"), "{f|-|-: x}." },
        { D("  \t form-data \t; \t name=f \t ; filename=y \t "),
          "{f|y|-: x}." },
        { D(" FORM-Data; NAME=\"f\"; FileName=\"y\""), "{f|y|-: x}." },
        { D(" form-data; filename=\"y\"; name=\"f\""), "{f|y|-: x}." },
        { D(" form-data"), "{|-|-: x}." },
        { D(" form-data; name=\"\""), "{|-|-: x}." },
        { D(" form-data; name=\"f\"; filename=\"\""), "{f||-: x}." },
        { D(" form-data; name=\"f\";"), "{f|-|-: x}." },
        { D(" form-data;; ;name=\"f\" ;; filename=a;"), "{f|a|-: x}." },
        { D(" form-data; name=\"f\"; size=3; x=\"a;name=\\\"g\\\"\""),
          "{f|-|-: x}." },
        { D(" form-data; xname=g; name=f; filenam=y"), "{f|-|-: x}." },
        { D(" form-data; name*=UTF-8''g; name=f"), "{f|-|-: x}." },
        /* quoted strings */
        { D(" form-data; name=\"a b;c=d,e\""), "{a b;c=d,e|-|-: x}." },
        { D(" form-data; name=\"a\\\"b\\\\c\""), "{a\"b\\c|-|-: x}." },
        { D(" form-data; filename=\"C:\\dir\\x.txt\""),
          "{|C:\\dir\\x.txt|-: x}." },
        { D(" form-data; filename=\"\\\\host\\x\""), "{|\\host\\x|-: x}." },
        { D(" form-data; filename=\"a%22%0D%0Ab\""),
          "{|a%22%0D%0Ab|-: x}." },
        { D(" form-data; filename=\"../../etc/x\""),
          "{|../../etc/x|-: x}." },
        { D(" form-data; filename=\"\xc3\xa4\xff\x01\t\""),
          "{|~c3~a4~ff~01~09|-: x}." },
        /* filename*, RFC 5987 */
        { D(" form-data; filename*=UTF-8''%e2%82%ac%20x"),
          "{|~e2~82~ac x|-: x}." },
        { D(" form-data; filename=a; filename*=utf-8'en'b"), "{|b|-: x}." },
        { D(" form-data; filename*=utf-8'en'b; filename=a"), "{|b|-: x}." },
        { D(" form-data; FILENAME*=UTF-8''b"), "{|b|-: x}." },
        { D(" form-data; filename*=ISO-8859-1''%e4%80%7fz"),
          "{|~c3~a4~c2~80~7fz|-: x}." },
        { D(" form-data; filename=a; filename*=windows-1252''b"),
          "{|a|-: x}." },
        { D(" form-data; filename*=windows-1252''b"), "{|-|-: x}." },
        { D(" form-data; filename=a; filename*=UTF-8''"), "{||-: x}." },
        { D(" form-data; filename*=UTF-8''%E2%82%aC"),
          "{|~e2~82~ac|-: x}." },
        { D(" form-data; filename*=UTF-8''a'b'%27"), "{|a'b''|-: x}." },
        { D(" form-data; filename*=UTF-8'b"), "!malformed filename*" },
        { D(" form-data; filename*=b"), "!malformed filename*" },
        { D(" form-data; filename*=\"UTF-8''b\""), "!malformed filename*" },
        { D(" form-data; filename*=UTF-8''%4"), "!malformed filename*" },
        { D(" form-data; filename*=UTF-8''%"), "!malformed filename*" },
        { D(" form-data; filename*=UTF-8''%zz"), "!malformed filename*" },
        { D(" form-data; filename*=UTF-8''a%00b"), "!malformed filename*" },
        { D(" form-data; filename*=UTF-8''a b"), "!malformed Content" },
        /* other dispositions name nothing */
        { D(" attachment; name=\"f\"; filename=\"y\""), "{|-|-: x}." },
        { D(" file; filename"), "{|-|-: x}." },
        { D(" form-dat; name=f"), "{|-|-: x}." },
        /* twice */
        { D(" form-data; name=f; name=g"), "!two names" },
        { D(" form-data; name=f; NAME=f"), "!two names" },
        { D(" form-data; filename=f; filename=\"g\""), "!two names" },
        { D(" form-data; filename*=UTF-8''a; filename*=UTF-8''b"),
          "!two names" },
        /* no parameter list */
        { D(""), "!malformed Content" },
        { D(" ;name=f"), "!malformed Content" },
        { D(" \"form-data\"; name=f"), "!malformed Content" },
        { D(" form-data name=f"), "!malformed Content" },
        { D(" form-data, name=f"), "!malformed Content" },
        { D(" form-data; name"), "!malformed Content" },
        { D(" form-data; name;"), "!malformed Content" },
        { D(" form-data; name="), "!malformed Content" },
        { D(" form-data; name=;"), "!malformed Content" },
        { D(" form-data; =f"), "!malformed Content" },
        { D(" form-data; name =f"), "!malformed Content" },
        { D(" form-data; name= f"), "!malformed Content" },
        { D(" form-data; name=f g"), "!malformed Content" },
        { D(" form-data; name=\"f"), "!malformed Content" },
        { D(" form-data; name=\"f\\\""), "!malformed Content" },
        { D(" form-data; name=\""), "!malformed Content" },
        { D(" form-data; name=\"f\"g"), "!malformed Content" },
        { D(" form-data; name=\"f\" filename=g"), "!malformed Content" },
        { D(" form-data; name=f\"g\""), "!malformed Content" },
        { D(" form-data; name=\xc3\xa4"), "!malformed Content" },
        { D(" form-data; n@me=f"), "!malformed Content" },
    };
#undef D

    (void)state;
    CHECK_ALL(vectors);
}

static void header_lines(void **state)
{
#define H(text) "--B\r\n" text "\r\n\r\nx" TAIL
    static const vector_t vectors[] = {
        { H("content-disposition: form-data; name=f"), "{f|-|-: x}." },
        { H("CONTENT-TYPE:text/plain"), "{|-|text/plain: x}." },
        { H("Content-Type: \t a/b;  c=d \t "), "{|-|a/b;  c=d: x}." },
        { H("Content-Type:"), "{|-|: x}." },
        { H("Content-Typ: a/b"), "{|-|-: x}." },
        { H("Content-Types: a/b"), "{|-|-: x}." },
        { H("X:\r\nY: \xff\x01\t"), "{|-|-: x}." },
        { H("Content-Transfer-Encoding: binary"), "{|-|-: x}." },
        { H("Content-Transfer-Encoding: 8BIT"), "{|-|-: x}." },
        { H("content-transfer-encoding:7bit"), "{|-|-: x}." },
        { H("Content-Transfer-Encoding: base64"), "!Transfer-Encoding" },
        { H("Content-Transfer-Encoding: quoted-printable"),
          "!Transfer-Encoding" },
        { H("Content-Transfer-Encoding:"), "!Transfer-Encoding" },
        { H("Content-Transfer-Encoding: binaryx"), "!Transfer-Encoding" },
        { H(CD "; name=f\r\n" CD "; name=g"), "!two Content-Disposition" },
        { H("Content-Disposition: attachment\r\n" CD "; name=g"),
          "!two Content-Disposition" },
        { H("Content-Type: a/b\r\nContent-Type: a/b"), "!two Content-Type" },
        { H("no colon"), "!proper name" },
        { H(": x"), "!proper name" },
        { H("Content-Type : a/b"), "!proper name" },
        { H("Content Type: a/b"), "!proper name" },
        { H("\xc3\xa4: x"), "!proper name" },
        { H("(x): y"), "!proper name" },
        { H(" X: y"), "!folded" },
        { H("\tX: y"), "!folded" },
        { H(CD ";\r\n name=\"f\""), "!folded" },
        { H("X: y\r\n \r\nZ: y"), "!folded" },
        { H("X: a\rb"), "!bare CR" },
        { H("X: a\r"), "!bare CR" },
        { H("X: a\nY: b"), "!does not end in CRLF" },
        { "--B\r\nX: a\n\nx" TAIL, "!does not end in CRLF" },
        { "--B\r\n\nx" TAIL, "!does not end in CRLF" },
    };
#undef H
    static const char nul_value[] = "--B\r\n" CD "; filename=\"a\0b\""
                                    "\r\n\r\nx" TAIL;
    static const char nul_name[] = "--B\r\nContent-Type\0: x\r\n\r\nx" TAIL;

    (void)state;
    CHECK_ALL(vectors);
    check("B", nul_value, sizeof(nul_value) - 1, "!NUL");
    check("B", nul_name, sizeof(nul_name) - 1, "!NUL");
}

static char *repeat(const char *head, char c, size_t n, const char *tail,
                    size_t *len)
{
    size_t head_len = strlen(head), tail_len = strlen(tail);
    char *text = malloc(head_len + n + tail_len + 1);

    assert_non_null(text);
    memcpy(text, head, head_len);
    memset(text + head_len, c, n);
    memcpy(text + head_len + n, tail, tail_len + 1);
    *len = head_len + n + tail_len;
    return text;
}

/* Whole, byte by byte, and in pieces of some sizes: NULL is "it is good". */
static void check_flood(const char *head, char c, size_t n, const char *tail,
                        const char *reason)
{
    static const size_t pieces[] = { 1, 2, 7, 1000, 4096, 8192, 1000000000 };
    size_t len, i, at;
    char *body = repeat(head, c, n, tail, &len);

    for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); ++i) {
        static cu_multipart_t parser;
        recorder_t rec = { .parser = &parser };
        cu_parse_t verdict = CU_PARSE_MORE;

        cu_multipart_init(&parser, "B", &callbacks, &rec);
        for (at = 0; at < len; at += pieces[i]) {
            size_t piece = len - at < pieces[i] ? len - at : pieces[i];

            rec.input = body + at;
            rec.input_len = piece;
            verdict = cu_multipart_feed(&parser, body + at, piece);
        }
        assert_int_equal(cu_multipart_finish(&parser),
                         reason ? CU_PARSE_BAD : CU_PARSE_DONE);
        if (reason) {
            assert_int_equal(verdict, CU_PARSE_BAD);
            assert_non_null(strstr(cu_multipart_reason(&parser), reason));
        }
        free(rec.text);
    }
    free(body);
}

static void bounds(void **state)
{
#define BOUND(head, c, max, tail, reason)                  \
    do {                                                   \
        check_flood(head, c, (max), tail, NULL);           \
        check_flood(head, c, (max) + 1, tail, reason);     \
        check_flood(head, c, (max) + 100000, tail, reason); \
    } while (0)
    const size_t skip = CU_MULTIPART_SKIP_MAX;
    const size_t head = CU_MULTIPART_HEADERS_MAX - strlen("X:\r\n\r\n");

    (void)state;
    BOUND("", 'p', skip, TAIL, "in the beginning");
    BOUND("", '\r', skip, TAIL, "in the beginning");
    BOUND("--B--", 'e', skip, "", "follows the closing");
    BOUND(HEAD "x\r\n--B--", '\r', skip, "", "follows the closing");
    BOUND("--B", ' ', skip, "\r\n\r\nx" TAIL, "blanks");
    BOUND("--B\r\nX:", 'v', head, "\r\n\r\nx" TAIL, "headers");
    BOUND("--B\r\n", 'v', head + 1, ":\r\n\r\nx" TAIL, "headers");
    check_flood("--B\r\n", 'v', 1000000, "\r\n\r\nx" TAIL, "headers");
    check_flood("--B\r\n", '\r', 1000000, "\r\n\r\nx" TAIL, "headers");
    check_flood("--B\r\n" CD "; name=\"", 'n', CU_MULTIPART_NAME_MAX,
                "\"\r\n\r\nx" TAIL, NULL);
    check_flood("--B\r\n" CD "; name=\"", 'n', CU_MULTIPART_NAME_MAX + 1,
                "\"\r\n\r\nx" TAIL, "name that is too long");
    check_flood("--B\r\n" CD "; name=", 'n', CU_MULTIPART_NAME_MAX + 1,
                "\r\n\r\nx" TAIL, "name that is too long");
    check_flood("--B\r\n" CD "; filename=\"", 'n',
                CU_MULTIPART_FILENAME_MAX, "\"\r\n\r\nx" TAIL, NULL);
    check_flood("--B\r\n" CD "; filename=\"", 'n',
                CU_MULTIPART_FILENAME_MAX + 1, "\"\r\n\r\nx" TAIL,
                "file name that is too long");
    check_flood("--B\r\n" CD "; filename*=UTF-8''", 'n',
                CU_MULTIPART_FILENAME_MAX, "\r\n\r\nx" TAIL, NULL);
    check_flood("--B\r\n" CD "; filename*=UTF-8''", 'n',
                CU_MULTIPART_FILENAME_MAX + 1, "\r\n\r\nx" TAIL,
                "file name that is too long");
    check_flood("--B\r\nContent-Type:", 't', CU_MULTIPART_TYPE_MAX,
                "\r\n\r\nx" TAIL, NULL);
    check_flood("--B\r\nContent-Type:", 't', CU_MULTIPART_TYPE_MAX + 1,
                "\r\n\r\nx" TAIL, "Content-Type that is too long");
    /* no bound on data */
    check_flood(HEAD, '\r', 1000000, TAIL, NULL);
    check_flood(HEAD, '-', 1000000, TAIL, NULL);
#undef BOUND
}

/* ISO-8859-1 doubles in UTF-8: the bound is on what is written. */
static void latin1_at_the_bound(void **state)
{
    static const char head[] = "--B\r\n" CD "; filename*=iso-8859-1''";
    size_t n, len, i;

    (void)state;
    for (n = 2047; n <= 2049; ++n) {
        static cu_multipart_t parser;
        recorder_t rec = { .parser = &parser };
        char *body = repeat(head, '%', n * 3, "\r\n\r\nx" TAIL, &len);

        for (i = 0; i < n; ++i) {
            memcpy(body + strlen(head) + i * 3, "%e4", 3);
        }
        cu_multipart_init(&parser, "B", &callbacks, &rec);
        rec.input = body;
        rec.input_len = len;
        assert_int_equal(cu_multipart_feed(&parser, body, len),
                         n <= 2048 ? CU_PARSE_DONE : CU_PARSE_BAD);
        free(body);
        free(rec.text);
    }
}

static void parts_are_counted(void **state)
{
    static const char part[] = "--B\r\n\r\n\r\n";
    static const unsigned int counts[] = { 999, 1000, 1001, 10000 };
    size_t i, k;

    (void)state;
    for (i = 0; i < 4; ++i) {
        static cu_multipart_t parser;
        recorder_t rec = { .parser = &parser };
        cu_parse_t verdict = CU_PARSE_MORE;

        cu_multipart_init(&parser, "B", &callbacks, &rec);
        for (k = 0; k < counts[i]; ++k) {
            verdict = feed(&rec, part, strlen(part));
        }
        assert_int_equal(verdict, counts[i] <= CU_MULTIPART_PARTS_MAX
                                      ? CU_PARSE_MORE
                                      : CU_PARSE_BAD);
        verdict = feed(&rec, "--B--", 5);
        assert_int_equal(verdict, counts[i] <= CU_MULTIPART_PARTS_MAX
                                      ? CU_PARSE_DONE
                                      : CU_PARSE_BAD);
        /* one begin and one end each, but for the part that is too many */
        assert_int_equal(rec.calls, counts[i] <= CU_MULTIPART_PARTS_MAX
                                        ? 2 * (int)counts[i]
                                        : 2 * CU_MULTIPART_PARTS_MAX);
        free(rec.text);
    }
}

static void callbacks_can_stop(void **state)
{
    static const char body[] = HEAD "x\r\n" HEAD "y" TAIL;
    static const char *const events[] = {
        "{f|-|-: x}{f|-|-: y}", "{f|-|-: ", "{f|-|-: x", "{f|-|-: x}",
        "{f|-|-: x}{f|-|-: ", "{f|-|-: x}{f|-|-: y", "{f|-|-: x}{f|-|-: y}",
    };
    int stop;
    size_t step, at;

    (void)state;
    for (stop = 0; stop <= 6; ++stop) {
        for (step = 1; step <= strlen(body); ++step) {
            static cu_multipart_t parser;
            recorder_t rec = { .parser = &parser, .stop_after = stop };
            cu_parse_t verdict = CU_PARSE_MORE;

            cu_multipart_init(&parser, "B", &callbacks, &rec);
            for (at = 0; at < strlen(body); at += step) {
                size_t left = strlen(body) - at;

                verdict = feed(&rec, body + at, left < step ? left : step);
            }
            assert_int_equal(verdict, stop ? CU_PARSE_STOP : CU_PARSE_DONE);
            assert_int_equal(cu_multipart_finish(&parser), verdict);
            assert_null(cu_multipart_reason(&parser));
            assert_string_equal(rec.text, events[stop]);
            free(rec.text);
        }
    }
}

/* A part whose end is no proper delimiter line has no end. */
static void broken_parts_get_no_end(void **state)
{
    static const char *const bodies[] = {
        HEAD "x\r\n--Bjunk", HEAD "x\r\n--B-x", HEAD "x\r\n--B\rx",
        HEAD "x\r\n--B", HEAD "x",
    };
    static const char expected[] = "{f|-|-: x!";
    recorder_t rec;
    size_t i, step;

    (void)state;
    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); ++i) {
        for (step = 0; step < 2; ++step) {
            assert_int_equal(run(&rec, "B", bodies[i], strlen(bodies[i]),
                                 NULL, step),
                             CU_PARSE_BAD);
            assert_memory_equal(rec.text, expected, strlen(expected));
            free(rec.text);
        }
    }
}

/* A stop while the prefix of a false start is given on from our own copy. */
static void stop_in_a_false_start(void **state)
{
    static const char head[] = HEAD "\r\n-";
    static cu_multipart_t parser;
    recorder_t rec = { .parser = &parser, .stop_after = 2 };

    (void)state;
    cu_multipart_init(&parser, "B", &callbacks, &rec);
    assert_int_equal(feed(&rec, head, strlen(head)), CU_PARSE_MORE);
    assert_int_equal(feed(&rec, "x\r\nyyyy", 7), CU_PARSE_STOP);
    assert_string_equal(rec.text, "{f|-|-: ~0d~0a-");
    assert_int_equal(feed(&rec, TAIL, strlen(TAIL)), CU_PARSE_STOP);
    assert_string_equal(rec.text, "{f|-|-: ~0d~0a-");
    free(rec.text);
}

/* SEC-24: 2 KiB with everything in it, every split; random bytes drawn from
 * those a delimiter is made of, so that false starts are everywhere. */
static void two_kib_sample(void **state)
{
    static const char letters[] = "\r\n-Bx\r\n-";
    static const char head[] = "pre\r\n" HEAD "v\r\n--B\r\n" CD
        "; name=\"file\"; filename=\"a.bin\"\r\n"
        "Content-Type: application/x\r\n\r\n";
    unsigned int seed = 7;
    int round;

    (void)state;
    for (round = 0; round < 4; ++round) {
        size_t len, i;
        char *body = repeat(head, 'x', 1800, TAIL "epilogue", &len);
        char *data = body + strlen(head);
        recorder_t rec, again;

        for (i = 0; i < 1800; ++i) {
            data[i] = letters[next_random(&seed) % (sizeof(letters) - 1)];
            if (i >= 4 && memcmp(data + i - 4, "\r\n--B", 5) == 0) {
                data[i] = 'x';
            }
        }
        if (memcmp(data, "--B", 3) == 0) {
            data[2] = 'x';
        }
        assert_int_equal(run(&rec, "B", body, len, NULL, 0), CU_PARSE_DONE);
        assert_int_equal(rec.bytes, 1801);
        check_splits("B", body, len, rec.text);
        /* and what came out is what was put in */
        memset(&again, 0, sizeof(again));
        add(&again, data, 1800);
        assert_non_null(strstr(rec.text, again.text));
        free(again.text);
        free(rec.text);
        free(body);
    }
}

static void megabyte_in_pieces(void **state)
{
    static const size_t pieces[] = { 1, 3, 8000, 8192, 65536, 2000000 };
    static cu_multipart_t parser;
    size_t len, i, at;
    char *body = repeat(HEAD, 'x', 1 << 20, TAIL, &len);
    unsigned int seed = 11;

    (void)state;
    for (i = strlen(HEAD); i < len - strlen(TAIL); ++i) {
        body[i] = (char)next_random(&seed);
    }
    for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); ++i) {
        recorder_t rec = { .parser = &parser };
        cu_parse_t verdict = CU_PARSE_MORE;

        cu_multipart_init(&parser, "B", &callbacks, &rec);
        for (at = 0; at < len; at += pieces[i]) {
            size_t piece = len - at < pieces[i] ? len - at : pieces[i];

            rec.input = body + at;
            rec.input_len = piece;
            verdict = cu_multipart_feed(&parser, body + at, piece);
        }
        assert_int_equal(verdict, CU_PARSE_DONE);
        assert_int_equal(rec.bytes, 1 << 20);
        /* one call per input, false starts or not: begin, data, end and at
         * most one piece of delimiter for each cut */
        assert_true(rec.calls <= 2 + 2 * (int)((len - 1) / pieces[i] + 1));
        free(rec.text);
    }
    free(body);
}

static void boundaries(void **state)
{
#define M "multipart/form-data"
    static const struct {
        const char *type;
        int verdict;
        const char *boundary;
    } rows[] = {
        { M "; boundary=B", 1, "B" },
        { M ";boundary=B", 1, "B" },
        { " \t" M " ; boundary=B \t", 1, "B" },
        { "Multipart/FORM-Data; BOUNDARY=aBc", 1, "aBc" },
        { M "; boundary=\"a b\"", 1, "a b" },
        { M "; boundary=\"a;b,c\"", 1, "a;b,c" },
        { M "; boundary=\"a\\\"b\\\\c\"", 1, "a\"b\\c" },
        { M "; charset=utf-8; boundary=B; x=\"y;boundary=C\"", 1, "B" },
        { M "; boundary=B;", 1, "B" },
        { M ";; boundary=B", 1, "B" },
        { M "; xboundary=C; boundary=B; boundaryx=C", 1, "B" },
        { M "; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", 1,
          "----WebKitFormBoundary7MA4YWxkTrZu0gW" },
        { M "; boundary=---------------------------9051914041544843365972754"
          "266", 1,
          "---------------------------9051914041544843365972754266" },
        { M "; boundary=----=_Part_1_2.3", 1, "----=_Part_1_2.3" },
        { M "; boundary=a\\\\b", 1, "a\\\\b" },
        { M "; boundary=*****", 1, "*****" },
        { M "; boundary=a/b:c?d(e)'+_", 1, "a/b:c?d(e)'+_" },
        { NULL, 0, NULL },
        { "", 0, NULL },
        { "text/plain", 0, NULL },
        { "application/x-www-form-urlencoded", 0, NULL },
        { "multipart/mixed; boundary=B", 0, NULL },
        { "multipart/form-datax; boundary=B", 0, NULL },
        { "multipart/form-dat; boundary=B", 0, NULL },
        { "xmultipart/form-data; boundary=B", 0, NULL },
        { "multipart / form-data; boundary=B", 0, NULL },
        { M ", text/plain; boundary=B", 0, NULL },
        { M, -1, NULL },
        { M ";", -1, NULL },
        { M "; charset=utf-8", -1, NULL },
        { M " boundary=B", -1, NULL },
        { M "; boundary", -1, NULL },
        { M "; boundary=", -1, NULL },
        { M "; boundary=;x=y", -1, NULL },
        { M "; boundary=\"\"", -1, NULL },
        { M "; boundary=\" \"", -1, NULL },
        { M "; boundary=\"a \"", -1, NULL },
        { M "; boundary=\"a", -1, NULL },
        { M "; boundary=\"a\"b", -1, NULL },
        { M "; boundary=a b", -1, NULL },
        { M "; boundary=a\"b\"", -1, NULL },
        { M "; boundary =B", -1, NULL },
        { M "; boundary= B", -1, NULL },
        { M "; boundary=B; boundary=B", -1, NULL },
        { M "; boundary=B; Boundary=\"C\"", -1, NULL },
        { M "; boundary=B, " M "; boundary=B", -1, NULL },
        { M "; boundary=B,C", -1, NULL },
        { M "; boundary=B; junk", -1, NULL },
        { M "; boundary=B; =x", -1, NULL },
        { M "; boundary=\"a\tb\"", -1, NULL },
        { M "; boundary=\"a\rb\"", -1, NULL },
        { M "; boundary=\"a\nb\"", -1, NULL },
        { M "; boundary=\x01", -1, NULL },
        { M "; boundary=\x7f", -1, NULL },
        { M "; boundary=\xc3\xa4", -1, NULL },
        { M "; boundary*=UTF-8''B", -1, NULL },
    };
    char *out = malloc(CU_MULTIPART_BOUNDARY_MAX + 1);
    size_t i, len;

    (void)state;
    assert_non_null(out);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        char *copy = rows[i].type
                         ? exact_copy(rows[i].type, strlen(rows[i].type) + 1)
                         : NULL;
        int verdict = cu_multipart_boundary(copy, out);

        if (verdict != rows[i].verdict) {
            fail_msg("%d for \"%s\"", verdict, rows[i].type);
        }
        if (verdict == 1) {
            assert_string_equal(out, rows[i].boundary);
        }
        free(copy);
    }
    for (len = 199; len <= 202; ++len) {
        size_t n;
        char *type = repeat(M "; boundary=", 'b', len, "", &n);
        char *quoted = repeat(M "; boundary=\"", 'b', len, "\"", &n);
        int expected = len <= CU_MULTIPART_BOUNDARY_MAX ? 1 : -1;

        assert_int_equal(cu_multipart_boundary(type, out), expected);
        assert_int_equal(cu_multipart_boundary(quoted, out), expected);
        free(type);
        free(quoted);
    }
    free(out);
#undef M
}

static void longest_boundary(void **state)
{
    size_t len;
    char *boundary = repeat("", 'b', CU_MULTIPART_BOUNDARY_MAX, "", &len);
    char body[1024];
    int n = snprintf(body, sizeof(body), "--%s\r\n\r\nx\r\n--%.*sc\r\n--%s--",
                     boundary, CU_MULTIPART_BOUNDARY_MAX - 1, boundary,
                     boundary);
    recorder_t rec;

    (void)state;
    assert_int_equal(run(&rec, boundary, body, (size_t)n, NULL, 0),
                     CU_PARSE_DONE);
    assert_int_equal(rec.bytes, 1 + 4 + CU_MULTIPART_BOUNDARY_MAX);
    check_splits(boundary, body, (size_t)n, rec.text);
    free(rec.text);
    free(boundary);
}

static void impossible_boundaries(void **state)
{
    static const char *const rows[] = { "", "a\rb", "\r" };
    size_t i, len;
    char *too_long = repeat("", 'b', CU_MULTIPART_BOUNDARY_MAX + 1, "", &len);
    recorder_t rec;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
        assert_int_equal(run(&rec, rows[i], "----", 4, NULL, 0),
                         CU_PARSE_BAD);
        free(rec.text);
    }
    assert_int_equal(run(&rec, too_long, "----", 4, NULL, 0), CU_PARSE_BAD);
    free(rec.text);
    free(too_long);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_and_bytes),
        cmocka_unit_test(false_starts),
        cmocka_unit_test(preamble_and_epilogue),
        cmocka_unit_test(delimiter_lines),
        cmocka_unit_test(bodies_that_end_early),
        cmocka_unit_test(dispositions),
        cmocka_unit_test(header_lines),
        cmocka_unit_test(bounds),
        cmocka_unit_test(latin1_at_the_bound),
        cmocka_unit_test(parts_are_counted),
        cmocka_unit_test(callbacks_can_stop),
        cmocka_unit_test(broken_parts_get_no_end),
        cmocka_unit_test(stop_in_a_false_start),
        cmocka_unit_test(two_kib_sample),
        cmocka_unit_test(megabyte_in_pieces),
        cmocka_unit_test(boundaries),
        cmocka_unit_test(longest_boundary),
        cmocka_unit_test(impossible_boundaries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
