/*
 * facts.h: what is known about a client, its session, the envelope and the message. Filled by gate and by
 * scan's report; read by checks. Strings are borrowed from the session for the call.
 */
#ifndef POLICY_FACTS_H
#define POLICY_FACTS_H

#include "auth/sender_dns.h"
#include "auth/spf.h"
#include "auth/arc.h"
#include "auth/dmarc.h"
#include "catalog/settings.h"
#include "mail/address.h"
#include "net/dnsbl.h"
#include "policy/lists.h"
#include "policy/reputation.h"
#include "policy/rules.h"
#include "scan/report.h"

enum service { SERVICE_MX, SERVICE_SUBMISSION /* 587 */, SERVICE_SUBMISSIONS /* 465 */ };

struct client_facts {
    enum service service;
    struct endpoint peer;     /* the client, after PROXY or XCLIENT */
    struct str helo;          /* as said; "" before HELO */
    bool esmtp;
    bool tls;
    bool is_trusted_sender;   /* may send outgoing mail: submission_networks, or an account */
};

struct envelope_facts {
    const struct address *sender;
    const struct address *recipient;
    const struct domain *domain;       /* recipient's, NULL: not ours */
    const struct list_scope *scope;    /* the recipient's */
    bool is_known;                     /* the store has its mailbox, or an alias */
    bool is_our_postmaster;            /* of this gateway itself: taken wherever that person's mailbox is */
    bool is_return;                    /* SRS: an address that we wrote, read back: taken wherever it leads */
    bool lacks_tag;                    /* BATV: a bounce to an address of ours that has no valid tag, where one is demanded */
    size_t recipients_before;          /* accepted ones in this transaction */
    bool smtputf8;
};

/* What the DNS says. NULL, NOT_ASKED: no setting wants it, the client's network is spared it, or there is no such name. */
struct sender_facts {
    enum sender_dns dns;                /* of the sender's domain */
    const struct iprev_verdict *iprev;  /* of the client's address */
    const struct dnsbl_verdict *dnsbl;
    const struct spf_verdict *spf;      /* of the sender's domain */
    const struct spf_verdict *helo_spf; /* of the name in HELO */
};

struct greylist_facts {
    int64_t now_ms;                     /* wall clock */
    int64_t wait_ms;                    /* still to wait; 0: it passes */
    bool is_first;
};

/* Who stands behind the domain in From; of the worst of them, where there are several. */
struct author_facts {
    enum dmarc_result result;
    enum dmarc_policy policy;          /* asked for on a fail */
    bool is_uncertain;                 /* it is no pass perhaps only because the DNS did not answer */
    const char *domain, *policy_domain /* where the policy stands */;
    const char *summary, *problem;     /* in words: what SPF and DKIM said; what did not answer */
    enum chain_value chain;            /* ARC */
    unsigned chain_sets;
    const char *sealer;                /* of the last seal */
};

struct message_facts {
    const struct client_facts *client; /* NULL: a message by itself, as for `postern inspect` */
    const struct author_facts *author; /* NULL: not made out */
    const struct reputation_facts *reputation; /* NULL: not asked */
    const struct lists *lists;         /* NULL: none */
    const struct list_scope *scope;    /* the recipient's; NULL where lists is */
    const struct rule_outcome *rules;  /* of this recipient; NULL: none */
    bool skips_content;                /* the client's network is on a list that lets it: size and loops are checked all the same */
    uint64_t size;
    bool smtputf8;
    bool is_binary;                    /* BODY=BINARYMIME: octets, not lines */
    int64_t now_ms;                    /* wall clock */
    const struct scan_report *report;
};

#endif
