/*
 * accounts.h: outgoing accounts as the relay's many threads ask for them: connections to the store lent out and kept open, and an index of the accounts
 * that are known by their address, made anew when the store's revision has changed. Everything else is read when it is asked, so that a lock, a new
 * password or another limit counts at once.
 */
#ifndef STORE_ACCOUNTS_H
#define STORE_ACCOUNTS_H

#include "catalog/settings.h"
#include "store/account.h"

struct accounts;

/* PATH: the store, which has been migrated. NULL with the reason in ERROR. */
struct accounts *accounts_new(const char *path, struct buf *error);
void accounts_free(struct accounts **a);

/* A connection of the caller's own until it is given back; NULL where the store cannot be opened. */
struct db *accounts_borrow(struct accounts *a);
void accounts_return(struct accounts *a, struct db *d);

/* As account_find() and account_get(), with a borrowed connection. */
enum account_result accounts_find(struct accounts *a, struct str login, struct account *out) __attribute__((warn_unused_result));
enum account_result accounts_get(struct accounts *a, int64_t id, struct account *out) __attribute__((warn_unused_result));
/* The account (kind network) whose smallest network holds IP. */
enum account_result accounts_find_by_address(struct accounts *a, const struct ip *ip, struct account *out) __attribute__((warn_unused_result));
/* It was used: written once an hour at most. */
void accounts_used(struct accounts *a, const struct account *account);

/* What is set for account ID (level U of table setting), below PARENT. A setting that the program does not know, or whose value it does not take, is left out
 * with a word in the log. NULL: the store does not answer. */
struct policy *account_policy(struct db *d, int64_t id, const struct policy *parent);

#endif
