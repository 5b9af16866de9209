/*
 * filter_sql.c: terms of a filter as conditions of SQL. Columns and operators come from the table of fields, values are parameters. What must hold in any case
 * (terms at the top, not within OR or NOT) becomes a condition of its own, so that a search can choose the one whose index finds fewest rows.
 */
#include "store/filter_parts.h"
#include "store/message_words.h"

#include <stdlib.h>

enum { ARENA_MAX = 1024 * 1024, SQL_MAX = 256 * 1024, NAMES_DEPTH_MAX = 16 };

struct compiling {
    struct filter_query *query;
    struct db *db;
};

void filter_query_init(struct filter_query *q)
{
    q->arena = arena_make(ARENA_MAX);
    q->count = q->value_count = 0;
    q->first_id = 0;
    q->end_id = INT64_MAX;
    q->failed = false;
}

void filter_query_clear(struct filter_query *q)
{
    arena_free(&q->arena);
    q->count = 0;
}

size_t filter_query_value(struct filter_query *q, struct db_value v)
{
    if (q->value_count == FILTER_VALUES_MAX) {
        q->failed = true;
        return 1;
    }
    q->values[q->value_count++] = v;
    return q->value_count;
}

void filter_query_add(struct filter_query *q, struct str sql, enum filter_drive drive, struct str word_sql)
{
    if (q->count == FILTER_CONDITIONS_MAX) {
        q->failed = true;
        return;
    }
    q->at[q->count++] = (struct filter_condition){.sql = arena_str(&q->arena, sql), .drive = drive, .word_sql = arena_str(&q->arena, word_sql)};
    q->failed = q->failed || q->arena.failed;
}

static size_t text_value(struct compiling *c, struct str s)
{
    return filter_query_value(c->query, DB_T(arena_str(&c->query->arena, s)));
}

static struct str folded(struct compiling *c, struct str s)
{
    size_t room = s.len * 4 + 1; /* a folded character is never longer than 4 octets */
    char *to = arena_bytes(&c->query->arena, room);

    return to ? str_n(to, message_fold(s, to, room)) : STR("");
}

/* S as a pattern of LIKE: * is any text where WILD, all else is itself; AROUND: any text before and behind it. */
static size_t pattern_value(struct compiling *c, struct str s, bool wild, bool around)
{
    char *to = arena_bytes(&c->query->arena, s.len * 2 + 3);
    size_t len = 0;

    if (!to) {
        c->query->failed = true;
        return 1;
    }
    if (around)
        to[len++] = '%';
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.at[i];
        if (ch == '*' && wild)
            ch = '%';
        else if (ch == '%' || ch == '_' || ch == '\\')
            to[len++] = '\\';
        to[len++] = ch;
    }
    if (around && (!len || to[len - 1] != '%' || len == 1))
        to[len++] = '%';
    return filter_query_value(c->query, DB_T(str_n(to, len)));
}

static void equal(struct compiling *c, struct buf *sql, const char *column, struct str value)
{
    buf_addf(sql, "%s = $%zu", column, text_value(c, value));
}

static void like(struct compiling *c, struct buf *sql, const char *column, const struct filter_value *v, bool around)
{
    buf_addf(sql, "lower(%s) LIKE $%zu ESCAPE '\\'", column, pattern_value(c, folded(c, v->text), v->has_wildcard, around));
}

static bool has_star(struct str s)
{
    return str_find(s, '*') >= 0;
}

/* "*@acme.test", "@acme.test": the domain alone decides. */
static struct str whole_domain(const struct filter_value *v)
{
    struct str s = v->text;

    if (v->has_wildcard && s.len && s.at[0] == '*')
        s = str_from_index(s, 1);
    if (s.len < 2 || s.at[0] != '@' || has_star(str_from_index(s, 1)))
        return STR("");
    return str_from_index(s, 1);
}

/* True where an index on one column gives it in order. */
static bool address(struct compiling *c, struct buf *sql, const struct filter_field *f, const struct filter_value *v)
{
    struct str domain = v->is_quoted ? STR("") : whole_domain(v);

    if (domain.len)
        equal(c, sql, f->also, domain);
    else if (v->has_wildcard)
        like(c, sql, f->column, v, false);
    else
        equal(c, sql, f->column, v->text);
    return domain.len || !v->has_wildcard;
}

static bool exact(struct compiling *c, struct buf *sql, const struct filter_field *f, const struct filter_value *v)
{
    if (v->has_wildcard) {
        like(c, sql, f->column, v, false);
        return false;
    }
    if (f->also[0] != '<' || (v->text.len && v->text.at[0] == '<')) {
        equal(c, sql, f->column, v->text);
        return true;
    }
    struct buf bracketed = buf_make(FILTER_TEXT_MAX + 2);
    buf_addf(&bracketed, "<" STR_FMT ">", STR_ARG(v->text));
    equal(c, sql, f->column, buf_str(&bracketed));
    buf_free(&bracketed);
    return true;
}

static void number(struct compiling *c, struct buf *sql, const struct filter_field *f, const struct filter_value *v)
{
    static const char *const ops[] = {[FILTER_IS] = "=", [FILTER_ABOVE] = ">", [FILTER_FROM] = ">=", [FILTER_BELOW] = "<", [FILTER_UP_TO] = "<="};

    if (v->is_range)
        buf_addf(sql, "(%s >= $%zu AND %s <= $%zu)", f->column, filter_query_value(c->query, DB_R(v->number)), f->column,
                 filter_query_value(c->query, DB_R(v->end_number)));
    else
        buf_addf(sql, "%s %s $%zu", f->column, ops[v->op], filter_query_value(c->query, DB_R(v->number)));
}

static int64_t id_of(const struct filter_value *v)
{
    return db_id_at(v->number < 4e12 ? (int64_t)v->number : INT64_C(4000000000000)); /* far beyond any row, and within 63 bits */
}

static void network(struct compiling *c, struct buf *sql, const struct filter_field *f, const struct filter_value *v)
{
    if (str_eq(v->text, v->end))
        equal(c, sql, f->column, v->text);
    else
        buf_addf(sql, "(%s >= $%zu AND %s <= $%zu)", f->column, text_value(c, v->text), f->column, text_value(c, v->end));
}

/* A domain of the configuration file has no number: the recipient's name stands for it. */
static void domain(struct compiling *c, struct buf *sql, const struct filter_value *v)
{
    const struct db_value name[] = {DB_T(v->text)};
    int64_t id = c->db ? db_ask_number(c->db, "SELECT id FROM domain WHERE name = $1 UNION SELECT domain FROM domain_alias WHERE name = $1", name, 1, 0) : 0;

    if (id)
        buf_addf(sql, "m.domain = $%zu", filter_query_value(c->query, DB_N(id)));
    else
        equal(c, sql, "m.recipient_domain", v->text);
}

static void tenant(struct compiling *c, struct buf *sql, const struct filter_value *v)
{
    buf_addf(sql, "m.tenant IN (WITH RECURSIVE below(id) AS (SELECT id FROM tenant WHERE name = $%zu UNION SELECT tenant.id FROM tenant "
                  "JOIN below ON tenant.parent = below.id) SELECT id FROM below)", text_value(c, v->text));
}

/* One word of a field, as an index finds it. IS_START: words that begin so. */
static void word_index(struct compiling *c, struct buf *sql, const struct message_word *w, bool is_start)
{
    char end[1 + MESSAGE_WORD_MAX + 4];
    size_t value = text_value(c, str_n(w->at, w->len));

    if (!is_start) {
        buf_addf(sql, "w.word = $%zu", value);
        return;
    }
    for (size_t i = 0; i < w->len; i++)
        end[i] = w->at[i];
    for (size_t i = 0; i < 4; i++)
        end[w->len + i] = "\xf4\x8f\xbf\xbf"[i]; /* U+10FFFF: behind every word that begins so */
    buf_addf(sql, "w.word >= $%zu AND w.word < $%zu", value, text_value(c, str_n(end, w->len + 4)));
}

static void has_word(struct buf *sql, struct str index)
{
    buf_addf(sql, "EXISTS (SELECT 1 FROM message_word w WHERE " STR_FMT " AND w.message = m.id)", STR_ARG(index));
}

/* Each word of V in field LETTER: into SQL, and each where CONDITIONS is set as a condition of its own. */
static size_t words(struct compiling *c, struct buf *sql, char letter, const struct filter_value *v, bool conditions)
{
    struct str rest = v->text;
    struct message_word w;
    size_t n = 0;

    while (message_word_next(&rest, letter, &w)) {
        struct buf index = buf_make(1000), one = buf_make(2000);
        word_index(c, &index, &w, v->has_wildcard && rest.len && rest.at[0] == '*');
        has_word(&one, buf_str(&index));
        if (conditions)
            filter_query_add(c->query, buf_str(&one), v->has_wildcard ? FILTER_SET : FILTER_ORDERED, buf_str(&index));
        buf_addf(sql, "%s" STR_FMT, n++ ? " AND " : "", STR_ARG(buf_str(&one)));
        buf_free(&index);
        buf_free(&one);
    }
    return n;
}

/* "voice" within a word, or no word at all ("!!"): the text must be looked at. */
static bool is_within_words(const struct filter_value *v)
{
    struct str rest = v->text;
    struct message_word w;
    ptrdiff_t star = v->has_wildcard ? str_find(rest, '*') : -1;

    return !message_word_next(&rest, 's', &w) || (star >= 0 && (size_t)star + 1 < v->text.len);
}

/* More than one word, or what is none: they must also stand there as written. */
static bool is_phrase(const struct filter_value *v)
{
    struct str rest = v->text;
    struct message_word w;

    if (!v->is_quoted && v->has_wildcard)
        return false;
    return message_word_next(&rest, 's', &w) && message_word_next(&rest, 's', &w);
}

static void word_term(struct compiling *c, struct buf *sql, const struct filter_field *f, const struct filter_value *v)
{
    buf_add_char(sql, '(');
    if (is_within_words(v)) {
        like(c, sql, f->column, v, true);
    } else {
        words(c, sql, f->also[0], v, false);
        if (is_phrase(v)) {
            buf_add_text(sql, " AND ");
            like(c, sql, f->column, v, true);
        }
    }
    buf_add_char(sql, ')');
}

static void any_term(struct compiling *c, struct buf *sql, const struct filter_value *v)
{
    static const char *const fields[] = {"subject", "header-from", "attachment"};
    struct filter_value own = *v;

    if (str_find(v->text, '@') >= 0 && !v->is_quoted) {
        const struct filter_field *from = filter_field_find(STR("from")), *to = filter_field_find(STR("to"));
        own.text = folded(c, v->text);
        buf_add_char(sql, '(');
        address(c, sql, from, &own);
        buf_add_text(sql, " OR ");
        address(c, sql, to, &own);
        buf_add_char(sql, ')');
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        buf_add_text(sql, i ? " OR " : "(");
        word_term(c, sql, filter_field_find(str_from(fields[i])), &own);
    }
    buf_add_char(sql, ')');
}

/* One value of a term. True where an index gives it in order. */
static bool value(struct compiling *c, struct buf *sql, const struct filter_field *f, const struct filter_value *v)
{
    switch (f->kind) {
    case FILTER_ADDRESS: return address(c, sql, f, v);
    case FILTER_EXACT: return exact(c, sql, f, v);
    case FILTER_CONTAINS: like(c, sql, f->column, v, true); return false;
    case FILTER_WORDS: word_term(c, sql, f, v); return false;
    case FILTER_CHOICE:
    case FILTER_REASON: equal(c, sql, f->column, v->text); return true;
    case FILTER_NETWORK: network(c, sql, f, v); return str_eq(v->text, v->end);
    case FILTER_NUMBER:
    case FILTER_BYTES:
    case FILTER_TIME: number(c, sql, f, v); return false;
    case FILTER_SINCE: buf_addf(sql, "m.id >= $%zu", filter_query_value(c->query, DB_N(id_of(v)))); return false;
    case FILTER_UNTIL: buf_addf(sql, "m.id < $%zu", filter_query_value(c->query, DB_N(id_of(v)))); return false;
    case FILTER_DOMAIN: domain(c, sql, v); return true;
    case FILTER_TENANT: tenant(c, sql, v); return false;
    case FILTER_ANY: any_term(c, sql, v); return false;
    }
    return false;
}

static bool term(struct compiling *c, struct buf *sql, const struct filter_node *n)
{
    bool ordered = true;

    buf_add_char(sql, '(');
    for (size_t i = 0; i < n->count; i++) {
        buf_add_text(sql, i ? " OR " : "");
        ordered = value(c, sql, n->field, &n->values[i]) && ordered;
    }
    buf_add_char(sql, ')');
    return ordered;
}

static void any_node(struct compiling *c, struct buf *sql, const struct filter_node *n)
{
    switch (n->kind) {
    case FILTER_TERM:
        term(c, sql, n);
        break;
    case FILTER_NOT:
        buf_add_text(sql, "NOT ");
        any_node(c, sql, n->left);
        break;
    case FILTER_AND:
    case FILTER_OR:
        buf_add_char(sql, '(');
        any_node(c, sql, n->left);
        buf_add_text(sql, n->kind == FILTER_AND ? " AND " : " OR ");
        any_node(c, sql, n->right);
        buf_add_char(sql, ')');
        break;
    }
}

static enum filter_drive drive_of(const struct filter_node *n, bool ordered)
{
    bool is_range = n->field->kind == FILTER_NETWORK || n->field->kind == FILTER_TENANT;

    if (!n->field->is_indexed || n->field->kind == FILTER_ANY || n->field->kind == FILTER_WORDS)
        return FILTER_LOOKS;
    if (ordered && n->count == 1) /* the index of references has recipients behind them */
        return n->field->also[0] == 'A' ? FILTER_SET : FILTER_ORDERED;
    return ordered || is_range ? FILTER_SET : FILTER_LOOKS;
}

/* Words that must hold each drive a search of their own. */
static bool top_words(struct compiling *c, const struct filter_node *n)
{
    struct buf sql = buf_make(SQL_MAX);

    if (n->field->kind != FILTER_WORDS || n->count != 1 || is_within_words(&n->values[0]))
        return false;
    words(c, &sql, n->field->also[0], &n->values[0], true);
    buf_clear(&sql);
    if (is_phrase(&n->values[0])) {
        like(c, &sql, n->field->column, &n->values[0], true);
        filter_query_add(c->query, buf_str(&sql), FILTER_LOOKS, STR(""));
    }
    buf_free(&sql);
    return true;
}

static bool top_times(struct compiling *c, const struct filter_node *n)
{
    int64_t id = n->field->kind == FILTER_SINCE || n->field->kind == FILTER_UNTIL ? id_of(&n->values[0]) : 0;

    if (n->field->kind == FILTER_SINCE && id > c->query->first_id)
        c->query->first_id = id;
    if (n->field->kind == FILTER_UNTIL && id < c->query->end_id)
        c->query->end_id = id;
    return n->field->kind == FILTER_SINCE || n->field->kind == FILTER_UNTIL;
}

static void top(struct compiling *c, const struct filter_node *n)
{
    if (n->kind == FILTER_AND) {
        top(c, n->left);
        top(c, n->right);
        return;
    }
    if (n->kind == FILTER_TERM && (top_times(c, n) || top_words(c, n)))
        return;
    struct buf sql = buf_make(SQL_MAX);
    bool ordered = false;
    if (n->kind == FILTER_TERM)
        ordered = term(c, &sql, n);
    else
        any_node(c, &sql, n);
    c->query->failed = c->query->failed || sql.failed;
    filter_query_add(c->query, buf_str(&sql), n->kind == FILTER_TERM ? drive_of(n, ordered) : FILTER_LOOKS, STR(""));
    buf_free(&sql);
}

bool filter_compile(const struct filter *f, struct db *d, struct filter_query *q)
{
    struct compiling c = {.query = q, .db = d};

    if (f->root)
        top(&c, f->root);
    q->failed = q->failed || q->arena.failed;
    return !q->failed;
}
