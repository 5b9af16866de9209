/*
 * text.c: one pass over the code points for the tricks; ICU only for normal form and skeleton. Runs of combining marks are cut at 30 before ICU sees
 * them (as in the stream-safe format of UAX 15): it sorts them by insertion, which is quadratic in their number.
 */
#include "mail/text.h"

#include "base/buf.h"
#include "mail/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>

enum {
    SAMPLE_BEFORE = 24, /* octets of context in a sample */
    SAMPLE_MAX = 64,
    PILE = 5,           /* marks on one letter; pointed Hebrew has four */
    FLAG_TAGS = 6,      /* a country, a region of up to three signs, an end */
    MARKS_MAX = 30,
    SKELETON_INPUT_MAX = 1 << 16,
    NFKC_GROWTH = 18    /* U+FDFA */
};

/* What the letters of a word are. "Like": a letter of the other script looks the same. */
enum {
    LATIN_LIKE_CYRILLIC = 1,
    LATIN_ONLY = 2,
    LATIN_LOWER = 4,
    CYRILLIC_LIKE = 8,
    CYRILLIC_ONLY = 16,
    GREEK_LIKE = 32,
    GREEK_ONLY = 64,
    GREEK_UPPER = 128,
    CYRILLIC_UPPER = 256,
    RARE_LIKE = 512 /* scripts of few readers whose capitals look Latin */
};

struct word {
    size_t at;       /* offset of its first letter */
    unsigned seen;   /* the bits above */
    uint32_t letters, styled, wide;
};

struct scan {
    struct text_tricks *out;
    size_t at;              /* offset of this code point */
    size_t first_trick;     /* offset of the first trick */
    uint32_t before;        /* the code point before this one, joiners not counted */
    struct word word;
    uint32_t joiners;       /* zero width characters since `before` */
    uint32_t soft_hyphens;
    unsigned marks;         /* in a row */
    bool selector_before;   /* the last code point was a variation selector */
    unsigned flag_tags;     /* that may still follow U+1F3F4, to name its region */
    uint32_t wide;          /* full width letters; CJK uses them honestly */
    size_t wide_at;
    bool has_cjk;
};

static void count_at(struct scan *s, enum text_trick trick, uint32_t times, size_t at)
{
    if (!s->out->seen || at < s->first_trick)
        s->first_trick = at;
    s->out->seen |= (unsigned)trick;
    s->out->count[__builtin_ctz((unsigned)trick)] += times;
}

static void count(struct scan *s, enum text_trick trick, uint32_t times)
{
    count_at(s, trick, times, s->at);
}

/* Without width, and without meaning between letters of Latin, Greek and Cyrillic. */
static bool is_zero_width(uint32_t c)
{
    return (c >= 0x200B && c <= 0x200F) || (c >= 0x2060 && c <= 0x2065) || (c >= 0x206A && c <= 0x206F) || c == 0xFEFF || c == 0x034F || c == 0x061C ||
           c == 0x115F || c == 0x1160 || c == 0x3164 || (c >= 0x180B && c <= 0x180F) || (c >= 0xFFF9 && c <= 0xFFFB);
}

static bool is_selector(uint32_t c)
{
    return (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0100 && c <= 0xE01EF);
}

static bool is_tag(uint32_t c)
{
    return c >= 0xE0000 && c <= 0xE0FFF && !is_selector(c); /* the rest of the plane is not drawn either */
}

static bool is_bidi_control(uint32_t c)
{
    return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static bool is_wide_letter(uint32_t c)
{
    return (c >= 0xFF21 && c <= 0xFF3A) || (c >= 0xFF41 && c <= 0xFF5A);
}

/* Squared and circled capitals: the letter, or 0. NFKC leaves these as they are. */
static char boxed_letter(uint32_t c)
{
    uint32_t from = c >= 0x1F150 && c <= 0x1F169 ? 0x1F150 : c >= 0x1F170 && c <= 0x1F189 ? 0x1F170 : 0;

    return from ? (char)('A' + (c - from)) : 0;
}

static bool is_styled_letter(uint32_t c)
{
    return (c >= 0x1D400 && c <= 0x1D7FF) || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || boxed_letter(c);
}

static bool is_cjk_letter(uint32_t c)
{
    return (c >= 0x3041 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7AF) || (c >= 0x20000 && c < 0x40000);
}

static bool is_one_of(uint32_t c, const uint16_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == c)
            return true;
    return false;
}

static bool looks_latin(uint32_t c)
{
    static const uint16_t greek[] = {0x391, 0x392, 0x395, 0x396, 0x397, 0x399, 0x39A, 0x39C, 0x39D, 0x39F, 0x3A1, 0x3A4, 0x3A5, 0x3A7,
                                     0x3B1, 0x3B9, 0x3BA, 0x3BD, 0x3BF, 0x3C1, 0x3C5, 0x3F2, 0x3F3};
    static const uint16_t cyrillic[] = {0x405, 0x406, 0x407, 0x408, 0x410, 0x412, 0x415, 0x41A, 0x41C, 0x41D, 0x41E, 0x420, 0x421, 0x422, 0x423, 0x425,
                                        0x430, 0x435, 0x43A, 0x43E, 0x440, 0x441, 0x443, 0x445, 0x451, 0x455, 0x456, 0x457, 0x458, 0x4AE, 0x4AF, 0x4BB,
                                        0x4C0, 0x4CF, 0x501, 0x50C, 0x51A, 0x51B, 0x51C, 0x51D};

    return c < 0x400 ? is_one_of(c, greek, sizeof greek / sizeof *greek) : is_one_of(c, cyrillic, sizeof cyrillic / sizeof *cyrillic);
}

static unsigned latin_bits(uint32_t c)
{
    static const char russian[] = "ABCEHKMOPTXaceopxy"; /* not i: Ukrainian is typed with a Latin one, where the keyboard has no other */
    unsigned like = c < 0x80 && strchr(russian, (int)c) ? LATIN_LIKE_CYRILLIC : LATIN_ONLY;

    return like | ((c < 0x80 ? c >= 'a' : u_islower((UChar32)c)) ? LATIN_LOWER : 0);
}

static unsigned letter_bits(uint32_t c)
{
    UErrorCode error = U_ZERO_ERROR;

    if (c < 0x80)
        return ascii_is_alpha((int)c) ? latin_bits(c) : 0;
    if (c >= 0x370 && c < 0x400)
        return (looks_latin(c) ? GREEK_LIKE : GREEK_ONLY) | (u_isupper((UChar32)c) ? GREEK_UPPER : 0);
    if (c >= 0x400 && c < 0x530)
        return (looks_latin(c) ? CYRILLIC_LIKE : CYRILLIC_ONLY) | (u_isupper((UChar32)c) ? CYRILLIC_UPPER : 0);
    if ((c >= 0x530 && c < 0x590) || (c >= 0x13A0 && c < 0x1400) || (c >= 0x2C80 && c < 0x2D00) || (c >= 0xA4D0 && c < 0xA500) || (c >= 0xAB70 && c < 0xABC0))
        return RARE_LIKE; /* Armenian, Cherokee, Coptic, Lisu */
    return c < 0x2000 && u_isalpha((UChar32)c) && uscript_getScript((UChar32)c, &error) == USCRIPT_LATIN ? latin_bits(c) : 0;
}

/*
 * Scripts are mixed to deceive where all letters of one could be the other's. "iPadом" and "3D-принтер" are how people write; so are SMSка, TNFα and
 * NFκB, where small letters stand behind Latin capitals; Δt and kΩ have no letter that looks Latin.
 */
static bool is_mixed(unsigned seen)
{
    bool latin = seen & (LATIN_LIKE_CYRILLIC | LATIN_ONLY), cyrillic = seen & (CYRILLIC_LIKE | CYRILLIC_ONLY);

    if (!latin)
        return false;
    if (seen & RARE_LIKE)
        return true;
    if (cyrillic && !(seen & LATIN_ONLY))
        return true;
    if (cyrillic && !(seen & CYRILLIC_ONLY) && (seen & (LATIN_LOWER | CYRILLIC_UPPER)))
        return true;
    if (!(seen & GREEK_LIKE) || (seen & GREEK_ONLY))
        return false;
    return (seen & LATIN_LOWER) || (seen & GREEK_UPPER);
}

/* Letters of Latin, Greek, Cyrillic and ASCII digits: inside words of these no joiner has a meaning, as it has in Arabic, Indic scripts and emoji. */
static bool joins_nothing(uint32_t c)
{
    if (c < 0x80)
        return ascii_is_alnum((int)c);
    return c < 0x530 && c != 0xA0 && u_isalpha((UChar32)c);
}

static void end_word(struct scan *s)
{
    struct word w = s->word;

    s->word = (struct word){.at = 0};
    if (is_mixed(w.seen))
        count_at(s, TEXT_MIXED_SCRIPT, 1, w.at);
    if (w.styled && w.letters > 1) /* one alone is a variable, a list's mark or an emoji */
        count_at(s, TEXT_MATH_LETTERS, w.styled, w.at);
    if (w.wide && !s->wide)
        s->wide_at = w.at;
    s->wide += w.wide;
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
    s->before = c;
}

/* C is part of a word. */
static void see_in_word(struct scan *s, uint32_t c)
{
    if (!s->word.letters)
        s->word.at = s->at;
    s->word.letters++;
    s->word.seen |= letter_bits(c);
    if (c < 0x80)
        return;
    s->word.styled += is_styled_letter(c);
    s->word.wide += is_wide_letter(c);
    s->has_cjk |= is_cjk_letter(c);
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
        if (s->flag_tags)
            s->flag_tags = c == 0xE007F ? 0 : s->flag_tags - 1;
        else
            count(s, TEXT_TAGS, 1);
    } else if (selector) {
        if (selector_before) /* one may choose a form; a second one only hides octets */
            count(s, TEXT_TAGS, 1);
        else
            s->joiners++; /* letters have no forms to choose from */
    } else {
        return false;
    }
    return true;
}

static void see(struct scan *s, uint32_t c)
{
    bool is_letter = c < 0x80 && ascii_is_alnum((int)c);

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
        else if ((c >= 0xE000 && c <= 0xF8FF) || c >= 0xF0000)
            count(s, TEXT_PRIVATE_USE, 1);
        is_letter = u_isalnum((UChar32)c) || is_styled_letter(c);
    }
    s->selector_before = false;
    s->marks = 0;
    s->flag_tags = c == 0x1F3F4 ? FLAG_TAGS : 0;
    if (is_letter)
        see_in_word(s, c);
    else
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
    struct scan s = {.out = out, .before = ' '};
    const char *at = text.at, *end = text.at + text.len;

    *out = (struct text_tricks){.sample = STR("")};
    if (utf8_ascii_prefix(text) == text.len)
        return;
    while (at < end) {
        s.at = (size_t)(at - text.at);
        see(&s, utf8_next(&at, end, NULL));
    }
    end_word(&s);
    if (s.wide && !s.has_cjk)
        count_at(&s, TEXT_MATH_LETTERS, s.wide, s.wide_at);
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
        if (!all && boxed_letter(c))
            c = (uint32_t)boxed_letter(c);
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
