/* A line of JSON, out and in: a flat object of texts and whole numbers. */
#ifndef CU_CLI_JSON_LINE_H
#define CU_CLI_JSON_LINE_H

#include <apr_pools.h>

typedef struct cu_json_line_t cu_json_line_t;

/** An empty object; freed with the pool. */
cu_json_line_t *cu_json_line_make(apr_pool_t *pool);

/** @param text NULL gives null; bytes that are no UTF-8 become U+FFFD */
void cu_json_line_text(cu_json_line_t *line, const char *key,
                       const char *text);

void cu_json_line_number(cu_json_line_t *line, const char *key,
                         apr_int64_t number);

/** @return the line without a newline, in pool; NULL when there was no memory
 * for all of it */
const char *cu_json_line_write(cu_json_line_t *line, apr_pool_t *pool);

/** @return NULL when text is not exactly one object */
cu_json_line_t *cu_json_line_read(const char *text, apr_pool_t *pool);

/** @return NULL when there is no such text */
const char *cu_json_line_get_text(const cu_json_line_t *line,
                                  const char *key);

/** @return 1 if there is such a number */
int cu_json_line_get_number(const cu_json_line_t *line, const char *key,
                            apr_int64_t *number);

#endif
