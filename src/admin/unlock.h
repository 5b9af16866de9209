/* unlock.h: the link that the owner of a locked outgoing account got by mail (store/account_lock.h): a page that says whom it unlocks, and a button that does. Who has it needs no other right. */
#ifndef ADMIN_UNLOCK_H
#define ADMIN_UNLOCK_H

#include "admin/admin.h"
#include "store/account_lock.h"

enum unlock_answer { UNLOCK_READY, UNLOCK_DONE, UNLOCK_UNKNOWN /* or used, or too old */, UNLOCK_FAILED /* the store does not answer */ };

/* GO: does it, once; otherwise only looks. OUT is whom, where the answer is READY or DONE. CLIENT is for the audit trail. */
enum unlock_answer admin_unlock(struct admin *a, struct str token, bool go, const struct ip *client, struct unlock_target *out);

#endif
