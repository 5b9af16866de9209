/*
 * html_css.h: what of CSS decides whether text is seen: inline declarations and the simple rules of <style> blocks. Bounded: MAX_RULES, the length of one
 * declaration, the classes of an element; what is beyond is not read.
 */
#ifndef MAIL_HTML_CSS_H
#define MAIL_HTML_CSS_H

#include "base/arena.h"
#include "base/hash.h"
#include "mail/html_colour.h"
#include "mail/html_token.h"

enum css_property { /* bits of css_style.set */
    CSS_DISPLAY = 1, CSS_VISIBILITY = 2, CSS_FONT_SIZE = 4, CSS_COLOUR = 8, CSS_BACKGROUND = 16, CSS_IMAGE = 32, CSS_OPACITY = 64, CSS_POSITION = 128,
    CSS_OFFSET = 256, CSS_INDENT = 512, CSS_MARGIN = 1024, CSS_WIDTH = 2048, CSS_HEIGHT = 4096, CSS_OVERFLOW = 8192, CSS_CLIP = 16384,
    CSS_TRANSFORM = 32768, CSS_MSO_HIDE = 65536,
    CSS_HIDDEN_ATTRIBUTE = 131072 /* not of CSS: the element has it, and no display overrules it */
};

/* What an element declares itself. Only fields whose bit is in `set` count. */
struct css_style {
    uint32_t set, important;
    bool display_none, visibility_hidden, has_image, is_positioned, is_far /* offset */, indent_is_far, margin_is_far, no_width, no_height,
        overflow_hidden, is_clipped, is_flattened /* transform: scale(0) and the like */, mso_hide;
    bool font_is_relative; /* font_size is a factor */
    float font_size;       /* px */
    float opacity;         /* 0 to 1 */
    bool colour_inherits; /* colour: inherit, currentcolor … */
    struct colour colour, background;
};

/* Adds the declarations of TEXT (entities decoded) to INTO. */
void css_declarations(struct str text, struct css_style *into);
/* FROM over INTO, as the cascade has it: what is important in INTO stays. */
void css_merge(struct css_style *into, const struct css_style *from);

enum { CSS_RULES_MAX = 1024, CSS_CLASSES_MAX = 16 };
struct css_rules {
    struct hash_table table; /* owned; the nodes are the arena's */
    struct arena *arena;
    unsigned count;
    bool has_tag_rules, has_class_rules, has_id_rules, was_cut;
};
void css_rules_free(struct css_rules *rules);
/* Reads a <style> block: rules with one simple selector (tag, .class, #id, tag.class) or a list of such; others, and those for other screens, are passed over. */
void css_rules_add(struct css_rules *rules, struct str text);
/* The rules for an element, by rising weight, over INTO. CLASSES blank-separated. Names are case-sensitive but for the tag, which is in lower case. */
void css_rules_apply(const struct css_rules *rules, struct str tag, struct str classes, struct str id, struct css_style *into);
/* Does a list of media queries (an attribute's, an @media's) hold for an ordinary wide screen? The empty one does. */
bool css_media_holds(struct str queries);
/* Calls EACH for the URLs in TEXT: url(…) and @import "…". */
void css_urls(struct str text, void (*each)(void *arg, struct str url, bool is_import), void *arg);

#endif
