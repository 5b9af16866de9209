/*
 * link_bare.c: domains that stand in text without a scheme. Readers make them clickable where the last label is a top-level domain; so are the
 * endings of many files, and words behind a full stop without a blank, which nobody meant as links.
 */
#include "mail/link_parts.h"

#include "mail/utf8.h"

#include <string.h>
#include <unicode/uchar.h>

enum { REFUSED_MAX = 10000 /* names with odd endings that IDNA is asked about between two links */, LABEL_MAX = 64 /* octets of UTF-8 in a top-level domain, and more */ };

/* A sign that may touch a domain without being part of it: of a script without blanks, or a symbol. */
static bool is_glued(uint32_t c)
{
    return (c >= 0x2E80 && c < 0xFF00 && !link_is_wide_dot(c)) || (c >= 0xA0 && (U_MASK(u_charType((UChar32)c)) & (U_GC_SO_MASK | U_GC_SK_MASK)) != 0);
}

struct str link_peel_end(struct str run)
{
    const char *start = run.at + (str_find_last(run, '.') + 1), *at = start, *end = run.at + run.len;

    while (at < end) {
        const char *from = at;
        if (is_glued(utf8_next(&at, end, NULL)) && from > run.at && ascii_is_alnum((unsigned char)from[-1]))
            return str_n(run.at, (size_t)(from - run.at));
    }
    return run;
}

/* RUN without what stands before dots in a row ("please....read"), and without signs stuck to its first label. */
static struct str peel_front(struct str run)
{
    for (size_t i = run.len; i >= 2; i--)
        if (run.at[i - 1] == '.' && run.at[i - 2] == '.') {
            run = str_from_index(run, i);
            break;
        }
    ptrdiff_t dot = str_find(run, '.');
    const char *at = run.at, *end = run.at + (dot > 0 ? dot : 0);

    while (at < end)
        if (is_glued(utf8_next(&at, end, NULL)) && at < end && ascii_is_alnum((unsigned char)*at))
            run = str_n(at, run.len - (size_t)(at - run.at));
    return run;
}

static bool has_dot(struct str run)
{
    const char *at = run.at, *end = run.at + run.len;

    while (at < end) {
        struct str rest = str_n(at, (size_t)(end - at));
        uint32_t c = utf8_next(&at, end, NULL);
        if (c == '.' || link_is_wide_dot(c) || (c < 0x80 && link_defanged_dot(rest)))
            return true;
    }
    return false;
}

/* The last label is both a country and the ending of a file, or the whole is a name of something else. */
static bool is_other_name(struct str run)
{
    static const char *const endings[] = {"md", "py", "sh", "pl", "rs", "zip", "mov", "ps", "so", "pm", "cc", "ml", "mk", "st", "tf", "pub"};
    static const char *const names[] = {"Co.KG", "ASP.NET", "VB.NET", "ADO.NET"};
    struct str last = str_from_index(run, (size_t)(str_find_last(run, '.') + 1));

    for (size_t i = 0; last.len < 4 && i < sizeof endings / sizeof *endings; i++)
        if (str_is_case(last, endings[i]))
            return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_is(run, names[i]))
            return true;
    return false;
}

/* "sentence.It": a last label like a word at the start of a sentence, which is not one that people write with domains in mind. */
static bool is_sentence_joint(struct str run)
{
    static const char *const meant[] = {"com", "net", "org", "info", "biz", "edu", "gov"};
    struct str last = str_from_index(run, (size_t)(str_find_last(run, '.') + 1));

    if (last.len < 2 || last.at[0] < 'A' || last.at[0] > 'Z' || last.at[1] < 'a' || last.at[1] > 'z')
        return false;
    for (size_t i = 0; i < sizeof meant / sizeof *meant; i++)
        if (str_is_case(last, meant[i]))
            return false;
    return true;
}

/* Octets of port that follow, and in *GOES_ON whether a path, query or fragment does. */
static size_t see_behind(struct str behind, bool *goes_on)
{
    size_t port = link_port_length(behind);
    struct str rest = str_from_index(behind, port);

    *goes_on = rest.len && (rest.at[0] == '/' || ((rest.at[0] == '?' || rest.at[0] == '#') && rest.len > 1 && ascii_is_alnum((unsigned char)rest.at[1])));
    return port;
}

static bool is_wide_dot_before(const char *at)
{
    const char *from = at - 3;

    return ((unsigned char)*from & 0xF0) == 0xE0 && link_is_wide_dot(utf8_next(&from, at, NULL));
}

/* The last label in lower case is a top-level domain as it stands, or it is written so that only IDNA can tell. */
static bool may_be_wide_suffix(struct link_context *c, struct str run, struct find *f)
{
    const char *at = run.at + run.len, *end = at;
    char name[LABEL_MAX * UTF8_MAX];
    size_t n = 0;
    bool odd = false;

    while (at > run.at && end - at < LABEL_MAX && !strchr(".])}", at[-1]) && !(at - run.at > 3 && is_wide_dot_before(at)))
        at--;
    if (at == run.at || end - at >= LABEL_MAX)
        return false;
    while (at < end) {
        uint32_t code = utf8_next(&at, end, NULL);
        odd |= (code >= 0x300 && code < 0x370) || code >= 0xF900 || link_is_ignored(code);
        n += utf8_put(name + n, (uint32_t)u_tolower((UChar32)code));
    }
    if (link_has_known_suffix(c, str_n(name, n)))
        return true;
    return odd && f->refused++ < REFUSED_MAX;
}

/* Cheap, for the many words with a dot in them: false where the last label is no top-level domain. */
static bool may_be_domain(struct link_context *c, struct str run, struct find *f)
{
    size_t from = run.len;

    while (from && (ascii_is_alnum((unsigned char)run.at[from - 1]) || run.at[from - 1] == '-'))
        from--;
    struct str last = str_from_index(run, from);
    if (from && last.len && strchr(".])}", run.at[from - 1]))
        return last.len > 1 && ascii_is_alpha((unsigned char)last.at[0]) && link_has_known_suffix(c, last);
    return from && has_dot(run) && may_be_wide_suffix(c, run, f);
}

static bool is_www(struct str run)
{
    return str_starts_case(run, STR("www")) && run.len > 4 && (run.at[3] == '.' || link_defanged_dot(str_from_index(run, 3)));
}

bool link_take_bare(struct arena *arena, struct link_context *c, struct str run, struct str behind, struct find *f, struct link *out)
{
    bool goes_on = false, www = is_www(run), alone = (f->flags & LINK_FIND_ALONE) && !behind.len;
    size_t port = see_behind(behind, &goes_on);

    if (!www && !(f->flags & LINK_FIND_BARE))
        return false;
    run = link_peel_end(run);
    while (run.len && strchr(".-_", run.at[run.len - 1]))
        run.len--;
    if (!www)
        run = peel_front(run);
    while (run.len && strchr(".-_", run.at[0]))
        run = str_from_index(run, 1);
    if (run.at + run.len != behind.at) {
        port = 0;
        goes_on = false;
    }
    if (run.len > 4 * LINK_HOST_MAX || (!www && !may_be_domain(c, run, f)))
        return false;
    if (!www && !goes_on && (is_other_name(run) || (!alone && is_sentence_joint(run))))
        return false;
    if (!link_parse_bare(arena, c, str_n(run.at, run.len + port), out) || out->ip.family)
        return false;
    if (!www && (!out->domain.len || !link_has_known_suffix(c, out->host)))
        return false;
    return link_take_rest(arena, c, str_n(run.at, (size_t)(behind.at + behind.len - run.at)), run.len + port, goes_on, f, out);
}
