/*
 * check_spf.c: may this client send for the sender's domain, and greet with the name it gave (RFC 7208 §2.3, §2.4)? The answers were asked for by
 * the gate; here they are only judged.
 */
#include "policy/policy.h"

/* "example.org", or "*.example.org" for all below it. */
static bool is_exempt(const struct setting_list *list, struct str domain)
{
    for (size_t i = 0; i < list->count; i++) {
        struct str entry = str_from(list->at[i]);
        if (str_starts(entry, STR("*.")) ? domain.len > entry.len - 1 && str_ends_case(domain, str_from_index(entry, 1)) : str_eq_case(entry, domain))
            return true;
    }
    return false;
}

/* §8.4: the domain's own words are passed on, and said to be its own. */
static struct finding failed(const struct client_facts *client, struct str domain, const struct spf_verdict *v, const char *what)
{
    char ip[IP_TEXT_MAX];
    struct str name = str_sub(domain, 0, 80);

    ip_format(&client->peer.ip, ip);
    if (*v->explanation)
        return finding_make(REASON_SPF_FAILURE, "%s %s " STR_FMT " (%.20s), which explains: %s", ip, what, STR_ARG(name), v->mechanism,
                            v->explanation);
    return finding_make(REASON_SPF_FAILURE, "%s %s " STR_FMT " (%s)", ip, what, STR_ARG(name), v->mechanism);
}

static struct finding unknown(struct str domain, const struct spf_verdict *v)
{
    return finding_make(REASON_SPF_UNAVAILABLE, STR_FMT ": %s", STR_ARG(str_sub(domain, 0, 80)), v->problem);
}

static struct finding judge(const struct client_facts *client, struct str domain, const struct spf_verdict *v, const char *what,
                            const struct policy *p)
{
    struct finding f;

    switch (v->result) {
    case SPF_FAIL:
        return failed(client, domain, v, what);
    case SPF_SOFTFAIL:
        if (setting_action(p, SETTING_spf_softfail) == ACTION_OFF)
            return finding_none();
        f = failed(client, domain, v, what);
        f.most = setting_action(p, SETTING_spf_softfail);
        return f;
    case SPF_TEMPERROR:
        return unknown(domain, v);
    default:
        return finding_none();
    }
}

struct finding check_spf(const struct client_facts *client, const struct envelope_facts *e, const struct sender_facts *s, const struct policy *p)
{
    struct str domain = address_domain(e->sender);

    if (setting_action(p, SETTING_spf) == ACTION_OFF || networks_have(setting_networks(p, SETTING_spf_exempt_networks), &client->peer.ip))
        return finding_none();
    const struct setting_list *exempt = setting_list(p, SETTING_spf_exempt_domains);
    if (s->spf && !is_exempt(exempt, domain)) {
        struct finding f = judge(client, domain, s->spf, "may not send for", p);
        if (f.reason != REASON_NONE)
            return f;
    }
    /* a name in HELO whose record fails is stolen; that it softly fails or cannot be asked for says too little beside a sender of its own */
    if (!s->helo_spf || is_exempt(exempt, client->helo) || (s->spf && s->helo_spf->result != SPF_FAIL))
        return finding_none();
    return judge(client, client->helo, s->helo_spf, s->spf ? "may not greet as" : "may not send for", p);
}
