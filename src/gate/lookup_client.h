/*
 * lookup_client.h: what the DNS says of the client's address. Asked at connect, so that the answers are there when RCPT needs them; they hold for the
 * session. Incoming mail only.
 */
#ifndef GATE_LOOKUP_CLIENT_H
#define GATE_LOOKUP_CLIENT_H

#include "policy/facts.h"

struct client_lookup;
struct session;

/* Connect, and again when the client turned out to be another (XCLIENT). Waits for nothing. */
void client_lookup_begin(struct session *s);
/* What P's checks look at; SKIPS are those of the client's network (enum list_skip). Waits, at most until client_lookup_deadline after connect. */
void client_lookup_facts(struct session *s, const struct policy *p, unsigned skips, struct sender_facts *out);
/* The PTR of the client, asked for now where it was not before. Waits as above. NULL out of memory. */
const struct iprev_verdict *client_lookup_iprev(struct session *s);
/* Waits for the PTR where it is being asked for already. */
void client_lookup_settle(struct session *s);
/* NULL: not asked, or not waited for. */
const struct iprev_verdict *client_lookup_known_iprev(const struct session *s);
void client_lookup_free(struct client_lookup **c);

#endif
