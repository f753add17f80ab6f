/*
 * request_rec <-> wire: the hook that serves a request of ours.
 */
#ifndef CU_HTTPD_HANDLER_H
#define CU_HTTPD_HANDLER_H

#include <httpd.h>

#include "dialect/wire.h"

/**
 * Is this the name of a handler of ours?
 * @param name a handler's name as in r->handler, or NULL
 * @param kind (out) which one
 * @return 1 if it is
 */
int cu_handler_named(const char *name, cu_handler_t *kind);

/** The scope of a request's uploads: its virtual host's configured name. */
const char *cu_handler_scope(const request_rec *r);

/** The handler hook: OK with the answer sent, DECLINED, or a status. */
int cu_handler_run(request_rec *r);

#endif
