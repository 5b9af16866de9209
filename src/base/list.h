/* list.h: intrusive doubly linked list. The owner of the member decides about its memory. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define LIST_EACH(head, it) for (struct list *it = (head)->next; it != (head); it = it->next)
/* Safe when the body removes or frees IT. */
#define LIST_EACH_SAFE(head, it, after) \
    for (struct list *it = (head)->next, *after = it->next; it != (head); it = after, after = it->next)

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

static inline void list_insert_after(struct list *where, struct list *l)
{
    l->prev = where;
    l->next = where->next;
    where->next->prev = l;
    where->next = l;
}

static inline void list_add_tail(struct list *head, struct list *l)
{
    list_insert_after(head->prev, l);
}

static inline void list_add_head(struct list *head, struct list *l)
{
    list_insert_after(head, l);
}

/* Leaves L as an empty list of its own, so removing twice is harmless. */
static inline void list_remove(struct list *l)
{
    l->next->prev = l->prev;
    l->prev->next = l->next;
    list_init(l);
}

#endif
