/* dkim_key.c: see dkim_key.h. */
#include "auth/dkim_key.h"

#include "auth/tag_list.h"
#include "base/hash.h"
#include "base/list.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 2048, ED25519_BYTES = 32, BITS_MOST = 8192 };

struct key {
    EVP_PKEY *pkey;        /* NULL: see problem */
    bool is_ed25519, is_revoked, is_testing, is_strict;
    bool takes_sha256, takes_sha1;
    const char *problem;   /* static text */
};

struct cached_key {
    struct hash_node node;
    struct list used;
    uint64_t name;         /* hash of the record's text: a changed record is another key */
    struct key key;
};

struct key_cache {
    pthread_mutex_t lock;
    struct hash_table table;
    struct list used;      /* least recently used first */
    size_t count, most;
};

const char *dkim_result_name(enum dkim_result r)
{
    static const char *const names[] = {"none", "pass", "fail", "policy", "neutral", "temperror", "permerror"};
    return names[r];
}

static bool list_has(struct str list, const char *word)
{
    while (list.at && list.len)
        if (str_is_case(tag_trim(str_cut(&list, ':')), word))
            return true;
    return false;
}

static EVP_PKEY *load_rsa(const unsigned char *bytes, size_t len)
{
    const unsigned char *at = bytes;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)len);

    if (!key) { /* RFC 6376 §3.6.1 means SubjectPublicKeyInfo; RFC 8017's bare RSAPublicKey is seen, and §A.1.1 read so by some (erratum 3017) */
        at = bytes;
        key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)len);
    }
    ERR_clear_error();
    if (key && !EVP_PKEY_is_a(key, "RSA")) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return key;
}

static void load(struct str p, struct key *k)
{
    unsigned char bytes[KEY_BYTES_MAX];
    size_t len;

    if (tag_trim(p).len == 0) {
        k->is_revoked = true;
        k->problem = "the key is revoked";
        return;
    }
    if (!tag_base64(p, bytes, sizeof bytes, &len)) {
        k->problem = "the key is not valid";
        return;
    }
    if (k->is_ed25519)
        k->pkey = len == ED25519_BYTES ? EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes, len) : NULL;
    else
        k->pkey = load_rsa(bytes, len);
    if (!k->pkey)
        k->problem = "the key is not valid";
    else if (EVP_PKEY_bits(k->pkey) > BITS_MOST)
        k->problem = "the key is too large";
}

/* §3.6.1. v= first and DKIM1 where it is given; service types and hash algorithms that leave mail out make it no key for us. */
static void parse(struct str record, struct key *k)
{
    struct tag_list tags;

    *k = (struct key){.pkey = NULL};
    if (!tag_list_parse(record, &tags)) {
        k->problem = "the key record is no list of tags";
        return;
    }
    struct str v = tag_find(&tags, "v"), type = tag_find(&tags, "k"), p = tag_find(&tags, "p"), h = tag_find(&tags, "h"), s = tag_find(&tags, "s"),
               t = tag_find(&tags, "t");
    if (v.at && (!str_is(v, "DKIM1") || !str_is(tags.at[0].name, "v")))
        k->problem = "the key record's version is not known";
    else if (!p.at)
        k->problem = "the key record has no key";
    else if (type.at && !str_is_case(type, "rsa") && !str_is_case(type, "ed25519"))
        k->problem = "the key's type is not known";
    else if (s.at && !list_has(s, "*") && !list_has(s, "email"))
        k->problem = "the key is not for mail";
    if (k->problem)
        return;
    k->is_ed25519 = str_is_case(type, "ed25519");
    k->takes_sha256 = !h.at || list_has(h, "sha256");
    k->takes_sha1 = !h.at || list_has(h, "sha1");
    k->is_testing = list_has(t, "y");
    k->is_strict = list_has(t, "s");
    load(p, k);
}

const char *dkim_key_problem(struct str record)
{
    struct key k;

    parse(record, &k);
    EVP_PKEY_free(k.pkey);
    return k.problem;
}

struct key_cache *key_cache_new(size_t most)
{
    struct key_cache *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    list_init(&c->used);
    c->most = most ? most : 1;
    return c;
}

static void drop(struct key_cache *c, struct cached_key *k)
{
    hash_remove(&c->table, &k->node);
    list_remove(&k->used);
    EVP_PKEY_free(k->key.pkey);
    free(k);
    c->count--;
}

void key_cache_free(struct key_cache **c)
{
    if (!*c)
        return;
    while (!list_is_empty(&(*c)->used))
        drop(*c, container_of((*c)->used.next, struct cached_key, used));
    hash_table_free(&(*c)->table);
    pthread_mutex_destroy(&(*c)->lock);
    free(*c);
    *c = NULL;
}

static struct cached_key *find(struct key_cache *c, uint64_t name)
{
    for (struct hash_node *n = hash_first(&c->table, name); n; n = hash_next(n)) {
        struct cached_key *k = container_of(n, struct cached_key, node);
        if (k->name == name)
            return k;
    }
    return NULL;
}

/* A key parsed once serves many messages. The cache is by the record's own text (a keyed hash), so the DNS decides how long it lives. */
static void get_key(struct key_cache *c, struct str record, struct key *out)
{
    uint64_t name = hash_bytes(record.at, record.len);

    if (!c) {
        parse(record, out);
        return;
    }
    pthread_mutex_lock(&c->lock);
    struct cached_key *k = find(c, name);
    if (k) {
        list_remove(&k->used);
        list_add_tail(&c->used, &k->used);
        *out = k->key;
        if (out->pkey)
            EVP_PKEY_up_ref(out->pkey);
        pthread_mutex_unlock(&c->lock);
        return;
    }
    pthread_mutex_unlock(&c->lock);
    parse(record, out);
    k = calloc(1, sizeof *k);
    if (!k)
        return;
    k->name = name;
    k->key = *out;
    pthread_mutex_lock(&c->lock);
    if (!find(c, name) && hash_insert(&c->table, &k->node, name)) {
        if (k->key.pkey)
            EVP_PKEY_up_ref(k->key.pkey);
        list_add_tail(&c->used, &k->used);
        if (++c->count > c->most)
            drop(c, container_of(c->used.next, struct cached_key, used));
        k = NULL;
    }
    pthread_mutex_unlock(&c->lock);
    free(k);
}

struct dns_question *dkim_key_ask(struct dns *dns, const struct signature *s)
{
    char name[2 * DKIM_NAME_MAX + 16];

    if (s->fault || s->kind == SIGNATURE_ARC_RESULTS)
        return NULL;
    int n = snprintf(name, sizeof name, "%s._domainkey.%s", s->selector, s->domain);
    return n > 253 ? NULL : dns_start(dns, str_n(name, (size_t)n), DNS_TXT);
}

static bool verify_rsa(const struct key *k, const struct signature *s)
{
    bool sha1 = s->algorithm == ALGORITHM_RSA_SHA1;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(k->pkey, NULL);
    bool holds = c && EVP_PKEY_verify_init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
                 EVP_PKEY_CTX_set_signature_md(c, sha1 ? EVP_sha1() : EVP_sha256()) == 1 &&
                 EVP_PKEY_verify(c, s->bytes, s->bytes_len, s->header_hash, sha1 ? 20 : 32) == 1;

    EVP_PKEY_CTX_free(c);
    ERR_clear_error();
    return holds;
}

/* RFC 8463 §3: the signed data is the SHA-256 of what RSA would sign. */
static bool verify_ed25519(const struct key *k, const struct signature *s)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool holds = c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k->pkey) == 1 &&
                 EVP_DigestVerify(c, s->bytes, s->bytes_len, s->header_hash, HASH_BYTES) == 1;

    EVP_MD_CTX_free(c);
    ERR_clear_error();
    return holds;
}

static void conclude(struct dkim_verdict *out, enum dkim_result result, const char *problem)
{
    out->result = result;
    str_copy(out->problem, sizeof out->problem, str_from(problem));
}

static void judge(const struct key *k, const struct signature *s, struct dkim_verdict *out)
{
    bool is_sha1 = s->algorithm == ALGORITHM_RSA_SHA1;

    out->is_testing = k->is_testing;
    if (k->problem) {
        conclude(out, DKIM_PERMERROR, k->problem);
        return;
    }
    out->key_bits = (unsigned)EVP_PKEY_bits(k->pkey);
    if (k->is_ed25519 != (s->algorithm == ALGORITHM_ED25519_SHA256))
        conclude(out, DKIM_PERMERROR, "the key is of another kind than the signature");
    else if (is_sha1 ? !k->takes_sha1 : !k->takes_sha256)
        conclude(out, DKIM_PERMERROR, "the key does not allow the signature's hash");
    else if (k->is_strict && strcmp(s->identity_domain, s->domain) != 0 && s->kind == SIGNATURE_DKIM)
        conclude(out, DKIM_PERMERROR, "the key does not allow identities below its domain");
    else if (s->kind != SIGNATURE_ARC_SEAL && !s->body_matches)
        conclude(out, DKIM_FAIL, "the body was changed");
    else if (!(k->is_ed25519 ? verify_ed25519(k, s) : verify_rsa(k, s)))
        conclude(out, DKIM_FAIL, "the header was changed, or the key is another one");
    else if (is_sha1) /* RFC 8301 §3.1 */
        conclude(out, DKIM_POLICY, "signatures with SHA-1 do not count");
    else if (!k->is_ed25519 && out->key_bits < KEY_BITS_LEAST)
        conclude(out, DKIM_POLICY, "keys of less than 1,024 bits do not count");
    else
        conclude(out, DKIM_PASS, "");
}

/* More than one record: the first that is a key (§3.6.2.2 leaves it open; the widest-used verifiers take the first). */
static void verify_with(struct key_cache *keys, const struct dns_answer *a, const struct signature *s, struct dkim_verdict *out)
{
    struct key k = {.problem = "there is no key"};

    for (size_t i = 0; i < a->count; i++) {
        EVP_PKEY_free(k.pkey);
        get_key(keys, a->at[i].data, &k);
        if (!k.problem || k.is_revoked)
            break;
    }
    judge(&k, s, out);
    EVP_PKEY_free(k.pkey);
}

void dkim_verify(struct dns *dns, struct key_cache *keys, const struct signature *s, int64_t now_s, struct dkim_verdict *out)
{
    memset(out, 0, sizeof *out);
    if (s->fault) {
        conclude(out, s->fault == FAULT_VERSION || s->fault == FAULT_ALGORITHM ? DKIM_NEUTRAL : DKIM_PERMERROR, signature_fault_text(s->fault));
        return;
    }
    if (s->has_expiry && s->expiry_s < now_s) {
        conclude(out, DKIM_FAIL, "the signature has expired");
        return;
    }
    struct dns_question *q = dkim_key_ask(dns, s);
    if (!q) {
        conclude(out, DKIM_PERMERROR, "the key's name is too long");
        return;
    }
    const struct dns_answer *a = dns_wait(q);
    if (a->status == DNS_FAILED)
        conclude(out, DKIM_TEMPERROR, "the DNS does not answer for the key");
    else if (a->status != DNS_OK)
        conclude(out, DKIM_PERMERROR, "there is no key");
    else
        verify_with(keys, a, s, out);
    dns_done(&q);
}
