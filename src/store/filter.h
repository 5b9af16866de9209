/*
 * filter.h: the one filter grammar, for the message log wherever it is seen:
 *
 *   from:bob@x.test to:*@acme.test status:quarantined reason:spf-failure since:7d score:>0.5 subject:"your invoice"
 *
 * Terms stand beside each other (all must hold), with OR between them (one must; it binds less), NOT or - before them, and in ( ). A value holds blanks between
 * quotes, where \" and \\ stand for " and \; a comma separates values of which one must hold. Numbers and times take > >= < <=, and 1..5. * stands for any text.
 * A word without a field is looked for in subject, header From and attachment names, an address as sender or recipient. The fields: filter_field_at().
 *
 * What it comes to are conditions on table message with values as parameters alone (filter_query). Bounded: FILTER_* below.
 */
#ifndef STORE_FILTER_H
#define STORE_FILTER_H

#include "base/arena.h"
#include "store/db.h"

enum { FILTER_TEXT_MAX = 4096, FILTER_TERMS_MAX = 64, FILTER_ALTERNATIVES_MAX = 16, FILTER_DEPTH_MAX = 16, FILTER_CONDITIONS_MAX = 160, FILTER_VALUES_MAX = 1200 };

struct filter;

/* NULL with the reason in ERROR, fit for whoever wrote TEXT: it names the place ("at character 12: …"). The empty text is a filter that all rows pass. */
struct filter *filter_parse(struct str text, int64_t wall_ms, struct buf *error);
void filter_free(struct filter **f);

struct filter_help {
    const char *name, *help;
};
/* The fields, for help and completion; false behind the last. */
bool filter_field_at(size_t i, struct filter_help *out);

/* How rows that fulfil a condition can be found without looking at all others. */
enum filter_drive {
    FILTER_LOOKS,   /* they cannot */
    FILTER_ORDERED, /* an index gives them newest first */
    FILTER_SET      /* an index gives them, in no order */
};

/* Holds for a row "m" of message: SQL. */
struct filter_condition {
    struct str sql;
    enum filter_drive drive;
    struct str word_sql; /* for a row "w" of message_word, where that is the index; "" where message itself is */
};

/* All conditions must hold. */
struct filter_query {
    struct arena arena;                  /* of the texts */
    struct filter_condition at[FILTER_CONDITIONS_MAX];
    size_t count;
    struct db_value values[FILTER_VALUES_MAX]; /* $1 … */
    size_t value_count;
    int64_t first_id, end_id;            /* rows from … to before … */
    bool failed;                         /* out of memory, or too many conditions */
};

void filter_query_init(struct filter_query *q);
void filter_query_clear(struct filter_query *q);
/* Adds what F asks for. D knows domains and tenants by name; NULL: none is known (tests). F must outlive Q. False: q->failed, or the store failed. */
bool filter_compile(const struct filter *f, struct db *d, struct filter_query *q) __attribute__((warn_unused_result));
/* Adds a value, and returns its number as it stands behind $. */
size_t filter_query_value(struct filter_query *q, struct db_value v);
/* Adds a condition; SQL is copied. */
void filter_query_add(struct filter_query *q, struct str sql, enum filter_drive drive, struct str word_sql);

#endif
