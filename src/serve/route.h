/*
 * What a URL names.  The last segment of the path decides, since there is no
 * configured base to compare with (design.md 3).
 */
#ifndef CU_SERVE_ROUTE_H
#define CU_SERVE_ROUTE_H

#include "dialect/wire.h"
#include "base/result.h"

/**
 * Set wire->resource and wire->id.
 * @param wire handler, method, path and query are looked at
 * @return CU_OK; CU_NOT_FOUND: the query asks for an upload by what is no id
 *         (resource is CU_RESOURCE_UPLOAD, id NULL)
 */
CU_MUST_CHECK cu_code_t cu_route(cu_wire_t *wire);

#endif
