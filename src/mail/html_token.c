/* html_token.c: see html_token.h. State names in the comments are those of the HTML standard. */
#include "mail/html_token.h"

#include <string.h>

#define BLOCK TAG_IS_BLOCK
#define CELL TAG_IS_CELL
#define VOID TAG_IS_VOID
#define RAW TAG_IS_RAW
#define RCDATA TAG_IS_RCDATA
#define SILENT TAG_IS_SILENT
#define FORMAT TAG_IS_FORMAT
#define MARKER TAG_IS_MARKER
#define CLOSES_P TAG_IS_CLOSES_P
#define INLINE TAG_IS_INLINE
#define URL 1

_Static_assert(ATTRIBUTE_COUNT <= 64, "html_token.seen has a bit for each");

struct name_row {
    char name[HTML_NAME_MAX - 15]; /* all of these are short */
    uint16_t flags;
};

static const struct name_row tags[TAG_COUNT] = {
    {"", 0},
#define TAG(id, name, flags) {name, flags},
#include "mail/html_tags.def"
#undef TAG
};

static const struct name_row attributes[ATTRIBUTE_COUNT] = {
    {"", 0},
#define ATTRIBUTE(id, name, flags) {name, flags},
#include "mail/html_attributes.def"
#undef ATTRIBUTE
};

unsigned html_tag_flags(enum html_tag tag)
{
    return tags[tag].flags;
}

bool html_attribute_is_url(enum html_attribute_id id)
{
    return attributes[id].flags == URL;
}

/* NAME is NUL-terminated; 0 (OTHER) where no row has it. */
static unsigned find_name(const struct name_row *rows, unsigned count, const char *name)
{
    unsigned low = 1, high = count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        int order = strcmp(rows[middle].name, name);
        if (order == 0)
            return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

struct html_tokenizer html_tokenizer(struct str text)
{
    return (struct html_tokenizer){.at = text.at, .end = text.at + text.len};
}

const struct html_attribute *html_token_attribute(const struct html_token *t, enum html_attribute_id id)
{
    for (unsigned i = 0; t->seen >> id & 1 && i < t->attribute_count; i++)
        if (t->attributes[i].id == id)
            return &t->attributes[i];
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f';
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at))
        at++;
    return at;
}

/* From AT up to a blank, '/', '>' or STOP, in lower case, cut at HTML_NAME_MAX. */
static const char *take_name(const char *at, const char *end, char stop, char to[HTML_NAME_MAX + 1], uint8_t *len)
{
    unsigned n = 0;

    for (; at < end && !is_blank(*at) && *at != '/' && *at != '>' && *at != stop; at++)
        if (n < HTML_NAME_MAX && *at)
            to[n++] = (char)ascii_lower(*at);
    to[n] = '\0';
    *len = (uint8_t)n;
    return at;
}

static bool cut(struct html_tokenizer *z, struct html_token *t, const char *from)
{
    t->kind = TOKEN_CUT;
    t->text = str_n(from, (size_t)(z->end - from));
    z->at = z->end;
    return true;
}

/* "Before attribute value": AT stands behind '='. NULL where it never ends. */
static const char *take_value(const char *at, const char *end, struct str *value)
{
    at = skip_blanks(at, end);
    if (at == end)
        return NULL;
    if (*at == '"' || *at == '\'') {
        const char *close = memchr(at + 1, *at, (size_t)(end - at - 1));
        if (!close)
            return NULL;
        *value = str_n(at + 1, (size_t)(close - at - 1));
        return close + 1;
    }
    const char *from = at;
    while (at < end && !is_blank(*at) && *at != '>')
        at++;
    *value = str_n(from, (size_t)(at - from));
    return at;
}

/* "Attribute name" and what follows; NULL where the input ends inside. The first href is found behind any number of attributes that mean nothing. */
static const char *take_attribute(struct html_token *t, const char *at, const char *end)
{
    struct html_attribute *a = &t->attributes[t->attribute_count];
    bool leading_equals = *at == '='; /* is a part of the name */

    at = take_name(at + leading_equals, end, '=', a->name, &a->name_len);
    a->value = str_n(at, 0);
    at = skip_blanks(at, end);
    if (at < end && *at == '=') {
        at = take_value(at + 1, end, &a->value);
        if (!at)
            return NULL;
    }
    a->id = (enum html_attribute_id)(leading_equals ? 0 : find_name(attributes, ATTRIBUTE_COUNT, a->name));
    bool is_new = a->id != ATTRIBUTE_OTHER && !(t->seen >> a->id & 1);
    if (!is_new && t->attribute_count >= HTML_ATTRIBUTES_MAX) {
        t->attributes_dropped = true;
        return at;
    }
    t->seen |= (uint64_t)1 << a->id;
    t->attribute_count++;
    return at;
}

/* "Tag name" to its '>': AT is at the first letter. */
static bool take_tag(struct html_tokenizer *z, struct html_token *t, enum html_token_kind kind, const char *at)
{
    const char *from = z->at;
    uint8_t len;

    t->kind = kind;
    t->attribute_count = 0;
    t->seen = 0;
    t->is_self_closing = t->attributes_dropped = false;
    at = take_name(at, z->end, '>', z->name, &len);
    t->name = str_n(z->name, len);
    for (;;) {
        while (at < z->end && (is_blank(*at) || *at == '/'))
            at++;
        if (at == z->end)
            return cut(z, t, from);
        if (*at == '>')
            break;
        at = take_attribute(t, at, z->end);
        if (!at)
            return cut(z, t, from);
    }
    t->is_self_closing = at[-1] == '/';
    t->tag = (enum html_tag)find_name(tags, TAG_COUNT, z->name);
    z->at = at + 1;
    if (kind == TOKEN_START && (tags[t->tag].flags & (RAW | RCDATA) || t->tag == TAG_PLAINTEXT) && !z->is_foreign)
        z->raw_tag = t->tag;
    return true;
}

/* "Comment": AT stands behind "<!--". */
static bool take_comment(struct html_tokenizer *z, struct html_token *t, const char *at)
{
    const char *from = at;

    t->kind = TOKEN_COMMENT;
    t->text = str_n(at, 0);
    if (at < z->end && *at == '>') { /* <!--> */
        z->at = at + 1;
        return true;
    }
    if (z->end - at >= 2 && at[0] == '-' && at[1] == '>') { /* <!---> */
        z->at = at + 2;
        return true;
    }
    while ((at = memchr(at, '-', (size_t)(z->end - at)))) {
        bool is_pair = z->end - at >= 3 && at[1] == '-';
        size_t close = is_pair && at[2] == '>' ? 3 : is_pair && z->end - at >= 4 && at[2] == '!' && at[3] == '>' ? 4 : 0;
        if (close) {
            t->text = str_n(from, (size_t)(at - from));
            z->at = at + close;
            return true;
        }
        at++;
    }
    return cut(z, t, from);
}

/* "Bogus comment": everything to the next '>'. */
static bool take_bogus(struct html_tokenizer *z, struct html_token *t, const char *from)
{
    const char *close = memchr(from, '>', (size_t)(z->end - from));

    if (!close)
        return cut(z, t, from);
    t->kind = TOKEN_BOGUS;
    t->text = str_n(from, (size_t)(close - from));
    z->at = close + 1;
    return true;
}

static bool give_text(struct html_tokenizer *z, struct html_token *t, const char *to, bool has_entities)
{
    t->kind = TOKEN_TEXT;
    t->text = str_n(z->at, (size_t)(to - z->at));
    t->has_entities = has_entities;
    z->at = to;
    return true;
}

static bool take_cdata(struct html_tokenizer *z, struct html_token *t, const char *from)
{
    ptrdiff_t close = str_find_str(str_n(from, (size_t)(z->end - from)), STR("]]>"));

    if (close < 0)
        return cut(z, t, from);
    z->at = from;
    give_text(z, t, from + close, false);
    z->at = from + close + 3;
    return true;
}

/* "Markup declaration open": AT stands behind "<!". */
static bool take_declaration(struct html_tokenizer *z, struct html_token *t, const char *at)
{
    struct str rest = str_n(at, (size_t)(z->end - at));

    if (str_starts(rest, STR("--")))
        return take_comment(z, t, at + 2);
    if (z->is_foreign && str_starts(rest, STR("[CDATA[")))
        return take_cdata(z, t, at + 7);
    return take_bogus(z, t, at);
}

/* Is AT, a '<', the end tag of NAME? */
static bool is_end_tag(const char *at, const char *end, struct str name)
{
    if ((size_t)(end - at) < name.len + 3 || at[1] != '/' || !str_eq_case(str_n(at + 2, name.len), name))
        return false;
    char behind = at[2 + name.len];
    return is_blank(behind) || behind == '/' || behind == '>';
}

static bool starts_script(const char *at, const char *end)
{
    return str_starts_case(str_n(at + 1, (size_t)(end - at - 1)), STR("script")) && end - at > 7 &&
           (is_blank(at[7]) || at[7] == '/' || at[7] == '>');
}

/* "Script data" with its escaped states: inside <!-- … <script> … </script> the end tag ends nothing. */
static const char *script_end(const char *at, const char *end)
{
    enum { PLAIN, ESCAPED, DOUBLE } state = PLAIN;

    for (; at < end; at++) {
        if (*at == '-' && state != PLAIN && end - at >= 3 && at[1] == '-' && at[2] == '>')
            state = PLAIN;
        if (*at != '<')
            continue;
        if (state == PLAIN && end - at >= 4 && memcmp(at, "<!--", 4) == 0) {
            state = ESCAPED;
            at++; /* <!--> ends it again */
        } else if (is_end_tag(at, end, STR("script"))) {
            if (state != DOUBLE)
                return at;
            state = ESCAPED;
        } else if (state == ESCAPED && starts_script(at, end)) {
            state = DOUBLE;
        }
    }
    return NULL;
}

static const char *raw_end(const struct html_tokenizer *z)
{
    struct str name = str_from(tags[z->raw_tag].name);

    if (z->raw_tag == TAG_SCRIPT)
        return script_end(z->at, z->end);
    for (const char *at = z->at; (at = memchr(at, '<', (size_t)(z->end - at))); at++)
        if (is_end_tag(at, z->end, name))
            return at;
    return NULL;
}

/* Inside of script, style, title …: text up to its end tag. */
static bool take_raw(struct html_tokenizer *z, struct html_token *t)
{
    bool has_entities = tags[z->raw_tag].flags & RCDATA;
    const char *close = z->raw_tag == TAG_PLAINTEXT ? z->end : raw_end(z);

    bool is_seen = !(tags[z->raw_tag].flags & SILENT); /* a textarea that never ends shows its text */
    z->raw_tag = TAG_OTHER;
    if (!close && !is_seen)
        return cut(z, t, z->at);
    if (!close)
        close = z->end;
    return give_text(z, t, close, has_entities);
}

bool html_token_next(struct html_tokenizer *z, struct html_token *t)
{
    if (z->at == z->end) {
        t->kind = TOKEN_END;
        return false;
    }
    if (z->raw_tag != TAG_OTHER)
        return take_raw(z, t);
    const char *at = z->at, *open = at;
    for (;;) { /* "data": a '<' that opens nothing is text */
        open = memchr(open, '<', (size_t)(z->end - open));
        if (!open)
            return give_text(z, t, z->end, true);
        char next = open + 1 < z->end ? open[1] : ' ';
        if (ascii_is_alpha(next) || next == '!' || next == '?' || (next == '/' && open + 2 < z->end))
            break;
        open++;
    }
    if (open > at)
        return give_text(z, t, open, true);
    if (at[1] == '!')
        return take_declaration(z, t, at + 2);
    if (at[1] == '?')
        return take_bogus(z, t, at + 1);
    if (at[1] != '/')
        return take_tag(z, t, TOKEN_START, at + 1);
    if (ascii_is_alpha(at[2]))
        return take_tag(z, t, TOKEN_CLOSE, at + 2);
    return take_bogus(z, t, at + 2);
}
