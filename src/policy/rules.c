/* rules.c: all rules of a snapshot, found by their owner, and what those of a recipient come to; see rules.h. */
#include "policy/rules_parts.h"

#include "base/hash.h"
#include "base/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OWNERS_DEEP = 64 /* tenants above a domain that are looked at */ };

struct named_rule {
    struct rule *rule;   /* owned */
    char *name;          /* owned */
};

/* All rules of one owner. */
struct rule_set {
    struct hash_node node;
    struct rule_set *next; /* of all, for freeing */
    uint64_t id;           /* like no other's */
    unsigned level;
    int64_t tenant;
    char *domain;          /* owned; "" but for level D */
    char *where;           /* owned */
    struct named_rule *at; /* owned */
    size_t count, room;
    unsigned wants;        /* enum rules_want */
    bool asks_recipient;
};

struct rules {
    struct hash_table table; /* of rule_set */
    struct rule_set *all, *system;
    size_t count, sets;
};

bool reason_set_has(const struct reason_set *s, enum reason r)
{
    return s->bits[r / 64] >> r % 64 & 1;
}

struct rules *rules_new(void)
{
    return calloc(1, sizeof(struct rules));
}

static void set_free(struct rule_set *s)
{
    for (size_t i = 0; i < s->count; i++) {
        rule_free(&s->at[i].rule);
        free(s->at[i].name);
    }
    free(s->at);
    free(s->domain);
    free(s->where);
    free(s);
}

void rules_free(struct rules **r)
{
    if (!*r)
        return;
    for (struct rule_set *s = (*r)->all, *next; s; s = next) {
        next = s->next;
        set_free(s);
    }
    hash_table_free(&(*r)->table);
    free(*r);
    *r = NULL;
}

size_t rules_count(const struct rules *r)
{
    return r->count;
}

static uint64_t tenant_key(int64_t id)
{
    return hash_bytes(&id, sizeof id);
}

static struct rule_set *find_tenant(const struct rules *r, int64_t id)
{
    for (struct hash_node *n = hash_first(&r->table, tenant_key(id)); n; n = hash_next(n)) {
        struct rule_set *s = container_of(n, struct rule_set, node);
        if (s->level == LEVEL_T && s->tenant == id)
            return s;
    }
    return NULL;
}

static struct rule_set *find_domain(const struct rules *r, struct str name)
{
    for (struct hash_node *n = hash_first(&r->table, hash_str_case(name)); n; n = hash_next(n)) {
        struct rule_set *s = container_of(n, struct rule_set, node);
        if (s->level == LEVEL_D && str_is_case(name, s->domain))
            return s;
    }
    return NULL;
}

static struct rule_set *find_owner(const struct rules *r, const struct list_owner *o)
{
    return o->level == LEVEL_S ? r->system : o->level == LEVEL_T ? find_tenant(r, o->tenant) : find_domain(r, o->domain);
}

static struct rule_set *add_owner(struct rules *r, const struct list_owner *o, struct str where)
{
    struct rule_set *s = calloc(1, sizeof *s);
    bool is_domain = o->level == LEVEL_D;

    if (!s)
        return NULL;
    s->level = o->level;
    s->tenant = o->level == LEVEL_T ? o->tenant : 0;
    s->domain = str_dup(is_domain ? o->domain : STR(""));
    s->where = str_dup(where);
    s->id = ++r->sets;
    if (!s->domain || !s->where || (o->level != LEVEL_S && !hash_insert(&r->table, &s->node, is_domain ? hash_str_case(o->domain) : tenant_key(o->tenant)))) {
        set_free(s);
        return NULL;
    }
    if (o->level == LEVEL_S)
        r->system = s;
    s->next = r->all;
    r->all = s;
    return s;
}

static bool has_room(struct rule_set *s)
{
    if (s->count < s->room)
        return true;
    size_t room = s->room ? s->room * 2 : 4;
    struct named_rule *more = realloc(s->at, room * sizeof *more);
    if (more) {
        s->at = more;
        s->room = room;
    }
    return more != NULL;
}

static void note_needs(struct rule_set *s, const struct rule *r)
{
    for (size_t i = 0; i < r->count; i++) {
        enum rule_what what = r->conditions[i].what;
        s->asks_recipient = s->asks_recipient || what == WHAT_RECIPIENT;
        s->wants |= what == WHAT_BODY ? RULES_WANT_TEXTS : what == WHAT_HEADER || what == WHAT_SUBJECT ? RULES_WANT_FIELDS : 0;
    }
}

bool rules_add(struct rules *r, const struct list_owner *owner, struct str where, struct str name, struct str definition, struct buf *error)
{
    struct rule_set *s = find_owner(r, owner);

    if (r->count >= RULES_MAX || (s && s->count >= RULES_PER_OWNER_MAX)) {
        buf_addf(error, "there are %d rules already", s && s->count >= RULES_PER_OWNER_MAX ? RULES_PER_OWNER_MAX : RULES_MAX);
        return false;
    }
    struct rule *rule = rule_compile(definition, error);
    if (!rule)
        return false;
    char *copy = str_dup(str_sub(name, 0, RULE_NAME_MAX));
    if (!s)
        s = add_owner(r, owner, where);
    if (!copy || !s || !has_room(s)) {
        buf_add_text(error, "out of memory");
        free(copy);
        rule_free(&rule);
        return false;
    }
    s->at[s->count++] = (struct named_rule){rule, copy};
    note_needs(s, rule);
    r->count++;
    return true;
}

/* The operator's, tenants' from the outermost on, the domain's. */
static size_t sets_of(const struct rules *r, const struct list_scope *scope, const struct rule_set *to[OWNERS_DEEP + 2])
{
    const struct tenant *above[OWNERS_DEEP];
    size_t tenants = 0, count = 0;

    if (!r->count)
        return 0;
    if (r->system)
        to[count++] = r->system;
    for (const struct tenant *t = scope->tenant; t && tenants < OWNERS_DEEP; t = t->parent)
        above[tenants++] = t;
    while (tenants) {
        const struct rule_set *s = find_tenant(r, above[--tenants]->id);
        if (s)
            to[count++] = s;
    }
    const struct rule_set *own = scope->domain.len ? find_domain(r, scope->domain) : NULL;
    if (own)
        to[count++] = own;
    return count;
}

unsigned rules_want(const struct rules *r, const struct list_scope *scope)
{
    const struct rule_set *sets[OWNERS_DEEP + 2];
    unsigned wants = 0;

    for (size_t i = 0, count = sets_of(r, scope, sets); i < count; i++)
        wants |= sets[i]->wants;
    return wants;
}

static uint64_t mix(uint64_t sum, uint64_t one)
{
    const uint64_t both[2] = {sum, one};

    return hash_bytes(both, sizeof both);
}

/* How conditions on the recipient come out. */
static uint64_t mix_recipient(uint64_t sum, const struct rule_set *s, const struct rule_facts *f, struct rule_budget *budget)
{
    char scratch[LIST_PATTERN_MAX + 1];
    struct str matched;

    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->at[i].rule->count; k++) {
            const struct rule_condition *c = &s->at[i].rule->conditions[k];
            if (c->what != WHAT_RECIPIENT)
                continue;
            struct rule_effort e = rule_effort_begin(budget);
            sum = mix(sum, rule_condition_holds(c, f, &e, scratch, &matched));
            rule_effort_end(&e);
        }
    return sum;
}

uint64_t rules_fingerprint(const struct rules *r, const struct list_scope *scope, const struct address *recipient)
{
    const struct rule_set *sets[OWNERS_DEEP + 2];
    struct rule_budget budget = rule_budget_full();
    const struct rule_facts f = {.recipient = recipient, .scope = scope};
    uint64_t sum = 0;

    for (size_t i = 0, count = sets_of(r, scope, sets); i < count; i++) {
        sum = mix(sum, sets[i]->id);
        if (sets[i]->asks_recipient)
            sum = mix_recipient(sum, sets[i], &f, &budget);
    }
    return sum;
}

static const char *verb(enum rule_action a)
{
    static const char *const verbs[RULE_ACTIONS] = {"allows", "refuses", "quarantines", "tags", "scores", "skips"};
    return verbs[a];
}

/* The most that comes of it. */
static enum action action_of_rule(enum rule_action a)
{
    switch (a) {
    case RULE_REFUSE: return ACTION_REFUSE;
    case RULE_QUARANTINE: return ACTION_QUARANTINE;
    case RULE_TAG: return ACTION_TAG;
    default: return ACTION_SCORE;
    }
}

static bool ends(enum rule_action a)
{
    return a == RULE_ALLOW || a == RULE_REFUSE || a == RULE_QUARANTINE;
}

static void keep_finding(struct rule_outcome *out, const struct finding *f)
{
    if (out->count < RULE_FINDINGS_MAX) {
        out->findings[out->count++] = *f;
        return;
    }
    if (f->most < ACTION_QUARANTINE)
        return;
    for (size_t i = out->count; i-- > 0;)
        if (out->findings[i].most < ACTION_QUARANTINE) {
            out->findings[i] = *f;
            return;
        }
}

static void take(struct rule_outcome *out, const struct rule_set *s, const struct named_rule *r, const char *evidence)
{
    char points[24] = "";

    if (r->rule->action == RULE_SCORE)
        snprintf(points, sizeof points, " %+g", r->rule->points);
    struct finding f = finding_make(REASON_CUSTOM_RULE, "rule \"%.50s\" %s %s%s: %s", r->name, s->where, verb(r->rule->action), points, evidence);
    f.most = action_of_rule(r->rule->action);
    keep_finding(out, &f);
    out->points += r->rule->points;
    out->allows = out->allows || r->rule->action == RULE_ALLOW;
    for (size_t i = 0; i < sizeof out->skips.bits / sizeof *out->skips.bits; i++)
        out->skips.bits[i] |= r->rule->skips.bits[i];
}

static void note_limit(struct rule_budget *b, uint32_t before, const struct rule_set *s, const struct named_rule *r)
{
    if (b->limited == before || *b->first_limited)
        return;
    struct finding f = finding_make(REASON_CUSTOM_RULE, "rule \"%.50s\" %s", r->name, s->where);
    str_copy(b->first_limited, sizeof b->first_limited, str_from(f.evidence));
}

static void judge_set(const struct rule_set *s, const struct rule_facts *f, struct rule_budget *budget, struct rule_outcome *out)
{
    char evidence[EVIDENCE_MAX];

    for (size_t i = 0; i < s->count; i++) {
        const struct named_rule *r = &s->at[i];
        uint32_t limited = budget->limited;
        enum rule_answer answer = rule_match(r->rule, f, budget, evidence, NULL);
        note_limit(budget, limited, s, r);
        if (answer == RULE_YES) {
            answer = rule_holds(r->rule, f);
            out->asks_who_sent = out->asks_who_sent || answer == RULE_OPEN;
        }
        if (answer == RULE_YES)
            take(out, s, r, evidence);
        if (answer != RULE_NO && ends(r->rule->action))
            return;
    }
}

void rules_judge(const struct rules *r, const struct rule_facts *f, struct rule_budget *budget, struct rule_outcome *out)
{
    const struct rule_set *sets[OWNERS_DEEP + 2];

    memset(out, 0, sizeof *out);
    for (size_t i = 0, count = sets_of(r, f->scope, sets); i < count; i++)
        judge_set(sets[i], f, budget, out);
}

void findings_skip(struct findings *f, const struct reason_set *skips)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->count; i++)
        if (!reason_set_has(skips, f->at[i].reason))
            f->at[kept++] = f->at[i];
    f->count = kept;
}
