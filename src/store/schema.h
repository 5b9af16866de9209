/* schema.h: the tables of the store (schema/N.sql), and how an older format becomes the present one. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "store/db.h"

extern const char *const schema_formats[]; /* written by the build: what to run for format 1, 2, … */
extern const int schema_format_count;

/* The store's format; 0: it has no tables, -1: it is none of ours. */
int64_t schema_format(struct db *d);
/* Brings the store to this program's format, each step in a transaction of its own. False with the reason in ERROR; also where the store is newer. */
bool schema_migrate(struct db *d, struct buf *error) __attribute__((warn_unused_result));

/* Settings, lists, domains and rules have a revision: whoever changes them raises it in the same transaction, and the relay reads them anew. */
enum db_result schema_touch(struct db *d) __attribute__((warn_unused_result));
int64_t schema_revision(struct db *d);

#endif
