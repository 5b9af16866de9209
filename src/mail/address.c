/*
 * address.c: see address.h. One cursor walks the bytes once, production by production of RFC 5321 §4.1.2; every production
 * advances the cursor or says why not. Used by smtp/command.c, the settings and the message parser.
 */
#include "mail/address.h"

#include "base/bug.h"

#include <string.h>

struct cursor {
    struct str rest;
    const char *why;       /* set by whoever says no */
    struct address *out;
    bool utf8_allowed;
};

static int peek(const struct cursor *c)
{
    return c->rest.len ? (unsigned char)c->rest.at[0] : -1;
}

static void step(struct cursor *c, size_t n)
{
    c->rest = str_from_index(c->rest, n);
}

static bool take(struct cursor *c, char wanted)
{
    if (peek(c) != (unsigned char)wanted)
        return false;
    step(c, 1);
    return true;
}

static enum address_result malformed(struct cursor *c, const char *why)
{
    c->why = why;
    return ADDRESS_MALFORMED;
}

/* RFC 5322 §3.2.3, with octets above 127 by RFC 6531 §3.3 (their UTF-8 is checked over the whole part). */
static bool is_atext(int c)
{
    return ascii_is_alnum(c) || c > 127 || (c > 32 && c < 127 && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Dot-string: atoms with single dots between them, nothing else. */
static bool is_dot_string(struct str s)
{
    bool atom = false;

    for (size_t i = 0; i < s.len; i++) {
        int c = (unsigned char)s.at[i];
        if (c == '.' ? !atom : !is_atext(c))
            return false;
        atom = c != '.';
    }
    return atom;
}

static bool has_8bit(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] > 127)
            return true;
    return false;
}

/* One code point of valid UTF-8, the cursor moved behind it. */
static uint32_t next_code_point(struct str *s)
{
    unsigned char lead = (unsigned char)s->at[0];
    size_t tail = lead < 0x80 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
    uint32_t point = tail == 0 ? lead : (uint32_t)(lead & (0x3F >> tail));

    for (size_t i = 1; i <= tail; i++)
        point = point << 6 | ((unsigned char)s->at[i] & 0x3F);
    *s = str_from_index(*s, tail + 1);
    return point;
}

/*
 * Code points that no U-label may hold (RFC 5892 DISALLOWED) and that are dangerous besides: controls, blanks, direction marks, and
 * above all what IDNA mapping turns into a full stop or into ASCII, so that one reader sees another domain than the next.
 */
static bool is_forbidden_in_label(uint32_t p)
{
    static const struct { uint32_t from, to; } ranges[] = {
        {0x80, 0xB6}, {0xB8, 0xBF}, {0x2000, 0x200B}, {0x200E, 0x206F}, {0x2100, 0x218F}, {0x2460, 0x24FF}, {0x2FF0, 0x3004},
        {0x3200, 0x33FF}, {0xD800, 0xF8FF}, {0xFB00, 0xFB06}, {0xFDD0, 0xFDEF}, {0xFE00, 0xFE1F}, {0xFE30, 0xFE72},
        {0xFEFF, 0xFFFF}, {0x1D400, 0x1D7FF}, {0x1F100, 0x1F1FF}, {0xE0000, 0x10FFFF},
    };

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (p >= ranges[i].from && p <= ranges[i].to)
            return true;
    return false;
}

/* A U-label: its A-label "xn--…" needs 4 octets and at least one per code point, and has 63 at most (RFC 5890 §2.3.2.1). */
static bool is_u_label(struct str label)
{
    size_t points = 0;

    if (!utf8_is_valid(label))
        return false;
    while (label.len) {
        uint32_t p = next_code_point(&label);
        if (p < 128 ? !ascii_is_alnum((int)p) && p != '-' : is_forbidden_in_label(p))
            return false;
        points++;
    }
    return points <= 59;
}

static bool is_label(struct str label, bool utf8)
{
    if (label.len == 0 || label.at[0] == '-' || label.at[label.len - 1] == '-')
        return false;
    if (utf8 && has_8bit(label))
        return is_u_label(label);
    for (size_t i = 0; i < label.len; i++)
        if (!ascii_is_alnum((unsigned char)label.at[i]) && label.at[i] != '-')
            return false;
    return label.len <= 63;
}

bool domain_is_valid(struct str domain, bool utf8)
{
    if (domain.len == 0 || domain.len > 253)
        return false;
    for (size_t from = 0;;) {
        struct str tail = str_from_index(domain, from);
        ptrdiff_t dot = str_find(tail, '.');
        struct str label = dot < 0 ? tail : str_sub(tail, 0, (size_t)dot);

        if (!is_label(label, utf8))
            return false;
        if (dot < 0)
            return true;
        from += label.len + 1;
    }
}

bool domain_is_full(struct str domain)
{
    ptrdiff_t dot = str_find_last(domain, '.');

    if (dot < 0 || !domain_is_valid(domain, true))
        return false;
    struct str last = str_from_index(domain, (size_t)dot + 1);
    for (size_t i = 0; i < last.len; i++)
        if (!ascii_is_digit((unsigned char)last.at[i]))
            return true;
    return false;
}

bool address_literal_parse(struct str text, struct ip *out)
{
    struct ip ip;

    if (text.len < 3 || text.at[0] != '[' || text.at[text.len - 1] != ']')
        return false;
    text = str_sub(text, 1, text.len - 2);
    /* the bare form is IPv4's alone, and ip_parse() turns mapped IPv6 into IPv4: the spelling decides, not the outcome */
    bool tagged = str_starts_case(text, STR("IPv6:"));
    if (tagged)
        text = str_from_index(text, 5);
    if ((str_find(text, ':') >= 0) != tagged || !ip_parse(text, &ip))
        return false;
    *out = ip;
    return true;
}

/* Appends S to the address's text; room is checked here and nowhere else. */
static bool append(struct address *a, struct str s)
{
    if (s.len >= sizeof a->text - a->len)
        return false;
    if (s.len)
        memcpy(a->text + a->len, s.at, s.len);
    a->len = (uint16_t)(a->len + s.len);
    a->text[a->len] = '\0';
    return true;
}

/* Takes quotes and backslashes off a well-formed local part; TO has room for its length. */
static size_t unquote(struct str local, char *to)
{
    size_t n = 0;

    if (local.len < 2 || local.at[0] != '"') {
        if (local.len)
            memcpy(to, local.at, local.len);
        return local.len;
    }
    for (size_t i = 1; i + 1 < local.len; i++) {
        if (local.at[i] == '\\')
            i++;
        to[n++] = local.at[i];
    }
    return n;
}

/* C1 controls are control characters in whatever encoding they come; terminals and logs obey some of them. */
static bool has_c1_control(struct str s)
{
    for (size_t i = 0; i + 1 < s.len; i++)
        if ((unsigned char)s.at[i] == 0xC2 && (unsigned char)s.at[i + 1] < 0xA0)
            return true;
    return false;
}

static enum address_result check_8bit(struct cursor *c, struct str part)
{
    if (!has_8bit(part))
        return ADDRESS_OK;
    if (!utf8_is_valid(part) || has_c1_control(part))
        return malformed(c, "not valid UTF-8");
    c->out->is_utf8 = true;
    if (c->utf8_allowed)
        return ADDRESS_OK;
    c->why = "needs SMTPUTF8";
    return ADDRESS_NEEDS_SMTPUTF8;
}

/* Quoted-string: *LEN gets its octets, quotes included. */
static bool measure_quoted(struct str s, size_t *len)
{
    for (size_t i = 1; i < s.len; i++) {
        int c = (unsigned char)s.at[i];
        if (c == '"') {
            *len = i + 1;
            return true;
        }
        if (c == '\\') {
            i++;
            c = i < s.len ? (unsigned char)s.at[i] : -1;
            if (c > 126) /* quoted-pairSMTP is ASCII, with SMTPUTF8 too */
                return false;
        }
        if (c < 32 || c == 127)
            return false;
    }
    return false;
}

static enum address_result local_part(struct cursor *c)
{
    char plain[LOCAL_PART_MAX];
    size_t len = 0;
    struct str part;

    if (peek(c) == '"') {
        if (!measure_quoted(c->rest, &len))
            return malformed(c, "bad quoted string");
    } else {
        while (len < c->rest.len && (c->rest.at[len] == '.' || is_atext((unsigned char)c->rest.at[len])))
            len++;
        if (!is_dot_string(str_sub(c->rest, 0, len)))
            return malformed(c, len ? "misplaced dot in the local part" : "no local part, or a character that needs quotes");
    }
    part = str_sub(c->rest, 0, len);
    step(c, len);
    enum address_result result = check_8bit(c, part);
    if (result == ADDRESS_MALFORMED)
        return result;
    if (part.len <= LOCAL_PART_MAX + 2 && part.at[0] == '"') {
        char whole[LOCAL_PART_MAX + 2];
        size_t n = unquote(part, whole);
        if (n <= LOCAL_PART_MAX && is_dot_string(str_n(whole, n))) {
            memcpy(plain, whole, n);
            part = str_n(plain, n);
        }
    }
    if (part.len > LOCAL_PART_MAX) {
        c->why = "local part too long";
        return ADDRESS_TOO_LONG;
    }
    if (!append(c->out, part))
        bug("no room for a local part of %zu octets", part.len);
    c->out->local_len = c->out->len;
    return result;
}

/* Octets of the domain or literal at the cursor: up to what cannot be part of it. */
static struct str domain_text(const struct cursor *c)
{
    size_t n = 0;

    if (peek(c) == '[') {
        ptrdiff_t close = str_find(c->rest, ']');
        return str_sub(c->rest, 0, close < 0 ? c->rest.len : (size_t)close + 1);
    }
    while (n < c->rest.len) {
        int ch = (unsigned char)c->rest.at[n];
        if (!ascii_is_alnum(ch) && ch < 128 && ch != '-' && ch != '.')
            break;
        n++;
    }
    return str_sub(c->rest, 0, n);
}

static enum address_result domain(struct cursor *c)
{
    struct str text = domain_text(c);
    char ascii[DOMAIN_MAX + 1];
    struct ip ip;

    if (text.len > DOMAIN_MAX) {
        c->why = "domain too long";
        return ADDRESS_TOO_LONG;
    }
    enum address_result result = check_8bit(c, text);
    if (result == ADDRESS_MALFORMED)
        return result;
    if (peek(c) == '[') {
        if (!address_literal_parse(text, &ip))
            return malformed(c, "bad address literal");
        c->out->is_literal = true;
    } else if (!domain_is_valid(text, true)) {
        return malformed(c, text.len ? "bad domain name" : "no domain, or a character that it cannot have");
    }
    step(c, text.len);
    if (has_8bit(text)) { /* one name, one form (RFC 5890 §2.3.2.1): as it is in DNS, in our settings and in lists */
        if (!domain_to_ascii(text, ascii, sizeof ascii))
            return malformed(c, "not an internationalised domain name");
        text = str_from(ascii);
    }
    uint16_t from = c->out->len;
    if (!append(c->out, text))
        bug("no room for a domain of %zu octets", text.len);
    str_lower(c->out->text + from, text.len);
    return result;
}

static enum address_result worse(enum address_result a, enum address_result b)
{
    return a == ADDRESS_OK ? b : a;
}

static enum address_result mailbox(struct cursor *c)
{
    enum address_result local = local_part(c), dom;

    if (local == ADDRESS_MALFORMED || local == ADDRESS_TOO_LONG)
        return local;
    if (!take(c, '@'))
        return malformed(c, c->rest.len && peek(c) != '>' ? "a character that needs quotes" : "no domain");
    if (!append(c->out, STR("@")))
        bug("no room for the at sign");
    dom = domain(c);
    if (dom == ADDRESS_MALFORMED || dom == ADDRESS_TOO_LONG)
        return dom;
    if (c->out->len + 2u > PATH_MAX_OCTETS) {
        c->why = "path too long";
        return ADDRESS_TOO_LONG;
    }
    return worse(local, dom);
}

/* "@a.example,@b.example:" is read and forgotten. */
static enum address_result source_route(struct cursor *c)
{
    if (peek(c) != '@')
        return ADDRESS_OK;
    do {
        if (!take(c, '@'))
            return malformed(c, "bad source route");
        struct str host = domain_text(c);
        struct ip ip;
        if (host.len > DOMAIN_MAX || !(domain_is_valid(host, c->utf8_allowed) || address_literal_parse(host, &ip)))
            return malformed(c, "bad source route");
        step(c, host.len);
    } while (take(c, ','));
    return take(c, ':') ? ADDRESS_OK : malformed(c, "bad source route");
}

static enum address_result path(struct cursor *c, bool allow_null, bool allow_postmaster)
{
    if (!take(c, '<'))
        return malformed(c, "no opening bracket");
    if (take(c, '>'))
        return allow_null ? ADDRESS_OK : malformed(c, "empty path");
    if (allow_postmaster && str_starts_case(c->rest, STR("postmaster>"))) {
        if (!append(c->out, str_sub(c->rest, 0, 10)))
            bug("no room for postmaster");
        c->out->local_len = c->out->len;
        step(c, 11);
        return ADDRESS_OK;
    }
    enum address_result result = source_route(c);
    if (result != ADDRESS_OK)
        return result;
    result = mailbox(c);
    if (result == ADDRESS_MALFORMED || result == ADDRESS_TOO_LONG)
        return result;
    return take(c, '>') ? result : malformed(c, "no closing bracket");
}

enum address_result path_parse(struct str *rest, bool allow_null, bool allow_postmaster, bool smtputf8, struct address *out,
                               const char **why)
{
    struct cursor c = {.rest = *rest, .out = out, .utf8_allowed = smtputf8};

    memset(out, 0, sizeof *out);
    enum address_result result = path(&c, allow_null, allow_postmaster);
    if (why)
        *why = c.why ? c.why : "";
    if (result == ADDRESS_OK)
        *rest = c.rest;
    else
        memset(out, 0, sizeof *out);
    return result;
}

enum address_result address_parse(struct str text, bool smtputf8, struct address *out, const char **why)
{
    struct cursor c = {.rest = text, .out = out, .utf8_allowed = smtputf8};

    memset(out, 0, sizeof *out);
    enum address_result result = mailbox(&c);
    if (c.rest.len && (result == ADDRESS_OK || result == ADDRESS_NEEDS_SMTPUTF8))
        result = malformed(&c, "something behind the domain");
    if (why)
        *why = c.why ? c.why : "";
    if (result != ADDRESS_OK)
        memset(out, 0, sizeof *out);
    return result;
}

struct str address_text(const struct address *a)
{
    return str_n(a->text, a->len);
}

struct str address_local(const struct address *a)
{
    return str_n(a->text, a->local_len);
}

size_t address_local_unquoted(const struct address *a, char *to)
{
    size_t n = unquote(address_local(a), to);

    to[n] = '\0';
    return n;
}

struct str address_domain(const struct address *a)
{
    return str_from_index(address_text(a), (size_t)a->local_len + 1);
}

bool address_is_null(const struct address *a)
{
    return a->len == 0;
}

bool address_eq(const struct address *a, const struct address *b)
{
    char x[LOCAL_PART_MAX + 1], y[LOCAL_PART_MAX + 1];
    struct str left = str_n(x, address_local_unquoted(a, x)), right = str_n(y, address_local_unquoted(b, y));

    return (a->len == 0) == (b->len == 0) && str_eq_case(left, right) && str_eq_case(address_domain(a), address_domain(b));
}

bool address_is_role(const struct address *a)
{
    char plain[LOCAL_PART_MAX + 1];
    struct str local = str_n(plain, address_local_unquoted(a, plain));

    return str_is_case(local, "postmaster") || str_is_case(local, "abuse");
}

static int hex_value(char c)
{
    return ascii_is_digit((unsigned char)c) ? c - '0' : ascii_lower((unsigned char)c) - 'a' + 10;
}

static bool is_hex(char c)
{
    int lower = ascii_lower((unsigned char)c);
    return ascii_is_digit(lower) || (lower >= 'a' && lower <= 'f');
}

bool xtext_decode(struct str text, char *to, size_t size, size_t *len)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (n == size || c < 33 || c > 126 || c == '=')
            return false;
        if (c == '+') {
            /* RFC 3461 says upper case; lower case is seen, and means the same to everybody */
            if (text.len - i < 3 || !is_hex(text.at[i + 1]) || !is_hex(text.at[i + 2]))
                return false;
            c = (unsigned char)(hex_value(text.at[i + 1]) << 4 | hex_value(text.at[i + 2]));
            i += 2;
        }
        to[n++] = (char)c;
    }
    *len = n;
    return true;
}

void xtext_encode(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c < 33 || c > 126 || c == '+' || c == '=')
            buf_addf(out, "+%02X", c);
        else
            buf_add_char(out, (char)c);
    }
}
