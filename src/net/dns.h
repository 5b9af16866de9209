/*
 * dns.h: questions to the DNS, with a deadline each. Two sources behind one interface: c-ares in a thread of its
 * own, or a zone file (demo, tests, simulation). dns_start() early, dns_wait() where the answer is used.
 * Questions that are the same at the same time are asked once. Answers are kept for their TTL (bounded).
 */
#ifndef NET_DNS_H
#define NET_DNS_H

#include "base/buf.h"
#include "net/ip.h"

enum dns_type { DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_TLSA = 52 };

enum dns_status {
    DNS_OK,        /* at least one record */
    DNS_NO_DATA,   /* the name exists, the type does not */
    DNS_NO_NAME,   /* NXDOMAIN */
    DNS_FAILED,    /* SERVFAIL, timeout, malformed answer: nothing is known, try later */
};

struct dns_record {
    uint32_t ttl;
    uint16_t preference;   /* MX */
    struct ip ip;          /* A, AAAA */
    struct str data;       /* MX, PTR, CNAME, NS: name, lower case, no final dot ("" is the root: null MX); TXT: joined bytes; TLSA: as on the wire */
};

struct dns_answer {
    enum dns_status status;
    bool authentic;        /* AD bit from a trusted resolver: the operator's (`resolver`), or one on loopback. Speaks for aliases on the way too */
    struct str canonical;  /* the name that has the records, at the end of all aliases, lower case; empty: there is none, or it is the name asked for */
    struct dns_record *at;
    size_t count;
};

struct dns;
struct dns_question; /* in flight or answered */

/* RESOLVERS: "address[:port]" entries, none: the system's. NULL with the reason in ERROR. */
struct dns *dns_new_resolver(const char *const *resolvers, size_t count, int64_t timeout_ms, struct buf *error);
/* The zone file: "name [ttl] [IN] TYPE data" a line, ';' comments, $ORIGIN and $TTL; names are absolute unless $ORIGIN is set;
 * "$AUTHENTIC yes" makes what follows as if a trusted resolver had vouched for it, "$AUTHENTIC no" ends that;
 * TYPE "TIMEOUT" makes every question for that name fail, but for types it has records of. \DDD and \X are escapes (RFC 1035 §5.1).
 * Error says file:line. */
struct dns *dns_new_zone_file(const char *path, struct buf *error);
void dns_free(struct dns **d);

struct dns_question *dns_start(struct dns *d, struct str name, enum dns_type type); /* never NULL but out of memory */
/* So that the answer is there, or under way, when somebody wants it. */
void dns_ask_ahead(struct dns *d, struct str name, enum dns_type type);
/*
 * Asks ahead what the answer A for NAME leads to: by whichever thread has A, so that who waits for one question does not hold up what follows from
 * another. Must not wait. DETAIL is the asker's, and NULL is never called. Where two ask the same at once, only one of them is followed.
 */
typedef void dns_follow(struct dns *d, struct str name, const struct dns_answer *a, unsigned detail);
struct dns_question *dns_start_and_follow(struct dns *d, struct str name, enum dns_type type, dns_follow *follow, unsigned detail);
/* Waits until answered or the question's deadline. The answer lives until dns_done(). NULL question: DNS_FAILED. */
const struct dns_answer *dns_wait(struct dns_question *q);
/* The same, but not past DEADLINE_MS (monotonic): DNS_FAILED then. */
const struct dns_answer *dns_wait_until(struct dns_question *q, int64_t deadline_ms);
/* Would dns_wait() return at once? */
bool dns_is_answered(const struct dns_question *q);
void dns_done(struct dns_question **q);

/* Where the answer came from; for the operator. */
enum dns_origin { DNS_ASKED, DNS_JOINED /* asked already, for somebody else */, DNS_CACHED };
/* *KEPT_MS, which may be NULL: for how long the answer will be given out from the cache; 0 when it is not there. */
enum dns_origin dns_origin(const struct dns_question *q, int64_t *kept_ms);

/* Since the start. Each question is a hit, joined or a miss; a miss is one question to the source. */
struct dns_stats {
    uint64_t kept, most_kept;       /* entries in the cache, and its ceiling */
    uint64_t hits, joined, misses;
    uint64_t failures;              /* misses answered DNS_FAILED */
    uint64_t timeouts;              /* those of them that nobody answered in time */
    uint64_t evicted;               /* entries that had to go before their time, for want of room */
    uint64_t p50_us, p99_us;        /* of the misses that were answered, failures too: half of them, 99 in 100, took no longer. Rounded up by at most half */
};
void dns_stats(struct dns *d, struct dns_stats *out);

/* Forgets the answers for NAME of all types, and those that aliases led to NAME for; all for "". How many. What is being asked is asked anew by who comes next. */
size_t dns_flush(struct dns *d, struct str name);

/* dns_text.c: as zone files write it (RFC 1035 §5.1), in printable ASCII. */
bool dns_type_parse(struct str word, enum dns_type *out) __attribute__((warn_unused_result)); /* any case */
const char *dns_type_name(enum dns_type type);
/* "ok", "no data", "no such name", "failed" */
const char *dns_status_name(enum dns_status status);
/* The data of R, at most 4 * R's octets + 20. */
void dns_record_format(enum dns_type type, const struct dns_record *r, struct buf *out);

#endif
