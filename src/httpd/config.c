/*
 * Create, default and merge of our configuration, next to each other so that
 * a member missing in one of them is seen.  The defaults are written into the
 * structs when they are made; x_set says who was asked for it.
 */
#include "httpd/config.h"

#include <apr_strings.h>

/* The more special value if there is one, and whether there is any. */
#define MERGE(member)                                                         \
    do {                                                                      \
        merged->member = add->member##_set ? add->member : base->member;      \
        merged->member##_set = add->member##_set || base->member##_set;       \
    } while (0)

void *cu_config_create_server(apr_pool_t *pool, server_rec *s)
{
    cu_server_config_t *config = apr_pcalloc(pool, sizeof(*config));

    (void)s;
    config->state_dir = DEFAULT_STATE_DIR;
    config->root = NULL;
    config->dbm = "db";
    config->sync = CU_SYNC_COMPLETE;
    config->reap_interval = apr_time_from_sec(10 * 60);
    config->keep_complete = -1;
    return config;
}

void *cu_config_merge_server(apr_pool_t *pool, void *base_config,
                             void *add_config)
{
    const cu_server_config_t *base = base_config;
    const cu_server_config_t *add = add_config;
    cu_server_config_t *merged = apr_pcalloc(pool, sizeof(*merged));

    MERGE(state_dir);
    MERGE(root);
    MERGE(dbm);
    MERGE(sync);
    MERGE(reap_interval);
    MERGE(keep_complete);
    merged->mentioned = base->mentioned || add->mentioned;
    return merged;
}

void *cu_config_create_dir(apr_pool_t *pool, char *dir)
{
    cu_dir_config_t *config = apr_pcalloc(pool, sizeof(*config));

    (void)dir;
    config->expire = apr_time_from_sec(24 * 60 * 60);
    config->expire_from = CU_EXPIRE_FROM_CREATED;
    config->path_template = "chunked_uploads/%Y/%m/%d";
    config->max_bytes = CU_NO_LIMIT;
    config->field_name = "file";
    config->require_range = 0;
    config->digest = CU_DIGEST_MD5;
    config->content_type = "application/json";
    config->anonymous = 1;
    config->status_scope = CU_SHOW_NOTHING;
    config->dialects = 0;
    config->absolute = 0;
    config->delete_complete = 1;
    return config;
}

void *cu_config_merge_dir(apr_pool_t *pool, void *base_config,
                          void *add_config)
{
    const cu_dir_config_t *base = base_config;
    const cu_dir_config_t *add = add_config;
    cu_dir_config_t *merged = apr_pcalloc(pool, sizeof(*merged));

    MERGE(expire);
    merged->expire_from = add->expire_set ? add->expire_from
                                          : base->expire_from;
    MERGE(path_template);
    MERGE(max_bytes);
    MERGE(field_name);
    MERGE(require_range);
    MERGE(digest);
    MERGE(content_type);
    MERGE(anonymous);
    MERGE(status_scope);
    MERGE(dialects);
    MERGE(absolute);
    MERGE(delete_complete);
    return merged;
}

cu_server_config_t *cu_config_of_server(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &chunked_upload_module);
}

const cu_engine_t *cu_config_engine(const request_rec *r)
{
    return cu_config_of_server(r->server)->engine;
}

static const cu_dir_config_t *dir_config_of(const request_rec *r)
{
    const cu_dir_config_t *config =
        ap_get_module_config(r->per_dir_config, &chunked_upload_module);

    /* httpd gives every server a base to merge on; a module that builds a
     * per_dir_config of its own may not. */
    return config ? config : cu_config_create_dir(r->pool, NULL);
}

int cu_config_absolute(const request_rec *r)
{
    return dir_config_of(r)->absolute;
}

void cu_config_policy(const request_rec *r, cu_policy_t *policy)
{
    const cu_dir_config_t *config = dir_config_of(r);

    policy->max_bytes = config->max_bytes;
    policy->expire = config->expire;
    policy->expire_from = config->expire_from;
    policy->path_template = config->path_template;
    policy->digest = config->digest;
    policy->anonymous = config->anonymous;
    policy->delete_complete = config->delete_complete;
}

cu_show_t cu_config_status_scope(const request_rec *r)
{
    return dir_config_of(r)->status_scope;
}

void cu_config_settings(const request_rec *r, cu_dialect_settings_t *settings)
{
    const cu_dir_config_t *config = dir_config_of(r);

    settings->field_name = config->field_name;
    settings->require_range = config->require_range;
    settings->content_type = config->content_type;
    settings->dialects = config->dialects;
}
