/* settings_store.h: tenants, domains, mailboxes, settings, lists and rules of the store, on top of what the configuration file says. */
#ifndef STORE_SETTINGS_STORE_H
#define STORE_SETTINGS_STORE_H

#include "policy/lists.h"
#include "policy/rules.h"
#include "store/db.h"

/*
 * Adds what the store holds to S, which is not finished yet: what is set for the operator's level there wins over the file, and a domain of the file may be set further.
 * A row that this program cannot take (a value out of bounds since an update, say) is left out and said in the log: one bad row must not keep all others from
 * holding. False, with the reason in ERROR, only where the store cannot be read.
 */
bool settings_store_load(struct db *d, struct settings *s, struct buf *error) __attribute__((warn_unused_result));

/* Adds the store's list entries that have not expired. *UNTIL_MS gets the wall clock's time when the next one does, INT64_MAX for none. */
bool lists_store_load(struct db *d, struct lists *l, int64_t *until_ms, struct buf *error) __attribute__((warn_unused_result));

/* Adds the store's rules that are on, in their order. One that this program cannot take is left out and said. */
bool rules_store_load(struct db *d, struct rules *r, struct buf *error) __attribute__((warn_unused_result));

#endif
