/*
 * dnsbl.h: lists of addresses in the DNS (RFC 5782): zones with weights, asked in parallel. What a zone says counts only while it proves to be one:
 * it must list 127.0.0.2 and must not list 127.0.0.1 (§5). An answer outside 127.0.0.0/8, or 127.255.255.x (the operator of the zone refuses to
 * answer us), is never a listing.
 */
#ifndef NET_DNSBL_H
#define NET_DNSBL_H

#include "net/dns.h"

enum { DNSBL_ENTRIES_MAX = 64, DNSBL_PATTERNS_MAX = 8, DNSBL_WEIGHT_USUAL = 10, DNSBL_WEIGHT_MOST = 1000, DNSBL_LISTED_MAX = 128 };

/* "zone[/answers][:weight]": zen.example:10, bl.example/127.0.0.2,127.0.0.4-11:5, good.example/127.0.*.1-3:-10 */
struct dnsbl_entry {
    char zone[256];          /* lower case */
    struct dnsbl_pattern {
        uint8_t low[4], high[4];
    } pattern[DNSBL_PATTERNS_MAX];
    size_t patterns;         /* 0: any answer */
    int weight;              /* below 0: those listed there are welcome */
};

bool dnsbl_entry_parse(struct str text, struct dnsbl_entry *out) __attribute__((warn_unused_result));

struct dnsbl; /* immutable but for what is known of the zones; reference counted, locks inside */

/* ENTRIES were checked with dnsbl_entry_parse(). No entries: asks nothing. NULL out of memory. */
struct dnsbl *dnsbl_new(const char *const *entries, size_t count);
struct dnsbl *dnsbl_ref(struct dnsbl *d);
void dnsbl_unref(struct dnsbl *d); /* NULL is fine */

/* Puts those zones to the test whose time has come, and says in the log which do not work, and which work again. Blocks while the DNS is asked. */
void dnsbl_test(struct dnsbl *d, struct dns *dns);

/* For the operator. */
size_t dnsbl_zone_count(const struct dnsbl *d);
const char *dnsbl_zone_name(const struct dnsbl *d, size_t i);
/* "works", "not tested yet", or what is wrong, into TO (160 bytes); returns TO. */
char *dnsbl_zone_state(struct dnsbl *d, size_t i, char to[160]);

struct dnsbl_questions; /* about one address */

/* NULL: there is nothing to ask, or no memory. */
struct dnsbl_questions *dnsbl_ask(struct dnsbl *d, struct dns *dns, const struct ip *ip);

struct dnsbl_verdict {
    int weight;                        /* of all entries that list it */
    bool is_welcome;                   /* one with a weight below 0 lists it */
    char listed[DNSBL_LISTED_MAX];     /* "bl.example (127.0.0.2), other.example (127.0.0.4)"; "" nowhere */
    char welcomed_by[DNSBL_LISTED_MAX];
};

/* Waits until all have answered, at most until DEADLINE_MS (monotonic): who has not by then lists nothing. */
void dnsbl_judge(struct dnsbl_questions *q, int64_t deadline_ms, struct dnsbl_verdict *out);
void dnsbl_done(struct dnsbl_questions **q);

#endif
