/*
 * pdf_password.c: does an encrypted PDF open with the empty password, as those do that only forbid printing or changing (ISO 32000-2, 7.6.4)? Every
 * reader shows these to everybody.
 */
#include "scan/files/pdf.h"

#include <openssl/evp.h>
#include <string.h>

enum { PADDING = 32, TRIES_MAX = 8, KEY_MAX = 16, ID_MAX = 128, HASH_MAX = 64, STRING_OCTETS = 1024, ROUNDS_MIN = 64, ROUNDS_MAX = 400, DICTIONARY_TOKENS = 400 };

/* What the standard handler's dictionary says. */
struct handler {
    uint32_t revision, length_bits, permissions;
    bool metadata_is_plain, is_standard;
    struct str owner, user;
};

static const unsigned char padding[PADDING] = {0x28, 0xBF, 0x4E, 0x5E, 0x4E, 0x75, 0x8A, 0x41, 0x64, 0x00, 0x4E, 0x56, 0xFF, 0xFA, 0x01, 0x08,
                                               0x2E, 0x2E, 0x00, 0xB6, 0xD0, 0x68, 0x3E, 0x80, 0x2F, 0x0C, 0xA9, 0xFE, 0x64, 0x53, 0x69, 0x7A};

static uint32_t number_of(struct str text)
{
    bool is_negative = text.len && text.at[0] == '-';
    uint64_t n = 0;

    if (!str_to_u64(is_negative ? str_from_index(text, 1) : text, UINT32_MAX, &n))
        n = 0;
    return is_negative ? 0U - (uint32_t)n : (uint32_t)n;
}

static void take_value(struct arena *arena, struct handler *h, struct str key, const struct pdf_token *value)
{
    bool is_string = value->kind == PDF_STRING || value->kind == PDF_HEX_STRING;
    char text[32];

    if (str_is(key, "R"))
        h->revision = number_of(value->text);
    else if (str_is(key, "Length"))
        h->length_bits = number_of(value->text);
    else if (str_is(key, "P"))
        h->permissions = number_of(value->text);
    else if (str_is(key, "O") && is_string)
        h->owner = pdf_string(arena, value, STRING_OCTETS);
    else if (str_is(key, "U") && is_string)
        h->user = pdf_string(arena, value, STRING_OCTETS);
    else if (str_is(key, "EncryptMetadata"))
        h->metadata_is_plain = str_is(value->text, "false");
    else if (str_is(key, "Filter") && value->kind == PDF_NAME)
        h->is_standard = str_is(pdf_name(value->text, text, sizeof text), "Standard");
}

/* X stands at a dictionary, perhaps with more in front of it: "obj". Keys of inner dictionaries do not count. */
static void read_handler(struct arena *arena, struct pdf_tokens *x, struct handler *h)
{
    struct str key = {NULL, 0};
    char name[32];
    unsigned depth = 0;

    *h = (struct handler){.length_bits = 40};
    for (int i = 0; i < DICTIONARY_TOKENS; i++) {
        struct pdf_token t = pdf_token_next(x);
        if (t.kind == PDF_END || (t.kind == PDF_DICTIONARY_END && depth-- <= 1))
            return;
        if (t.kind == PDF_DICTIONARY) {
            depth++;
            key.len = 0;
        } else if (depth == 1 && key.len) {
            take_value(arena, h, key, &t);
            key.len = 0;
        } else if (depth == 1 && t.kind == PDF_NAME) {
            key = pdf_name(t.text, name, sizeof name);
        }
    }
}

/* A cipher of 1987, which the library no longer has at hand; what it protects here is a permission. */
static void arcfour(const unsigned char *key, size_t key_len, unsigned char *data, size_t len)
{
    unsigned char state[256], swap;
    unsigned i = 0, j = 0;

    for (i = 0; i < 256; i++)
        state[i] = (unsigned char)i;
    for (i = 0; i < 256; i++) {
        j = (j + state[i] + key[i % key_len]) & 255;
        swap = state[i], state[i] = state[j], state[j] = swap;
    }
    i = j = 0;
    for (size_t n = 0; n < len; n++) {
        i = (i + 1) & 255;
        j = (j + state[i]) & 255;
        swap = state[i], state[i] = state[j], state[j] = swap;
        data[n] ^= state[(state[i] + state[j]) & 255];
    }
}

static bool hash(const EVP_MD *how, const void *data, size_t len, unsigned char out[HASH_MAX])
{
    unsigned n = 0;
    return EVP_Digest(data, len, out, &n, how, NULL) == 1;
}

/* Algorithm 2: the key that the empty password gives. */
static bool old_key(const struct handler *h, struct str id, size_t key_len, unsigned char key[HASH_MAX])
{
    unsigned char text[PADDING + 32 + 4 + ID_MAX + 4];
    size_t n = PADDING + 32;

    memcpy(text, padding, PADDING);
    memcpy(text + PADDING, h->owner.at, 32);
    for (int i = 0; i < 4; i++)
        text[n++] = (unsigned char)(h->permissions >> (8 * i));
    if (id.len)
        memcpy(text + n, id.at, id.len);
    n += id.len;
    if (h->revision >= 4 && h->metadata_is_plain) {
        memset(text + n, 0xFF, 4);
        n += 4;
    }
    bool ok = hash(EVP_md5(), text, n, key);
    for (int i = 0; ok && h->revision >= 3 && i < 50; i++)
        ok = hash(EVP_md5(), key, key_len, key);
    return ok;
}

/* Algorithms 4, 5 and 6. */
static bool old_opens(const struct handler *h, struct str id)
{
    unsigned char key[HASH_MAX], one[KEY_MAX], wanted[HASH_MAX], text[PADDING + ID_MAX];
    size_t key_len = h->revision == 2 ? 5 : h->length_bits / 8, id_len = id.len;

    if (h->owner.len < 32 || h->user.len < 16 || id_len > ID_MAX)
        return false;
    if (h->revision == 4 || key_len > KEY_MAX)
        key_len = KEY_MAX;
    if (key_len < 5)
        key_len = 5;
    if (!old_key(h, id, key_len, key))
        return false;
    memcpy(text, padding, PADDING);
    if (h->revision == 2) {
        arcfour(key, key_len, text, PADDING);
        return h->user.len >= PADDING && memcmp(text, h->user.at, PADDING) == 0;
    }
    if (id_len)
        memcpy(text + PADDING, id.at, id_len);
    if (!hash(EVP_md5(), text, PADDING + id_len, wanted))
        return false;
    for (unsigned i = 0; i < 20; i++) {
        for (size_t k = 0; k < key_len; k++)
            one[k] = (unsigned char)(key[k] ^ i);
        arcfour(one, key_len, wanted, 16);
    }
    return memcmp(wanted, h->user.at, 16) == 0;
}

/* One round of algorithm 2.B: 64 times K through AES, in place. */
static bool encrypt_round(const unsigned char *k, size_t k_len, unsigned char *to, int *len)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

    for (size_t i = 0; i < 64; i++)
        memcpy(to + i * k_len, k, k_len);
    bool ok = c && EVP_EncryptInit_ex(c, EVP_aes_128_cbc(), NULL, k, k + 16) == 1 && EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
              EVP_EncryptUpdate(c, to, len, to, (int)(64 * k_len)) == 1;
    EVP_CIPHER_CTX_free(c);
    return ok;
}

/* Algorithm 2.B with an empty password; SALT has 8 octets. Revision 5 takes the first hash alone. */
static bool new_hash(const unsigned char *salt, uint32_t revision, unsigned char k[HASH_MAX])
{
    unsigned char text[64 * HASH_MAX];
    size_t k_len = 32;
    int len = 0;

    if (!hash(EVP_sha256(), salt, 8, k))
        return false;
    for (int i = 0; revision >= 6 && (i < ROUNDS_MIN || text[len - 1] > i - 32) && i < ROUNDS_MAX; i++) {
        unsigned sum = 0;
        if (!encrypt_round(k, k_len, text, &len) || len <= 0)
            return false;
        for (int b = 0; b < 16; b++)
            sum += text[b];
        const EVP_MD *next = sum % 3 == 0 ? EVP_sha256() : sum % 3 == 1 ? EVP_sha384() : EVP_sha512();
        k_len = sum % 3 == 0 ? 32 : sum % 3 == 1 ? 48 : 64;
        if (!hash(next, text, (size_t)len, k))
            return false;
    }
    return true;
}

static bool handler_opens(const struct handler *h, struct str id)
{
    unsigned char k[HASH_MAX];

    if (!h->is_standard)
        return false;
    if (h->revision >= 2 && h->revision <= 4)
        return old_opens(h, id);
    if (h->revision < 5 || h->revision > 6 || h->user.len < 48)
        return false;
    return new_hash((const unsigned char *)h->user.at + 32, h->revision, k) && memcmp(k, h->user.at, 32) == 0;
}

/* The first half of the file's identifier: /ID [<…> <…>]. */
static struct str identifier(struct arena *arena, struct str bytes)
{
    for (ptrdiff_t at = find_from(bytes, 0, STR("/ID")); at >= 0; at = find_from(bytes, (size_t)at + 1, STR("/ID"))) {
        struct pdf_tokens x = {.bytes = str_sub(bytes, (size_t)at + 3, 4 * ID_MAX)};
        if (pdf_token_next(&x).kind != PDF_ARRAY)
            continue;
        struct pdf_token first = pdf_token_next(&x);
        if (first.kind == PDF_STRING || first.kind == PDF_HEX_STRING)
            return pdf_string(arena, &first, 4 * ID_MAX);
    }
    return str_n(NULL, 0);
}

/* Where object NUMBER begins, or the end: the last one of that number, since it replaces those before it. */
static size_t object_at(struct str bytes, struct str number, struct str generation)
{
    char text[48];
    size_t found = bytes.len;

    int len = snprintf(text, sizeof text, "%.*s %.*s obj", STR_ARG(str_sub(number, 0, 16)), STR_ARG(str_sub(generation, 0, 16)));
    struct str mark = str_n(text, (size_t)len);
    for (ptrdiff_t at = find_from(bytes, 0, mark); at >= 0; at = find_from(bytes, (size_t)at + 1, mark))
        if (at == 0 || !ascii_is_digit((unsigned char)bytes.at[at - 1]))
            found = (size_t)at + mark.len;
    return found;
}

bool pdf_opens_for_all(struct arena *arena, struct str bytes)
{
    struct str id = identifier(arena, bytes);
    unsigned tries = 0;
    bool opens = false;

    for (ptrdiff_t at = find_from(bytes, 0, STR("/Encrypt")); at >= 0; at = find_from(bytes, (size_t)at + 1, STR("/Encrypt"))) {
        struct pdf_tokens x = {.bytes = bytes, .at = (size_t)at + 8}, look = x;
        struct handler h;
        if (str_starts(str_from_index(bytes, x.at), STR("Metadata")))
            continue;
        struct pdf_token number = pdf_token_next(&look), generation = pdf_token_next(&look);
        if (number.kind == PDF_NUMBER && generation.kind == PDF_NUMBER)
            x.at = object_at(bytes, number.text, generation.text);
        if (tries++ == TRIES_MAX)
            return false;
        read_handler(arena, &x, &h);
        if (!handler_opens(&h, id))
            return false;
        opens = true;
    }
    return opens;
}
