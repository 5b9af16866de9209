/* stage_sender.c: RCPT, after stage_recipient: what the DNS says of the client and the sender. The gate asks only for what these checks will look at. */
#include "policy/policy.h"

void stage_sender(const struct client_facts *client, const struct envelope_facts *e, const struct sender_facts *s, const struct policy *p,
                  struct findings *out)
{
    struct finding f = check_sender_dns(e, s, p);

    findings_add(out, &f);
    f = check_ptr(client, s, p);
    findings_add(out, &f);
    f = check_spf(client, e, s, p);
    findings_add(out, &f);
    f = check_dnsbl(client, s, p);
    findings_add(out, &f);
}
