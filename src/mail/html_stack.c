/*
 * html_stack.c: the open elements, with what each declares and how it looks. Not the tree builder of the HTML standard (§13.2.6), but what of it decides which
 * style a text has: implied end tags, scopes, formatting elements that go on behind the block they were opened in.
 */
#include "mail/html_parts.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_LEVELS = 32, UPMOST = 16, RESTYLE_STEPS = 16 /* what looking anew at a level costs, in steps */ };

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

/*
 * The look that TAG inherits above COUNT levels. What has no place in a table stands before it (foster parenting, HTML standard §13.2.6.1), and so looks
 * like what is around the table.
 */
static const struct look *inherited(const struct reader *r, size_t count, enum html_tag tag)
{
    size_t i = count - 1;

    while (i > 0 && html_tag_is_row_part(r->levels[i].tag) && !html_tag_is_table_part(tag))
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
size_t stack_lowest(struct reader *r)
{
    if (r->steps < STEPS_MAX || r->level_count <= r->floor + UPMOST)
        return r->floor;
    r->out->features |= HTML_CEILING;
    return r->level_count - UPMOST;
}

/* Whose elements stand in TAG, which stands among AROUND's? In some of svg's and math's are HTML's again (integration points). */
static enum foreign opens_foreign(enum html_tag tag, enum foreign around)
{
    switch (tag) {
    case TAG_SVG: return around ? around : FOREIGN_SVG;
    case TAG_MATH: return around ? around : FOREIGN_MATH;
    case TAG_FOREIGNOBJECT:
    case TAG_DESC:
    case TAG_TITLE: return around == FOREIGN_SVG ? FOREIGN_NOT : around;
    case TAG_MI:
    case TAG_MN:
    case TAG_MO:
    case TAG_MS:
    case TAG_MTEXT: return around == FOREIGN_MATH ? FOREIGN_NOT : around;
    default: return around;
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
        level->is_over = false;
        level->other = other;
        level->own = *own;
        level->foreign = opens_foreign(tag, level[-1].foreign);
        level->look = look_of(inherited(r, r->level_count - 1, tag), own, tag);
        ++*open_count(r, tag, other);
    }
    size_t depth = r->level_count - 1 + r->overflow;
    if (depth > r->out->max_depth)
        r->out->max_depth = (uint32_t)depth;
}

/* In svg and math an <a> or <button> is none of HTML's: it closes nothing and is opened anew nowhere. */
static enum html_tag as_foreign(enum html_tag tag)
{
    return html_tag_flags(tag) & (TAG_IS_FORMAT | TAG_IS_BLOCK | TAG_IS_CELL | TAG_IS_MARKER) ? TAG_OTHER : tag;
}

void stack_push(struct reader *r, enum html_tag tag, struct str name, const struct css_style *own)
{
    if (stack_top(r)->foreign)
        tag = as_foreign(tag);
    push(r, tag, tag == TAG_OTHER ? (uint32_t)hash_str(name) : 0, own);
}

static void pop(struct reader *r)
{
    struct level *top = stack_top(r);

    --*open_count(r, top->tag, top->other);
    r->level_count--;
}

void stack_cut(struct reader *r, size_t count)
{
    while (r->level_count > count)
        pop(r);
    while (r->level_count > r->floor && stack_top(r)->is_over)
        pop(r);
}

/* An element of svg or math that holds HTML. */
static bool is_integration_point(const struct reader *r, size_t at)
{
    return at > 0 && r->levels[at - 1].foreign && !r->levels[at].foreign;
}

/* Is it one that formatting elements do not close over? ("special" in the HTML standard) */
static bool is_special_tag(enum html_tag tag)
{
    return html_tag_flags(tag) & (TAG_IS_BLOCK | TAG_IS_CELL | TAG_IS_MARKER | TAG_IS_SILENT) || html_tag_is_row_part(tag);
}

static bool is_special(const struct reader *r, size_t at)
{
    return is_special_tag(r->levels[at].tag) || is_integration_point(r, at);
}

/* Does the open element AT keep an end tag of TAG from what is below it? */
static bool is_barrier(const struct reader *r, size_t at, enum html_tag tag)
{
    enum html_tag level = r->levels[at].tag;
    unsigned flags = html_tag_flags(tag);

    if (html_tag_is_table_part(tag))
        return level == TAG_TABLE;
    if (level == TAG_TABLE || html_tag_flags(level) & TAG_IS_MARKER || is_integration_point(r, at))
        return true;
    if ((tag == TAG_LI && (level == TAG_OL || level == TAG_UL)) || (tag == TAG_P && level == TAG_BUTTON))
        return true;
    return !(flags & (TAG_IS_BLOCK | TAG_IS_FORMAT | TAG_IS_CELL)) && is_special(r, at);
}

/* Index of the open element that an end tag closes; 0: none. */
size_t stack_find(struct reader *r, enum html_tag tag, uint32_t other)
{
    if (*open_count(r, tag, other) == 0)
        return 0;
    size_t low = stack_lowest(r);
    for (size_t i = r->level_count; i-- > low; r->steps++) {
        const struct level *level = &r->levels[i];
        if (level->tag == tag && level->other == other)
            return i;
        if (is_barrier(r, i, tag))
            return 0;
    }
    return 0;
}

/* Closes all from AT on, and opens the formatting elements again that were above it. */
void stack_close_at(struct reader *r, size_t at)
{
    struct level again[REOPENED_MAX];
    size_t count = 0;
    bool reopens = !(html_tag_flags(r->levels[at].tag) & TAG_IS_MARKER);

    for (size_t i = at + 1; i < r->level_count && reopens; i++) {
        unsigned flags = html_tag_flags(r->levels[i].tag);
        if (flags & TAG_IS_MARKER)
            break; /* a cell: it takes with it all that it holds */
        if (flags & TAG_IS_FORMAT && count < REOPENED_MAX)
            again[count++] = r->levels[i];
    }
    stack_cut(r, at);
    for (size_t i = 0; i < count; i++)
        push(r, again[i].tag, again[i].other, &again[i].own);
}

/*
 * What an end tag of a formatting element does (HTML standard §13.2.6.4.7, adoption agency): blocks that stand above it stay open, and so do formatting
 * elements, but nothing else.
 */
void stack_close_format(struct reader *r, size_t at)
{
    size_t block = at + 1, kept = at;

    while (block < r->level_count && !is_special(r, block))
        block++;
    if (block == r->level_count) {
        stack_close_at(r, at);
        return;
    }
    enum foreign below = r->levels[at].foreign;
    for (size_t i = at; i < r->level_count; i++) {
        struct level level = r->levels[i];
        bool is_point = below && !level.foreign;
        below = level.foreign;
        if (i > at && (is_point || is_special_tag(level.tag) || html_tag_flags(level.tag) & TAG_IS_FORMAT))
            r->levels[kept++] = level;
        else
            --*open_count(r, level.tag, level.other);
    }
    r->level_count = kept;
    restyle_from(r, at);
}

/* </form> closes the form, not what is open inside: that goes on, with the form's look. */
static void close_form(struct reader *r, size_t at)
{
    enum html_tag top;

    while (r->level_count > at + 1 && ((top = stack_top(r)->tag) == TAG_P || top == TAG_LI || top == TAG_DD || top == TAG_DT || top == TAG_OPTION))
        stack_close_at(r, r->level_count - 1);
    if (r->level_count == at + 1) {
        stack_close_at(r, at);
        return;
    }
    --*open_count(r, TAG_FORM, 0);
    ++*open_count(r, TAG_OTHER, 0);
    r->levels[at].tag = TAG_OTHER;
    r->levels[at].other = 0;
    r->levels[at].is_over = true;
}

/* Any end tag of a heading closes the heading that is open. */
static size_t find_heading(struct reader *r)
{
    size_t low = stack_lowest(r);

    for (size_t i = r->level_count; i-- > low; r->steps++) {
        if (html_tag_is_heading(r->levels[i].tag))
            return i;
        if (is_barrier(r, i, TAG_H1))
            return 0;
    }
    return 0;
}

/* An end tag inside of svg or math closes what has its name there; false: nothing has. */
static bool close_foreign(struct reader *r, enum html_tag tag, uint32_t other)
{
    tag = as_foreign(tag);
    other = tag == TAG_OTHER ? other : 0;
    if (*open_count(r, tag, other) == 0)
        return false;
    size_t low = stack_lowest(r);
    for (size_t i = r->level_count; i-- > low && r->levels[i].foreign; r->steps++)
        if (r->levels[i].tag == tag && r->levels[i].other == other) {
            stack_cut(r, i);
            return true;
        }
    return false;
}

void stack_close(struct reader *r, enum html_tag tag, struct str name)
{
    uint32_t other = tag == TAG_OTHER ? (uint32_t)hash_str(name) : 0;

    if (r->overflow) {
        r->overflow--;
        return;
    }
    if (stack_top(r)->foreign && close_foreign(r, tag, (uint32_t)hash_str(name)))
        return;
    size_t at = html_tag_is_heading(tag) ? find_heading(r) : stack_find(r, tag, other);
    if (at == 0)
        return;
    if (tag == TAG_FORM)
        close_form(r, at);
    else if (html_tag_flags(tag) & TAG_IS_FORMAT)
        stack_close_format(r, at);
    else
        stack_close_at(r, at);
}

void stack_restyle_root(struct reader *r, const struct css_style *own)
{
    struct look look = r->levels[0].look;

    css_merge(&r->levels[0].own, own);
    r->levels[0].look = look_of(&look, own, TAG_BODY);
    if (r->steps < STEPS_MAX)
        restyle_from(r, 1);
}
