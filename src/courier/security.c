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
    if (!own) {
        d->names[d->name_count++] = hop->host;
        return;
    }
    snprintf(s->parent, sizeof s->parent, ".%s", hop->domain);
    d->names[d->name_count++] = hop->domain;
    d->names[d->name_count++] = s->parent;
}

/* False: this hop must not be used, as s->policy says. */
static bool choose_dane(struct courier *c, const struct hop *hop, bool is_only, struct security *s)
{
    dane_find(c->parts.dns, c->parts.tls, hop, &s->dane);
    say(s, s->dane.result == DANE_NONE && !is_only ? TLS_LEVEL_MAY : is_only ? TLS_LEVEL_DANE_ONLY : TLS_LEVEL_DANE, s->dane.why);
    s->reason = REASON_DELIVERY_DANE_FAILED;
    if (s->dane.result == DANE_FAILED || (is_only && s->dane.result != DANE_USABLE))
        return false;
    if (s->dane.result == DANE_NONE)
        return true;
    demand_dane(s, hop);
    return true;
}

static bool choose_level(struct courier *c, enum tls_level level, const struct hop *hop, struct security *s)
{
    static const char by_setting[] = "as destination_tls says";

    switch (level) {
    case TLS_LEVEL_NONE:
        s->tls = SECURITY_NONE;
        say(s, level, by_setting);
        return true;
    case TLS_LEVEL_ENCRYPT:
        s->tls = SECURITY_MUST;
        say(s, level, by_setting);
        return true;
    case TLS_LEVEL_VERIFY:
    case TLS_LEVEL_SECURE:
        demand_roots(s, hop, level == TLS_LEVEL_SECURE);
        s->is_proof = level == TLS_LEVEL_SECURE || !hop->by_mx || hop->mx_is_authentic;
        say(s, level, by_setting);
        return true;
    case TLS_LEVEL_DANE:
    case TLS_LEVEL_DANE_ONLY:
        return choose_dane(c, hop, level == TLS_LEVEL_DANE_ONLY, s);
    default:
        say(s, level, by_setting);
        return true;
    }
}

bool security_choose(struct courier *c, const struct policy *p, const struct hop *hop, bool requiretls, struct security *s, struct outcome *why)
{
    *s = (struct security){.tls = SECURITY_MAY, .reason = REASON_DELIVERY_TLS_FAILED, .demand = {.name = hop->host}};
    if (hop->unix_path[0] && !requiretls) {
        s->tls = SECURITY_NONE;
        say(s, TLS_LEVEL_NONE, "a socket of this host");
        return true;
    }
    if (!choose_level(c, level_of(setting_text(p, SETTING_destination_tls)), hop, s)) {
        *why = outcome_local(OUTCOME_DEFERRED, s->reason, "%s is not used: %s", hop->host, s->policy);
        return false;
    }
    if (requiretls && s->demand.check == TLS_CHECK_NOTHING) { /* RFC 8689 §4.2.1: the certificate must be good */
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

void security_describe(const struct security *s, const struct smtp_client *client, char *to, size_t size)
{
    if (client->tls_match[0])
        snprintf(to, size, "%s; matched %s", s->policy, client->tls_match);
    else if (!client->used_tls && client->tls_why[0])
        snprintf(to, size, "%s; plaintext, since TLS failed: %s", s->policy, client->tls_why);
    else
        snprintf(to, size, "%s%s", s->policy, client->used_tls ? "" : "; plaintext");
}
