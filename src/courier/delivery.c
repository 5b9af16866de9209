/* delivery.c: one attempt: a connection (kept, or opened to the first hop that answers), one transaction, an outcome for each recipient. */
#include "base/clock.h"
#include "base/log.h"
#include "courier/callout.h"
#include "courier/security.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { OWN_REPLY_MS = 30000 }; /* a client waits with its RCPT, so the gate's own question may not take a courier's time */

bool connection_may_be_kept(const struct connection *one)
{
    unsigned most = MESSAGES_PER_CONNECTION;

    if (one->client.caps.mail_max && one->client.caps.mail_max < most)
        most = one->client.caps.mail_max; /* RFC 9422 */
    return one->client.messages < most;
}

/* Tells cut_off() which descriptor this worker speaks on; what is opened after it is cut at once. */
static void note_socket(struct courier *c, unsigned worker, int fd)
{
    if (worker >= c->most_workers)
        return; /* the gate's own connections are bounded by their deadline */
    pthread_mutex_lock(&c->lock);
    c->sockets[worker] = fd;
    if (atomic_load(&c->cut) && fd >= 0)
        shutdown(fd, SHUT_RDWR);
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

static int connect_hop(struct courier *c, unsigned worker, const struct policy *p, const struct policy *system, const struct hop *hop,
                       int64_t deadline_ms)
{
    int64_t own_ms = clock_mono_ms() + setting_number(system, SETTING_connect_timeout);
    struct ip source;

    if (own_ms < deadline_ms)
        deadline_ms = own_ms;
    if (hop->unix_path[0])
        return stream_connect_unix(hop->unix_path, deadline_ms);
    int fd = stream_socket(&hop->endpoint, source_for(p, hop, &source));
    if (fd < 0)
        return -1;
    note_socket(c, worker, fd);
    fd = stream_connect_on(fd, &hop->endpoint, deadline_ms);
    if (fd < 0)
        note_socket(c, worker, -1);
    return fd;
}

static void hop_text(const struct hop *hop, char *to, size_t size)
{
    char ip[IP_TEXT_MAX];

    if (hop->unix_path[0])
        snprintf(to, size, "%s", hop->unix_path);
    else
        snprintf(to, size, "%s[%s]:%u", hop->host, ip_format(&hop->endpoint.ip, ip), (unsigned)hop->endpoint.port);
}

static struct outcome explain(enum client_result result, const char *host)
{
    switch (result) {
    case CLIENT_TIMEOUT:
        return outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_NO_RESPONSE, "%s did not answer in time", host);
    case CLIENT_MALFORMED:
        return outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_BAD_CONNECTION, "%s answered with something that is not SMTP", host);
    default:
        return outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_BAD_CONNECTION, "the connection to %s was lost", host);
    }
}

/* The name in a reply to EHLO: "250-mx.example.net …". */
static struct str greeted_name(const struct smtp_reply *reply)
{
    struct str text = str_from_index(str_from(reply->text), 4);

    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] == ' ' || text.at[i] == '\n')
            return str_sub(text, 0, i);
    return text;
}

/* A session is open: may this message, or any, go there? False with the reason in WHY. */
static bool suits(const struct connection *one, const char *own, enum tls_wish wish, struct outcome *why)
{
    /* LMTP serves mailboxes: a local delivery agent has the host's name rightly */
    if (!one->client.is_lmtp && str_is_case(greeted_name(&one->client.reply), own)) {
        *why = outcome_local(OUTCOME_FAILED, REASON_DELIVERY_LOOP, "%s greets as %s, which is this gateway's own name", one->host, own);
        return false;
    }
    if (wish == TLS_WISH_REQUIRED && !one->client.caps.requiretls) {
        *why = outcome_local(OUTCOME_FAILED, REASON_DELIVERY_NEEDS_TLS, "%s does not offer REQUIRETLS", one->host);
        return false;
    }
    return true;
}

/* What opening a session with one hop needs, and what comes of it. */
struct opening {
    struct courier *courier;
    const struct settings *settings;
    const struct policy *policy;
    const struct hop *hop;
    struct str destination;
    enum tls_wish wish;
    int64_t deadline_ms;
    unsigned worker;
    struct security security;
    struct ip sending;   /* our own address of the last connection; family 0: none */
    struct outcome *why; /* where there is none */
    bool next;           /* and another hop may do better */
};

/* The answer to a session that stands: is it one that we can use? */
static bool judge_session(struct opening *o, struct connection *one, const char *own)
{
    if (one->client.reply.code / 100 == 2) {
        one->is_verified = o->security.is_proof && one->client.used_tls && one->client.caps.requiretls;
        one->is_relaxed = o->security.is_relaxed;
        security_describe(&o->security, &one->client, one->policy, sizeof one->policy);
        return suits(one, own, o->wish, o->why);
    }
    *o->why = outcome_of_reply(&one->client.reply, o->hop->lmtp);
    o->next = one->client.reply.code != 521 && one->client.reply.code != 556; /* those speak for the domain (RFC 7504); 554 for this host */
    return false;
}

static void note_source(struct opening *o, int fd)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa;
    uint16_t port;

    if (!o->hop->unix_path[0] && getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
        o->sending = ip_from_sockaddr((struct sockaddr *)&sa, &port);
}

/* Connects, and speaks until mail can go. False with the reason in o->why. */
static bool open_session(struct opening *o, struct connection *one)
{
    const struct policy *system = settings_system(o->settings);
    char own[256] = "", tls_why[sizeof one->client.tls_why] = "";
    enum client_tls_trouble trouble = CLIENT_TLS_FINE;
    struct smtp_client_options options = {
        .lmtp = o->hop->lmtp,
        .context = o->courier->parts.tls,
        .helo = settings_host_name(system, own, sizeof own),
        .reply_ms = setting_number(system, SETTING_reply_timeout),
        .final_reply_ms = setting_number(system, SETTING_final_reply_timeout),
        .until_ms = o->deadline_ms,
        .demand = o->security.demand,
        .trace = o->courier->trace,
    };

    options.tls = o->security.tls == SECURITY_NONE ? CLIENT_TLS_NONE : o->security.tls == SECURITY_MUST ? CLIENT_TLS_MUST : CLIENT_TLS_MAY;
    for (;;) {
        int fd = connect_hop(o->courier, o->worker, o->policy, system, o->hop, o->deadline_ms);
        if (fd < 0) {
            *o->why = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_NO_RESPONSE, "connect to %s: %s", one->host, strerror(errno));
            return false;
        }
        note_socket(o->courier, o->worker, fd);
        note_source(o, fd);
        enum client_result result = smtp_client_open(&one->client, fd, &options);
        if (result == CLIENT_TLS_FAILED && options.tls == CLIENT_TLS_MAY) {
            options.tls = CLIENT_TLS_NONE; /* opportunistic: plaintext is what it would have been without the offer */
            str_copy(tls_why, sizeof tls_why, str_from(one->client.tls_why));
            trouble = one->client.tls_trouble;
            continue;
        }
        if (tls_why[0]) {
            str_copy(one->client.tls_why, sizeof one->client.tls_why, str_from(tls_why));
            one->client.tls_trouble = trouble;
        }
        if (result == CLIENT_OK)
            return judge_session(o, one, own);
        *o->why = result == CLIENT_TLS_FAILED ? security_failed(&o->security, &one->client, one->host) : explain(result, one->host);
        return false;
    }
}

/* Opens a session with one hop. NULL with the reason in o->why. HOST gets the hop's name. */
static struct connection *open_hop(struct opening *o, char *host)
{
    struct connection *one = calloc(1, sizeof *one);

    o->next = true;
    if (!one) {
        *o->why = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "out of memory");
        return NULL;
    }
    list_init(&one->list);
    one->client.stream.fd = -1;
    struct security_question question = {.courier = o->courier, .system = settings_system(o->settings), .policy = o->policy, .hop = o->hop,
                                         .destination = o->destination, .wish = o->wish, .deadline_ms = o->deadline_ms};
    hop_text(o->hop, one->host, sizeof one->host);
    str_copy(host, HOST_TEXT_MAX, str_from(one->host));
    bool is_usable = security_choose(&question, &o->security, o->why), is_open = is_usable && open_session(o, one);
    if (o->worker < o->courier->most_workers) /* the gate's own questions are no deliveries */
        security_note(&question, &o->security, is_usable ? NULL : o->why, &one->client, &o->sending);
    security_clear(&o->security);
    if (is_open)
        return one;
    note_socket(o->courier, o->worker, -1);
    if (one->client.stream.fd >= 0 && one->client.reply.code / 100 == 2)
        connection_retire(o->courier, &one);
    else
        connection_drop(&one);
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

struct connection *connection_open_among(struct courier *c, const struct settings *settings, const struct policy *p, struct str domain,
                                         const struct hop *hops, size_t count, size_t *at, enum tls_wish wish, int64_t deadline_ms, unsigned worker,
                                         char *host, struct outcome *why)
{
    struct connection *one = NULL;
    struct outcome last;
    struct opening o = {.courier = c, .settings = settings, .policy = p, .destination = domain, .wish = wish, .deadline_ms = deadline_ms, .worker = worker,
                        .why = &last, .next = true};
    bool is_open_question = false;

    *why = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "%s",
                         atomic_load(&c->cut) ? "the gateway was stopped" : "there was no time left to ask its hosts");
    for (; *at < count && !one && o.next && clock_mono_ms() < deadline_ms && !atomic_load(&c->cut); ++*at) {
        o.hop = &hops[*at];
        one = open_hop(&o, host);
        if (!one && !(is_open_question && o.next && last.kind == OUTCOME_FAILED)) /* a hop that may do better later outweighs one that cannot */
            *why = last;
        is_open_question = is_open_question || (!one && last.kind == OUTCOME_DEFERRED);
    }
    return one;
}

struct connection *connection_open(struct courier *c, const struct settings *settings, const struct policy *p, struct str domain, enum tls_wish wish,
                                   int64_t deadline_ms, unsigned worker, char *host, struct outcome *why)
{
    struct hop *hops = calloc(HOPS_MAX, sizeof *hops);
    struct connection *one = NULL;
    size_t count, at = 0;

    host[0] = '\0';
    *why = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "out of memory");
    if (!hops)
        return NULL;
    enum resolve_result result = route_resolve(c->parts.dns, settings, domain, hops, &count);
    if (result == RESOLVE_OK)
        one = connection_open_among(c, settings, p, domain, hops, count, &at, wish, deadline_ms, worker, host, why);
    else
        *why = of_resolve(result, domain);
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
    /* 8-bit text to a hop without 8BITMIME is sent as it is: nobody has strictly seven bits any more, and
     * re-encoding would break signatures */
    return NULL;
}

static void for_those(struct attempt *a, const uint32_t *who, size_t count, const struct outcome *o)
{
    for (size_t i = 0; i < count; i++)
        a->out[who[i]] = *o;
}

static bool lacks_extension(const struct attempt *a, struct outcome *o)
{
    const struct spool_message *m = a->job->m;
    const char *missing = missing_extension(m, &a->connection->client.caps);

    if (!missing)
        return false;
    *o = outcome_local(OUTCOME_FAILED, REASON_DELIVERY_NEEDS_EXTENSION, "%s does not offer %s", a->connection->host, missing);
    if (strcmp(missing, "SMTPUTF8") == 0)
        str_copy(o->status, sizeof o->status, STR("5.6.7")); /* RFC 6531 §3.5 */
    return true;
}

static bool size_is_too_large(const struct attempt *a, uint64_t size, struct outcome *o)
{
    const struct smtp_caps *caps = &a->connection->client.caps;

    if (!caps->size || size <= caps->size)
        return false;
    *o = outcome_local(OUTCOME_FAILED, REASON_DELIVERY_TOO_LARGE, "%s takes at most %llu bytes, the message has %llu", a->connection->host,
                       (unsigned long long)caps->size, (unsigned long long)size);
    return true;
}

/* Replies into outcomes; recipients that got none share the fate of the connection. */
static void take_replies(struct attempt *a, const uint32_t *who, size_t count, const struct smtp_client_recipient *rcpts, enum client_result result)
{
    bool is_lmtp = a->connection->client.is_lmtp;

    for (size_t i = 0; i < count; i++) {
        struct outcome *o = &a->out[who[i]];
        *o = rcpts[i].answered ? outcome_of_reply(&rcpts[i].reply, is_lmtp) : explain(result, a->connection->host);
        if (rcpts[i].refused_rcpt || rcpts[i].accepted_rcpt)
            callouts_hear(a->courier->callouts, a->settings, &rcpts[i].args->recipient, rcpts[i].accepted_rcpt ? 250 : rcpts[i].reply.code,
                          rcpts[i].reply.enhanced, rcpts[i].reply.text);
        o->hop_has_dsn = a->connection->client.caps.dsn && !is_lmtp;
    }
}

/* A kept connection that is closed under our hands, or only says 421 (RFC 5321 §3.8), says nothing about the message. */
static bool was_stale(const struct smtp_client_recipient *rcpts, size_t count, enum client_result result)
{
    bool is_closing = result == CLIENT_LOST;

    for (size_t i = 0; i < count; i++) {
        if (rcpts[i].accepted_rcpt || (rcpts[i].answered && rcpts[i].reply.code != 421))
            return false;
        is_closing = is_closing || rcpts[i].answered;
    }
    return is_closing;
}

/* One transaction for the COUNT recipients of the job that WHO names. True: nothing was said about them, on a connection that had been
 * kept: worth a fresh one at once. */
static bool send_once(struct attempt *a, struct blob *body, const uint32_t *who, size_t count, bool was_kept)
{
    struct spool_message *m = a->job->m;
    struct smtp_client_recipient *rcpts = calloc(count, sizeof *rcpts);
    struct mail_args mail = m->mail;
    struct smtp_client_message message = {.mail = &mail, .rcpts = rcpts, .rcpt_count = count, .is_8bit = m->is_8bit};
    bool sent_final = false;

    if (!rcpts) {
        struct outcome o = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "out of memory");
        for_those(a, who, count, &o);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        rcpts[i].args = &m->recipients[a->job->recipients[who[i]]].args;
    mail.sender = courier_sender(a->courier->parts.secrets, a->settings, str_from(a->job->to->domain), &m->mail.sender, m->is_outgoing);
    if (m->header)
        message.body[message.body_count++] = blob_bytes(m->header);
    message.body[message.body_count++] = blob_bytes(body);
    a->connection->client.in_doubt = &a->courier->in_doubt[a->worker];
    enum client_result result = smtp_client_send(&a->connection->client, &message, &sent_final);
    bool again = was_kept && !sent_final && was_stale(rcpts, count, result);
    if (!again)
        take_replies(a, who, count, rcpts, result);
    free(rcpts);
    a->is_slow = a->is_slow || result == CLIENT_TIMEOUT;
    if (result != CLIENT_OK || again)
        connection_drop(&a->connection);
    return again;
}

static void note_security(struct attempt *a)
{
    str_copy(a->tls, sizeof a->tls, str_from(a->connection->client.tls));
    str_copy(a->tls_policy, sizeof a->tls_policy, str_from(a->connection->policy));
}

/* A connection to send on: the kept one while it lives and may be used, or a new one. *WAS_KEPT tells which. */
static bool make_ready(struct attempt *a, int64_t deadline_ms, bool *was_kept)
{
    struct outcome why;

    if (a->connection && ((a->wish == TLS_WISH_REQUIRED && !a->connection->is_verified) || (a->wish != TLS_WISH_OPTIONAL && a->connection->is_relaxed)))
        connection_retire(a->courier, &a->connection);
    if (a->connection && !connection_may_be_kept(a->connection))
        connection_retire(a->courier, &a->connection);
    if (a->connection && !smtp_client_is_alive(&a->connection->client))
        connection_drop(&a->connection);
    *was_kept = a->connection != NULL;
    if (a->connection) {
        str_copy(a->host, sizeof a->host, str_from(a->connection->host));
        note_socket(a->courier, a->worker, a->connection->client.stream.fd);
        note_security(a);
        return true;
    }
    a->connection = connection_open(a->courier, a->settings, a->policy, str_from(a->job->to->domain), a->wish, deadline_ms, a->worker,
                                    a->host, &why);
    if (a->connection) {
        note_security(a);
        return true;
    }
    a->host_is_down = why.kind == OUTCOME_DEFERRED && a->wish != TLS_WISH_REQUIRED; /* what one message asks for must not hold up the others */
    a->trouble = why;
    return false;
}

/* How many recipients of one transaction this hop takes. */
static size_t recipients_at_once(const struct smtp_caps *caps)
{
    return caps->rcpt_max ? caps->rcpt_max : RECIPIENTS_AT_ONCE;
}

static void deliver_to(struct attempt *a, struct blob *body, const uint32_t *who, size_t count)
{
    int64_t deadline_ms = clock_mono_ms() + setting_number(settings_system(a->settings), SETTING_final_reply_timeout);
    uint64_t size = blob_size(body) + (a->job->m->header ? blob_size(a->job->m->header) : 0);
    bool was_kept;

    for (size_t at = 0; at < count;) {
        struct outcome o;
        if (!make_ready(a, deadline_ms, &was_kept)) {
            for_those(a, who + at, count - at, &a->trouble);
            return;
        }
        if (lacks_extension(a, &o) || size_is_too_large(a, size, &o)) {
            for_those(a, who + at, count - at, &o);
            return;
        }
        size_t most = recipients_at_once(&a->connection->client.caps), take = count - at < most ? count - at : most;
        if (!send_once(a, body, who + at, take, was_kept))
            at += take;
    }
}

void delivery_attempt(struct attempt *a)
{
    const struct job *job = a->job;
    struct blob *body = spool_message_body(a->courier->parts.spool, job->m);
    uint32_t *who = calloc(job->count, sizeof *who);
    size_t count = 0;

    for (size_t i = 0; who && i < job->count; i++)
        if (job->m->recipients[job->recipients[i]].state == SPOOL_QUEUED) /* the held and frozen ones of the job stay */
            who[count++] = (uint32_t)i;
    if (body && who) {
        a->wish = message_wish(job->m, blob_bytes(body));
        deliver_to(a, body, who, count);
    } else {
        struct outcome o = outcome_local(OUTCOME_DEFERRED, REASON_DELIVERY_DELAYED, "the message could not be read from the queue");
        log_error("message %s could not be read from the queue: it is tried again later", job->m->reference);
        for (size_t i = 0; i < job->count; i++)
            a->out[i] = o;
    }
    note_socket(a->courier, a->worker, -1);
    free(who);
    blob_unref(body);
}

struct smtp_client *courier_open(struct courier *c, const struct settings *settings, struct str domain, int64_t deadline_ms, char *host, size_t host_size)
{
    const struct domain *ours = settings_domain(settings, domain);
    struct outcome why;
    char hop[HOST_TEXT_MAX];
    struct connection *one = connection_open(c, settings, ours ? &ours->policy : settings_system(settings), domain, TLS_WISH_NONE, deadline_ms,
                                             UINT32_MAX, hop, &why);

    if (!one)
        return NULL;
    str_copy(host, host_size, str_from(hop));
    one->client.until_ms = 0;
    if (one->client.reply_ms > OWN_REPLY_MS)
        one->client.reply_ms = OWN_REPLY_MS;
    return &one->client;
}

void courier_close_client(struct courier *c, struct smtp_client **client)
{
    if (!*client)
        return;
    struct connection *one = container_of(*client, struct connection, client);
    connection_retire(c, &one);
    *client = NULL;
}
