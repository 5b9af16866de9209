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

struct session;
struct transaction;

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
/* What holds for the transaction's mail as outgoing mail: the account's settings, or the operator's. */
const struct policy *outgoing_policy(const struct session *s);
/* For the log: the login; "" where there is none. */
struct str outgoing_account(const struct session *s);
struct str outgoing_mechanism(const struct session *s);

#endif
