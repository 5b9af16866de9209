/* origins.c: see origins.h. */
#include "gate/origins.h"

#include "base/clock.h"
#include "gate/authentication_parts.h"
#include "gate/lookup.h"
#include "gate/lookup_client.h"
#include "gate/session.h"
#include "mail/link.h"

#include <stdlib.h>

enum { LINKS_MAX = 12 /* domains of one message */ };

double origins_badness(enum reason reason)
{
    switch (reason) {
    case REASON_SPAM:
    case REASON_PHISH:
    case REASON_VIRUS:
    case REASON_LINK_MALWARE:
    case REASON_LINK_PHISHING:
    case REASON_DNSBL_LISTED:
        return 1;
    case REASON_ATTACHMENT_BLOCKED:
    case REASON_DMARC_REJECT:
    case REASON_TOO_MANY_INVALID_RECIPIENTS:
        return 0.5;
    case REASON_DMARC_QUARANTINE:
        return 0.25;
    default:
        return 0;
    }
}

static bool concerns(const struct session *s)
{
    return s->service == SERVICE_MX && s->client.peer.ip.family && s->tx;
}

static void add_client(const struct session *s, struct reputation_facts *out)
{
    const struct iprev_verdict *iprev = client_lookup_known_iprev(s);
    char text[64];

    reputation_facts_add(out, REPUTATION_ADDRESS, str_from(ip_format(&s->client.peer.ip, text)));
    reputation_facts_add(out, REPUTATION_NETWORK, str_from(greylist_network(&s->client.peer.ip, text)));
    if (iprev && iprev->result == IPREV_PASS)
        reputation_facts_add(out, REPUTATION_HOST, link_registrable_builtin(str_from(iprev->name)));
    else if (lookup_helo_passes(s))
        reputation_facts_add(out, REPUTATION_HOST, link_registrable_builtin(s->client.helo));
}

/* Where SPF or a signature proves it. Returns whether anything does. */
static bool add_senders(const struct session *s, struct reputation_facts *out)
{
    const struct authentication *a = s->tx->authentication;
    struct str domain;
    const struct spf_verdict *spf = lookup_known_spf(s, &domain);
    bool proven = spf && spf->result == SPF_PASS;

    if (proven && !address_is_null(&s->tx->mail.sender))
        reputation_facts_add(out, REPUTATION_SENDER, domain);
    for (size_t i = 0; a && i < a->dkim_count; i++)
        if (authentication_counts(a, i)) {
            reputation_facts_add(out, REPUTATION_SIGNER, str_from(a->dkim[i]->domain));
            proven = true;
        }
    return proven;
}

/* Ours stand in much of what is sent to us, good and bad. */
static void add_links(const struct session *s, const struct scan_report *report, struct reputation_facts *out)
{
    struct str rest = report_records(report);
    struct record r;
    size_t before = out->count;

    while (out->count - before < LINKS_MAX && report_next(&rest, RECORD_LINK, &r))
        if (r.link.domain.len && !settings_domain(s->tx->runtime->settings, r.link.domain))
            reputation_facts_add(out, REPUTATION_LINK, r.link.domain);
}

static int64_t half_life_ms(const struct session *s)
{
    return setting_number(settings_system(s->tx->runtime->settings), SETTING_reputation_half_life);
}

const struct reputation_facts *origins_read(struct session *s, const struct scan_report *report)
{
    if (!concerns(s))
        return NULL;
    if (!s->tx->origins)
        s->tx->origins = malloc(sizeof *s->tx->origins);
    struct reputation_facts *f = s->tx->origins;
    if (!f)
        return NULL;
    f->count = 0; /* an attempt at RCPT may have begun */
    add_client(s, f);
    s->tx->is_proven = add_senders(s, f);
    add_links(s, report, f);
    reputation_read(s->gate->parts.reputation, f, half_life_ms(s), clock_wall_ms());
    return f;
}

bool origins_are_good(struct session *s, const struct sender_facts *facts, struct reputation_fact *out)
{
    const struct policy *system = settings_system(s->tx->runtime->settings);
    struct reputation_facts f = {.count = 0};
    bool found = false;
    char text[64];

    reputation_facts_add(&f, REPUTATION_ADDRESS, str_from(ip_format(&s->client.peer.ip, text)));
    if (facts->spf && facts->spf->result == SPF_PASS)
        reputation_facts_add(&f, REPUTATION_SENDER, address_domain(&s->tx->mail.sender));
    const struct iprev_verdict *iprev = client_lookup_known_iprev(s);
    if (iprev && iprev->result == IPREV_PASS)
        reputation_facts_add(&f, REPUTATION_HOST, link_registrable_builtin(str_from(iprev->name)));
    reputation_read(s->gate->parts.reputation, &f, half_life_ms(s), clock_wall_ms());
    for (size_t i = 0; i < f.count; i++) {
        if (f.at[0].count.bad >= 0.5)
            return false; /* spam came from this very address, whatever its domain is known for */
        if (!reputation_is_good(&f.at[i].count, system) || (found && f.at[i].count.good <= out->count.good))
            continue;
        *out = f.at[i];
        found = true;
    }
    return found;
}

static void count(struct session *s, bool is_bad, double weight)
{
    if (s->tx->is_counted)
        return;
    s->tx->is_counted = true;
    reputation_add(s->gate->parts.reputation, s->tx->origins, is_bad, weight, half_life_ms(s), clock_wall_ms());
}

void origins_refused(struct session *s, enum reason reason)
{
    double badness = origins_badness(reason);

    if (!concerns(s) || badness <= 0)
        return;
    if (!s->tx->origins && (s->tx->origins = calloc(1, sizeof *s->tx->origins))) {
        add_client(s, s->tx->origins); /* at RCPT */
        add_senders(s, s->tx->origins);
    }
    if (s->tx->origins)
        count(s, true, badness);
}

void origins_accepted(struct session *s, const struct findings *found)
{
    if (!concerns(s) || !s->tx->origins || !s->tx->is_proven)
        return;
    for (size_t i = 0; i < found->count; i++)
        if (origins_badness(found->at[i].reason) > 0)
            return;
    for (size_t k = 0; k < s->tx->count; k++)
        for (size_t i = 0; s->tx->recipients[k]->findings && i < s->tx->recipients[k]->findings->count; i++)
            if (origins_badness(s->tx->recipients[k]->findings->at[i].reason) > 0)
                return;
    count(s, false, 1);
}
