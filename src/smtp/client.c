/* client.c: see client.h. */
#include "smtp/client.h"

#include "base/clock.h"
#include "smtp/dot.h"

#include <openssl/ssl.h>
#include <stdio.h>

enum { COMMAND_MAX = 2048, RCPTS_AT_ONCE = 100, BODY_PIECE = 128 * 1024, QUIT_MS = 2000, TRANSACTION_MS = 2 * 3600 * 1000 };

static enum client_result of_stream(enum stream_state state)
{
    return state == STREAM_TIMEOUT ? CLIENT_TIMEOUT : CLIENT_LOST;
}

static enum client_result dead(struct smtp_client *c, enum client_result why)
{
    stream_close(&c->stream);
    return why;
}

static void note_keyword(void *arg, struct str text)
{
    struct smtp_caps *caps = arg;
    struct str word = str_word(&text);
    uint64_t number;

    if (str_is_case(word, "PIPELINING"))
        caps->pipelining = true;
    else if (str_is_case(word, "8BITMIME"))
        caps->eightbitmime = true;
    else if (str_is_case(word, "SMTPUTF8"))
        caps->smtputf8 = true;
    else if (str_is_case(word, "DSN"))
        caps->dsn = true;
    else if (str_is_case(word, "STARTTLS"))
        caps->starttls = true;
    else if (str_is_case(word, "CHUNKING"))
        caps->chunking = true;
    else if (str_is_case(word, "BINARYMIME"))
        caps->binarymime = true;
    else if (str_is_case(word, "REQUIRETLS"))
        caps->requiretls = true;
    else if (str_is_case(word, "ENHANCEDSTATUSCODES"))
        caps->enhanced_status = true;
    else if (str_is_case(word, "SIZE")) {
        caps->size_known = true;
        caps->size = str_to_u64(str_word(&text), UINT64_MAX, &number) ? number : 0;
    } else if (str_is_case(word, "LIMITS")) {
        for (word = str_word(&text); word.len; word = str_word(&text)) {
            struct str value = word, name = str_cut(&value, '=');
            if (!str_to_u64(value, UINT32_MAX, &number))
                continue;
            if (str_is_case(name, "RCPTMAX"))
                caps->rcpt_max = (uint32_t)number;
            if (str_is_case(name, "MAILMAX"))
                caps->mail_max = (uint32_t)number;
        }
    }
}

static int64_t deadline(const struct smtp_client *c, int64_t patience_ms)
{
    int64_t until_ms = clock_mono_ms() + patience_ms;

    return c->until_ms && c->until_ms < until_ms ? c->until_ms : until_ms;
}

/* One whole reply within PATIENCE_MS in all, however slowly it drips. */
static enum client_result read_any_reply(struct smtp_client *c, int64_t patience_ms, struct smtp_caps *caps)
{
    struct reply_parser parser;
    int64_t deadline_ms = deadline(c, patience_ms);

    reply_parser_init(&parser, &c->reply);
    for (;;) {
        struct str input = stream_input(&c->stream);
        size_t used = 0;
        if (input.len) {
            enum reply_result result = reply_parse(&parser, input, &used, caps ? note_keyword : NULL, caps);
            stream_consume(&c->stream, used);
            if (result == REPLY_DONE) {
                if (c->trace.say)
                    c->trace.say(c->trace.arg, false, str_from(c->reply.text));
                return CLIENT_OK;
            }
            if (result == REPLY_MALFORMED)
                return dead(c, CLIENT_MALFORMED);
            if (used)
                continue;
        }
        if (stream_input(&c->stream).len >= REPLY_LINE_MAX)
            return dead(c, CLIENT_MALFORMED);
        enum stream_state state = stream_fill_wait(&c->stream, deadline_ms);
        if (state != STREAM_OK)
            return dead(c, of_stream(state));
    }
}

/*
 * 3xx is the answer to DATA and to nothing else (RFC 5321 §4.2.1): the other side now waits for a message where we go on with commands, or
 * its replies have come out of step. Either way nothing it says from here on can be believed.
 */
static enum client_result read_reply(struct smtp_client *c, int64_t patience_ms, struct smtp_caps *caps)
{
    enum client_result result = read_any_reply(c, patience_ms, caps);

    return result == CLIENT_OK && c->reply.code / 100 == 3 ? dead(c, CLIENT_MALFORMED) : result;
}

/* The answer to DATA: 354, or a refusal. A 2xx would pass for the message's own reply, although nobody has the message. */
static enum client_result read_go_ahead(struct smtp_client *c)
{
    enum client_result result = read_any_reply(c, c->reply_ms, NULL);

    return result == CLIENT_OK && c->reply.code != 354 && c->reply.code < 400 ? dead(c, CLIENT_MALFORMED) : result;
}

static enum client_result flush(struct smtp_client *c)
{
    enum stream_state state = stream_flush_wait(&c->stream, deadline(c, c->reply_ms));

    return state == STREAM_OK ? CLIENT_OK : dead(c, of_stream(state));
}

static enum client_result queue_bytes(struct smtp_client *c, struct str bytes)
{
    if (c->trace.say)
        c->trace.say(c->trace.arg, true, str_trim(bytes));
    if (stream_queue(&c->stream, bytes))
        return CLIENT_OK;
    enum client_result result = flush(c);
    if (result != CLIENT_OK)
        return result;
    return stream_queue(&c->stream, bytes) ? CLIENT_OK : dead(c, CLIENT_LOST);
}

static enum client_result ask(struct smtp_client *c, const char *command, struct smtp_caps *caps)
{
    enum client_result result = queue_bytes(c, str_from(command));

    if (result == CLIENT_OK)
        result = flush(c);
    return result == CLIENT_OK ? read_reply(c, c->reply_ms, caps) : result;
}

static enum client_result ask_for_data(struct smtp_client *c)
{
    enum client_result result = queue_bytes(c, STR("DATA\r\n"));

    if (result == CLIENT_OK)
        result = flush(c);
    return result == CLIENT_OK ? read_go_ahead(c) : result;
}

static enum client_result greet(struct smtp_client *c, const char *name)
{
    char line[COMMAND_MAX];

    c->caps = (struct smtp_caps){0};
    snprintf(line, sizeof line, "%s %s\r\n", c->is_lmtp ? "LHLO" : "EHLO", name);
    struct smtp_caps caps = {0};
    enum client_result result = ask(c, line, &caps);
    if (result != CLIENT_OK)
        return result;
    if (c->reply.code / 100 == 2) {
        c->caps = caps;
        c->caps.esmtp = true;
        return CLIENT_OK;
    }
    if (c->reply.code / 100 != 5 || c->is_lmtp)
        return CLIENT_OK;
    snprintf(line, sizeof line, "HELO %s\r\n", name); /* RFC 5321 §3.2: an old server */
    return ask(c, line, NULL);
}

static enum client_result no_tls(struct smtp_client *c, enum client_tls_trouble trouble, const char *why)
{
    c->tls_trouble = trouble;
    if (why != c->tls_why)
        str_copy(c->tls_why, sizeof c->tls_why, str_from(why));
    return dead(c, CLIENT_TLS_FAILED);
}

static enum client_result handshake(struct smtp_client *c, const struct tls_demand *demand)
{
    static const enum client_tls_trouble of[] = {[TLS_TROUBLE_HANDSHAKE] = CLIENT_TLS_HANDSHAKE, [TLS_TROUBLE_NAME] = CLIENT_TLS_NAME,
                                                 [TLS_TROUBLE_EXPIRED] = CLIENT_TLS_EXPIRED, [TLS_TROUBLE_UNTRUSTED] = CLIENT_TLS_UNTRUSTED,
                                                 [TLS_TROUBLE_NONE] = CLIENT_TLS_FINE};
    enum stream_state state = stream_handshake_wait(&c->stream, deadline(c, c->reply_ms));

    if (state == STREAM_OK) {
        c->tls_trouble = of[tls_client_doubt(c->stream.ssl, demand, c->tls_why, sizeof c->tls_why)];
        return CLIENT_OK;
    }
    if (state == STREAM_TIMEOUT)
        return no_tls(c, CLIENT_TLS_HANDSHAKE, "the handshake took too long");
    enum tls_trouble trouble = tls_client_trouble(c->stream.ssl, c->tls_why, sizeof c->tls_why);
    return no_tls(c, of[trouble], c->tls_why);
}

static enum client_result start_tls(struct smtp_client *c, const struct smtp_client_options *o)
{
    enum client_result result = ask(c, "STARTTLS\r\n", NULL);

    if (result != CLIENT_OK)
        return result;
    if (c->reply.code != 220) /* RFC 3207 §4: not now. The owner decides whether plaintext will do */
        return no_tls(c, CLIENT_TLS_REFUSED, "STARTTLS was refused");
    if (stream_has_input(&c->stream)) /* plaintext behind the go-ahead would be read as if it came encrypted */
        return no_tls(c, CLIENT_TLS_HANDSHAKE, "plaintext came behind the answer to STARTTLS");
    SSL *ssl = tls_client_session(o->context, c->stream.fd, &o->demand);
    if (!ssl)
        return no_tls(c, CLIENT_TLS_HANDSHAKE, "no TLS session could be made");
    stream_start_tls(&c->stream, ssl);
    result = handshake(c, &o->demand);
    if (result != CLIENT_OK)
        return result;
    c->used_tls = true;
    tls_describe(ssl, c->tls, sizeof c->tls);
    tls_client_match(ssl, c->tls_match, sizeof c->tls_match);
    return greet(c, o->helo);
}

enum client_result smtp_client_open(struct smtp_client *c, int fd, const struct smtp_client_options *o)
{
    *c = (struct smtp_client){.is_lmtp = o->lmtp, .reply_ms = o->reply_ms, .final_reply_ms = o->final_reply_ms,
                              .until_ms = o->until_ms, .trace = o->trace};
    stream_init(&c->stream, fd);
    enum client_result result = read_reply(c, c->reply_ms, NULL);
    if (result != CLIENT_OK || c->reply.code / 100 != 2)
        return result;
    result = greet(c, o->helo);
    if (result != CLIENT_OK || c->reply.code / 100 != 2 || o->tls == CLIENT_TLS_NONE)
        return result;
    if (c->caps.starttls)
        return start_tls(c, o);
    c->tls_trouble = CLIENT_TLS_NOT_OFFERED;
    return o->tls == CLIENT_TLS_MUST ? no_tls(c, CLIENT_TLS_NOT_OFFERED, "it does not offer STARTTLS") : CLIENT_OK;
}

void smtp_client_close(struct smtp_client *c)
{
    stream_close(&c->stream);
}

void smtp_client_quit(struct smtp_client *c)
{
    if (smtp_client_say_quit(c)) {
        int64_t until_ms = clock_mono_ms() + QUIT_MS;
        while (stream_fill_wait(&c->stream, until_ms) == STREAM_OK && stream_input(&c->stream).len < REPLY_LINE_MAX &&
               str_find(stream_input(&c->stream), '\n') < 0)
            continue;
    }
    stream_close(&c->stream);
}

bool smtp_client_say_quit(struct smtp_client *c)
{
    return c->stream.fd >= 0 && !c->stream.closed && stream_queue(&c->stream, STR("QUIT\r\n")) && stream_flush(&c->stream) == STREAM_OK;
}

bool smtp_client_has_left(struct smtp_client *c)
{
    if (stream_input(&c->stream).len >= REPLY_LINE_MAX)
        return true;
    enum stream_state state = stream_fill(&c->stream);
    return state != STREAM_AGAIN && (state != STREAM_OK || str_find(stream_input(&c->stream), '\n') >= 0);
}

bool smtp_client_is_alive(struct smtp_client *c)
{
    if (c->stream.fd < 0 || c->stream.closed || stream_has_input(&c->stream))
        return false;
    return stream_fill(&c->stream) == STREAM_AGAIN; /* anything it says unasked (421) means that it is leaving */
}

static const char *body_word(enum mail_body body, const struct smtp_caps *caps)
{
    if (body == BODY_BINARYMIME && caps->binarymime)
        return " BODY=BINARYMIME";
    if (body == BODY_8BITMIME && caps->eightbitmime)
        return " BODY=8BITMIME";
    return "";
}

/* SIZE: 0 leaves it out. */
static void build_mail(const struct smtp_client *c, const struct mail_args *m, uint64_t size, bool is_8bit, struct buf *out)
{
    enum mail_body body = m->body == BODY_7BIT && is_8bit ? BODY_8BITMIME : m->body;

    buf_addf(out, "MAIL FROM:<" STR_FMT ">", STR_ARG(address_text(&m->sender)));
    if (c->caps.size_known && size)
        buf_addf(out, " SIZE=%llu", (unsigned long long)size);
    buf_add_text(out, body_word(body, &c->caps));
    if (m->smtputf8 && c->caps.smtputf8)
        buf_add_text(out, " SMTPUTF8");
    if (m->requiretls && c->caps.requiretls)
        buf_add_text(out, " REQUIRETLS");
    if (c->caps.dsn && m->ret != DSN_RET_UNSET)
        buf_addf(out, " RET=%s", m->ret == DSN_RET_FULL ? "FULL" : "HDRS");
    if (c->caps.dsn && m->envid[0])
        buf_addf(out, " ENVID=%s", m->envid);
    buf_add_text(out, "\r\n");
}

static void build_rcpt(const struct smtp_client *c, const struct rcpt_args *r, struct buf *out)
{
    static const struct { unsigned flag; const char *word; } words[] = {
        {DSN_NOTIFY_SUCCESS, "SUCCESS"}, {DSN_NOTIFY_FAILURE, "FAILURE"}, {DSN_NOTIFY_DELAY, "DELAY"}};
    const char *before = " NOTIFY=";

    buf_addf(out, "RCPT TO:<" STR_FMT ">", STR_ARG(address_text(&r->recipient)));
    if (c->caps.dsn && r->notify == DSN_NOTIFY_NEVER)
        buf_add_text(out, " NOTIFY=NEVER");
    for (size_t i = 0; c->caps.dsn && i < sizeof words / sizeof *words; i++) {
        if (!(r->notify & words[i].flag))
            continue;
        buf_addf(out, "%s%s", before, words[i].word);
        before = ",";
    }
    if (c->caps.dsn && r->orcpt[0])
        buf_addf(out, " ORCPT=%s", r->orcpt);
    buf_add_text(out, "\r\n");
}

static enum client_result send_built(struct smtp_client *c, struct buf *line, bool and_flush)
{
    enum client_result result = line->failed ? dead(c, CLIENT_LOST) : queue_bytes(c, buf_str(line));

    buf_free(line);
    return result == CLIENT_OK && and_flush ? flush(c) : result;
}

static enum client_result send_mail(struct smtp_client *c, const struct mail_args *mail, uint64_t size, bool is_8bit, bool and_flush)
{
    struct buf line = buf_make(COMMAND_MAX);

    build_mail(c, mail, size, is_8bit, &line);
    return send_built(c, &line, and_flush);
}

static enum client_result send_rcpt(struct smtp_client *c, const struct rcpt_args *rcpt, bool and_flush)
{
    struct buf line = buf_make(COMMAND_MAX);

    build_rcpt(c, rcpt, &line);
    return send_built(c, &line, and_flush);
}

enum client_result smtp_client_mail(struct smtp_client *c, const struct mail_args *mail)
{
    enum client_result result = send_mail(c, mail, mail->size, false, true);

    return result == CLIENT_OK ? read_reply(c, c->reply_ms, NULL) : result;
}

enum client_result smtp_client_rcpt(struct smtp_client *c, const struct rcpt_args *rcpt)
{
    enum client_result result = send_rcpt(c, rcpt, true);

    return result == CLIENT_OK ? read_reply(c, c->reply_ms, NULL) : result;
}

enum client_result smtp_client_rset(struct smtp_client *c)
{
    return ask(c, "RSET\r\n", NULL);
}

struct body_writer {
    struct smtp_client *client;
    enum client_result result;
};

/* Collects what the encoder emits; a full buffer goes out, so a message costs few system calls. */
static bool write_encoded(void *arg, const char *at, size_t len)
{
    struct body_writer *w = arg;
    struct smtp_client *c = w->client;

    if (c->stream.out.len + len <= BODY_PIECE && stream_queue(&c->stream, str_n(at, len)))
        return true;
    enum stream_state state = stream_write_wait(&c->stream, str_n(at, len), deadline(c, c->reply_ms));
    if (state == STREAM_OK)
        return true;
    w->result = dead(c, of_stream(state));
    return false;
}

static enum client_result write_dotted(struct smtp_client *c, const struct str *pieces, size_t count)
{
    struct body_writer w = {.client = c, .result = CLIENT_OK};
    struct dot_encoder e;

    dot_encoder_init(&e);
    for (size_t i = 0; i < count; i++)
        if (!dot_encode(&e, pieces[i], write_encoded, &w))
            return w.result;
    if (!dot_encode_end(&e, write_encoded, &w))
        return w.result;
    return flush(c);
}

static enum client_result write_chunk(struct smtp_client *c, const struct str *pieces, size_t count)
{
    struct body_writer w = {.client = c, .result = CLIENT_OK};
    uint64_t size = 0;
    char line[64];

    for (size_t i = 0; i < count; i++)
        size += pieces[i].len;
    snprintf(line, sizeof line, "BDAT %llu LAST\r\n", (unsigned long long)size);
    enum client_result result = queue_bytes(c, str_from(line));
    for (size_t i = 0; i < count && result == CLIENT_OK; i++)
        if (pieces[i].len && !write_encoded(&w, pieces[i].at, pieces[i].len))
            result = w.result;
    return result == CLIENT_OK ? flush(c) : result;
}

enum client_result smtp_client_body(struct smtp_client *c, const struct str *pieces, size_t count)
{
    enum client_result result = ask_for_data(c);

    if (result != CLIENT_OK || c->reply.code != 354)
        return result;
    result = write_dotted(c, pieces, count);
    c->messages++;
    return result == CLIENT_OK ? read_reply(c, c->final_reply_ms, NULL) : result;
}

struct transaction {
    struct smtp_client *c;
    struct smtp_client_message *m;
    size_t accepted, next; /* recipients accepted; first one not asked about yet */
    bool bdat, mail_refused;
};

static void take_reply(struct smtp_client_recipient *r, const struct smtp_reply *reply)
{
    r->reply = *reply;
    r->answered = true;
}

static void refuse_all(struct transaction *t, const struct smtp_reply *reply)
{
    for (size_t i = 0; i < t->m->rcpt_count; i++)
        if (!t->m->rcpts[i].answered)
            take_reply(&t->m->rcpts[i], reply);
}

static enum client_result read_mail_reply(struct transaction *t)
{
    enum client_result result = read_reply(t->c, t->c->reply_ms, NULL);

    if (result == CLIENT_OK && t->c->reply.code / 100 != 2) {
        t->mail_refused = true;
        refuse_all(t, &t->c->reply);
    }
    return result;
}

static enum client_result read_rcpt_reply(struct transaction *t, struct smtp_client_recipient *r)
{
    enum client_result result = read_reply(t->c, t->c->reply_ms, NULL);

    if (result != CLIENT_OK || t->mail_refused)
        return result;
    r->accepted_rcpt = t->c->reply.code / 100 == 2;
    t->accepted += r->accepted_rcpt;
    r->refused_rcpt = !r->accepted_rcpt;
    if (r->refused_rcpt)
        take_reply(r, &t->c->reply);
    return result;
}

/* RFC 2920 §3.1: MAIL, RCPTs and DATA in one group, DATA last. The groups are bounded, so both sides' buffers never fill at once. */
static enum client_result envelope_pipelined(struct transaction *t, bool *data_sent)
{
    struct smtp_client *c = t->c;
    bool first = true;

    while (t->next < t->m->rcpt_count) {
        size_t from = t->next, to = from + RCPTS_AT_ONCE < t->m->rcpt_count ? from + RCPTS_AT_ONCE : t->m->rcpt_count;
        enum client_result result = CLIENT_OK;
        if (first) {
            uint64_t size = 0;
            for (size_t i = 0; i < t->m->body_count; i++)
                size += t->m->body[i].len;
            result = send_mail(c, t->m->mail, size, t->m->is_8bit, false);
        }
        for (size_t i = from; i < to && result == CLIENT_OK; i++)
            result = send_rcpt(c, t->m->rcpts[i].args, false);
        *data_sent = to == t->m->rcpt_count && !t->bdat;
        if (result == CLIENT_OK && *data_sent)
            result = queue_bytes(c, STR("DATA\r\n"));
        if (result == CLIENT_OK)
            result = flush(c);
        if (result == CLIENT_OK && first)
            result = read_mail_reply(t);
        for (size_t i = from; i < to && result == CLIENT_OK; i++)
            result = read_rcpt_reply(t, &t->m->rcpts[i]);
        if (result != CLIENT_OK)
            return result;
        t->next = to;
        first = false;
        if (t->mail_refused && !*data_sent)
            return CLIENT_OK;
    }
    return CLIENT_OK;
}

static enum client_result envelope_in_step(struct transaction *t)
{
    uint64_t size = 0;

    for (size_t i = 0; i < t->m->body_count; i++)
        size += t->m->body[i].len;
    enum client_result result = send_mail(t->c, t->m->mail, size, t->m->is_8bit, true);
    if (result == CLIENT_OK)
        result = read_mail_reply(t);
    for (size_t i = 0; i < t->m->rcpt_count && result == CLIENT_OK && !t->mail_refused; i++) {
        result = send_rcpt(t->c, t->m->rcpts[i].args, true);
        if (result == CLIENT_OK)
            result = read_rcpt_reply(t, &t->m->rcpts[i]);
    }
    return result;
}

/* What the message got: one reply, or in LMTP one for each accepted recipient (RFC 2033 §4.2). */
static enum client_result read_final(struct transaction *t)
{
    struct smtp_client *c = t->c;
    bool have = false;

    for (size_t i = 0; i < t->m->rcpt_count; i++) {
        struct smtp_client_recipient *r = &t->m->rcpts[i];
        if (!r->accepted_rcpt)
            continue;
        if (!have || c->is_lmtp) {
            enum client_result result = read_reply(c, c->final_reply_ms, NULL);
            if (result != CLIENT_OK)
                return result;
            have = true;
        }
        take_reply(r, &c->reply);
    }
    return CLIENT_OK;
}

/* The server refused DATA itself. */
static void refuse_accepted(struct transaction *t)
{
    for (size_t i = 0; i < t->m->rcpt_count; i++)
        if (t->m->rcpts[i].accepted_rcpt)
            take_reply(&t->m->rcpts[i], &t->c->reply);
}

static enum client_result nothing_to_send(struct transaction *t, bool data_sent)
{
    struct smtp_client *c = t->c;

    if (!data_sent)
        return smtp_client_rset(c);
    enum client_result result = read_go_ahead(c);
    if (result != CLIENT_OK || c->reply.code != 354)
        return result == CLIENT_OK ? smtp_client_rset(c) : result;
    result = ask(c, ".\r\n", NULL); /* RFC 2920 §3.1: 354 all the same; an empty message to nobody ends it */
    return result;
}

static void in_doubt(const struct smtp_client *c, bool yes)
{
    if (c->in_doubt)
        atomic_store(c->in_doubt, yes);
}

static enum client_result send_message(struct smtp_client *c, struct smtp_client_message *m, bool *sent_final)
{
    struct transaction t = {.c = c, .m = m, .bdat = m->mail->body == BODY_BINARYMIME && c->caps.chunking && c->caps.binarymime};
    bool data_sent = false;

    enum client_result result = c->caps.pipelining ? envelope_pipelined(&t, &data_sent) : envelope_in_step(&t);

    *sent_final = false;
    if (result != CLIENT_OK)
        return result;
    if (t.accepted == 0)
        return nothing_to_send(&t, data_sent);
    c->messages++;
    if (t.bdat) {
        *sent_final = true;
        in_doubt(c, true);
        result = write_chunk(c, m->body, m->body_count);
        return result == CLIENT_OK ? read_final(&t) : result;
    }
    result = data_sent ? read_go_ahead(c) : ask_for_data(c);
    if (result != CLIENT_OK)
        return result;
    if (c->reply.code != 354) {
        refuse_accepted(&t);
        return c->reply.code == 421 ? CLIENT_OK : smtp_client_rset(c);
    }
    *sent_final = true;
    in_doubt(c, true);
    result = write_dotted(c, m->body, m->body_count);
    return result == CLIENT_OK ? read_final(&t) : result;
}

enum client_result smtp_client_send(struct smtp_client *c, struct smtp_client_message *m, bool *sent_final)
{
    c->until_ms = clock_mono_ms() + TRANSACTION_MS;
    enum client_result result = send_message(c, m, sent_final);
    in_doubt(c, false);
    return result;
}
