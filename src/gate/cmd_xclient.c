/*
 * cmd_xclient.c: XCLIENT, as Postfix has it (XCLIENT_README): a trusted proxy or a test says who the client is. Only for xclient_networks;
 * afterwards the session stands where it stood behind the banner, and the client's own limits apply.
 */
#include "gate/lookup_client.h"
#include "gate/outgoing.h"
#include "gate/session.h"

#include <stdlib.h>

struct claims {
    struct endpoint peer;
    char helo[256];
    bool has_helo;
};

static bool is_unavailable(struct str value)
{
    return str_is_case(value, "[UNAVAILABLE]") || str_is_case(value, "[TEMPUNAVAIL]");
}

static bool take_address(struct str value, struct ip *ip)
{
    if (str_starts_case(value, STR("IPV6:")))
        value = str_from_index(value, 5);
    return ip_parse(value, ip);
}

static bool take_attribute(struct str name, struct str value, struct claims *c)
{
    char text[256];
    size_t len;
    uint64_t port;

    if (is_unavailable(value))
        return true;
    if (!xtext_decode(value, text, sizeof text - 1, &len))
        return false;
    struct str plain = str_n(text, len);
    if (str_is_case(name, "ADDR"))
        return take_address(plain, &c->peer.ip);
    if (str_is_case(name, "PORT")) {
        if (!str_to_u64(plain, 65535, &port))
            return false;
        c->peer.port = (uint16_t)port;
        return true;
    }
    if (str_is_case(name, "HELO")) {
        c->has_helo = true;
        return str_copy(c->helo, sizeof c->helo, plain);
    }
    return str_is_case(name, "NAME") || str_is_case(name, "PROTO") || str_is_case(name, "LOGIN") || str_is_case(name, "DESTADDR") ||
           str_is_case(name, "DESTPORT");
}

static bool parse_claims(struct str args, struct claims *c)
{
    struct str word = str_word(&args);

    if (!word.len)
        return false;
    for (; word.len; word = str_word(&args)) {
        struct str value = word, name = str_cut(&value, '=');
        if (!value.at || !take_attribute(name, value, c))
            return false;
    }
    return true;
}

enum session_next cmd_xclient(struct session *s, struct str args)
{
    struct claims c = {.peer = s->client.peer};

    if (!networks_have(setting_networks(session_policy(s), SETTING_xclient_networks), &s->client.peer.ip))
        return answer(s, REASON_NOT_IMPLEMENTED);
    if (s->tx)
        return answer_detail(s, REASON_BAD_SEQUENCE, "XCLIENT inside a transaction");
    if (!parse_claims(args, &c))
        return answer_detail(s, REASON_BAD_ARGUMENTS, "XCLIENT attribute=value");
    session_leave(s);
    s->client.peer = c.peer;
    outgoing_begin(s);
    s->ip_skips = lists_ip_skips(s->runtime->lists, &c.peer.ip, &(struct list_scope){0});
    if (c.has_helo) {
        char *helo = str_dup(str_from(c.helo));
        if (!helo)
            return answer(s, REASON_INTERNAL_ERROR);
        free(s->helo);
        s->helo = helo;
        s->client.helo = str_from(helo);
    }
    s->greeted = false;
    if (!session_admit(s))
        return SESSION_CLOSE;
    client_lookup_begin(s);
    return answer(s, REASON_READY);
}
