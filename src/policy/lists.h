/*
 * lists.h: allow and block lists by file (product.md §5). Files in lists_directory: sender-allow, sender-block, recipient-allow, recipient-block,
 * ip-allow, ip-block. One entry a line, '#' comments:
 *   senders, recipients: PATTERN [domain=acme.test] [match=envelope|from|both] [unauthenticated]
 *     PATTERN: user@domain, *@domain, domain, *.domain; an allow entry counts only for authenticated senders unless it says `unauthenticated`
 *     (block entries always count): SPF passes for the envelope's domain, DMARC for that of From. Matched against the envelope unless it says otherwise
 *   networks: NETWORK [domain=acme.test] [skip=connections,greylisting,greeting,dns,ptr,dnsbl,rate,content]
 * Immutable once loaded; swapped on reload.
 */
#ifndef POLICY_LISTS_H
#define POLICY_LISTS_H

#include "base/buf.h"
#include "mail/address.h"

enum list_skip {
    SKIP_CONNECTIONS = 1, SKIP_GREYLISTING = 2, SKIP_GREETING = 4, SKIP_DNS = 8, SKIP_PTR = 16, SKIP_DNSBL = 32, SKIP_RATE = 64, SKIP_CONTENT = 128
};

struct lists;
/* DIRECTORY "" gives empty lists; a missing file is an empty list. NULL with "file:line: reason" in ERROR. */
struct lists *lists_load(const char *directory, struct buf *error);
void lists_free(struct lists **l);

/* DOMAIN is the recipient's domain ("" before RCPT: system entries only). AUTHENTICATED: SPF passes for the sender's domain. EVIDENCE (may be NULL, EVIDENCE_MAX bytes)
 * gets the entry that matched, with file and line. */
bool lists_sender_allowed(const struct lists *l, const struct address *sender, struct str domain, bool authenticated, char *evidence);
bool lists_sender_blocked(const struct lists *l, const struct address *sender, struct str domain, char *evidence);
/* The same for AUTHOR, an address of From. AUTHENTICATED: DMARC passes. */
bool lists_author_allowed(const struct lists *l, struct str author, struct str domain, bool authenticated, char *evidence);
bool lists_author_blocked(const struct lists *l, struct str author, struct str domain, char *evidence);
/* Are there entries about authors for DOMAIN alone? Then one answer to DATA may not do for it and another domain. */
bool lists_has_own_authors(const struct lists *l, struct str domain);
bool lists_recipient_allowed(const struct lists *l, const struct address *recipient, char *evidence);
bool lists_recipient_blocked(const struct lists *l, const struct address *recipient, char *evidence);
bool lists_ip_blocked(const struct lists *l, const struct ip *ip, struct str domain, char *evidence);
unsigned lists_ip_skips(const struct lists *l, const struct ip *ip, struct str domain); /* enum list_skip flags */

#endif
