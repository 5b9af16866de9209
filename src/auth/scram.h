/*
 * scram.h: SCRAM-SHA-256 and -PLUS, the server's side (RFC 5802, RFC 7677), with channel bindings tls-exporter (RFC 9266) and tls-unique (RFC 5929). Pure
 * functions on bytes: keys and bindings are given, nothing is asked.
 */
#ifndef AUTH_SCRAM_H
#define AUTH_SCRAM_H

#include "base/buf.h"

enum { SCRAM_KEY = 32, SCRAM_SALT = 16, SCRAM_ITERATIONS = 50000, SCRAM_LOGIN_MAX = 320, SCRAM_NONCE_MAX = 256, SCRAM_TEXT_MAX = 160, BINDING_MAX = 64 };

/* What is kept of a password for SCRAM. Who has it can pretend to be the server, and try passwords, but cannot log in with it. */
struct scram_keys {
    uint32_t iterations;
    unsigned char salt[SCRAM_SALT], stored[SCRAM_KEY], server[SCRAM_KEY];
};
/* From a password as the user typed it; false where it cannot be prepared (password.h). Takes tens of milliseconds. */
bool scram_keys_make(struct str raw, struct scram_keys *out) __attribute__((warn_unused_result));
/* "iterations:salt:stored key:server key", base64. */
void scram_keys_format(const struct scram_keys *k, char to[SCRAM_TEXT_MAX]);
bool scram_keys_parse(struct str text, struct scram_keys *out) __attribute__((warn_unused_result));
/* For a login that does not exist: the same ones each time, so that nobody sees that it does not. No proof fits them. */
void scram_keys_pretend(const unsigned char secret[SCRAM_KEY], struct str login, struct scram_keys *out);

/* What the TLS session gives to be bound to. */
struct scram_binding {
    const char *name; /* "tls-exporter" or "tls-unique" */
    unsigned char data[BINDING_MAX];
    size_t len;
};
enum { BINDINGS_MAX = 2 };

struct scram {
    bool is_plus;                    /* the mechanism is SCRAM-SHA-256-PLUS */
    bool plus_was_offered;
    const struct scram_binding *bindings; /* borrowed */
    size_t binding_count;
    char login[SCRAM_LOGIN_MAX + 1], authzid[SCRAM_LOGIN_MAX + 1];
    struct buf transcript;           /* AuthMessage as it grows; owned */
    struct buf nonce, gs2;           /* owned */
    const struct scram_binding *bound; /* NULL: the client binds to nothing */
    struct scram_keys keys;
};

void scram_init(struct scram *s, bool is_plus, bool plus_was_offered, const struct scram_binding *bindings, size_t count);
void scram_clear(struct scram *s);

enum scram_result {
    SCRAM_OK,
    SCRAM_MALFORMED, /* not what RFC 5802 §7 has */
    SCRAM_REFUSED    /* a binding that does not fit, an extension that is not known, a proof that is wrong */
};
/* The client's first message: login and authzid are known then. */
enum scram_result scram_first(struct scram *s, struct str message) __attribute__((warn_unused_result));
/* Our first message, once the keys are known. */
bool scram_challenge(struct scram *s, const struct scram_keys *keys, struct buf *out) __attribute__((warn_unused_result));
/* The client's last message. OK: who knows the password sent it, and OUT has our proof that we know it, too. */
enum scram_result scram_last(struct scram *s, struct str message, struct buf *out) __attribute__((warn_unused_result));

#endif
