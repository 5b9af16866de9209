/* standing.c: see standing.h. */
#include "gate/standing.h"

#include "base/clock.h"
#include "gate/lookup_client.h"
#include "gate/origins.h"
#include "gate/session.h"
#include "policy/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The allow list, role addresses, our own users and networks that are spared leave no trace. */
static bool concerns(const struct session *s, const struct recipient *r)
{
    return s->service == SERVICE_MX && s->client.peer.ip.family && r->domain && !r->allowed && !r->role &&
           setting_flag(r->policy, SETTING_greylist) &&
           !(lists_ip_skips(s->tx->runtime->lists, &s->client.peer.ip, &r->scope) & SKIP_GREYLISTING);
}

__attribute__((format(printf, 2, 3))) static bool note(struct recipient *r, const char *format, ...)
{
    char text[160];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    free(r->standing);
    r->standing = strdup(text);
    return true;
}

static bool is_large_sender(struct session *s, struct recipient *r, const struct sender_facts *facts)
{
    const struct large_senders *large = s->tx->runtime->large_senders;
    const char *name = NULL;

    if (large_senders_have_client(large, &s->client.peer.ip))
        return note(r, "large sender, by its network");
    if (facts->spf && facts->spf->result == SPF_PASS)
        name = large_senders_name(large, address_domain(&s->tx->mail.sender));
    if (name)
        return note(r, "large sender %s, by SPF", name);
    const struct iprev_verdict *iprev = client_lookup_iprev(s);
    if (iprev && iprev->result == IPREV_PASS)
        name = large_senders_name(large, str_from(iprev->name));
    return name && note(r, "large sender %s, by its PTR", name);
}

static bool note_outcome(struct recipient *r, const struct ip *client, const struct greylist_answer *a)
{
    char network[64];

    greylist_network(client, network);
    switch (a->outcome) {
    case GREYLIST_FIRST:
    case GREYLIST_EARLY: return false;
    case GREYLIST_WAITED: return note(r, "waited %lld s", (long long)(a->waited_ms / 1000));
    case GREYLIST_KNOWN: return note(r, "%s is known with this sender and domain", network);
    case GREYLIST_KNOWN_PAIR: return note(r, "%s is known with this sender, %u times", network, (unsigned)a->count);
    case GREYLIST_KNOWN_NETWORK: return note(r, "%s is known, %u times", network, (unsigned)a->count);
    case GREYLIST_CORRESPONDENT: return note(r, "our users write to this sender");
    case GREYLIST_NO_ROOM: return note(r, "the greylist is flooded");
    }
    return false;
}

static struct greylist_rules rules_of(const struct policy *system)
{
    return (struct greylist_rules){.delay_ms = setting_number(system, SETTING_greylist_delay),
                                   .grey_ms = setting_number(system, SETTING_greylist_grey_lifetime),
                                   .white_ms = setting_number(system, SETTING_greylist_white_lifetime),
                                   .pairs_after = (uint32_t)setting_number(system, SETTING_greylist_pair_after),
                                   .networks_after = (uint32_t)setting_number(system, SETTING_greylist_network_after)};
}

static bool has_good_name(struct session *s, struct recipient *r, const struct sender_facts *facts)
{
    struct reputation_fact f;

    return origins_are_good(s, facts, &f) && note(r, "good reputation of %s %.80s, %.0f messages", reputation_kind_name(f.kind), f.name, f.count.good);
}

/* What is known is asked first, then who needs no introduction; only then does the client make an acquaintance. */
static struct greylist_answer ask(struct session *s, struct recipient *r, const struct sender_facts *facts, int64_t now_ms)
{
    const struct greylist_rules rules = rules_of(settings_system(s->tx->runtime->settings));
    struct greylist_query q = {.client = s->client.peer.ip, .sender = address_text(&s->tx->mail.sender), .domain = r->domain->name, .rules = &rules,
                               .only_look = true};
    struct greylist_answer a;

    greylist_ask(s->gate->parts.greylist, &q, now_ms, &a);
    if (note_outcome(r, &q.client, &a) || is_large_sender(s, r, facts) || has_good_name(s, r, facts))
        return (struct greylist_answer){.outcome = a.outcome};
    if (a.outcome != GREYLIST_FIRST)
        return a;
    q.only_look = false;
    greylist_ask(s->gate->parts.greylist, &q, now_ms, &a);
    note_outcome(r, &q.client, &a);
    return a;
}

struct finding standing_check(struct session *s, struct recipient *r, const struct sender_facts *facts)
{
    int64_t now_ms = clock_wall_ms();

    if (!concerns(s, r))
        return finding_none();
    if (facts->dnsbl && facts->dnsbl->is_welcome) {
        note(r, "in a list of good senders: %.100s", facts->dnsbl->welcomed_by);
        return finding_none();
    }
    struct greylist_answer a = ask(s, r, facts, now_ms);
    const struct greylist_facts g = {.now_ms = now_ms, .wait_ms = a.wait_ms, .is_first = a.outcome == GREYLIST_FIRST};
    return check_greylist(&g, r->policy);
}

void standing_learn(struct session *s)
{
    struct str own = address_domain(&s->tx->mail.sender);

    if (!s->client.is_trusted_sender || !own.len)
        return;
    for (size_t i = 0; i < s->tx->count; i++)
        if (!s->tx->recipients[i]->domain) /* among ourselves there is nothing to learn */
            greylist_learn(s->gate->parts.greylist, address_text(&s->tx->recipients[i]->args.recipient), own, clock_wall_ms());
}

void standing_lose(struct session *s, enum reason reason)
{
    if (origins_badness(reason) >= 1 && s->service == SERVICE_MX && s->client.peer.ip.family)
        greylist_forget(s->gate->parts.greylist, &s->client.peer.ip);
}
