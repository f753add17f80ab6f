/*
 * What the administrator and the .htaccess files said, and what follows from
 * it for one request.  Every member x has x_set, since -1 and 0 are values
 * somewhere; a merge goes member by member.
 */
#ifndef CU_HTTPD_CONFIG_H
#define CU_HTTPD_CONFIG_H

#include <httpd.h>
#include <http_config.h>

#include "dialect/dialect.h"
#include "engine/engine.h"

#if defined(__GNUC__)
#define CU_VISIBLE __attribute__((visibility("default")))
#else
#define CU_VISIBLE
#endif

extern module AP_MODULE_DECLARE_DATA chunked_upload_module CU_VISIBLE;

/* Where state goes when ChunkedUploadStateDir does not say. */
#ifndef DEFAULT_STATE_DIR
#define DEFAULT_STATE_DIR "/var/lib/apache2/chunked_upload"
#endif

typedef struct cu_server_config_t {
    const char *state_dir; /* absolute */
    const char *root;      /* absolute, or NULL: below the state directory */
    const char *dbm;
    cu_sync_t sync;
    apr_interval_time_t reap_interval; /* -1: no reaper */
    apr_interval_time_t keep_complete; /* -1: complete uploads stay */
    unsigned int state_dir_set : 1;
    unsigned int root_set : 1;
    unsigned int dbm_set : 1;
    unsigned int sync_set : 1;
    unsigned int reap_interval_set : 1;
    unsigned int keep_complete_set : 1;

    unsigned int mentioned : 1; /* a directive of ours is in this server's part
                                   of the configuration (.htaccess is not) */
    const cu_engine_t *engine;  /* set by cu_lifecycle_start(), then constant;
                                   NULL while nothing is configured */
} cu_server_config_t;

/* What the status page shows.  Nothing by default: a SetHandler in an
 * .htaccess must not open it. */
typedef enum cu_show_t {
    CU_SHOW_NOTHING,
    CU_SHOW_OWN, /* running uploads of the virtual host */
    CU_SHOW_ALL  /* of all, and the totals */
} cu_show_t;

typedef struct cu_dir_config_t {
    apr_interval_time_t expire; /* one directive, one x_set with the next */
    cu_expire_from_t expire_from;
    const char *path_template;
    apr_off_t max_bytes;
    const char *field_name;
    int require_range;
    cu_digest_alg_t digest;
    const char *content_type;
    int anonymous;
    cu_show_t status_scope;
    unsigned int dialects; /* as cu_dialect_bit(); 0: all */
    int absolute;          /* Location is an absolute URL */
    int delete_complete;
    unsigned int expire_set : 1;
    unsigned int path_template_set : 1;
    unsigned int max_bytes_set : 1;
    unsigned int field_name_set : 1;
    unsigned int require_range_set : 1;
    unsigned int digest_set : 1;
    unsigned int content_type_set : 1;
    unsigned int anonymous_set : 1;
    unsigned int status_scope_set : 1;
    unsigned int dialects_set : 1;
    unsigned int absolute_set : 1;
    unsigned int delete_complete_set : 1;
} cu_dir_config_t;

/* The four functions of the module record. */
void *cu_config_create_server(apr_pool_t *pool, server_rec *s);
void *cu_config_merge_server(apr_pool_t *pool, void *base, void *add);
void *cu_config_create_dir(apr_pool_t *pool, char *dir);
void *cu_config_merge_dir(apr_pool_t *pool, void *base, void *add);

/** Our part of a server's configuration; never NULL. */
cu_server_config_t *cu_config_of_server(const server_rec *s);

/**
 * The engine of the server a request came to.
 * @return NULL when nothing of ours was configured at start-up
 */
const cu_engine_t *cu_config_engine(const request_rec *r);

/** Are URLs in answers to a request to be absolute? */
int cu_config_absolute(const request_rec *r);

/** The limits and rules in force for a request, by reference. */
void cu_config_policy(const request_rec *r, cu_policy_t *policy);

/** What does the status page at this place show? */
cu_show_t cu_config_status_scope(const request_rec *r);

/** The settings of translation in force for a request, by reference. */
void cu_config_settings(const request_rec *r,
                        cu_dialect_settings_t *settings);

#endif
