/*
 * credentials.h: is this login who it says it is? Asks the store (store/accounts.h), tests passwords (auth/password.h), and keeps count of failures
 * (store/denials.h). An account that does not exist, has no password or may not come from this address is answered as slowly as a wrong password.
 */
#ifndef GATE_CREDENTIALS_H
#define GATE_CREDENTIALS_H

#include "auth/scram.h"
#include "policy/finding.h"
#include "store/account.h"

struct session;

enum credentials_result { CREDENTIALS_RIGHT, CREDENTIALS_WRONG, CREDENTIALS_UNKNOWN /* nobody can say now */ };

/* RIGHT: OUT is the account, for account_clear(). */
enum credentials_result credentials_check(struct session *s, struct str login, struct str password, struct account *out) __attribute__((warn_unused_result));
/* Keys for SCRAM; pretended ones where IS_REAL is false. RIGHT, or UNKNOWN. */
enum credentials_result credentials_keys(struct session *s, struct str login, struct scram_keys *keys, bool *is_real) __attribute__((warn_unused_result));
/* The account of a login that has proved itself by those keys. */
enum credentials_result credentials_account(struct session *s, struct str login, struct account *out) __attribute__((warn_unused_result));
/* As long as a wrong password takes. */
void credentials_waste_time(struct session *s, struct str password);

/* For how long the client is denied authentication, by its address or (LOGIN not "") for that account; 0: it is not. */
int64_t credentials_denied_ms(const struct session *s, struct str login);
struct finding auth_denied_finding(int64_t left_ms);
void credentials_failed(struct session *s, struct str login);
void credentials_succeeded(struct session *s, struct str login);

#endif
