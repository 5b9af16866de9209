/* custom_rules.c: see custom_rules.h. */
#include "gate/custom_rules.h"

#include "base/log.h"
#include "gate/lookup.h"
#include "gate/session.h"

static struct rule_facts facts_of(const struct session *s, const struct recipient *r)
{
    return (struct rule_facts){.sender = &s->tx->mail.sender, .recipient = &r->args.recipient, .client = &s->client.peer.ip, .scope = &r->scope,
                               .authenticated = s->client.is_trusted_sender ? RULE_YES : RULE_OPEN};
}

/* SPF is asked only where an allow rule hangs on it. DMARC may still say yes when the message is there. */
static bool sender_is_proven(struct session *s)
{
    struct str of;

    if (!lookup_may_wait(s))
        return false;
    const struct spf_verdict *spf = lookup_spf(s, &of);
    lookup_end_wait(s);
    return spf && spf->result == SPF_PASS;
}

void custom_rules_at_rcpt(struct session *s, struct recipient *r, struct rule_outcome *out)
{
    const struct rules *rules = s->tx->runtime->rules;
    struct rule_facts f = facts_of(s, r);

    r->own_rules = rules_fingerprint(rules, &r->scope, &r->args.recipient);
    rules_judge(rules, &f, &s->tx->envelope_rules, out);
    if (out->asks_who_sent && sender_is_proven(s)) {
        f.authenticated = RULE_YES;
        rules_judge(rules, &f, &s->tx->envelope_rules, out);
    }
    r->allowed = r->allowed || out->allows;
    r->skips = out->skips;
}

void custom_rules_refuse(const struct rule_outcome *rules, struct findings *found)
{
    for (size_t i = 0; i < rules->count; i++)
        if (rules->findings[i].most == ACTION_REFUSE)
            findings_add(found, &rules->findings[i]);
}

void custom_rules_want(const struct session *s, struct scan_limits *limits)
{
    unsigned wants = 0;

    for (size_t i = 0; i < s->tx->count; i++)
        wants |= rules_want(s->tx->runtime->rules, &s->tx->recipients[i]->scope);
    limits->wants_detail = wants & RULES_WANT_TEXTS ? 1 : 0;
    limits->wants_fields = wants & RULES_WANT_FIELDS ? 1 : 0;
}

void custom_rules_at_data(struct session *s, const struct recipient *r, const struct message_facts *facts, struct rule_outcome *out)
{
    struct rule_facts f = facts_of(s, r);
    struct str of;
    const struct spf_verdict *spf = lookup_known_spf(s, &of);
    bool is_proven = (facts->author && facts->author->result == DMARC_PASS) || (spf && spf->result == SPF_PASS);

    if (f.authenticated == RULE_OPEN)
        f.authenticated = is_proven ? RULE_YES : RULE_NO;
    f.report = facts->report;
    f.size = facts->size;
    rules_judge(s->tx->runtime->rules, &f, &s->tx->message_rules, out);
}

void custom_rules_tell(struct session *s)
{
    const struct rule_budget *early = &s->tx->envelope_rules, *late = &s->tx->message_rules;
    uint32_t limited = early->limited + late->limited;

    if (!limited)
        return;
    atomic_fetch_add_explicit(&s->gate->limited_rules, limited, memory_order_relaxed);
    log_warning("message %s: %s took too much work and does not count as matching (%u in all)", s->tx->reference,
                *late->first_limited ? late->first_limited : early->first_limited, limited);
}
