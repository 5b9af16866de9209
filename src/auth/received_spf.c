/* received_spf.c: see received_spf.h. */
#include "auth/received_spf.h"

enum { VALUE_MAX = 300 };

/* A quoted-string (RFC 5322 §3.2.4; RFC 6532 for UTF-8): what could end it is escaped, what has no place in it becomes '?'. */
static void add_quoted(struct buf *out, struct str value)
{
    value = str_sub(value, 0, VALUE_MAX);
    bool is_text = utf8_is_valid(value);

    buf_add_char(out, '"');
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if (c == '"' || c == '\\')
            buf_add_char(out, '\\');
        buf_add_char(out, c < 0x20 || c == 0x7F || (c > 0x7F && !is_text) ? '?' : (char)c);
    }
    buf_add_char(out, '"');
}

/* In a comment brackets would nest, and a backslash would take the next octet with it. */
static void add_in_comment(struct buf *out, struct str value)
{
    value = str_sub(value, 0, VALUE_MAX);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        buf_add_char(out, c <= 0x20 || c >= 0x7F || c == '(' || c == ')' || c == '\\' ? '?' : (char)c);
    }
}

static const char *says(enum spf_result r)
{
    switch (r) {
    case SPF_NONE: return "has no SPF record";
    case SPF_NEUTRAL: return "says nothing about";
    case SPF_PASS: return "designates";
    case SPF_FAIL: return "does not designate";
    case SPF_SOFTFAIL: return "does not clearly designate";
    case SPF_TEMPERROR: return "could not be looked up for";
    case SPF_PERMERROR: return "has a record with an error for";
    }
    return "";
}

static void add_comment(struct buf *out, const struct received_spf *r)
{
    char ip[IP_TEXT_MAX];

    buf_add_text(out, " (");
    add_in_comment(out, r->query->receiver);
    buf_add_text(out, ": domain of ");
    add_in_comment(out, r->sender.len ? r->sender : r->query->helo);
    buf_addf(out, "\r\n\t%s", says(r->verdict->result));
    if (r->verdict->result != SPF_NONE)
        buf_addf(out, " %s%s", ip_format(&r->query->ip, ip),
                 r->verdict->result == SPF_PASS || r->verdict->result == SPF_FAIL || r->verdict->result == SPF_SOFTFAIL ? " as permitted sender" : "");
    buf_add_char(out, ')');
}

void received_spf_write(struct buf *out, const struct received_spf *r)
{
    const struct spf_verdict *v = r->verdict;
    char ip[IP_TEXT_MAX];

    buf_addf(out, "Received-SPF: %s", spf_result_name(v->result));
    add_comment(out, r);
    buf_add_text(out, "\r\n\treceiver=");
    add_quoted(out, r->query->receiver);
    buf_addf(out, "; identity=%s;\r\n\tclient-ip=\"%s\"", r->sender.len ? "mailfrom" : "helo", ip_format(&r->query->ip, ip));
    if (r->sender.len) {
        buf_add_text(out, ";\r\n\tenvelope-from=");
        add_quoted(out, r->sender);
    }
    buf_add_text(out, ";\r\n\thelo=");
    add_quoted(out, r->query->helo);
    if (v->result == SPF_TEMPERROR || v->result == SPF_PERMERROR) {
        buf_add_text(out, ";\r\n\tproblem=");
        add_quoted(out, str_from(v->problem));
    } else if (v->result != SPF_NONE) {
        buf_add_text(out, ";\r\n\tmechanism=");
        add_quoted(out, *v->mechanism ? str_from(v->mechanism) : STR("default"));
    }
    buf_add_text(out, "\r\n");
}
