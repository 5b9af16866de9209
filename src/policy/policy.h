/*
 * policy.h: the checks of each stage, in the order in which they are asked, and the verdict.
 * One file per check (check_*.c) and one per stage (stage_*.c). All pure.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "policy/facts.h"
#include "policy/finding.h"
#include "policy/lists.h"

/* One check each. */
struct finding check_greeting(const struct client_facts *client, struct str host_name, const struct policy *p);
struct finding check_relay(const struct client_facts *client, const struct envelope_facts *e);
struct finding check_restricted_local_part(const struct address *recipient, const struct policy *p);
struct finding check_bounce_to_many(const struct envelope_facts *e);
struct finding check_batv(const struct envelope_facts *e);
struct finding check_local_recipients(const struct envelope_facts *e, const struct policy *p);
struct finding check_lists(const struct client_facts *client, const struct envelope_facts *e, const struct lists *lists);
struct finding check_sender_dns(const struct envelope_facts *e, const struct sender_facts *s, const struct policy *p);
struct finding check_ptr(const struct client_facts *client, const struct sender_facts *s, const struct policy *p);
struct finding check_dnsbl(const struct client_facts *client, const struct sender_facts *s, const struct policy *p);
struct finding check_greylist(const struct greylist_facts *g, const struct policy *p);
struct finding check_spf(const struct client_facts *client, const struct envelope_facts *e, const struct sender_facts *s, const struct policy *p);
struct finding check_line_length(const struct message_facts *m, const struct policy *p);
struct finding check_header_size(const struct message_facts *m, const struct policy *p);
struct finding check_header_count(const struct message_facts *m, const struct policy *p);
struct finding check_subject(const struct message_facts *m, const struct policy *p);
struct finding check_date(const struct message_facts *m, const struct policy *p);
struct finding check_hops(const struct message_facts *m, const struct policy *p);
struct finding check_part_count(const struct message_facts *m, const struct policy *p);
struct finding check_partial(const struct message_facts *m, const struct policy *p);
struct finding check_structure(const struct message_facts *m, const struct policy *p);
struct finding check_file_names(const struct message_facts *m, const struct policy *p);
struct finding check_blocked_attachments(const struct message_facts *m, const struct policy *p);
struct finding check_encrypted_attachments(const struct message_facts *m, const struct policy *p);
struct finding check_active_attachments(const struct message_facts *m, const struct policy *p);
struct finding check_macros(const struct message_facts *m, const struct policy *p);
/* From on a block list. And on an allow list, so that BLOCKED_SENDER and the like do not count? One author only, and DMARC passes unless the entry waives it. */
struct finding check_authors(const struct message_facts *m, const struct policy *p);
bool author_is_allowed(const struct message_facts *m);
struct finding check_dmarc(const struct message_facts *m, const struct policy *p);
struct finding check_reputation(const struct message_facts *m, const struct policy *p);
/* Outgoing accounts (check_outgoing.c). IS_OWN: its domain is the account's, or an alias of that. An author: one of From, for the envelope's SENDER. */
struct finding check_sender_domain(struct str address, struct str domain, bool is_own, const struct policy *p);
struct finding check_author(struct str address, struct str domain, bool is_own, const struct address *sender, const struct policy *p);
/* Is DOMAIN among those that the account was given by name? */
bool sender_domain_is_given(struct str domain, const struct policy *p);
struct finding check_message_size(uint64_t size, const struct policy *p);

/* RCPT: everything known so far about this recipient; product.md §4 has the order. Found things are added to OUT, also those
 * that will not decide. Counting checks (rates, invalid recipients) are the gate's, which adds theirs itself. */
void stage_recipient(const struct client_facts *client, const struct envelope_facts *e, struct str host_name,
                     const struct policy *p, const struct lists *lists, struct findings *out);
/* RCPT, where nothing refused yet: what DNS says of client and sender. */
void stage_sender(const struct client_facts *client, const struct envelope_facts *e, const struct sender_facts *s, const struct policy *p,
                  struct findings *out);
/* DATA: everything about the message under one recipient's settings. */
void stage_message(const struct message_facts *m, const struct policy *p, struct findings *out);

/* What is to be done with FINDINGS for one recipient. */
struct verdict {
    enum action action;      /* ACTION_OFF: nothing found decides, go on; else REFUSE, DEFER, QUARANTINE, TAG, SCORE */
    const struct finding *by; /* the finding that decided, or NULL */
    bool lifted;             /* the allow list lifted something that would have decided */
    bool observed;           /* observe mode kept something from being refused */
};
/* ALLOWED: the sender allow list has this sender for this recipient. IS_ROLE: postmaster@ or abuse@ (only protocol rules refuse). */
struct verdict verdict_decide(const struct findings *findings, const struct policy *p, bool allowed, bool is_role);
/* The action that settings give to one finding's reason (its row's default where no ACTION setting governs it). */
enum action action_for(enum reason r, const struct policy *p);
/* The same for a finding, which may set a limit of its own. */
enum action action_of(const struct finding *f, const struct policy *p);

#endif
