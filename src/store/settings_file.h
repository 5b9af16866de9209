/*
 * settings_file.h: reads postern.conf (libconfuse) into a settings snapshot. Top-level options are the process and system
 * settings of settings.def under their own names; `domain "acme.test" { … }` holds domain settings. LIST and NETWORKS are
 * written { "a", "b" }, everything else as one value. `include("file")` works. The store takes this place later, behind catalog/settings.h.
 */
#ifndef STORE_SETTINGS_FILE_H
#define STORE_SETTINGS_FILE_H

#include "catalog/settings.h"

/* NULL with "file:line: what is wrong" in ERROR (several lines where several things are). WARNINGS (may be NULL) gets a line for each
 * setting that this build does not read yet. Domain names are lower-cased and turned into A-labels. */
struct settings *settings_file_load(const char *path, struct buf *error, struct buf *warnings);
/* The same from text already read (processes that may not open the file); NAME for messages. */
struct settings *settings_file_parse(const char *text, const char *name, struct buf *error, struct buf *warnings);
/* The same; MORE may add to the settings before they are finished (the store's). When it returns false, its reason is in ERROR. */
struct settings *settings_file_parse_with(const char *text, const char *name, bool (*more)(void *arg, struct settings *s, struct buf *error), void *arg,
                                          struct buf *error, struct buf *warnings);

/* The text of PATH with its includes put in, as the master passes it on. False with the reason in ERROR. */
bool settings_file_read(const char *path, struct buf *text, struct buf *error) __attribute__((warn_unused_result));

#endif
