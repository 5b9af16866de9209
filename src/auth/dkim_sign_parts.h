/* dkim_sign_parts.h: what the files of signing share: those of DKIM, and arc_sign.c. */
#ifndef AUTH_DKIM_SIGN_PARTS_H
#define AUTH_DKIM_SIGN_PARTS_H

#include "auth/dkim_sign.h"
#include "base/hash.h"

#include <openssl/evp.h>

struct dkim_private {
    char selector[64];
    bool is_ed25519;
    EVP_PKEY *pkey;   /* owned */
};

struct dkim_domain {
    struct hash_node node;
    char name[DKIM_NAME_MAX];
    struct dkim_private keys[SIGNING_KEYS_PER_DOMAIN_MAX];
    size_t count;
};

enum { SIGNED_FIELDS_MAX = 128, SIGNING_FIELD_MAX = 16 * 1024 };

/* What all signatures of one message share. Points into the message. */
struct signing {
    struct str fields[SIGNED_FIELDS_MAX]; /* raw, those that are signed, in the order of the message */
    uint8_t names[SIGNED_FIELDS_MAX];     /* of each, its row in dkim_sign.c */
    size_t count;
    bool is_arc;                   /* set by the caller: signatures that are there are signed, too */
    bool has_from;
    struct str body;
    bool unsignable;               /* too many of them, or line endings that change on the way */
    unsigned char body_hash[HASH_BYTES];
};

void signing_look(struct signing *g, struct str message);
bool signing_hash_body(struct signing *g, EVP_MD_CTX *digest) __attribute__((warn_unused_result));
/* h=, bh= and an empty b= behind the other tags in FIELD. */
void signing_put_tags(struct buf *field, const struct signing *g);
void signing_hash_fields(const struct signing *g, EVP_MD_CTX *digest);
/* DIGEST has what is signed but for FIELD itself, whose b= is still empty: fills that in, and ends the line. */
bool signing_finish(struct buf *field, const struct dkim_private *key, EVP_MD_CTX *digest) __attribute__((warn_unused_result));
const char *signing_algorithm(const struct dkim_private *key);

/* The keys for DOMAIN, or for the nearest above it that has some. NULL: none. */
const struct dkim_domain *dkim_keys_nearest(const struct dkim_keys *k, struct str domain);
const struct dkim_domain *dkim_keys_find(const struct dkim_keys *k, struct str domain);
struct dkim_keys *dkim_signer_take(struct dkim_signer *s); /* referenced */

#endif
