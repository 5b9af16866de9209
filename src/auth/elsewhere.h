/*
 * elsewhere.h: passwords that somebody else keeps, asked for by logging in there: an SMTP or IMAP server (AUTH PLAIN), or a directory (LDAP simple bind, RFC 4511 §4.2).
 * Linear, with one deadline for all of it. Nothing secret is said without TLS, but on loopback.
 *
 * The bind is a few octets of BER of our own: libldap would bring a second TLS library and its configuration files into the process that speaks with strangers.
 */
#ifndef AUTH_ELSEWHERE_H
#define AUTH_ELSEWHERE_H

#include "net/stream.h"
#include "net/tls.h"

enum elsewhere_kind { ELSEWHERE_LDAP, ELSEWHERE_SMTP, ELSEWHERE_IMAP };

/* "ldap://host[:port]", and likewise ldaps, smtp, smtps, imap, imaps. */
struct elsewhere_source {
    enum elsewhere_kind kind;
    bool tls_first;      /* the s-forms; the others use STARTTLS */
    char host[256];
    uint16_t port;
};
bool elsewhere_parse(struct str url, struct elsewhere_source *out) __attribute__((warn_unused_result));

struct elsewhere_question {
    const struct elsewhere_source *source;
    struct endpoint at;          /* one address of its host */
    struct tls_client *tls;
    bool verify;                 /* its certificate must be for its host, by a known authority */
    const char *own_name;        /* for EHLO */
    struct str login, password;  /* login: of SMTP and IMAP; for LDAP the DN */
    int64_t deadline_ms;         /* monotonic */
};
enum elsewhere_answer { ELSEWHERE_RIGHT, ELSEWHERE_WRONG, ELSEWHERE_UNKNOWN };

/* WHY (200 octets): for the log where it is UNKNOWN. */
enum elsewhere_answer elsewhere_ask(const struct elsewhere_question *q, char *why, size_t size);

/* TEMPLATE with %u (local part), %d (domain) and %a (the whole login), escaped for a DN (RFC 4514 §2.4). */
bool elsewhere_dn(struct str template, struct str login, struct buf *out) __attribute__((warn_unused_result));

/* LDAP messages (elsewhere_ldap.c). The result code of a response of TYPE (0x61 bind, 0x78 extended), -1: it is none, -2: it is not whole yet; USED its octets. */
bool elsewhere_ldap_bind(struct str dn, struct str password, struct buf *out);
void elsewhere_ldap_starttls(struct buf *out);
int elsewhere_ldap_result(struct str octets, unsigned type, size_t *used);

#endif
