/*
 * html_parts.h: what the files of the HTML reader share: html.c walks the tokens, html_stack.c knows open elements,
 * html_start.c what a start tag closes, html_style.c what elements declare, html_look.c how they look then, html_text.c writes text, html_links.c links.
 */
#ifndef MAIL_HTML_PARTS_H
#define MAIL_HTML_PARTS_H

#include "mail/html.h"
#include "mail/html_css.h"
#include "mail/html_token.h"

/* How text inside an element looks. */
struct look {
    unsigned hidden;             /* reasons that hold for all that is inside */
    unsigned mask;               /* those, and the ones that an inner element may lift */
    bool is_invisible;           /* visibility */
    bool background_is_unknown;  /* an image */
    bool is_silent;              /* script, template, datalist, … */
    float font_px, opacity;
    struct colour colour, background;
};

enum foreign { FOREIGN_NOT, FOREIGN_SVG, FOREIGN_MATH };

struct level {
    enum html_tag tag;
    uint32_t other; /* TAG_OTHER: hash of its name */
    enum foreign foreign; /* what stands inside */
    bool is_over;         /* closed, but not what is inside */
    struct css_style own;
    struct look look;
};

struct sink {
    struct buf text;
    bool wants_blank, wants_break; /* before what comes next */
    bool is_full;
};

enum { OTHER_COUNTS = 256, REOPENED_MAX = 16, STEPS_MAX = 4 << 20 /* then end tags look at the upmost levels only */ };

struct reader {
    struct arena *arena;
    const struct html_limits *limits;
    html_visit *visit;
    void *visit_arg;
    struct html_result *out;
    struct html_tokenizer *z;
    struct html_token t;
    struct level *levels; /* owned; [0] is the root */
    size_t level_count, level_room, overflow /* open elements above the ceiling */, floor /* end tags close nothing below it */;
    uint32_t steps; /* taken through the stack, see STEPS_MAX */
    uint32_t open[TAG_COUNT], open_others[OTHER_COUNTS]; /* so that an end tag that closes nothing costs no search */
    struct css_rules rules;
    struct sink visible, hidden;
    struct buf scratch, classes /* decoded values */;
    struct html_link *anchor, *last_link; /* anchor: the open <a>, or NULL */
    const struct sink *anchor_sink;
    size_t anchor_from;                   /* in the sink's text */
    size_t anchor_letters;                /* plain_letters_as_entities at its start */
    bool anchor_has_image;
    struct str anchor_alt;
    struct colour link_colour;
    bool in_mso, in_srcdoc, has_html, has_body;
    bool word_is_cut; /* a comment, unknown tag or hidden text since the last visible letter */
};

/* html_look.c */
struct look look_of(const struct look *parent, const struct css_style *own, enum html_tag tag);

/* html_stack.c */
bool stack_init(struct reader *r);
struct level *stack_top(struct reader *r);
void stack_push(struct reader *r, enum html_tag tag, struct str name, const struct css_style *own);
const struct look *stack_look(struct reader *r, enum html_tag tag); /* what TAG (OTHER: text) would inherit here */
void stack_close(struct reader *r, enum html_tag tag, struct str name);
void stack_cut(struct reader *r, size_t count);        /* pops down to COUNT levels */
void stack_restyle_root(struct reader *r, const struct css_style *own);
size_t stack_find(struct reader *r, enum html_tag tag, uint32_t other); /* index of what an end tag closes; 0: none */
size_t stack_lowest(struct reader *r);                                 /* how far down a search may go */
void stack_close_at(struct reader *r, size_t at);                      /* closes all from AT on, opens formatting elements above it again */
void stack_close_format(struct reader *r, size_t at);

/* html_start.c */
bool stack_takes(const struct reader *r, enum html_tag tag); /* false: a start tag that browsers ignore here */
void stack_start(struct reader *r, enum html_tag tag); /* closes what a start tag of TAG closes by itself */
void stack_end_foreign(struct reader *r);
bool html_tag_is_row_part(enum html_tag tag); /* table, its sections and rows: inside of these stands nothing but more of a table */
bool html_tag_is_table_part(enum html_tag tag);
bool html_tag_is_heading(enum html_tag tag);

/* html_style.c */
struct css_style style_of(struct reader *r);             /* of the start tag R->t */
void style_read_sheets(struct reader *r, struct str text); /* all <style> blocks of a page; spends R->t */

/* html_text.c */
void text_add(struct reader *r, struct str raw, bool has_entities);
void text_break(struct reader *r);
void text_blank(struct reader *r);
void text_cut(struct reader *r, struct str raw); /* what never ends */
void text_title(struct reader *r, struct str raw);

/* html_links.c */
void links_of_tag(struct reader *r, const struct look *look);
void links_of_image(struct reader *r, const struct look *look, const struct css_style *own);
void links_of_style(struct reader *r, struct str css);
void links_end_anchor(struct reader *r);
struct str html_value(struct reader *r, enum html_attribute_id id); /* decoded, in the scratch buffer; "" where it is missing */

#endif
