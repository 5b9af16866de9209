/* next_hop.h: where a domain's mail goes, as an operator writes it in `routes`. Pure; the courier turns it into hosts to try. */
#ifndef SMTP_NEXT_HOP_H
#define SMTP_NEXT_HOP_H

#include "base/str.h"

#include <stdint.h>

enum { SMTP_PORT = 25, LMTP_PORT = 24, UNIX_PATH_MAX = 107 };

struct route {
    bool lmtp;
    bool by_mx;             /* host is the domain whose MX decides */
    char host[256];         /* name (lower case, A-labels), address, or path of a UNIX socket (begins with /) */
    uint16_t port;
};

/* host, host:port, address, address:port, lmtp:host:port, lmtp:/path, mx (that of DOMAIN), mx:other.domain. False when it is none of these. */
bool route_parse(struct str text, struct str domain, struct route *out) __attribute__((warn_unused_result));

#endif
