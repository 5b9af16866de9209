/* arc.h: the chain of hands that a message went through (RFC 8617): its validity, and our own seal at its end. */
#ifndef AUTH_ARC_H
#define AUTH_ARC_H

#include "auth/dkim_key.h"
#include "auth/dkim_sign.h"

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

struct arc_sealing {
    struct str domain;       /* its keys seal, or those of the nearest domain above it that has some */
    enum chain_value chain;  /* what arc_verify() made of the message as it came */
    struct str results;      /* what was found: "mx.example; spf=pass …", folded lines, without CR LF at its end */
    int64_t now_s;
};

/*
 * The next ARC set of MESSAGE into OUT, to be put before it (RFC 8617 §5.1): ARC-Seal, ARC-Message-Signature (relaxed/relaxed), ARC-Authentication-Results.
 * One RSA key signs, since a set has one signature and not everybody knows Ed25519; an Ed25519 key where there is no other. Nothing where there are no
 * keys, the last seal says cv=fail, the fiftieth set is there, CHAIN does not fit the header, or MESSAGE cannot be signed (dkim_sign.h). A broken
 * chain is sealed as such, by a seal of this set alone (§5.1.2). False: out of memory, or a key that does not sign.
 */
bool arc_seal(struct dkim_signer *s, const struct arc_sealing *how, struct str message, struct buf *out) __attribute__((warn_unused_result));

#endif
