/*
 * hash.h: keyed hashing (SipHash-1-3, so outsiders cannot choose collisions) and an intrusive
 * hash table that grows. The owner of the nodes decides about their memory and about locking.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

uint64_t hash_bytes(const void *at, size_t len); /* keyed per process */
uint64_t hash_str(struct str s);
uint64_t hash_str_case(struct str s);            /* equal for names that differ only in ASCII case */

struct hash_node {
    struct hash_node *next;
    uint64_t hash;
};

struct hash_table {
    struct hash_node **slots; /* owned */
    size_t slot_count;        /* a power of two, or 0 before the first insert */
    size_t count;
};

/* The first node with this HASH, then the following ones; the caller compares keys. */
struct hash_node *hash_first(const struct hash_table *t, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *node);
bool hash_insert(struct hash_table *t, struct hash_node *node, uint64_t hash) __attribute__((warn_unused_result));
void hash_remove(struct hash_table *t, struct hash_node *node);
/* Calls EACH for all nodes; EACH may free the node it is given, nothing else. */
void hash_each(struct hash_table *t, void (*each)(struct hash_node *node, void *arg), void *arg);
void hash_table_free(struct hash_table *t);      /* the slots; not the nodes */

#endif
