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

/* What there is to decide by. */
struct choice {
    struct courier *courier;
    const struct policy *policy;
    const struct hop *hop;
    int64_t deadline_ms;
    struct security *s;
    struct outcome *why;
};

static bool not_used(const struct choice *c, enum reason reason)
{
    c->s->reason = reason;
    *c->why = outcome_local(OUTCOME_DEFERRED, reason, "%s is not used: %s", c->hop->host, c->s->policy);
    return false;
}

/* RFC 8461 §3.4: the policy domain is the one that was looked up, or the host that the operator named. */
static bool may_have_policy(const struct choice *c)
{
    struct ip literal;

    return c->courier->parts.sts && setting_flag(c->policy, SETTING_mta_sts) && !c->hop->lmtp && !ip_parse(str_from(c->hop->domain), &literal);
}

/* RFC 8461 §5. DANE has left it open, or wants TLS without saying more. */
static bool choose_sts(const struct choice *c)
{
    struct security *s = c->s;
    struct sts_finding *f = &s->sts;

    sts_find(c->courier->parts.sts, str_from(c->hop->domain), str_from(c->hop->host), c->deadline_ms, f);
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
        demand_roots(s, c->hop, false);
        s->reason = REASON_DELIVERY_STS_FAILED;
        s->is_proof = true;
        return true;
    }
    s->is_trial = true;
    s->demand.check = TLS_CHECK_ADVISORY;
    s->demand.names[0] = c->hop->host;
    s->demand.name_count = 1;
    return true;
}

/* What the destination publishes. */
static bool choose_published(const struct choice *c, bool is_only)
{
    struct security *s = c->s;
    struct dane *d = &s->dane;

    dane_find(c->courier->parts.dns, c->courier->parts.tls, c->hop, d);
    say(s, d->result == DANE_NONE && !is_only ? TLS_LEVEL_MAY : is_only ? TLS_LEVEL_DANE_ONLY : TLS_LEVEL_DANE, d->why);
    if (d->result == DANE_FAILED || (is_only && d->result != DANE_USABLE))
        return not_used(c, REASON_DELIVERY_DANE_FAILED);
    if (d->result != DANE_NONE)
        demand_dane(s, c->hop);
    return d->result == DANE_USABLE || !may_have_policy(c) || choose_sts(c);
}

static bool choose_level(const struct choice *c, enum tls_level level)
{
    static const char by_setting[] = "as destination_tls says";
    struct security *s = c->s;

    say(s, level, by_setting);
    switch (level) {
    case TLS_LEVEL_NONE:
        s->tls = SECURITY_NONE;
        return true;
    case TLS_LEVEL_ENCRYPT:
        s->tls = SECURITY_MUST;
        return true;
    case TLS_LEVEL_VERIFY:
    case TLS_LEVEL_SECURE:
        demand_roots(s, c->hop, level == TLS_LEVEL_SECURE);
        s->is_proof = level == TLS_LEVEL_SECURE || !c->hop->by_mx || c->hop->mx_is_authentic;
        return true;
    case TLS_LEVEL_DANE:
    case TLS_LEVEL_DANE_ONLY:
        return choose_published(c, level == TLS_LEVEL_DANE_ONLY);
    default:
        return true;
    }
}

bool security_choose(struct courier *courier, const struct policy *p, const struct hop *hop, bool requiretls, int64_t deadline_ms,
                     struct security *s, struct outcome *why)
{
    struct choice c = {.courier = courier, .policy = p, .hop = hop, .deadline_ms = deadline_ms, .s = s, .why = why};

    *s = (struct security){.tls = SECURITY_MAY, .reason = REASON_DELIVERY_TLS_FAILED, .demand = {.name = hop->host}};
    if (hop->unix_path[0] && !requiretls) {
        s->tls = SECURITY_NONE;
        say(s, TLS_LEVEL_NONE, "a socket of this host");
        return true;
    }
    if (!choose_level(&c, level_of(setting_text(p, SETTING_destination_tls))))
        return false;
    if (requiretls && s->demand.check < TLS_CHECK_ROOTS) { /* RFC 8689 §4.2.1: the certificate must be good */
        s->is_trial = false;
        demand_roots(s, hop, false);
        snprintf(s->policy, sizeof s->policy, "requiretls: the sender asked for it");
    }
    return true;
}

void security_clear(struct security *s)
{
    dane_clear(&s->dane);
}

struct outcome security_failed(const struct security *s, const struct smtp_client *client, const char *host, bool requiretls)
{
    if (requiretls)
        return outcome_local(OUTCOME_FAILED, REASON_DELIVERY_NEEDS_TLS, "TLS with %s failed (%s): %s", host, s->policy, client->tls_why);
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
