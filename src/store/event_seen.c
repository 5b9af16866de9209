/*
 * event_seen.c: which messages the text log has introduced. A message may be delivered before the thread that accepted it comes to say
 * so; whoever is first introduces it, and only once, since pflogsumm counts introductions. A table of the last thousands, by hash.
 */
#include "store/event_parts.h"

#include "base/hash.h"

#include <stdlib.h>

enum { BUCKETS = 4096, WAYS = 4, ALL_MARKS = EVENT_INTRODUCED | EVENT_IDENTIFIED };

struct event_seen {
    uint64_t at[BUCKETS][WAYS]; /* newest first: a hash, its lowest bits replaced by the marks */
};

struct event_seen *event_seen_new(void)
{
    return calloc(1, sizeof(struct event_seen));
}

void event_seen_free(struct event_seen *seen)
{
    free(seen);
}

static uint64_t *find_or_make(uint64_t *bucket, uint64_t key)
{
    for (int i = 0; i < WAYS; i++)
        if ((bucket[i] & ~(uint64_t)ALL_MARKS) == key)
            return &bucket[i];
    for (int i = WAYS - 1; i > 0; i--)
        bucket[i] = bucket[i - 1];
    bucket[0] = key;
    return &bucket[0];
}

unsigned event_seen_mark(struct event_seen *seen, struct str reference, unsigned marks)
{
    uint64_t hash = hash_str(reference);
    uint64_t *entry = find_or_make(seen->at[(hash >> 32) % BUCKETS], hash & ~(uint64_t)ALL_MARKS);
    unsigned fresh = marks & ~(unsigned)(*entry & ALL_MARKS);
    *entry |= marks;
    return fresh;
}
