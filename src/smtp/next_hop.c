/* next_hop.c: see next_hop.h. */
#include "smtp/next_hop.h"

#include "mail/address.h"

static bool parse_host_port(struct str text, uint16_t port, struct route *out)
{
    struct endpoint e;
    char ip[IP_TEXT_MAX];
    uint64_t number = port;

    if (endpoint_parse(text, port, &e)) {
        out->port = e.port;
        return e.port && str_copy(out->host, sizeof out->host, str_from(ip_format(&e.ip, ip)));
    }
    struct str rest = text, host = str_cut(&rest, ':');
    if (rest.at && (!str_to_u64(rest, 65535, &number) || number == 0))
        return false;
    out->port = (uint16_t)number;
    return domain_to_ascii(host, out->host, sizeof out->host);
}

bool route_parse(struct str text, struct str domain, struct route *out)
{
    *out = (struct route){0};
    if (str_is_case(text, "mx") || str_starts_case(text, STR("mx:"))) {
        out->by_mx = true;
        out->port = SMTP_PORT;
        return domain_to_ascii(text.len > 2 ? str_from_index(text, 3) : domain, out->host, sizeof out->host);
    }
    if (str_starts(text, STR("lmtp:"))) {
        text = str_from_index(text, 5);
        out->lmtp = true;
    }
    if (text.len && text.at[0] == '/')
        return out->lmtp && text.len <= UNIX_PATH_MAX && str_copy(out->host, sizeof out->host, text);
    return parse_host_port(text, out->lmtp ? LMTP_PORT : SMTP_PORT, out);
}
