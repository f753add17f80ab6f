/*
 * Keeping other modules off the requests of our handlers, and only of ours:
 * an endpoint's URLs often name no file, or lie below somebody's front
 * controller.
 */
#ifndef CU_HTTPD_FIXUPS_H
#define CU_HTTPD_FIXUPS_H

#include <httpd.h>

/**
 * type_checker hook, to run before mod_negotiation: no MultiViews where our
 * handler is set, since it would answer for E/complete by a file complete.html.
 * @return DECLINED
 */
int cu_fixups_before_negotiation(request_rec *r);

/**
 * fixups hook, to run before mod_rewrite, mod_dir and mod_speling: no
 * per-directory rewrite rules, no index page, no slash redirect, no correction.
 * @return DECLINED
 */
int cu_fixups_run(request_rec *r);

/**
 * LimitRequestBody becomes ours to keep: httpd would answer by an HTML page
 * of its own.  To be called before the body is read.
 * @return bytes; 0 where the administrator set no limit
 */
apr_off_t cu_fixups_take_body_limit(request_rec *r);

/**
 * header_parser hook: X-HTTP-Method-Override of tus clients that cannot send
 * every method.  Before <Limit> is looked at, which so holds for the method
 * that is meant.
 */
int cu_fixups_method(request_rec *r);

#endif
