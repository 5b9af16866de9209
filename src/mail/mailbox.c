/*
 * mailbox.c: see mailbox.h. One pass over the field: what stands between commas is collected as words, an angle address, and comments; at the comma, or at
 * the end, a mailbox is made of it. A semicolon ends a group, and where no group is open it separates as a comma does (Outlook).
 */
#include "mail/mailbox.h"

#include "base/buf.h"
#include "mail/rfc2047.h"
#include "mail/structured.h"

#include <string.h>

enum { TEXT_MAX = 998 };

struct reading {
    struct arena *arena;
    struct charset_context *charsets;
    struct structured at;
    struct mailbox *first, **last;
    size_t most, count;
    struct str group;
    /* of the mailbox under way */
    struct buf words;       /* display name, or a bare address; raw, blanks between words as one */
    struct buf address;     /* what stood in angle brackets */
    struct buf comment;     /* the last one */
    bool has_angle;
    size_t quoted_local;    /* where in words one begins, plus 1; 0: none */
    unsigned defects;
};

static void add(struct reading *r, struct buf *to, const char *at, size_t len)
{
    size_t room = to->len < TEXT_MAX ? TEXT_MAX - to->len : 0;

    if (len > room)
        r->defects |= MAILBOX_CUT;
    buf_add(to, at, len < room ? len : room);
}

/* Where a bare address is written with blanks around its @ and dots, those do not count; between words they are one blank. */
static void squeeze_address(struct buf *b)
{
    size_t to = 0;

    for (size_t i = 0; i < b->len; i++)
        if (!structured_is_blank((unsigned char)b->at[i]))
            b->at[to++] = b->at[i];
    b->len = to;
}

static struct str decoded(struct reading *r, const struct buf *raw)
{
    return str_trim(words_decode(r->arena, r->charsets, arena_str(r->arena, buf_str(raw)), NULL));
}

static void set_address(struct reading *r, struct mailbox *m, struct buf *raw)
{
    struct str text = buf_str(raw);

    if (text.len && text.at[0] == '@') { /* obs-route: what leads there is of no interest any more */
        ptrdiff_t colon = str_find(text, ':');
        if (colon >= 0) {
            m->defects |= MAILBOX_ROUTE;
            text = str_from_index(text, (size_t)colon + 1);
        }
    }
    m->address = arena_str(r->arena, text);
    ptrdiff_t at = str_find_last(m->address, '@');
    if (at < 0) {
        m->local = m->address;
        m->defects |= MAILBOX_NO_DOMAIN;
        return;
    }
    m->local = str_sub(m->address, 0, (size_t)at);
    m->domain = arena_str(r->arena, str_from_index(m->address, (size_t)at + 1));
    if (m->domain.len)
        str_lower((char *)(uintptr_t)m->domain.at, m->domain.len);
    else
        m->defects |= MAILBOX_NO_DOMAIN;
}

static bool is_blank_only(const struct buf *b)
{
    for (size_t i = 0; i < b->len; i++)
        if (!structured_is_blank((unsigned char)b->at[i]))
            return false;
    return true;
}

/* "a@b c@d" and "Name a@b": the last word with an @ is the address, as most readers have it; the rest is its name. */
static void split_bare(struct reading *r, struct mailbox *m)
{
    struct str text = str_trim(buf_str(&r->words));
    size_t start = text.len;

    if (r->quoted_local && r->quoted_local <= text.len)
        start = r->quoted_local - 1;
    else
        while (start > 0 && !structured_is_blank((unsigned char)text.at[start - 1]))
            start--;
    struct str last = str_from_index(text, start), before = str_trim(str_sub(text, 0, start));
    bool joined = (last.len && last.at[0] == '@') || (before.len && before.at[before.len - 1] == '@'); /* blanks around the @ */
    if (!r->quoted_local && (!before.len || joined || str_find(last, '@') < 0)) {
        squeeze_address(&r->words);
        set_address(r, m, &r->words);
        return;
    }
    struct buf address = buf_make(TEXT_MAX + 1), name = buf_make(TEXT_MAX + 1);
    buf_add_str(&address, last);
    buf_add_str(&name, before);
    set_address(r, m, &address);
    m->display = decoded(r, &name);
    m->defects |= before.len ? MAILBOX_JUNK : 0U;
    buf_free(&address);
    buf_free(&name);
}

static bool looks_like_address(struct str s)
{
    ptrdiff_t at = str_find(s, '@');

    return at > 0 && (size_t)at + 1 < s.len && !structured_is_blank((unsigned char)s.at[at - 1]) && !structured_is_blank((unsigned char)s.at[at + 1]);
}

static void fill(struct reading *r, struct mailbox *m)
{
    m->group = r->group;
    m->defects = r->defects;
    if (r->has_angle) {
        squeeze_address(&r->address);
        set_address(r, m, &r->address);
        m->display = decoded(r, &r->words);
    } else if (str_find(buf_str(&r->words), '@') >= 0) {
        split_bare(r, m);
    } else {
        m->display = decoded(r, &r->words);
        m->defects |= MAILBOX_JUNK | MAILBOX_NO_DOMAIN;
    }
    if (!m->display.len && r->comment.len)
        m->display = decoded(r, &r->comment);
    if (looks_like_address(m->display) && !str_eq_case(m->display, m->address))
        m->defects |= MAILBOX_SECOND_ADDRESS;
}

static void restart(struct reading *r)
{
    buf_clear(&r->words);
    buf_clear(&r->address);
    buf_clear(&r->comment);
    r->has_angle = false;
    r->quoted_local = 0;
    r->defects = 0;
}

static void finish_mailbox(struct reading *r)
{
    if (r->has_angle || !is_blank_only(&r->words)) {
        struct mailbox *m = r->count++ < r->most ? arena_alloc(r->arena, sizeof *m) : NULL;
        if (m) {
            fill(r, m);
            *r->last = m;
            r->last = &m->next;
        }
    }
    restart(r);
}

/* The inside of <…>, without comments and blanks; quoted local parts keep their quotes. */
static void take_angle(struct reading *r)
{
    struct str inside;

    if (r->has_angle) { /* <a@b> <c@d>: two without a comma */
        r->defects |= MAILBOX_JUNK;
        finish_mailbox(r);
    }
    r->has_angle = true;
    structured_advance(&r->at, 1);
    for (;;) {
        structured_skip(&r->at);
        int c = structured_peek(&r->at);
        if (c == '>') {
            structured_advance(&r->at, 1);
            return;
        }
        if (c < 0 || ((c == ',' || c == ';') && !(r->address.len && r->address.at[0] == '@'))) {
            r->defects |= MAILBOX_OPEN_ANGLE;
            return;
        }
        if (c == '<') { /* <<a@b>> */
            structured_advance(&r->at, 1);
            continue;
        }
        if (structured_take_quoted(&r->at, &inside)) {
            add(r, &r->address, "\"", 1);
            add(r, &r->address, inside.at, inside.len);
            add(r, &r->address, "\"", 1);
            continue;
        }
        char octet = (char)c;
        add(r, &r->address, &octet, 1);
        structured_advance(&r->at, 1);
    }
}

/* "name:" opens a group where it is followed by no address part: a colon inside a word stays (as in "mailto:a@b"). */
static bool opens_group(const struct reading *r)
{
    return !r->has_angle && !is_blank_only(&r->words) && str_find(buf_str(&r->words), '@') < 0 && !r->group.at;
}

static void add_quoted(struct reading *r, struct str inside)
{
    struct str text = structured_unquote(r->arena, inside);
    bool is_local = r->at.rest.len && r->at.rest.at[0] == '@'; /* "a b"@c: the quotes belong to the address */

    if (is_local) {
        r->quoted_local = r->words.len + 1;
        add(r, &r->words, "\"", 1);
    }
    add(r, &r->words, text.at, text.len);
    if (is_local)
        add(r, &r->words, "\"", 1);
}

static void step(struct reading *r)
{
    struct str inside;
    int c = structured_peek(&r->at);
    char octet = (char)c;

    if (structured_is_blank(c)) {
        if (r->words.len && r->words.at[r->words.len - 1] != ' ')
            add(r, &r->words, " ", 1);
        structured_advance(&r->at, 1);
    } else if (structured_take_comment(&r->at, &inside)) {
        struct str text = structured_unquote(r->arena, inside);
        buf_clear(&r->comment);
        add(r, &r->comment, text.at, text.len);
    } else if (structured_take_quoted(&r->at, &inside)) {
        add_quoted(r, inside);
    } else if (c == '<') {
        take_angle(r);
    } else if (c == ',' || c == ';') {
        finish_mailbox(r);
        if (c == ';')
            r->group = str_n(NULL, 0);
        structured_advance(&r->at, 1);
    } else if (c == ':' && opens_group(r)) {
        r->group = decoded(r, &r->words);
        if (!r->group.at)
            r->group = STR("");
        restart(r);
        structured_advance(&r->at, 1);
    } else {
        if (r->has_angle && !structured_is_blank(c))
            r->defects |= MAILBOX_JUNK;
        else
            add(r, &r->words, &octet, 1);
        structured_advance(&r->at, 1);
    }
}

struct mailbox *mailbox_list_parse(struct arena *arena, struct charset_context *charsets, struct str value, size_t most, size_t *count)
{
    struct reading r = {.arena = arena, .charsets = charsets, .at = structured_open(value), .most = most, .words = buf_make(TEXT_MAX + 1),
                        .address = buf_make(TEXT_MAX + 1), .comment = buf_make(TEXT_MAX + 1)};

    r.last = &r.first;
    while (structured_peek(&r.at) >= 0) {
        unsigned before = r.at.defects;
        step(&r);
        unsigned now = r.at.defects & ~before;
        r.defects |= (now & STRUCTURED_QUOTE_OPEN ? MAILBOX_OPEN_QUOTE : 0U) | (now & STRUCTURED_COMMENT_OPEN ? MAILBOX_OPEN_COMMENT : 0U);
    }
    finish_mailbox(&r);
    buf_free(&r.words);
    buf_free(&r.address);
    buf_free(&r.comment);
    if (count)
        *count = r.count;
    return r.first;
}
