/* results_field.c: what was found out, as a field of the message (RFC 8601); for an ARC set, too. */
#include "gate/authentication_parts.h"
#include "gate/lookup.h"
#include "gate/lookup_client.h"
#include "gate/session.h"

#include <string.h>

enum { B_OCTETS = 6 /* of b=, eight characters */ };

/* What cannot end or bend a field, a comment or a token. */
static void add_safe(struct buf *out, struct str text, bool in_comment)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        bool safe = c > 32 && c < 127 && !strchr("()\\\";=", c);
        buf_add_char(out, safe || (in_comment && c == ' ') ? (char)c : '?');
    }
}

static void add_comment(struct buf *out, const char *text)
{
    if (!*text)
        return;
    buf_add_text(out, " (");
    add_safe(out, str_sub(str_from(text), 0, 120), true);
    buf_add_char(out, ')');
}

static void add_b(struct buf *out, const struct signature *s)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    if (s->bytes_len < B_OCTETS)
        return;
    buf_add_text(out, " header.b=\"");
    for (size_t i = 0; i < B_OCTETS; i += 3) {
        uint32_t bits = (uint32_t)s->bytes[i] << 16 | (uint32_t)s->bytes[i + 1] << 8 | s->bytes[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            buf_add_char(out, digits[bits >> shift & 63]);
    }
    buf_add_char(out, '"');
}

static void add_spf(const struct session *s, struct buf *out)
{
    struct str domain;
    const struct spf_verdict *spf = lookup_known_spf(s, &domain);

    if (!spf)
        return;
    buf_addf(out, ";\r\n\tspf=%s %s=", spf_result_name(spf->result), address_is_null(&s->tx->mail.sender) ? "smtp.helo" : "smtp.mailfrom");
    add_safe(out, domain, false);
}

static void add_dkim(const struct authentication *a, struct buf *out)
{
    if (a->dkim_count == 0)
        buf_addf(out, ";\r\n\tdkim=%s", a->was_verified || a->count == 0 ? "none" : "temperror");
    for (size_t i = 0; i < a->dkim_count; i++) {
        const struct signature *s = a->dkim[i];
        buf_addf(out, ";\r\n\tdkim=%s", authentication_result(a, i));
        add_comment(out, authentication_is_partial(s) && a->verdicts[i].result == DKIM_PASS ? "only a part of the body is signed" : a->verdicts[i].problem);
        buf_add_text(out, " header.d=");
        add_safe(out, str_from(s->domain), false);
        buf_add_text(out, " header.s=");
        add_safe(out, str_from(s->selector), false);
        buf_addf(out, " header.a=%s", signature_algorithm_name(s->algorithm));
        add_b(out, s);
    }
}

static void add_dmarc(const struct authentication *a, struct buf *out)
{
    if (!a->has_author)
        return;
    buf_addf(out, ";\r\n\tdmarc=%s", dmarc_result_name(a->facts.result));
    if (a->facts.result != DMARC_NONE && a->facts.result != DMARC_TEMPERROR)
        buf_addf(out, " (p=%s)", dmarc_policy_name(a->facts.policy));
    buf_add_text(out, " header.from=");
    add_safe(out, str_from(a->author), false);
}

/* A colon is for quoted strings only (RFC 2045 §5.1). */
static void add_client(const struct session *s, const char *property, struct buf *out)
{
    const char *quote = s->client.peer.ip.family == 6 ? "\"" : "";
    char ip[IP_TEXT_MAX];

    buf_addf(out, "%s%s%s%s", property, quote, ip_format(&s->client.peer.ip, ip), quote);
}

static void add_arc(const struct session *s, const struct authentication *a, bool in_arc_set, struct buf *out)
{
    if (a->arc.chain == CHAIN_NONE && !(in_arc_set && a->was_verified))
        return;
    buf_addf(out, ";\r\n\tarc=%s", chain_value_name(a->arc.chain));
    if (a->arc.chain == CHAIN_NONE)
        return;
    add_comment(out, a->arc.problem);
    add_client(s, " smtp.remote-ip=", out);
    if (a->arc.chain == CHAIN_PASS) /* RFC 8617 §6 */
        buf_addf(out, " header.oldest-pass=%u", a->arc.oldest_pass);
}

/* RFC 8601 §3 and §2.7.3. */
static void add_iprev(const struct session *s, struct buf *out)
{
    static const char *const words[] = {[IPREV_PASS] = "pass", [IPREV_NO_PTR] = "permerror", [IPREV_MISMATCH] = "fail", [IPREV_FAILED] = "temperror"};
    const struct iprev_verdict *iprev = client_lookup_known_iprev(s);

    if (!iprev)
        return;
    buf_addf(out, ";\r\n\tiprev=%s", words[iprev->result]);
    add_comment(out, iprev->name);
    add_client(s, " policy.iprev=", out);
}

void authentication_results_value(const struct session *s, bool in_arc_set, struct buf *out)
{
    const struct authentication *a = s->tx->authentication;

    buf_add_text(out, gate_authserv_id(s));
    add_iprev(s, out);
    add_spf(s, out);
    add_dkim(a, out);
    add_dmarc(a, out);
    add_arc(s, a, in_arc_set, out);
}

void authentication_results(const struct session *s, struct buf *out)
{
    if (!s->tx->authentication)
        return;
    buf_add_text(out, "Authentication-Results: ");
    authentication_results_value(s, false, out);
    buf_add_text(out, "\r\n");
}
