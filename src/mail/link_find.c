/*
 * link_find.c: what readers make clickable in plain text. One pass: runs of host characters are measured once; a run that is no link is left behind
 * for good, and of what follows a scheme only the host is read before the rest of the URL is taken.
 */
#include "mail/link_parts.h"

#include "mail/utf8.h"

#include <string.h>

/* Blanks and brackets of all kinds, behind which no URL goes on. */
static bool ends_url(uint32_t c)
{
    if (c < 0x80)
        return c <= ' ' || c == 0x7F || strchr("<>\"`", (int)c);
    return c == 0xA0 || c == 0xAB || c == 0xBB || (c >= 0x2000 && c <= 0x200A) || (c >= 0x2018 && c <= 0x201F) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x3000 || c == 0x3001 || (c >= 0x3008 && c <= 0x3011) || c == 0xFF01 || c == 0xFF08 || c == 0xFF09 || c == 0xFF0C ||
           c == 0xFF1A || c == 0xFF1B || c == 0xFF1F || c == UTF8_REPLACEMENT;
}

static bool is_wide_dot(uint32_t c)
{
    return c == 0x3002 || c == 0xFF0E || c == 0xFF61;
}

/* Octets of the host character (or dot, plain, wide or defanged) at the start of S; 0 where there is none. */
static size_t host_step(struct str s)
{
    const char *at = s.at, *end = s.at + s.len;

    if (!s.len)
        return 0;
    if ((unsigned char)*at < 0x80)
        return ascii_is_alnum((unsigned char)*at) || strchr("-_.", *at) ? (*at ? 1 : 0) : link_defanged_dot(s);
    uint32_t c = utf8_next(&at, end, NULL);
    if (ends_url(c) || (is_wide_dot(c) && (at == end || !ascii_is_alnum((unsigned char)*at))))
        return 0;
    return (size_t)(at - s.at);
}

/* A sign of a script that is written without blanks: it may touch a link without being part of it. */
static bool is_blankless(const char *at, const char *end)
{
    uint32_t c = utf8_next(&at, end, NULL);

    return c >= 0x2E80 && c < 0xFF00 && !is_wide_dot(c);
}

/* RUN without foreign signs stuck to its first label in front and its last label behind. */
static struct str peel(struct str run)
{
    const char *end = run.at + run.len, *dot = memchr(run.at, '.', run.len);
    ptrdiff_t last = str_find_last(run, '.');

    for (const char *at = run.at; dot && at < dot;) {
        const char *from = at;
        utf8_next(&at, end, NULL);
        if (is_blankless(from, end) && at < dot && ascii_is_alnum((unsigned char)*at))
            run = str_n(at, (size_t)(end - at));
    }
    const char *label = end - run.len;
    if (last >= 0)
        label = dot && label > dot ? label : (end - run.len);
    for (const char *at = end, *start = last >= 0 ? run.at + (str_find_last(run, '.') + 1) : end; start < at;) {
        if (start > run.at && is_blankless(start, end) && ascii_is_alnum((unsigned char)start[-1]))
            return str_n(run.at, (size_t)(start - run.at));
        utf8_next(&start, end, NULL);
    }
    return run;
}

/* Octets of S, at most MOST, up to what no URL holds. */
static size_t url_run(struct str s, const char *stops, size_t most)
{
    const char *at = s.at, *end = s.at + (s.len < most ? s.len : most);

    while (at < end) {
        const char *from = at;
        uint32_t c = utf8_next(&at, end, NULL);
        if (ends_url(c) || (c < 0x80 && c && strchr(stops, (int)c)) || (is_wide_dot(c) && (at == end || !ascii_is_alnum((unsigned char)*at))))
            return (size_t)(from - s.at);
    }
    return (size_t)(at - s.at);
}

/* Octets of S up to the URL's end, trailing punctuation and brackets that were not opened inside left out. */
static size_t url_length(struct str s)
{
    const char *end = s.at + url_run(s, "", LINK_READ_MAX);
    long open[3] = {0, 0, 0};

    for (const char *at = s.at; at < end; at++) {
        open[0] += (*at == '(') - (*at == ')');
        open[1] += (*at == '[') - (*at == ']');
        open[2] += (*at == '{') - (*at == '}');
    }
    while (end > s.at) {
        const char *closing = strchr(")]}", end[-1]);
        if (closing && *closing) {
            if (open[closing[0] == ')' ? 0 : closing[0] == ']' ? 1 : 2]++ >= 0)
                break;
        } else if (!end[-1] || !strchr(".,;:!?'*_~|", end[-1])) {
            break;
        }
        end--;
    }
    return (size_t)(end - s.at);
}

/* Octets of "://" and its disguises at the start of S, or 0. */
static size_t scheme_mark(struct str s)
{
    static const struct str marks[] = {{"://", 3}, {":\\\\", 3}, {"[:]//", 5}, {":/\\", 3}, {":\\/", 3}};

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (str_starts(s, marks[i]))
            return marks[i].len;
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

static bool parse(struct arena *arena, struct link_context *c, struct str s, bool bare, struct link *out)
{
    return bare ? link_parse_bare(arena, c, s, out) : link_parse(arena, c, s, out);
}

/*
 * S is a URL whose host begins at AUTHORITY_AT. The host is read first, alone, and left behind where it is none; only then is it worth looking
 * for the URL's end, which may be far away.
 */
static bool take(struct arena *arena, struct link_context *c, struct str s, size_t authority_at, bool bare, unsigned flags, struct str *rest, struct link *out)
{
    size_t end = authority_at + url_run(str_from_index(s, authority_at), "/\\?#", LINK_READ_MAX);
    struct str head = str_sub(s, 0, end), name = peel(str_from_index(head, authority_at));
    bool ends_here = name.at + name.len < s.at + end; /* a sentence goes on behind the host */

    if (ends_here)
        head = str_n(s.at, (size_t)(name.at + name.len - s.at));
    *rest = str_from_index(s, end);
    if (name.len == 0 || !parse(arena, c, head, bare, out))
        return false;
    size_t length = ends_here ? head.len : url_length(s);
    if (length > head.len && !parse(arena, c, str_sub(s, 0, length), bare, out))
        return false;
    if (length < head.len && (length <= authority_at || !parse(arena, c, str_sub(s, 0, length), bare, out)))
        return false; /* punctuation behind the host */
    *rest = str_from_index(s, flags & LINK_FIND_INSIDE ? head.len : length > head.len ? length : head.len);
    return true;
}

/* Two labels of which the second is both a country and the ending of a file. */
static bool is_file_name(struct str host)
{
    static const char *const endings[] = {"md", "py", "sh", "pl", "rs", "zip", "mov", "ps", "so", "pm", "cc", "ml", "mk", "st", "tf", "pub", "app"};
    struct str last = str_from_index(host, (size_t)(str_find_last(host, '.') + 1));

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (str_is_case(last, endings[i]) && strcmp(endings[i], "app") != 0)
            return true;
    return false;
}

static bool take_bare(struct arena *arena, struct link_context *c, struct str run, struct str behind, unsigned flags, struct str *rest, struct link *out)
{
    run = peel(run);
    while (run.len && strchr(".-_", run.at[0]))
        run = str_from_index(run, 1);
    bool goes_on = behind.len && (behind.at[0] == '/' || (behind.len > 1 && behind.at[0] == ':' && ascii_is_digit((unsigned char)behind.at[1])));
    while (run.len && strchr(".-_", run.at[run.len - 1])) {
        run.len--;
        goes_on = false;
    }
    if (run.len > LINK_HOST_MAX || (str_find(run, '.') < 0 && str_find(run, '(') < 0 && str_find(run, '[') < 0))
        return false;
    if (!link_parse_bare(arena, c, run, out) || out->ip.family || !out->domain.len || !link_has_known_suffix(c, out->host))
        return false;
    if (!goes_on)
        return !is_file_name(out->host);
    if (run.at + run.len != behind.at)
        return !is_file_name(out->host);
    return take(arena, c, str_n(run.at, run.len + behind.len), 0, true, flags, rest, out);
}

bool link_find(struct arena *arena, struct link_context *c, struct str *rest, unsigned flags, struct link *out)
{
    char before = ' ';

    while (rest->len) {
        size_t n = 0, step = 0;
        while ((step = host_step(str_from_index(*rest, n))) != 0)
            n += step;
        if (n == 0) {
            before = rest->at[0];
            *rest = str_from_index(*rest, 1);
            continue;
        }
        struct str run = str_sub(*rest, 0, n), behind = str_from_index(*rest, n);
        char previous = before;
        size_t mark = scheme_mark(behind), start = mark ? scheme_start(run) : run.len;
        ptrdiff_t www = str_starts_case(run, STR("www")) ? 0 : -1;
        before = 'a';
        *rest = behind;
        if (start < run.len) {
            struct str s = str_n(run.at + start, run.len - start + behind.len);
            if (take(arena, c, s, run.len - start + mark, false, flags, rest, out))
                return true;
        } else if (previous == '@' || (behind.len && behind.at[0] == '@')) {
            continue; /* an e-mail address */
        } else if (www == 0 && run.len > 4 && (run.at[3] == '.' || link_defanged_dot(str_from_index(run, 3)))) {
            if (take(arena, c, str_n(run.at, run.len + behind.len), 0, true, flags, rest, out))
                return true;
        } else if ((flags & LINK_FIND_BARE) && take_bare(arena, c, run, behind, flags, rest, out)) {
            return true;
        }
    }
    return false;
}

bool link_next_in_text(struct arena *arena, struct link_context *c, struct str *rest, struct link *out)
{
    return link_find(arena, c, rest, LINK_FIND_BARE, out);
}
