/*
 * results.h: Authentication-Results and ARC-Authentication-Results as others wrote them (RFC 8601 §2.2, RFC 8617 §4.1.1): whose they claim to be, and
 * what they say. Pure; what is given out points into the value.
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
};

/* False where VALUE does not begin as such a field does. */
bool results_open(struct str value, bool is_arc, struct results *out) __attribute__((warn_unused_result));
/* The next method and its result; properties and reasons are passed over. False at the end, which "none" is too. */
bool results_next(struct results *r, struct results_item *out);

#endif
