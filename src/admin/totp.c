/* totp.c: RFC 6238 on RFC 4226 §5.3, as all authenticator programs have it. */
#include "admin/parts.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

enum { STEP_MS = 30000, STEPS_EITHER_WAY = 1, DIGITS = 6, CODES = 1000000 };

static void code_at(struct str secret, int64_t step, char out[DIGITS + 1])
{
    unsigned char counter[8], mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    for (int i = 0; i < 8; i++)
        counter[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
    HMAC(EVP_sha1(), secret.at, (int)secret.len, counter, sizeof counter, mac, &len);
    unsigned at = mac[len - 1] & 15;
    uint32_t number = ((uint32_t)(mac[at] & 0x7f) << 24) | ((uint32_t)mac[at + 1] << 16) | ((uint32_t)mac[at + 2] << 8) | mac[at + 3];
    snprintf(out, DIGITS + 1, "%06u", (unsigned)(number % CODES));
}

int64_t totp_step(struct str secret, struct str code, int64_t now_ms, int64_t last_step)
{
    int64_t now = now_ms / STEP_MS, hit = 0;
    char wanted[DIGITS + 1];

    for (int64_t step = now - STEPS_EITHER_WAY; step <= now + STEPS_EITHER_WAY; step++) {
        code_at(secret, step, wanted);
        if (texts_are_equal(code, str_from(wanted)) && step > last_step && !hit)
            hit = step;
    }
    return hit;
}

void totp_secret_text(const unsigned char secret[TOTP_SECRET_BYTES], char out[TOTP_SECRET_TEXT])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* RFC 4648 §6 */
    uint32_t bits = 0;
    int held = 0;
    size_t n = 0;

    for (size_t i = 0; i < TOTP_SECRET_BYTES; i++) {
        bits = bits << 8 | secret[i];
        for (held += 8; held >= 5; held -= 5)
            out[n++] = alphabet[bits >> (held - 5) & 31];
    }
    out[n] = '\0'; /* 160 bits are 32 characters, without a rest */
}

bool texts_are_equal(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.at, b.at, a.len) == 0);
}
