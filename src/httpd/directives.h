/*
 * The command table.  Each wrong value is answered with a sentence that says
 * what is allowed: `httpd -t` prints it, and for an .htaccess it is in the
 * error log.  README.md has the reference for people.
 */
#ifndef CU_HTTPD_DIRECTIVES_H
#define CU_HTTPD_DIRECTIVES_H

#include <httpd.h>
#include <http_config.h>

extern const command_rec cu_directives[];

#endif
