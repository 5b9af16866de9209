/* recipient_set.c: see recipient_set.h. Open addressing, at most half full. */
#include "catalog/recipient_set.h"

#include "base/hash.h"

#include <stdlib.h>

static uint64_t key_of(struct str domain, struct str local_part)
{
    uint64_t both[2] = {hash_str_case(domain), hash_str_case(local_part)}, key = hash_bytes(both, sizeof both);

    return key ? key : 1;
}

static size_t place(const struct recipient_set *set, uint64_t key)
{
    size_t at = key & (set->slot_count - 1);

    while (set->slots[at] && set->slots[at] != key)
        at = (at + 1) & (set->slot_count - 1);
    return at;
}

static bool grow(struct recipient_set *set)
{
    struct recipient_set larger = {.slot_count = set->slot_count ? set->slot_count * 2 : 64, .count = set->count};

    larger.slots = calloc(larger.slot_count, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < set->slot_count; i++)
        if (set->slots[i])
            larger.slots[place(&larger, set->slots[i])] = set->slots[i];
    free(set->slots);
    *set = larger;
    return true;
}

bool recipient_set_add(struct recipient_set *set, struct str domain, struct str local_part)
{
    uint64_t key = key_of(domain, local_part);

    if (set->count * 2 >= set->slot_count && !grow(set))
        return false;
    size_t at = place(set, key);
    set->count += set->slots[at] == 0;
    set->slots[at] = key;
    return true;
}

bool recipient_set_has(const struct recipient_set *set, struct str domain, struct str local_part)
{
    return set->count && set->slots[place(set, key_of(domain, local_part))] != 0;
}

void recipient_set_free(struct recipient_set *set)
{
    free(set->slots);
    *set = (struct recipient_set){0};
}
