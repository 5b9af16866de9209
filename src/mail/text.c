/*
 * text.c: one pass over the code points for the tricks; ICU only for normal form and skeleton. Runs of combining marks are cut at 30 before ICU sees
 * them (as in the stream-safe format of UAX 15): it sorts them by insertion, which is quadratic in their number.
 */
#include "mail/text.h"

#include "base/buf.h"
#include "mail/utf8.h"

#include <stdlib.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>

enum {
    SAMPLE_BEFORE = 24, /* octets of context in a sample */
    SAMPLE_MAX = 64,
    PILE = 5,           /* marks on one letter; pointed Hebrew has four */
    MARKS_MAX = 30,
    SKELETON_INPUT_MAX = 1 << 16,
    NFKC_GROWTH = 18    /* U+FDFA */
};

enum { WORD_LATIN = 1, WORD_CYRILLIC = 2, WORD_GREEK = 4 };

struct scan {
    struct str text;
    struct text_tricks *out;
    size_t at;              /* offset of this code point */
    size_t first_trick;     /* offset of the first trick */
    uint32_t before;        /* the code point before this one, joiners not counted */
    unsigned word;          /* WORD_ bits of this word */
    bool word_counted;
    uint32_t joiners;       /* zero width characters since `before` */
    uint32_t soft_hyphens;
    unsigned marks;         /* in a row */
    bool selector_before;   /* the last code point was a variation selector */
    bool in_flag;           /* U+1F3F4 and the tags that name its region */
};

static void count(struct scan *s, enum text_trick trick, uint32_t times)
{
    if (!s->out->seen)
        s->first_trick = s->at;
    s->out->seen |= (unsigned)trick;
    s->out->count[__builtin_ctz((unsigned)trick)] += times;
}

static bool is_zero_width(uint32_t c)
{
    return (c >= 0x200B && c <= 0x200D) || (c >= 0x2060 && c <= 0x2064) || c == 0xFEFF || c == 0x180E || c == 0x034F || c == 0x115F || c == 0x1160 ||
           c == 0x3164;
}

static bool is_selector(uint32_t c)
{
    return (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0100 && c <= 0xE01EF);
}

static bool is_tag(uint32_t c)
{
    return c >= 0xE0000 && c <= 0xE007F;
}

static bool is_bidi_control(uint32_t c)
{
    return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static bool is_styled_letter(uint32_t c)
{
    return (c >= 0x1D400 && c <= 0x1D7FF) || (c >= 0xFF21 && c <= 0xFF3A) || (c >= 0xFF41 && c <= 0xFF5A) || (c >= 0x24B6 && c <= 0x24E9) ||
           (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

static bool is_one_of(uint32_t c, const uint16_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == c)
            return true;
    return false;
}

/* The letters that look like Latin ones; kΩ, Δt and the like are honest. */
static unsigned lookalike_of(uint32_t c)
{
    static const uint16_t greek[] = {0x391, 0x392, 0x395, 0x396, 0x397, 0x399, 0x39A, 0x39C, 0x39D, 0x39F, 0x3A1, 0x3A4, 0x3A5, 0x3A7,
                                     0x3B1, 0x3B9, 0x3BA, 0x3BD, 0x3BF, 0x3C1, 0x3C5, 0x3F2, 0x3F3};
    static const uint16_t cyrillic[] = {0x405, 0x406, 0x407, 0x408, 0x410, 0x412, 0x415, 0x41A, 0x41C, 0x41D, 0x41E, 0x420, 0x421, 0x422, 0x423, 0x425,
                                        0x430, 0x435, 0x43A, 0x43E, 0x440, 0x441, 0x443, 0x445, 0x451, 0x455, 0x456, 0x457, 0x458, 0x4AE, 0x4AF, 0x4BB,
                                        0x4C0, 0x4CF, 0x501, 0x50C, 0x51A, 0x51B, 0x51C, 0x51D};

    if (c >= 0x370 && c < 0x400)
        return is_one_of(c, greek, sizeof greek / sizeof *greek) ? WORD_GREEK : 0;
    if (c >= 0x400 && c < 0x530)
        return is_one_of(c, cyrillic, sizeof cyrillic / sizeof *cyrillic) ? WORD_CYRILLIC : 0;
    return 0;
}

/* Letters of Latin, Greek, Cyrillic and ASCII digits: inside words of these no joiner has a meaning, as it has in Arabic, Indic scripts and emoji. */
static bool joins_nothing(uint32_t c)
{
    if (c < 0x80)
        return ascii_is_alnum((int)c);
    return c < 0x530 && c != 0xA0 && u_isalpha((UChar32)c);
}

static bool is_latin(uint32_t c)
{
    UErrorCode error = U_ZERO_ERROR;

    if (c < 0x80)
        return ascii_is_alpha((int)c);
    return c < 0x2000 && u_isalpha((UChar32)c) && uscript_getScript((UChar32)c, &error) == USCRIPT_LATIN;
}

static void end_word(struct scan *s)
{
    s->word = 0;
    s->word_counted = false;
}

static void see_letter(struct scan *s, uint32_t c)
{
    if (joins_nothing(c) && joins_nothing(s->before)) {
        if (s->joiners)
            count(s, TEXT_ZERO_WIDTH, s->joiners);
        if (s->soft_hyphens)
            count(s, TEXT_SOFT_HYPHEN, s->soft_hyphens);
    }
    s->joiners = s->soft_hyphens = 0;
    s->word |= (is_latin(c) ? WORD_LATIN : 0) | lookalike_of(c);
    if (!s->word_counted && (s->word & WORD_LATIN) && (s->word & (WORD_CYRILLIC | WORD_GREEK))) {
        count(s, TEXT_MIXED_SCRIPT, 1);
        s->word_counted = true;
    }
    s->before = c;
}

/* What has no width. True when C was of that kind. */
static bool see_invisible(struct scan *s, uint32_t c)
{
    bool selector = is_selector(c), selector_before = s->selector_before;

    s->selector_before = selector;
    if (is_zero_width(c)) {
        s->joiners++;
    } else if (c == 0xAD) {
        s->soft_hyphens++;
    } else if (is_tag(c)) {
        if (!s->in_flag)
            count(s, TEXT_TAGS, 1);
    } else if (selector) {
        if (selector_before) /* one may choose a form; a second one only hides octets */
            count(s, TEXT_TAGS, 1);
    } else {
        return false;
    }
    return true;
}

static void see(struct scan *s, uint32_t c)
{
    if (c >= 0x80) {
        if (see_invisible(s, c))
            return;
        if (u_charType((UChar32)c) == U_NON_SPACING_MARK || u_charType((UChar32)c) == U_ENCLOSING_MARK) {
            if (++s->marks == PILE)
                count(s, TEXT_COMBINING_PILE, 1);
            return;
        }
        if (is_bidi_control(c))
            count(s, TEXT_BIDI_OVERRIDE, 1);
        else if (is_styled_letter(c))
            count(s, TEXT_MATH_LETTERS, 1);
        else if ((c >= 0xE000 && c <= 0xF8FF) || c >= 0xF0000)
            count(s, TEXT_PRIVATE_USE, 1);
    }
    s->selector_before = false;
    s->marks = 0;
    s->in_flag = c == 0x1F3F4;
    if (c < 0x80 ? !ascii_is_alnum((int)c) : !u_isalnum((UChar32)c))
        end_word(s);
    see_letter(s, c);
}

static struct str sample_around(struct str text, size_t at)
{
    size_t from = at > SAMPLE_BEFORE ? at - SAMPLE_BEFORE : 0;

    while (from < at && ((unsigned char)text.at[from] & 0xC0) == 0x80)
        from++;
    return utf8_cut(str_from_index(text, from), SAMPLE_MAX);
}

void text_find_tricks(struct arena *arena, struct str text, struct text_tricks *out)
{
    struct scan s = {.text = text, .out = out, .before = ' '};
    const char *at = text.at, *end = text.at + text.len;

    *out = (struct text_tricks){.sample = STR("")};
    if (utf8_ascii_prefix(text) == text.len)
        return;
    while (at < end) {
        s.at = (size_t)(at - text.at);
        see(&s, utf8_next(&at, end, NULL));
    }
    if (!out->seen)
        return;
    struct str sample = arena_str(arena, sample_around(text, s.first_trick));
    if (sample.at)
        out->sample = sample;
}

/* TEXT as UTF-16 in malloc'ed memory (owner: the caller), NULL out of memory. Unless ALL, without what has no width. */
static UChar *widen(struct str text, bool all, int32_t *length)
{
    UChar *wide = malloc((text.len + 1) * sizeof *wide); /* no octet makes more than one unit */
    const char *at = text.at, *end = text.at + text.len;
    unsigned marks = 0;

    *length = 0;
    while (wide && at < end) {
        uint32_t c = utf8_next(&at, end, NULL);
        if (!all && (is_zero_width(c) || is_tag(c) || is_selector(c) || is_bidi_control(c) || c == 0xAD))
            continue;
        marks = c >= 0x300 && u_getCombiningClass((UChar32)c) ? marks + 1 : 0;
        if (marks <= MARKS_MAX)
            U16_APPEND_UNSAFE(wide, *length, (UChar32)c);
    }
    return wide;
}

static struct str narrow(struct arena *arena, const UChar *wide, int32_t length, size_t ceiling)
{
    size_t room = (size_t)length * 3;
    UErrorCode error = U_ZERO_ERROR;
    int32_t octets = 0;
    char *to = malloc(room + 1);

    if (!to)
        return STR("");
    u_strToUTF8WithSub(to, (int32_t)room, &octets, wide, length, UTF8_REPLACEMENT, NULL, &error);
    struct str kept = STR("");
    if (U_SUCCESS(error))
        kept = arena_str(arena, utf8_cut(str_n(to, (size_t)octets), ceiling));
    free(to);
    return kept.at ? kept : STR("");
}

struct str text_normalize(struct arena *arena, struct str text, size_t ceiling)
{
    UErrorCode error = U_ZERO_ERROR;
    struct str normal = STR("");
    int32_t length = 0;

    if (ceiling > INT32_MAX / (NFKC_GROWTH * 3))
        ceiling = INT32_MAX / (NFKC_GROWTH * 3);
    if (utf8_ascii_prefix(text) == text.len)
        return str_sub(text, 0, ceiling);
    const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&error);
    UChar *wide = U_SUCCESS(error) ? widen(utf8_cut(text, ceiling), false, &length) : NULL;
    if (!wide)
        return normal;
    int32_t room = length * 2 + 32;
    UChar *to = malloc((size_t)room * sizeof *to);
    int32_t made = to ? unorm2_normalize(nfkc, wide, length, to, room, &error) : 0;
    if (error == U_BUFFER_OVERFLOW_ERROR) { /* MADE says how much it takes, NFKC_GROWTH times the input at most */
        free(to);
        error = U_ZERO_ERROR;
        to = malloc((size_t)made * sizeof *to);
        made = to ? unorm2_normalize(nfkc, wide, length, to, made, &error) : 0;
    }
    if (to && U_SUCCESS(error))
        normal = narrow(arena, to, made, ceiling);
    free(to);
    free(wide);
    return normal;
}

struct str text_skeleton(struct arena *arena, struct str text)
{
    UErrorCode error = U_ZERO_ERROR;
    struct str skeleton = STR("");
    int32_t length = 0;
    USpoofChecker *checker = uspoof_open(&error);
    UChar *wide = U_SUCCESS(error) ? widen(utf8_cut(text, SKELETON_INPUT_MAX), true, &length) : NULL;

    if (wide) {
        int32_t room = length * NFKC_GROWTH + 32;
        UChar *to = malloc((size_t)room * sizeof *to);
        int32_t made = to ? uspoof_getSkeleton(checker, 0, wide, length, to, room, &error) : 0;
        if (to && U_SUCCESS(error) && made <= room)
            skeleton = narrow(arena, to, made, (size_t)room * 3);
        free(to);
        free(wide);
    }
    if (checker)
        uspoof_close(checker);
    return skeleton;
}
