/*
 * outgoing.h: whose mail comes in on the submission ports: an account that has logged in (AUTH, cmd_auth.c), one that is known by its address, or a
 * network that needs none (submission_networks). What the account may do is asked anew at each MAIL, so that a lock, a new password or another limit
 * counts at once.
 */
#ifndef GATE_OUTGOING_H
#define GATE_OUTGOING_H

#include "auth/sasl.h"
#include "catalog/settings.h"
#include "policy/finding.h"
#include "store/account.h"

struct scan_report;
struct session;

/* The client, as the session has it. */
struct outgoing {
    struct account account;
    bool by_auth;                     /* false: by its address */
    enum sasl_mechanism mechanism;    /* by_auth */
};

/* Behind connect and XCLIENT: forgets who it was, and looks whether the client is known by its address. */
void outgoing_begin(struct session *s);
/* It has proved to be TAKE. False: out of memory. */
bool outgoing_sign_in(struct session *s, struct account *take, enum sasl_mechanism m);
/* Forgets who it was, but for its address. */
void outgoing_sign_out(struct session *s);
void outgoing_free(struct outgoing **o);

/* MAIL: may this client send at all, now? None, or AUTH_REQUIRED, ACCOUNT_LOCKED, INTERNAL_ERROR. */
struct finding outgoing_check(struct session *s);
/* For the log: the login; "" where there is none. */
struct str outgoing_account(const struct session *s);
struct str outgoing_mechanism(const struct session *s);

/* outgoing_message.c: one message of an account. */
enum { IDENTITY_MAX = 250 };
struct outgoing_turn;

/* MAIL, when the transaction is there: what holds for the account, whether it may send for this sender, and whether its limits leave room. None,
 * SENDER_NOT_YOURS, RATE_MESSAGES, INTERNAL_ERROR. */
struct finding outgoing_mail(struct session *s);
/* The whole message, before it is accepted: its authors, who of the account sent it, and one more within the limits: counted from here on. */
struct finding outgoing_message(struct session *s, const struct scan_report *report);
void outgoing_sent(struct session *s);     /* it was accepted: what was counted stays */
void outgoing_turn_free(struct outgoing_turn **t);
void outgoing_end_message(struct session *s); /* what was counted and not sent is given back */
void outgoing_invalid_recipient(struct session *s);
/* Something of the account was refused for R: counts towards lock_rules, and may lock it. */
void outgoing_refused(struct session *s, enum reason r);
/* A whole message was blocked: a report to the account's owner (RFC 5965), where he wants them (abuse_reports). */
void outgoing_report(struct session *s, const struct finding *by);
/* What holds for the transaction's mail as outgoing mail: the account's settings, or the operator's. */
const struct policy *outgoing_policy(const struct session *s);
/* Which user of the account; "" where it has but one. */
struct str outgoing_identity(const struct session *s);
/* May the account's mail be signed in the name of DOMAIN (DKIM)? */
bool outgoing_may_sign(const struct session *s, struct str domain);

#endif
