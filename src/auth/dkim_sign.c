/* dkim_sign.c: dkim_sign(): which fields, their hashes, the signature's own field. See dkim_sign.h; arc_sign.c signs with the same. */
#include "auth/dkim_sign_parts.h"

#include "auth/dkim_canonical.h"
#include "mail/address.h"
#include "mail/header.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_COLUMNS = 76, BASE64_MAX = SIGNATURE_BYTES_MAX * 4 / 3 + 8 };

/* §5.4.1: what readers see and answer to. OVER: named once more than it is there, so that a second one cannot be slipped in (§8.15); ALWAYS also
 * where it is not there at all, unless others add it rightly on the way: Date and Message-ID by a submission server, Sender and List-… by a list. */
static const struct signed_name {
    const char *name;
    enum { WHERE_THERE, OVER, ALWAYS, BY_ARC /* RFC 8617 §4.1.2; where there */ } how;
} signed_names[] = {
    {"From", ALWAYS}, {"Reply-To", ALWAYS}, {"Subject", ALWAYS}, {"To", ALWAYS}, {"Cc", ALWAYS}, {"MIME-Version", ALWAYS}, {"Content-Type", ALWAYS},
    {"Content-Transfer-Encoding", ALWAYS}, {"Date", OVER}, {"Message-ID", OVER}, {"Sender", WHERE_THERE}, {"In-Reply-To", OVER}, {"References", OVER},
    {"Content-ID", WHERE_THERE}, {"Content-Description", WHERE_THERE}, {"Content-Disposition", WHERE_THERE}, {"Resent-Date", WHERE_THERE},
    {"Resent-From", WHERE_THERE}, {"Resent-To", WHERE_THERE}, {"Resent-Cc", WHERE_THERE}, {"Resent-Message-ID", WHERE_THERE},
    {"List-Id", WHERE_THERE}, {"List-Help", WHERE_THERE}, {"List-Unsubscribe", WHERE_THERE}, {"List-Unsubscribe-Post", WHERE_THERE},
    {"List-Subscribe", WHERE_THERE}, {"List-Post", WHERE_THERE}, {"List-Owner", WHERE_THERE}, {"List-Archive", WHERE_THERE}, {"Feedback-ID", WHERE_THERE},
    {"TLS-Report-Domain", WHERE_THERE}, {"TLS-Report-Submitter", WHERE_THERE}, {"TLS-Required", WHERE_THERE},
    {"DKIM-Signature", BY_ARC},
};
enum { SIGNED_NAMES = sizeof signed_names / sizeof *signed_names };

static int row_of(struct str name)
{
    for (int i = 0; i < SIGNED_NAMES; i++)
        if (str_is_case(name, signed_names[i].name))
            return i;
    return -1;
}

static bool has_bare_ending(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        const char *cr = memchr(s.at + i, '\r', s.len - i), *lf = memchr(s.at + i, '\n', s.len - i);
        if (!cr && !lf)
            return false;
        if (!cr || !lf || lf != cr + 1)
            return true;
        i = (size_t)(lf - s.at);
    }
    return false;
}

void signing_look(struct signing *g, struct str message)
{
    struct header_walk walk = header_walk(message);
    struct header_field f;

    while (header_next(&walk, &f)) {
        int row = row_of(f.name);
        if (row < 0 || (signed_names[row].how == BY_ARC && !g->is_arc))
            continue;
        if (g->count == SIGNED_FIELDS_MAX) {
            g->unsignable = true;
            return;
        }
        g->has_from = g->has_from || row == 0;
        g->names[g->count] = (uint8_t)row;
        g->fields[g->count++] = f.raw;
    }
    g->body = str_from_index(message, walk.body);
    g->unsignable = has_bare_ending(message) || (walk.defects & HEADER_FOLDED_FIRST); /* the latter would continue our own field */
    /* the last line gets its ending on the way, and then its final blanks do not count */
    while (g->body.len && (g->body.at[g->body.len - 1] == ' ' || g->body.at[g->body.len - 1] == '\t'))
        g->body.len--;
}

static void take_digest(void *arg, const char *at, size_t len)
{
    EVP_DigestUpdate(arg, at, len);
}

bool signing_hash_body(struct signing *g, EVP_MD_CTX *digest)
{
    if (EVP_DigestInit_ex2(digest, EVP_sha256(), NULL) != 1)
        return false;
    dkim_canonical_body(g->body, true, take_digest, digest);
    return EVP_DigestFinal_ex(digest, g->body_hash, NULL) == 1;
}

/* The next word of the field: on a line of its own where this one is full. */
static void put_word(struct buf *out, size_t *column, const char *word, size_t len)
{
    if (*column + len > LINE_COLUMNS) {
        buf_add_text(out, "\r\n\t");
        *column = 8;
    }
    buf_add(out, word, len);
    *column += len;
}

static void put_base64(struct buf *out, size_t *column, const unsigned char *bytes, size_t len)
{
    unsigned char text[BASE64_MAX];
    int n = EVP_EncodeBlock(text, bytes, (int)len);

    for (int at = 0; at < n; at += 64) {
        int piece = n - at < 64 ? n - at : 64;
        put_word(out, column, (const char *)text + at, (size_t)piece);
    }
}

/* h=: every field of a name, and once more where a further one must not pass. */
static void put_names(struct buf *out, size_t *column, const struct signing *g)
{
    bool first = true;

    for (int row = 0; row < SIGNED_NAMES; row++) {
        size_t times = 0;
        for (size_t i = 0; i < g->count; i++)
            times += g->names[i] == row;
        times += signed_names[row].how == ALWAYS || (signed_names[row].how == OVER && times);
        for (; times; times--) {
            char word[40];
            int n = snprintf(word, sizeof word, "%s%s", first ? "" : ":", signed_names[row].name);
            put_word(out, column, word, (size_t)n);
            first = false;
        }
    }
}

void signing_put_tags(struct buf *out, const struct signing *g)
{
    size_t column = 10;

    buf_add_text(out, "\r\n\th=");
    put_names(out, &column, g);
    buf_add_text(out, ";\r\n\tbh=");
    column = 11;
    put_base64(out, &column, g->body_hash, HASH_BYTES);
    buf_add_text(out, ";\r\n\tb=");
}

/* §5.4.2: the last field of a name first. */
void signing_hash_fields(const struct signing *g, EVP_MD_CTX *digest)
{
    for (int row = 0; row < SIGNED_NAMES; row++)
        for (size_t i = g->count; i-- > 0;)
            if (g->names[i] == row)
                dkim_canonical_field(g->fields[i], true, true, take_digest, digest);
}

static bool sign_rsa(EVP_PKEY *pkey, const unsigned char *hash, unsigned char *to, size_t *len)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(pkey, NULL);
    bool fine = c && EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
                EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) == 1 && EVP_PKEY_sign(c, to, len, hash, HASH_BYTES) == 1;

    EVP_PKEY_CTX_free(c);
    return fine;
}

/* RFC 8463 §3: Ed25519 signs the hash that RSA would. */
static bool sign_ed25519(EVP_PKEY *pkey, const unsigned char *hash, unsigned char *to, size_t *len)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool fine = c && EVP_DigestSignInit(c, NULL, NULL, NULL, pkey) == 1 && EVP_DigestSign(c, to, len, hash, HASH_BYTES) == 1;

    EVP_MD_CTX_free(c);
    return fine;
}

bool signing_finish(struct buf *field, const struct dkim_private *key, EVP_MD_CTX *digest)
{
    unsigned char hash[EVP_MAX_MD_SIZE], signature[SIGNATURE_BYTES_MAX];
    size_t len = sizeof signature, column = 10;

    dkim_canonical_field(buf_str(field), true, false, take_digest, digest); /* §3.7: its own field last, b= empty, without a line ending */
    bool fine = !field->failed && EVP_DigestFinal_ex(digest, hash, NULL) == 1 && (key->is_ed25519 ? sign_ed25519 : sign_rsa)(key->pkey, hash, signature, &len);
    ERR_clear_error();
    if (!fine)
        return false;
    put_base64(field, &column, signature, len);
    return buf_add_text(field, "\r\n");
}

const char *signing_algorithm(const struct dkim_private *key)
{
    return key->is_ed25519 ? "ed25519-sha256" : "rsa-sha256";
}

static bool sign_one(const struct signing *g, const struct dkim_domain *d, const struct dkim_private *key, int64_t now_s, EVP_MD_CTX *digest, struct buf *out)
{
    struct buf field = buf_make(SIGNING_FIELD_MAX);

    buf_addf(&field, "DKIM-Signature: v=1; a=%s; c=relaxed/relaxed; d=%s;\r\n\ts=%s; t=%lld;", signing_algorithm(key), d->name, key->selector, (long long)now_s);
    signing_put_tags(&field, g);
    bool fine = !field.failed && EVP_DigestInit_ex2(digest, EVP_sha256(), NULL) == 1;
    if (fine) {
        signing_hash_fields(g, digest);
        fine = signing_finish(&field, key, digest) && buf_add_str(out, buf_str(&field));
    }
    buf_free(&field);
    return fine;
}

const struct dkim_domain *dkim_keys_nearest(const struct dkim_keys *keys, struct str domain)
{
    const struct dkim_domain *found = NULL;
    char name[DKIM_NAME_MAX];

    if (domain_to_ascii(domain, name, sizeof name))
        for (struct str at = str_from(name); at.len && !found; str_cut(&at, '.'))
            found = dkim_keys_find(keys, at);
    return found;
}

static bool sign_all(const struct signing *g, const struct dkim_domain *d, int64_t now_s, struct buf *out)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    struct signing with_body = *g;
    bool fine = digest && signing_hash_body(&with_body, digest);

    for (size_t i = 0; fine && i < d->count; i++)
        fine = sign_one(&with_body, d, &d->keys[i], now_s, digest, out);
    EVP_MD_CTX_free(digest);
    return fine;
}

bool dkim_sign(struct dkim_signer *s, struct str author_domain, struct str message, int64_t now_s, struct buf *out)
{
    struct dkim_keys *keys = dkim_signer_take(s);
    const struct dkim_domain *d = dkim_keys_nearest(keys, author_domain);
    struct signing g = {.count = 0};
    bool fine = true;

    if (d) {
        signing_look(&g, message);
        fine = g.unsignable || !g.has_from || sign_all(&g, d, now_s, out);
    }
    dkim_keys_unref(keys);
    return fine;
}
