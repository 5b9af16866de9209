/*
 * session.c: the life of a session between the waiter and the commands. Each wake-up reads what is there, runs the commands that
 * are complete, says what they answered, and parks the session again. Nothing here waits for the client.
 */
#include "gate/authentication.h"
#include "gate/custom_rules.h"
#include "gate/message_texts.h"
#include "gate/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "gate/cut_through.h"
#include "gate/lookup.h"
#include "gate/credentials.h"
#include "gate/lookup_client.h"
#include "gate/outgoing.h"
#include "net/proxy_protocol.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINGER_MS = 5000, LINGER_AT_STOP_MS = 200, LINGER_BYTES = 4 * 1024 * 1024, HANDSHAKE_MS = 60000, PROXY_MS = 10000, PROXY_AGAIN_MS = 100, PROXY_PEEK = 4096, POLITE_MS = 24 * 3600 * 1000 };

static void session_run(struct waiter_item *item, enum wake why);
static void finish_turn(struct session *s, enum session_next next, enum stream_state sent);

const char *gate_authserv_id(const struct session *s)
{
    const char *id = setting_text(session_policy(s), SETTING_authserv_id);
    return *id ? id : s->runtime->host;
}

const struct policy *session_policy(const struct session *s)
{
    return settings_system(s->runtime->settings);
}

void recipient_free(struct recipient *r)
{
    free(r->findings);
    free(r->standing);
    free(r);
}

void session_reset_transaction(struct session *s)
{
    struct transaction *tx = s->tx;

    if (!tx)
        return;
    outgoing_end_message(s);
    custom_rules_tell(s);
    s->tx = NULL;
    cut_through_free(&tx->cut);
    lookup_free(&tx->lookup);
    outgoing_turn_free(&tx->turn);
    free(tx->message_id);
    free(tx->origins);
    authentication_free(&tx->authentication);
    message_texts_free(&tx->texts);
    for (size_t i = 0; i < tx->count; i++)
        recipient_free(tx->recipients[i]);
    free(tx->recipients);
    blob_unref(tx->body);
    gate_runtime_unref(tx->runtime);
    free(tx);
}

static void session_free(struct session *s)
{
    if (s->tx)
        event_incomplete(s);
    session_reset_transaction(s);
    client_lookup_free(&s->asked);
    outgoing_free(&s->outgoing);
    sasl_free(&s->sasl);
    session_leave(s);
    waiter_remove(&s->item);
    stream_close(&s->stream);
    gate_runtime_unref(s->runtime);
    atomic_fetch_sub_explicit(&s->gate->sessions, 1, memory_order_relaxed);
    free(s->findings);
    free(s->helo);
    free(s);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t deadline(const struct session *s)
{
    const struct policy *p = session_policy(s);
    int64_t now_ms = clock_mono_ms();

    switch (s->state) {
    case SESSION_QUIET:
        return s->started_ms + setting_number(p, SETTING_banner_delay);
    case SESSION_PROXY:
        return s->half_header ? now_ms + PROXY_AGAIN_MS : s->started_ms + PROXY_MS;
    case SESSION_HANDSHAKE: /* in all: one that drips is not waited for longer */
    case SESSION_LINGER:
        return s->until_ms;
    case SESSION_DATA:
    case SESSION_CHUNK:
        return earlier(now_ms + setting_number(p, SETTING_idle_timeout), s->tx->data_deadline_ms);
    case SESSION_COMMAND:
    case SESSION_AUTH:
    case SESSION_SKIP_LINE:
    case SESSION_DROP_CHUNK:
        break;
    }
    return earlier(now_ms + setting_number(p, SETTING_idle_timeout), s->started_ms + setting_number(p, SETTING_session_timeout));
}

static void park(struct session *s, short events)
{
    int64_t until_ms = deadline(s); /* first: after arming the session may already be another thread's */

    waiter_arm(&s->item, events, until_ms);
}

void session_handshake(struct session *s, SSL *ssl)
{
    stream_start_tls(&s->stream, ssl);
    s->state = SESSION_HANDSHAKE;
    s->until_ms = clock_mono_ms() + HANDSHAKE_MS;
}

/* Nothing more comes from us; what the client still sends is read off. */
static void close_our_side(struct session *s)
{
    session_leave(s); /* it is no longer served */
    if (s->stream.ssl && !s->stream.handshaking)
        SSL_shutdown(s->stream.ssl);
    shutdown(s->stream.fd, SHUT_WR);
    park(s, POLLIN);
}

static int64_t linger_ms(const struct session *s, bool all_sent)
{
    if (atomic_load(&s->gate->stopping))
        return LINGER_AT_STOP_MS;
    if (!all_sent && s->said_quit) /* a slow reader, but an orderly one: it may read all that it asked for */
        return setting_number(session_policy(s), SETTING_idle_timeout);
    return LINGER_MS;
}

/* Goodbye: what is queued goes out; a client that is still talking gets the time to read it (RFC 1122 §4.2.2.13: closing
 * with unread input resets the connection and may destroy our last reply). */
static void say_goodbye(struct session *s)
{
    enum stream_state sent = stream_flush(&s->stream);

    if (s->tx)
        event_incomplete(s);
    session_reset_transaction(s);
    bool nothing_follows = s->said_quit && sent == STREAM_OK && !stream_has_input(&s->stream);
    if (nothing_follows || s->shed || sent == STREAM_FAILED || sent == STREAM_EOF) {
        session_free(s);
        return;
    }
    s->state = SESSION_LINGER;
    s->until_ms = clock_mono_ms() + linger_ms(s, sent == STREAM_OK);
    s->linger_bytes = 0;
    s->stream.in.len = 0;
    buf_free(&s->stream.in);
    if (sent == STREAM_AGAIN)
        park(s, POLLIN | POLLOUT);
    else
        close_our_side(s);
}

static void linger(struct session *s, enum wake why)
{
    char drop[4096];

    if (why != WAKE_READY) { /* it had its time, or we are stopping */
        session_free(s);
        return;
    }
    short events = POLLIN;
    for (int i = 0; i < 16; i++) {
        ssize_t n = recv(s->stream.fd, drop, sizeof drop, MSG_DONTWAIT);
        if (n < 0)
            break;
        s->linger_bytes += (uint32_t)n;
        if ((n == 0 && !s->stream.out.len) || s->linger_bytes > LINGER_BYTES) {
            session_free(s);
            return;
        }
        if (n == 0) { /* it has said all, and still reads */
            events = 0;
            break;
        }
    }
    if (!s->stream.out.len) {
        park(s, POLLIN);
        return;
    }
    enum stream_state sent = stream_flush(&s->stream);
    if (sent == STREAM_AGAIN)
        park(s, events | POLLOUT);
    else if (sent == STREAM_OK)
        close_our_side(s);
    else
        session_free(s);
}

/* Who is denied authentication has nothing to say on ports that exist for it (store/denials.h). */
static enum session_next turn_away(struct session *s, int64_t left_ms)
{
    struct finding f = auth_denied_finding(left_ms);
    char reference[REFERENCE_LEN + 1];

    random_reference(reference);
    event_refused(s, &f, reference, NULL, NULL, NULL);
    s->closing = true;
    return answer_finding(s, &f, reference);
}

static enum session_next banner(struct session *s)
{
    bool needs_auth = s->service != SERVICE_MX && !s->client.is_trusted_sender;
    int64_t left_ms = needs_auth ? credentials_denied_ms(s, str_n(NULL, 0)) : 0;

    if (left_ms)
        return turn_away(s, left_ms);
    s->state = SESSION_COMMAND;
    return answer(s, REASON_READY);
}

/* The PROXY header is behind us, or none was due: limits, then quiet time, TLS or the banner. */
static enum session_next begin(struct session *s)
{
    const struct policy *p = session_policy(s);
    struct ip key = ip_limit_key(&s->client.peer.ip);

    outgoing_begin(s);
    s->ip_skips = lists_ip_skips(s->runtime->lists, &s->client.peer.ip, &(struct list_scope){0});
    if (!session_admit(s))
        return SESSION_CLOSE;
    client_lookup_begin(s);
    if (s->service == SERVICE_SUBMISSIONS) {
        if (!s->runtime->tls)
            return SESSION_CLOSE;
        SSL *ssl = tls_server_session(s->runtime->tls, s->stream.fd);
        if (!ssl)
            return SESSION_CLOSE;
        session_handshake(s, ssl);
        return SESSION_WAIT;
    }
    /* the quiet time is for strangers: who once waited for our banner is not asked to prove it again for a day */
    if (setting_number(p, SETTING_banner_delay) > 0 &&
        !counter_get(s->gate->parts.counters, COUNTER_POLITE, &key, sizeof key, POLITE_MS)) {
        s->state = SESSION_QUIET;
        return SESSION_WAIT;
    }
    char peek;
    if (recv(s->stream.fd, &peek, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
        return answer_close(s, REASON_PIPELINED_TOO_EARLY, "before the banner");
    return banner(s);
}

/* Only looked at until it is complete, then taken exactly: behind it a TLS handshake may follow that is OpenSSL's to read. */
static enum session_next read_proxy(struct session *s)
{
    struct proxy_header header;
    char peek[PROXY_PEEK];
    size_t used;
    ssize_t n = recv(s->stream.fd, peek, sizeof peek, MSG_PEEK | MSG_DONTWAIT);

    s->half_header = n > 0;
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? SESSION_WAIT : SESSION_CLOSE;
    switch (proxy_parse(str_n(peek, (size_t)n), &header, &used)) {
    case PROXY_MORE:
        return SESSION_WAIT;
    case PROXY_MALFORMED:
        log_warning("a peer of proxy_networks sent no valid PROXY header: closed");
        return SESSION_CLOSE;
    case PROXY_OK:
        break;
    }
    if (recv(s->stream.fd, peek, used, MSG_DONTWAIT) != (ssize_t)used)
        return SESSION_CLOSE;
    if (!header.is_local)
        s->client.peer = header.source;
    return begin(s);
}

static enum session_next handshake(struct session *s)
{
    char why[200];

    switch (stream_handshake(&s->stream)) {
    case STREAM_OK:
        break;
    case STREAM_AGAIN:
        return SESSION_WAIT;
    default:
        tls_error(why, sizeof why);
        log_debug("TLS handshake: %s", why);
        return SESSION_CLOSE;
    }
    s->client.tls = true;
    return s->started_tls ? (s->state = SESSION_COMMAND, SESSION_GO_ON) : banner(s);
}

static bool is_auth(struct str line)
{
    return str_starts_case(line, STR("AUTH "));
}

/* Longest command, CR LF included. One that begins an AUTH exchange may bring as much as its later lines (RFC 4954 §4). */
static size_t most_of_command(const struct session *s, struct str input)
{
    size_t most = (size_t)setting_number(session_policy(s), SETTING_max_command_line);

    return is_auth(input) && most < SASL_LINE_MAX ? SASL_LINE_MAX : most;
}

/* One command line out of the buffer. Only CR LF ends it (RFC 5321 §2.3.8). */
static enum session_next read_command(struct session *s)
{
    struct str input = stream_input(&s->stream);
    size_t most = most_of_command(s, input);
    ptrdiff_t end = str_find(input, '\n');

    if (end < 0 || (size_t)end + 1 > most) {
        if (input.len < most)
            return SESSION_WAIT;
        s->state = SESSION_SKIP_LINE;
        return SESSION_GO_ON;
    }
    if (end == 0 || input.at[end - 1] != '\r')
        return answer_close(s, REASON_BAD_LINE_ENDING, "a command ended in a bare LF");
    char line[65536 + 1];
    size_t len = (size_t)end - 1;
    if (memchr(input.at, '\r', len) || memchr(input.at, '\0', len)) /* another reader could see two commands, or another one */
        return answer_close(s, REASON_BAD_LINE_ENDING, memchr(input.at, '\0', len) ? "NUL in a command" : "bare CR in a command");
    memcpy(line, input.at, len); /* the handler may read further input, which would move the buffer */
    if (!is_auth(str_n(line, len))) {
        stream_consume(&s->stream, (size_t)end + 1);
        return command_run(s, str_n(line, len));
    }
    stream_consume_secret(&s->stream, (size_t)end + 1);
    enum session_next next = command_run(s, str_n(line, len));
    explicit_bzero(line, len);
    return next;
}

static enum session_next skip_line(struct session *s)
{
    struct str input = stream_input(&s->stream);
    ptrdiff_t end = str_find(input, '\n');

    if (end < 0) {
        stream_consume(&s->stream, input.len);
        return SESSION_WAIT;
    }
    stream_consume(&s->stream, (size_t)end + 1);
    bool in_auth = s->sasl != NULL;
    sasl_free(&s->sasl);
    s->state = SESSION_COMMAND;
    return answer(s, in_auth ? REASON_AUTH_LINE_TOO_LONG : REASON_LINE_TOO_LONG);
}

static enum session_next step(struct session *s)
{
    switch (s->state) {
    case SESSION_PROXY:
        return read_proxy(s);
    case SESSION_QUIET:
        return answer_close(s, REASON_PIPELINED_TOO_EARLY, "before the banner");
    case SESSION_HANDSHAKE:
        return handshake(s);
    case SESSION_COMMAND:
        return read_command(s);
    case SESSION_AUTH:
        return auth_read(s);
    case SESSION_SKIP_LINE:
        return skip_line(s);
    case SESSION_DATA:
        return data_read(s);
    case SESSION_CHUNK:
        return chunk_read(s);
    case SESSION_DROP_CHUNK:
        return chunk_drop(s);
    case SESSION_LINGER:
        break;
    }
    return SESSION_CLOSE;
}

/* Runs what can be run on the input that is there. */
static enum session_next work(struct session *s)
{
    enum session_next next = SESSION_GO_ON;

    s->paused = false;
    while (next == SESSION_GO_ON) {
        if (s->state != SESSION_HANDSHAKE && !stream_input(&s->stream).len)
            return SESSION_WAIT;
        if (s->stream.out.len > STREAM_OUT_MAX / 2) {
            s->paused = true; /* it must read our answers before it may ask more */
            return SESSION_WAIT;
        }
        next = step(s);
    }
    return next;
}

static enum session_next timed_out(struct session *s)
{
    switch (s->state) {
    case SESSION_QUIET: {
        struct ip key = ip_limit_key(&s->client.peer.ip);
        counter_add(s->gate->parts.counters, COUNTER_POLITE, &key, sizeof key, 1, POLITE_MS);
        return banner(s);
    }
    case SESSION_PROXY:
        return clock_mono_ms() - s->started_ms < PROXY_MS ? read_proxy(s) : SESSION_CLOSE;
    case SESSION_HANDSHAKE:
    case SESSION_LINGER:
        return SESSION_CLOSE;
    default:
        return answer_close(s, REASON_TIMEOUT, s->tx ? "the message took too long" : "nothing was said for too long");
    }
}

static enum session_next stop(struct session *s)
{
    if (s->state == SESSION_HANDSHAKE || s->state == SESSION_PROXY)
        return SESSION_CLOSE;
    return answer_close(s, REASON_SHUTTING_DOWN, NULL);
}

/* One turn: read what is there, work on it. SESSION_CLOSE with `closed` in the stream: the client is gone. */
static enum session_next turn(struct session *s, enum wake why)
{
    if (why == WAKE_STOP)
        return stop(s);
    if (why == WAKE_DEADLINE)
        return timed_out(s);
    if (s->stream.out.len && stream_flush(&s->stream) == STREAM_FAILED)
        return SESSION_CLOSE;
    if (s->state == SESSION_PROXY)
        return read_proxy(s);
    if (s->state == SESSION_DATA || s->state == SESSION_CHUNK)
        stream_expect_bulk(&s->stream);
    if (s->state != SESSION_HANDSHAKE && !s->paused && s->stream.in.len < STREAM_IN_MAX) {
        enum stream_state got = stream_fill(&s->stream);
        if (got == STREAM_EOF || got == STREAM_FAILED)
            return SESSION_CLOSE;
    }
    return work(s);
}

/* Is there something to do that no poll() will announce: commands held back until our answers were sent, or
 * bytes that OpenSSL has decrypted already? */
static bool has_hidden_work(const struct session *s)
{
    if (s->state == SESSION_LINGER || s->stream.out.len)
        return false;
    return s->paused || (s->stream.ssl && !s->stream.handshaking && SSL_pending(s->stream.ssl) > 0);
}

static void session_run(struct waiter_item *item, enum wake why)
{
    struct session *s = container_of(item, struct session, item);
    enum stream_state sent = STREAM_OK;
    enum session_next next;

    if (s->state == SESSION_LINGER) {
        linger(s, why);
        return;
    }
    do {
        next = turn(s, why);
        why = WAKE_READY;
        if (next != SESSION_CLOSE && s->stream.out.len)
            sent = stream_flush(&s->stream);
    } while (next != SESSION_CLOSE && sent == STREAM_OK && has_hidden_work(s));
    finish_turn(s, next, sent);
}

static void finish_turn(struct session *s, enum session_next next, enum stream_state sent)
{
    if (s->stream.closed || sent == STREAM_FAILED || sent == STREAM_EOF)
        session_free(s);
    else if (next == SESSION_CLOSE)
        say_goodbye(s);
    else if (s->state == SESSION_PROXY)
        park(s, s->half_header ? 0 : POLLIN);
    else
        park(s, sent == STREAM_AGAIN || s->stream.ssl ? s->stream.wants : POLLIN);
}

void session_start(struct gate *g, int fd, enum service service, const struct endpoint *peer)
{
    struct session *s = calloc(1, sizeof *s);

    if (!s) {
        close(fd);
        return;
    }
    atomic_fetch_add_explicit(&g->sessions, 1, memory_order_relaxed);
    s->gate = g;
    s->runtime = gate_take(g);
    s->service = s->client.service = service;
    s->client.peer = *peer;
    s->started_ms = clock_mono_ms();
    stream_init(&s->stream, fd);
    if (!waiter_add(g->parts.waiter, &s->item, fd, session_run)) {
        log_error("session: out of kernel memory for the waiter");
        atomic_fetch_sub_explicit(&g->sessions, 1, memory_order_relaxed);
        stream_close(&s->stream);
        gate_runtime_unref(s->runtime);
        free(s);
        return;
    }
    if (!gate_is_short(g, fd) && networks_have(setting_networks(session_policy(s), SETTING_proxy_networks), &peer->ip)) {
        s->state = SESSION_PROXY;
        park(s, POLLIN);
        return;
    }
    enum session_next next = begin(s);
    finish_turn(s, next, s->stream.out.len && next != SESSION_CLOSE ? stream_flush(&s->stream) : STREAM_OK);
}
