/*
 * ip.h: IPv4 and IPv6 addresses, networks of them, and endpoints. IPv4-mapped IPv6 (::ffff:1.2.3.4)
 * is turned into IPv4 wherever an address enters. Literals as in RFC 4291 §2.2 and RFC 5321 §4.1.3.
 */
#ifndef NET_IP_H
#define NET_IP_H

#include "base/str.h"

#include <sys/socket.h>

struct ip {
    uint8_t family;    /* 4, 6, or 0: none (a UNIX socket, unknown) */
    uint8_t bytes[16]; /* network order; IPv4 in the first four, the rest zero */
};

enum { IP_TEXT_MAX = 46, IP_REVERSED_MAX = 64, ENDPOINT_TEXT_MAX = 56 };

struct endpoint {
    struct ip ip;
    uint16_t port;
};

bool ip_parse(struct str text, struct ip *out) __attribute__((warn_unused_result)); /* no brackets, no zone */
char *ip_format(const struct ip *ip, char to[IP_TEXT_MAX]); /* "unknown" for family 0; returns TO */
/* "1.2.0.192", or nibbles "1.0.0. … .2" (RFC 5782 §2.1, §2.4): what stands before the zone in a reverse name. "" for family 0. Returns TO. */
char *ip_reversed(const struct ip *ip, char to[IP_REVERSED_MAX]);
bool ip_eq(const struct ip *a, const struct ip *b);
bool ip_is_loopback(const struct ip *ip);
/* What limits count by: the address itself for IPv4, its /64 for IPv6. */
struct ip ip_limit_key(const struct ip *ip);
struct ip ip_from_sockaddr(const struct sockaddr *sa, uint16_t *port); /* port may be NULL */
/* Fills SA; returns its length, 0 for family 0. */
socklen_t ip_to_sockaddr(const struct endpoint *e, struct sockaddr_storage *sa);
/* "1.2.3.4:25", "[::1]:25"; the port may be missing when DEFAULT_PORT is not 0. */
bool endpoint_parse(struct str text, uint16_t default_port, struct endpoint *out) __attribute__((warn_unused_result));
char *endpoint_format(const struct endpoint *e, char to[ENDPOINT_TEXT_MAX]);

struct network {
    struct ip base; /* bits past the prefix are zero */
    uint8_t prefix; /* bits */
};
struct networks {
    struct network *at; /* owned */
    size_t count;
};

/* "192.0.2.0/24", "2001:db8::/32", or a bare address. False when malformed or bits are set past the prefix. */
bool network_parse(struct str text, struct network *out) __attribute__((warn_unused_result));
bool network_has(const struct network *n, const struct ip *ip);
bool networks_have(const struct networks *list, const struct ip *ip);
bool networks_add(struct networks *list, const struct network *n) __attribute__((warn_unused_result));
void networks_free(struct networks *list);

#endif
