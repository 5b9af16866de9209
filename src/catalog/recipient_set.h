/*
 * recipient_set.h: the addresses that exist, of hundreds of thousands of mailboxes, in eight octets each: only a keyed 64-bit hash of an address is kept.
 * That a stranger's address counts as existing by chance is as likely as one in 10^14 with 200,000 mailboxes.
 */
#ifndef CATALOG_RECIPIENT_SET_H
#define CATALOG_RECIPIENT_SET_H

#include "base/str.h"

struct recipient_set {
    uint64_t *slots; /* owned; 0: free */
    size_t slot_count, count;
};

/* False: out of memory. DOMAIN and LOCAL_PART in any case. */
bool recipient_set_add(struct recipient_set *set, struct str domain, struct str local_part) __attribute__((warn_unused_result));
bool recipient_set_has(const struct recipient_set *set, struct str domain, struct str local_part);
void recipient_set_free(struct recipient_set *set);

#endif
