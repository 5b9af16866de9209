/* security.c: see security.h. */
#include "courier/security.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[] = {"none", "may", "encrypt", "dane", "dane-only", "verify", "secure"};
_Static_assert(sizeof level_names / sizeof *level_names == TLS_LEVEL_SECURE + 1, "one name for each level");

/* The levels are the choices of destination_tls: anything else was refused when it was loaded. */
static enum tls_level level_of(const char *name)
{
    size_t i = 0;

    while (i < TLS_LEVEL_SECURE && strcmp(level_names[i], name) != 0)
        i++;
    return (enum tls_level)i;
}

static void say(struct security *s, enum tls_level level, const char *why)
{
    snprintf(s->policy, sizeof s->policy, "%s: %s", level_names[level], why);
}

/* RFC 7672 §3.2.2: for usage 2 the certificate may also be for the domain that was looked up. */
static void demand_dane(struct security *s, const struct hop *hop)
{
    s->tls = SECURITY_MUST;
    s->reason = REASON_DELIVERY_DANE_FAILED;
    s->demand.name = s->dane.base;
    s->demand.check = s->dane.result == DANE_USABLE ? TLS_CHECK_DANE : TLS_CHECK_NOTHING;
    s->demand.names[s->demand.name_count++] = s->dane.base;
    if (strcmp(s->dane.base, hop->host) != 0)
        s->demand.names[s->demand.name_count++] = hop->host;
    if (hop->by_mx && strcmp(hop->domain, hop->host) != 0)
        s->demand.names[s->demand.name_count++] = hop->domain;
    s->demand.tlsa = s->dane.records;
    s->demand.tlsa_count = s->dane.count;
    s->is_proof = s->demand.check == TLS_CHECK_DANE;
}

/* The certificate must come from a known authority. OWN: for the destination's domain itself, not for a host that DNS named. */
static void demand_roots(struct security *s, const struct hop *hop, bool own)
{
    struct tls_demand *d = &s->demand;

    s->tls = SECURITY_MUST;
    d->check = TLS_CHECK_ROOTS;
    d->name = hop->host;
    d->name_count = 0;
    if (!own) {
        d->names[d->name_count++] = hop->host;
        return;
    }
    snprintf(s->parent, sizeof s->parent, ".%s", hop->domain);
    d->names[d->name_count++] = hop->domain;
    d->names[d->name_count++] = s->parent;
}

/* The question, and where the answer goes. */
struct choice {
    const struct security_question *q;
    struct security *s;
    struct outcome *why;
};

static bool not_used(const struct choice *c, enum reason reason)
{
    c->s->reason = reason;
    *c->why = outcome_local(OUTCOME_DEFERRED, reason, "%s is not used: %s", c->q->hop->host, c->s->policy);
    return false;
}

/* RFC 8461 §3.4: the policy domain is the one that was looked up, or the host that the operator named. */
static bool may_have_policy(const struct choice *c)
{
    struct ip literal;

    return c->q->courier->parts.sts && setting_flag(c->q->policy, SETTING_mta_sts) && !c->q->hop->lmtp && !ip_parse(str_from(c->q->hop->domain), &literal);
}

/* RFC 8461 §5. DANE has left it open, or wants TLS without saying more. */
static bool choose_sts(const struct choice *c)
{
    struct security *s = c->s;
    struct sts_finding *f = &s->sts;

    sts_find(c->q->courier->parts.sts, str_from(c->q->hop->domain), str_from(c->q->hop->host), c->q->deadline_ms, f);
    if (f->result == STS_STOPPED) {
        *c->why = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "the gateway was stopped");
        return false;
    }
    if (f->result == STS_NO_POLICY) {
        size_t len = strlen(s->policy);
        snprintf(s->policy + len, sizeof s->policy - len, "; %s", f->why);
        return true;
    }
    snprintf(s->policy, sizeof s->policy, "sts: %s", f->why);
    if (f->mode == STS_MODE_ENFORCE && !f->names_host)
        return not_used(c, REASON_DELIVERY_STS_FAILED);
    if (f->mode == STS_MODE_ENFORCE) {
        demand_roots(s, c->q->hop, false);
        s->reason = REASON_DELIVERY_STS_FAILED;
        s->is_proof = true;
        return true;
    }
    s->is_trial = true;
    s->demand.check = TLS_CHECK_ADVISORY;
    s->demand.names[0] = c->q->hop->host;
    s->demand.name_count = 1;
    return true;
}

/* What the destination publishes. */
static bool choose_published(const struct choice *c, bool is_only)
{
    struct security *s = c->s;
    struct dane *d = &s->dane;

    dane_find(c->q->courier->parts.dns, c->q->courier->parts.tls, c->q->hop, d);
    say(s, d->result == DANE_NONE && !is_only ? TLS_LEVEL_MAY : is_only ? TLS_LEVEL_DANE_ONLY : TLS_LEVEL_DANE, d->why);
    if (d->result == DANE_FAILED || (is_only && d->result != DANE_USABLE))
        return not_used(c, REASON_DELIVERY_DANE_FAILED);
    if (d->result != DANE_NONE)
        demand_dane(s, c->q->hop);
    return d->result == DANE_USABLE || !may_have_policy(c) || choose_sts(c);
}

/* Names of the table instead of those that DNS or the destination would give. */
static void take_names(struct security *s, const struct tls_policy *entry)
{
    for (size_t i = 0; i < entry->name_count; i++) {
        str_copy(s->names[i], sizeof s->names[i], entry->names[i]);
        s->demand.names[i] = s->names[i];
    }
    s->demand.name_count = entry->name_count ? entry->name_count : s->demand.name_count;
}

/* ENTRY may be NULL: the setting destination_tls says it. */
static bool choose_level(const struct choice *c, enum tls_level level, const struct tls_policy *entry)
{
    const struct hop *hop = c->q->hop;
    struct security *s = c->s;

    if (entry)
        snprintf(s->policy, sizeof s->policy, "%s: as tls_policies says for " STR_FMT, level_names[level], STR_ARG(entry->domain));
    else
        say(s, level, "as destination_tls says");
    switch (level) {
    case TLS_LEVEL_NONE:
        s->tls = SECURITY_NONE;
        return true;
    case TLS_LEVEL_ENCRYPT:
        s->tls = SECURITY_MUST;
        return true;
    case TLS_LEVEL_VERIFY:
    case TLS_LEVEL_SECURE:
        demand_roots(s, hop, level == TLS_LEVEL_SECURE);
        if (entry)
            take_names(s, entry);
        s->is_proof = level == TLS_LEVEL_SECURE || !hop->by_mx || hop->mx_is_authentic || (entry && entry->name_count);
        return true;
    case TLS_LEVEL_DANE:
    case TLS_LEVEL_DANE_ONLY:
        return choose_published(c, level == TLS_LEVEL_DANE_ONLY);
    default:
        return true;
    }
}

/* RFC 8689 §4.2.1: the name of the host must come from DNSSEC, from a policy of MTA-STS, from an operator, or be the domain's own; and its
 * certificate must be good. */
static bool require(const struct choice *c)
{
    const struct hop *hop = c->q->hop;
    struct security *s = c->s;
    bool named = s->is_proof || !hop->by_mx || hop->mx_is_authentic || (s->sts.result == STS_FOUND && s->sts.names_host) ||
                 strcmp(hop->host, hop->domain) == 0;

    s->is_required = true;
    s->is_trial = false;
    if (!named) {
        *c->why = outcome_local(OUTCOME_FAILED, REASON_DELIVERY_NEEDS_TLS,
                                "%s is not used: neither DNSSEC nor MTA-STS vouches for it as a mail server of %s, as REQUIRETLS wants (%s)", hop->host,
                                hop->domain, s->policy);
        str_copy(c->why->status, sizeof c->why->status, STR("5.7.10"));
        return false;
    }
    if (s->demand.check < TLS_CHECK_ROOTS)
        demand_roots(s, hop, false);
    s->is_proof = true;
    size_t len = strlen(s->policy);
    snprintf(s->policy + len, sizeof s->policy - len, "; requiretls");
    return true;
}

/* §4.2.2: TLS as well as it goes. What an operator demands holds all the same. */
static bool relax(const struct choice *c)
{
    struct security *s = c->s;
    char before[sizeof s->policy];

    memcpy(before, s->policy, sizeof before);
    *s = (struct security){.tls = SECURITY_MAY, .reason = REASON_DELIVERY_TLS_FAILED, .demand = {.name = c->q->hop->host}, .is_relaxed = true, .dane = s->dane};
    snprintf(s->policy, sizeof s->policy, "may: TLS-Required: No of the message, instead of %.*s", (int)sizeof s->policy - 100, before);
    return true;
}

static enum tls_level find_level(const struct security_question *q, struct tls_policy *entry, bool *has_entry)
{
    bool has_own = q->policy != q->system && setting_is_set(q->policy, SETTING_destination_tls);

    *has_entry = !has_own && tls_policy_find(setting_list(q->system, SETTING_tls_policies), q->destination, entry);
    char name[16] = "";
    if (*has_entry)
        str_copy(name, sizeof name, entry->level);
    return level_of(*has_entry ? name : setting_text(q->policy, SETTING_destination_tls));
}

bool security_choose(const struct security_question *q, struct security *s, struct outcome *why)
{
    struct choice c = {.q = q, .s = s, .why = why};
    struct tls_policy entry;
    bool has_entry;
    enum tls_level level = find_level(q, &entry, &has_entry);

    *s = (struct security){.tls = SECURITY_MAY, .reason = REASON_DELIVERY_TLS_FAILED, .demand = {.name = q->hop->host}};
    *why = (struct outcome){.reason = REASON_NONE};
    if (q->hop->unix_path[0] && q->wish != TLS_WISH_REQUIRED) {
        s->tls = SECURITY_NONE;
        say(s, TLS_LEVEL_NONE, "a socket of this host");
        return true;
    }
    if (q->wish == TLS_WISH_REQUIRED && level < TLS_LEVEL_DANE) { /* what is published may vouch for the host */
        level = TLS_LEVEL_DANE;
        has_entry = false;
    }
    bool can = choose_level(&c, level, has_entry ? &entry : NULL);
    bool is_published = level == TLS_LEVEL_DANE && (!can || s->tls == SECURITY_MUST || s->is_trial);
    if (q->wish == TLS_WISH_OPTIONAL && is_published && why->reason != REASON_DELIVERY_DELAYED)
        return relax(&c);
    if (q->wish == TLS_WISH_REQUIRED && can)
        return require(&c);
    return can;
}

void security_clear(struct security *s)
{
    dane_clear(&s->dane);
}

struct outcome security_failed(const struct security *s, const struct smtp_client *client, const char *host)
{
    if (s->is_required) {
        struct outcome o = outcome_local(OUTCOME_FAILED, REASON_DELIVERY_NEEDS_TLS, "TLS with %s failed (%s): %s", host, s->policy, client->tls_why);
        str_copy(o.status, sizeof o.status, STR("5.7.10")); /* RFC 8689 §4.2.1 */
        return o;
    }
    return outcome_local(OUTCOME_DEFERRED, s->reason, "TLS with %s failed (%s): %s", host, s->policy, client->tls_why);
}

/* What a policy in testing mode would have refused. */
static const char *failed_trial(const struct security *s, const struct smtp_client *client)
{
    if (!s->is_trial)
        return NULL;
    if (!s->sts.names_host)
        return "the host is not among its mx";
    if (!client->used_tls)
        return client->tls_why[0] ? client->tls_why : "it does not offer STARTTLS";
    return client->tls_trouble != CLIENT_TLS_FINE ? client->tls_why : NULL;
}

void security_describe(const struct security *s, const struct smtp_client *client, char *to, size_t size)
{
    const char *trial = failed_trial(s, client);

    if (client->tls_match[0])
        snprintf(to, size, "%s; matched %s", s->policy, client->tls_match);
    else if (trial)
        snprintf(to, size, "%s; enforced it would have failed: %s%s", s->policy, trial, client->used_tls ? "" : "; plaintext");
    else if (!client->used_tls && client->tls_why[0])
        snprintf(to, size, "%s; plaintext, since TLS failed: %s", s->policy, client->tls_why);
    else
        snprintf(to, size, "%s%s", s->policy, client->used_tls ? "" : "; plaintext");
}
