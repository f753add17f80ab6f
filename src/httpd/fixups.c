/*
 * Per-directory configuration of other modules is replaced for one request,
 * through httpd's own functions for making and merging it, so that nothing
 * here depends on the size of somebody else's struct.  What the server's
 * administrator says outside of directories (rewriting before the URL is
 * mapped, a LimitRequestBody) holds.
 */
#include "httpd/fixups.h"

#include <string.h>

#include <ap_expr.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>

#include "httpd/handler.h"

/* Core's configuration as for a directory that says nothing. */
static core_dir_config *silent_core_config(apr_pool_t *pool)
{
    core_dir_config *config = core_module.create_dir_config(pool, NULL);

    config->opts = OPT_UNSET; /* else it would say "FollowSymLinks" */
    return config;
}

static void merge_core_config(request_rec *r, core_dir_config *config)
{
    ap_conf_vector_t *vector = ap_create_per_dir_config(r->pool);

    ap_set_core_module_config(vector, config);
    r->per_dir_config = ap_merge_per_dir_configs(r->pool, r->per_dir_config,
                                                 vector);
}

/*
 * Will core give the request to us?  It sets r->handler in the same hook as
 * the one mod_negotiation runs in, after it, so its expression is asked here.
 */
static int will_be_ours(request_rec *r)
{
    const core_dir_config *config =
        ap_get_core_module_config(r->per_dir_config);
    const char *name = config->handler;
    const char *error = NULL;
    cu_handler_t kind;

    if (config->expr_handler) {
        name = ap_expr_str_exec(r, config->expr_handler, &error);
        if (error) {
            return 0; /* core will say so */
        }
    }
    return cu_handler_named(name, &kind);
}

int cu_fixups_method(request_rec *r)
{
    static const char *const ours[] = { "PATCH", "DELETE", "HEAD" };
    const char *wanted = apr_table_get(r->headers_in,
                                       "X-HTTP-Method-Override");
    int i;

    if (!wanted || r->method_number != M_POST
        || !apr_table_get(r->headers_in, "Tus-Resumable")
        || !will_be_ours(r)) {
        return DECLINED;
    }
    for (i = 0; i < (int)(sizeof(ours) / sizeof(ours[0])); ++i) {
        if (strcmp(wanted, ours[i]) == 0) {
            r->method = ours[i];
            r->method_number = ap_method_number_of(ours[i]);
        }
    }
    return DECLINED;
}

int cu_fixups_before_negotiation(request_rec *r)
{
    core_dir_config *config;

    if ((ap_allow_options(r) & OPT_MULTI) && will_be_ours(r)) {
        config = silent_core_config(r->pool);
        config->opts_remove = OPT_MULTI;
        merge_core_config(r, config);
    }
    return DECLINED;
}

/*
 * Rewrite rules of a directory (WordPress, Laravel) would send E/<id> to the
 * front controller.  Merging an empty configuration is not enough, since
 * RewriteOptions Inherit would bring the rules back: it is set as it is.
 */
static void silence_rewrite(request_rec *r)
{
    module *rewrite = ap_find_linked_module("mod_rewrite.c");
    ap_conf_vector_t *nothing;

    if (!rewrite || !rewrite->create_dir_config
        || !ap_get_module_config(r->per_dir_config, rewrite)) {
        return;
    }
    nothing = ap_create_per_dir_config(r->pool);
    /* The merge makes a copy that is this request's own. */
    r->per_dir_config = ap_merge_per_dir_configs(r->pool, r->per_dir_config,
                                                 nothing);
    ap_set_module_config(r->per_dir_config, rewrite,
                         rewrite->create_dir_config(r->pool, NULL));
}

int cu_fixups_run(request_rec *r)
{
    cu_handler_t kind;

    if (!cu_handler_named(r->handler, &kind)) {
        return DECLINED;
    }
    silence_rewrite(r);
    /* mod_dir acts on directories (index page, missing slash), mod_speling on
     * what is missing (a file with a name like it). */
    r->finfo.filetype = APR_UNKFILE;
    return DECLINED;
}

/*
 * LimitRequestBody unset means 1 GiB since httpd 2.4.54: then the limits of
 * uploads hold instead.  "Unset" is what a new configuration has.
 */
apr_off_t cu_fixups_take_body_limit(request_rec *r)
{
    const core_dir_config *current =
        ap_get_core_module_config(r->per_dir_config);
    core_dir_config *silent = silent_core_config(r->pool);
    apr_off_t limit = current->limit_req_body;

    if (limit == silent->limit_req_body) {
        limit = 0;
    }
    silent->limit_req_body = 0;
    merge_core_config(r, silent);
    return limit;
}
