/* digest_link.h: the links of a digest (store/digest.h): a page that says what is released, and a button that does. Who has it needs no other right. */
#ifndef ADMIN_DIGEST_LINK_H
#define ADMIN_DIGEST_LINK_H

#include "admin/admin.h"
#include "catalog/reason.h"

enum digest_answer { DIGEST_READY, DIGEST_DONE, DIGEST_UNKNOWN /* or used, or too old */, DIGEST_GONE /* released already, removed or expired */, DIGEST_FAILED /* the store does not answer */ };

struct digest_target {
    bool allows;              /* the sender from now on, too */
    enum reason reason;       /* why it was kept back; REASON_NONE: by a rule that is no more */
    bool was_allowed;         /* DONE: there is an entry for the sender now */
};

/* GO: does it, once; otherwise only looks. OUT holds where the answer is READY or DONE. CLIENT is for the audit trail. */
enum digest_answer admin_digest_link(struct admin *a, struct str secret, bool go, const struct ip *client, struct digest_target *out);

#endif
