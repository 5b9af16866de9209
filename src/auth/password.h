/*
 * password.h: passwords of people and outgoing accounts: prepared by SASLprep (RFC 4013), kept as argon2id (libsodium's crypto_pwhash_str). One
 * verification takes 19 MiB and some 30 ms, as OWASP advises; who serves strangers bounds how many run at once: struct password_checker.
 */
#ifndef AUTH_PASSWORD_H
#define AUTH_PASSWORD_H

#include "base/buf.h"

enum { PASSWORD_MAX = 512 /* octets */, PASSWORD_MIN = 8 /* of new ones, characters */, PASSWORD_HASH_MAX = 128 };

/* SASLprep of RAW into TO, without a NUL. False: it holds what no password may (control characters, broken UTF-8), or is empty or too long. */
bool password_prepare(struct str raw, char to[PASSWORD_MAX], size_t *len) __attribute__((warn_unused_result));
/* Why a new password is none: NULL where it is fine. */
const char *password_refused(struct str raw);
/* Hashes RAW; false where it cannot be prepared, or memory is short. */
bool password_hash(struct str raw, char to[PASSWORD_HASH_MAX]) __attribute__((warn_unused_result));
/* Is RAW what HASH was made of? Takes the same time for any RAW, also for one that cannot be prepared. Not bounded. */
bool password_matches(const char *hash, struct str raw);

/*
 * Many strangers at once: at most so many verifications run, some wait for them, the rest hears BUSY. What was right is remembered for a while under a
 * keyed hash of the stored hash and the password (nothing else of it), so that a client that logs in for each message costs one verification, and a new
 * password counts at once. Thread-safe.
 */
struct password_checker;
enum password_result { PASSWORD_RIGHT, PASSWORD_WRONG, PASSWORD_BUSY };

struct password_checker *password_checker_new(unsigned at_once, int64_t remember_ms); /* NULL out of memory */
void password_checker_free(struct password_checker **c);
/* HASH NULL or "": there is no such account, or it has no password; takes as long as if there were, and is WRONG. */
enum password_result password_check(struct password_checker *c, const char *hash, struct str raw);
/* The same memory for what somebody else verified; WHAT names who, and whose password. */
bool password_is_remembered(struct password_checker *c, struct str what, struct str raw);
void password_remember(struct password_checker *c, struct str what, struct str raw);

#endif
