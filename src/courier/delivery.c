/* delivery.c: one attempt: a connection (kept, or opened to the first hop that answers), one transaction, an outcome for each recipient. */
#include "base/clock.h"
#include "base/log.h"
#include "courier/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void connection_close(struct connection **pc, bool politely)
{
    struct connection *one = *pc;

    if (!one)
        return;
    if (politely)
        smtp_client_quit(&one->client);
    else
        smtp_client_close(&one->client);
    free(one);
    *pc = NULL;
}

/* Tells cut_off() which descriptor this worker speaks on. */
static void note_socket(struct courier *c, unsigned worker, int fd)
{
    if (worker >= c->worker_count)
        return; /* the gate's own connections are bounded by their deadline */
    pthread_mutex_lock(&c->lock);
    c->sockets[worker] = fd;
    pthread_mutex_unlock(&c->lock);
}

static const struct ip *source_for(const struct policy *p, const struct hop *hop, struct ip *to)
{
    const struct setting_list *list = setting_list(p, SETTING_source_addresses);

    for (size_t i = 0; i < list->count; i++)
        if (ip_parse(str_from(list->at[i]), to) && to->family == hop->endpoint.ip.family)
            return to;
    return NULL;
}

static int connect_hop(const struct policy *p, const struct policy *system, const struct hop *hop, int64_t deadline_ms)
{
    int64_t own_ms = clock_mono_ms() + setting_number(system, SETTING_connect_timeout);
    struct ip source;

    if (own_ms < deadline_ms)
        deadline_ms = own_ms;
    if (hop->unix_path[0])
        return stream_connect_unix(hop->unix_path, deadline_ms);
    return stream_connect(&hop->endpoint, source_for(p, hop, &source), deadline_ms);
}

static void hop_text(const struct hop *hop, char *to, size_t size)
{
    char ip[IP_TEXT_MAX];

    if (hop->unix_path[0])
        snprintf(to, size, "%s", hop->unix_path);
    else
        snprintf(to, size, "%s[%s]:%u", hop->host, ip_format(&hop->endpoint.ip, ip), (unsigned)hop->endpoint.port);
}

static void set_tls(struct smtp_client_options *o, const struct policy *p, const struct hop *hop, bool requiretls)
{
    const char *wanted = setting_text(p, SETTING_destination_tls);

    o->tls = requiretls || strcmp(wanted, "must") == 0 ? CLIENT_TLS_MUST : strcmp(wanted, "none") == 0 ? CLIENT_TLS_NONE : CLIENT_TLS_MAY;
    if (hop->unix_path[0] && !requiretls)
        o->tls = CLIENT_TLS_NONE;
    o->tls_host = hop->host;
    o->verify = requiretls; /* RFC 8689 §4.2.1: the certificate must be good; otherwise TLS is opportunistic */
}

static struct outcome explain(enum client_result result, const char *host)
{
    switch (result) {
    case CLIENT_TIMEOUT:
        return outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_NO_RESPONSE, "%s did not answer in time", host);
    case CLIENT_MALFORMED:
        return outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_BAD_CONNECTION, "%s answered with something that is not SMTP", host);
    case CLIENT_TLS_FAILED:
        return outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_BAD_CONNECTION, "TLS with %s failed", host);
    default:
        return outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_BAD_CONNECTION, "the connection to %s was lost", host);
    }
}

/* Opens a session with one hop. NULL with the reason in WHY; *next: another hop may do better. */
static struct connection *open_hop(struct courier *c, const struct settings *settings, const struct policy *p, const struct hop *hop,
                                   bool requiretls, int64_t deadline_ms, unsigned worker, struct outcome *why, bool *next)
{
    const struct policy *system = settings_system(settings);
    struct connection *one = calloc(1, sizeof *one);
    char own[256] = "";
    struct smtp_client_options o = {.lmtp = hop->lmtp, .context = c->parts.tls};

    *next = true;
    if (!one) {
        *why = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "out of memory");
        return NULL;
    }
    list_init(&one->list);
    hop_text(hop, one->host, sizeof one->host);
    o.helo = settings_host_name(system, own, sizeof own);
    o.reply_ms = setting_number(system, SETTING_reply_timeout);
    o.final_reply_ms = setting_number(system, SETTING_final_reply_timeout);
    set_tls(&o, p, hop, requiretls);
    for (;;) {
        int fd = connect_hop(p, system, hop, deadline_ms);
        if (fd < 0) {
            *why = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_NO_RESPONSE, "connect to %s: %s", one->host, strerror(errno));
            break;
        }
        note_socket(c, worker, fd);
        enum client_result result = smtp_client_open(&one->client, fd, &o);
        if (result == CLIENT_TLS_FAILED && o.tls == CLIENT_TLS_MAY) {
            o.tls = CLIENT_TLS_NONE; /* opportunistic: plaintext is what it would have been without the offer */
            continue;
        }
        if (result == CLIENT_OK && one->client.reply.code < 400)
            return one;
        if (result == CLIENT_OK) {
            *why = outcome_of_reply(&one->client.reply, hop->lmtp);
            *next = one->client.reply.code / 100 == 4; /* a 5xx greeting is that domain's word (RFC 7504) */
            smtp_client_close(&one->client);
        } else {
            *why = explain(result, one->host);
        }
        break;
    }
    note_socket(c, worker, -1);
    free(one);
    return NULL;
}

static struct outcome of_resolve(enum resolve_result result, struct str domain)
{
    switch (result) {
    case RESOLVE_NO_DOMAIN:
        return outcome_local(OUTCOME_FAILED, REASON_DELIVERY_NO_DOMAIN, "the domain " STR_FMT " cannot be found", STR_ARG(domain));
    case RESOLVE_NULL_MX:
        return outcome_local(OUTCOME_FAILED, REASON_DELIVERY_NULL_MX, "the domain " STR_FMT " says in DNS that it accepts no mail (null MX)",
                             STR_ARG(domain));
    case RESOLVE_LOOP:
        return outcome_local(OUTCOME_FAILED, REASON_DELIVERY_LOOP, "mail for " STR_FMT " would come back to this gateway", STR_ARG(domain));
    default:
        return outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "the route of " STR_FMT " cannot be looked up just now", STR_ARG(domain));
    }
}

struct connection *connection_open(struct courier *c, const struct settings *settings, const struct policy *p, struct str domain, bool requiretls,
                                   int64_t deadline_ms, unsigned worker, struct outcome *why)
{
    struct hop *hops = calloc(HOPS_MAX, sizeof *hops);
    struct connection *one = NULL;
    bool next = true;
    size_t count;

    *why = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "out of memory");
    if (!hops)
        return NULL;
    enum resolve_result result = route_resolve(c->parts.dns, settings, domain, hops, &count);
    if (result != RESOLVE_OK)
        *why = of_resolve(result, domain);
    for (size_t i = 0; result == RESOLVE_OK && i < count && !one && next && clock_mono_ms() < deadline_ms; i++)
        one = open_hop(c, settings, p, &hops[i], requiretls, deadline_ms, worker, why, &next);
    free(hops);
    return one;
}

/* What the message needs and this hop does not offer; NULL: nothing. */
static const char *missing_extension(const struct spool_message *m, const struct smtp_caps *caps)
{
    if (m->mail.smtputf8 && !caps->smtputf8)
        return "SMTPUTF8";
    if (m->mail.body == BODY_BINARYMIME && !(caps->binarymime && caps->chunking))
        return "BINARYMIME";
    if (m->mail.requiretls && !caps->requiretls)
        return "REQUIRETLS";
    /* 8-bit text to a hop without 8BITMIME is sent as it is: nobody has strictly seven bits any more, and
     * re-encoding would break signatures */
    return NULL;
}

static void for_all(struct attempt *a, const struct outcome *o)
{
    for (size_t i = 0; i < a->job->count; i++)
        a->out[i] = *o;
}

static bool refuse_for_extension(struct attempt *a)
{
    const struct spool_message *m = a->job->m;
    const char *missing = missing_extension(m, &a->connection->client.caps);

    if (!missing)
        return false;
    bool tls = strcmp(missing, "REQUIRETLS") == 0;
    struct outcome o = outcome_local(OUTCOME_FAILED, tls ? REASON_DELIVERY_NEEDS_TLS : REASON_DELIVERY_NEEDS_EXTENSION, "%s does not offer %s",
                                     a->connection->host, missing);
    if (m->mail.smtputf8 && !tls)
        str_copy(o.status, sizeof o.status, STR("5.6.7"));
    for_all(a, &o);
    return true;
}

static bool size_is_too_large(struct attempt *a, uint64_t size)
{
    const struct smtp_caps *caps = &a->connection->client.caps;

    if (!caps->size || size <= caps->size)
        return false;
    struct outcome o = outcome_local(OUTCOME_FAILED, REASON_DELIVERY_TOO_LARGE, "%s takes at most %llu bytes, the message has %llu",
                                     a->connection->host, (unsigned long long)caps->size, (unsigned long long)size);
    for_all(a, &o);
    return true;
}

/* Replies into outcomes; recipients that got none share the fate of the connection. */
static void take_replies(struct attempt *a, const struct smtp_client_recipient *rcpts, enum client_result result, bool is_lmtp)
{
    for (size_t i = 0; i < a->job->count; i++) {
        if (rcpts[i].answered && (result == CLIENT_OK || rcpts[i].reply.code / 100 == 5))
            a->out[i] = outcome_of_reply(&rcpts[i].reply, is_lmtp);
        else
            a->out[i] = explain(result, a->connection->host);
        a->out[i].hop_has_dsn = a->connection->client.caps.dsn && !is_lmtp;
    }
}

/* One transaction. True: it was lost before anything was answered, on a connection that had been kept: worth a fresh one. */
static bool send_once(struct attempt *a, struct blob *body, bool was_kept)
{
    struct spool_message *m = a->job->m;
    struct smtp_client_recipient *rcpts = calloc(a->job->count, sizeof *rcpts);
    struct smtp_client_message message = {.mail = &m->mail, .rcpts = rcpts, .rcpt_count = a->job->count, .is_8bit = m->is_8bit};
    bool sent_final = false, any = false;

    if (!rcpts) {
        struct outcome o = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "out of memory");
        for_all(a, &o);
        return false;
    }
    for (size_t i = 0; i < a->job->count; i++)
        rcpts[i].args = &m->recipients[a->job->recipients[i]].args;
    if (m->header)
        message.body[message.body_count++] = blob_bytes(m->header);
    message.body[message.body_count++] = blob_bytes(body);
    enum client_result result = smtp_client_send(&a->connection->client, &message, &sent_final);
    for (size_t i = 0; i < a->job->count; i++)
        any = any || rcpts[i].answered;
    bool again = result == CLIENT_LOST && was_kept && !any && !sent_final;
    if (!again)
        take_replies(a, rcpts, result, a->connection->client.is_lmtp);
    free(rcpts);
    if (result != CLIENT_OK)
        connection_close(&a->connection, false);
    return again;
}

void delivery_attempt(struct attempt *a)
{
    struct spool_message *m = a->job->m;
    struct blob *body = spool_message_body(a->courier->parts.spool, m);
    int64_t deadline_ms = clock_mono_ms() + setting_number(settings_system(a->settings), SETTING_final_reply_timeout);
    struct outcome why = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "the message could not be read from the queue");

    if (!body) {
        log_error("message %s could not be read from the queue: it is tried again later", m->reference);
        for_all(a, &why);
        return;
    }
    bool was_kept = a->connection != NULL;
    if (was_kept && (m->mail.requiretls || !smtp_client_is_alive(&a->connection->client)))
        connection_close(&a->connection, m->mail.requiretls); /* a kept one was not verified */
    was_kept = a->connection != NULL;
    do {
        if (!a->connection) {
            was_kept = false;
            a->connection = connection_open(a->courier, a->settings, a->policy, str_from(a->job->to->domain), m->mail.requiretls, deadline_ms,
                                            a->worker, &why);
        }
        if (!a->connection) {
            a->host_is_down = why.kind == OUTCOME_DEFERRED;
            for_all(a, &why);
            break;
        }
        note_socket(a->courier, a->worker, a->connection->client.stream.fd);
        if (refuse_for_extension(a) || size_is_too_large(a, blob_size(body) + (m->header ? blob_size(m->header) : 0)))
            break;
    } while (send_once(a, body, was_kept));
    note_socket(a->courier, a->worker, -1);
    blob_unref(body);
}

struct smtp_client *courier_open(struct courier *c, const struct settings *settings, struct str domain, int64_t deadline_ms, char *host, size_t host_size)
{
    const struct domain *ours = settings_domain(settings, domain);
    struct outcome why;
    struct connection *one = connection_open(c, settings, ours ? &ours->policy : settings_system(settings), domain, false, deadline_ms,
                                             UINT32_MAX, &why);

    if (!one)
        return NULL;
    str_copy(host, host_size, str_from(one->host));
    return &one->client;
}

void courier_close_client(struct smtp_client **client)
{
    if (!*client)
        return;
    struct connection *one = container_of(*client, struct connection, client);
    connection_close(&one, true);
    *client = NULL;
}
