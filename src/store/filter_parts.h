/* filter_parts.h: what the files of the filter share; nobody else includes it. */
#ifndef STORE_FILTER_PARTS_H
#define STORE_FILTER_PARTS_H

#include "store/filter.h"

enum filter_kind {
    FILTER_ADDRESS, FILTER_EXACT, FILTER_CONTAINS, FILTER_WORDS, FILTER_CHOICE, FILTER_REASON, FILTER_NETWORK, FILTER_NUMBER, FILTER_BYTES,
    FILTER_TIME, FILTER_SINCE, FILTER_UNTIL, FILTER_DOMAIN, FILTER_TENANT, FILTER_ANY /* no field was named */
};

struct filter_field {
    const char *name;
    enum filter_kind kind;
    const char *column;
    const char *also;    /* ADDRESS: the domain's column; WORDS: the field's letter; CHOICE: what there is, separated by | */
    bool is_indexed;
    const char *help;
};
extern const struct filter_field filter_any;
const struct filter_field *filter_field_find(struct str name); /* NULL: none */
const struct filter_field *filter_field_nearest(struct str name); /* NULL: none is near */

enum filter_op { FILTER_IS, FILTER_ABOVE, FILTER_FROM, FILTER_BELOW, FILTER_UP_TO };

struct filter_value {
    struct str text;     /* ADDRESS, CHOICE, DOMAIN lower case; REASON as the catalogue has it; NETWORK the first key */
    struct str end;      /* NETWORK: the last key */
    bool is_quoted;
    bool has_wildcard;   /* an unquoted * */
    enum filter_op op;
    double number, end_number; /* NUMBER, BYTES; TIME, SINCE, UNTIL in milliseconds since 1970; END_NUMBER with is_range */
    bool is_range;
};

enum filter_node_kind { FILTER_TERM, FILTER_AND, FILTER_OR, FILTER_NOT };

struct filter_node {
    enum filter_node_kind kind;
    struct filter_node *left, *right; /* NOT: left */
    const struct filter_field *field;
    struct filter_value *values;
    size_t count;
};

struct filter {
    struct arena arena;
    struct filter_node *root; /* NULL: all rows */
};

/* filter_value.c: RAW as a value of FIELD. False with what is meant in ERROR. */
bool filter_value_read(const struct filter_field *field, struct str raw, bool is_quoted, int64_t wall_ms, struct arena *arena, struct filter_value *out,
                       struct buf *error);

#endif
