/*
 * dkim_sign.h: DKIM signatures on mail that leaves (RFC 6376 §5, 8301, 8463): relaxed/relaxed, one for each key of the author's domain. Signed is
 * the message as it was taken in, without the trace fields that go before it: those may grow on the way.
 *
 * Keys lie in files, one folder for each domain: <directory>/<domain>/<selector>.pem (PKCS #8 or traditional PEM; RSA of 1,024 … 4,096 bits, or Ed25519).
 * The process that may read them passes their bytes on (base/process.h); the one that signs has no file of them.
 */
#ifndef AUTH_DKIM_SIGN_H
#define AUTH_DKIM_SIGN_H

#include "auth/dkim_signature.h"
#include "base/process.h"

enum { SIGNING_KEYS_MAX = 16384, SIGNING_KEYS_PER_DOMAIN_MAX = 4, SIGNING_KEY_BYTES_MAX = 16 * 1024, SIGNING_KEYS_BYTES_MAX = 64 * 1024 * 1024 };

/* All keys below DIRECTORY as process_pems_write() puts them, named "domain/selector"; a folder that is not there has none. What cannot be read is left
 * out with a line in ERROR each, and the result is false. OUT holds secrets: the caller wipes it. */
bool dkim_folder_read(const char *directory, struct buf *out, struct buf *error) __attribute__((warn_unused_result));

struct dkim_keys; /* a set, immutable and reference counted */

/* PEMS as dkim_folder_read() made them; empty: no keys. A key that is none is left out with a line in TROUBLE. NULL: out of memory, or PEMS is malformed. */
struct dkim_keys *dkim_keys_new(struct str pems, struct buf *trouble);
void dkim_keys_unref(struct dkim_keys *k); /* NULL is fine */
size_t dkim_keys_count(const struct dkim_keys *k);

/* The set in use, exchanged as a whole; threads share it. */
struct dkim_signer;
struct dkim_signer *dkim_signer_new(struct dkim_keys *take);
void dkim_signer_swap(struct dkim_signer *s, struct dkim_keys *take);
void dkim_signer_free(struct dkim_signer **s);

/*
 * DKIM-Signature fields for MESSAGE (CR LF lines; a last line without its ending counts as ended) into OUT, one for each key of AUTHOR_DOMAIN, that of
 * the first mailbox in From, or of the nearest domain above it that has keys. Nothing where there are no keys, no From, or where what would be signed
 * is not what would arrive: bare CR or LF, a header that begins with a continuation. False: out of memory, or a key that does not sign.
 */
bool dkim_sign(struct dkim_signer *s, struct str author_domain, struct str message, int64_t now_s, struct buf *out) __attribute__((warn_unused_result));

/* For `postern dkim`: a new key of TYPE ("rsa", "ed25519") as PEM into OUT (secret: the caller wipes it). */
bool dkim_key_make(const char *type, struct buf *out) __attribute__((warn_unused_result));
/* The text of the DNS record for the key in PEM; false with the reason in ERROR. */
bool dkim_key_record(struct str pem, struct buf *record, struct buf *error) __attribute__((warn_unused_result));
/* May SELECTOR name a key (RFC 6376 §3.1: labels of a host name)? */
bool dkim_selector_is_valid(struct str selector);

#endif
