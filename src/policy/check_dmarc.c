/* check_dmarc.c: does the author's domain stand behind this message, and what does it ask for if not (RFC 9989 §5)? The gate asked; here it is judged. */
#include "policy/policy.h"

#include "auth/arc.h"
#include "mail/address.h"

/* "… dmarc=pass header.from=example.net …": of AUTHOR, where it says of whom. */
static bool says_pass(struct str results, const char *author)
{
    char domain[256];

    while (results.len) {
        if (!str_is_case(str_cut(&results, ' '), "dmarc=pass"))
            continue;
        struct str rest = results, of = str_cut(&rest, ' ');
        if (!str_starts_case(of, STR("header.from=")))
            return true;
        if (domain_to_ascii(str_from_index(of, 12), domain, sizeof domain) && str_is_case(str_from(domain), author))
            return true;
    }
    return false;
}

static bool is_trusted(const struct setting_list *list, const char *sealer)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq_case(str_from(list->at[i]), str_from(sealer)))
            return true;
    return false;
}

/* RFC 8617 §7.2.1: an unbroken chain whose last seal is of somebody we trust, and he found DMARC to pass, for this
 * author, before he changed the message. */
static bool is_vouched_for(const struct message_facts *m, const struct policy *p)
{
    const struct author_facts *a = m->author;
    struct str rest = report_records(m->report);
    struct record r;

    if (a->chain != CHAIN_PASS || !is_trusted(setting_list(p, SETTING_trusted_arc_sealers), a->sealer))
        return false;
    while (report_next(&rest, RECORD_RESULTS, &r))
        if (r.results.instance == a->chain_sets && r.results.is_readable)
            return says_pass(r.results.results, a->domain);
    return false;
}

struct finding check_dmarc(const struct message_facts *m, const struct policy *p)
{
    const struct author_facts *a = m->author;

    if (!a || setting_action(p, SETTING_dmarc) == ACTION_OFF)
        return finding_none();
    if (m->client && networks_have(setting_networks(p, SETTING_dmarc_exempt_networks), &m->client->peer.ip))
        return finding_none();
    if (a->result == DMARC_TEMPERROR || (a->result == DMARC_FAIL && a->is_uncertain && a->policy != DMARC_POLICY_NONE))
        return finding_make(REASON_DMARC_UNAVAILABLE, "%.80s: %.70s", a->domain, a->problem);
    if (a->result != DMARC_FAIL || a->policy == DMARC_POLICY_NONE || is_vouched_for(m, p))
        return finding_none();
    return finding_make(a->policy == DMARC_POLICY_REJECT ? REASON_DMARC_REJECT : REASON_DMARC_QUARANTINE, "%.60s (%.90s)", a->policy_domain, a->summary);
}
