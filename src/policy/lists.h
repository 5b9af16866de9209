/*
 * lists.h: allow and block lists (product.md §5), from files and from the store. Files in lists_directory: sender-allow, sender-block, recipient-allow, recipient-block,
 * ip-allow, ip-block. One entry a line, '#' comments:
 *   senders, recipients: PATTERN [domain=acme.test] [match=envelope|from|both] [unauthenticated]
 *     PATTERN: user@domain, *@domain, domain, *.domain; an allow entry counts only for authenticated senders unless it says `unauthenticated`
 *     (block entries always count): SPF passes for the envelope's domain, DMARC for that of From. Matched against the envelope unless it says otherwise
 *   networks: NETWORK [domain=acme.test] [skip=connections,greylisting,greeting,dns,ptr,dnsbl,rate,content]
 * A look-up takes a few steps, however many entries there are. Immutable once loaded; swapped on reload.
 */
#ifndef POLICY_LISTS_H
#define POLICY_LISTS_H

#include "base/buf.h"
#include "catalog/settings.h"
#include "mail/address.h"

enum list_skip {
    SKIP_CONNECTIONS = 1, SKIP_GREYLISTING = 2, SKIP_GREETING = 4, SKIP_DNS = 8, SKIP_PTR = 16, SKIP_DNSBL = 32, SKIP_RATE = 64, SKIP_CONTENT = 128
};

/* Whom an entry is for. */
struct list_owner {
    unsigned level;        /* enum setting_level: S everybody, T, D, M */
    int64_t tenant;        /* T */
    struct str domain;     /* D, M: A-labels */
    struct str local_part; /* M */
};

/* Whose mail is looked at: entries for him, his domain, its tenants and everybody count. Before RCPT all is empty. */
struct list_scope {
    struct str domain, local_part;
    const struct tenant *tenant; /* of the domain; may be NULL */
};

enum list_kind { LIST_SENDER_ALLOW, LIST_SENDER_BLOCK, LIST_RECIPIENT_ALLOW, LIST_RECIPIENT_BLOCK, LIST_IP_ALLOW, LIST_IP_BLOCK, LIST_KINDS };

struct list_entry {
    struct list_owner owner;
    struct str pattern;         /* or network; as a person wrote it */
    bool authenticated_only;    /* SENDER_ALLOW */
    bool envelope, author;      /* what it is matched against */
    unsigned skips;             /* IP_ALLOW: enum list_skip */
    struct str where;           /* for the evidence: "sender-block, line 3" */
};

struct lists;
struct lists *lists_new(void); /* empty; NULL out of memory */
/* DIRECTORY "" gives empty lists; a missing file is an empty list. NULL with "file:line: reason" in ERROR. */
struct lists *lists_load(const char *directory, struct buf *error);
void lists_free(struct lists **l);
/* Before L is used. All of E is copied. False: no such pattern or network, too many entries, or out of memory. */
bool lists_add(struct lists *l, enum list_kind kind, const struct list_entry *e) __attribute__((warn_unused_result));
const char *list_kind_name(enum list_kind kind); /* "sender-allow" */
/* The kind of that name, or -1. */
int list_kind_find(struct str name);
/* "greylisting,dns" as flags; false where a name is unknown, or none stands there. */
bool list_skips_parse(struct str text, unsigned *out);
/* Would PATTERN be taken for a list of that kind? Into TO (LIST_PATTERN_MAX + 1) as it is kept: lower case, A-labels, the network's own address. */
enum { LIST_PATTERN_MAX = 320 };
bool list_pattern_normal(enum list_kind kind, struct str pattern, char *to);

/* AUTHENTICATED: SPF passes for the sender's domain. EVIDENCE (may be NULL, EVIDENCE_MAX bytes) gets the entry that matched, and where it stands. */
bool lists_sender_allowed(const struct lists *l, const struct address *sender, const struct list_scope *scope, bool authenticated, char *evidence);
bool lists_sender_blocked(const struct lists *l, const struct address *sender, const struct list_scope *scope, char *evidence);
/* The same for AUTHOR, an address of From. AUTHENTICATED: DMARC passes. */
bool lists_author_allowed(const struct lists *l, struct str author, const struct list_scope *scope, bool authenticated, char *evidence);
bool lists_author_blocked(const struct lists *l, struct str author, const struct list_scope *scope, char *evidence);
/* What entries about authors for the scope alone come down to; 0 where there are none. One answer to DATA does only for recipients with the same. */
uint64_t lists_own_authors(const struct lists *l, const struct list_scope *scope);
bool lists_recipient_allowed(const struct lists *l, const struct address *recipient, const struct list_scope *scope, char *evidence);
bool lists_recipient_blocked(const struct lists *l, const struct address *recipient, const struct list_scope *scope, char *evidence);
bool lists_ip_blocked(const struct lists *l, const struct ip *ip, const struct list_scope *scope, char *evidence);
unsigned lists_ip_skips(const struct lists *l, const struct ip *ip, const struct list_scope *scope); /* enum list_skip flags */

#endif
