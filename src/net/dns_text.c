/* dns_text.c: types, results and records of the DNS as people read them; see dns.h. */
#include "net/dns.h"

#include <string.h>

static const struct { const char *name; enum dns_type type; } types[] = {
    {"A", DNS_A},     {"AAAA", DNS_AAAA}, {"CNAME", DNS_CNAME}, {"MX", DNS_MX},  {"NS", DNS_NS},
    {"PTR", DNS_PTR}, {"SOA", DNS_SOA},   {"TLSA", DNS_TLSA},   {"TXT", DNS_TXT}};

bool dns_type_parse(struct str word, enum dns_type *out)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (str_is_case(word, types[i].name)) {
            *out = types[i].type;
            return true;
        }
    }
    return false;
}

const char *dns_type_name(enum dns_type type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type)
            return types[i].name;
    return "";
}

const char *dns_status_name(enum dns_status status)
{
    switch (status) {
    case DNS_OK: return "ok";
    case DNS_NO_DATA: return "no data";
    case DNS_NO_NAME: return "no such name";
    case DNS_FAILED: break;
    }
    return "failed";
}

/* What is in ESCAPED stands behind a backslash, what is no printable ASCII becomes \DDD. */
static void add_escaped(struct buf *out, struct str text, struct str escaped)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < 0x20 || c > 0x7E) {
            buf_addf(out, "\\%03u", c);
            continue;
        }
        if (escaped.len && memchr(escaped.at, c, escaped.len))
            buf_add_char(out, '\\');
        buf_add_char(out, (char)c);
    }
}

/* RFC 6698 §2.2 */
static void add_tlsa(struct buf *out, struct str data)
{
    for (size_t i = 0; i < data.len; i++)
        buf_addf(out, i < 3 ? "%u " : "%02x", (unsigned char)data.at[i]);
}

void dns_record_format(enum dns_type type, const struct dns_record *r, struct buf *out)
{
    char ip[IP_TEXT_MAX];

    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        buf_add_text(out, ip_format(&r->ip, ip));
        return;
    case DNS_TXT:
        buf_add_char(out, '"');
        add_escaped(out, r->data, STR("\"\\"));
        buf_add_char(out, '"');
        return;
    case DNS_TLSA:
        add_tlsa(out, r->data);
        return;
    case DNS_MX:
        buf_addf(out, "%u ", r->preference);
        break;
    case DNS_NS:
    case DNS_CNAME:
    case DNS_SOA:
    case DNS_PTR:
        break;
    }
    add_escaped(out, r->data, str_n("", 0)); /* a resolver's names have their escapes already */
    buf_add_char(out, '.');
}
