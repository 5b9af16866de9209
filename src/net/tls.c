/* tls.c: see tls.h. */
#include "net/tls.h"

#include "net/ip.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 9325 §4.2: forward secrecy and AEAD; TLS 1.3 suites are OpenSSL's own. */
static const char ciphers_12[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                                 "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                                 "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384";

struct tls_certificate {
    SSL_CTX *context;
    X509 *leaf; /* borrowed from the context */
};

struct tls_server {
    atomic_uint refs;
    size_t count;
    struct tls_certificate at[];
};

void tls_error(char *to, size_t size)
{
    unsigned long code = ERR_get_error();

    if (code)
        ERR_error_string_n(code, to, size);
    else
        snprintf(to, size, "the connection was cut");
    ERR_clear_error();
}

static bool refuse(struct buf *error, const char *name, const char *what)
{
    char why[200];

    tls_error(why, sizeof why);
    buf_addf(error, "%s: %s: %s", name, what, why);
    return false;
}

static void set_common(SSL_CTX *context)
{
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* one record a call: a peer that sends nothing but key updates would keep its thread inside SSL_read() for as long as it likes */
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_cipher_list(context, ciphers_12);
}

static bool load_chain(SSL_CTX *context, const struct tls_pem *pem, struct buf *error)
{
    BIO *bio = BIO_new_mem_buf(pem->chain.at, (int)pem->chain.len);
    X509 *leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL) : NULL, *more;
    bool ok = leaf && SSL_CTX_use_certificate(context, leaf) == 1;

    X509_free(leaf);
    while (ok && (more = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        if (SSL_CTX_add0_chain_cert(context, more) != 1) {
            X509_free(more);
            ok = false;
        }
    BIO_free(bio);
    if (!ok)
        return refuse(error, pem->name, "no certificate could be read");
    ERR_clear_error(); /* the end of the file counts as an error there */
    return true;
}

static int no_password(char *to, int size, int rwflag, void *arg)
{
    (void)rwflag;
    (void)arg;
    if (size > 0)
        to[0] = '\0';
    return 0; /* never asks the terminal */
}

static bool load_key(SSL_CTX *context, const struct tls_pem *pem, struct buf *error)
{
    BIO *bio = BIO_new_mem_buf(pem->key.at, (int)pem->key.len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    bool read = key != NULL, fits = read && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;

    EVP_PKEY_free(key);
    BIO_free(bio);
    if (!read)
        return refuse(error, pem->name, "no private key could be read");
    return fits || refuse(error, pem->name, "the key does not belong to the certificate");
}

static bool matches(const struct tls_certificate *c, const char *name)
{
    return X509_check_host(c->leaf, name, 0, 0, NULL) == 1;
}

static int choose_by_name(SSL *ssl, int *alert, void *arg)
{
    struct tls_server *t = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    for (size_t i = 0; name && i < t->count; i++) {
        if (!matches(&t->at[i], name))
            continue;
        SSL_set_SSL_CTX(ssl, t->at[i].context);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_OK; /* the default one: RFC 6066 §3 allows it, and mail clients seldom check */
}

static SSL_CTX *server_context(const struct tls_pem *pem, const char *minimum, struct buf *error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (!context) {
        refuse(error, pem->name, "TLS");
        return NULL;
    }
    set_common(context);
    SSL_CTX_set_min_proto_version(context, strcmp(minimum, "1.3") == 0 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_dh_auto(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF); /* tickets do it without memory of ours */
    SSL_CTX_set_num_tickets(context, 1);
    if (!load_chain(context, pem, error) || !load_key(context, pem, error)) {
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

struct tls_server *tls_server_new(const struct tls_pem *pems, size_t count, const char *minimum, struct buf *error)
{
    struct tls_server *t = count ? calloc(1, sizeof *t + count * sizeof *t->at) : NULL;

    if (!t) {
        buf_add_text(error, count ? "out of memory" : "no certificate");
        return NULL;
    }
    atomic_init(&t->refs, 1);
    for (size_t i = 0; i < count; i++) {
        SSL_CTX *context = server_context(&pems[i], minimum, error);
        if (!context) {
            tls_server_unref(t);
            return NULL;
        }
        t->at[t->count++] = (struct tls_certificate){context, SSL_CTX_get0_certificate(context)};
    }
    SSL_CTX_set_tlsext_servername_callback(t->at[0].context, choose_by_name);
    SSL_CTX_set_tlsext_servername_arg(t->at[0].context, t);
    return t;
}

struct tls_server *tls_server_ref(struct tls_server *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void tls_server_unref(struct tls_server *t)
{
    if (!t || atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < t->count; i++)
        SSL_CTX_free(t->at[i].context);
    free(t);
}

SSL *tls_server_session(struct tls_server *t, int fd)
{
    SSL *ssl = SSL_new(t->at[0].context);

    if (!ssl || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_accept_state(ssl);
    return ssl;
}

struct tls_client {
    SSL_CTX *context;
};

struct tls_client *tls_client_new(const char *roots, struct buf *error)
{
    struct tls_client *t = calloc(1, sizeof *t);

    if (t)
        t->context = SSL_CTX_new(TLS_client_method());
    if (!t || !t->context || SSL_CTX_dane_enable(t->context) != 1) {
        buf_add_text(error, "TLS client: out of memory");
        tls_client_free(&t);
        return NULL;
    }
    set_common(t->context);
    SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
    if (*roots && SSL_CTX_load_verify_file(t->context, roots) != 1) {
        refuse(error, roots, "no certificate could be read");
        tls_client_free(&t);
        return NULL;
    }
    if (!*roots)
        SSL_CTX_set_default_verify_paths(t->context);
    ERR_clear_error(); /* without a store of roots only verified sessions fail */
    return t;
}

void tls_client_free(struct tls_client **t)
{
    if (!*t)
        return;
    SSL_CTX_free((*t)->context);
    free(*t);
    *t = NULL;
}

/* SSL_set_tlsext_host_name() without its cast, which throws const away. */
static bool set_name(SSL *ssl, const char *host)
{
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)host) == 1;
}

/* Whom the certificate may be for. Any one will do. */
static bool expect_names(SSL *ssl, const struct tls_demand *d)
{
    struct ip ip;

    if (d->name_count && ip_parse(str_from(d->names[0]), &ip))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), d->names[0]) == 1;
    for (size_t i = 0; i < d->name_count; i++)
        if ((i ? SSL_add1_host(ssl, d->names[i]) : SSL_set1_host(ssl, d->names[i])) != 1)
            return false;
    unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS;
    SSL_set_hostflags(ssl, d->check == TLS_CHECK_DANE ? flags : flags | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return d->name_count > 0;
}

enum { TLSA_TRUST_ANCHOR = 2, TLSA_END_ENTITY = 3, TLSA_HEAD = 3 };

/* Usages 0 and 1 would need roots that both sides agree on, which mail has not: RFC 7672 §3.1.3. */
static bool add_tlsa(SSL *ssl, struct str record)
{
    const unsigned char *at = (const unsigned char *)record.at;

    if (record.len <= TLSA_HEAD || (at[0] != TLSA_TRUST_ANCHOR && at[0] != TLSA_END_ENTITY))
        return false;
    bool added = SSL_dane_tlsa_add(ssl, at[0], at[1], at[2], at + TLSA_HEAD, record.len - TLSA_HEAD) == 1;
    ERR_clear_error();
    return added;
}

bool tls_tlsa_is_usable(struct tls_client *t, struct str record)
{
    SSL *ssl = SSL_new(t->context);
    bool usable = ssl && SSL_dane_enable(ssl, NULL) == 1 && add_tlsa(ssl, record);

    SSL_free(ssl);
    return usable;
}

void tls_tlsa_describe(struct str record, char *to, size_t size)
{
    enum { SHOWN = 8 };
    const unsigned char *at = (const unsigned char *)record.at;
    char digits[2 * SHOWN + 1] = "";

    if (record.len <= TLSA_HEAD) {
        snprintf(to, size, "an empty record");
        return;
    }
    for (size_t i = 0; i < SHOWN && TLSA_HEAD + i < record.len; i++)
        snprintf(digits + 2 * i, 3, "%02x", (unsigned)at[TLSA_HEAD + i]);
    snprintf(to, size, "%u %u %u %s%s", (unsigned)at[0], (unsigned)at[1], (unsigned)at[2], digits, record.len > TLSA_HEAD + SHOWN ? "…" : "");
}

static bool expect_dane(SSL *ssl, const struct tls_demand *d)
{
    size_t usable = 0;

    if (SSL_dane_enable(ssl, d->name) != 1 || !expect_names(ssl, d))
        return false;
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS); /* RFC 7672 §3.1.1 */
    for (size_t i = 0; i < d->tlsa_count && i < TLS_TLSA_MAX; i++)
        usable += add_tlsa(ssl, d->tlsa[i]);
    return usable > 0;
}

static bool expect(SSL *ssl, const struct tls_demand *d)
{
    return d->check == TLS_CHECK_DANE ? expect_dane(ssl, d) : d->check == TLS_CHECK_NOTHING || expect_names(ssl, d);
}

SSL *tls_client_session(struct tls_client *t, int fd, const struct tls_demand *d)
{
    SSL *ssl = SSL_new(t->context);
    struct ip ip;

    /* RFC 6066 §3: no address in SNI; some servers end the handshake over one */
    bool has_name = *d->name && *d->name != '/' && !ip_parse(str_from(d->name), &ip);
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || (has_name && !set_name(ssl, d->name)) || !expect(ssl, d)) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_verify(ssl, d->check > TLS_CHECK_ADVISORY ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_set_connect_state(ssl);
    return ssl;
}

static enum tls_trouble of_certificate(long result, char *why, size_t size)
{
    snprintf(why, size, "certificate not good: %s", X509_verify_cert_error_string(result));
    ERR_clear_error();
    switch (result) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return TLS_TROUBLE_NAME;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TLS_TROUBLE_EXPIRED;
    default:
        return TLS_TROUBLE_UNTRUSTED;
    }
}

enum tls_trouble tls_client_trouble(const SSL *ssl, char *why, size_t size)
{
    long result = ssl && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE ? SSL_get_verify_result(ssl) : X509_V_OK;

    if (result != X509_V_OK)
        return of_certificate(result, why, size);
    tls_error(why, size);
    return TLS_TROUBLE_HANDSHAKE;
}

enum tls_trouble tls_client_doubt(const SSL *ssl, const struct tls_demand *demand, char *why, size_t size)
{
    long result = demand->check == TLS_CHECK_NOTHING ? X509_V_OK : SSL_get_verify_result(ssl);

    why[0] = '\0';
    return result == X509_V_OK ? TLS_TROUBLE_NONE : of_certificate(result, why, size);
}

void tls_client_match(SSL *ssl, char *to, size_t size)
{
    enum { MOST_KEPT = 64 };
    uint8_t record[TLSA_HEAD + MOST_KEPT];
    const unsigned char *data = NULL;
    size_t len = 0;

    to[0] = '\0';
    if (!ssl || SSL_get_verify_result(ssl) != X509_V_OK || SSL_get0_dane_tlsa(ssl, &record[0], &record[1], &record[2], &data, &len) < 0 || !data)
        return;
    memcpy(record + TLSA_HEAD, data, len < MOST_KEPT ? len : MOST_KEPT);
    tls_tlsa_describe(str_n((const char *)record, TLSA_HEAD + (len < MOST_KEPT ? len : MOST_KEPT)), to, size);
}

enum { BINDING_ROOM = 64, EXPORTED = 32 };

/* In TLS 1.2 both bindings hold only where the master secret covers the whole handshake (RFC 7627; RFC 9266 §4.2). */
static bool is_tls_1_3(const SSL *ssl)
{
    return SSL_version(ssl) == TLS1_3_VERSION;
}

size_t tls_binding_exporter(SSL *ssl, unsigned char *to)
{
    static const char label[] = "EXPORTER-Channel-Binding";

    if (!is_tls_1_3(ssl) && SSL_get_extms_support(ssl) != 1)
        return 0;
    return SSL_export_keying_material(ssl, to, EXPORTED, label, sizeof label - 1, (const unsigned char *)"", 0, 1) == 1 ? EXPORTED : 0;
}

/* The first Finished message: the client's, or in a resumed session the server's. Not in TLS 1.3. */
size_t tls_binding_unique(const SSL *ssl, unsigned char *to)
{
    if (is_tls_1_3(ssl) || SSL_get_extms_support((SSL *)(uintptr_t)ssl) != 1)
        return 0;
    size_t len = SSL_session_reused(ssl) ? SSL_get_finished(ssl, to, BINDING_ROOM) : SSL_get_peer_finished(ssl, to, BINDING_ROOM);
    return len <= BINDING_ROOM ? len : 0;
}

void tls_describe(const SSL *ssl, char *to, size_t size)
{
    if (!ssl || !SSL_get_current_cipher(ssl)) {
        to[0] = '\0';
        return;
    }
    snprintf(to, size, "%s %s %d bits", SSL_get_version(ssl), SSL_get_cipher_name(ssl), SSL_get_cipher_bits(ssl, NULL));
}
