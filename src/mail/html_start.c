/* html_start.c: what a start tag closes by itself, and which ones browsers ignore (HTML standard §13.2.6.4). */
#include "mail/html_parts.h"

/* Table, its sections and rows: inside of these stands nothing but more of a table. */
bool html_tag_is_row_part(enum html_tag tag)
{
    return tag == TAG_TABLE || tag == TAG_TR || tag == TAG_TBODY || tag == TAG_THEAD || tag == TAG_TFOOT;
}

bool html_tag_is_table_part(enum html_tag tag)
{
    return html_tag_is_row_part(tag) || tag == TAG_TD || tag == TAG_TH || tag == TAG_CAPTION;
}

bool html_tag_is_heading(enum html_tag tag)
{
    return tag >= TAG_H1 && tag <= TAG_H6;
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
    size_t low = stack_lowest(r);
    for (size_t i = r->level_count; i-- > low; r->steps++) {
        if (r->levels[i].tag == tag || r->levels[i].tag == other) {
            stack_close_at(r, i);
            return;
        }
        if (ends_search(r->levels[i].tag, tag))
            return;
    }
}

static void close_table_part(struct reader *r, enum html_tag tag)
{
    size_t at = stack_find(r, tag, 0);

    if (at)
        stack_close_at(r, at);
}

/* Are we in a table, but in none of its cells? */
static bool is_between_rows(struct reader *r)
{
    if (r->open[TAG_TABLE] == 0)
        return false;
    size_t low = stack_lowest(r);
    for (size_t i = r->level_count; i-- > low; r->steps++)
        if (html_tag_is_table_part(r->levels[i].tag))
            return html_tag_is_row_part(r->levels[i].tag);
    return false;
}

/* What stands between a table and its next part, a <b> or a <form>, ends there. */
static void cut_to_table(struct reader *r)
{
    size_t low = stack_lowest(r);

    for (size_t i = r->level_count; i-- > low; r->steps++)
        if (html_tag_is_row_part(r->levels[i].tag)) {
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
    if (tag == TAG_TBODY || tag == TAG_THEAD || tag == TAG_TFOOT || tag == TAG_CAPTION) {
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
    default: return html_tag_is_heading(tag);
    }
}

void stack_end_foreign(struct reader *r)
{
    while (stack_top(r)->foreign && r->level_count > r->floor)
        stack_cut(r, r->level_count - 1);
}

bool stack_takes(const struct reader *r, enum html_tag tag)
{
    if (r->levels[r->level_count - 1].foreign && !ends_foreign(tag))
        return true;
    if (tag == TAG_HEAD)
        return false;
    if (tag == TAG_FORM) /* one at a time; between the rows of a table it holds nothing */
        return !r->open[TAG_FORM] && !html_tag_is_row_part(r->levels[r->level_count - 1].tag);
    return tag == TAG_TABLE || !html_tag_is_table_part(tag) || r->open[TAG_TABLE];
}

/* Links do not nest. */
static void close_anchor(struct reader *r)
{
    size_t at = stack_find(r, TAG_A, 0);

    if (at)
        stack_close_format(r, at);
}

void stack_start(struct reader *r, enum html_tag tag)
{
    if (ends_foreign(tag))
        stack_end_foreign(r);
    if (stack_top(r)->foreign)
        return;
    if (html_tag_flags(tag) & TAG_IS_CLOSES_P)
        close_open(r, TAG_P, TAG_P);
    if (html_tag_is_heading(tag) && html_tag_is_heading(stack_top(r)->tag) && r->level_count > r->floor)
        stack_close_at(r, r->level_count - 1);
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
        if (is_between_rows(r))
            close_table_part(r, TAG_TABLE);
        break;
    default:
        if (html_tag_is_table_part(tag))
            start_table_part(r, tag);
    }
}
