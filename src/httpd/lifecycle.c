/*
 * One engine per distinct set of server directives, shared by the servers
 * that have the same.  httpd loads the configuration twice and reloads it on
 * restarts, so nothing is kept outside of the configuration itself.
 *
 * A server that says nothing of us, of its own or for all servers, is left
 * alone: no directory is made for it, and an .htaccess that then uses a
 * handler is told so (handler.c).
 */
#include "httpd/lifecycle.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <apr_dbm.h>
#include <apr_file_info.h>
#include <apr_hash.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <unixd.h>
#include <util_cfgtree.h>

#include "base/log.h"
#include "httpd/config.h"
#include "httpd/counters.h"
#include "httpd/log_sink.h"
#include "httpd/reaper.h"
#include "mod_chunked_upload.h"

/* Is this node another server's part of the configuration? */
static int is_of_another(const ap_directive_t *node, const server_rec *s)
{
    if (ap_cstr_casecmp(node->directive, "<VirtualHost")) {
        return 0;
    }
    return !s->is_virtual || !s->defn_name
           || (unsigned)node->line_num != s->defn_line_number
           || strcmp(node->filename, s->defn_name);
}

/* Does a SetHandler or AddHandler for this server name a handler of ours? */
static int tree_names_handler(const ap_directive_t *node, const server_rec *s)
{
    for (; node; node = node->next) {
        if (node->args && strstr(node->args, CHUNKED_UPLOAD_HANDLER)
            && (!ap_cstr_casecmp(node->directive, "SetHandler")
                || !ap_cstr_casecmp(node->directive, "AddHandler"))) {
            return 1;
        }
        if (node->first_child && !is_of_another(node, s)
            && tree_names_handler(node->first_child, s)) {
            return 1;
        }
    }
    return 0;
}

/* Is anything of ours configured for this server, or for all of them? */
static int is_used(const server_rec *s)
{
    return cu_config_of_server(s)->mentioned
           || tree_names_handler(ap_conftree, s);
}

/* Who the children run as. */
static void children_ids(long *uid, long *gid)
{
    if (geteuid() == 0) {
        *uid = (long)ap_unixd_config.user_id;
        *gid = (long)ap_unixd_config.group_id;
    }
    else {
        *uid = -1;
        *gid = -1;
    }
}

/* What tells one engine from another. */
static const char *engine_key(const cu_server_config_t *config,
                              apr_pool_t *pool)
{
    return apr_psprintf(pool, "%s\n%s\n%s\n%d", config->state_dir,
                        config->root ? config->root : "", config->dbm,
                        (int)config->sync);
}

/* ---- what can be seen without writing ---- */

/* Without slashes at the end; "" for the root of all. */
static char *trimmed(const char *path, apr_pool_t *pool)
{
    apr_size_t len = strlen(path);

    while (len > 0 && path[len - 1] == '/') {
        --len;
    }
    return apr_pstrmemdup(pool, path, len);
}

static const char *parent_of(const char *path, apr_pool_t *pool)
{
    char *own = trimmed(path, pool);
    char *slash = strrchr(own, '/');

    if (slash) {
        *slash = '\0';
    }
    return trimmed(own, pool);
}

/*
 * A directory that is not there is made at start-up; what it is made in is
 * not, unless it is the state directory itself.
 */
static int check_parent(const char *directive, const char *path,
                        const cu_server_config_t *config, const cu_log_t *log,
                        apr_pool_t *pool)
{
    const char *parent = parent_of(path, pool);
    apr_status_t rv;

    if (!*parent) {
        parent = "/";
    }
    if (!strcmp(parent, trimmed(config->state_dir, pool))
        || access(parent, W_OK | X_OK) == 0) {
        return OK;
    }
    rv = APR_FROM_OS_ERROR(errno);
    /* `httpd -t` may be run by somebody who may do less than the server. */
    cu_log(log, APR_STATUS_IS_EACCES(rv) ? CU_LOG_WARNING : CU_LOG_ERROR, rv,
           CULOGNO(0157) "%s %s cannot be made in %s: make that directory, or "
           "name another path", directive, path, parent);
    return APR_STATUS_IS_EACCES(rv) ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

/* A directory of ours that exists must be one, and nobody else's. */
static int check_directory(const char *directive, const char *path,
                           const cu_server_config_t *config,
                           const cu_log_t *log, apr_pool_t *pool)
{
    const apr_fileperms_t foreign_write = APR_FPROT_GWRITE | APR_FPROT_WWRITE;
    apr_finfo_t info;
    apr_status_t rv;
    long uid, gid;

    rv = apr_stat(&info, path, APR_FINFO_TYPE | APR_FINFO_PROT
                                   | APR_FINFO_USER, pool);
    if (APR_STATUS_IS_ENOENT(rv)) {
        return check_parent(directive, path, config, log, pool);
    }
    if (rv == APR_SUCCESS && info.filetype != APR_DIR) {
        rv = APR_ENOTDIR;
    }
    if (APR_STATUS_IS_ENOTDIR(rv)) {
        cu_log(log, CU_LOG_ERROR, rv,
               CULOGNO(0151) "%s %s is not a directory: name another path or "
               "move away what is there", directive, path);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (rv != APR_SUCCESS) {
        return OK; /* perhaps the real run, as another user, may look */
    }
    if (info.protection & foreign_write) {
        cu_log(log, CU_LOG_ERROR, APR_SUCCESS,
               CULOGNO(0152) "%s %s can be written by its group or by others: "
               "run chmod 700 %s", directive, path, path);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    children_ids(&uid, &gid);
    if (uid >= 0 && (long)info.user != uid) {
        cu_log(log, CU_LOG_ERROR, APR_SUCCESS,
               CULOGNO(0153) "%s %s belongs to user %ld, but httpd's children "
               "run as user %ld: run chown -R %ld:%ld %s", directive, path,
               (long)info.user, uid, uid, gid, path);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* Can the driver of the catalogue be loaded? */
static int check_dbm(const char *type, const cu_log_t *log, apr_pool_t *pool)
{
    const char *first, *second;
    apr_status_t rv;

    rv = apr_dbm_get_usednames_ex(pool, type, "x", &first, &second);
    if (rv != APR_SUCCESS) {
        cu_log(log, CU_LOG_ERROR, rv,
               CULOGNO(0154) "ChunkedUploadDBM %s: this APR-util has no such "
               "driver; install it, or use ChunkedUploadDBM sdbm, which is "
               "always there", type);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

/* Is path the directory, or below it?  Both absolute and normalised. */
static int is_below(const char *path, const char *directory)
{
    apr_size_t len = strlen(directory);

    while (len > 1 && directory[len - 1] == '/') {
        --len;
    }
    return !strncmp(path, directory, len)
           && (path[len] == '/' || path[len] == '\0');
}

/* Bytes below a document root could be fetched, or run, by their name. */
static void warn_of_document_root(const char *directive, const char *path,
                                  const server_rec *servers,
                                  const cu_log_t *log)
{
    const server_rec *s;

    for (s = servers; s; s = s->next) {
        const core_server_config *core =
            ap_get_core_module_config(s->module_config);

        if (core->ap_document_root && is_below(path, core->ap_document_root)) {
            cu_log(log, CU_LOG_WARNING, APR_SUCCESS,
                   CULOGNO(0155) "%s %s is below the DocumentRoot %s: move it "
                   "out of there, or unfinished uploads can be fetched by "
                   "their names", directive, path, core->ap_document_root);
            return;
        }
    }
}

/*
 * Root makes a directory anywhere; the children must come to it.  Groups that
 * they have besides are not known here, so they get the benefit of the doubt.
 */
static void warn_of_passage(const char *directive, const char *path,
                            const cu_log_t *log, apr_pool_t *pool)
{
    const char *at = path;
    long uid, gid;

    children_ids(&uid, &gid);
    while (uid >= 0 && *(at = parent_of(at, pool))) {
        const apr_fileperms_t others = APR_FPROT_GEXECUTE | APR_FPROT_WEXECUTE;
        apr_finfo_t info;

        if (apr_stat(&info, at, APR_FINFO_PROT | APR_FINFO_USER, pool)
            != APR_SUCCESS) {
            continue;
        }
        if (!(info.protection & ((long)info.user == uid ? APR_FPROT_UEXECUTE
                                                        : others))) {
            cu_log(log, CU_LOG_WARNING, APR_SUCCESS,
                   CULOGNO(0158) "%s %s: httpd's children, user %ld, may not "
                   "pass through %s: name another path, or run chmod o+x %s",
                   directive, path, uid, at, at);
        }
    }
}

static void warn_of_place(const char *directive, const char *path,
                          const server_rec *servers, const cu_log_t *log,
                          apr_pool_t *pool)
{
    warn_of_document_root(directive, path, servers, log);
    warn_of_passage(directive, path, log, pool);
}

static void warn_of_places(const cu_server_config_t *config,
                           const server_rec *servers, const cu_log_t *log,
                           apr_pool_t *pool)
{
    warn_of_place("ChunkedUploadStateDir", config->state_dir, servers, log,
                  pool);
    if (config->root) {
        warn_of_place("ChunkedUploadRoot", config->root, servers, log, pool);
    }
}

static int check_server(const cu_server_config_t *config,
                        const server_rec *servers, const cu_log_t *log,
                        apr_pool_t *pool)
{
    int status = check_directory("ChunkedUploadStateDir", config->state_dir,
                                 config, log, pool);

    if (status == OK && config->root) {
        status = check_directory("ChunkedUploadRoot", config->root, config,
                                 log, pool);
    }
    if (status == OK) {
        status = check_dbm(config->dbm, log, pool);
    }
    /* When httpd really starts, the error log is opened only after this. */
    if (status == OK && ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_NORMAL) {
        warn_of_places(config, servers, log, pool);
    }
    return status;
}

int cu_lifecycle_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *main_server)
{
    apr_hash_t *seen = apr_hash_make(ptemp);
    server_rec *s;

    (void)pconf;
    (void)plog;
    for (s = main_server; s; s = s->next) {
        const cu_server_config_t *config = cu_config_of_server(s);
        const char *key = engine_key(config, ptemp);
        cu_log_t log;
        int status;

        if (!is_used(s) || apr_hash_get(seen, key, APR_HASH_KEY_STRING)) {
            continue;
        }
        apr_hash_set(seen, key, APR_HASH_KEY_STRING, config);
        cu_log_sink_server(&log, s);
        status = check_server(config, main_server, &log, ptemp);
        if (status != OK) {
            return status;
        }
    }
    return OK;
}

/* ---- start-up ---- */

/*
 * Run at both readings of the configuration: httpd is in the background at
 * the second, so a failure there would let `httpd -k start` succeed.  `-t`
 * does not come here at all.
 * @return NULL after a sentence in the log
 */
static cu_engine_t *start_engine(const cu_server_config_t *config,
                                 server_rec *s, const server_rec *servers,
                                 apr_pool_t *pconf, apr_pool_t *ptemp)
{
    cu_engine_config_t settings;
    cu_engine_t *engine;
    const char *why = NULL;
    apr_status_t rv;
    cu_log_t log;
    long uid, gid;

    memset(&settings, 0, sizeof(settings));
    settings.state_dir = config->state_dir;
    settings.root = config->root;
    settings.dbm = config->dbm;
    settings.sync = config->sync;
    cu_engine_make(&engine, &settings, pconf);
    children_ids(&uid, &gid);
    cu_log_sink_server(&log, s);
    rv = cu_engine_prepare(engine, uid, gid, &why, ptemp);
    if (rv != APR_SUCCESS) {
        cu_log(&log, CU_LOG_ERROR, rv,
               CULOGNO(0156) "uploads cannot be kept in %s: %s; set "
               "ChunkedUploadStateDir (and ChunkedUploadRoot) to a directory "
               "that httpd's children may write to", config->state_dir,
               why ? why : "it cannot be prepared");
        return NULL;
    }
    if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG) {
        warn_of_places(config, servers, &log, ptemp);
    }
    return engine;
}

int cu_lifecycle_start(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *main_server)
{
    apr_hash_t *engines = apr_hash_make(ptemp);
    server_rec *s;

    (void)plog;
    for (s = main_server; s; s = s->next) {
        cu_server_config_t *config = cu_config_of_server(s);
        const char *key = engine_key(config, ptemp);
        cu_engine_t *engine = apr_hash_get(engines, key, APR_HASH_KEY_STRING);

        if (!is_used(s)) {
            continue;
        }
        if (!engine) {
            engine = start_engine(config, s, main_server, pconf, ptemp);
            if (!engine) {
                return HTTP_INTERNAL_SERVER_ERROR;
            }
            apr_hash_set(engines, key, APR_HASH_KEY_STRING, engine);
        }
        config->engine = engine;
    }
    if (apr_hash_count(engines) > 0) {
        cu_counters_start(main_server);
        cu_reaper_start(main_server, pconf);
    }
    return OK;
}
