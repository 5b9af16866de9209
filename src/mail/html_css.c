/* html_css.c: declarations. See html_css.h. */
#include "mail/html_css.h"

#include "mail/utf8.h"

#include <stdlib.h>
#include <string.h>

enum {
    DECLARATION_MAX = 256, /* octets of one normalised declaration */
    FAR_PX = 500           /* to the left of or above the page by that much: nobody scrolls there */
};

/* A length in px; RELATIVE: as a factor of the font's size. False where it is none. */
static bool read_length(struct str s, float *px, bool *relative)
{
    static const struct {
        const char *unit;
        float factor;
        bool relative;
    } units[] = {{"px", 1, false},      {"pt", 4.F / 3, false}, {"em", 1, true},      {"%", 0.01F, true},  {"rem", 16, false},    {"ex", 0.5F, true},
                 {"pc", 16, false},     {"in", 96, false},      {"cm", 37.8F, false}, {"mm", 3.78F, false}, {"vw", 10, false},     {"vh", 8, false},
                 {"ch", 0.5F, true}};
    char text[24], *end;

    str_copy(text, sizeof text, s);
    if (!strchr("+-.0123456789", text[0]) || !text[0])
        return false;
    float value = strtof(text, &end);
    if (end == text || value != value || value > 1e6F || value < -1e6F)
        return false;
    *px = value;
    *relative = false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0) {
            *px = value * units[i].factor;
            *relative = units[i].relative;
        }
    return true;
}

static float length_px(struct str s)
{
    bool relative;
    float px;

    if (!read_length(s, &px, &relative))
        return 0;
    return relative ? px * 16 : px;
}

static bool is_far(struct str value)
{
    return length_px(value) <= -FAR_PX;
}

/* At most one px: nothing of a text is seen in it. */
static bool is_nothing(struct str value)
{
    bool relative;
    float px;

    return read_length(value, &px, &relative) && px <= (relative ? 0 : 1);
}

static bool font_size(struct str value, struct css_style *s)
{
    static const struct {
        const char *word;
        float px;
    } words[] = {{"xx-small", 9}, {"x-small", 10}, {"small", 13},  {"medium", 16}, {"large", 18}, {"x-large", 24}, {"xx-large", 32}, {"smaller", 0.83F},
                 {"larger", 1.2F}, {"initial", 16}};

    if (read_length(value, &s->font_size, &s->font_is_relative))
        return s->font_size >= 0;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_is(value, words[i].word)) {
            s->font_size = words[i].px;
            s->font_is_relative = words[i].px < 2;
            return true;
        }
    return false;
}

/* The next word of a value: up to a blank outside of parentheses. */
static struct str next_word(struct str *rest)
{
    int depth = 0;
    size_t n = 0;

    *rest = str_trim(*rest);
    for (; n < rest->len && (depth > 0 || rest->at[n] != ' '); n++)
        depth += (rest->at[n] == '(') - (rest->at[n] == ')');
    struct str word = str_sub(*rest, 0, n);
    *rest = str_from_index(*rest, n);
    return word;
}

static unsigned read_font(struct str value, struct css_style *s)
{
    for (struct str rest = value, word; (word = next_word(&rest)).len;) {
        struct str size = str_cut(&word, '/');
        if (ascii_is_digit((unsigned char)size.at[0]) && size.len == 3 && size.at[2] == '0')
            continue; /* a weight: 400 */
        if (font_size(size, s))
            return CSS_FONT_SIZE;
    }
    return 0;
}

/* The shorthand sets both colour and image, also to nothing. */
static unsigned read_background(struct str value, struct css_style *s)
{
    s->background = (struct colour){0, 0, 0, 0};
    s->has_image = false;
    for (struct str rest = value, word; (word = next_word(&rest)).len;) {
        colour_parse(word, &s->background);
        s->has_image |= str_starts(word, STR("url(")) || str_find_str(word, STR("gradient(")) >= 0;
    }
    return CSS_BACKGROUND | CSS_IMAGE;
}

static unsigned read_opacity(struct str value, struct css_style *s)
{
    bool percent;

    if (!read_length(value, &s->opacity, &percent))
        return 0;
    s->opacity = s->opacity < 0 ? 0 : s->opacity > 1 ? 1 : s->opacity;
    return CSS_OPACITY;
}

static unsigned read_filter(struct str value, struct css_style *s)
{
    ptrdiff_t at = str_find_str(value, STR("opacity"));

    if (at < 0)
        return 0;
    struct str rest = str_from_index(value, (size_t)at + 7);
    while (rest.len && strchr("=( ", rest.at[0]))
        rest = str_from_index(rest, 1);
    bool is_percent = value.at[(size_t)at + 7 < value.len ? (size_t)at + 7 : 0] == '='; /* alpha(opacity=0) of old */
    rest = str_cut(&rest, ')');
    if (!read_opacity(rest, s))
        return 0;
    if (is_percent && rest.len > 1)
        s->opacity = s->opacity < 1 ? s->opacity : (float)atof(rest.at) / 100;
    return CSS_OPACITY;
}

static bool has_zero_scale(struct str value)
{
    ptrdiff_t at = str_find_str(value, STR("scale"));

    if (at < 0)
        return false;
    struct str rest = str_from_index(value, (size_t)at);
    str_cut(&rest, '(');
    return rest.len && rest.at[0] == '0' && length_px(str_cut(&rest, ')')) < 0.1F;
}

static unsigned read_transform(struct str value, struct css_style *s)
{
    ptrdiff_t at = str_find_str(value, STR("translate"));

    s->is_flattened = has_zero_scale(value);
    if (at >= 0) {
        struct str rest = str_from_index(value, (size_t)at);
        str_cut(&rest, '(');
        rest = str_cut(&rest, ')');
        while (rest.len)
            s->is_flattened |= is_far(str_trim(str_cut(&rest, ',')));
    }
    return CSS_TRANSFORM;
}

static unsigned read_clip(struct str value, struct css_style *s)
{
    struct str rest = value;

    str_cut(&rest, '(');
    rest = str_cut(&rest, ')');
    if (str_starts(value, STR("inset"))) {
        s->is_clipped = length_px(rest) >= 8 && str_find(rest, '%') >= 0; /* inset(50%) and more leaves nothing */
        return CSS_CLIP;
    }
    if (str_starts(value, STR("circle"))) {
        s->is_clipped = rest.len && is_nothing(str_cut(&rest, ' '));
        return CSS_CLIP;
    }
    bool all_small = str_starts(value, STR("rect")) && rest.len;
    while (rest.len && all_small) {
        size_t n = 0;
        while (n < rest.len && rest.at[n] != ' ' && rest.at[n] != ',')
            n++;
        all_small = n == 0 || is_nothing(str_sub(rest, 0, n));
        rest = str_from_index(rest, n + 1);
    }
    s->is_clipped = all_small;
    return CSS_CLIP;
}

static unsigned read_flag(bool *flag, bool value, unsigned bit)
{
    *flag = value;
    return bit;
}

static unsigned read_colour(struct str value, struct css_style *s)
{
    s->colour_inherits = str_is(value, "inherit") || str_is(value, "unset") || str_is(value, "currentcolor");
    return s->colour_inherits || colour_parse(value, &s->colour) ? CSS_COLOUR : 0;
}

/* NAME and VALUE in lower case; returns the bits of what it sets. */
static unsigned read_property(struct str name, struct str value, struct css_style *s)
{
    if (str_is(name, "display"))
        return read_flag(&s->display_none, str_is(value, "none"), CSS_DISPLAY);
    if (str_is(name, "color"))
        return read_colour(value, s);
    if (str_is(name, "background-color"))
        return colour_parse(value, &s->background) ? CSS_BACKGROUND : 0;
    if (str_is(name, "background"))
        return read_background(value, s);
    if (str_is(name, "background-image"))
        return read_flag(&s->has_image, !str_is(value, "none"), CSS_IMAGE);
    if (str_is(name, "font-size"))
        return font_size(value, s) ? CSS_FONT_SIZE : 0;
    if (str_is(name, "font"))
        return read_font(value, s);
    if (str_is(name, "visibility"))
        return read_flag(&s->visibility_hidden, str_is(value, "hidden") || str_is(value, "collapse"), CSS_VISIBILITY);
    if (str_is(name, "content-visibility"))
        return str_is(value, "hidden") ? read_flag(&s->display_none, true, CSS_DISPLAY) : 0;
    if (str_is(name, "opacity"))
        return read_opacity(value, s);
    if (str_is(name, "filter") || str_is(name, "-ms-filter"))
        return read_filter(value, s);
    if (str_is(name, "position"))
        return read_flag(&s->is_positioned, !str_is(value, "static"), CSS_POSITION);
    if (str_is(name, "left") || str_is(name, "top") || str_is(name, "right") || str_is(name, "bottom"))
        return read_flag(&s->is_far, (s->set & CSS_OFFSET && s->is_far) || is_far(value), CSS_OFFSET);
    if (str_is(name, "text-indent"))
        return read_flag(&s->indent_is_far, is_far(value), CSS_INDENT);
    if (str_is(name, "margin-left") || str_is(name, "margin-top"))
        return read_flag(&s->margin_is_far, is_far(value), CSS_MARGIN);
    if (str_is(name, "width") || str_is(name, "max-width"))
        return read_flag(&s->no_width, (s->set & CSS_WIDTH && s->no_width) || is_nothing(value), CSS_WIDTH);
    if (str_is(name, "height") || str_is(name, "max-height"))
        return read_flag(&s->no_height, (s->set & CSS_HEIGHT && s->no_height) || is_nothing(value), CSS_HEIGHT);
    if (str_is(name, "overflow") || str_is(name, "overflow-x") || str_is(name, "overflow-y"))
        return read_flag(&s->overflow_hidden, str_starts(value, STR("hidden")) || str_starts(value, STR("clip")), CSS_OVERFLOW);
    if (str_is(name, "clip") || str_is(name, "clip-path"))
        return read_clip(value, s);
    if (str_is(name, "transform") || str_is(name, "-webkit-transform"))
        return read_transform(value, s);
    if (str_is(name, "mso-hide"))
        return read_flag(&s->mso_hide, str_is(value, "all"), CSS_MSO_HIDE);
    return 0;
}

/* One declaration, normalised: lower case, comments and escapes gone, blanks single. */
static void read_declaration(struct str text, struct css_style *into)
{
    struct str value = text;
    struct str name = str_trim(str_cut(&value, ':'));
    ptrdiff_t mark = str_find(value, '!');
    bool important = mark >= 0 && str_find_str(value, STR("important")) > mark;
    struct css_style s = {.set = into->set, .is_far = into->is_far, .no_width = into->no_width, .no_height = into->no_height};

    value = str_trim(mark >= 0 ? str_sub(value, 0, (size_t)mark) : value);
    if (name.len == 0 || value.len == 0)
        return;
    s.set = read_property(name, value, &s);
    s.important = important ? s.set : 0;
    if (s.set)
        css_merge(into, &s);
}

/* The escape at AT, which is a backslash (CSS Syntax §4.3.7): one code point; returns the octets it takes. */
static size_t read_escape(const char *at, const char *end, char *to, size_t *len)
{
    uint32_t code = 0;
    size_t n = 1;

    for (; n < 7 && at + n < end; n++) {
        int c = ascii_lower((unsigned char)at[n]);
        if (!ascii_is_digit(c) && !(c >= 'a' && c <= 'f'))
            break;
        code = code * 16 + (uint32_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    *len = 0;
    if (n == 1)
        return 1; /* what follows stands for itself */
    *len = utf8_put(to, code);
    return n + (at + n < end && (at[n] == ' ' || at[n] == '\n' || at[n] == '\t'));
}

/* Copies up to the ';' outside of quotes and parentheses, in lower case, comments and runs of blanks as one blank; returns where it stopped. */
static const char *normalise(const char *at, const char *end, char to[DECLARATION_MAX], size_t *len)
{
    size_t n = 0, added;
    int depth = 0;
    char quote = 0;

    while (at < end && (quote || depth > 0 || *at != ';')) {
        if (!quote && *at == '/' && end - at >= 2 && at[1] == '*') {
            ptrdiff_t close = str_find_str(str_n(at + 2, (size_t)(end - at - 2)), STR("*/"));
            at = close < 0 ? end : at + 2 + close + 2;
            if (n < DECLARATION_MAX && n && to[n - 1] != ' ')
                to[n++] = ' '; /* parts what it stands between (CSS Syntax §4.3.1) */
            continue;
        }
        if (*at == '\\') {
            char character[UTF8_MAX];
            at += read_escape(at, end, character, &added);
            if (n + added < DECLARATION_MAX) {
                memcpy(to + n, character, added);
                n += added;
            }
            continue;
        }
        char c = *at == '\n' || *at == '\r' || *at == '\t' || *at == '\f' ? ' ' : *at;
        quote = quote ? (c == quote ? 0 : quote) : c == '"' || c == '\'' ? c : 0;
        depth += quote ? 0 : (c == '(') - (c == ')' && depth > 0);
        if (n < DECLARATION_MAX && c && !(c == ' ' && n && to[n - 1] == ' '))
            to[n++] = (char)ascii_lower((unsigned char)c);
        at++;
    }
    str_lower(to, n);
    *len = n;
    return at;
}

void css_declarations(struct str text, struct css_style *into)
{
    const char *at = text.at, *end = text.at + text.len;
    char plain[DECLARATION_MAX + 1];
    size_t len;

    while (at < end) {
        at = normalise(at, end, plain, &len);
        plain[len] = '\0';
        read_declaration(str_n(plain, len), into);
        at += at < end;
    }
}

void css_merge(struct css_style *into, const struct css_style *from)
{
    uint32_t take = from->set & ~(into->important & ~from->important);

#define TAKE(bit, field)                                                                                                                   \
    if (take & (bit))                                                                                                                      \
    into->field = from->field
    TAKE(CSS_DISPLAY, display_none);
    TAKE(CSS_VISIBILITY, visibility_hidden);
    TAKE(CSS_FONT_SIZE, font_size);
    TAKE(CSS_FONT_SIZE, font_is_relative);
    TAKE(CSS_COLOUR, colour);
    TAKE(CSS_COLOUR, colour_inherits);
    TAKE(CSS_BACKGROUND, background);
    TAKE(CSS_IMAGE, has_image);
    TAKE(CSS_OPACITY, opacity);
    TAKE(CSS_POSITION, is_positioned);
    TAKE(CSS_OFFSET, is_far);
    TAKE(CSS_INDENT, indent_is_far);
    TAKE(CSS_MARGIN, margin_is_far);
    TAKE(CSS_WIDTH, no_width);
    TAKE(CSS_HEIGHT, no_height);
    TAKE(CSS_OVERFLOW, overflow_hidden);
    TAKE(CSS_CLIP, is_clipped);
    TAKE(CSS_TRANSFORM, is_flattened);
    TAKE(CSS_MSO_HIDE, mso_hide);
#undef TAKE
    into->set |= take;
    into->important |= from->important & take;
}
