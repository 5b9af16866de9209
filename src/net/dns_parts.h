/* dns_parts.h: what dns.c and its two sources share. An entry is a question, its answer, and a place in the cache. */
#ifndef NET_DNS_PARTS_H
#define NET_DNS_PARTS_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "net/dns.h"

#include <pthread.h>

enum { DNS_NAME_MAX = 254, DNS_RECORDS_MAX = 512, DNS_ANSWER_BYTES = 256 * 1024 };
enum { DNS_TTL_LEAST = 5, DNS_TTL_MOST = 6 * 3600, DNS_TTL_NEGATIVE_MOST = 900, DNS_TTL_FAILED = 5 };

struct dns_entry {
    struct hash_node node;
    struct list used;       /* least recently used first; only when cached */
    char name[DNS_NAME_MAX + 1]; /* lower case, no final dot */
    enum dns_type type;
    bool done, cached;
    bool timed_out;         /* set by the source: nobody answered */
    unsigned refs;
    dns_follow *follow;     /* NULL: nothing follows; called once, without the lock */
    unsigned detail;
    size_t octets;          /* as counted in the cache: 0 until answered */
    int64_t asked_ms, expires_ms;
    int64_t asked_us;       /* clock_mono_us() */
    struct dns_answer answer;
    struct arena arena;     /* holds the answer */
    struct dns *dns;
};

struct dns_source {
    /* Starts looking up E; answers, now or later, with dns_entry_answer(). Called without the lock; E is referenced. */
    void (*ask)(void *self, struct dns_entry *e);
    void (*free)(void *self);
};

/* The answer is complete in e->answer. TTL in seconds. Gives the source's reference back. */
void dns_entry_answer(struct dns_entry *e, uint32_t ttl);
/* A record more for E's answer; NULL when there are too many or no memory. */
struct dns_record *dns_entry_add(struct dns_entry *e);

/* dns_stats.c: how long questions took, in steps that grow by at most half. */
enum { DNS_LATENCY_STEPS = 42 };
struct dns_latency {
    uint64_t count[DNS_LATENCY_STEPS];
    uint64_t total;
};
void dns_latency_note(struct dns_latency *l, int64_t took_us);
/* The least step that PERCENT of all did not exceed, in microseconds; 0 where there were none. */
uint64_t dns_latency_percentile(const struct dns_latency *l, unsigned percent);

struct dns *dns_new(const struct dns_source *source, void *self, int64_t timeout_ms, struct buf *error);

#endif
