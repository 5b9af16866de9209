/*
 * tls.h: OpenSSL contexts. Server side: several certificates, chosen by SNI (RFC 6066 §3), exchanged as a whole on
 * reload while sessions keep theirs. Client side: opportunistic or required. TLS 1.2 with forward secrecy and AEAD
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
struct tls_client *tls_client_new(struct buf *error);
void tls_client_free(struct tls_client **t);
/* A new client session that asks for HOST by SNI. VERIFY: the chain must lead to the system's roots and name HOST. */
SSL *tls_client_session(struct tls_client *t, int fd, const char *host, bool verify);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384 256 bits" for Received and the log; "" when SSL is NULL. */
void tls_describe(const SSL *ssl, char *to, size_t size);
/* The reason of the last failure in this thread's OpenSSL queue (which is emptied). */
void tls_error(char *to, size_t size);

#endif
