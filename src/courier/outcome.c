/* outcome.c: what a remote reply means, as a row of the catalogue (responses.md, the codes of the courier). */
#include "courier/parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void one_line(char *text)
{
    for (char *at = text; *at; at++)
        if (*at == '\n')
            *at = ' ';
}

struct outcome outcome_local(enum outcome_kind kind, enum reason reason, const char *format, ...)
{
    struct outcome o = {.kind = kind, .reason = reason};
    va_list args;

    va_start(args, format);
    vsnprintf(o.text, sizeof o.text, format, args);
    va_end(args);
    str_copy(o.status, sizeof o.status, str_from(reason_row(reason)->enhanced));
    if (kind == OUTCOME_DEFERRED)
        o.status[0] = '4';
    return o;
}

struct meaning {
    const char *enhanced; /* beginning */
    int code;             /* 0: any */
    enum reason reason;
};

static const struct meaning meanings[] = {
    {"5.1.1", 0, REASON_DELIVERY_ADDRESS},         {"5.1.0", 0, REASON_DELIVERY_ADDRESS},
    {"5.1.2", 0, REASON_DELIVERY_NO_DOMAIN},       {"5.1.3", 0, REASON_DELIVERY_ADDRESS_INVALID},
    {"5.1.6", 0, REASON_DELIVERY_NOT_LOCAL},       {"5.1.10", 0, REASON_DELIVERY_NULL_MX},
    {"5.2.2", 0, REASON_DELIVERY_MAILBOX_FULL},    {"5.2.3", 0, REASON_DELIVERY_TOO_LARGE},
    {"5.3.4", 0, REASON_DELIVERY_TOO_LARGE},       {"5.4.6", 0, REASON_DELIVERY_LOOP},
    {"5.7.30", 0, REASON_DELIVERY_NEEDS_TLS},      {"5.6.3", 0, REASON_DELIVERY_NEEDS_EXTENSION},
    {"5.6.7", 0, REASON_DELIVERY_NEEDS_EXTENSION}, {"", 521, REASON_DELIVERY_NULL_MX},
    {"", 556, REASON_DELIVERY_NULL_MX},            {"", 551, REASON_DELIVERY_NOT_LOCAL},
    {"", 552, REASON_DELIVERY_MAILBOX_FULL},       {"", 553, REASON_DELIVERY_ADDRESS_INVALID},
    {"", 550, REASON_DELIVERY_UNAVAILABLE},        {"", 0, REASON_DELIVERY_FAILED},
};

static enum reason permanent_reason(const struct smtp_reply *r)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        const struct meaning *m = &meanings[i];
        if (*m->enhanced && strcmp(m->enhanced, r->enhanced) != 0)
            continue;
        if (m->code && m->code != r->code)
            continue;
        return m->reason;
    }
    return REASON_DELIVERY_FAILED;
}

struct outcome outcome_of_reply(const struct smtp_reply *reply, bool is_lmtp)
{
    struct outcome o = {.is_remote = true, .is_final_hop = is_lmtp};
    int class = reply->code / 100;

    o.kind = class == 2 ? OUTCOME_DELIVERED : class == 5 ? OUTCOME_FAILED : OUTCOME_DEFERRED;
    o.reason = class == 2 ? REASON_DELIVERED : class == 5 ? permanent_reason(reply) : REASON_DELIVERY_DELAYED;
    str_copy(o.text, sizeof o.text, str_from(reply->text));
    one_line(o.text);
    bool fits = reply->enhanced[0] == '0' + class;
    if (fits)
        str_copy(o.status, sizeof o.status, str_from(reply->enhanced));
    else if (class == 4)
        str_copy(o.status, sizeof o.status, STR("4.0.0"));
    else
        str_copy(o.status, sizeof o.status, str_from(reason_row(o.reason)->enhanced));
    return o;
}
