/*
 * external_login.h: logins whose passwords are kept elsewhere (auth_source): by the domain's own mail server or directory. What was right is remembered for a while
 * (auth_remember), and gets an account in the store, so that limits, locks and the log know whose mail it is.
 */
#ifndef GATE_EXTERNAL_LOGIN_H
#define GATE_EXTERNAL_LOGIN_H

#include "gate/credentials.h"

/* Does the domain of LOGIN keep its passwords elsewhere? */
bool external_login_concerns(const struct session *s, struct str login);
enum credentials_result external_login_check(struct session *s, struct str login, struct str password) __attribute__((warn_unused_result));
/* Behind a right answer: LOGIN's account, made where there is none yet. */
enum credentials_result external_login_account(struct session *s, struct str login, struct account *out) __attribute__((warn_unused_result));

#endif
