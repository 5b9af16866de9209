/* dkim_key.h: public keys of DKIM and ARC in the DNS (RFC 6376 §3.6, RFC 8463), and what they say of a signature. Blocks while the DNS is asked. */
#ifndef AUTH_DKIM_KEY_H
#define AUTH_DKIM_KEY_H

#include "auth/dkim_signature.h"
#include "net/dns.h"

enum dkim_result { DKIM_NONE, DKIM_PASS, DKIM_FAIL, DKIM_POLICY /* a key or algorithm too weak to count */, DKIM_NEUTRAL /* cannot be made out */,
                   DKIM_TEMPERROR, DKIM_PERMERROR }; /* RFC 8601 §2.7.1 */
const char *dkim_result_name(enum dkim_result r);

enum { KEY_BITS_LEAST = 1024 /* RFC 8301 §3.2 */ };

struct dkim_verdict {
    enum dkim_result result;
    char problem[120];     /* in words, "" on a pass */
    unsigned key_bits;
    bool is_testing;       /* t=y: the domain is still trying */
};

struct key_cache; /* parsed keys by name, bounded; threads share it */
struct key_cache *key_cache_new(size_t most); /* NULL out of memory */
void key_cache_free(struct key_cache **c);

/* Starts asking for the key of S, so that dkim_verify() waits for less. NULL where there is nothing to ask. dns_done() when verified. */
struct dns_question *dkim_key_ask(struct dns *dns, const struct signature *s);
/* Does S hold? NOW_S for x=. KEYS may be NULL. */
void dkim_verify(struct dns *dns, struct key_cache *keys, const struct signature *s, int64_t now_s, struct dkim_verdict *out);

/* A key record alone, for `postern dkim` and tests: 0, or what is wrong with it. */
const char *dkim_key_problem(struct str record);

#endif
