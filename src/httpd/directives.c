/*
 * Command table and setters.  A setter parses the whole value or refuses it,
 * and changes nothing else; what is left unset keeps its default (config.c).
 *
 * A server that mentions us anywhere is remembered, since only then may
 * start-up touch the disk.  An .htaccess is read at request time, when the
 * server's configuration must not change any more.
 */
#include "httpd/directives.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "base/number.h"
#include "httpd/config.h"
#include "parse/path_template.h"

static int in_htaccess(const cmd_parms *cmd)
{
    return cmd->pool == cmd->temp_pool; /* as core's NOT_IN_HTACCESS has it */
}

static void mention(cmd_parms *cmd)
{
    if (!in_htaccess(cmd)) {
        cu_config_of_server(cmd->server)->mentioned = 1;
    }
}

/* "ChunkedUploadX <sentence>": httpd itself does not say which directive. */
static const char *refuse(const cmd_parms *cmd, const char *sentence)
{
    return apr_pstrcat(cmd->pool, cmd->cmd->name, ": ", sentence, NULL);
}

/* ---- server ---- */

static const char *absolute_path(cmd_parms *cmd, const char *value,
                                 const char **out)
{
    char *path = *value ? ap_server_root_relative(cmd->pool, value) : NULL;

    if (!path) {
        return refuse(cmd, "the value must be the path of a directory, "
                           "absolute or relative to ServerRoot");
    }
    *out = path;
    return NULL;
}

static const char *set_state_dir(cmd_parms *cmd, void *dir, const char *value)
{
    cu_server_config_t *config = cu_config_of_server(cmd->server);

    (void)dir;
    mention(cmd);
    config->state_dir_set = 1;
    return absolute_path(cmd, value, &config->state_dir);
}

static const char *set_root(cmd_parms *cmd, void *dir, const char *value)
{
    cu_server_config_t *config = cu_config_of_server(cmd->server);

    (void)dir;
    mention(cmd);
    config->root_set = 1;
    return absolute_path(cmd, value, &config->root);
}

static const char *set_dbm(cmd_parms *cmd, void *dir, const char *value)
{
    static const char *const types[] = {
        "db", "sdbm", "gdbm", "ndbm", "default", NULL
    };
    cu_server_config_t *config = cu_config_of_server(cmd->server);
    int i;

    (void)dir;
    mention(cmd);
    for (i = 0; types[i]; ++i) {
        if (!ap_cstr_casecmp(value, types[i])) {
            config->dbm = types[i];
            config->dbm_set = 1;
            return NULL;
        }
    }
    return refuse(cmd, "the value must be db, sdbm, gdbm, ndbm or default "
                       "(a type of apr_dbm)");
}

static const char *set_sync(cmd_parms *cmd, void *dir, const char *value)
{
    static const char *const words[] = {
        [CU_SYNC_NONE] = "none",
        [CU_SYNC_COMPLETE] = "complete",
        [CU_SYNC_CHUNK] = "chunk",
    };
    cu_server_config_t *config = cu_config_of_server(cmd->server);
    int i;

    (void)dir;
    mention(cmd);
    for (i = 0; i < (int)(sizeof(words) / sizeof(words[0])); ++i) {
        if (!ap_cstr_casecmp(value, words[i])) {
            config->sync = (cu_sync_t)i;
            config->sync_set = 1;
            return NULL;
        }
    }
    return refuse(cmd, "the value must be none, complete or chunk");
}

static const char *set_reap_interval(cmd_parms *cmd, void *dir,
                                     const char *value)
{
    cu_server_config_t *config = cu_config_of_server(cmd->server);
    const char *sentence = cu_number_parse_age(value, &config->reap_interval);

    (void)dir;
    mention(cmd);
    if (sentence) {
        return refuse(cmd, sentence);
    }
    config->reap_interval_set = 1;
    return NULL;
}

static const char *set_keep_complete(cmd_parms *cmd, void *dir,
                                     const char *value)
{
    cu_server_config_t *config = cu_config_of_server(cmd->server);
    const char *sentence = cu_number_parse_age(value, &config->keep_complete);

    (void)dir;
    mention(cmd);
    if (sentence) {
        return refuse(cmd, sentence);
    }
    config->keep_complete_set = 1;
    return NULL;
}

/* ---- directory and .htaccess ---- */

static const char *set_expire(cmd_parms *cmd, void *dir, const char *age,
                              const char *from)
{
    cu_dir_config_t *config = dir;
    apr_interval_time_t expire;
    const char *sentence = cu_number_parse_age(age, &expire);

    mention(cmd);
    if (sentence) {
        return refuse(cmd, sentence);
    }
    if (!from || !ap_cstr_casecmp(from, "created")) {
        config->expire_from = CU_EXPIRE_FROM_CREATED;
    }
    else if (!ap_cstr_casecmp(from, "idle")) {
        config->expire_from = CU_EXPIRE_FROM_IDLE;
    }
    else {
        return refuse(cmd, "the second value must be created or idle");
    }
    config->expire = expire;
    config->expire_set = 1;
    return NULL;
}

#if CU_PATH_TEMPLATE_MAX != CU_UPLOAD_PATH_MAX
#error "the engine's paths and the templates they come from differ in length"
#endif

static const char *set_path(cmd_parms *cmd, void *dir, const char *value)
{
    cu_dir_config_t *config = dir;
    apr_size_t len = strlen(value);
    const char *sentence;

    mention(cmd);
    if (len > 1 && value[len - 1] == '/') { /* "uploads/" is meant well */
        value = apr_pstrmemdup(cmd->pool, value, len - 1);
    }
    sentence = cu_path_template_check(value);
    if (sentence) {
        return refuse(cmd, sentence);
    }
    config->path_template = value;
    config->path_template_set = 1;
    return NULL;
}

static const char *set_max_bytes(cmd_parms *cmd, void *dir, const char *value)
{
    cu_dir_config_t *config = dir;
    const char *sentence = cu_number_parse_size(value, &config->max_bytes);

    mention(cmd);
    if (sentence) {
        return refuse(cmd, sentence);
    }
    config->max_bytes_set = 1;
    return NULL;
}

static const char *set_field_name(cmd_parms *cmd, void *dir,
                                  const char *value)
{
    cu_dir_config_t *config = dir;
    apr_size_t len = strlen(value);
    apr_size_t i;

    mention(cmd);
    for (i = 0; i < len; ++i) {
        if (apr_iscntrl(value[i]) || value[i] == '"' || value[i] == '\'') {
            break;
        }
    }
    if (len == 0 || len > 255 || i < len) {
        return refuse(cmd, "the name must have 1 to 255 bytes and no quotes "
                           "or control characters");
    }
    config->field_name = value;
    config->field_name_set = 1;
    return NULL;
}

static const char *set_require_range(cmd_parms *cmd, void *dir, int flag)
{
    cu_dir_config_t *config = dir;

    mention(cmd);
    config->require_range = flag;
    config->require_range_set = 1;
    return NULL;
}

static const char *set_digest(cmd_parms *cmd, void *dir, const char *value)
{
    cu_dir_config_t *config = dir;

    mention(cmd);
    if (!ap_cstr_casecmp(value, "md5")) {
        config->digest = CU_DIGEST_MD5;
    }
    else if (!ap_cstr_casecmp(value, "none")) {
        config->digest = CU_DIGEST_NONE;
    }
    else {
        return refuse(cmd, "the value must be md5 or None");
    }
    config->digest_set = 1;
    return NULL;
}

/* Bytes of the token (RFC 9110 5.6.2) at the start of text. */
static apr_size_t token_length(const char *text)
{
    const char *p = text;

    while (*p && (apr_isalnum(*p) || strchr("!#$%&'*+-.^_`|~", *p))) {
        ++p;
    }
    return (apr_size_t)(p - text);
}

static const char *set_content_type(cmd_parms *cmd, void *dir,
                                    const char *value)
{
    cu_dir_config_t *config = dir;
    apr_size_t type = token_length(value);
    apr_size_t subtype = value[type] == '/' ? token_length(value + type + 1)
                                            : 0;

    mention(cmd);
    if (type == 0 || subtype == 0 || value[type + 1 + subtype] != '\0'
        || type + subtype > 254) {
        return refuse(cmd, "the value must be a media type such as "
                           "application/json, without parameters");
    }
    config->content_type = value;
    config->content_type_set = 1;
    return NULL;
}

static const char *set_anonymous(cmd_parms *cmd, void *dir, int flag)
{
    cu_dir_config_t *config = dir;

    mention(cmd);
    config->anonymous = flag;
    config->anonymous_set = 1;
    return NULL;
}

/* Called once for each name: the first in a section begins the list. */
static const char *set_dialects(cmd_parms *cmd, void *dir, const char *name)
{
    cu_dir_config_t *config = dir;
    unsigned int bit = cu_dialect_bit(name);

    mention(cmd);
    if (bit == 0) {
        return refuse(cmd, "each value must be form or tus");
    }
    config->dialects |= bit;
    config->dialects_set = 1;
    return NULL;
}

static const char *set_location(cmd_parms *cmd, void *dir, const char *value)
{
    cu_dir_config_t *config = dir;

    mention(cmd);
    if (!ap_cstr_casecmp(value, "absolute")) {
        config->absolute = 1;
    }
    else if (!ap_cstr_casecmp(value, "relative")) {
        config->absolute = 0;
    }
    else {
        return refuse(cmd, "the value must be relative or absolute");
    }
    config->absolute_set = 1;
    return NULL;
}

static const char *set_delete_complete(cmd_parms *cmd, void *dir, int flag)
{
    cu_dir_config_t *config = dir;

    mention(cmd);
    config->delete_complete = flag;
    config->delete_complete_set = 1;
    return NULL;
}

static const char *set_status_scope(cmd_parms *cmd, void *dir,
                                    const char *value)
{
    cu_dir_config_t *config = dir;

    mention(cmd);
    if (!ap_cstr_casecmp(value, "none")) {
        config->status_scope = CU_SHOW_NOTHING;
    }
    else if (!ap_cstr_casecmp(value, "own")) {
        config->status_scope = CU_SHOW_OWN;
    }
    else if (!ap_cstr_casecmp(value, "all")) {
        config->status_scope = CU_SHOW_ALL;
    }
    else {
        return refuse(cmd, "the value must be none, own or all");
    }
    config->status_scope_set = 1;
    return NULL;
}

const command_rec cu_directives[] = {
    AP_INIT_TAKE1("ChunkedUploadStateDir", set_state_dir, NULL, RSRC_CONF,
                  "directory for the state of uploads, made at start-up"),
    AP_INIT_TAKE1("ChunkedUploadRoot", set_root, NULL, RSRC_CONF,
                  "directory for the uploaded bytes; default is \"store\" "
                  "below ChunkedUploadStateDir"),
    AP_INIT_TAKE1("ChunkedUploadDBM", set_dbm, NULL, RSRC_CONF,
                  "apr_dbm type of the catalogue: db, sdbm, gdbm, ndbm or "
                  "default"),
    AP_INIT_TAKE1("ChunkedUploadSync", set_sync, NULL, RSRC_CONF,
                  "what is safe against power loss: none, complete (finished "
                  "uploads) or chunk (every acknowledged chunk)"),
    AP_INIT_TAKE1("ChunkedUploadReapInterval", set_reap_interval, NULL,
                  RSRC_CONF,
                  "time from one search for expired uploads to the next, such "
                  "as 10m, or None"),
    AP_INIT_TAKE1("ChunkedUploadKeepComplete", set_keep_complete, NULL,
                  RSRC_CONF,
                  "age since its completion at which a complete upload is "
                  "removed, such as 30d, or None"),
    AP_INIT_TAKE12("ChunkedUploadExpire", set_expire, NULL, OR_FILEINFO,
                   "age at which an unfinished upload expires, such as 1d, or "
                   "None; then optionally created or idle"),
    AP_INIT_TAKE1("ChunkedUploadPath", set_path, NULL, OR_FILEINFO,
                  "where below the root new uploads are kept, with strftime "
                  "conversions in UTC"),
    AP_INIT_TAKE1("ChunkedUploadMaxBytes", set_max_bytes, NULL,
                  OR_LIMIT | OR_FILEINFO,
                  "most bytes of a whole upload, such as 10G, or None"),
    AP_INIT_TAKE1("ChunkedUploadFieldName", set_field_name, NULL, OR_FILEINFO,
                  "name of the form field that holds the chunk"),
    AP_INIT_FLAG("ChunkedUploadRequireRange", set_require_range, NULL,
                 OR_FILEINFO,
                 "On: a chunk without a valid Content-Range is refused"),
    AP_INIT_TAKE1("ChunkedUploadDigest", set_digest, NULL, OR_FILEINFO,
                  "digest that completion compares: md5 or None"),
    AP_INIT_TAKE1("ChunkedUploadContentType", set_content_type, NULL,
                  OR_FILEINFO, "media type of the JSON answers"),
    AP_INIT_FLAG("ChunkedUploadAnonymous", set_anonymous, NULL, OR_FILEINFO,
                 "Off: requests without an authenticated user are refused"),
    AP_INIT_ITERATE("ChunkedUploadDialects", set_dialects, NULL, OR_FILEINFO,
                    "protocols that are spoken: form, tus"),
    AP_INIT_TAKE1("ChunkedUploadLocation", set_location, NULL, OR_FILEINFO,
                  "form of the URLs in answers: relative or absolute"),
    AP_INIT_FLAG("ChunkedUploadDeleteComplete", set_delete_complete, NULL,
                 OR_FILEINFO,
                 "Off: a finished upload cannot be removed by its client"),
    AP_INIT_TAKE1("ChunkedUploadStatusScope", set_status_scope, NULL,
                  RSRC_CONF | ACCESS_CONF,
                  "what the status page shows: none, own (this virtual "
                  "host's running uploads) or all"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
};
