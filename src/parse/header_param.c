/*
 * Header values: tokens, parameters, Content-Disposition.
 *
 * One pass, no look back, every place bounded by the end that the caller
 * gave.  What does not fit the grammar is refused and never guessed at, with
 * the two exceptions that browsers force on everybody: a backslash that
 * escapes nothing stands for itself, and an unquoted value may be no token.
 */
#include "parse/header_param.h"

#include <string.h>

#include <apr_cstr.h>

#include "base/hex.h"

const char *cu_header_skip_blanks(const char *p, const char *end)
{
    while (p != end && cu_header_is_blank(*p)) {
        ++p;
    }
    return p;
}

int cu_header_is_token(const char *text, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len; ++i) {
        char c = text[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9')
              || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c)))) {
            return 0;
        }
    }
    return len > 0;
}

int cu_header_is_word(const char *text, apr_size_t len, const char *word)
{
    return len == strlen(word) && apr_cstr_casecmpn(text, word, len) == 0;
}

/* Is this backslash an escape?  Only before a quote or another one, since
 * browsers send the paths of Windows as they are. */
static int is_escape(const char *p, const char *end)
{
    return *p == '\\' && end - p >= 2 && (p[1] == '"' || p[1] == '\\');
}

/* The end of a quoted string that began before p; NULL if there is none. */
static const char *find_quote(const char *p, const char *end)
{
    while (p != end && *p != '"') {
        p += is_escape(p, end) ? 2 : 1;
    }
    return p == end ? NULL : p;
}

int cu_param_next(const char **cursor, const char *end, cu_param_t *param)
{
    const char *p = cu_header_skip_blanks(*cursor, end);
    const char *from;

    if (p == end) {
        return 0;
    }
    while (p != end && *p == ';') {
        p = cu_header_skip_blanks(p + 1, end);
    }
    if (p == end) {
        return 0;
    }
    /* The list was entered, or left by the parameter before, at a ';'. */
    from = p;
    while (p != end && *p != '=' && *p != ';') {
        ++p;
    }
    if (p == end || *p != '='
        || !cu_header_is_token(from, (apr_size_t)(p - from))) {
        return -1;
    }
    param->name = from;
    param->name_len = (apr_size_t)(p - from);
    ++p;
    param->quoted = p != end && *p == '"';
    if (param->quoted) {
        param->value = ++p;
        p = find_quote(p, end);
        if (!p) {
            return -1;
        }
        param->value_len = (apr_size_t)(p - param->value);
        ++p;
    }
    else {
        param->value = p;
        while (p != end && *p != ';' && !cu_header_is_blank(*p)) {
            ++p;
        }
        param->value_len = (apr_size_t)(p - param->value);
    }
    p = cu_header_skip_blanks(p, end);
    *cursor = p;
    return p == end || *p == ';' ? 1 : -1;
}

int cu_param_keep_once(cu_param_t *kept, const cu_param_t *param)
{
    if (kept->value) {
        return 0;
    }
    *kept = *param;
    return 1;
}

int cu_param_decode(const cu_param_t *param, char *out, apr_size_t max)
{
    const char *p = param->value;
    const char *end = p + param->value_len;
    apr_size_t n = 0;

    while (p != end) {
        if (param->quoted && is_escape(p, end)) {
            ++p;
        }
        if (n == max) {
            return 0;
        }
        out[n++] = *p++;
    }
    out[n] = '\0';
    return 1;
}

/* One byte of a character set that we know, as UTF-8, below a maximum. */
static int put_byte(char *out, apr_size_t *len, apr_size_t max, int latin1,
                    unsigned char c)
{
    if (latin1 && c >= 0x80) {
        if (*len + 2 > max) {
            return 0;
        }
        out[(*len)++] = (char)(0xc0 | c >> 6);
        out[(*len)++] = (char)(0x80 | (c & 0x3f));
        return 1;
    }
    if (*len + 1 > max) {
        return 0;
    }
    out[(*len)++] = (char)c;
    return 1;
}

/* Where the charset and the language of an extended value end; 0 if they do
 * not. */
static int split_ext(const cu_param_t *param, apr_size_t *charset_len,
                     const char **text)
{
    const char *end = param->value + param->value_len;
    const char *quote = memchr(param->value, '\'', param->value_len);

    if (!quote) {
        return 0;
    }
    *charset_len = (apr_size_t)(quote - param->value);
    quote = memchr(quote + 1, '\'', (apr_size_t)(end - quote - 1));
    if (!quote) {
        return 0;
    }
    *text = quote + 1;
    return 1;
}

cu_ext_t cu_param_decode_ext(const cu_param_t *param, char *out,
                             apr_size_t max)
{
    const char *end = param->value + param->value_len;
    const char *p;
    apr_size_t charset_len, len = 0;
    int latin1;

    if (param->quoted || !split_ext(param, &charset_len, &p)) {
        return CU_EXT_MALFORMED;
    }
    latin1 = cu_header_is_word(param->value, charset_len, "iso-8859-1");
    if (!latin1 && !cu_header_is_word(param->value, charset_len, "utf-8")) {
        return CU_EXT_UNKNOWN;
    }
    for (; p != end; ++p) {
        unsigned char c = (unsigned char)*p;

        if (c == '%') {
            if (end - p < 3 || cu_hex_value(p[1]) < 0
                || cu_hex_value(p[2]) < 0) {
                return CU_EXT_MALFORMED;
            }
            c = (unsigned char)(cu_hex_value(p[1]) * 16 + cu_hex_value(p[2]));
            p += 2;
        }
        if (c == '\0') {
            return CU_EXT_MALFORMED;
        }
        if (!put_byte(out, &len, max, latin1, c)) {
            return CU_EXT_TOO_LONG;
        }
    }
    out[len] = '\0';
    return CU_EXT_OK;
}

/* ------------------------------------------------- Content-Disposition */

static const char malformed[] = "a part has a malformed Content-Disposition";
static const char long_filename[] = "a part has a file name that is too long";

typedef struct kept_t {
    cu_param_t name, filename, extended;
} kept_t;

/* NULL, or what is wrong; so do those below. */
static const char *keep_params(const char *p, const char *end, kept_t *kept)
{
    cu_param_t param;
    int found;

    while ((found = cu_param_next(&p, end, &param)) > 0) {
        int once = 1;

        if (!param.quoted
            && !cu_header_is_token(param.value, param.value_len)) {
            return malformed;
        }
        if (cu_header_is_word(param.name, param.name_len, "name")) {
            once = cu_param_keep_once(&kept->name, &param);
        }
        else if (cu_header_is_word(param.name, param.name_len, "filename")) {
            once = cu_param_keep_once(&kept->filename, &param);
        }
        else if (cu_header_is_word(param.name, param.name_len, "filename*")) {
            once = cu_param_keep_once(&kept->extended, &param);
        }
        if (!once) {
            return "a part has two names or two file names";
        }
    }
    return found == 0 ? NULL : malformed;
}

static const char *take_extended(const cu_param_t *param,
                                 cu_disposition_t *out)
{
    switch (cu_param_decode_ext(param, out->filename, out->filename_max)) {
    case CU_EXT_OK:
        out->has_filename = 1;
        return NULL;
    case CU_EXT_UNKNOWN:
        return NULL;
    case CU_EXT_TOO_LONG:
        return long_filename;
    case CU_EXT_MALFORMED:
        break;
    }
    return "a part has a malformed filename*";
}

static const char *decode_kept(const kept_t *kept, cu_disposition_t *out)
{
    if (kept->name.value
        && !cu_param_decode(&kept->name, out->name, out->name_max)) {
        return "a part has a name that is too long";
    }
    if (kept->filename.value) {
        if (!cu_param_decode(&kept->filename, out->filename,
                             out->filename_max)) {
            return long_filename;
        }
        out->has_filename = 1;
    }
    return kept->extended.value ? take_extended(&kept->extended, out) : NULL;
}

const char *cu_disposition_parse(const char *text, apr_size_t len,
                                 cu_disposition_t *out)
{
    kept_t kept = { { 0 }, { 0 }, { 0 } };
    const char *p = text, *end = text + len;
    const char *reason;
    apr_size_t type_len;

    out->name[0] = '\0';
    out->has_filename = 0;
    while (p != end && *p != ';' && !cu_header_is_blank(*p)) {
        ++p;
    }
    type_len = (apr_size_t)(p - text);
    if (!cu_header_is_token(text, type_len)) {
        return malformed;
    }
    if (!cu_header_is_word(text, type_len, "form-data")) {
        return NULL;
    }
    p = cu_header_skip_blanks(p, end);
    if (p != end && *p != ';') {
        return malformed;
    }
    reason = keep_params(p, end, &kept);
    return reason ? reason : decode_kept(&kept, out);
}
