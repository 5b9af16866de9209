/*
 * authentication.h: who stands behind a message: DKIM and ARC from the hashes in the report, DMARC from those and SPF. Incoming mail only. Waits for the
 * DNS; all keys are asked for at once.
 */
#ifndef GATE_AUTHENTICATION_H
#define GATE_AUTHENTICATION_H

#include "base/blob.h"
#include "policy/facts.h"

struct authentication;
struct session;

/* Behind the scan; the transaction keeps it. False: out of memory. */
bool authentication_run(struct session *s, const struct scan_report *report) __attribute__((warn_unused_result));
/* For the checks; NULL where nothing was made out. */
const struct author_facts *authentication_author(const struct session *s);
/* The Authentication-Results field (RFC 8601) for the message; nothing where nothing was made out. */
void authentication_results(const struct session *s, struct buf *out);
/* An ARC set with the same results where a recipient's domain wants one and there is a key for it (arc_seal, arc_domain); else nothing. The message must
 * not change any more. False: out of memory, or a key failed. */
bool authentication_seal(const struct session *s, struct buf *out) __attribute__((warn_unused_result));
/* For the log: "pass example.org", "fail example.org", … of DKIM; and of DMARC. "" where nothing was made out. */
struct str authentication_dkim(const struct session *s);
const char *authentication_dmarc(const struct session *s);
void authentication_free(struct authentication **a);

/* What we call ourselves where we say what we found out. */
struct own_names {
    struct str authserv_id; /* in Authentication-Results */
    struct str receiver;    /* in Received-SPF */
};

/*
 * RFC 8601 §5: BODY without the Authentication-Results fields that claim to be ours, or cannot be read and name us; and without such Received-SPF
 * fields, which readers trust as much (RFC 7208 §9.1), and without X-Postern-… fields, which only we write. Itself, with another reference, where there are none; NULL with errno when the copy cannot be made.
 */
struct blob *without_forged_results(struct blob *body, const struct scan_report *report, const struct own_names *we, const char *directory);

#endif
