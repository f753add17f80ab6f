/*
 * export, import: the catalogue's records as JSON lines, for instance to
 * change ChunkedUploadDBM or to feed another program.
 *
 * A shard is locked while it is read, and standard output may be a pipe that
 * nobody empties, so that export writes to a temporary file first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "cli/commands.h"
#include "cli/json_line.h"
#include "cli/options.h"
#include "cli/text.h"
#include "engine/inspect.h"

static apr_status_t write_record(void *baton, const char *id,
                                 const cu_record_t *record,
                                 apr_pool_t *scratch)
{
    cu_json_line_t *line = cu_json_line_make(scratch);
    const char *text;

    cu_json_line_text(line, "upload_id", id);
    cu_json_line_number(line, "status", record->status);
    cu_json_line_text(line, "owner", record->owner);
    cu_json_line_text(line, "scope", record->scope);
    cu_json_line_text(line, "name", record->name);
    cu_json_line_text(line, "path", record->path);
    cu_json_line_number(line, "length", record->length);
    cu_json_line_number(line, "created", record->created);
    cu_json_line_number(line, "expires", record->expires);
    text = cu_json_line_write(line, scratch);
    if (!text) {
        return APR_ENOMEM;
    }
    return fprintf(baton, "%s\n", text) < 0 ? APR_ENOSPC : APR_SUCCESS;
}

static int copy(FILE *from, FILE *to)
{
    char buffer[65536];
    size_t got;

    rewind(from);
    while ((got = fread(buffer, 1, sizeof(buffer), from)) > 0) {
        if (fwrite(buffer, 1, got, to) != got) {
            return -1;
        }
    }
    return ferror(from) || fflush(to) != 0 ? -1 : 0;
}

static int run_export(cu_tool_t *tool)
{
    const cu_option_t options[] = { { NULL, CU_OPTION_FLAG, NULL } };
    int rc = cu_options_read(tool, options, 0, 0);
    apr_status_t rv;
    FILE *aside;

    if (rc != 0) {
        return rc;
    }
    aside = tmpfile();
    if (!aside) {
        perror("chunked-upload-ctl: no temporary file");
        return CU_EXIT_STORE;
    }
    rv = cu_inspect_records(tool->engine, write_record, aside, tool->log,
                            tool->pool);
    if (rv == APR_SUCCESS && copy(aside, stdout) != 0) {
        rv = APR_ENOSPC;
    }
    fclose(aside);
    return rv == APR_SUCCESS ? 0 : cu_text_store_error(rv);
}

/* Everything of a line is checked: it may be anybody's. */
static int read_record(const char *text, cu_record_t *record, const char **id,
                       apr_pool_t *pool)
{
    cu_json_line_t *line = cu_json_line_read(text, pool);
    apr_int64_t status, length, created, expires;

    if (!line) {
        return 0;
    }
    *id = cu_json_line_get_text(line, "upload_id");
    record->owner = cu_json_line_get_text(line, "owner");
    record->scope = cu_json_line_get_text(line, "scope");
    record->name = cu_json_line_get_text(line, "name");
    record->path = cu_json_line_get_text(line, "path");
    if (!*id || !record->owner || !record->scope || !record->name
        || !record->path
        || !cu_json_line_get_number(line, "status", &status)
        || !cu_json_line_get_number(line, "length", &length)
        || !cu_json_line_get_number(line, "created", &created)
        || !cu_json_line_get_number(line, "expires", &expires)
        || status <= CU_STATUS_NONE || status >= CU_STATUS_COUNT
        || length < CU_LENGTH_UNKNOWN || created < 0 || expires < 0) {
        return 0;
    }
    record->status = (cu_status_t)status;
    record->length = length;
    record->created = created;
    record->expires = expires;
    return 1;
}

static int run_import(cu_tool_t *tool)
{
    enum { LINE_MAX_BYTES = 16384 };
    const cu_option_t options[] = { { NULL, CU_OPTION_FLAG, NULL } };
    int rc = cu_options_read(tool, options, 0, 0);
    apr_uint64_t number = 0, stored = 0, skipped = 0;
    char text[LINE_MAX_BYTES];
    apr_pool_t *scratch;

    if (rc != 0) {
        return rc;
    }
    apr_pool_create(&scratch, tool->pool);
    while (fgets(text, sizeof(text), stdin)) {
        cu_record_t record;
        const char *id;
        apr_status_t rv;

        ++number;
        apr_pool_clear(scratch);
        if (!strchr(text, '\n') && !feof(stdin)) {
            fprintf(stderr, "chunked-upload-ctl: line %" APR_UINT64_T_FMT
                            " is too long\n", number);
            return CU_EXIT_PROBLEMS;
        }
        rv = read_record(text, &record, &id, scratch)
                 ? cu_inspect_put(tool->engine, id, &record, tool->log,
                                  scratch)
                 : APR_EINVAL;
        if (rv == APR_SUCCESS) {
            ++stored;
        }
        else if (APR_STATUS_IS_ENOENT(rv) || rv == APR_EINVAL) {
            ++skipped;
            fprintf(stderr, "chunked-upload-ctl: line %" APR_UINT64_T_FMT
                            ": %s\n",
                    number, rv == APR_EINVAL ? "this is no record"
                                             : "no such upload");
        }
        else {
            return cu_text_store_error(rv);
        }
    }
    printf("%" APR_UINT64_T_FMT " records stored, %" APR_UINT64_T_FMT
           " skipped\n", stored, skipped);
    return skipped > 0 ? CU_EXIT_PROBLEMS : 0;
}

const cu_command_t cu_command_export = {
    "export", "the catalogue's records as JSON lines",
    "usage: chunked-upload-ctl export > FILE\n"
    "\n"
    "Writes the records of the catalogue, an object per line.  The state\n"
    "files, which are the truth, are not in it.\n",
    run_export
};

const cu_command_t cu_command_import = {
    "import", "records back into the catalogue",
    "usage: chunked-upload-ctl import < FILE\n"
    "\n"
    "Stores records as export wrote them.  Records of uploads that are not\n"
    "there are skipped.\n",
    run_import
};
