/* authentication_parts.h: what was made out about a message's author; see authentication.h. */
#ifndef GATE_AUTHENTICATION_PARTS_H
#define GATE_AUTHENTICATION_PARTS_H

#include "auth/arc.h"
#include "auth/dmarc.h"
#include "gate/authentication.h"

struct authentication {
    struct signature *signatures;              /* owned */
    size_t count;
    struct dkim_verdict verdicts[DKIM_MAX];    /* of the first so many DKIM signatures */
    const struct signature *dkim[DKIM_MAX];
    size_t dkim_count;
    struct arc_verdict arc;
    char author[DKIM_NAME_MAX], policy_domain[DKIM_NAME_MAX], summary[200], problem[120];
    char dkim_text[DKIM_NAME_MAX + 16];
    struct author_facts facts;
    struct dmarc_verdict verdict;              /* behind `facts`, where has_author */
    bool has_author, trusts_partial;
    bool was_verified;                         /* false: too many wait for the DNS, and no signature was looked at */
};

struct session;

/* "mx.example;…": the results without the field's name, folded, without CR LF at the end. arc=none is said only in an ARC set. */
void authentication_results_value(const struct session *s, bool in_arc_set, struct buf *out);
/* Does the I-th DKIM signature stand for its domain? It verifies, and signs the whole body or may leave a part out. */
bool authentication_counts(const struct authentication *a, size_t i);
/* What is said of it: a pass that does not count is "policy" (RFC 8601 §2.7.1). */
const char *authentication_result(const struct authentication *a, size_t i);
/* Does it leave a part of the body unsigned (l=)? */
bool authentication_is_partial(const struct signature *s);

#endif
