/*
 * arena.h: memory that lives as long as one message and is given back in one go.
 * A ceiling is part of its making; an allocation past it returns NULL and sets `failed`.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t used;    /* bytes handed out, blocks' waste included */
    size_t ceiling; /* bytes */
    bool failed;
};

struct arena arena_make(size_t ceiling);
/* Zeroed, aligned for any type; NULL at the ceiling or out of memory. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((warn_unused_result));
/* The same, not zeroed, for bytes that are about to be written. */
void *arena_bytes(struct arena *a, size_t size) __attribute__((warn_unused_result));
/* NUL-terminated copy; at == NULL on failure. */
struct str arena_str(struct arena *a, struct str s);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *a); /* all of it; the arena may be used again */

#endif
