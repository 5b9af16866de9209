/* rules_parts.h: what the files of the custom rules share; see rules.h. */
#ifndef POLICY_RULES_PARTS_H
#define POLICY_RULES_PARTS_H

#include "policy/rules.h"

enum rule_what { WHAT_SENDER, WHAT_RECIPIENT, WHAT_FROM, WHAT_IP, WHAT_HEADER, WHAT_SUBJECT, WHAT_BODY, WHAT_ATTACHMENT, WHAT_SIZE, WHAT_COUNT };
enum rule_operator { OPERATOR_IS, OPERATOR_CONTAINS, OPERATOR_REGEX, OPERATOR_IN, OPERATOR_EXISTS, OPERATOR_LARGER, OPERATOR_SMALLER, OPERATOR_COUNT };

/* rules_pattern.c: one compiled text or expression. */
struct rule_pattern;
/* OPERATOR is IS, CONTAINS or REGEX. NULL with the reason, and the place in TEXT, in ERROR. */
struct rule_pattern *rule_pattern_new(enum rule_operator o, struct str text, bool has_case, struct buf *error);
void rule_pattern_free(struct rule_pattern **p);

/* The steps and the time of one rule under way, out of those of the message. */
struct rule_effort {
    struct rule_budget *budget;
    uint64_t steps_left;     /* of this rule */
    uint64_t steps;          /* spent so far */
    int64_t until_us;        /* of this thread's processor time */
    bool limited;            /* reached: what is not found by then does not match */
};
struct rule_effort rule_effort_begin(struct rule_budget *budget);
void rule_effort_end(struct rule_effort *e); /* takes what was spent off the budget */
/* MATCHED gets the octets of SUBJECT. */
bool rule_pattern_finds(const struct rule_pattern *p, struct str subject, struct rule_effort *e, struct str *matched);

struct rule_value {
    struct str text;              /* owned; as written, of an address with `is` in its normal form */
    struct rule_pattern *pattern; /* owned; NULL for addresses with `is`, networks and sizes */
    struct network network;
};

struct rule_condition {
    enum rule_what what;
    enum rule_operator operator;
    bool is_not;
    struct str header;            /* owned; the field's name */
    uint64_t size;
    struct rule_value *values;    /* owned */
    size_t count;
};

struct rule {
    bool is_any;
    enum rule_action action;
    bool unauthenticated;
    double points;
    struct reason_set skips;
    struct rule_condition *conditions; /* owned */
    size_t count;
};

const char *rule_what_name(enum rule_what w);
const char *rule_operator_name(enum rule_operator o);
bool rule_needs_message(enum rule_what w);
/* One condition, with `not`. MATCHED gets what was found, borrowed from facts or from SCRATCH. */
enum rule_answer rule_condition_holds(const struct rule_condition *c, const struct rule_facts *f, struct rule_effort *e, char scratch[LIST_PATTERN_MAX + 1],
                                      struct str *matched);

#endif
