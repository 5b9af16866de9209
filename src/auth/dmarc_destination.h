/* dmarc_destination.h: where a domain wants its DMARC reports, and whether whoever lives there wants them too (RFC 9990 §3.5, §4). Asks the DNS. */
#ifndef AUTH_DMARC_DESTINATION_H
#define AUTH_DMARC_DESTINATION_H

#include "mail/address.h"
#include "net/dns.h"

enum { DMARC_DESTINATIONS_MAX = 8 /* of one domain; RFC 9990 §3.5: the receiver's limit */ };

/* The addresses of a list of URIs as in rua, each once: mailto: alone; malformed ones and the obsolete size limits (RFC 9989 §4.8) are ignored. */
size_t dmarc_uris_parse(struct str uris, struct address to[DMARC_DESTINATIONS_MAX]);
/*
 * The addresses that reports on POLICY_DOMAIN may go to by its RUA: those within its own organisation, and those of hosts that say so at
 * <policy domain>._report._dmarc.<host>, perhaps with addresses of their own on that host. *FAILED: the DNS did not say all; what it said is there.
 */
size_t dmarc_destinations(struct dns *dns, struct str policy_domain, struct str rua, struct address to[DMARC_DESTINATIONS_MAX], bool *failed);

#endif
