/* hash.c: see hash.h. SipHash after Aumasson and Bernstein, with 1 and 3 rounds. */
#include "base/hash.h"

#include "base/random.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static uint64_t key[2];
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    random_bytes(key, sizeof key);
}

static inline uint64_t rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

static uint64_t sip13(const unsigned char *at, size_t len, bool fold)
{
    pthread_once(&key_once, make_key);
    struct sip s = {key[0] ^ 0x736f6d6570736575U, key[1] ^ 0x646f72616e646f6dU, key[0] ^ 0x6c7967656e657261U,
                    key[1] ^ 0x7465646279746573U};
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char c = fold ? (unsigned char)ascii_lower(at[i]) : at[i];
        word |= (uint64_t)c << (8 * (i & 7));
        if ((i & 7) == 7) {
            s.v3 ^= word;
            sip_round(&s);
            s.v0 ^= word;
            word = 0;
        }
    }
    word |= (uint64_t)(len & 0xFF) << 56;
    s.v3 ^= word;
    sip_round(&s);
    s.v0 ^= word;
    s.v2 ^= 0xFF;
    for (int i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_bytes(const void *at, size_t len)
{
    return sip13(at, len, false);
}

uint64_t hash_str(struct str s)
{
    return sip13((const unsigned char *)s.at, s.len, false);
}

uint64_t hash_str_case(struct str s)
{
    return sip13((const unsigned char *)s.at, s.len, true);
}

static struct hash_node *skip_to(struct hash_node *node, uint64_t hash)
{
    while (node && node->hash != hash)
        node = node->next;
    return node;
}

struct hash_node *hash_first(const struct hash_table *t, uint64_t hash)
{
    return t->slot_count ? skip_to(t->slots[hash & (t->slot_count - 1)], hash) : NULL;
}

struct hash_node *hash_next(const struct hash_node *node)
{
    return skip_to(node->next, node->hash);
}

static bool grow(struct hash_table *t)
{
    size_t count = t->slot_count ? t->slot_count * 2 : 16;
    struct hash_node **slots = calloc(count, sizeof(struct hash_node *));

    if (!slots)
        return false;
    for (size_t i = 0; i < t->slot_count; i++) {
        for (struct hash_node *node = t->slots[i]; node;) {
            struct hash_node *after = node->next;
            node->next = slots[node->hash & (count - 1)];
            slots[node->hash & (count - 1)] = node;
            node = after;
        }
    }
    free(t->slots);
    t->slots = slots;
    t->slot_count = count;
    return true;
}

bool hash_insert(struct hash_table *t, struct hash_node *node, uint64_t hash)
{
    if (t->count >= t->slot_count && !grow(t) && t->slot_count == 0)
        return false; /* a table that has slots merely gets longer chains */
    struct hash_node **slot = &t->slots[hash & (t->slot_count - 1)];
    node->hash = hash;
    node->next = *slot;
    *slot = node;
    t->count++;
    return true;
}

void hash_remove(struct hash_table *t, struct hash_node *node)
{
    struct hash_node **at = &t->slots[node->hash & (t->slot_count - 1)];

    while (*at && *at != node)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = node->next;
    t->count--;
}

void hash_each(struct hash_table *t, void (*each)(struct hash_node *node, void *arg), void *arg)
{
    for (size_t i = 0; i < t->slot_count; i++) {
        for (struct hash_node *node = t->slots[i]; node;) {
            struct hash_node *after = node->next;
            each(node, arg);
            node = after;
        }
    }
}

void hash_table_free(struct hash_table *t)
{
    free(t->slots);
    *t = (struct hash_table){0};
}
