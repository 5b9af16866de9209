/*
 * tenant_file.h: a tenant as JSON, to keep it or to move it to another gateway: tenants below it, domains and their other names, mailboxes, outgoing accounts, who may
 * sign in, and at each level settings, lists and rules. Passwords as their hashes; no sessions, API keys, tokens, messages or numbers of rows. What stands in it:
 *
 *   {"format": "postern-tenant-1", "exported": time, "parent": name or null, "tenant": {"name": …, …, "settings": […], "domains": [{…}], "tenants": [{…}]}}
 *
 * An object's fields are the columns of its table (tenant_tables.c), and a list for each kind of what belongs to it.
 */
#ifndef STORE_TENANT_FILE_H
#define STORE_TENANT_FILE_H

#include "store/db.h"

#include <jansson.h>

/* The tenant NAME as it is at one moment: a new object. NULL with the reason in ERROR. D outside of any transaction. */
json_t *tenant_export(struct db *d, struct str name, struct buf *error);

/*
 * Puts the tenant of FILE into the store, within the caller's transaction (db_begin()). COUNTS gets a new object: how many of each kind; ID the number of the tenant.
 * False with what is wrong in ERROR, a line for each: names and logins that are in use already, values that this program does not take, fields that it does not
 * know. Then the caller rolls back. Nothing that is there is changed or replaced.
 */
bool tenant_import(struct db *d, const json_t *file, int64_t *id, json_t **counts, struct buf *error) __attribute__((warn_unused_result));

#endif
