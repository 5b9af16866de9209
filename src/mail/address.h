/*
 * address.h: mailboxes and paths as SMTP has them (RFC 5321 §4.1.2, §4.1.3; RFC 6531 §3.3 with SMTPUTF8).
 * Pure functions on bytes; nothing here allocates.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/buf.h"
#include "net/ip.h"

enum {
    LOCAL_PART_MAX = 64,  /* octets, RFC 5321 §4.5.3.1.1 */
    DOMAIN_MAX = 255,     /* §4.5.3.1.2 */
    PATH_MAX_OCTETS = 256 /* §4.5.3.1.3, brackets included */
};

struct address {
    char text[LOCAL_PART_MAX + 1 + DOMAIN_MAX + 1]; /* "local@domain"; "" is the null sender, "postmaster" has no @ */
    uint16_t local_len;                             /* octets before the last @ */
    uint16_t len;
    bool is_utf8;                                   /* was written with octets above 127 (in the domain they are A-labels now) */
    bool is_literal;                                /* domain is [address] */
};

enum address_result {
    ADDRESS_OK,
    ADDRESS_MALFORMED,
    ADDRESS_TOO_LONG,
    ADDRESS_NEEDS_SMTPUTF8
};

/*
 * Parses a path "<…>" at the start of *REST, which is advanced behind the ">". Source routes (@a,@b:) are accepted and dropped
 * (§4.1.1.3, Appendix C); quoted local parts are kept as written where they need their quotes, unquoted where not;
 * the domain is lower-cased, and turned into A-labels where it has U-labels. WHY (may be NULL) gets a few words for the reply.
 * ALLOW_NULL: "<>" is fine. ALLOW_POSTMASTER: "<postmaster>" without domain is fine (§4.1.1.3).
 */
enum address_result path_parse(struct str *rest, bool allow_null, bool allow_postmaster, bool smtputf8,
                               struct address *out, const char **why) __attribute__((warn_unused_result));
/* The same for a bare "local@domain" without brackets. */
enum address_result address_parse(struct str text, bool smtputf8, struct address *out, const char **why)
    __attribute__((warn_unused_result));

struct str address_text(const struct address *a);
struct str address_local(const struct address *a);     /* as written, perhaps with quotes */
/* The local part's meaning: quotes and backslashes taken off. TO has room for LOCAL_PART_MAX + 1. Returns its length. */
size_t address_local_unquoted(const struct address *a, char *to);
struct str address_domain(const struct address *a);    /* "" for null and bare postmaster */
bool address_is_null(const struct address *a);
bool address_eq(const struct address *a, const struct address *b); /* domain any case, local part any case */
/* Is the local part postmaster or abuse (RFC 2142), any case? */
bool address_is_role(const struct address *a);

/* A host name by RFC 1123 §2.1 / RFC 5321 §2.3.5: letters, digits, hyphens, labels of 1…63, at most 253; with UTF8 also U-labels. */
bool domain_is_valid(struct str domain, bool utf8);
bool domain_is_full(struct str domain); /* valid, and at least two labels, the last one not all digits */
/* Lower case, U-labels turned into A-labels (RFC 5890, by libidn2), no final dot; into TO, NUL-terminated. False when it is no domain name. */
bool domain_to_ascii(struct str domain, char *to, size_t size) __attribute__((warn_unused_result));
/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321 §4.1.3). */
bool address_literal_parse(struct str text, struct ip *out) __attribute__((warn_unused_result));

/* xtext (RFC 3461 §4): decodes into TO (bounded by SIZE), encodes into OUT. */
bool xtext_decode(struct str text, char *to, size_t size, size_t *len) __attribute__((warn_unused_result));
void xtext_encode(struct buf *out, struct str text);

#endif
