/* ip.c: see ip.h. */
#include "net/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ip from_v6(const uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    struct ip ip = {.family = 6};

    if (memcmp(bytes, mapped, sizeof mapped) == 0) {
        ip.family = 4;
        memcpy(ip.bytes, bytes + 12, 4);
    } else {
        memcpy(ip.bytes, bytes, 16);
    }
    return ip;
}

bool ip_parse(struct str text, struct ip *out)
{
    char copy[IP_TEXT_MAX];
    uint8_t bytes[16];

    if (!text.len || !str_copy(copy, sizeof copy, text))
        return false;
    if (inet_pton(AF_INET, copy, bytes) == 1) {
        *out = (struct ip){.family = 4};
        memcpy(out->bytes, bytes, 4);
        return true;
    }
    if (inet_pton(AF_INET6, copy, bytes) != 1)
        return false;
    *out = from_v6(bytes);
    return true;
}

char *ip_format(const struct ip *ip, char to[IP_TEXT_MAX])
{
    int family = ip->family == 4 ? AF_INET : AF_INET6;

    if (!ip->family || !inet_ntop(family, ip->bytes, to, IP_TEXT_MAX))
        memcpy(to, "unknown", sizeof "unknown");
    return to;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

char *ip_reversed(const struct ip *ip, char to[IP_REVERSED_MAX])
{
    size_t n = 0;

    to[0] = '\0';
    if (ip->family == 4)
        snprintf(to, IP_REVERSED_MAX, "%u.%u.%u.%u", ip->bytes[3], ip->bytes[2], ip->bytes[1], ip->bytes[0]);
    for (int i = 15; ip->family == 6 && i >= 0; i--)
        n += (size_t)snprintf(to + n, IP_REVERSED_MAX - n, "%s%x.%x", n ? "." : "", ip->bytes[i] & 15U, ip->bytes[i] >> 4);
    return to;
}

bool ip_is_loopback(const struct ip *ip)
{
    static const uint8_t one[16] = {[15] = 1};

    return ip->family == 4 ? ip->bytes[0] == 127 : ip->family == 6 && memcmp(ip->bytes, one, 16) == 0;
}

struct ip ip_limit_key(const struct ip *ip)
{
    struct ip key = *ip;

    if (key.family == 6)
        memset(key.bytes + 8, 0, 8);
    return key;
}

struct ip ip_from_sockaddr(const struct sockaddr *sa, uint16_t *port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct ip ip = {0};

    if (port)
        *port = 0;
    if (sa->sa_family == AF_INET) {
        memcpy(&v4, sa, sizeof v4);
        ip.family = 4;
        memcpy(ip.bytes, &v4.sin_addr, 4);
        if (port)
            *port = ntohs(v4.sin_port);
    } else if (sa->sa_family == AF_INET6) {
        memcpy(&v6, sa, sizeof v6);
        ip = from_v6(v6.sin6_addr.s6_addr);
        if (port)
            *port = ntohs(v6.sin6_port);
    }
    return ip;
}

socklen_t ip_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *sa)
{
    memset(sa, 0, sizeof *sa);
    if (e->ip.family == 4) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(e->port)};
        memcpy(&v4.sin_addr, e->ip.bytes, 4);
        memcpy(sa, &v4, sizeof v4);
        return sizeof v4;
    }
    if (e->ip.family == 6) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(e->port)};
        memcpy(&v6.sin6_addr, e->ip.bytes, 16);
        memcpy(sa, &v6, sizeof v6);
        return sizeof v6;
    }
    return 0;
}

static bool parse_port(struct str text, uint16_t *out)
{
    uint64_t port;

    if (!str_to_u64(text, 65535, &port))
        return false;
    *out = (uint16_t)port;
    return true;
}

bool endpoint_parse(struct str text, uint16_t default_port, struct endpoint *out)
{
    struct str host = text, port = {NULL, 0};

    if (text.len && text.at[0] == '[') {
        ptrdiff_t end = str_find(text, ']');
        if (end < 0)
            return false;
        host = str_sub(text, 1, (size_t)end - 1);
        port = str_from_index(text, (size_t)end + 1);
        if (port.len && port.at[0] != ':')
            return false;
        port = port.len ? str_from_index(port, 1) : (struct str){NULL, 0};
    } else {
        ptrdiff_t colon = str_find(text, ':');
        if (colon >= 0 && colon == str_find_last(text, ':')) {
            host = str_sub(text, 0, (size_t)colon);
            port = str_from_index(text, (size_t)colon + 1);
        }
    }
    if (!ip_parse(host, &out->ip))
        return false;
    out->port = default_port;
    return port.at ? parse_port(port, &out->port) : default_port != 0;
}

char *endpoint_format(const struct endpoint *e, char to[ENDPOINT_TEXT_MAX])
{
    char ip[IP_TEXT_MAX];

    snprintf(to, ENDPOINT_TEXT_MAX, e->ip.family == 6 ? "[%s]:%u" : "%s:%u", ip_format(&e->ip, ip), (unsigned)e->port);
    return to;
}

static unsigned bits_of(const struct ip *ip)
{
    return ip->family == 4 ? 32 : 128;
}

static bool same_bits(const struct ip *a, const struct ip *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    return rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest)) == 0;
}

static bool is_zero_past(const struct ip *ip, unsigned bits)
{
    for (unsigned i = bits; i < bits_of(ip); i++)
        if (ip->bytes[i / 8] & (0x80U >> (i % 8)))
            return false;
    return true;
}

bool network_parse(struct str text, struct network *out)
{
    struct str rest = text, address = str_cut(&rest, '/');
    uint64_t prefix;

    if (!ip_parse(address, &out->base))
        return false;
    prefix = bits_of(&out->base);
    if (rest.at && !str_to_u64(rest, prefix, &prefix))
        return false;
    out->prefix = (uint8_t)prefix;
    return is_zero_past(&out->base, (unsigned)prefix);
}

bool network_has(const struct network *n, const struct ip *ip)
{
    return n->base.family == ip->family && same_bits(&n->base, ip, n->prefix);
}

bool networks_have(const struct networks *list, const struct ip *ip)
{
    for (size_t i = 0; i < list->count; i++)
        if (network_has(&list->at[i], ip))
            return true;
    return false;
}

bool networks_add(struct networks *list, const struct network *n)
{
    struct network *at = realloc(list->at, (list->count + 1) * sizeof *at);

    if (!at)
        return false;
    list->at = at;
    list->at[list->count++] = *n;
    return true;
}

void networks_free(struct networks *list)
{
    free(list->at);
    *list = (struct networks){0};
}
