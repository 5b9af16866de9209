/* filter_parse.c: the text of a filter into its terms; see filter.h. */
#include "store/filter_parts.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 512 * 1024 };

struct parser {
    struct filter *filter;
    struct str text;
    size_t at;
    size_t terms;
    int depth;
    int64_t wall_ms;
    struct buf *error;
};

static struct filter_node *fail(struct parser *p, size_t at, const char *what)
{
    size_t character = 1;

    for (size_t i = 0; i < at; i++)
        character += ((unsigned char)p->text.at[i] & 0xC0) != 0x80;
    if (!p->error->len)
        buf_addf(p->error, "at character %zu: %s", character, what);
    return NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->text.len && is_blank(p->text.at[p->at]))
        p->at++;
}

static char look(const struct parser *p)
{
    return p->at < p->text.len ? p->text.at[p->at] : '\0';
}

static bool ends_word(char c)
{
    return is_blank(c) || c == '(' || c == ')' || c == '"';
}

/* Takes WORD where it stands as a word of its own. */
static bool take_word(struct parser *p, const char *word)
{
    size_t len = strlen(word);
    struct str rest = str_from_index(p->text, p->at);

    if (!str_starts(rest, str_n(word, len)) || (rest.len > len && !ends_word(rest.at[len])))
        return false;
    p->at += len;
    return true;
}

static struct filter_node *node(struct parser *p, enum filter_node_kind kind, struct filter_node *left, struct filter_node *right)
{
    struct filter_node *n = arena_alloc(&p->filter->arena, sizeof *n);

    if (!n)
        return fail(p, p->at, "out of memory");
    *n = (struct filter_node){.kind = kind, .left = left, .right = right};
    return n;
}

/* Behind the opening quote, which stands at FROM. */
static bool take_quoted(struct parser *p, size_t from, struct str *out)
{
    size_t end = p->at, len = 0;

    while (end < p->text.len && p->text.at[end] != '"')
        end += p->text.at[end] == '\\' ? 2 : 1;
    char *to = arena_bytes(&p->filter->arena, end - p->at + 1);
    if (!to) {
        fail(p, from, "out of memory");
        return false;
    }
    while (p->at < p->text.len && look(p) != '"') {
        bool escaped = look(p) == '\\' && p->at + 1 < p->text.len && (p->text.at[p->at + 1] == '"' || p->text.at[p->at + 1] == '\\');
        p->at += escaped;
        to[len++] = p->text.at[p->at++];
    }
    if (p->at == p->text.len) {
        fail(p, from, "the closing \" is missing");
        return false;
    }
    p->at++;
    *out = str_n(to, len);
    return true;
}

static struct str take_plain(struct parser *p, bool ends_at_comma)
{
    size_t from = p->at;

    while (p->at < p->text.len && !ends_word(look(p)) && !(ends_at_comma && look(p) == ','))
        p->at++;
    return str_sub(p->text, from, p->at - from);
}

static bool take_value(struct parser *p, const struct filter_field *field, struct filter_value *out)
{
    size_t from = p->at;
    bool is_quoted = look(p) == '"';
    struct str raw;
    struct buf why = buf_make(1024);

    if (is_quoted) {
        p->at++;
        if (!take_quoted(p, from, &raw))
            return false;
    } else {
        raw = take_plain(p, true);
    }
    if (!raw.len && !is_quoted) {
        fail(p, from, "a value is missing");
        return false;
    }
    bool ok = filter_value_read(field, raw, is_quoted, p->wall_ms, &p->filter->arena, out, &why) && !p->filter->arena.failed;
    if (!ok)
        fail(p, from, why.len ? buf_text(&why) : "out of memory");
    buf_free(&why);
    return ok;
}

static bool takes_one(const struct filter_field *field)
{
    return field->kind == FILTER_SINCE || field->kind == FILTER_UNTIL;
}

static struct filter_node *take_values(struct parser *p, const struct filter_field *field)
{
    struct filter_node *n = node(p, FILTER_TERM, NULL, NULL);

    if (!n)
        return NULL;
    n->field = field;
    n->values = arena_alloc(&p->filter->arena, FILTER_ALTERNATIVES_MAX * sizeof *n->values);
    if (!n->values)
        return fail(p, p->at, "out of memory");
    do {
        if (n->count == FILTER_ALTERNATIVES_MAX || (n->count && takes_one(field)))
            return fail(p, p->at, takes_one(field) ? "one time only" : "more than 16 values");
        if (!take_value(p, field, &n->values[n->count]))
            return NULL;
        n->count++;
    } while (look(p) == ',' && ++p->at);
    if (p->at < p->text.len && !is_blank(look(p)) && look(p) != ')')
        return fail(p, p->at, "a blank belongs between terms");
    return n;
}

/* The field's name where one stands here, its colon included; NULL where it is a word by itself, or (with an error) none is of that name. */
static const struct filter_field *take_field(struct parser *p)
{
    size_t from = p->at, end = from;

    while (end < p->text.len && (ascii_is_alpha((unsigned char)p->text.at[end]) || p->text.at[end] == '-'))
        end++;
    if (end == from || end == p->text.len || p->text.at[end] != ':')
        return NULL;
    struct str name = str_sub(p->text, from, end - from);
    const struct filter_field *field = filter_field_find(name), *near = field ? field : filter_field_nearest(name);
    char text[120];
    struct buf why = buf_make(sizeof text);
    if (!field) {
        buf_addf(&why, "there is no field \"" STR_FMT "\"", STR_ARG(str_sub(name, 0, 30)));
        if (near)
            buf_addf(&why, "; did you mean %s:?", near->name);
        str_copy(text, sizeof text, buf_str(&why));
        fail(p, from, text);
    }
    buf_free(&why);
    p->at = end + 1;
    return field;
}

static struct filter_node *take_term(struct parser *p)
{
    size_t from = p->at;

    if (++p->terms > FILTER_TERMS_MAX)
        return fail(p, from, "more than 64 terms");
    const struct filter_field *field = take_field(p);
    if (p->error->len)
        return NULL;
    return take_values(p, field ? field : &filter_any);
}

static struct filter_node *take_or(struct parser *p);

static struct filter_node *take_unary(struct parser *p)
{
    size_t from = p->at;
    struct filter_node *inner;

    if (++p->depth > FILTER_DEPTH_MAX)
        return fail(p, from, "more than 16 levels");
    if (take_word(p, "NOT") || (look(p) == '-' && ++p->at)) {
        skip_blanks(p);
        inner = take_unary(p);
        inner = inner ? node(p, FILTER_NOT, inner, NULL) : NULL;
    } else if (look(p) == '(') {
        p->at++;
        inner = take_or(p);
        skip_blanks(p);
        if (inner && look(p) != ')')
            inner = fail(p, from, "the closing ) is missing");
        p->at++;
    } else if (p->at == p->text.len || look(p) == ')') {
        inner = fail(p, p->at, "a term is missing");
    } else {
        inner = take_term(p);
    }
    p->depth--;
    return inner;
}

/* Does a further term stand here, and not OR or the end? */
static bool goes_on(struct parser *p)
{
    size_t before = p->at;
    bool is_or = take_word(p, "OR");

    p->at = before;
    return !is_or && p->at < p->text.len && look(p) != ')';
}

static struct filter_node *take_and(struct parser *p)
{
    skip_blanks(p);
    struct filter_node *left = take_unary(p);

    for (skip_blanks(p); left && goes_on(p); skip_blanks(p)) {
        if (take_word(p, "AND"))
            skip_blanks(p);
        struct filter_node *right = take_unary(p);
        left = right ? node(p, FILTER_AND, left, right) : NULL;
    }
    return left;
}

static struct filter_node *take_or(struct parser *p)
{
    struct filter_node *left = take_and(p);

    while (left && take_word(p, "OR")) {
        struct filter_node *right = take_and(p);
        left = right ? node(p, FILTER_OR, left, right) : NULL;
    }
    return left;
}

static bool parse(struct parser *p)
{
    if (p->text.len > FILTER_TEXT_MAX || !utf8_is_valid(p->text) || str_find(p->text, '\0') >= 0) {
        fail(p, 0, p->text.len > FILTER_TEXT_MAX ? "the filter is longer than 4096 octets" : "the filter is no UTF-8 text");
        return false;
    }
    skip_blanks(p);
    if (p->at == p->text.len)
        return true;
    p->filter->root = take_or(p);
    if (p->filter->root && p->at < p->text.len)
        p->filter->root = fail(p, p->at, "a ) without its (");
    return p->filter->root != NULL;
}

struct filter *filter_parse(struct str text, int64_t wall_ms, struct buf *error)
{
    struct filter *f = calloc(1, sizeof *f);
    struct parser p = {.filter = f, .text = text, .wall_ms = wall_ms, .error = error};

    if (!f) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    f->arena = arena_make(ARENA_MAX);
    if (!parse(&p))
        filter_free(&f);
    return f;
}

void filter_free(struct filter **f)
{
    if (!*f)
        return;
    arena_free(&(*f)->arena);
    free(*f);
    *f = NULL;
}
