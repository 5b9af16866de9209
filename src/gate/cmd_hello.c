/* cmd_hello.c: HELO and EHLO (RFC 5321 §4.1.1.1). The name is kept and judged at RCPT, so that the attempt is logged under a recipient. */
#include "gate/session.h"

#include <stdlib.h>

enum { HELO_MAX = 512 };

struct offered session_offered(const struct session *s)
{
    const struct policy *p = session_policy(s);
    bool esmtp = s->client.esmtp;

    return (struct offered){
        .size = esmtp,
        .body = esmtp,
        .binarymime = esmtp && setting_flag(p, SETTING_chunking),
        .smtputf8 = esmtp,
        .dsn = esmtp,
        .requiretls = esmtp && setting_flag(p, SETTING_requiretls), /* outside TLS it has an answer of its own */
        .auth = esmtp && auth_is_offered(s),
    };
}

static bool starttls_is_offered(const struct session *s)
{
    return s->runtime->tls_configured && !s->client.tls;
}

/* The keywords behind our name, LF between the lines: the catalogue's formatter makes a multi-line reply of them. */
static void keywords(const struct session *s, struct buf *out)
{
    static const enum sasl_mechanism by_strength[] = {SASL_SCRAM_PLUS, SASL_SCRAM, SASL_PLAIN, SASL_LOGIN};
    const struct policy *p = session_policy(s);

    buf_addf(out, "\nPIPELINING\nSIZE %lld", (long long)setting_number(p, SETTING_max_message_size));
    buf_add_text(out, "\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES");
    if (setting_flag(p, SETTING_chunking))
        buf_add_text(out, "\nCHUNKING\nBINARYMIME");
    if (starttls_is_offered(s))
        buf_add_text(out, "\nSTARTTLS");
    if (auth_is_offered(s)) {
        buf_add_text(out, "\nAUTH");
        for (size_t i = 0; i < sizeof by_strength / sizeof *by_strength; i++)
            if (auth_offers(s, by_strength[i]))
                buf_addf(out, " %s", sasl_mechanism_name(by_strength[i]));
    }
    if (s->client.tls && setting_flag(p, SETTING_requiretls))
        buf_add_text(out, "\nREQUIRETLS");
    buf_addf(out, "\nLIMITS RCPTMAX=%lld", (long long)setting_number(p, SETTING_max_recipients));
    if (setting_number(p, SETTING_max_messages_per_connection))
        buf_addf(out, " MAILMAX=%lld", (long long)setting_number(p, SETTING_max_messages_per_connection));
    if (networks_have(setting_networks(p, SETTING_xclient_networks), &s->client.peer.ip))
        buf_add_text(out, "\nXCLIENT NAME ADDR PORT PROTO HELO DESTADDR DESTPORT LOGIN");
    buf_add_text(out, "\nHELP");
}

static enum session_next greet(struct session *s)
{
    struct buf text = buf_make(4096), out = buf_make(8192);
    struct reply_context context = {.host = str_from(s->runtime->host)};

    buf_add_str(&text, context.host);
    if (s->client.esmtp)
        keywords(s, &text);
    context.host = buf_str(&text);
    reason_reply(&out, REASON_GREETED, &context);
    atomic_fetch_add_explicit(&s->gate->given[REASON_GREETED], 1, memory_order_relaxed);
    bool queued = stream_queue(&s->stream, buf_str(&out));
    buf_free(&text);
    buf_free(&out);
    return queued ? SESSION_GO_ON : SESSION_CLOSE;
}

enum session_next cmd_hello(struct session *s, enum verb verb, struct str args)
{
    struct str name = str_word(&args);

    if (!name.len || name.len > HELO_MAX)
        return answer_detail(s, REASON_BAD_ARGUMENTS, "a host name is needed");
    char *helo = str_dup(name);
    if (!helo)
        return answer(s, REASON_INTERNAL_ERROR);
    if (s->tx)
        event_incomplete(s);
    session_reset_transaction(s); /* §4.1.4: EHLO ends a transaction like RSET */
    free(s->helo);
    s->helo = helo;
    s->client.helo = str_from(helo);
    s->client.esmtp = verb == VERB_EHLO;
    s->greeted = true;
    return greet(s);
}
