/*
 * denials.h: who has failed to authenticate too often. Keys are addresses, and accounts together with the network that tried them. LIMIT failures within
 * ten minutes deny for 15 minutes; each further time twice as long, up to a day; a day without a denial forgets that. In memory, bounded: when it is full,
 * who is not denied goes first. Times are of the monotonic clock inside. Thread-safe.
 */
#ifndef STORE_DENIALS_H
#define STORE_DENIALS_H

#include "base/buf.h"
#include "net/ip.h"

enum { DENIAL_KEY_MAX = 400 };

struct denials;

struct denials *denials_new(size_t most); /* NULL out of memory */
void denials_free(struct denials **d);

/* The keys of a client: its address (IPv6: its /64), and LOGIN tried from its network (/24, /64). Into TO; they return it. */
char *denial_key_address(const struct ip *client, char to[DENIAL_KEY_MAX]);
char *denial_key_account(struct str login, const struct ip *client, char to[DENIAL_KEY_MAX]);

/* How long KEY is denied from now on; 0: it is not. */
int64_t denials_left_ms(struct denials *d, const char *key);
/* One more failure. Returns for how long KEY is denied from now on: 0 until LIMIT is reached. */
int64_t denials_failed(struct denials *d, const char *key, size_t limit);
/* Forgets KEY's failures, and how often it was denied. */
void denials_succeeded(struct denials *d, const char *key);

/* Calls EACH for those denied now, those denied last first, MOST of them. */
void denials_each(struct denials *d, size_t most, void (*each)(const char *key, int64_t left_ms, unsigned times, void *arg), void *arg);
/* Forgets keys with WHAT in them ("": all). Returns how many of them were denied. */
size_t denials_clear(struct denials *d, struct str what);

#endif
