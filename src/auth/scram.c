/* scram.c: the server's side of the exchange (RFC 5802 §5 to §7); see scram.h. */
#include "auth/scram.h"

#include "base/base64.h"
#include "base/random.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

enum { TRANSCRIPT_MAX = 4096, OWN_NONCE = 18 };

void scram_init(struct scram *s, bool is_plus, bool plus_was_offered, const struct scram_binding *bindings, size_t count)
{
    *s = (struct scram){.is_plus = is_plus, .plus_was_offered = plus_was_offered, .bindings = bindings, .binding_count = count,
                        .transcript = buf_make(TRANSCRIPT_MAX), .nonce = buf_make(SCRAM_NONCE_MAX + OWN_NONCE * 2), .gs2 = buf_make(SCRAM_LOGIN_MAX * 3 + 64)};
}

void scram_clear(struct scram *s)
{
    buf_free(&s->transcript);
    buf_free(&s->nonce);
    buf_free(&s->gs2);
    OPENSSL_cleanse(s, sizeof *s);
}

/* saslname: '=' only as =2C and =3D, no comma, no NUL, UTF-8. */
static bool read_name(struct str in, char to[SCRAM_LOGIN_MAX + 1])
{
    size_t len = 0;

    if (!in.len || !utf8_is_valid(in))
        return false;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.at[i];
        if (c == '=') {
            struct str code = str_sub(in, i + 1, 2);
            if (!str_is(code, "2C") && !str_is(code, "3D"))
                return false;
            c = code.at[0] == '2' ? ',' : '=';
            i += 2;
        }
        if (c == '\0' || len == SCRAM_LOGIN_MAX)
            return false;
        to[len++] = c;
    }
    to[len] = '\0';
    return true;
}

/* printable without comma (RFC 5802 §7) */
static bool is_nonce(struct str s)
{
    if (!s.len || s.len > SCRAM_NONCE_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] < 0x21 || (unsigned char)s.at[i] > 0x7e || s.at[i] == ',')
            return false;
    return true;
}

/* VALUE of an attribute NAME=… before the next comma. */
static bool take_attribute(struct str *rest, char name, struct str *value)
{
    struct str one = str_cut(rest, ',');

    if (one.len < 2 || one.at[0] != name || one.at[1] != '=')
        return false;
    *value = str_from_index(one, 2);
    return true;
}

/* The gs2-cbind-flag: a client that could bind but believes that we cannot has been lied to where we can (RFC 5802 §6). */
static enum scram_result read_flag(struct scram *s, struct str flag)
{
    if (str_is(flag, "n"))
        return s->is_plus ? SCRAM_REFUSED : SCRAM_OK;
    if (str_is(flag, "y"))
        return s->is_plus || s->plus_was_offered ? SCRAM_REFUSED : SCRAM_OK;
    if (!str_starts(flag, STR("p=")) || flag.len < 3)
        return SCRAM_MALFORMED;
    if (!s->is_plus)
        return SCRAM_REFUSED;
    for (size_t i = 0; i < s->binding_count; i++)
        if (str_is(str_from_index(flag, 2), s->bindings[i].name))
            s->bound = &s->bindings[i];
    return s->bound ? SCRAM_OK : SCRAM_REFUSED;
}

enum scram_result scram_first(struct scram *s, struct str message)
{
    struct str rest = message, flag = str_cut(&rest, ','), authzid = rest.at ? str_cut(&rest, ',') : str_n(NULL, 0), name, nonce;

    if (!rest.at)
        return SCRAM_MALFORMED;
    enum scram_result result = read_flag(s, flag);
    if (result != SCRAM_OK)
        return result;
    if (authzid.len && !str_starts(authzid, STR("a=")))
        return SCRAM_MALFORMED;
    if (authzid.len > 2 && !read_name(str_from_index(authzid, 2), s->authzid)) /* GNU SASL says "a=" for none, which §7 has not */
        return SCRAM_MALFORMED;
    struct str bare = rest;
    if (str_starts(bare, STR("m=")))
        return SCRAM_REFUSED; /* an extension that must be understood, and none is (RFC 5802 §5.1) */
    if (!take_attribute(&rest, 'n', &name) || !read_name(name, s->login) || !rest.at || !take_attribute(&rest, 'r', &nonce) || !is_nonce(nonce))
        return SCRAM_MALFORMED;
    buf_add(&s->gs2, message.at, (size_t)(bare.at - message.at));
    buf_add_str(&s->transcript, bare);
    buf_add_str(&s->nonce, nonce);
    return s->gs2.failed || s->transcript.failed || s->nonce.failed ? SCRAM_MALFORMED : SCRAM_OK;
}

bool scram_challenge(struct scram *s, const struct scram_keys *keys, struct buf *out)
{
    unsigned char own[OWN_NONCE];
    size_t before = out->len;

    s->keys = *keys;
    random_bytes(own, sizeof own);
    base64_encode(str_n((const char *)own, sizeof own), &s->nonce);
    buf_add_text(out, "r=");
    buf_add_str(out, buf_str(&s->nonce));
    buf_add_text(out, ",s=");
    base64_encode(str_n((const char *)keys->salt, sizeof keys->salt), out);
    buf_addf(out, ",i=%u", keys->iterations);
    buf_add_char(&s->transcript, ',');
    buf_add_str(&s->transcript, str_from_index(buf_str(out), before));
    return !out->failed && !s->nonce.failed && !s->transcript.failed;
}

/* c=: base64 of the gs2-header as it was, and what we say the channel is. */
static bool binds_this_channel(const struct scram *s, struct str claim)
{
    struct buf said = buf_make(SCRAM_LOGIN_MAX * 3 + 64 + BINDING_MAX), real = buf_make(SCRAM_LOGIN_MAX * 3 + 64 + BINDING_MAX);

    buf_add_str(&real, buf_str(&s->gs2));
    if (s->bound)
        buf_add(&real, s->bound->data, s->bound->len);
    bool same = base64_decode(claim, &said) && !real.failed && said.len == real.len && CRYPTO_memcmp(said.at, real.at, said.len) == 0;
    buf_free(&said);
    buf_free(&real);
    return same;
}

static void sign(const unsigned char key[SCRAM_KEY], struct str text, unsigned char to[SCRAM_KEY])
{
    unsigned len = SCRAM_KEY;

    HMAC(EVP_sha256(), key, SCRAM_KEY, (const unsigned char *)text.at, text.len, to, &len);
}

/* The proof is ClientKey XOR ClientSignature; we only have H(ClientKey). */
static bool proof_is_right(const struct scram *s, struct str proof)
{
    unsigned char signature[SCRAM_KEY], key[SCRAM_KEY], hash[SCRAM_KEY];

    if (proof.len != SCRAM_KEY)
        return false;
    sign(s->keys.stored, buf_str(&s->transcript), signature);
    for (size_t i = 0; i < SCRAM_KEY; i++)
        key[i] = (unsigned char)proof.at[i] ^ signature[i];
    SHA256(key, sizeof key, hash);
    OPENSSL_cleanse(key, sizeof key);
    return CRYPTO_memcmp(hash, s->keys.stored, SCRAM_KEY) == 0;
}

/* Where the last attribute, the proof, begins: it is not part of what is signed. */
static ptrdiff_t find_proof(struct str message)
{
    ptrdiff_t comma = str_find_last(message, ',');

    return comma > 0 && str_starts(str_from_index(message, (size_t)comma + 1), STR("p=")) ? comma : -1;
}

enum scram_result scram_last(struct scram *s, struct str message, struct buf *out)
{
    ptrdiff_t comma = find_proof(message);
    struct buf proof = buf_make(SCRAM_KEY);
    unsigned char signature[SCRAM_KEY];
    struct str channel, nonce;

    if (comma < 0)
        return SCRAM_MALFORMED;
    struct str signed_part = str_sub(message, 0, (size_t)comma), rest = signed_part;
    if (!take_attribute(&rest, 'c', &channel) || !rest.at || !take_attribute(&rest, 'r', &nonce) || !base64_decode(str_from_index(message, (size_t)comma + 3), &proof)) {
        buf_free(&proof);
        return SCRAM_MALFORMED;
    }
    buf_add_char(&s->transcript, ',');
    buf_add_str(&s->transcript, signed_part);
    bool right = !s->transcript.failed && str_eq(nonce, buf_str(&s->nonce)) && binds_this_channel(s, channel) && proof_is_right(s, buf_str(&proof));
    buf_free(&proof);
    if (!right)
        return SCRAM_REFUSED;
    sign(s->keys.server, buf_str(&s->transcript), signature);
    buf_add_text(out, "v=");
    return base64_encode(str_n((const char *)signature, sizeof signature), out) ? SCRAM_OK : SCRAM_REFUSED;
}
