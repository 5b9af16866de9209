/* dnsbl_parts.h: what the files of dnsbl share; nobody else includes it. */
#ifndef NET_DNSBL_PARTS_H
#define NET_DNSBL_PARTS_H

#include "net/dnsbl.h"

#include <pthread.h>
#include <stdatomic.h>

enum dnsbl_state { DNSBL_UNTESTED, DNSBL_WORKS, DNSBL_FAILS };

struct dnsbl_zone {
    const char *name;            /* in its first entry */
    enum dnsbl_state state[2];   /* IPv4, IPv6; under the lock, as all below */
    const char *why;             /* it fails for IPv4 */
    int64_t test_at_ms;          /* monotonic */
};

struct dnsbl {
    atomic_uint refs;
    struct dnsbl_entry entry[DNSBL_ENTRIES_MAX];
    size_t zone_of[DNSBL_ENTRIES_MAX];
    size_t entries;
    struct dnsbl_zone zone[DNSBL_ENTRIES_MAX];
    size_t zones;
    pthread_mutex_t lock;
    pthread_cond_t tested;       /* some zone left DNSBL_UNTESTED */
};

enum dnsbl_answer { DNSBL_NOT_LISTED, DNSBL_LISTED, DNSBL_NO_ANSWER, DNSBL_REFUSED /* 127.255.255.x */, DNSBL_ASTRAY /* outside 127.0.0.0/8 */ };
/* What an answer of the DNS says as that of a list. */
enum dnsbl_answer dnsbl_read(const struct dns_answer *answer);
/* Name of IP in ZONE into TO. */
struct str dnsbl_name(const struct ip *ip, const char *zone, char *to, size_t size);
/* The zone has shown that it does not work: it is not asked until it has passed the test. WHY is for the operator, and lives for ever. */
void dnsbl_zone_fails(struct dnsbl *d, size_t zone, int family, const char *why);

#endif
