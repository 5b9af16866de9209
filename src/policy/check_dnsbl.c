/* check_dnsbl.c: the client's address in DNS block lists. Below the threshold a listing is noted and scores, whatever the action. */
#include "policy/policy.h"

struct finding check_dnsbl(const struct client_facts *client, const struct sender_facts *s, const struct policy *p)
{
    char ip[IP_TEXT_MAX];

    if (setting_action(p, SETTING_dnsbl) == ACTION_OFF || !s->dnsbl || s->dnsbl->weight <= 0)
        return finding_none();
    struct finding f = finding_make(REASON_DNSBL_LISTED, "%s in %s", ip_format(&client->peer.ip, ip), s->dnsbl->listed);
    if (s->dnsbl->weight < setting_number(p, SETTING_dnsbl_threshold))
        f.most = ACTION_SCORE;
    return f;
}
