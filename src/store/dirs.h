/*
 * Directories of the store: opened component by component, following no link
 * at any of them, so that nobody who can write in a store can point outside.
 */
#ifndef CU_STORE_DIRS_H
#define CU_STORE_DIRS_H

#include <sys/types.h>

#include <apr_errno.h>

#include "base/result.h"

#define CU_DIR_MODE 0700
#define CU_FILE_MODE 0600

/**
 * Open a directory by its absolute path (the admin's: links in it are his).
 * @param fd (out) -1 unless APR_SUCCESS; the caller closes it
 */
CU_MUST_CHECK apr_status_t cu_dirs_open_root(int *fd, const char *path);

/**
 * Open the directory in which a relative path ends, beneath a root.
 * @param fd     (out) -1 unless APR_SUCCESS; the caller closes it
 * @param path   relative, components divided by single '/', none of them "."
 *               or ".."; the last component is the file and is not opened
 * @param leaf   (out) points at the last component in path
 * @param create make missing directories (CU_DIR_MODE)
 * @param sync   sync every directory on the way, also those whose entry
 *               exists already: who made it may have died before its sync
 * @return APR_SUCCESS; APR_EINVAL (not such a path); APR_ENOENT; ELOOP or
 *         ENOTDIR as a status when a component is a link or a file
 */
CU_MUST_CHECK apr_status_t cu_dirs_open_beneath(int *fd, int rootfd,
                                                const char *path,
                                                const char **leaf, int create,
                                                int sync);

#endif
