/*
 * admission.c: limits by client address, asked once the address is certain and before the banner: they protect the gateway
 * itself, so they are answered at once and not kept for RCPT.
 */
#include "gate/session.h"

#include "base/clock.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

static enum reason over_rate(struct session *s, const struct ip *key)
{
    const struct policy *p = session_policy(s);
    struct counters *c = s->gate->parts.counters;
    uint64_t minute = (uint64_t)setting_number(p, SETTING_max_connections_per_minute);
    uint64_t hour = (uint64_t)setting_number(p, SETTING_max_connections_per_hour);

    if (minute && counter_add(c, COUNTER_CONNECTIONS_MINUTE, key, sizeof *key, 1, MINUTE_MS) > minute)
        return REASON_RATE_CONNECTIONS;
    if (hour && counter_add(c, COUNTER_CONNECTIONS_HOUR, key, sizeof *key, 1, HOUR_MS) > hour)
        return REASON_TOO_MANY_CONNECTIONS;
    return REASON_NONE;
}

static bool turn_away(struct session *s, enum reason r)
{
    struct finding f = finding_make(r, "%s", "");
    char reference[REFERENCE_LEN + 1];

    random_reference(reference);
    event_refused(s, &f, reference, NULL, NULL, NULL);
    s->closing = true;
    if (s->service != SERVICE_SUBMISSIONS || s->stream.ssl) /* before a TLS handshake nothing can be said */
        answer_finding(s, &f, reference);
    return false;
}

bool session_admit(struct session *s)
{
    const struct policy *p = session_policy(s);
    struct ip key = ip_limit_key(&s->client.peer.ip);

    session_leave(s);
    s->shed = gate_is_short(s->gate, s->stream.fd);
    if (s->shed || atomic_load_explicit(&s->gate->sessions, memory_order_relaxed) > (unsigned)setting_number(p, SETTING_max_sessions))
        return turn_away(s, REASON_SERVER_BUSY);
    if (s->ip_skips & SKIP_CONNECTIONS)
        return true;
    if (!counter_enter(s->gate->parts.counters, &key, sizeof key, (uint64_t)setting_number(p, SETTING_max_concurrent_connections)))
        return turn_away(s, REASON_CONCURRENT_CONNECTIONS);
    s->admitted = true;
    if (s->ip_skips & SKIP_RATE)
        return true;
    enum reason r = over_rate(s, &key);
    return r == REASON_NONE || turn_away(s, r);
}

void session_leave(struct session *s)
{
    struct ip key = ip_limit_key(&s->client.peer.ip);

    if (s->admitted)
        counter_leave(s->gate->parts.counters, &key, sizeof key);
    s->admitted = false;
}
