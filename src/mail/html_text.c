/* html_text.c: text to where it belongs, seen or not, with blanks collapsed as a renderer does. */
#include "mail/html_parts.h"

#include "mail/utf8.h"

#include <string.h>

enum { TITLE_MAX = 1024 };

/* What of text needs a closer look: blanks, references, NUL, and the lead octet of the no-break space. */
static bool is_special(char c)
{
    return (unsigned char)c <= ' ' || c == '&' || c == '\xC2';
}

static bool is_word(char c)
{
    return ascii_is_alnum((unsigned char)c);
}

static char last_of(const struct sink *s)
{
    return s->text.len ? s->text.at[s->text.len - 1] : '\n';
}

static void put(struct reader *r, struct sink *s, struct str text)
{
    size_t room = s->text.ceiling - s->text.len;

    if (text.len > room) {
        s->is_full = true;
        r->out->features |= HTML_CEILING;
        text = utf8_cut(text, room);
    }
    if (!buf_add_str(&s->text, text))
        s->is_full = true;
}

static void add(struct reader *r, struct sink *s, struct str text)
{
    if (s->is_full || text.len == 0)
        return;
    char last = last_of(s);
    if (s->wants_break) {
        if (last != '\n')
            put(r, s, STR("\n"));
    } else if (s->wants_blank) {
        if (last != '\n' && last != ' ')
            put(r, s, STR(" "));
    } else if (s == &r->visible && r->word_is_cut && is_word(last) && is_word(text.at[0])) {
        r->out->split_words++;
    }
    s->wants_break = s->wants_blank = false;
    if (!s->is_full)
        put(r, s, text);
    r->word_is_cut = s == &r->hidden;
}

/* Writes what the reference at AT stands for; returns the octets it takes. */
static size_t add_reference(struct reader *r, struct sink *s, const char *at, const char *end)
{
    char character[2 * UTF8_MAX];
    uint32_t codes[2];
    size_t taken = html_entity(at, end, false, codes);

    if (!taken) {
        add(r, s, str_n(at, 1));
        return 1;
    }
    r->out->plain_letters_as_entities += html_code_is_plain(codes);
    if (codes[0] == 0xA0 || codes[0] == ' ' || (codes[0] >= '\t' && codes[0] <= '\r')) {
        s->wants_blank = true;
        return taken;
    }
    size_t n = utf8_put(character, codes[0]);
    if (codes[1])
        n += utf8_put(character + n, codes[1]);
    add(r, s, str_n(character, n));
    return taken;
}

/* The special octet at AT; returns how many it stands for. */
static size_t add_special(struct reader *r, struct sink *s, const char *at, const char *end, bool has_entities)
{
    if (*at == '&' && has_entities)
        return add_reference(r, s, at, end);
    if (*at == '\xC2') {
        bool is_blank = end - at > 1 && at[1] == '\xA0';
        size_t len = end - at > 1 ? 2 : 1;
        if (is_blank)
            s->wants_blank = true;
        else
            add(r, s, str_n(at, len));
        return len;
    }
    if (*at == '\0') {
        r->out->features |= HTML_NUL; /* browsers drop it */
        return 1;
    }
    if ((unsigned char)*at > ' ') {
        add(r, s, str_n(at, 1));
        return 1;
    }
    if (*at == '\n' && r->open[TAG_PRE] + r->open[TAG_TEXTAREA] + r->open[TAG_XMP])
        s->wants_break = true;
    s->wants_blank = true;
    return 1;
}

static void add_text(struct reader *r, struct sink *s, struct str raw, bool has_entities)
{
    const char *at = raw.at, *end = raw.at + raw.len;

    while (at < end && !s->is_full) {
        const char *from = at;
        while (at < end && !is_special(*at))
            at++;
        add(r, s, str_n(from, (size_t)(at - from)));
        if (at < end)
            at += add_special(r, s, at, end, has_entities);
    }
    if (s->is_full && at < end)
        r->out->features |= HTML_CEILING;
}

void text_add(struct reader *r, struct str raw, bool has_entities)
{
    const struct look *look = stack_look(r, TAG_OTHER);
    unsigned why = look->mask | (r->in_mso ? HIDDEN_MSO : 0);

    if (look->is_silent)
        return;
    if (!why) {
        add_text(r, &r->visible, raw, has_entities);
        return;
    }
    size_t before = r->hidden.text.len;
    add_text(r, &r->hidden, raw, has_entities);
    if (r->hidden.text.len > before)
        r->out->hidden_why |= why;
    else if (r->hidden.is_full)
        r->out->features |= HTML_CEILING;
}

void text_break(struct reader *r)
{
    if (!r->in_mso)
        r->visible.wants_break = true;
    r->hidden.wants_break = true;
}

void text_blank(struct reader *r)
{
    if (!r->in_mso)
        r->visible.wants_blank = true;
    r->hidden.wants_blank = true;
}

void text_cut(struct reader *r, struct str raw)
{
    size_t before = r->hidden.text.len;

    r->out->features |= HTML_UNTERMINATED;
    r->hidden.wants_break = true;
    add_text(r, &r->hidden, raw, true);
    if (r->hidden.text.len > before)
        r->out->hidden_why |= HIDDEN_COMMENT;
}

/* The first title counts. */
void text_title(struct reader *r, struct str raw)
{
    struct sink title = {.text = buf_make(TITLE_MAX)};
    unsigned features = r->out->features;

    if (r->out->title.len)
        return;
    add_text(r, &title, raw, true);
    r->out->features = features; /* a title that is cut is nothing to tell */
    r->out->title = arena_str(r->arena, buf_str(&title.text));
    buf_free(&title.text);
}
