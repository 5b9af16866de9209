/* security_note.c: what came of a session's security, as TLSRPT counts it (RFC 8460 §4.3). */
#include "courier/security.h"
#include "courier/tls_report.h"

#include <stdio.h>
#include <string.h>

static const char *result_of(enum client_tls_trouble trouble)
{
    static const char *const names[] = {
        [CLIENT_TLS_FINE] = NULL,
        [CLIENT_TLS_NOT_OFFERED] = "starttls-not-supported",
        [CLIENT_TLS_REFUSED] = "starttls-not-supported",
        [CLIENT_TLS_HANDSHAKE] = "validation-failure",
        [CLIENT_TLS_NAME] = "certificate-host-mismatch",
        [CLIENT_TLS_EXPIRED] = "certificate-expired",
        [CLIENT_TLS_UNTRUSTED] = "certificate-not-trusted",
    };

    return names[trouble];
}

/* RFC 6698 §2.2: "3 1 1 AB…", each record whole. */
static json_t *tlsa_rows(const struct dane *d)
{
    json_t *rows = json_array();
    const struct dns_answer *answer = d->question ? dns_wait(d->question) : NULL;

    for (size_t i = 0; answer && i < answer->count && i < TLS_TLSA_MAX; i++) {
        struct str record = answer->at[i].data;
        struct buf text = buf_make(16 * 1024);
        const unsigned char *at = (const unsigned char *)record.at;
        if (record.len > 3)
            buf_addf(&text, "%u %u %u ", (unsigned)at[0], (unsigned)at[1], (unsigned)at[2]);
        for (size_t n = 3; n < record.len; n++)
            buf_addf(&text, "%02X", (unsigned)at[n]);
        if (text.len && !text.failed)
            json_array_append_new(rows, json_stringn(text.at, text.len));
        buf_free(&text);
    }
    return rows;
}

/* It was not even connected to. False: that is no matter of TLS. */
static bool of_refusal(const struct security *s, const struct outcome *why, struct tls_note *n)
{
    if (why->reason == REASON_DELIVERY_STS_FAILED) {
        n->result = "validation-failure";
        n->reason = "the MX host is not among the mx of the policy";
        return true;
    }
    if (why->reason != REASON_DELIVERY_DANE_FAILED)
        return false;
    n->type = "tlsa";
    n->result = s->dane.result == DANE_FAILED ? "dnssec-invalid" : s->dane.result == DANE_UNUSABLE ? "tlsa-invalid" : "dane-required";
    n->reason = s->dane.why;
    return true;
}

/* False: no session came so far. */
static bool of_session(const struct security *s, const struct smtp_client *client, struct tls_note *n)
{
    if (!client->used_tls && client->tls_trouble == CLIENT_TLS_FINE)
        return false;
    n->result = result_of(client->tls_trouble);
    n->reason = client->tls_why;
    if (!n->result && s->is_trial && !s->sts.names_host)
        return of_refusal(s, &(struct outcome){.reason = REASON_DELIVERY_STS_FAILED}, n);
    if (!n->result && s->dane.result == DANE_UNUSABLE && s->sts.result != STS_FOUND) {
        n->result = "tlsa-invalid";
        n->reason = s->dane.why;
    }
    return true;
}

void security_note(const struct security_question *q, const struct security *s, const struct outcome *refusal, const struct smtp_client *client,
                   const struct ip *sending)
{
    const struct hop *hop = q->hop;
    struct tls_note n = {.domain = str_from(hop->domain), .type = "no-policy-found", .host = hop->host, .reason = "", .receiving = hop->endpoint.ip,
                         .sending = *sending};

    /* §5.3, §3: mail that is not held to any policy, as reports are, says nothing about one */
    if (!q->courier->parts.reports || !hop->by_mx || q->wish == TLS_WISH_OPTIONAL || s->tls == SECURITY_NONE)
        return;
    if (s->sts.result == STS_FOUND)
        n.type = "sts";
    else if (s->dane.result != DANE_NONE)
        n.type = "tlsa";
    if (refusal ? !of_refusal(s, refusal, &n) : !of_session(s, client, &n))
        return;
    if (strcmp(n.type, "tlsa") == 0)
        n.policy_string = tlsa_rows(&s->dane);
    else if (strcmp(n.type, "sts") == 0)
        sts_tell(q->courier->parts.sts, n.domain, &n.policy_string, &n.mx_host);
    tls_reports_note(q->courier->parts.reports, &n);
}
