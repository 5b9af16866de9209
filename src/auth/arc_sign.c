/* arc_sign.c: arc_seal(): the next set of the chain; see arc.h. */
#include "auth/arc.h"

#include "auth/dkim_canonical.h"
#include "auth/dkim_sign_parts.h"
#include "mail/header.h"

enum { KINDS = 3, RESULTS_FIELD_MAX = 32 * 1024 };

/* The chain as it stands in the header. */
struct chain {
    struct str fields[ARC_SETS_MAX + 1][KINDS]; /* results, message signature, seal; raw */
    unsigned last;                              /* highest instance */
    bool has_ended;                             /* a seal of that one says cv=fail */
};

/* Whatever there is: a broken chain is counted, too. */
static void read_chain(struct str message, struct chain *c)
{
    static const struct { const char *name; enum signature_kind kind; } kinds[KINDS] = {
        {"ARC-Authentication-Results", SIGNATURE_ARC_RESULTS}, {"ARC-Message-Signature", SIGNATURE_ARC_MESSAGE}, {"ARC-Seal", SIGNATURE_ARC_SEAL}};
    struct header_walk walk = header_walk(message);
    struct header_field f;
    struct signature s;
    struct str names, body_hash;

    while (header_next(&walk, &f))
        for (int k = 0; k < KINDS; k++) {
            if (!str_is_case(f.name, kinds[k].name))
                continue;
            signature_parse(f.value, kinds[k].kind, &s, &names, &body_hash);
            bool ends = kinds[k].kind == SIGNATURE_ARC_SEAL && s.chain == CHAIN_FAIL;
            if (s.instance > c->last || (s.instance == c->last && ends))
                c->has_ended = ends;
            if (s.instance > c->last)
                c->last = s.instance;
            c->fields[s.instance][k] = f.raw;
        }
}

static bool is_whole(const struct chain *c)
{
    for (unsigned i = 1; i <= c->last; i++)
        for (int k = 0; k < KINDS; k++)
            if (!c->fields[i][k].len)
                return false;
    return true;
}

static const struct dkim_private *choose_key(const struct dkim_domain *d)
{
    for (size_t i = 0; i < d->count; i++)
        if (!d->keys[i].is_ed25519)
            return &d->keys[i];
    return &d->keys[0];
}

struct sealing {
    const struct arc_sealing *how;
    const struct dkim_domain *domain;
    const struct dkim_private *key;
    struct chain chain;
    struct signing fields;
    unsigned instance;
    EVP_MD_CTX *digest;
    struct buf results, message, seal; /* the new set, each a whole field */
};

static void take_digest(void *arg, const char *at, size_t len)
{
    EVP_DigestUpdate(arg, at, len);
}

static void put_head(const struct sealing *s, struct buf *field, const char *name, const char *between)
{
    buf_addf(field, "%s: i=%u; a=%s; %sd=%s;\r\n\ts=%s; t=%lld;", name, s->instance, signing_algorithm(s->key), between, s->domain->name, s->key->selector,
             (long long)s->how->now_s);
}

static bool write_message_signature(struct sealing *s)
{
    if (!signing_hash_body(&s->fields, s->digest))
        return false;
    put_head(s, &s->message, "ARC-Message-Signature", "c=relaxed/relaxed; ");
    signing_put_tags(&s->message, &s->fields);
    if (EVP_DigestInit_ex2(s->digest, EVP_sha256(), NULL) != 1)
        return false;
    signing_hash_fields(&s->fields, s->digest);
    return signing_finish(&s->message, s->key, s->digest);
}

/* §5.1.1: all sets in their order; §5.1.2: only this one where the chain is broken. */
static bool write_seal(struct sealing *s)
{
    if (EVP_DigestInit_ex2(s->digest, EVP_sha256(), NULL) != 1)
        return false;
    for (unsigned i = 1; s->how->chain == CHAIN_PASS && i < s->instance; i++)
        for (int k = 0; k < KINDS; k++)
            dkim_canonical_field(s->chain.fields[i][k], true, true, take_digest, s->digest);
    dkim_canonical_field(buf_str(&s->results), true, true, take_digest, s->digest);
    dkim_canonical_field(buf_str(&s->message), true, true, take_digest, s->digest);
    char cv[16];
    snprintf(cv, sizeof cv, "cv=%s; ", chain_value_name(s->how->chain));
    put_head(s, &s->seal, "ARC-Seal", cv);
    buf_add_text(&s->seal, "\r\n\tb=");
    return signing_finish(&s->seal, s->key, s->digest);
}

static bool seal(struct sealing *s, struct buf *out)
{
    s->digest = EVP_MD_CTX_new();
    s->results = buf_make(RESULTS_FIELD_MAX);
    s->message = buf_make(SIGNING_FIELD_MAX);
    s->seal = buf_make(SIGNING_FIELD_MAX);
    buf_addf(&s->results, "ARC-Authentication-Results: i=%u; " STR_FMT "\r\n", s->instance, STR_ARG(s->how->results));
    bool fine = s->digest && !s->results.failed && write_message_signature(s) && write_seal(s) && buf_add_str(out, buf_str(&s->seal)) &&
                buf_add_str(out, buf_str(&s->message)) && buf_add_str(out, buf_str(&s->results));
    buf_free(&s->results);
    buf_free(&s->message);
    buf_free(&s->seal);
    EVP_MD_CTX_free(s->digest);
    return fine;
}

/* §5.1 steps 2 and 3. What the chain was found to be must be what is there: fields may have gone since. */
static bool may_go_on(const struct chain *c, enum chain_value found)
{
    if (c->has_ended || c->last == ARC_SETS_MAX)
        return false;
    return found == CHAIN_FAIL || (found == CHAIN_NONE ? c->last == 0 : c->last > 0 && is_whole(c));
}

bool arc_seal(struct dkim_signer *signer, const struct arc_sealing *how, struct str message, struct buf *out)
{
    struct dkim_keys *keys = dkim_signer_take(signer);
    struct sealing s = {.how = how, .domain = dkim_keys_nearest(keys, how->domain), .fields.is_arc = true};
    bool fine = true;

    if (s.domain) {
        s.key = choose_key(s.domain);
        read_chain(message, &s.chain);
        s.instance = s.chain.last + 1;
        signing_look(&s.fields, message);
        if (may_go_on(&s.chain, how->chain) && s.fields.has_from && !s.fields.unsignable)
            fine = seal(&s, out);
    }
    dkim_keys_unref(keys);
    return fine;
}
