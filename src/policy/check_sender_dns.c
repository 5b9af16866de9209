/* check_sender_dns.c: a sender who could not be answered (RFC 5321 §5.1, RFC 7505 §4.2), and a client whose address has no name of its own. */
#include "policy/policy.h"

struct finding check_sender_dns(const struct envelope_facts *e, const struct sender_facts *s, const struct policy *p)
{
    struct str domain = str_sub(address_domain(e->sender), 0, 110);

    if (setting_action(p, SETTING_check_sender_dns) == ACTION_OFF)
        return finding_none();
    switch (s->dns) {
    case SENDER_DNS_NULL_MX:
        return finding_make(REASON_SENDER_NULL_MX, STR_FMT, STR_ARG(domain));
    case SENDER_DNS_NO_RECORD:
        return finding_make(REASON_SENDER_DNS_MISSING, STR_FMT " has neither MX nor address", STR_ARG(domain));
    case SENDER_DNS_NO_NAME:
        return finding_make(REASON_SENDER_DNS_MISSING, STR_FMT " does not exist", STR_ARG(domain));
    case SENDER_DNS_FAILED:
        return finding_make(REASON_SENDER_DNS_FAILURE, "the DNS does not answer for " STR_FMT, STR_ARG(domain));
    case SENDER_DNS_NOT_ASKED:
    case SENDER_DNS_FOUND:
        break;
    }
    return finding_none();
}

struct finding check_ptr(const struct client_facts *client, const struct sender_facts *s, const struct policy *p)
{
    enum action action = setting_action(p, SETTING_check_ptr);
    char ip[IP_TEXT_MAX];
    struct finding f;

    if (action == ACTION_OFF || !s->iprev)
        return finding_none();
    ip_format(&client->peer.ip, ip);
    switch (s->iprev->result) {
    case IPREV_NO_PTR:
        return finding_make(REASON_PTR_MISSING, "%s has no PTR", ip);
    case IPREV_MISMATCH:
        return finding_make(REASON_PTR_MISSING, "%.100s, the PTR of %s, does not lead back to it", s->iprev->name, ip);
    case IPREV_FAILED:
        f = finding_make(REASON_SENDER_DNS_FAILURE, "the DNS does not answer for the PTR of %s", ip);
        f.most = action;
        return f;
    case IPREV_NOT_ASKED:
    case IPREV_PASS:
        break;
    }
    return finding_none();
}
