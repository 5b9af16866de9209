/*
 * results.h: Authentication-Results, ARC-Authentication-Results and Received-SPF as others wrote them (RFC 8601 §2.2, RFC 8617 §4.1.1, RFC 7208 §9.1): whose
 * they claim to be, and what they say. Pure; what is given out points into the value.
 */
#ifndef AUTH_RESULTS_H
#define AUTH_RESULTS_H

#include "mail/structured.h"

struct results {
    struct str authserv_id;
    unsigned instance;        /* of ARC; 0: none */
    struct structured cursor; /* behind the authserv-id */
};

struct results_item {
    struct str method, result; /* "dkim", "pass"; as written */
    struct str header_from;    /* the domain of property header.from (of dmarc); "" none */
};

/* False where VALUE does not begin as such a field does. */
bool results_open(struct str value, bool is_arc, struct results *out) __attribute__((warn_unused_result));
/* The next method and its result; other properties and reasons are passed over. False at the end, which "none" is too. */
bool results_next(struct results *r, struct results_item *out);
/* Of a Received-SPF: *RECEIVER, with its backslashes. False where VALUE names none, or two, or is not as such a field is: readers may then differ. */
bool results_spf_receiver(struct str value, struct str *receiver) __attribute__((warn_unused_result));

#endif
