/* arc.h: the chain of hands that a message went through (RFC 8617): its validity. */
#ifndef AUTH_ARC_H
#define AUTH_ARC_H

#include "auth/dkim_key.h"

struct arc_verdict {
    enum chain_value chain;  /* none, pass, fail */
    bool is_temporary;       /* fail, but only because the DNS did not answer */
    unsigned sets;           /* the highest instance */
    unsigned oldest_pass;    /* the oldest instance whose message signature holds (RFC 8617 §5.2 step 4); 0: all */
    char sealer[DKIM_NAME_MAX]; /* domain of the last seal */
    char problem[160];
};

const char *chain_value_name(enum chain_value v);
/* SIGNATURES as signatures_read() gave them, those of DKIM among them. */
void arc_verify(struct dns *dns, struct key_cache *keys, const struct signature *signatures, size_t count, int64_t now_s, struct arc_verdict *out);

#endif
