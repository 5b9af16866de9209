/* password_checker.c: verifications of many clients at once, bounded, with a memory of what was right; see password.h. */
#include "auth/password.h"

#include "base/clock.h"
#include "base/random.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { REMEMBERED = 4096 /* a power of two */, WAITING_PER_PLACE = 16 };

struct remembered {
    unsigned char tag[crypto_auth_hmacsha256_BYTES];
    int64_t until_ms; /* monotonic; 0: empty */
};

struct password_checker {
    pthread_mutex_t lock;
    pthread_cond_t free_place;
    unsigned places, busy, waiting;
    int64_t remember_ms;
    unsigned char key[crypto_auth_hmacsha256_KEYBYTES];
    char nobody[PASSWORD_HASH_MAX]; /* the hash of a password that nobody has */
    struct remembered at[REMEMBERED];
};

struct password_checker *password_checker_new(unsigned at_once, int64_t remember_ms)
{
    char random[32];
    struct password_checker *c = sodium_init() < 0 ? NULL : calloc(1, sizeof *c);

    if (!c)
        return NULL;
    random_bytes(c->key, sizeof c->key);
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        random[i] = (char)('a' + (unsigned char)random[i] % 26);
    if (!password_hash(str_n(random, sizeof random), c->nobody)) {
        free(c);
        return NULL;
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->free_place, NULL);
    c->places = at_once;
    c->remember_ms = remember_ms;
    return c;
}

void password_checker_free(struct password_checker **c)
{
    if (!*c)
        return;
    pthread_mutex_destroy(&(*c)->lock);
    pthread_cond_destroy(&(*c)->free_place);
    sodium_memzero(*c, sizeof **c);
    free(*c);
    *c = NULL;
}

static void make_tag(const struct password_checker *c, struct str what, struct str raw, unsigned char tag[crypto_auth_hmacsha256_BYTES])
{
    crypto_auth_hmacsha256_state state;
    uint64_t length = what.len; /* so that no two pairs run into the same octets */

    crypto_auth_hmacsha256_init(&state, c->key, sizeof c->key);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)&length, sizeof length);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)what.at, what.len);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)raw.at, raw.len);
    crypto_auth_hmacsha256_final(&state, tag);
    sodium_memzero(&state, sizeof state);
}

static struct remembered *place_of(struct password_checker *c, const unsigned char *tag)
{
    uint32_t n;

    memcpy(&n, tag, sizeof n);
    return &c->at[n & (REMEMBERED - 1)];
}

bool password_is_remembered(struct password_checker *c, struct str what, struct str raw)
{
    unsigned char tag[crypto_auth_hmacsha256_BYTES];

    make_tag(c, what, raw, tag);
    pthread_mutex_lock(&c->lock);
    const struct remembered *r = place_of(c, tag);
    bool found = r->until_ms > clock_mono_ms() && sodium_memcmp(r->tag, tag, sizeof tag) == 0;
    pthread_mutex_unlock(&c->lock);
    return found;
}

void password_remember(struct password_checker *c, struct str what, struct str raw)
{
    unsigned char tag[crypto_auth_hmacsha256_BYTES];

    make_tag(c, what, raw, tag);
    pthread_mutex_lock(&c->lock);
    struct remembered *r = place_of(c, tag);
    memcpy(r->tag, tag, sizeof tag);
    r->until_ms = clock_mono_ms() + c->remember_ms;
    pthread_mutex_unlock(&c->lock);
}

static bool take_place(struct password_checker *c)
{
    pthread_mutex_lock(&c->lock);
    bool may_wait = c->busy < c->places || c->waiting < c->places * WAITING_PER_PLACE;
    if (may_wait) {
        c->waiting++;
        while (c->busy >= c->places)
            pthread_cond_wait(&c->free_place, &c->lock); /* each of those before us takes a fraction of a second */
        c->waiting--;
        c->busy++;
    }
    pthread_mutex_unlock(&c->lock);
    return may_wait;
}

static void give_place(struct password_checker *c)
{
    pthread_mutex_lock(&c->lock);
    c->busy--;
    pthread_cond_signal(&c->free_place);
    pthread_mutex_unlock(&c->lock);
}

enum password_result password_check(struct password_checker *c, const char *hash, struct str raw)
{
    bool exists = hash && *hash;

    if (exists && password_is_remembered(c, str_from(hash), raw))
        return PASSWORD_RIGHT;
    if (!take_place(c))
        return PASSWORD_BUSY;
    bool matches = password_matches(exists ? hash : c->nobody, raw);
    give_place(c);
    if (!exists || !matches)
        return PASSWORD_WRONG;
    password_remember(c, str_from(hash), raw);
    return PASSWORD_RIGHT;
}
