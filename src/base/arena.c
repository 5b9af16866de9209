/* arena.c: see arena.h. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    alignas(max_align_t) char at[];
};

struct arena arena_make(size_t ceiling)
{
    return (struct arena){.ceiling = ceiling};
}

static struct arena_block *add_block(struct arena *a, size_t need)
{
    size_t size = need > BLOCK_BYTES - sizeof(struct arena_block) ? need : BLOCK_BYTES - sizeof(struct arena_block);

    if (a->used > a->ceiling || need > a->ceiling - a->used)
        return NULL;
    if (size > a->ceiling - a->used)
        size = need;
    struct arena_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->used = 0;
    block->size = size;
    a->used += size;
    /* a large piece fills its block: the one in use stays in front, for the small pieces to come */
    struct arena_block **link = a->blocks && size == need ? &a->blocks->next : &a->blocks;
    block->next = *link;
    *link = block;
    return block;
}

void *arena_bytes(struct arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);

    if (size > SIZE_MAX / 2)
        goto fail;
    size = (size + align - 1) / align * align;
    struct arena_block *block = a->blocks;
    if (!block || block->size - block->used < size)
        block = add_block(a, size);
    if (!block)
        goto fail;
    void *at = block->at + block->used;
    block->used += size;
    return at;
fail:
    a->failed = true;
    return NULL;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *at = arena_bytes(a, size);

    return at ? memset(at, 0, size) : NULL;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *at = s.len < SIZE_MAX ? arena_bytes(a, s.len + 1) : NULL;
    if (!at)
        return (struct str){NULL, 0};
    if (s.len)
        memcpy(at, s.at, s.len);
    at[s.len] = '\0';
    return (struct str){at, s.len};
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *at = n < 0 ? NULL : arena_bytes(a, (size_t)n + 1);
    if (!at)
        return NULL;
    va_start(args, format);
    vsnprintf(at, (size_t)n + 1, format, args);
    va_end(args);
    return at;
}

void arena_free(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *block = a->blocks;
        a->blocks = block->next;
        free(block);
    }
    *a = arena_make(a->ceiling);
}
