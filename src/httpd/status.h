/*
 * The status page: SetHandler chunked-upload-status.  HTML for people (works
 * without scripts, refreshes itself with them), ?json, and ?metrics in
 * OpenMetrics text.  And a section in mod_status's page.
 */
#ifndef CU_HTTPD_STATUS_H
#define CU_HTTPD_STATUS_H

#include <httpd.h>

/** The handler hook: OK, DECLINED, or a status. */
int cu_status_run(request_rec *r);

/** Register the section of mod_status; harmless where that is not loaded. */
void cu_status_register(void);

#endif
