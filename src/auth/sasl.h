/*
 * sasl.h: an AUTH exchange on the server's side (RFC 4954 §4, RFC 4422): PLAIN (RFC 4616), LOGIN (as Outlook has it), SCRAM-SHA-256 and
 * SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677). Lines go in, challenges come out; who the login is and whether a password is right the caller says.
 */
#ifndef AUTH_SASL_H
#define AUTH_SASL_H

#include "auth/scram.h"

enum sasl_mechanism { SASL_PLAIN, SASL_LOGIN, SASL_SCRAM, SASL_SCRAM_PLUS, SASL_MECHANISMS };
enum { SASL_LINE_MAX = 12288 /* RFC 4954 §4 */, SASL_CHALLENGE_MAX = 1024 };

const char *sasl_mechanism_name(enum sasl_mechanism m);
/* Any case; false where it is none of ours. */
bool sasl_mechanism_find(struct str name, enum sasl_mechanism *out) __attribute__((warn_unused_result));

enum sasl_next {
    SASL_CHALLENGE, /* say it with 334 and give the next line */
    SASL_PASSWORD,  /* login and password are known, and the caller's to judge: the end */
    SASL_KEYS,      /* the login is known: sasl_give_keys() goes on */
    SASL_RIGHT,     /* the client has proved that it knows the password: the end */
    SASL_WRONG,     /* it has proved that it does not, or binds to another channel: the end */
    SASL_MALFORMED, /* no base64, or not what the mechanism has: the end */
    SASL_CANCELLED  /* "*": the end */
};

struct sasl;

/* BINDINGS: what the TLS session gives (copied). NULL out of memory. */
struct sasl *sasl_new(enum sasl_mechanism m, bool plus_was_offered, const struct scram_binding *bindings, size_t count);
void sasl_free(struct sasl **s); /* wipes what was secret */
/* The initial response as it stands in the AUTH command ("=" is an empty one); at == NULL: there is none. CHALLENGE gets the words, not yet in base64. */
enum sasl_next sasl_begin(struct sasl *s, struct str initial, struct buf *challenge);
/* A line of the client, without its ending. */
enum sasl_next sasl_step(struct sasl *s, struct str line, struct buf *challenge);
/* After SASL_KEYS. IS_REAL: the keys belong to an account; where not, no proof is ever right. */
enum sasl_next sasl_give_keys(struct sasl *s, const struct scram_keys *keys, bool is_real, struct buf *challenge);

enum sasl_mechanism sasl_mechanism_of(const struct sasl *s);
const char *sasl_login(const struct sasl *s);       /* "" before it is known */
struct str sasl_password(const struct sasl *s);     /* PLAIN and LOGIN */
/* Whom the client wants to act as; "" itself. */
const char *sasl_authzid(const struct sasl *s);

#endif
