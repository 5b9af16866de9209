/* lock_rule.h: entries of the setting lock_rules: "spam:5/10m" is five messages of that class within ten minutes. */
#ifndef CATALOG_LOCK_RULE_H
#define CATALOG_LOCK_RULE_H

#include "base/str.h"

enum { LOCK_RULES_MAX = 16, LOCK_COUNT_MAX = 1000 };

struct lock_rule {
    struct str pattern;  /* of a class: the slug of a reason, * for any text; points into the entry */
    uint32_t count;      /* 1 … LOCK_COUNT_MAX */
    int64_t period_ms;   /* a minute to 30 days */
};

bool lock_rule_parse(struct str entry, struct lock_rule *out) __attribute__((warn_unused_result));
/* Does PATTERN name CLASS? */
bool lock_rule_names(struct str pattern, struct str class);

#endif
