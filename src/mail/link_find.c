/*
 * link_find.c: what readers make clickable in plain text. One pass: runs of host characters are measured once, of what follows a scheme the host is
 * read first, and what is no link is left behind for good. Domains without a scheme are judged in link_bare.c.
 */
#include "mail/link_parts.h"

#include "mail/utf8.h"

#include <string.h>
#include <unicode/uchar.h>

enum { SHORTEST_DOMAIN = 4 /* octets: "t.co" */ };

/* Blanks and brackets of all kinds, behind which no URL goes on. */
static bool ends_url(uint32_t c)
{
    if (c < 0x80)
        return c <= ' ' || c == 0x7F || strchr("<>\"`", (int)c);
    return c == 0xA0 || c == 0xAB || c == 0xBB || (c >= 0x2000 && c <= 0x200A) || (c >= 0x2018 && c <= 0x201F) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x3000 || c == 0x3001 || (c >= 0x3008 && c <= 0x3011) || c == 0xFF01 || c == 0xFF08 || c == 0xFF09 || c == 0xFF0C ||
           c == 0xFF1A || c == 0xFF1B || c == 0xFF1F || c == UTF8_REPLACEMENT;
}

bool link_is_wide_dot(uint32_t c)
{
    return c == 0x3002 || c == 0xFF0E || c == 0xFF61;
}

static bool is_host_octet(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

/* Letters, marks, digits and emoji, with what UTS 46 drops; neither punctuation nor what browsers refuse. */
static bool is_host_character(uint32_t c)
{
    if ((c >= 0x200E && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFFFC || ends_url(c))
        return false;
    return (U_MASK(u_charType((UChar32)c)) & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK | U_GC_SO_MASK | U_GC_SK_MASK | U_GC_CF_MASK)) != 0;
}

/* Octets of the host character (or dot, plain, wide or defanged) at the start of S; 0 where there is none. */
static size_t host_step(struct str s)
{
    const char *at = s.at, *end = s.at + s.len;

    if ((unsigned char)*at < 0x80)
        return is_host_octet(*at) ? 1 : link_defanged_dot(s);
    uint32_t c = utf8_next(&at, end, NULL);
    bool fits = c == 0xB7 ? at < end && (*at == 'l' || *at == 'L') /* Catalan */
                : link_is_wide_dot(c) ? at < end && ascii_is_alnum((unsigned char)*at) : is_host_character(c);
    return fits ? (size_t)(at - s.at) : 0;
}

static size_t host_run(struct str s)
{
    size_t most = s.len < LINK_READ_MAX ? s.len : LINK_READ_MAX, n = 0, step = 1;

    while (n < most && step) {
        while (n < most && is_host_octet(s.at[n]))
            n++;
        step = n < most ? host_step(str_n(s.at + n, s.len - n)) : 0;
        n += step;
    }
    return n;
}

static bool is_trailing_mark(uint32_t c)
{
    if (c < 0x80)
        return c && strchr(".,;:!?'*_~|", (int)c);
    return (U_MASK(u_charType((UChar32)c)) & U_GC_P_MASK) != 0 || (c >= 0x200C && c <= 0x200F);
}

/* Octets of S, at most MOST, up to what no URL holds. */
static size_t url_run(struct str s, const char *stops, size_t most)
{
    const char *at = s.at, *end = s.at + (s.len < most ? s.len : most);

    while (at < end) {
        const char *from = at;
        uint32_t c = utf8_next(&at, end, NULL);
        if (ends_url(c) || (c < 0x80 && c && strchr(stops, (int)c)) || (link_is_wide_dot(c) && (at == end || !ascii_is_alnum((unsigned char)*at))))
            return (size_t)(from - s.at);
    }
    return (size_t)(at - s.at);
}

/* Octets of S up to the URL's end, trailing punctuation and brackets that were not opened inside left out. */
size_t link_url_length(struct str s)
{
    const char *end = s.at + url_run(s, "", LINK_READ_MAX);
    long open[3] = {0, 0, 0};

    for (const char *at = s.at; at < end; at++) {
        open[0] += (*at == '(') - (*at == ')');
        open[1] += (*at == '[') - (*at == ']');
        open[2] += (*at == '{') - (*at == '}');
    }
    while (end > s.at) {
        const char *last = end - 1;
        while (last > s.at && ((unsigned char)*last & 0xC0) == 0x80)
            last--;
        const char *next = last, *closing = *last ? strchr(")]}", *last) : NULL;
        if (closing ? open[*last == ')' ? 0 : *last == ']' ? 1 : 2]++ >= 0 : !is_trailing_mark(utf8_next(&next, end, NULL)))
            break;
        end = last;
    }
    return (size_t)(end - s.at);
}

/* Octets of "://" and its disguises at the start of S, all slashes behind it included; 0 where there is none. */
static size_t scheme_mark(struct str s)
{
    static const struct str marks[] = {{"://", 3}, {":\\\\", 3}, {"[:]//", 5}, {"[://]", 5}, {":/\\", 3}, {":\\/", 3}};

    if (!s.len || (s.at[0] != ':' && s.at[0] != '['))
        return 0;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (!str_starts(s, marks[i]))
            continue;
        size_t n = marks[i].len;
        while (n < s.len && n < LINK_READ_MAX && (s.at[n] == '/' || s.at[n] == '\\'))
            n++;
        return n;
    }
    return 0;
}

/* Where the scheme begins in RUN, which stands before "://". */
static size_t scheme_start(struct str run)
{
    static const struct str known[] = {{"https", 5}, {"http", 4}, {"hxxps", 5}, {"hxxp", 4}, {"ftp", 3}};
    size_t from = run.len;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_ends_case(run, known[i]))
            return run.len - known[i].len;
    while (from && run.len - from < 16 && (ascii_is_alnum((unsigned char)run.at[from - 1]) || run.at[from - 1] == '-'))
        from--;
    while (from < run.len && !ascii_is_alpha((unsigned char)run.at[from]))
        from++;
    return from;
}

size_t link_port_length(struct str s)
{
    size_t n = 1;

    if (s.len < 2 || s.at[0] != ':')
        return 0;
    while (n < s.len && n < 6 && ascii_is_digit((unsigned char)s.at[n]))
        n++;
    return n > 1 ? n : 0;
}

/* A run of host characters, percent-encoded ones among them. */
static size_t coded_host_run(struct str s)
{
    size_t n = host_run(s);

    while (n + 2 < s.len && s.at[n] == '%' && ascii_is_alnum((unsigned char)s.at[n + 1]) && ascii_is_alnum((unsigned char)s.at[n + 2])) {
        n += 3;
        n += n < s.len ? host_run(str_from_index(s, n)) : 0;
    }
    return n;
}

/* What of AUTHORITY is surely a host and its port: without the punctuation, the brackets or the sentence that may be stuck to it. */
static size_t sure_length(struct str authority)
{
    size_t from = (size_t)(str_find_last(authority, '@') + 1);
    struct str host = str_from_index(authority, from);
    ptrdiff_t bracket = host.len && host.at[0] == '[' && !link_defanged_dot(host) ? str_find(host, ']') : -1;
    size_t n = bracket >= 0 ? (size_t)bracket + 1 : link_peel_end(str_sub(host, 0, coded_host_run(host))).len;

    while (n && strchr("-_.", host.at[n - 1]) && host.at[n - 1])
        n--;
    return n ? from + n + link_port_length(str_from_index(host, n)) : 0;
}

/*
 * S is a URL whose host begins at HOST_AT. The host is read first, alone; only when it is one is it worth looking for the URL's end. Browsers take
 * nearly all characters for a host's, so punctuation behind it belongs to it only when the whole ends like a name in the DNS.
 */
static bool take(struct arena *arena, struct link_context *c, struct str s, size_t host_at, struct find *f, struct link *out)
{
    size_t end = host_at + url_run(str_from_index(s, host_at), "/\\?#", LINK_READ_MAX);
    size_t sure = host_at + sure_length(str_sub(s, host_at, end - host_at));

    f->rest = str_from_index(s, end);
    bool whole = link_parse(arena, c, str_sub(s, 0, end), out) && (sure == end || out->ip.family || link_has_known_suffix(c, out->host));
    if (!whole) {
        if (sure == host_at || sure == end || !link_parse(arena, c, str_sub(s, 0, sure), out))
            return false;
        end = sure;
    }
    return link_take_rest(arena, c, s, end, whole, f, out);
}

bool link_take_rest(struct arena *arena, struct link_context *c, struct str s, size_t end, bool goes_on, struct find *f, struct link *out)
{
    size_t length = goes_on ? link_url_length(s) : end;

    f->raw = str_sub(s, 0, length > end ? length : end);
    f->rest = str_from_index(s, f->flags & LINK_FIND_HOSTS ? end : f->raw.len);
    if (f->flags & LINK_FIND_HOSTS || length <= end)
        return true;
    return out->tricks & LINK_NO_SCHEME ? link_parse_bare(arena, c, f->raw, out) : link_parse(arena, c, f->raw, out);
}

static bool may_be_dot(const char *at, size_t len)
{
    return (*at == '[' || *at == '(' || *at == '{') && len > 2 && (at[1] == '.' || at[1] == 'd' || at[1] == 'D');
}

/* Goes past what begins no host; returns the last octet of it, or BEFORE. */
static char skip(struct str *rest, char before)
{
    size_t n = 0;

    while (n < rest->len && (unsigned char)rest->at[n] < 0x80 && !is_host_octet(rest->at[n]) && !may_be_dot(rest->at + n, rest->len - n))
        n++;
    if (n)
        before = rest->at[n - 1];
    *rest = str_n(rest->at + n, rest->len - n);
    return before;
}

bool link_find(struct arena *arena, struct link_context *c, struct find *f, struct link *out)
{
    char before = ' ';

    while (f->rest.len) {
        before = skip(&f->rest, before);
        size_t n = host_run(f->rest);
        if (n == 0) {
            before = f->rest.len ? f->rest.at[0] : ' ';
            f->rest = str_from_index(f->rest, 1);
            continue;
        }
        struct str run = str_sub(f->rest, 0, n), behind = str_from_index(f->rest, n);
        size_t mark = scheme_mark(behind), start = mark ? scheme_start(run) : run.len;
        bool is_address = before == '@' || (behind.len && behind.at[0] == '@');
        before = 'a';
        f->rest = behind;
        if (start < run.len) {
            if (take(arena, c, str_n(run.at + start, run.len - start + behind.len), run.len - start + mark, f, out))
                return true;
        } else if (!is_address && run.len >= SHORTEST_DOMAIN && link_take_bare(arena, c, run, behind, f, out)) {
            return true;
        }
    }
    return false;
}

bool link_next_in_text(struct arena *arena, struct link_context *c, struct str *rest, struct link *out)
{
    struct find f = {.rest = *rest, .flags = LINK_FIND_BARE};
    bool found = link_find(arena, c, &f, out);

    *rest = f.rest;
    return found;
}
