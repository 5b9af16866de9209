/*
 * received_spf.h: what was found out about the sender, as a trace field (RFC 7208 §9.1). The client's own words (HELO, sender) are put in so
 * that they cannot bend the field.
 */
#ifndef AUTH_RECEIVED_SPF_H
#define AUTH_RECEIVED_SPF_H

#include "auth/spf.h"
#include "base/buf.h"

struct received_spf {
    const struct spf_query *query;
    const struct spf_verdict *verdict;
    struct str sender;   /* as in MAIL FROM; "" for the null sender: then the name in HELO was asked about */
};

/* Adds the whole field, CR LF included, folded to lines of at most 998 octets. */
void received_spf_write(struct buf *out, const struct received_spf *r);

#endif
