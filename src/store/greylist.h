/*
 * greylist.h: who has been here before (product.md §2): client network (/24, IPv6 /64), envelope sender, recipient domain, and what follows from
 * those that came back: known pairs and networks, and whom our own users write to. In memory, bounded; every change goes to an append log beside
 * it, which is written anew when it has grown too long. What was written survives a killed process; a torn last line is dropped. Locks inside.
 *
 * The file is text, a line each: "+t FIRST LAST COUNT NETWORK SENDER DOMAIN" (t: triplet, COUNT 1 once it came back in time; p: network and sender;
 * n: network; c: address that our users wrote to, and their domain; - instead of +: forgotten). Times in milliseconds since 1970.
 */
#ifndef STORE_GREYLIST_H
#define STORE_GREYLIST_H

#include "base/buf.h"
#include "net/ip.h"

struct greylist;

/* PATH NULL: nothing is kept. MOST entries of all kinds. NULL with the reason in ERROR. */
struct greylist *greylist_open(const char *path, size_t most, struct buf *error);
void greylist_close(struct greylist **g); /* writes what waits */

struct greylist_rules {
    int64_t delay_ms;        /* a retry sooner than this changes nothing */
    int64_t grey_ms;         /* a first contact is forgotten after this */
    int64_t white_ms;        /* what is known is forgotten when unseen so long */
    uint32_t pairs_after;    /* so many triplets of a network and a sender allow that pair; 0: never */
    uint32_t networks_after; /* so many of a network allow the network; 0: never */
};

struct greylist_query {
    struct ip client;
    struct str sender;       /* "" is the null sender */
    struct str domain;       /* of the recipient */
    const struct greylist_rules *rules;
    bool only_look;          /* changes nothing where the answer is GREYLIST_FIRST */
};

enum greylist_outcome {
    GREYLIST_FIRST,          /* never seen: wait */
    GREYLIST_EARLY,          /* came back too soon: wait on */
    GREYLIST_WAITED,         /* came back in time, and is known from now on */
    GREYLIST_KNOWN,          /* this triplet did so before */
    GREYLIST_KNOWN_PAIR, GREYLIST_KNOWN_NETWORK,
    GREYLIST_CORRESPONDENT,  /* one of ours has written to that sender */
    GREYLIST_NO_ROOM         /* first contacts are thrown out before they can come back: nobody is made to wait in vain */
};

struct greylist_answer {
    enum greylist_outcome outcome;
    int64_t wait_ms;         /* FIRST, EARLY: still to wait */
    int64_t waited_ms;       /* WAITED */
    uint32_t count;          /* KNOWN_PAIR, KNOWN_NETWORK: triplets behind it */
};

void greylist_ask(struct greylist *g, const struct greylist_query *q, int64_t wall_ms, struct greylist_answer *out);
/* One of ours, of domain OWN, has written to REMOTE. */
void greylist_learn(struct greylist *g, struct str remote, struct str own, int64_t wall_ms);
/* CLIENT's network has lost its standing: everything known of it goes. Returns the number of entries. */
size_t greylist_forget(struct greylist *g, const struct ip *client);

struct greylist_stats {
    size_t entries, grey;    /* grey: first contacts that have not come back */
    uint64_t evicted;        /* thrown out for want of room before their time */
    uint64_t no_room;        /* let pass for want of room */
    uint64_t lost;           /* changes that could not be written */
};
void greylist_stats(struct greylist *g, struct greylist_stats *out);

/* Entries whose line holds NEEDLE ("": all), newest first, at most MOST, as lines of the file. */
void greylist_list(struct greylist *g, struct str needle, size_t most, struct buf *out);

/* "192.0.2.0/24", "2001:db8:0:1::/64": what a client is remembered by. Into TO (64 bytes); returns TO. */
char *greylist_network(const struct ip *client, char to[64]);
/* A sender as it is remembered: lower case, what stands behind + cut off, digits as #, so that addresses made anew for each message (VERP,
 * BATV) are one sender. Into TO, cut to SIZE. */
void greylist_sender(struct str sender, char *to, size_t size);

#endif
