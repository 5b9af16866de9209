/*
 * proxy_protocol.h: the PROXY header, versions 1 and 2, that a load balancer sends before the first byte of its client
 * (haproxy.org, "The PROXY protocol", 2020-03-05). A pure parser; who may send one is the caller's business.
 */
#ifndef NET_PROXY_PROTOCOL_H
#define NET_PROXY_PROTOCOL_H

#include "net/ip.h"

enum proxy_result {
    PROXY_OK,        /* header complete; *used bytes belong to it */
    PROXY_MORE,      /* a valid beginning, more bytes needed */
    PROXY_MALFORMED  /* not a PROXY header, or over its ceiling (v1: 107 bytes, v2: 16 + 2048) */
};

struct proxy_header {
    bool is_local;   /* v2 LOCAL, v1 UNKNOWN: keep the connection's own addresses */
    struct endpoint source, destination;
};

enum proxy_result proxy_parse(struct str bytes, struct proxy_header *out, size_t *used);

#endif
