/*
 * schema.h: what the objects of the API hold, from schemas.def: every body and every query is checked against its schema before an operation sees it. So an
 * operation may rely on names, types and lengths, and has left what only it can know.
 */
#ifndef ADMIN_SCHEMA_H
#define ADMIN_SCHEMA_H

#include "base/buf.h"

#include <jansson.h>

enum field_type {
    FIELD_TEXT,   /* one line of UTF-8 without control characters, at most MAX octets */
    FIELD_LINES,  /* the same with line ends and tabs */
    FIELD_SECRET, /* as TEXT; never shown, never in the audit trail */
    FIELD_ID,     /* a number of the store, 1 … 2^63-1, as a text; or a name, as long as MAX */
    FIELD_NUMBER, /* 0 … MAX */
    FIELD_BOOL,
    FIELD_CHOICE, /* one of CHOICES, separated by | */
    FIELD_TEXTS,  /* at most MAX texts, each of 1 … 1000 octets */
    FIELD_VALUE,  /* of a setting: text, number, truth value or array of texts, at most MAX octets in all */
    FIELD_OBJECT, /* any JSON object; whoever takes it checks it */
    FIELD_REAL,   /* any number; answers only */
    FIELD_ROWS    /* array of objects of the schema CHOICES; answers only */
};

struct field_row {
    const char *schema, *name;
    enum field_type type;
    bool required;
    int64_t max;
    const char *choices, *help;
};

/* Is there a schema of that name? */
bool schema_exists(const char *schema);
const struct field_row *schema_field(const char *schema, const char *name); /* NULL: none */

/*
 * Is VALUE an object of SCHEMA? Each thing that is wrong is added to ERRORS as {"pointer": "/name", "detail": text}, at most sixteen. PARTIAL: required
 * fields may be missing (PATCH).
 */
bool schema_check(const char *schema, const json_t *value, bool partial, json_t *errors) __attribute__((warn_unused_result));
/* A text of a query as the type of the field that it is for: a new value, or NULL where it cannot be one. */
json_t *schema_from_text(const struct field_row *field, struct str text);
/* OBJECT without its secrets, for the audit trail: a new value. */
json_t *schema_without_secrets(const char *schema, const json_t *object);

#endif
