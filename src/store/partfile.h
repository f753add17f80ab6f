/*
 * Part files: the bytes of an upload at their final offsets.
 *
 * THE ORDER OF WRITING (docs/design.md 6), which callers keep:
 *   create:   state file (CREATING, names the part) -> part, made exclusively
 *             -> slot OPEN -> catalogue -> bytes; Sync chunk: each on disk,
 *             with its name, before the next
 *   append:   bytes -> [Sync chunk: sync of the part] -> slot -> [sync of the
 *             state] -> answer
 *   complete: everything there and verified -> [unless Sync none: sync of the
 *             part, its name and the state's] -> slot SEALING -> publish ->
 *             slot DONE -> [sync of the state] -> catalogue -> answer
 *   remove:   slot with a terminal status and raised generation -> part ->
 *             catalogue -> state
 * A part longer than its slot says has an unacknowledged tail; a shorter one
 * is DAMAGED.
 */
#ifndef CU_STORE_PARTFILE_H
#define CU_STORE_PARTFILE_H

#include "store/dirs.h"
#include "store/io.h"

/**
 * Make a part, exclusively, with the directories on its way.
 * @param fd   (out) open for reading and writing; -1 unless APR_SUCCESS
 * @param root absolute store root, which must exist
 * @param path relative, see cu_dirs_open_beneath()
 * @param sync sync the name, see cu_part_sync_name()
 */
CU_MUST_CHECK apr_status_t cu_part_create(int *fd, const char *root,
                                          const char *path, int sync);

/** Sync the name of a part: every directory from the root down to it. */
CU_MUST_CHECK apr_status_t cu_part_sync_name(const char *root,
                                             const char *path);

/**
 * Open a part for reading and writing.  A link, FIFO or device in its place
 * is refused (ELOOP, or APR_EINVAL) without blocking.
 */
CU_MUST_CHECK apr_status_t cu_part_open(int *fd, const char *root,
                                        const char *path);

/** Remove a part; APR_ENOENT when it is gone already, or when a component of
 * its path is a link or a file (then it cannot be ours). */
CU_MUST_CHECK apr_status_t cu_part_remove(const char *root, const char *path);

/** A file without a name below the root, for bytes whose upload is unknown. */
CU_MUST_CHECK apr_status_t cu_part_unnamed(int *fd, const char *root);

/** Size in bytes. */
CU_MUST_CHECK apr_status_t cu_part_size(int fd, apr_off_t *size);

#endif
