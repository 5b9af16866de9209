/* judgement.c: see judgement.h. */
#include "gate/judgement.h"

#include "gate/custom_rules.h"
#include "gate/session.h"

#include <stdlib.h>

static bool same_findings(const struct findings *a, const struct findings *b)
{
    size_t count = a ? a->count : 0;

    if (count != (b ? b->count : 0))
        return false;
    for (size_t i = 0; i < count; i++)
        if (a->at[i].reason != b->at[i].reason)
            return false;
    return true;
}

static bool are_alike(const struct recipient *a, const struct recipient *b)
{
    return a->policy == b->policy && a->allowed == b->allowed && a->role == b->role && a->skips_content == b->skips_content &&
           a->own_authors == b->own_authors && a->own_rules == b->own_rules && same_findings(a->findings, b->findings);
}

/* The weakest finding that still marks the message. */
static void collect_tags(const struct findings *found, const struct policy *p, struct findings *tags)
{
    for (size_t i = 0; found && i < found->count; i++)
        if (action_of(&found->at[i], p) == ACTION_TAG)
            findings_add(tags, &found->at[i]);
}

static void judge(struct session *s, struct judgement *j, struct message_facts *facts)
{
    const struct recipient *r = j->first;
    struct rule_outcome rules;

    facts->scope = &r->scope;
    facts->skips_content = r->skips_content;
    custom_rules_at_data(s, r, facts, &rules);
    facts->rules = &rules;
    stage_message(facts, r->policy, &j->found);
    facts->rules = NULL;
    struct verdict v = verdict_decide(&j->found, r->policy, r->allowed || rules.allows || author_is_allowed(facts), r->role);
    if (v.action < ACTION_QUARANTINE && r->findings) { /* what was found before the message would have refused it by now, unless it keeps it back */
        struct verdict before = verdict_decide(r->findings, r->policy, r->allowed, r->role);
        if (before.action == ACTION_QUARANTINE)
            v = before;
    }
    j->action = v.action;
    j->by = v.by;
    collect_tags(r->findings, r->policy, &j->tags);
    collect_tags(&j->found, r->policy, &j->tags);
}

static struct judgement *find(const struct judgements *all, const struct recipient *r)
{
    for (size_t i = all->count; i-- > 0;)
        if (are_alike(all->at[i]->first, r))
            return all->at[i];
    return NULL;
}

bool judgements_make(struct session *s, struct message_facts *facts, struct judgements *out)
{
    const struct transaction *tx = s->tx;

    *out = (struct judgements){.at = calloc(tx->count, sizeof *out->at), .of = calloc(tx->count, sizeof *out->of)};
    if (!out->at || !out->of)
        return false;
    for (size_t i = 0; i < tx->count; i++) {
        struct judgement *j = find(out, tx->recipients[i]);
        if (!j) {
            j = calloc(1, sizeof *j);
            if (!j)
                return false;
            j->first = tx->recipients[i];
            judge(s, j, facts);
            out->at[out->count++] = j;
        }
        out->of[i] = j;
    }
    return true;
}

void judgements_free(struct judgements *j)
{
    for (size_t i = 0; i < j->count; i++)
        free(j->at[i]);
    free(j->at);
    free(j->of);
    *j = (struct judgements){0};
}

const struct finding *judgements_by(const struct judgements *j, enum action action)
{
    for (size_t i = 0; i < j->count; i++)
        if (j->at[i]->action == action)
            return j->at[i]->by;
    return NULL;
}

bool judgement_delivers(const struct judgement *j)
{
    return j->action < ACTION_QUARANTINE;
}
