/*
 * mod_chunked_upload: resumable uploads in chunks for Apache httpd 2.4.
 *
 * The one public header: what another module may rest on.  So far that is the
 * version and the names of the handlers, which a module may put in r->handler
 * (in its type_checker or in a fixup that runs before ours) to make a request
 * an upload request.
 */
#ifndef MOD_CHUNKED_UPLOAD_H
#define MOD_CHUNKED_UPLOAD_H

#define CHUNKED_UPLOAD_VERSION_MAJOR 0
#define CHUNKED_UPLOAD_VERSION_MINOR 1
#define CHUNKED_UPLOAD_VERSION_PATCH 0
#define CHUNKED_UPLOAD_VERSION "0.1.0"

/* SetHandler chunked-upload: chunks, and completion at URL/complete. */
#define CHUNKED_UPLOAD_HANDLER "chunked-upload"

/* SetHandler chunked-upload-complete: completion at a URL of its own. */
#define CHUNKED_UPLOAD_COMPLETE_HANDLER "chunked-upload-complete"
#define CHUNKED_UPLOAD_STATUS_HANDLER "chunked-upload-status"

#endif
