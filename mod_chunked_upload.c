/*
 * The module record and the list of hooks.  No logic lives here: each hook is
 * a function of src/httpd, and everything below that knows no httpd.
 */
#include <httpd.h>
#include <http_config.h>
#include <http_request.h>

#include "httpd/config.h"
#include "httpd/directives.h"
#include "httpd/fixups.h"
#include "httpd/handler.h"
#include "httpd/lifecycle.h"
#include "httpd/status.h"

static void register_hooks(apr_pool_t *pool)
{
    /* Whoever would take the request away is neutralised before it looks. */
    static const char *const after_us[] = {
        "mod_rewrite.c", "mod_dir.c", "mod_speling.c", NULL
    };
    static const char *const negotiation[] = { "mod_negotiation.c", NULL };

    (void)pool;
    ap_hook_check_config(cu_lifecycle_check, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(cu_lifecycle_start, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_header_parser(cu_fixups_method, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_type_checker(cu_fixups_before_negotiation, NULL, negotiation,
                         APR_HOOK_REALLY_FIRST);
    ap_hook_fixups(cu_fixups_run, NULL, after_us, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(cu_handler_run, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(cu_status_run, NULL, NULL, APR_HOOK_MIDDLE);
    cu_status_register();
}

module AP_MODULE_DECLARE_DATA chunked_upload_module = {
    STANDARD20_MODULE_STUFF,
    cu_config_create_dir,
    cu_config_merge_dir,
    cu_config_create_server,
    cu_config_merge_server,
    cu_directives,
    register_hooks,
#if defined(AP_MODULE_FLAG_NONE)
    AP_MODULE_FLAG_NONE
#endif
};
