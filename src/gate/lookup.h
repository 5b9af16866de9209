/*
 * lookup.h: what the DNS is asked for one transaction. Questions are put at MAIL and waited for at the first RCPT that needs their answers; a later
 * recipient finds them there. Only what the recipient's settings look at is asked. Incoming mail only: our own users are known.
 */
#ifndef GATE_LOOKUP_H
#define GATE_LOOKUP_H

#include "base/buf.h"
#include "policy/facts.h"

struct lookup;
struct session;

/* MAIL: starts what will be needed. Waits for nothing. */
void lookup_begin(struct session *s);
/* RCPT: everything that P's checks look at, but for what the client's network is spared (SKIPS: enum list_skip). Waits, at most lookup_deadline.
 * OUT borrows from the transaction and the session. */
void lookup_sender(struct session *s, const struct policy *p, unsigned skips, struct sender_facts *out);
/* Workers that wait for the DNS serve nobody meanwhile: some are left to the others, whatever the resolver does. Nothing is waited for without it; then
 * lookup_end_wait(). */
bool lookup_may_wait(struct session *s) __attribute__((warn_unused_result));
void lookup_end_wait(struct session *s);
/* DATA, inside a permitted wait: SPF for DMARC, evaluated now where no recipient wanted it. DOMAIN gets the one it speaks of: the sender's, or for the null
 * sender that of HELO (RFC 7208 §2.4). NULL where there is none. */
const struct spf_verdict *lookup_spf(struct session *s, struct str *domain);
const struct spf_verdict *lookup_known_spf(const struct session *s, struct str *domain);
/* Is the name in HELO one that SPF passes the client for, as far as it was asked? */
bool lookup_helo_passes(const struct session *s);
/* What came out of SPF so far: the word for the log ("" when nothing was asked), and the trace field for the message. */
const char *lookup_spf_name(const struct session *s);
void lookup_received_spf(const struct session *s, struct buf *out);
void lookup_free(struct lookup **l);

#endif
