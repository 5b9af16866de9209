/*
 * check_greeting.c: the name in HELO/EHLO (RFC 5321 §2.3.5, §4.1.1.1, §4.1.3). Mail programs of people say anything there, so it is
 * judged for servers only.
 */
#include "policy/policy.h"

#include <string.h>

static struct finding judge_literal(const struct client_facts *client, const struct ip *said, const struct policy *p)
{
    const char *accepted = setting_text(p, SETTING_check_greeting_literal);

    if (strcmp(accepted, "any") == 0)
        return finding_none();
    if (strcmp(accepted, "own") == 0 && ip_eq(said, &client->peer.ip))
        return finding_none();
    return finding_make(REASON_INVALID_GREETING, "the address literal " STR_FMT " is not accepted%s", STR_ARG(client->helo),
                        strcmp(accepted, "own") == 0 ? ", it is not the client's own address" : "");
}

static bool has_bad_character(struct str name, char *which)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        if (ascii_is_alnum(c) || c == '-' || c == '.')
            continue;
        *which = c > 0x20 && c < 0x7F ? (char)c : '?';
        return true;
    }
    return false;
}

struct finding check_greeting(const struct client_facts *client, struct str host_name, const struct policy *p)
{
    struct str helo = client->helo;
    struct ip ip;
    char bad;

    if (client->service != SERVICE_MX || setting_action(p, SETTING_check_greeting) == ACTION_OFF || !helo.len)
        return finding_none();
    if (address_literal_parse(helo, &ip))
        return judge_literal(client, &ip, p);
    if (ip_parse(helo, &ip))
        return finding_make(REASON_INVALID_GREETING, STR_FMT " is a bare IP address", STR_ARG(helo));
    if (has_bad_character(helo, &bad))
        return finding_make(REASON_INVALID_GREETING, STR_FMT " holds the character %c", STR_ARG(str_sub(helo, 0, 80)), bad);
    if (helo.at[helo.len - 1] == '.')
        helo.len--;
    if (str_eq_case(helo, host_name))
        return finding_make(REASON_INVALID_GREETING, STR_FMT " is our own name", STR_ARG(helo));
    if (!domain_is_full(helo))
        return finding_make(REASON_INVALID_GREETING, STR_FMT " is not a full host name", STR_ARG(str_sub(helo, 0, 100)));
    return finding_none();
}
