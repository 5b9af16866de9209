/* stage_recipient.c: RCPT. What needs no network comes first; all that is found is kept, the first that decides answers. */
#include "policy/policy.h"

void stage_recipient(const struct client_facts *client, const struct envelope_facts *e, struct str host_name, const struct policy *p,
                     const struct lists *lists, struct findings *out)
{
    struct finding f = check_relay(client, e);

    findings_add(out, &f);
    if (f.reason != REASON_NONE)
        return; /* not ours: whatever else is wrong is nobody's business here */
    if (!e->is_return) { /* how strangers write their addresses is theirs to know */
        f = check_restricted_local_part(e->recipient, p);
        findings_add(out, &f);
    }
    f = check_bounce_to_many(e);
    findings_add(out, &f);
    f = check_batv(e);
    findings_add(out, &f);
    f = check_lists(client, e, lists);
    findings_add(out, &f);
    if (!(lists_ip_skips(lists, &client->peer.ip, e->scope) & SKIP_GREETING)) {
        f = check_greeting(client, host_name, p);
        findings_add(out, &f);
    }
    f = check_local_recipients(e, p);
    findings_add(out, &f);
}
