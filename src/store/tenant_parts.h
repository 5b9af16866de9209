/* tenant_parts.h: the tables of a tenant's file, as export and import walk them. */
#ifndef STORE_TENANT_PARTS_H
#define STORE_TENANT_PARTS_H

#include "store/tenant_file.h"

#define TENANT_FILE_FORMAT "postern-tenant-1"
enum { TENANT_DEPTH_MAX = 32, TENANT_COLUMNS_MAX = 16, TENANT_BELOW_MAX = 8 };

enum tenant_column_kind {
    COLUMN_TEXT,
    COLUMN_NUMBER,  /* 0 or more */
    COLUMN_TIME,    /* the same; now where it is missing */
    COLUMN_FLAG,
    COLUMN_JSON,    /* kept as text */
    COLUMN_BYTES,   /* in base64; null where there are none */
    COLUMN_NAME,    /* a text that is not empty, for reading by people */
    COLUMN_DOMAIN, COLUMN_LOCAL_PART, COLUMN_LOGIN /* these in the form that the store keeps */
};

struct tenant_column {
    const char *name;
    enum tenant_column_kind kind;
};

/* A kind of object. Its first column names it in messages. */
struct tenant_table {
    const char *key, *noun;   /* of its list in the object that it belongs to, and of one */
    /* $1 whom it belongs to, $2 the level of that where BY_LEVEL. Gives the number (0: it has none), then COLUMNS. */
    const char *select;
    /* The number where HAS_ID, whom it belongs to, its level where BY_LEVEL, then COLUMNS. */
    const char *insert;
    /* May be NULL: how many of another kind stand in its way? $1 its name, $2 (TAKEN_WITHIN) whom it belongs to. */
    const char *taken;
    bool has_id, by_level, taken_within;
    char level;               /* of what is set for it; 0: nothing is */
    const struct tenant_column *columns;
    size_t count;
    const struct tenant_table *below[TENANT_BELOW_MAX]; /* what belongs to it, in this order; up to NULL */
};

extern const struct tenant_table tenant_table; /* the top */

/* tenant_check.c: is the object of that table, which belongs to something of LEVEL, one that this program takes? The reason into WHY. */
bool tenant_object_is_fine(const struct tenant_table *t, char level, const json_t *object, struct buf *why);
/* TEXT as a column of that kind keeps it, into TO (TENANT_NAME_MAX + 1). False: it is none. */
enum { TENANT_NAME_MAX = 320 };
bool tenant_name_normal(enum tenant_column_kind kind, struct str text, char to[TENANT_NAME_MAX + 1]);

#endif
