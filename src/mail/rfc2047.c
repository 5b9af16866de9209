/*
 * rfc2047.c: see rfc2047.h. One walk over the raw value. Neighbouring words of one charset are put together before the charset is decoded,
 * since many writers split a character over two words (RFC 2047 §5 forbids it; Outlook, Gmail, Thunderbird and Apple Mail all show it
 * whole).
 */
#include "mail/rfc2047.h"

#include "base/buf.h"
#include "mail/charset.h"
#include "mail/structured.h"

#include <string.h>

enum { WORD_MAX = 75, CHARSET_NAME_MAX = 64 };

struct word {
    struct str charset; /* without *language */
    char encoding;      /* 'q' or 'b' */
    struct str text;
    size_t size; /* octets of all of it */
    bool is_cut; /* no "?=" */
};

struct decoder {
    struct arena *arena;
    struct charset_context *charsets;
    struct buf out;
    struct buf octets;  /* of the words since the last flush, all of one charset */
    struct str charset; /* of `octets` */
    unsigned defects;
    bool keeps_controls;
};

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 127;
}

static bool is_plain_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_control(s.at[i]) || (unsigned char)s.at[i] > 127)
            return false;
    return true;
}

/*
 * Where a word's text ends: at "?=", or before the "=?" of another word (then it was cut: neither encoding can hold a question mark, but
 * for "=?=" where padding meets the end), or with the value.
 */
static size_t text_size(struct str s, size_t *end_size)
{
    *end_size = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] != '?')
            continue;
        if (i + 1 < s.len && s.at[i + 1] == '=') {
            *end_size = 2;
            return i;
        }
        if (i > 0 && s.at[i - 1] == '=')
            return i - 1;
    }
    return s.len;
}

/* A cut word ends at the blank, with the question mark that may be left of its end. */
static void cut_word(struct word *word)
{
    size_t len = 0;

    while (len < word->text.len && !structured_is_blank(word->text.at[len]))
        len++;
    word->size -= word->text.len - len;
    word->text.len = len;
    if (len && word->text.at[len - 1] == '?')
        word->text.len--;
    word->is_cut = true;
}

/* S begins with "=?". */
static bool word_parse(struct str s, struct word *word)
{
    size_t i = 2, end_size;

    while (i < s.len && i < CHARSET_NAME_MAX + 2 && s.at[i] != '?' && s.at[i] > ' ' && s.at[i] != 127)
        i++;
    word->charset = str_sub(s, 2, i - 2);
    ptrdiff_t language = str_find(word->charset, '*'); /* RFC 2231 §5 */
    if (language >= 0)
        word->charset.len = (size_t)language;
    if (i + 2 >= s.len || s.at[i] != '?' || s.at[i + 2] != '?' || word->charset.len == 0)
        return false;
    word->encoding = (char)ascii_lower(s.at[i + 1]);
    if (word->encoding != 'q' && word->encoding != 'b')
        return false;
    word->text = str_from_index(s, i + 3);
    word->text.len = text_size(word->text, &end_size);
    word->size = i + 3 + word->text.len + end_size;
    word->is_cut = false;
    if (end_size == 0)
        cut_word(word);
    return true;
}

static int hex_digit(int c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2047 §4.2. A blank is forbidden inside, but shown; a fold inside is what broke a word that was too long, and goes. */
static void decode_q(struct decoder *d, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        int high = i + 2 < text.len && c == '=' ? hex_digit(text.at[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.at[i + 2]) : -1;
        if (low >= 0) {
            buf_add_char(&d->octets, (char)(high * 16 + low));
            i += 2;
            continue;
        }
        if (c == '\r' || c == '\n') {
            while (i + 1 < text.len && structured_is_blank(text.at[i + 1]))
                i++;
            d->defects |= WORDS_BROKEN;
            continue;
        }
        if (c == '=' || c == ' ' || c == '\t')
            d->defects |= WORDS_BROKEN;
        if ((unsigned char)c > 127)
            d->defects |= WORDS_BROKEN | WORDS_RAW_8BIT;
        buf_add_char(&d->octets, c == '_' ? ' ' : c);
    }
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* What is not in the alphabet is passed over; behind padding readers go on with what follows as a new group. */
static void decode_b(struct decoder *d, struct str text)
{
    uint32_t group = 0;
    unsigned digits = 0, padding = 0;

    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.at[i]);
        if (text.at[i] == '=') {
            padding++;
            digits = 0;
            continue;
        }
        if (value < 0 || padding)
            d->defects |= WORDS_BROKEN;
        if (value < 0)
            continue;
        padding = 0;
        group = group << 6 | (uint32_t)value;
        digits = digits % 4 + 1;
        if (digits > 1)
            buf_add_char(&d->octets, (char)(group >> (8 - 2 * digits)));
    }
    if (padding > 2 || (padding == 0 && digits % 4 != 0))
        d->defects |= WORDS_BROKEN;
}

/* Text that is to be shown: every control character becomes a blank, but where a machine reads it. */
static void add_shown(struct decoder *d, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        size_t run = i;
        while (run < text.len && !is_control(text.at[run]))
            run++;
        buf_add(&d->out, text.at + i, run - i);
        i = run;
        if (i == text.len)
            break;
        if (text.at[i] != '\t')
            d->defects |= WORDS_CONTROL;
        buf_add_char(&d->out, d->keeps_controls ? text.at[i] : ' ');
    }
}

static void flush_words(struct decoder *d)
{
    struct charset_result text;

    if (d->octets.len == 0)
        return;
    charset_decode(d->charsets, d->arena, d->charset, buf_str(&d->octets), d->octets.len * 4 + 4, &text);
    if (text.defects & (CHARSET_UNKNOWN | CHARSET_ILL_FORMED | CHARSET_LIES))
        d->defects |= WORDS_UNKNOWN_CHARSET;
    ptrdiff_t nested = str_find_str(text.text, STR("=?"));
    if (nested >= 0 && str_find_str(str_from_index(text.text, (size_t)nested + 2), STR("?=")) >= 0)
        d->defects |= WORDS_NESTED;
    add_shown(d, text.text);
    buf_clear(&d->octets);
}

static bool ends_inside_utf8(const struct buf *octets)
{
    size_t back = 0;

    while (back < 3 && back < octets->len && ((unsigned char)octets->at[octets->len - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back >= octets->len)
        return false;
    unsigned char lead = (unsigned char)octets->at[octets->len - 1 - back];
    return (lead >= 0xc0 && back < 1) || (lead >= 0xe0 && back < 2) || (lead >= 0xf0 && back < 3);
}

static void add_word(struct decoder *d, const struct word *word)
{
    if (!str_eq_case(d->charset, word->charset))
        flush_words(d);
    else if (str_is_case(word->charset, "utf-8") && ends_inside_utf8(&d->octets))
        d->defects |= WORDS_BROKEN;
    d->charset = word->charset;
    if (word->encoding == 'q')
        decode_q(d, word->text);
    else
        decode_b(d, word->text);
    d->defects |= WORDS_FOUND;
    if (word->is_cut)
        d->defects |= WORDS_BROKEN;
    if (word->size > WORD_MAX)
        d->defects |= WORDS_TOO_LONG;
}

static bool is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

/* Text outside words, without its folds. */
static void add_unfolded(struct decoder *d, struct str text)
{
    size_t i = 0;

    while (i < text.len) {
        size_t run = i;
        while (run < text.len && !structured_is_blank(text.at[run]))
            run++;
        add_shown(d, str_sub(text, i, run - i));
        i = run;
        bool has_fold = false;
        while (run < text.len && structured_is_blank(text.at[run])) {
            has_fold |= is_line_end(text.at[run]);
            if (text.at[run] == '\r' && (run + 1 == text.len || text.at[run + 1] != '\n'))
                d->defects |= WORDS_CONTROL;
            run++;
        }
        if (has_fold)
            buf_add_char(&d->out, ' ');
        else
            add_shown(d, str_sub(text, i, run - i));
        i = run;
    }
}

static void add_plain(struct decoder *d, struct str text)
{
    struct charset_result guessed = {.text = text};
    bool has_8bit = false;

    if (text.len == 0)
        return;
    for (size_t i = 0; i < text.len && !has_8bit; i++)
        has_8bit = (unsigned char)text.at[i] > 127;
    if (has_8bit) {
        d->defects |= WORDS_RAW_8BIT;
        if (!utf8_is_valid(text))
            charset_decode(d->charsets, d->arena, str_n(NULL, 0), text, text.len * 4 + 4, &guessed);
    }
    add_unfolded(d, guessed.text);
}

static bool is_all_blank(struct str s)
{
    return str_trim(s).len == 0;
}

static void walk(struct decoder *d, struct str value)
{
    size_t plain_from = 0, i = 0;
    bool after_word = false;
    struct word word;

    while (i < value.len) {
        ptrdiff_t hit = str_find_str(str_from_index(value, i), STR("=?"));
        if (hit < 0)
            break;
        i += (size_t)hit;
        if (!word_parse(str_from_index(value, i), &word)) {
            d->defects |= WORDS_BROKEN;
            i += 2;
            continue;
        }
        struct str between = str_sub(value, plain_from, i - plain_from);
        /* blanks between two words do not count (RFC 2047 §6.2); their absence, there or around a word, is a defect (§5) */
        if (!after_word || !is_all_blank(between)) {
            flush_words(d);
            add_plain(d, between);
        }
        if (i > 0 && !structured_is_blank(value.at[i - 1]))
            d->defects |= WORDS_BROKEN;
        add_word(d, &word);
        after_word = true;
        i += word.size;
        plain_from = i;
        if (i < value.len && !structured_is_blank(value.at[i]))
            d->defects |= WORDS_BROKEN;
    }
    flush_words(d);
    add_plain(d, str_from_index(value, plain_from));
}

static struct str decode(struct arena *arena, struct charset_context *charsets, struct str value, unsigned *defects, bool keeps_controls)
{
    value = str_trim(value);
    if (is_plain_ascii(value) && str_find_str(value, STR("=?")) < 0) {
        if (defects)
            *defects = 0;
        return value;
    }
    struct decoder d = {.arena = arena, .charsets = charsets, .out = buf_make(value.len * 4 + 64), .octets = buf_make(value.len + 1),
                        .keeps_controls = keeps_controls};
    walk(&d, value);
    struct str text = arena_str(arena, str_trim(buf_str(&d.out)));
    if (d.out.failed || d.octets.failed)
        arena->failed = true;
    buf_free(&d.out);
    buf_free(&d.octets);
    if (defects)
        *defects = d.defects;
    return text;
}

struct str words_decode(struct arena *arena, struct charset_context *charsets, struct str value, unsigned *defects)
{
    return decode(arena, charsets, value, defects, false);
}

struct str words_decode_exact(struct arena *arena, struct charset_context *charsets, struct str value, unsigned *defects)
{
    return decode(arena, charsets, value, defects, true);
}
