/*
 * Display names: valid UTF-8, one line, no path, at most 255 bytes.
 *
 * Two passes over the input and no buffer but the caller's: the first measures
 * the cleaned name and finds its extension, the second writes.  Both see the
 * same characters through next_char().  Making a display name of a display
 * name changes nothing.
 */
#include "parse/file_name.h"

#include <string.h>

#define EXTENSION_MAX 32 /* bytes behind the dot */
#define REPLACEMENT 0xfffd

/* Where the cleaned name lies in the input, and how long it will be. */
typedef struct extent_t {
    const char *start;   /* first character that is not a blank */
    const char *end;     /* past the last one */
    const char *dot;     /* the last dot that is not the first character */
    apr_size_t len;      /* bytes once cleaned */
    apr_size_t stem_len; /* bytes before dot, once cleaned */
} extent_t;

/*
 * The length a sequence has by its first byte, and the range its second byte
 * must be in (Unicode 15, table 3-7): no overlong form, no surrogate, nothing
 * above U+10FFFF.  0 for a byte that cannot start one.
 */
static unsigned int sequence_len(unsigned char first, unsigned char *low,
                                 unsigned char *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
        return 2;
    }
    if (first >= 0xe0 && first <= 0xef) {
        if (first == 0xe0) {
            *low = 0xa0;
        }
        else if (first == 0xed) {
            *high = 0x9f;
        }
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (first == 0xf0) {
            *low = 0x90;
        }
        else if (first == 0xf4) {
            *high = 0x8f;
        }
        return 4;
    }
    return 0;
}

/* One code point; what is broken off is one REPLACEMENT for all of it. */
static unsigned int next_code(const char **cursor, const char *end)
{
    unsigned char c = (unsigned char)*(*cursor)++;
    unsigned char low, high;
    unsigned int code, len, i;

    if (c < 0x80) {
        return c;
    }
    len = sequence_len(c, &low, &high);
    if (len == 0) {
        return REPLACEMENT;
    }
    code = c & (0x7fu >> len);
    for (i = 1; i < len; ++i) {
        if (*cursor == end) {
            return REPLACEMENT;
        }
        c = (unsigned char)**cursor;
        if (c < low || c > high) {
            return REPLACEMENT;
        }
        code = code << 6 | (c & 0x3fu);
        low = 0x80;
        high = 0xbf;
        ++*cursor;
    }
    return code;
}

/* Characters that break a line, or make a name read as another one. */
static int is_removed(unsigned int code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f)
           || code == 0x061c || code == 0x200e || code == 0x200f
           || (code >= 0x2028 && code <= 0x202e)
           || (code >= 0x2066 && code <= 0x2069);
}

static unsigned int encode(unsigned int code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* The next character that stays, as UTF-8; its length, or 0 at the end. */
static unsigned int next_char(const char **cursor, const char *end, char *out)
{
    while (*cursor != end) {
        unsigned int code = next_code(cursor, end);

        if (!is_removed(code)) {
            return encode(code, out);
        }
    }
    return 0;
}

static const char *base_name(const char *text, const char *end)
{
    const char *p;

    for (p = end; p != text; --p) {
        if (p[-1] == '/' || p[-1] == '\\') {
            break;
        }
    }
    return p;
}

static void measure(const char *text, const char *end, extent_t *extent)
{
    const char *p = text, *before = text;
    apr_size_t len = 0; /* with blanks that may turn out to be trailing */
    unsigned int n;
    char c[4];

    memset(extent, 0, sizeof(*extent));
    for (; (n = next_char(&p, end, c)) > 0; before = p) {
        if (c[0] == ' ' && !extent->start) {
            continue;
        }
        if (!extent->start) {
            extent->start = before;
        }
        else if (c[0] == '.') {
            extent->dot = before;
            extent->stem_len = len;
        }
        len += n;
        if (c[0] != ' ') {
            extent->end = p;
            extent->len = len;
        }
    }
}

/* Clean [p, end) into out, as many whole characters as room bytes hold. */
static apr_size_t copy_clean(const char *p, const char *end, char *out,
                             apr_size_t room)
{
    apr_size_t len = 0;
    unsigned int n;
    char c[4];

    while ((n = next_char(&p, end, c)) > 0 && n <= room - len) {
        memcpy(out + len, c, n);
        len += n;
    }
    return len;
}

apr_size_t cu_file_name_display(const char *text, apr_size_t len, char *out)
{
    static const char fallback[] = "upload";
    apr_size_t out_len = 0, ext_len;
    extent_t extent = { NULL, NULL, NULL, 0, 0 };

    if (len > 0) {
        measure(base_name(text, text + len), text + len, &extent);
    }
    ext_len = extent.dot ? extent.len - extent.stem_len : 0;
    if (extent.len <= CU_FILE_NAME_MAX) {
        if (extent.len > 0) {
            out_len = copy_clean(extent.start, extent.end, out,
                                 CU_FILE_NAME_MAX);
        }
    }
    else if (ext_len > 0 && ext_len <= EXTENSION_MAX + 1) {
        out_len = copy_clean(extent.start, extent.dot, out,
                             CU_FILE_NAME_MAX - ext_len);
        out_len += copy_clean(extent.dot, extent.end, out + out_len, ext_len);
    }
    else {
        out_len = copy_clean(extent.start, extent.end, out, CU_FILE_NAME_MAX);
        while (out[out_len - 1] == ' ') {
            --out_len;
        }
    }
    if (out_len == 0 || (out_len == 1 && out[0] == '.')
        || (out_len == 2 && out[0] == '.' && out[1] == '.')) {
        out_len = sizeof(fallback) - 1;
        memcpy(out, fallback, out_len);
    }
    out[out_len] = '\0';
    return out_len;
}
