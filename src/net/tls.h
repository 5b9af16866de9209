/*
 * tls.h: OpenSSL contexts. Server side: several certificates, chosen by SNI (RFC 6066 §3), exchanged as a whole on
 * reload while sessions keep theirs. Client side: encrypted only, or checked against certificate authorities or TLSA records (DANE). TLS 1.2 with forward secrecy and AEAD
 * at least (RFC 9325), no renegotiation, no compression, SSL_MODE_RELEASE_BUFFERS.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/buf.h"
#include "base/str.h"

#include <openssl/types.h>

struct tls_server; /* reference counted */

struct tls_pem { /* one certificate as the master read it */
    struct str chain, key; /* PEM */
    const char *name;      /* for messages: the file */
};

/* NULL with the reason in ERROR. MINIMUM is "1.2" or "1.3". No certificates at all is an error. */
struct tls_server *tls_server_new(const struct tls_pem *pems, size_t count, const char *minimum, struct buf *error);
struct tls_server *tls_server_ref(struct tls_server *t);
void tls_server_unref(struct tls_server *t);
/* A new server session on FD (not owned); NULL when out of memory. */
SSL *tls_server_session(struct tls_server *t, int fd);

struct tls_client;
/* ROOTS: a PEM file of the certificate authorities that are believed; "": the system's. */
struct tls_client *tls_client_new(const char *roots, struct buf *error);
void tls_client_free(struct tls_client **t);

enum { TLS_NAMES_MAX = 4, TLS_TLSA_MAX = 32 };

/* What a server must show before anything is said to it in TLS. All is borrowed for the handshake. */
struct tls_demand {
    const char *name;                /* asked for by SNI; "" or an address: none is (RFC 6066 §3) */
    /* ROOTS: a chain to one of the roots, and a name among subjectAltName. ADVISORY: the same, but where it is not met the session goes on */
    enum { TLS_CHECK_NOTHING, TLS_CHECK_ADVISORY, TLS_CHECK_ROOTS, TLS_CHECK_DANE } check;
    /* Whom the certificate may be for, one of: host names, ".example.net" for any name directly below, or one address alone. Unused with
     * CHECK_NOTHING. With CHECK_DANE they hold where usage 2 matches; usage 3 names the certificate itself (RFC 7672 §3.1.1). */
    const char *names[TLS_NAMES_MAX];
    size_t name_count;
    const struct str *tlsa;          /* CHECK_DANE: records as on the wire */
    size_t tlsa_count;
};

/* A new client session. NULL when out of memory, or where no TLSA record can be used: ask tls_tlsa_is_usable() first. */
SSL *tls_client_session(struct tls_client *t, int fd, const struct tls_demand *demand);
/* RFC 7672 §3.1: usages 2 and 3 with a selector, a matching type and data that we understand. */
bool tls_tlsa_is_usable(struct tls_client *t, struct str record);
/* "3 1 1 0123456789abcdef…", for the log: the record's numbers and the beginning of its data. */
void tls_tlsa_describe(struct str record, char *to, size_t size);

/* Why a client session could not begin. */
enum tls_trouble {
    TLS_TROUBLE_NONE,
    TLS_TROUBLE_HANDSHAKE, /* no certificate was at fault */
    TLS_TROUBLE_NAME,      /* it is for somebody else */
    TLS_TROUBLE_EXPIRED,   /* or not valid yet */
    TLS_TROUBLE_UNTRUSTED, /* no chain to a root, or no TLSA record that matches */
};
/* After a handshake that failed. The words go to WHY. Empties OpenSSL's queue. */
enum tls_trouble tls_client_trouble(const SSL *ssl, char *why, size_t size);
/* After one that went well: what was wrong with the certificate all the same, where it was looked at. */
enum tls_trouble tls_client_doubt(const SSL *ssl, const struct tls_demand *demand, char *why, size_t size);
/* After one that went well with CHECK_DANE: the record that matched, as tls_tlsa_describe(); "" otherwise. */
void tls_client_match(SSL *ssl, char *to, size_t size);

/* Channel bindings of a session whose handshake is done (RFC 9266, RFC 5929), 32 and 12 octets or more, into TO (64 octets); 0: it has none of that kind. */
size_t tls_binding_exporter(SSL *ssl, unsigned char *to);
size_t tls_binding_unique(const SSL *ssl, unsigned char *to);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384 256 bits" for Received and the log; "" when SSL is NULL. */
void tls_describe(const SSL *ssl, char *to, size_t size);
/* The reason of the last failure in this thread's OpenSSL queue (which is emptied). */
void tls_error(char *to, size_t size);

#endif
