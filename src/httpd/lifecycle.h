/*
 * Start-up: is what was configured possible, and the engines of the servers.
 */
#ifndef CU_HTTPD_LIFECYCLE_H
#define CU_HTTPD_LIFECYCLE_H

#include <httpd.h>
#include <http_config.h>

/**
 * check_config hook, which `httpd -t` runs too: everything that can be known
 * without writing to the disk.
 * @return OK, or HTTP_INTERNAL_SERVER_ERROR after a sentence in the log
 */
int cu_lifecycle_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *main_server);

/**
 * post_config hook: makes engines and their directories; harmless when
 * repeated.  Does nothing when nothing of ours is configured.
 * @return as cu_lifecycle_check()
 */
int cu_lifecycle_start(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *main_server);

#endif
