/*
 * analysis_name.c: every extension that a file may have once somebody has saved it. Between a name in a message and a name in a file system stand
 * readers that decode it once more, drop what cannot be seen, take wide letters for plain ones, end at a NUL or at a character that their file
 * system does not have, and cut what is too long to show. Which of them the recipient has nobody knows, so all of them count.
 */
#include "scan/analysis_parts.h"

#include "mail/rfc2047.h"
#include "mail/text.h"

#include <string.h>

enum { EXTENSIONS_MAX = 24, EXTENSION_MAX = 40 /* a class identifier has 38 */, CUTS_MAX = 16, BLANKS_THAT_HIDE = 3 };

struct extensions {
    struct analysis *analysis;
    char *text; /* "exe/txt" */
    size_t len, count;
};

/* What no file name ends in, or no name of Windows holds. */
static struct str without_tail(struct str name)
{
    while (name.len && memchr(". \t\r\n'\"<>|?*:;,/\\", name.at[name.len - 1], 17))
        name.len--;
    return name;
}

static bool is_known(const struct extensions *e, struct str extension)
{
    struct str known = str_n(e->text, e->len);

    while (known.len)
        if (str_eq_case(str_cut(&known, '/'), extension))
            return true;
    return false;
}

/* IS_CUT: NAME is the beginning of a longer one. "Offer of shop.com:2024.pdf" and "Dr. Com" are how people write; other .com are like the others. */
static void add_extension(struct extensions *e, struct str name, bool is_cut)
{
    name = without_tail(name);
    ptrdiff_t dot = str_find_last(name, '.');
    struct str extension = dot < 0 ? str_n(NULL, 0) : str_trim(str_from_index(name, (size_t)dot + 1));

    if (!extension.len || extension.len > EXTENSION_MAX || e->count == EXTENSIONS_MAX || is_known(e, extension))
        return;
    is_cut = is_cut || name.at[dot + 1] == ' ';
    if (memchr(extension.at, '/', extension.len) || (is_cut && str_is_case(extension, "com") && str_find(name, ' ') >= 0))
        return;
    if (e->len)
        e->text[e->len++] = '/';
    memcpy(e->text + e->len, extension.at, extension.len);
    e->len += extension.len;
    e->count++;
}

/* How many octets at the beginning of S some reader takes for the end of the name; 0: none. */
static size_t end_mark(struct str s)
{
    static const char *const ends[] = {"\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xEF\xBF\xBD" /* of NUL, mostly */};
    size_t blanks = 0;

    if ((unsigned char)s.at[0] < ' ' || s.at[0] == 0x7F)
        return 1;
    if (memchr(":;?*|<>\"", s.at[0], 8))
        return s.len > 1 && s.at[1] != ' ' ? 1 : 0; /* "Re: x" ends nothing */
    while (blanks < s.len && s.at[blanks] == ' ')
        blanks++;
    if (blanks >= BLANKS_THAT_HIDE)
        return blanks;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (str_starts(s, str_from(ends[i])))
            return strlen(ends[i]);
    return 0;
}

static void add_with_cuts(struct extensions *e, struct str name)
{
    unsigned cuts = 0;

    add_extension(e, name, false);
    for (size_t i = 0; i < name.len && cuts < CUTS_MAX; i++) {
        size_t mark = end_mark(str_from_index(name, i));
        if (!mark)
            continue;
        add_extension(e, str_sub(name, 0, i), true);
        cuts++;
        i += mark - 1;
    }
}

static int hex_digit(char c)
{
    int lower = ascii_lower((unsigned char)c);
    return lower >= '0' && lower <= '9' ? lower - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Percent signs undone, as programs do that know names from the web; NAME itself where there are none. */
static struct str without_percents(struct arena *arena, struct str name)
{
    if (str_find(name, '%') < 0)
        return name;
    char *to = arena_bytes(arena, name.len);
    size_t len = 0;
    for (size_t i = 0; to && i < name.len; i++) {
        int high = name.at[i] == '%' && i + 2 < name.len ? hex_digit(name.at[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(name.at[i + 2]) : -1;
        to[len++] = low < 0 ? name.at[i] : (char)(high << 4 | low);
        i += low < 0 ? 0 : 2;
    }
    return str_n(to, len);
}

static void add_name(struct extensions *e, struct str name)
{
    struct arena *arena = e->analysis->arena;
    struct str plain = without_percents(arena, name), seen = utf8_is_valid(plain) ? text_normalize(arena, plain, plain.len * 4) : plain;

    add_with_cuts(e, name);
    if (!str_eq(plain, name))
        add_with_cuts(e, plain);
    if (!str_eq(seen, plain))
        add_with_cuts(e, seen);
}

struct str analyze_extensions(struct analysis *a, struct str name, struct str others)
{
    struct extensions e = {.analysis = a, .text = arena_bytes(a->arena, (EXTENSION_MAX + 1) * EXTENSIONS_MAX)};

    if (!e.text)
        return str_n(NULL, 0);
    add_name(&e, name);
    while (others.len)
        add_name(&e, str_cut(&others, '/'));
    if (str_find_str(name, STR("=?")) >= 0) /* decoded once already */
        add_name(&e, words_decode(a->arena, a->tools->charsets, name, NULL));
    return str_n(e.text, e.len);
}
