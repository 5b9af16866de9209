/* open.h: where the store is, and opening it in the format of this program. */
#ifndef STORE_OPEN_H
#define STORE_OPEN_H

#include "catalog/settings.h"
#include "store/db.h"

enum { STORE_PATH_MAX = 512 };

/* The path: setting `store`, or store.db in state_directory. Returns TO. */
const char *store_path(const struct policy *system, char to[STORE_PATH_MAX]);
/* The folder that it is in: who opens the store writes there, too, since SQLite puts files beside it. Returns TO. */
const char *store_folder(const struct policy *system, char to[STORE_PATH_MAX]);
/* Opens the store and brings it to the present format. What root makes belongs to the owner of its folder, which the gateway runs as. NULL with the reason
 * in ERROR. */
struct db *store_open(const struct policy *system, struct buf *error);
/* Gives what root has made at PATH to the owner of its folder. */
bool store_give_to_owner(const char *path) __attribute__((warn_unused_result));

#endif
