/*
 * html_stack.c: the open elements, with what each declares and how it looks. Not the tree builder of the HTML standard (§13.2.6), but what of it decides which
 * style a text has: implied end tags, scopes, formatting elements that go on behind the block they were opened in.
 */
#include "mail/html_parts.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_LEVELS = 32, UPMOST = 16, RESTYLE_STEPS = 16 /* what looking anew at a level costs, in steps */ };

static const float LEAST_FONT_PX = 3, LEAST_OPACITY = 0.1F;

static bool is_far_off(const struct css_style *own)
{
    return (own->set & CSS_POSITION && own->is_positioned && own->set & CSS_OFFSET && own->is_far) || (own->set & CSS_INDENT && own->indent_is_far) ||
           (own->set & CSS_MARGIN && own->margin_is_far);
}

static bool has_no_size(const struct css_style *own)
{
    bool clips = own->set & CSS_OVERFLOW && own->overflow_hidden;

    return (clips && ((own->set & CSS_WIDTH && own->no_width) || (own->set & CSS_HEIGHT && own->no_height))) ||
           (own->set & CSS_CLIP && own->is_clipped) || (own->set & CSS_TRANSFORM && own->is_flattened);
}

static void set_background(struct look *look, const struct css_style *own)
{
    if (own->set & CSS_BACKGROUND && own->background.alpha) {
        look->background = colour_blend(own->background, look->background);
        if (own->background.alpha == 255)
            look->background_is_unknown = false;
    }
    if (own->set & CSS_IMAGE && own->has_image)
        look->background_is_unknown = true;
}

static unsigned look_mask(const struct look *look)
{
    unsigned mask = look->hidden;

    if (look->is_invisible)
        mask |= HIDDEN_VISIBILITY;
    if (look->font_px < LEAST_FONT_PX)
        mask |= HIDDEN_FONT_SIZE;
    if (look->opacity < LEAST_OPACITY)
        mask |= HIDDEN_OPACITY;
    if (look->colour.alpha < 26 ||
        (!look->background_is_unknown && colour_is_near(colour_blend(look->colour, look->background), look->background)))
        mask |= HIDDEN_COLOUR;
    return mask;
}

struct look look_of(const struct look *parent, const struct css_style *own, enum html_tag tag)
{
    struct look look = *parent;

    if (html_tag_flags(tag) & TAG_IS_SILENT)
        look.is_silent = true;
    if (own->set == 0)
        return look;
    if (own->set & CSS_HIDDEN_ATTRIBUTE)
        look.hidden |= HIDDEN_ATTRIBUTE;
    if (own->set & CSS_DISPLAY && own->display_none)
        look.hidden |= HIDDEN_DISPLAY_NONE;
    if (own->set & CSS_VISIBILITY)
        look.is_invisible = own->visibility_hidden;
    if (own->set & CSS_FONT_SIZE)
        look.font_px = own->font_is_relative ? parent->font_px * own->font_size : own->font_size;
    if (own->set & CSS_COLOUR && !own->colour_inherits)
        look.colour = own->colour;
    if (own->set & CSS_OPACITY)
        look.opacity *= own->opacity;
    if (is_far_off(own))
        look.hidden |= HIDDEN_OFF_SCREEN;
    if (has_no_size(own))
        look.hidden |= HIDDEN_SIZE;
    set_background(&look, own);
    look.mask = look_mask(&look);
    return look;
}

static uint32_t *open_count(struct reader *r, enum html_tag tag, uint32_t other)
{
    return tag == TAG_OTHER ? &r->open_others[other % OTHER_COUNTS] : &r->open[tag];
}

bool stack_init(struct reader *r)
{
    r->level_room = FIRST_LEVELS;
    r->levels = calloc(r->level_room, sizeof *r->levels);
    if (!r->levels)
        return false;
    r->levels[0] = (struct level){.look = {.font_px = 16, .opacity = 1, .colour = {0, 0, 0, 255}, .background = {255, 255, 255, 255}}};
    r->level_count = r->floor = 1;
    return true;
}

struct level *stack_top(struct reader *r)
{
    return &r->levels[r->level_count - 1];
}

/* Table, its sections and rows: inside of these stands nothing but more of a table. */
static bool is_row_part(enum html_tag tag)
{
    return tag == TAG_TABLE || tag == TAG_TR || tag == TAG_TBODY || tag == TAG_THEAD || tag == TAG_TFOOT;
}

static bool is_table_part(enum html_tag tag)
{
    return is_row_part(tag) || tag == TAG_TD || tag == TAG_TH || tag == TAG_CAPTION;
}

static bool is_heading(enum html_tag tag)
{
    return tag >= TAG_H1 && tag <= TAG_H6;
}

/*
 * The look that TAG inherits above COUNT levels. What has no place in a table stands before it (foster parenting, HTML standard §13.2.6.1), and so looks
 * like what is around the table.
 */
static const struct look *inherited(const struct reader *r, size_t count, enum html_tag tag)
{
    size_t i = count - 1;

    while (i > 0 && is_row_part(r->levels[i].tag) && !is_table_part(tag))
        i--;
    return &r->levels[i].look;
}

const struct look *stack_look(struct reader *r, enum html_tag tag)
{
    return inherited(r, r->level_count, tag);
}

/* Looks anew at the levels from AT on. */
static void restyle_from(struct reader *r, size_t at)
{
    for (size_t i = at; i < r->level_count; i++)
        r->levels[i].look = look_of(inherited(r, i, r->levels[i].tag), &r->levels[i].own, r->levels[i].tag);
    r->steps += (uint32_t)(r->level_count - at) * RESTYLE_STEPS;
}

/* How far down a search may go. */
static size_t lowest(struct reader *r)
{
    if (r->steps < STEPS_MAX || r->level_count <= r->floor + UPMOST)
        return r->floor;
    r->out->features |= HTML_CEILING;
    return r->level_count - UPMOST;
}

/* Is what stands in TAG of svg or math? In some of their elements is HTML again (its integration points). */
static bool opens_foreign(enum html_tag tag, bool is_foreign)
{
    switch (tag) {
    case TAG_SVG:
    case TAG_MATH: return true;
    case TAG_FOREIGNOBJECT:
    case TAG_DESC:
    case TAG_TITLE:
    case TAG_MI:
    case TAG_MN:
    case TAG_MO:
    case TAG_MS:
    case TAG_MTEXT: return false;
    default: return is_foreign;
    }
}

static bool make_room(struct reader *r)
{
    if (r->level_count < r->level_room)
        return true;
    struct level *levels = realloc(r->levels, 2 * r->level_room * sizeof *levels);
    if (!levels)
        return false;
    r->levels = levels;
    r->level_room *= 2;
    return true;
}

static void push(struct reader *r, enum html_tag tag, uint32_t other, const struct css_style *own)
{
    size_t most = r->limits->depth < 8 ? 8 : r->limits->depth;

    if (r->level_count >= most || !make_room(r)) {
        r->overflow++;
        r->out->features |= HTML_CEILING;
    } else {
        struct level *level = &r->levels[r->level_count++];
        level->tag = tag;
        level->other = other;
        level->own = *own;
        level->is_foreign = opens_foreign(tag, level[-1].is_foreign);
        level->look = look_of(inherited(r, r->level_count - 1, tag), own, tag);
        ++*open_count(r, tag, other);
    }
    size_t depth = r->level_count - 1 + r->overflow;
    if (depth > r->out->max_depth)
        r->out->max_depth = (uint32_t)depth;
}

void stack_push(struct reader *r, enum html_tag tag, struct str name, const struct css_style *own)
{
    push(r, tag, tag == TAG_OTHER ? (uint32_t)hash_str(name) : 0, own);
}

void stack_cut(struct reader *r, size_t count)
{
    while (r->level_count > count) {
        struct level *top = stack_top(r);
        --*open_count(r, top->tag, top->other);
        r->level_count--;
    }
}

/* Does an open LEVEL keep an end tag of TAG from what is below it? */
static bool is_barrier(enum html_tag level, enum html_tag tag)
{
    unsigned flags = html_tag_flags(tag);

    if (is_table_part(tag))
        return level == TAG_TABLE;
    if (level == TAG_TABLE || html_tag_flags(level) & TAG_IS_MARKER)
        return true;
    if ((tag == TAG_LI && (level == TAG_OL || level == TAG_UL)) || (tag == TAG_P && level == TAG_BUTTON))
        return true;
    return !(flags & (TAG_IS_BLOCK | TAG_IS_FORMAT | TAG_IS_CELL)) && html_tag_flags(level) & TAG_IS_BLOCK;
}

/* Index of the open element that an end tag closes; 0: none. */
static size_t find_open(struct reader *r, enum html_tag tag, uint32_t other)
{
    if (*open_count(r, tag, other) == 0)
        return 0;
    size_t low = lowest(r);
    for (size_t i = r->level_count; i-- > low; r->steps++) {
        const struct level *level = &r->levels[i];
        if (level->tag == tag && level->other == other)
            return i;
        if (is_barrier(level->tag, tag))
            return 0;
    }
    return 0;
}

/* Closes all from AT on, and opens the formatting elements again that were above it. */
static void close_from(struct reader *r, size_t at)
{
    struct level again[REOPENED_MAX];
    size_t count = 0;
    bool reopens = !is_table_part(r->levels[at].tag) && !(html_tag_flags(r->levels[at].tag) & TAG_IS_FORMAT);

    for (size_t i = at + 1; i < r->level_count && reopens; i++) {
        unsigned flags = html_tag_flags(r->levels[i].tag);
        if (flags & TAG_IS_MARKER)
            count = 0;
        else if (flags & TAG_IS_FORMAT && count < REOPENED_MAX)
            again[count++] = r->levels[i];
    }
    stack_cut(r, at);
    for (size_t i = 0; i < count; i++)
        push(r, again[i].tag, again[i].other, &again[i].own);
}

/* </b> with blocks open above the <b>: those stay. */
static void remove_one(struct reader *r, size_t at)
{
    --*open_count(r, r->levels[at].tag, r->levels[at].other);
    memmove(&r->levels[at], &r->levels[at + 1], (r->level_count - at - 1) * sizeof *r->levels);
    r->level_count--;
    restyle_from(r, at);
}

/* Any end tag of a heading closes the heading that is open. */
static size_t find_heading(struct reader *r)
{
    size_t low = lowest(r);

    for (size_t i = r->level_count; i-- > low; r->steps++) {
        if (is_heading(r->levels[i].tag))
            return i;
        if (is_barrier(r->levels[i].tag, TAG_H1))
            return 0;
    }
    return 0;
}

void stack_close(struct reader *r, enum html_tag tag, struct str name)
{
    uint32_t other = tag == TAG_OTHER ? (uint32_t)hash_str(name) : 0;

    if (r->overflow) {
        r->overflow--;
        return;
    }
    size_t at = is_heading(tag) ? find_heading(r) : find_open(r, tag, other);
    if (at == 0)
        return;
    if (html_tag_flags(tag) & TAG_IS_FORMAT && at + 1 < r->level_count)
        remove_one(r, at);
    else
        close_from(r, at);
}

/* What a start tag of TAG does not look beyond for one that it closes. */
static bool ends_search(enum html_tag level, enum html_tag tag)
{
    unsigned flags = html_tag_flags(level);

    if (level == TAG_TABLE || flags & TAG_IS_MARKER)
        return true;
    if (tag == TAG_P || tag == TAG_BUTTON)
        return level == TAG_BUTTON;
    if (level == TAG_P || level == TAG_DIV || level == TAG_ADDRESS)
        return false;
    return flags & (TAG_IS_BLOCK | TAG_IS_CELL);
}

/* Closes the innermost open TAG or OTHER (as dt and dd close each other). */
static void close_open(struct reader *r, enum html_tag tag, enum html_tag other)
{
    if (r->open[tag] + r->open[other] == 0)
        return;
    size_t low = lowest(r);
    for (size_t i = r->level_count; i-- > low; r->steps++) {
        if (r->levels[i].tag == tag || r->levels[i].tag == other) {
            close_from(r, i);
            return;
        }
        if (ends_search(r->levels[i].tag, tag))
            return;
    }
}

static void close_table_part(struct reader *r, enum html_tag tag)
{
    size_t at = find_open(r, tag, 0);

    if (at)
        close_from(r, at);
}

/* What stands between a table and its next part, a <b> or a <form>, ends there. */
static void cut_to_table(struct reader *r)
{
    size_t low = lowest(r);

    for (size_t i = r->level_count; i-- > low; r->steps++)
        if (is_row_part(r->levels[i].tag)) {
            stack_cut(r, i + 1);
            return;
        }
}

static void start_table_part(struct reader *r, enum html_tag tag)
{
    close_table_part(r, TAG_TD);
    close_table_part(r, TAG_TH);
    close_table_part(r, TAG_CAPTION);
    if (tag != TAG_TD && tag != TAG_TH)
        close_table_part(r, TAG_TR);
    if (tag == TAG_TBODY || tag == TAG_THEAD || tag == TAG_TFOOT) {
        close_table_part(r, TAG_TBODY);
        close_table_part(r, TAG_THEAD);
        close_table_part(r, TAG_TFOOT);
    }
    cut_to_table(r);
}

/* HTML that ends svg and math (HTML standard §13.2.6.5). */
static bool ends_foreign(enum html_tag tag)
{
    switch (tag) {
    case TAG_B: case TAG_BIG: case TAG_BLOCKQUOTE: case TAG_BODY: case TAG_BR: case TAG_CENTER: case TAG_CODE: case TAG_DD: case TAG_DIV: case TAG_DL:
    case TAG_DT: case TAG_EM: case TAG_EMBED: case TAG_FONT: case TAG_HEAD: case TAG_HR: case TAG_I: case TAG_IMG: case TAG_LI: case TAG_META:
    case TAG_NOBR: case TAG_OL: case TAG_P: case TAG_PRE: case TAG_S: case TAG_SMALL: case TAG_SPAN: case TAG_STRIKE: case TAG_STRONG: case TAG_SUB:
    case TAG_SUP: case TAG_TABLE: case TAG_TT: case TAG_U: case TAG_UL: return true;
    default: return is_heading(tag);
    }
}

void stack_end_foreign(struct reader *r)
{
    while (stack_top(r)->is_foreign && r->level_count > r->floor)
        stack_cut(r, r->level_count - 1);
}

bool stack_takes(const struct reader *r, enum html_tag tag)
{
    if (tag == TAG_HEAD || (tag == TAG_FORM && r->open[TAG_FORM]))
        return false;
    return tag == TAG_TABLE || !is_table_part(tag) || r->open[TAG_TABLE];
}

/* Links do not nest. */
static void close_anchor(struct reader *r)
{
    size_t at = find_open(r, TAG_A, 0);

    if (at)
        remove_one(r, at);
}

void stack_start(struct reader *r, enum html_tag tag)
{
    if (ends_foreign(tag))
        stack_end_foreign(r);
    if (html_tag_flags(tag) & TAG_IS_CLOSES_P)
        close_open(r, TAG_P, TAG_P);
    if (is_heading(tag) && is_heading(stack_top(r)->tag) && r->level_count > r->floor)
        close_from(r, r->level_count - 1);
    switch (tag) {
    case TAG_LI:
    case TAG_BUTTON:
    case TAG_OPTION: close_open(r, tag, tag); break;
    case TAG_DT:
    case TAG_DD: close_open(r, TAG_DT, TAG_DD); break;
    case TAG_A:
        if (r->open[TAG_A])
            close_anchor(r);
        break;
    case TAG_TABLE:
        if (is_row_part(stack_top(r)->tag))
            close_table_part(r, TAG_TABLE);
        break;
    default:
        if (is_table_part(tag))
            start_table_part(r, tag);
    }
}

void stack_restyle_root(struct reader *r, const struct css_style *own)
{
    struct look look = r->levels[0].look;

    css_merge(&r->levels[0].own, own);
    r->levels[0].look = look_of(&look, own, TAG_BODY);
    if (r->steps < STEPS_MAX)
        restyle_from(r, 1);
}
