/* check_lists.c: block lists of networks, senders and recipients. */
#include "policy/policy.h"

struct finding check_lists(const struct client_facts *client, const struct envelope_facts *e, const struct lists *lists)
{
    struct str domain = address_domain(e->recipient);
    char evidence[EVIDENCE_MAX];

    if (lists_recipient_blocked(lists, e->recipient, evidence))
        return finding_make(REASON_BLOCKED_RECIPIENT, "%s", evidence);
    if (lists_ip_blocked(lists, &client->peer.ip, domain, evidence))
        return finding_make(REASON_BLOCKED_IP, "%s", evidence);
    if (lists_sender_blocked(lists, e->sender, domain, evidence))
        return finding_make(REASON_BLOCKED_SENDER, "%s", evidence);
    return finding_none();
}
