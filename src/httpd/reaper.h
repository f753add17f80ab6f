/*
 * Who runs the passes of expiry in a server: one child, on a thread of
 * mod_watchdog's, in slices of a tenth of a second; where that module is
 * missing, now and then a request that has just begun an upload.
 */
#ifndef CU_HTTPD_REAPER_H
#define CU_HTTPD_REAPER_H

#include <httpd.h>

#include "engine/engine.h"

/**
 * post_config, after the engines are made: one job per engine.
 * @param pconf lives until the next restart
 */
void cu_reaper_start(server_rec *main_server, apr_pool_t *pconf);

/**
 * An upload has been begun.  Only without mod_watchdog, and only every 64th
 * time in a process: expire in one of the 256 state directories.
 */
void cu_reaper_lazily(request_rec *r, const cu_engine_t *engine);

#endif
