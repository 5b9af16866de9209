/* dkim_private.c: the keys that sign: read from PEM, made anew, kept as a set that is exchanged as a whole; see dkim_sign.h. */
#include "auth/dkim_sign_parts.h"

#include "base/list.h"
#include "mail/address.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BITS_LEAST = 1024 /* RFC 8301 §3.2 */, BITS_MOST = 4096, BITS_NEW = 2048, PUBLIC_MAX = 1024 };

struct dkim_keys {
    atomic_uint refs;
    struct hash_table domains;
    size_t count;
};

struct dkim_signer {
    pthread_mutex_t lock;
    struct dkim_keys *keys;
};

static EVP_PKEY *load(struct str pem)
{
    BIO *bio = pem.len <= SIGNING_KEY_BYTES_MAX ? BIO_new_mem_buf(pem.at, (int)pem.len) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t)"") : NULL; /* "": a passphrase is not asked for */

    BIO_free(bio);
    ERR_clear_error();
    return key;
}

/* NULL, or why it cannot sign. */
static const char *problem(const EVP_PKEY *key)
{
    if (!key)
        return "is no private key in PEM without a passphrase";
    if (EVP_PKEY_is_a(key, "ED25519"))
        return NULL;
    if (!EVP_PKEY_is_a(key, "RSA"))
        return "is neither an RSA nor an Ed25519 key";
    if (EVP_PKEY_bits(key) < BITS_LEAST)
        return "has less than 1,024 bits";
    return EVP_PKEY_bits(key) > BITS_MOST ? "has more than 4,096 bits" : NULL;
}

bool dkim_selector_is_valid(struct str selector)
{
    return selector.len > 0 && selector.len < sizeof((struct dkim_private *)0)->selector && domain_is_valid(selector, false);
}

static struct dkim_domain *find(const struct dkim_keys *k, struct str domain)
{
    for (struct hash_node *n = hash_first(&k->domains, hash_str_case(domain)); n; n = hash_next(n)) {
        struct dkim_domain *d = container_of(n, struct dkim_domain, node);
        if (str_is_case(domain, d->name))
            return d;
    }
    return NULL;
}

const struct dkim_domain *dkim_keys_find(const struct dkim_keys *k, struct str domain)
{
    return find(k, domain);
}

static struct dkim_domain *get_domain(struct dkim_keys *k, struct str name)
{
    struct dkim_domain *d = find(k, name);

    if (d)
        return d;
    d = calloc(1, sizeof *d);
    if (!d || !str_copy(d->name, sizeof d->name, name) || !hash_insert(&k->domains, &d->node, hash_str_case(name))) {
        free(d);
        return NULL;
    }
    return d;
}

/* False only out of memory. */
static bool add(struct dkim_keys *k, const struct process_pem *pem, struct buf *trouble)
{
    struct str selector = pem->name, name = str_cut(&selector, '/');
    EVP_PKEY *pkey = load(pem->key);
    const char *why = problem(pkey);
    struct dkim_domain *d = why ? NULL : get_domain(k, name);

    if (d && d->count == SIGNING_KEYS_PER_DOMAIN_MAX)
        why = "is one too many for its domain";
    if (why || !d) {
        if (why)
            buf_addf(trouble, "DKIM key " STR_FMT " %s\n", STR_ARG(pem->name), why);
        EVP_PKEY_free(pkey);
        return why;
    }
    struct dkim_private *one = &d->keys[d->count++];
    str_copy(one->selector, sizeof one->selector, selector);
    one->is_ed25519 = EVP_PKEY_is_a(pkey, "ED25519");
    one->pkey = pkey;
    k->count++;
    return true;
}

struct dkim_keys *dkim_keys_new(struct str pems, struct buf *trouble)
{
    struct dkim_keys *k = calloc(1, sizeof *k);
    struct process_pem *list = calloc(SIGNING_KEYS_MAX, sizeof *list);
    int count = pems.len && list ? process_pems_read(pems, list, SIGNING_KEYS_MAX) : 0;
    bool fine = k && list && count >= 0;

    if (k)
        k->refs = 1;
    for (int i = 0; fine && i < count; i++)
        fine = add(k, &list[i], trouble);
    free(list);
    if (fine)
        return k;
    dkim_keys_unref(k);
    return NULL;
}

static void free_domain(struct hash_node *node, void *arg)
{
    struct dkim_domain *d = container_of(node, struct dkim_domain, node);

    (void)arg;
    for (size_t i = 0; i < d->count; i++)
        EVP_PKEY_free(d->keys[i].pkey);
    free(d);
}

void dkim_keys_unref(struct dkim_keys *k)
{
    if (!k || atomic_fetch_sub(&k->refs, 1) != 1)
        return;
    hash_each(&k->domains, free_domain, NULL);
    hash_table_free(&k->domains);
    free(k);
}

size_t dkim_keys_count(const struct dkim_keys *k)
{
    return k->count;
}

struct dkim_signer *dkim_signer_new(struct dkim_keys *take)
{
    struct dkim_signer *s = take ? calloc(1, sizeof *s) : NULL;

    if (!s) {
        dkim_keys_unref(take);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    s->keys = take;
    return s;
}

struct dkim_keys *dkim_signer_take(struct dkim_signer *s)
{
    pthread_mutex_lock(&s->lock);
    struct dkim_keys *k = s->keys;
    atomic_fetch_add(&k->refs, 1);
    pthread_mutex_unlock(&s->lock);
    return k;
}

void dkim_signer_swap(struct dkim_signer *s, struct dkim_keys *take)
{
    pthread_mutex_lock(&s->lock);
    struct dkim_keys *old = s->keys;
    s->keys = take;
    pthread_mutex_unlock(&s->lock);
    dkim_keys_unref(old);
}

void dkim_signer_free(struct dkim_signer **s)
{
    if (!*s)
        return;
    dkim_keys_unref((*s)->keys);
    pthread_mutex_destroy(&(*s)->lock);
    free(*s);
    *s = NULL;
}

bool dkim_key_make(const char *type, struct buf *out)
{
    EVP_PKEY *key = strcmp(type, "ed25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                    : strcmp(type, "rsa") == 0   ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)BITS_NEW)
                                                 : NULL;
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text;
    bool fine = key && bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    long len = fine ? BIO_get_mem_data(bio, &text) : 0;

    fine = len > 0 && buf_add(out, text, (size_t)len);
    BIO_free(bio);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return fine;
}

/* RFC 6376 §3.6.1: SubjectPublicKeyInfo for RSA; RFC 8463 §4.2: the bare 32 octets for Ed25519. */
static size_t public_bytes(EVP_PKEY *key, unsigned char to[PUBLIC_MAX])
{
    size_t len = PUBLIC_MAX;
    unsigned char *at = to;

    if (EVP_PKEY_is_a(key, "ED25519"))
        return EVP_PKEY_get_raw_public_key(key, to, &len) == 1 ? len : 0;
    int n = i2d_PUBKEY(key, NULL);
    return n > 0 && n <= PUBLIC_MAX && i2d_PUBKEY(key, &at) == n ? (size_t)n : 0;
}

bool dkim_key_record(struct str pem, struct buf *record, struct buf *error)
{
    unsigned char bytes[PUBLIC_MAX], text[PUBLIC_MAX * 4 / 3 + 8];
    EVP_PKEY *key = load(pem);
    const char *why = problem(key);
    size_t len = why ? 0 : public_bytes(key, bytes);

    if (len) {
        EVP_EncodeBlock(text, bytes, (int)len);
        buf_addf(record, "v=DKIM1; k=%s; p=%s", EVP_PKEY_is_a(key, "ED25519") ? "ed25519" : "rsa", (const char *)text);
    } else {
        buf_add_text(error, why ? why : "has no public part");
    }
    EVP_PKEY_free(key);
    ERR_clear_error();
    return len && !record->failed;
}
