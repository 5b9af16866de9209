/* html_style.c: what an element declares about its look: by its kind, old attributes, style sheets, the style attribute, in rising weight. */
#include "mail/html_parts.h"

#include <stdlib.h>
#include <string.h>

/* <font size>: 1 to 7, or +/- from 3 (HTML standard §15.3.1). */
static bool font_px(struct str value, float *px)
{
    static const float sizes[] = {10, 13, 16, 18, 24, 32, 48};
    char text[8];

    str_copy(text, sizeof text, str_trim(value));
    if (!*text)
        return false;
    bool is_relative = *text == '+' || *text == '-';
    long n = strtol(text, NULL, 10) + (is_relative ? 3 : 0);
    *px = sizes[n < 1 ? 0 : n > 7 ? 6 : n - 1];
    return true;
}

static void set_colour(struct reader *r, enum html_attribute_id id, struct css_style *own, uint32_t bit, struct colour *to)
{
    struct colour c;

    if (html_token_attribute(&r->t, id) && colour_parse_legacy(html_value(r, id), &c)) {
        *to = c;
        own->set |= bit;
    }
}

static void style_body(struct reader *r, struct css_style *own)
{
    struct css_style ignored = {0};

    set_colour(r, ATTRIBUTE_TEXT, own, CSS_COLOUR, &own->colour);
    set_colour(r, ATTRIBUTE_LINK, &ignored, CSS_COLOUR, &r->link_colour);
}

/* Elsewhere bgcolor and background say nothing. */
static bool has_old_background(enum html_tag tag)
{
    return tag == TAG_BODY || tag == TAG_MARQUEE || tag == TAG_TABLE || tag == TAG_TBODY || tag == TAG_THEAD || tag == TAG_TFOOT || tag == TAG_TR ||
           tag == TAG_TD || tag == TAG_TH;
}

/* What the element's kind and its old attributes say, below all style sheets. */
static void style_of_attributes(struct reader *r, struct css_style *own)
{
    switch (r->t.tag) {
    case TAG_FONT:
        set_colour(r, ATTRIBUTE_COLOR, own, CSS_COLOUR, &own->colour);
        if (font_px(html_value(r, ATTRIBUTE_SIZE), &own->font_size))
            own->set |= CSS_FONT_SIZE;
        break;
    case TAG_BODY: style_body(r, own); break;
    case TAG_A:
        if (html_token_attribute(&r->t, ATTRIBUTE_HREF)) {
            own->colour = r->link_colour;
            own->set |= CSS_COLOUR;
        }
        break;
    case TAG_DIALOG:
        if (!html_token_attribute(&r->t, ATTRIBUTE_OPEN)) {
            own->display_none = true;
            own->set |= CSS_DISPLAY;
        }
        break;
    default: break;
    }
    if (!has_old_background(r->t.tag))
        return;
    set_colour(r, ATTRIBUTE_BGCOLOR, own, CSS_BACKGROUND, &own->background);
    if (html_value(r, ATTRIBUTE_BACKGROUND).len) {
        own->has_image = true;
        own->set |= CSS_IMAGE;
    }
}

struct css_style style_of(struct reader *r)
{
    struct css_style own = {0};

    if (r->t.attribute_count || r->t.tag == TAG_DIALOG)
        style_of_attributes(r, &own);
    if (r->rules.count) {
        const struct html_attribute *class = html_token_attribute(&r->t, ATTRIBUTE_CLASS);
        struct str classes = class ? html_attribute_decode(class->value, &r->classes, NULL) : str_n("", 0);
        css_rules_apply(&r->rules, r->t.name, classes, html_value(r, ATTRIBUTE_ID), &own);
    }
    const struct html_attribute *style = html_token_attribute(&r->t, ATTRIBUTE_STYLE);
    if (style) {
        css_declarations(html_value(r, ATTRIBUTE_STYLE), &own);
        links_of_style(r, html_value(r, ATTRIBUTE_STYLE));
    }
    bool is_displayed = own.set & CSS_DISPLAY && !own.display_none; /* that overrules the hidden attribute */
    if (html_token_attribute(&r->t, ATTRIBUTE_HIDDEN) && !is_displayed)
        own.set |= CSS_HIDDEN_ATTRIBUTE;
    return own;
}

/* Is "<style" anywhere in TEXT? */
static bool has_style(struct str text)
{
    const char *at = text.at, *end = text.at + text.len;

    for (; (at = memchr(at, '<', (size_t)(end - at))); at++)
        if (str_starts_case(str_n(at + 1, (size_t)(end - at) - 1), STR("style")))
            return true;
    return false;
}

/* Is the sheet that starts at R->t for browsers and an ordinary screen? */
static bool sheet_counts(struct reader *r)
{
    const struct html_attribute *media = html_token_attribute(&r->t, ATTRIBUTE_MEDIA), *type = html_token_attribute(&r->t, ATTRIBUTE_TYPE);

    if (type && str_trim(type->value).len && !str_is_case(str_trim(type->value), "text/css"))
        return false;
    return !media || css_media_holds(html_attribute_decode(media->value, &r->scratch, NULL));
}

void style_read_sheets(struct reader *r, struct str text)
{
    struct html_tokenizer z = html_tokenizer(text);
    bool counts = false;
    size_t templates = 0;

    if (!has_style(text))
        return;
    while (html_token_next(&z, &r->t)) {
        if (r->t.kind == TOKEN_START && r->t.tag == TAG_TEMPLATE)
            templates++;
        else if (r->t.kind == TOKEN_CLOSE && r->t.tag == TAG_TEMPLATE)
            templates -= templates > 0;
        else if (counts && (r->t.kind == TOKEN_TEXT || r->t.kind == TOKEN_CUT))
            css_rules_add(&r->rules, r->t.text);
        counts = r->t.kind == TOKEN_START && r->t.tag == TAG_STYLE && templates == 0 && sheet_counts(r);
    }
}
