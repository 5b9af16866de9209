/*
 * dkim_hash.c: signatures_read(): finds the signatures and computes the hashes they speak of. Bounded: so many signatures, so many fields, each body
 * form read once, whatever l= values and algorithms there are.
 */
#include "auth/dkim_signature.h"

#include "auth/dkim_canonical.h"
#include "auth/tag_list.h"
#include "base/hash.h"
#include "mail/header.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 4096, SIGNED_MAX = 512, BODIES_MAX = 24 };

struct signature_context {
    EVP_MD *sha256, *sha1;
};

struct signature_context *signature_context_new(void)
{
    struct signature_context *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    c->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    if (!c->sha256 || !c->sha1)
        signature_context_free(&c);
    return c;
}

void signature_context_free(struct signature_context **c)
{
    if (!*c)
        return;
    EVP_MD_free((*c)->sha256);
    EVP_MD_free((*c)->sha1);
    free(*c);
    *c = NULL;
}

struct field {
    struct str raw;   /* without its final line ending */
    uint32_t name;    /* hash of the lower-case name */
    struct str name_text;
};

struct body_hash {
    EVP_MD_CTX *digest;
    bool relaxed, has_length, sha1;
    uint64_t length;  /* l= */
    uint64_t seen;    /* octets of the canonical body */
    unsigned char value[EVP_MAX_MD_SIZE];
};

struct reading {
    struct signature_context *context;
    struct field *fields;
    size_t field_count;
    struct body_hash bodies[BODIES_MAX];
    size_t body_count;
    struct signature *out;
    size_t count;
    struct { struct str signed_fields, body_hash; size_t field; int body; } more[SIGNATURES_MAX];
};

static const EVP_MD *md_of(const struct reading *r, const struct signature *s)
{
    return s->algorithm == ALGORITHM_RSA_SHA1 ? r->context->sha1 : r->context->sha256;
}

static int kind_of(struct str name)
{
    static const char *const names[] = {"DKIM-Signature", "ARC-Message-Signature", "ARC-Seal", "ARC-Authentication-Results"};

    for (int i = 0; i < 4; i++)
        if (str_is_case(name, names[i]))
            return i;
    return -1;
}

static struct str without_ending(struct str raw)
{
    if (raw.len && raw.at[raw.len - 1] == '\n')
        raw.len--;
    if (raw.len && raw.at[raw.len - 1] == '\r')
        raw.len--;
    return raw;
}

static void find_fields(struct reading *r, struct str message, size_t most, size_t *body)
{
    struct header_walk walk = header_walk(message);
    struct header_field f;
    size_t dkim = 0;

    while (header_next(&walk, &f)) {
        if (r->field_count == FIELDS_MAX)
            continue;
        struct field *one = &r->fields[r->field_count++];
        *one = (struct field){without_ending(f.raw), (uint32_t)hash_str_case(f.name), f.name};
        int kind = kind_of(f.name);
        if (kind < 0 || r->count == most || (kind == SIGNATURE_DKIM && dkim++ >= DKIM_MAX))
            continue;
        struct signature *s = &r->out[r->count];
        signature_parse(f.value, (enum signature_kind)kind, s, &r->more[r->count].signed_fields, &r->more[r->count].body_hash);
        s->line = (uint32_t)f.line;
        r->more[r->count].field = r->field_count - 1;
        r->more[r->count++].body = -1;
    }
    *body = walk.body;
}

/* The hash that signature S wants: one of those under way, or another. */
static int body_for(struct reading *r, const struct signature *s)
{
    bool sha1 = s->algorithm == ALGORITHM_RSA_SHA1;

    for (size_t i = 0; i < r->body_count; i++) {
        const struct body_hash *b = &r->bodies[i];
        if (b->relaxed == s->body_relaxed && b->sha1 == sha1 && b->has_length == s->has_length && b->length == s->length)
            return (int)i;
    }
    if (r->body_count == BODIES_MAX)
        return -1;
    struct body_hash *b = &r->bodies[r->body_count];
    *b = (struct body_hash){.digest = EVP_MD_CTX_new(), .relaxed = s->body_relaxed, .has_length = s->has_length, .sha1 = sha1, .length = s->length};
    if (!b->digest || EVP_DigestInit_ex2(b->digest, md_of(r, s), NULL) != 1)
        return -1;
    return (int)r->body_count++;
}

struct body_reading {
    struct reading *r;
    bool relaxed;
};

static void take_body(void *arg, const char *at, size_t len)
{
    struct body_reading *b = arg;

    for (size_t i = 0; i < b->r->body_count; i++) {
        struct body_hash *h = &b->r->bodies[i];
        if (h->relaxed != b->relaxed)
            continue;
        uint64_t room = h->has_length ? (h->seen < h->length ? h->length - h->seen : 0) : len;
        EVP_DigestUpdate(h->digest, at, room < len ? (size_t)room : len);
        h->seen += len;
    }
}

static void hash_bodies(struct reading *r, struct str body)
{
    bool wanted[2] = {false, false};

    for (size_t i = 0; i < r->body_count; i++)
        wanted[r->bodies[i].relaxed] = true;
    for (int relaxed = 0; relaxed < 2; relaxed++) {
        struct body_reading b = {r, relaxed};
        if (wanted[relaxed])
            dkim_canonical_body(body, relaxed, take_body, &b);
    }
    for (size_t i = 0; i < r->body_count; i++)
        EVP_DigestFinal_ex(r->bodies[i].digest, r->bodies[i].value, NULL);
}

static void take_digest(void *arg, const char *at, size_t len)
{
    EVP_DigestUpdate(arg, at, len);
}

/* The signature's own field with an empty b= (RFC 6376 §3.7): what stands between its '=' and the next ';' goes. */
static void hash_own(EVP_MD_CTX *digest, struct str raw, bool relaxed)
{
    ptrdiff_t colon = str_find(raw, ':');
    struct str rest = str_from_index(raw, colon < 0 ? raw.len : (size_t)colon + 1);

    while (rest.len) {
        struct str value = str_cut(&rest, ';'), name = tag_trim(str_cut(&value, '='));
        if (!value.at || !str_is(name, "b"))
            continue;
        size_t before = (size_t)(value.at - raw.at), behind = before + value.len;
        char *copy = malloc(raw.len + 1);
        if (!copy)
            return;
        memcpy(copy, raw.at, before);
        memcpy(copy + before, raw.at + behind, raw.len - behind);
        dkim_canonical_field(str_n(copy, raw.len - value.len), relaxed, false, take_digest, digest);
        free(copy);
        return;
    }
}

/* §5.4.2: of several fields of a name the last one is taken first; names that are not there add nothing. */
static void hash_signed_fields(struct reading *r, EVP_MD_CTX *digest, struct str names, bool relaxed)
{
    bool used[FIELDS_MAX] = {false};
    size_t count = 0;

    while (names.len && count++ < SIGNED_MAX) {
        struct str name = tag_trim(str_cut(&names, ':'));
        uint32_t hash = (uint32_t)hash_str_case(name);
        for (size_t i = r->field_count; i-- > 0;) {
            const struct field *f = &r->fields[i];
            if (f->name != hash || used[i] || !str_eq_case(f->name_text, name))
                continue;
            used[i] = true;
            dkim_canonical_field(f->raw, relaxed, true, take_digest, digest);
            break;
        }
    }
}

static size_t find_set(const struct reading *r, enum signature_kind kind, unsigned instance)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->out[i].kind == kind && r->out[i].instance == instance)
            return i;
    return SIZE_MAX;
}

/* RFC 8617 §5.1.1: the sets from the first to this one, each as results, message signature, seal; this seal last, with its b= empty. */
static void hash_sets(struct reading *r, EVP_MD_CTX *digest, size_t seal)
{
    static const enum signature_kind order[] = {SIGNATURE_ARC_RESULTS, SIGNATURE_ARC_MESSAGE, SIGNATURE_ARC_SEAL};
    unsigned last = r->out[seal].instance;

    for (unsigned i = 1; i <= last; i++)
        for (size_t k = 0; k < 3; k++) {
            size_t at = i == last && order[k] == SIGNATURE_ARC_SEAL ? seal : find_set(r, order[k], i);
            if (at == SIZE_MAX || at == seal)
                continue;
            dkim_canonical_field(r->fields[r->more[at].field].raw, true, true, take_digest, digest);
        }
    hash_own(digest, r->fields[r->more[seal].field].raw, true);
}

static void hash_header(struct reading *r, size_t i, EVP_MD_CTX *digest)
{
    struct signature *s = &r->out[i];
    unsigned char value[EVP_MAX_MD_SIZE];

    if (EVP_DigestInit_ex2(digest, md_of(r, s), NULL) != 1)
        return;
    if (s->kind == SIGNATURE_ARC_SEAL) {
        hash_sets(r, digest, i);
    } else {
        hash_signed_fields(r, digest, r->more[i].signed_fields, s->header_relaxed);
        hash_own(digest, r->fields[r->more[i].field].raw, s->header_relaxed);
    }
    EVP_DigestFinal_ex(digest, value, NULL);
    memcpy(s->header_hash, value, HASH_BYTES);
}

static void compare_body(struct reading *r, size_t i)
{
    struct signature *s = &r->out[i];
    unsigned char claimed[64];
    size_t len, size = s->algorithm == ALGORITHM_RSA_SHA1 ? 20 : 32;

    if (r->more[i].body < 0)
        return;
    const struct body_hash *b = &r->bodies[r->more[i].body];
    s->body_length = b->seen;
    memcpy(s->body_hash, b->value, HASH_BYTES);
    if (s->has_length && s->length > b->seen)
        s->fault = FAULT_LENGTH;
    s->body_matches = tag_base64(r->more[i].body_hash, claimed, sizeof claimed, &len) && len == size && memcmp(claimed, b->value, size) == 0;
}

static void hash_all(struct reading *r, struct str body)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();

    for (size_t i = 0; i < r->count; i++)
        if (!r->out[i].fault && (r->out[i].kind == SIGNATURE_DKIM || r->out[i].kind == SIGNATURE_ARC_MESSAGE))
            r->more[i].body = body_for(r, &r->out[i]);
    hash_bodies(r, body);
    for (size_t i = 0; digest && i < r->count; i++) {
        if (r->out[i].fault || r->out[i].kind == SIGNATURE_ARC_RESULTS)
            continue;
        hash_header(r, i, digest);
        if (r->out[i].kind != SIGNATURE_ARC_SEAL)
            compare_body(r, i);
    }
    EVP_MD_CTX_free(digest);
    for (size_t i = 0; i < r->body_count; i++)
        EVP_MD_CTX_free(r->bodies[i].digest);
}

/* Most messages have no signature, or two: look before anything is set up. */
static bool any_signature(struct str message)
{
    struct header_walk walk = header_walk(message);
    struct header_field f;

    while (header_next(&walk, &f))
        if (kind_of(f.name) >= 0)
            return true;
    return false;
}

size_t signatures_read(struct signature_context *c, struct str message, struct signature *out, size_t most)
{
    size_t body = 0, count = 0;

    if (!any_signature(message))
        return 0;
    struct reading *r = calloc(1, sizeof *r);
    struct field *fields = malloc(FIELDS_MAX * sizeof *fields);
    if (r && fields) {
        r->context = c;
        r->fields = fields;
        r->out = out;
        find_fields(r, message, most < SIGNATURES_MAX ? most : SIGNATURES_MAX, &body);
        hash_all(r, str_from_index(message, body));
        count = r->count;
    }
    free(fields);
    free(r);
    return count;
}
