/* dkim_sign_parts.h: what the files of signing share. */
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

const struct dkim_domain *dkim_keys_find(const struct dkim_keys *k, struct str domain);
struct dkim_keys *dkim_signer_take(struct dkim_signer *s); /* referenced */

#endif
