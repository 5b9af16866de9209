/* check_reputation.c: what is remembered of a message's origins, as evidence. The gate has looked it up; here it is judged. */
#include "policy/policy.h"

#include "policy/reputation.h"

static const double DOUBT = 4;        /* messages: who has sent so many is half known */
static const double GOOD_SHARE = 0.01; /* more bad than that among all, and it is not called good */

const char *reputation_kind_name(enum reputation_kind k)
{
    static const char *const names[REPUTATION_KINDS] = {"address", "network", "host", "signer", "sender", "link"};
    return names[k];
}

void reputation_facts_add(struct reputation_facts *f, enum reputation_kind kind, struct str name)
{
    struct reputation_fact *one = &f->at[f->count];

    if (f->count == REPUTATION_FACTS_MAX || !name.len || name.len >= sizeof one->name)
        return;
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.at[i] <= ' ')
            return;
    for (size_t i = 0; i < f->count; i++)
        if (f->at[i].kind == kind && str_is_case(name, f->at[i].name))
            return;
    *one = (struct reputation_fact){.kind = kind};
    str_copy(one->name, sizeof one->name, name);
    str_lower(one->name, name.len);
    f->count++;
}

double reputation_badness(const struct reputation_count *c)
{
    return (c->bad + DOUBT / 2) / (c->good + c->bad + DOUBT);
}

bool reputation_is_poor(const struct reputation_count *c, const struct policy *system)
{
    return c->bad >= (double)setting_number(system, SETTING_reputation_minimum) &&
           c->bad * 100 >= (c->good + c->bad) * (double)setting_number(system, SETTING_reputation_share);
}

bool reputation_is_good(const struct reputation_count *c, const struct policy *system)
{
    return c->good >= (double)setting_number(system, SETTING_reputation_minimum) && c->bad <= (c->good + c->bad) * GOOD_SHARE;
}

const struct reputation_fact *reputation_poorest(const struct reputation_facts *f, const struct policy *system)
{
    const struct reputation_fact *poorest = NULL;

    for (size_t i = 0; i < f->count; i++)
        if (reputation_is_poor(&f->at[i].count, system) &&
            (!poorest || reputation_badness(&f->at[i].count) > reputation_badness(&poorest->count)))
            poorest = &f->at[i];
    return poorest;
}

struct finding check_reputation(const struct message_facts *m, const struct policy *p)
{
    if (setting_action(p, SETTING_reputation) == ACTION_OFF || !m->reputation)
        return finding_none();
    const struct reputation_fact *f = reputation_poorest(m->reputation, p);
    return f ? finding_make(REASON_REPUTATION_POOR, "%s %.80s: %.1f of %.1f messages were spam", reputation_kind_name(f->kind), f->name, f->count.bad,
                            f->count.good + f->count.bad)
             : finding_none();
}
