/* answer.c: the one way from a reason to the wire of a session. Texts and codes come from the catalogue. */
#include "gate/session.h"

#include "base/bug.h"

#include <string.h>

static void count_error(struct session *s, enum reason r)
{
    switch (r) {
    case REASON_UNRECOGNIZED:
        s->unknown_commands++;
        break;
    case REASON_LINE_TOO_LONG:
    case REASON_BAD_ARGUMENTS:
    case REASON_BAD_SENDER_SYNTAX:
    case REASON_BAD_RECIPIENT_SYNTAX:
    case REASON_BAD_SEQUENCE:
    case REASON_BAD_PARAMETER:
    case REASON_BAD_MAIL_PARAMETER:
    case REASON_NOT_IMPLEMENTED:
        s->syntax_errors++;
        break;
    default:
        break;
    }
}

static bool over_the_limit(const struct session *s)
{
    const struct policy *p = session_policy(s);

    return s->unknown_commands >= setting_number(p, SETTING_max_unknown_commands) ||
           s->syntax_errors >= setting_number(p, SETTING_max_syntax_errors);
}

static void reply(const struct session *s, enum reason r, const struct finding *f, const char *reference, struct buf *out)
{
    struct reply_context context = {
        .host = str_from(s->runtime->host),
        .why_url = str_from(s->runtime->why_url),
        .reference = str_from(reference),
    };

    if (f) {
        context.detail = str_from(f->evidence);
        context.enhanced = str_from(f->enhanced);
        context.seconds = f->seconds;
        context.size = f->size;
    }
    reason_reply(out, r, &context);
}

static enum session_next say(struct session *s, enum reason r, const struct finding *f, const char *reference)
{
    struct buf out = buf_make(STREAM_OUT_MAX);

    reply(s, r, f, reference, &out);
    bool queued = stream_queue(&s->stream, buf_str(&out));
    buf_free(&out);
    atomic_fetch_add_explicit(&s->gate->given[r], 1, memory_order_relaxed);
    if (!queued)
        return SESSION_CLOSE; /* asks for more than it reads */
    count_error(s, r);
    if (!s->closing && over_the_limit(s)) {
        s->closing = true;
        return say(s, REASON_TOO_MANY_ERRORS, NULL, NULL);
    }
    return s->closing ? SESSION_CLOSE : SESSION_GO_ON;
}

void answer_text(struct session *s, const struct finding *f, const char *reference, struct buf *out)
{
    reply(s, f->reason, f, reference, out);
}

enum session_next answer(struct session *s, enum reason r)
{
    return say(s, r, NULL, s->tx ? s->tx->reference : NULL);
}

enum session_next answer_long(struct session *s, enum reason r, struct str detail)
{
    struct buf out = buf_make(STREAM_OUT_MAX);
    struct reply_context context = {.host = str_from(s->runtime->host), .detail = detail};

    reason_reply(&out, r, &context);
    bool queued = stream_queue(&s->stream, buf_str(&out));
    buf_free(&out);
    atomic_fetch_add_explicit(&s->gate->given[r], 1, memory_order_relaxed);
    return queued ? SESSION_GO_ON : SESSION_CLOSE;
}

enum session_next answer_detail(struct session *s, enum reason r, const char *detail)
{
    struct finding f = finding_make(r, "%s", detail ? detail : "");

    return say(s, r, &f, NULL);
}

enum session_next answer_finding(struct session *s, const struct finding *f, const char *reference)
{
    return say(s, f->reason, f, reference);
}

enum session_next answer_close(struct session *s, enum reason r, const char *detail)
{
    struct finding f = finding_make(r, "%s", detail ? detail : "");
    char reference[REFERENCE_LEN + 1];

    s->closing = true;
    if (r == REASON_PIPELINED_TOO_EARLY) { /* an attack or a broken sender: the operator must be able to find it */
        random_reference(reference);
        event_refused(s, &f, reference, NULL, NULL, NULL);
    }
    return say(s, r, &f, NULL);
}
