/* outgoing_parts.h: what the files behind outgoing.h share; nobody else includes it. */
#ifndef GATE_OUTGOING_PARTS_H
#define GATE_OUTGOING_PARTS_H

#include "gate/outgoing.h"
#include "store/account_limits.h"

struct outgoing_turn {
    struct policy *policy;             /* owned; the account's level */
    int64_t account;
    char identity[IDENTITY_MAX + 1];   /* lower case; "": the account has but one */
    int64_t taken_ms;                  /* counted at that time; 0: not, or sent */
    struct limit_counts taken;
};

/* Who of the account sends. BODY_IS_HERE: the message has come whole, and its header tells. */
void outgoing_find_identity(struct session *s, bool body_is_here);
/* outgoing_lock.c: a lock as what is said to the client. UNTIL_MS 0: until somebody unlocks it. */
struct finding outgoing_locked(const char *reason, int64_t until_ms);
/* Is this identity of the account locked? None, ACCOUNT_LOCKED, ACCOUNT_LOCKED_FOR_NOW, INTERNAL_ERROR. */
struct finding outgoing_check_identity(struct session *s);
/* outgoing_notice.c: tells the owner that WHO (an account, or a user of it) was locked; TOKEN is that of the link. */
void outgoing_tell_lock(struct session *s, const char *rule, int64_t until_ms, const char *token);

#endif
