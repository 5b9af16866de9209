/*
 * reputation.h: what is remembered of where messages come from (product.md §2), and what it says of the next one. Who counts what is the gate's business, where it is
 * kept the store's. Pure.
 */
#ifndef POLICY_REPUTATION_H
#define POLICY_REPUTATION_H

#include "base/str.h"
#include "catalog/settings.h"

enum reputation_kind {
    REPUTATION_ADDRESS, /* of the client */
    REPUTATION_NETWORK, /* its /24, IPv6 /64 */
    REPUTATION_HOST,    /* registrable domain of its proven name: PTR that leads back, or HELO with an SPF pass */
    REPUTATION_SIGNER,  /* domain of a DKIM signature that holds */
    REPUTATION_SENDER,  /* domain of the envelope sender, with an SPF pass */
    REPUTATION_LINK,    /* registrable domain of a link */
    REPUTATION_KINDS
};

/* Messages, each counting for less as time goes by. */
struct reputation_count {
    double good, bad;
};

struct reputation_fact {
    enum reputation_kind kind;
    char name[256];
    struct reputation_count count;
};

enum { REPUTATION_FACTS_MAX = 32 };
struct reputation_facts {
    struct reputation_fact at[REPUTATION_FACTS_MAX];
    size_t count;
};

const char *reputation_kind_name(enum reputation_kind k); /* "address", "network", … */

/* Nothing where F is full, NAME is empty, too long, holds blanks, or is there already. */
void reputation_facts_add(struct reputation_facts *f, enum reputation_kind kind, struct str name);

/* 0 (all good) … 1 (all bad); 0.5 where nothing is known. A few messages say less than many. */
double reputation_badness(const struct reputation_count *c);
/* So many bad ones, and such a share of all, that it is evidence (reputation_minimum, reputation_share). */
bool reputation_is_poor(const struct reputation_count *c, const struct policy *system);
/* So many good ones, and next to no bad ones: a source that sent spam lately is not among them. */
bool reputation_is_good(const struct reputation_count *c, const struct policy *system);
/* The poorest of F; NULL: none is poor. */
const struct reputation_fact *reputation_poorest(const struct reputation_facts *f, const struct policy *system);

#endif
