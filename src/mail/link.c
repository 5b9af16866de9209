/* link.c: a URL into its parts, as browsers cut it (WHATWG URL, basic parser), and the public suffix list. Hosts are read in link_host.c. */
#include "mail/link_parts.h"

#include "base/buf.h"
#include "mail/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/uclean.h>
#include <unicode/udata.h>

const char *link_trick_name(unsigned bit)
{
    static const char *const names[LINK_TRICKS] = {"userinfo", "ip-host", "odd-ip", "port", "idn", "mixed-script", "percent-host", "control",
                                                   "backslash", "nested", "defanged", "shown-differs", "long-host", "no-scheme", "double-encoded"};
    return bit < LINK_TRICKS ? names[bit] : "";
}

struct link_context *link_context_new(const char *psl_file)
{
    UErrorCode error = U_ZERO_ERROR;
    struct link_context *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    udata_setFileAccess(UDATA_NO_FILES, &error); /* the data in the library is whole; the sandbox could not open another */
    error = U_ZERO_ERROR;
    u_init(&error);
    c->idna = uidna_openUTS46(UIDNA_CHECK_BIDI | UIDNA_CHECK_CONTEXTJ | UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_NONTRANSITIONAL_TO_UNICODE, &error);
    c->spoof = uspoof_open(&error);
    if (psl_file)
        c->loaded = psl_load_file(psl_file);
    c->suffixes = psl_file ? c->loaded : psl_builtin();
    if (U_FAILURE(error) || !c->suffixes)
        link_context_free(&c);
    return c;
}

void link_context_free(struct link_context **c)
{
    if (!*c)
        return;
    if ((*c)->idna)
        uidna_close((*c)->idna);
    if ((*c)->spoof)
        uspoof_close((*c)->spoof);
    psl_free((*c)->loaded);
    free(*c);
    *c = NULL;
}

static struct str registrable(const psl_ctx_t *suffixes, struct str host)
{
    char name[LINK_HOST_MAX + 1];
    struct ip ip;

    if (host.len && host.at[host.len - 1] == '.')
        host.len--;
    if (!host.len || host.at[0] == '.' || host.at[0] == '[' || !str_copy(name, sizeof name, host) || ip_parse(host, &ip))
        return STR("");
    str_lower(name, host.len);
    const char *domain = psl_registrable_domain(suffixes, name);
    return domain ? str_from_index(host, (size_t)(domain - name)) : STR("");
}

struct str link_registrable(struct link_context *c, struct str host)
{
    return registrable(c->suffixes, host);
}

struct str link_registrable_builtin(struct str host)
{
    return registrable(psl_builtin(), host);
}

bool link_has_known_suffix(struct link_context *c, struct str host)
{
    char name[LINK_HOST_MAX + 1];

    if (!str_copy(name, sizeof name, str_from_index(host, (size_t)(str_find_last(host, '.') + 1))))
        return false;
    str_lower(name, strlen(name));
    return name[0] && psl_is_public_suffix2(c->suffixes, name, PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE);
}

/* Blanks and controls off the ends; tabs and newlines out, as browsers do. */
static struct str clean(struct arena *arena, struct str target, unsigned *tricks)
{
    size_t n = 0;

    target = str_sub(target, 0, LINK_READ_MAX);
    while (target.len && (unsigned char)target.at[0] <= ' ')
        target = str_from_index(target, 1);
    while (target.len && (unsigned char)target.at[target.len - 1] <= ' ')
        target.len--;
    bool dirty = false;
    for (size_t i = 0; i < target.len; i++)
        dirty |= (unsigned char)target.at[i] < ' ' || target.at[i] == 0x7F;
    if (!dirty)
        return target;
    *tricks |= LINK_CONTROL;
    char *to = arena_bytes(arena, target.len);
    for (size_t i = 0; to && i < target.len; i++)
        if (!strchr("\t\r\n", target.at[i]) || !target.at[i])
            to[n++] = target.at[i];
    return str_n(to, n);
}

struct scheme {
    const char *name, *means;
    uint16_t port;
    bool is_web;
};

static const struct scheme schemes[] = {
    {"http", "http", 80, true},   {"https", "https", 443, true}, {"ftp", "ftp", 21, true},    {"ws", "ws", 80, true},
    {"wss", "wss", 443, true},    {"hxxp", "http", 80, true},    {"hxxps", "https", 443, true}, {"file", "file", 0, true},
};

static const struct scheme *scheme_row(struct str name)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (str_is_case(name, schemes[i].name))
            return &schemes[i];
    return NULL;
}

/* Takes "scheme:" off S; false where there is none. */
static bool take_scheme(struct str *s, struct str *scheme, unsigned *tricks)
{
    size_t n = 0;

    while (n < s->len && n < 32 && (ascii_is_alnum((unsigned char)s->at[n]) || (n && strchr("+-.", s->at[n]) && s->at[n])))
        n++;
    if (n == 0 || n == s->len || !ascii_is_alpha((unsigned char)s->at[0]))
        return false;
    struct str rest = str_from_index(*s, n);
    if (str_starts(rest, STR("[:]"))) {
        *tricks |= LINK_DEFANGED;
        rest = str_from_index(rest, 3);
    } else if (str_starts(rest, STR("[://]"))) {
        *tricks |= LINK_DEFANGED;
        rest = str_from_index(rest, 5);
    } else if (rest.at[0] == ':') {
        rest = str_from_index(rest, 1);
    } else {
        return false;
    }
    *scheme = str_n(s->at, n);
    *s = rest;
    return true;
}

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

static bool add_hex(struct buf *b, unsigned char c)
{
    return buf_addf(b, "%%%02X", c);
}

/* Characters that hide or turn what stands around them. Joiners are letters to some scripts. */
static bool is_deceptive(uint32_t c)
{
    return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x200B || c == 0xFEFF;
}

/* The path as it is shown: slashes straight, what cannot be printed percent-encoded. */
static void add_path(struct buf *b, struct str path, bool is_web, unsigned *tricks)
{
    const char *at = path.at, *end = path.at + path.len;
    bool in_query = false;

    while (at < end && !b->failed) {
        const char *from = at;
        bool bad = false;
        uint32_t c = utf8_next(&at, end, &bad);
        in_query |= c == '?' || c == '#';
        if (c == '%' && end - from >= 5 && memcmp(from, "%25", 3) == 0 && strchr("0123456789abcdefABCDEF", from[3]) && from[3])
            *tricks |= LINK_DOUBLE_ENCODED;
        if (c == '\\' && is_web && !in_query) {
            *tricks |= LINK_BACKSLASH;
            buf_add_char(b, '/');
        } else if (bad || c <= ' ' || (c >= 0x7F && c < 0xA0) || (c >= 0x200C && c <= 0x200F) || c == 0x2028 || c == 0x2029 || is_deceptive(c)) {
            *tricks |= !bad && is_deceptive(c) ? LINK_CONTROL : 0;
            for (; from < at && !b->failed; from++)
                add_hex(b, (unsigned char)*from);
        } else {
            buf_add(b, from, (size_t)(at - from));
        }
    }
}

static bool build_url(struct arena *arena, struct str path, bool is_web, uint16_t usual_port, struct link *out)
{
    struct buf b = buf_make(LINK_URL_MAX);
    bool is_ip6 = out->ip.family == 6;

    buf_addf(&b, STR_FMT "://%s" STR_FMT "%s", STR_ARG(out->scheme), is_ip6 ? "[" : "", STR_ARG(out->host), is_ip6 ? "]" : "");
    if (out->port != usual_port)
        buf_addf(&b, ":%u", out->port);
    size_t path_at = b.len;
    if (is_web && (!path.len || !is_slash(path.at[0])))
        buf_add_char(&b, '/');
    add_path(&b, path, is_web, &out->tricks);
    out->url = arena_str(arena, buf_str(&b));
    buf_free(&b);
    out->path = out->url.at ? str_from_index(out->url, path_at) : STR("");
    return out->url.at != NULL;
}

static bool read_port(struct str text, struct link *out, uint16_t usual)
{
    uint64_t port = 0;

    out->port = usual;
    if (!text.len)
        return true;
    if (!str_to_u64(text, UINT16_MAX, &port))
        return false;
    out->port = (uint16_t)port;
    if (port != usual)
        out->tricks |= LINK_PORT;
    return true;
}

/* S begins behind the slashes. */
static bool read_authority(struct arena *arena, struct link_context *c, struct str s, const struct scheme *row, struct link *out)
{
    bool is_web = row != NULL;
    size_t end = 0;

    while (end < s.len && s.at[end] != '/' && s.at[end] != '?' && s.at[end] != '#' && !(is_web && s.at[end] == '\\'))
        end++;
    struct str authority = str_sub(s, 0, end), path = str_from_index(s, end);
    ptrdiff_t user = str_find_last(authority, '@');
    if (user >= 0) {
        out->tricks |= LINK_USERINFO;
        authority = str_from_index(authority, (size_t)user + 1);
    }
    ptrdiff_t bracket = authority.len && authority.at[0] == '[' ? str_find(authority, ']') : -1;
    ptrdiff_t colon = str_find_last(authority, ':');
    struct str host = authority, port = STR("");
    if (colon >= 0 && colon > bracket) {
        host = str_sub(authority, 0, (size_t)colon);
        port = str_from_index(authority, (size_t)colon + 1);
    }
    uint16_t usual = row ? row->port : 0;
    return read_port(port, out, usual) && link_read_host(arena, c, host, is_web, out) && build_url(arena, path, is_web, usual, out);
}

static struct str lower_copy(struct arena *arena, struct str s)
{
    char *to = arena_bytes(arena, s.len);

    for (size_t i = 0; to && i < s.len; i++)
        to[i] = (char)ascii_lower((unsigned char)s.at[i]);
    return str_n(to, to ? s.len : 0);
}

/* What stands behind these is no host, whatever it looks like: "javascript://" begins with a comment. */
static bool is_code(struct str scheme)
{
    return str_is_case(scheme, "javascript") || str_is_case(scheme, "vbscript") || str_is_case(scheme, "data");
}

static bool parse(struct arena *arena, struct link_context *c, struct str target, bool bare, struct link *out)
{
    struct str scheme = STR("http");

    *out = (struct link){.url = STR(""), .scheme = STR(""), .host = STR(""), .path = STR(""), .domain = STR(""), .skeleton = STR("")};
    struct str s = clean(arena, target, &out->tricks);
    size_t slashes = 0;
    bool has_scheme = !bare && take_scheme(&s, &scheme, &out->tricks);
    const struct scheme *row = scheme_row(scheme);
    if (row && ascii_lower((unsigned char)row->name[1]) == 'x')
        out->tricks |= LINK_DEFANGED;
    if (has_scheme) {
        out->scheme = row ? str_from(row->means) : lower_copy(arena, scheme);
        if (!out->scheme.at)
            return false;
    }
    while (slashes < s.len && (s.at[slashes] == '/' || (row && is_slash(s.at[slashes])))) {
        out->tricks |= s.at[slashes] == '\\' ? LINK_BACKSLASH : 0;
        slashes++;
    }
    if (!has_scheme) {
        if (!bare && slashes < 2 && !str_starts_case(s, STR("www.")))
            return false;
        out->scheme = STR("http");
        out->tricks |= LINK_NO_SCHEME;
    } else if ((!row && slashes != 2) || (row && row->port == 0 && slashes != 2)) {
        return false; /* opaque, or a file of the reader's own */
    } else if (!row && is_code(scheme)) {
        return false;
    }
    return read_authority(arena, c, str_from_index(s, slashes), row, out);
}

bool link_parse(struct arena *arena, struct link_context *c, struct str target, struct link *out)
{
    return parse(arena, c, target, false, out);
}

bool link_parse_bare(struct arena *arena, struct link_context *c, struct str target, struct link *out)
{
    return parse(arena, c, target, true, out);
}

bool link_shown_differs(struct arena *arena, struct link_context *c, const struct link *real, struct str shown)
{
    struct str mine = real->domain.len ? real->domain : real->host;
    struct find f = {.rest = str_trim(shown), .flags = LINK_FIND_BARE};
    struct link seen;

    f.flags |= str_find(f.rest, ' ') < 0 ? LINK_FIND_ALONE : 0;
    for (int i = 0; i < LINK_NESTED_MAX && link_find(arena, c, &f, &seen); i++)
        if (!str_eq_case(mine, seen.domain.len ? seen.domain : seen.host))
            return true;
    return false;
}
