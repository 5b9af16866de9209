/* scram_keys.c: what is kept of a password for SCRAM (RFC 5802 §3); see scram.h. */
#include "auth/scram.h"

#include "auth/password.h"
#include "base/base64.h"
#include "base/random.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_ITERATIONS = 4096, MOST_ITERATIONS = 10000000 };

static void hmac(const unsigned char *key, struct str text, unsigned char to[SCRAM_KEY])
{
    unsigned len = SCRAM_KEY;

    HMAC(EVP_sha256(), key, SCRAM_KEY, (const unsigned char *)text.at, text.len, to, &len);
}

bool scram_keys_make(struct str raw, struct scram_keys *out)
{
    char prepared[PASSWORD_MAX];
    unsigned char salted[SCRAM_KEY], client[SCRAM_KEY];
    size_t len;

    if (!password_prepare(raw, prepared, &len))
        return false;
    out->iterations = SCRAM_ITERATIONS;
    random_bytes(out->salt, sizeof out->salt);
    int done = PKCS5_PBKDF2_HMAC(prepared, (int)len, out->salt, sizeof out->salt, (int)out->iterations, EVP_sha256(), sizeof salted, salted);
    hmac(salted, STR("Client Key"), client);
    SHA256(client, sizeof client, out->stored);
    hmac(salted, STR("Server Key"), out->server);
    OPENSSL_cleanse(prepared, sizeof prepared);
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client, sizeof client);
    return done == 1;
}

void scram_keys_format(const struct scram_keys *k, char to[SCRAM_TEXT_MAX])
{
    struct buf text = buf_make(SCRAM_TEXT_MAX - 1);

    buf_addf(&text, "%u:", k->iterations);
    base64_encode(str_n((const char *)k->salt, sizeof k->salt), &text);
    buf_add_char(&text, ':');
    base64_encode(str_n((const char *)k->stored, sizeof k->stored), &text);
    buf_add_char(&text, ':');
    base64_encode(str_n((const char *)k->server, sizeof k->server), &text);
    str_copy(to, SCRAM_TEXT_MAX, text.failed ? str_n(NULL, 0) : buf_str(&text));
    buf_free(&text);
}

static bool read_octets(struct str text, unsigned char *to, size_t size)
{
    struct buf octets = buf_make(SCRAM_KEY);
    bool fits = base64_decode(text, &octets) && octets.len == size;

    if (fits)
        memcpy(to, octets.at, size);
    buf_free(&octets);
    return fits;
}

bool scram_keys_parse(struct str text, struct scram_keys *out)
{
    uint64_t iterations;
    struct str number = str_cut(&text, ':'), salt = str_cut(&text, ':'), stored = str_cut(&text, ':');

    if (!str_to_u64(number, MOST_ITERATIONS, &iterations) || iterations < LEAST_ITERATIONS)
        return false;
    out->iterations = (uint32_t)iterations;
    return read_octets(salt, out->salt, sizeof out->salt) && read_octets(stored, out->stored, sizeof out->stored) &&
           read_octets(text, out->server, sizeof out->server);
}

void scram_keys_pretend(const unsigned char secret[SCRAM_KEY], struct str login, struct scram_keys *out)
{
    unsigned char made[SCRAM_KEY];

    hmac(secret, login, made);
    out->iterations = SCRAM_ITERATIONS;
    memcpy(out->salt, made, sizeof out->salt);
    random_bytes(out->stored, sizeof out->stored);
    random_bytes(out->server, sizeof out->server);
}
