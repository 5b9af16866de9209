/* message_search.c: see message_search.h. */
#include "store/message_search.h"

#include "base/clock.h"

#include <stdlib.h>

enum {
    SQL_MAX = 512 * 1024,
    PAGE_MEMORY = 64 * 1024 * 1024,
    FEW = 2000,               /* rows that are counted at first, for each index */
    MANY = 40000,             /* and where all have more: a set of more is looked through by time instead */
    PIECE_FIRST = 256, PIECE_MOST = 16384
};

struct search {
    struct db *db;
    struct filter_query *query;
    const struct filter_condition *driver; /* NULL: by time */
    int64_t before;           /* rows below it have not been looked at */
    int64_t budget_us, until_us;
    size_t piece;             /* rows that are looked at in one go */
};

/* The column that numbers rows. + keeps the database from walking through all rows by their number where a set of few is meant, for the order's sake. */
static const char *id_of(const struct filter_condition *by)
{
    if (!by || by->drive == FILTER_ORDERED)
        return by && by->word_sql.len ? "w.message" : "m.id";
    return by->word_sql.len ? "+w.message" : "+m.id";
}

static int64_t count_driven(struct search *s, const struct filter_condition *by, int64_t most)
{
    struct buf sql = buf_make(SQL_MAX);
    size_t values = s->query->value_count, n = values;
    bool is_word = by->word_sql.len > 0;

    s->query->values[n++] = DB_N(s->query->first_id);
    s->query->values[n++] = DB_N(s->before);
    s->query->values[n++] = DB_N(most);
    buf_addf(&sql, "SELECT count(*) FROM (SELECT 1 FROM %s WHERE " STR_FMT " AND %s >= $%zu AND %s < $%zu LIMIT $%zu) c",
             is_word ? "message_word w" : "message m", STR_ARG(is_word ? by->word_sql : by->sql), id_of(by), values + 1, id_of(by), values + 2, values + 3);
    struct db_rows *r = sql.failed ? NULL : db_query_once(s->db, buf_text(&sql), s->query->values, n);
    int64_t count = r && db_next(r) ? db_number(r, 0) : INT64_MAX;
    if (db_done(&r) != DB_OK)
        count = INT64_MAX;
    buf_free(&sql);
    return count;
}

/* The condition whose index finds fewest rows, where that is fewer than MOST. */
static const struct filter_condition *fewest(struct search *s, int64_t most, int64_t *count)
{
    const struct filter_condition *best = NULL;

    *count = most;
    for (size_t i = 0; i < s->query->count; i++) {
        const struct filter_condition *c = &s->query->at[i];
        int64_t n = c->drive == FILTER_LOOKS ? INT64_MAX : count_driven(s, c, *count);
        if (n < *count) {
            *count = n;
            best = c;
        }
    }
    return best;
}

/* Where all find many, one that gives them in order; a set would have to be sorted first. */
static const struct filter_condition *first_in_order(const struct search *s)
{
    for (size_t i = 0; i < s->query->count; i++)
        if (s->query->at[i].drive == FILTER_ORDERED)
            return &s->query->at[i];
    return NULL;
}

static void choose(struct search *s)
{
    int64_t count;

    s->driver = fewest(s, FEW, &count);
    if (!s->driver)
        s->driver = fewest(s, MANY, &count);
    if (!s->driver)
        s->driver = first_in_order(s);
    s->piece = PIECE_FIRST;
}

/* "SELECT id … WHERE the driver's condition, id >= $first AND id < $before": its candidates, newest first. */
static void add_candidates(struct search *s, struct buf *sql, size_t first, size_t before)
{
    bool is_word = s->driver && s->driver->word_sql.len;
    const char *id = id_of(s->driver);

    buf_addf(sql, "SELECT %s AS id FROM %s WHERE " STR_FMT " AND %s >= $%zu AND %s < $%zu ORDER BY %s DESC", id, is_word ? "message_word w" : "message m",
             STR_ARG(!s->driver ? STR("TRUE") : is_word ? s->driver->word_sql : s->driver->sql), id, first, id, before, id);
}

/* The oldest candidate of the next piece; 0 where it is the last piece. */
static enum db_result piece_end(struct search *s, int64_t *end)
{
    struct buf sql = buf_make(SQL_MAX);
    size_t values = s->query->value_count;
    struct db_value *v = s->query->values;

    v[values] = DB_N(s->query->first_id);
    v[values + 1] = DB_N(s->before);
    v[values + 2] = DB_N((int64_t)s->piece - 1);
    add_candidates(s, &sql, values + 1, values + 2);
    buf_addf(&sql, " LIMIT 1 OFFSET $%zu", values + 3);
    struct db_rows *r = db_query_once(s->db, buf_text(&sql), v, values + 3);
    *end = db_next(r) ? db_number(r, 0) : 0;
    enum db_result result = db_done(&r);
    buf_free(&sql);
    return result;
}

static void add_conditions(const struct search *s, struct buf *sql)
{
    for (size_t i = 0; i < s->query->count; i++)
        if (&s->query->at[i] != s->driver)
            buf_addf(sql, " AND " STR_FMT, STR_ARG(s->query->at[i].sql));
}

/* Rows of the piece down to END (0: of all that is left), LIMIT of them. */
static struct db_rows *piece_rows(struct search *s, struct buf *sql, const char *what, int64_t end, size_t limit)
{
    size_t values = s->query->value_count;
    struct db_value *v = s->query->values;

    v[values] = DB_N(end ? end : s->query->first_id);
    v[values + 1] = DB_N(s->before);
    v[values + 2] = DB_N((int64_t)s->piece);
    v[values + 3] = DB_N((int64_t)limit);
    buf_addf(sql, "SELECT %s FROM (", what);
    add_candidates(s, sql, values + 1, values + 2);
    buf_addf(sql, " LIMIT $%zu) c JOIN message m ON m.id = c.id WHERE TRUE", values + 3);
    add_conditions(s, sql);
    buf_addf(sql, " ORDER BY m.id DESC LIMIT $%zu", values + 4);
    return sql->failed ? NULL : db_query_once(s->db, buf_text(sql), v, values + 4);
}

static const char *columns(struct buf *to)
{
    for (enum message_column c = 0; c < MESSAGE_COLUMNS; c++)
        buf_addf(to, "%sm.%s", c ? ", " : "", message_columns[c].name);
    return buf_text(to);
}

static bool take_row(struct db_rows *r, struct arena *arena, struct message_row *row)
{
    message_row_init(row);
    for (enum message_column c = 0; c < MESSAGE_COLUMNS; c++) {
        if (db_is_null(r, (int)c))
            continue;
        if (message_columns[c].type == MESSAGE_TEXT)
            row->at[c] = DB_T(arena_str(arena, db_text(r, (int)c)));
        else if (message_columns[c].type == MESSAGE_REAL)
            row->at[c] = DB_R(db_real(r, (int)c));
        else
            row->at[c] = DB_N(db_number(r, (int)c));
    }
    return !arena->failed;
}

static enum db_result search_piece(struct search *s, const char *what, size_t most, struct message_page *out, bool *is_last)
{
    struct buf sql = buf_make(SQL_MAX);
    int64_t end;
    enum db_result result = piece_end(s, &end);

    if (result != DB_OK)
        return result;
    size_t wanted = most - out->count;
    struct db_rows *r = piece_rows(s, &sql, what, end, wanted);
    while (out->count < most && db_next(r)) {
        if (!take_row(r, &out->arena, &out->rows[out->count]))
            break;
        s->before = out->rows[out->count++].at[MESSAGE_id].number;
    }
    result = db_done(&r);
    buf_free(&sql);
    if (out->arena.failed)
        return DB_FAILED;
    if (out->count < most) { /* the piece is through */
        *is_last = end == 0;
        s->before = end;
    }
    return result;
}

static void add_scope(const struct message_scope *scope, struct filter_query *q)
{
    char sql[700];
    struct buf text = buf_make(sizeof sql);
    size_t id = scope->kind == MESSAGES_OF_ALL ? 0 : filter_query_value(q, DB_N(scope->id));

    switch (scope->kind) {
    case MESSAGES_OF_ALL:
        break;
    case MESSAGES_OF_TENANT:
        buf_addf(&text, "m.tenant IN (WITH RECURSIVE below(id) AS (SELECT CAST($%zu AS BIGINT) UNION SELECT tenant.id FROM tenant "
                        "JOIN below ON tenant.parent = below.id) SELECT id FROM below)", id);
        filter_query_add(q, buf_str(&text), FILTER_SET, STR(""));
        break;
    case MESSAGES_OF_DOMAIN:
        buf_addf(&text, "m.domain = $%zu", id);
        filter_query_add(q, buf_str(&text), FILTER_ORDERED, STR(""));
        break;
    case MESSAGES_OF_MAILBOX:
        buf_addf(&text, "m.recipient IN (SELECT b.local_part || '@' || d.name FROM mailbox b JOIN domain d ON d.id = b.domain WHERE b.id = $%zu "
                        "UNION SELECT a.local_part || '@' || d.name FROM mailbox_alias a JOIN domain d ON d.id = a.domain WHERE a.mailbox = $%zu)", id, id);
        filter_query_add(q, buf_str(&text), FILTER_SET, STR(""));
        break;
    }
    q->failed = q->failed || text.failed;
    buf_free(&text);
}

/* The query's memory is S's until end(). */
static enum db_result begin(struct search *s, struct db *d, const struct message_scope *scope, const struct filter *f, int64_t before, int64_t budget_ms)
{
    *s = (struct search){.db = d, .budget_us = budget_ms * 1000, .until_us = clock_mono_us() + budget_ms * 1000, .query = malloc(sizeof *s->query)};
    if (!s->query)
        return DB_FAILED;
    filter_query_init(s->query);
    add_scope(scope, s->query);
    if (!filter_compile(f, d, s->query) || s->query->value_count > FILTER_VALUES_MAX - 8)
        return DB_FAILED;
    s->before = before > 0 && before < s->query->end_id ? before : s->query->end_id;
    choose(s);
    return DB_OK;
}

static void end(struct search *s)
{
    if (s->query)
        filter_query_clear(s->query);
    free(s->query);
}

/* The next piece is larger, unless this one took its time already: BEGAN is when it began. False: the time is up. */
static bool goes_on(struct search *s, int64_t began_us)
{
    int64_t now_us = clock_mono_us(), took_us = now_us - began_us;

    if (s->piece < PIECE_MOST && took_us < s->budget_us / 16)
        s->piece *= 4;
    else if (s->piece > PIECE_FIRST && took_us > s->budget_us / 4)
        s->piece /= 4;
    return now_us + took_us / 2 < s->until_us;
}

enum db_result message_search(struct db *d, const struct message_scope *scope, const struct filter *f, int64_t before, size_t most, int64_t budget_ms,
                              struct message_page *out)
{
    struct search s;
    struct buf what = buf_make(4096);
    bool is_last = false;

    *out = (struct message_page){.arena = arena_make(PAGE_MEMORY)};
    most = most < 1 ? 1 : most > MESSAGE_PAGE_MAX ? MESSAGE_PAGE_MAX : most;
    out->rows = arena_alloc(&out->arena, most * sizeof *out->rows);
    enum db_result result = begin(&s, d, scope, f, before, budget_ms);
    if (!out->rows)
        result = DB_FAILED;
    columns(&what);
    for (bool go_on = true; result == DB_OK && go_on && !is_last && out->count < most;) {
        int64_t began_us = clock_mono_us();
        result = search_piece(&s, buf_text(&what), most, out, &is_last);
        go_on = goes_on(&s, began_us);
    }
    out->next = is_last ? 0 : s.before;
    buf_free(&what);
    end(&s);
    if (result != DB_OK)
        message_page_clear(out);
    return result;
}

void message_page_clear(struct message_page *p)
{
    arena_free(&p->arena);
    *p = (struct message_page){.arena = p->arena};
}

static enum db_result count_piece(struct search *s, int64_t most, int64_t *count, bool *is_last)
{
    struct buf sql = buf_make(SQL_MAX);
    int64_t stop;
    enum db_result result = piece_end(s, &stop);

    if (result != DB_OK)
        return result;
    struct db_rows *r = piece_rows(s, &sql, "m.id", stop, (size_t)(most - *count));
    while (db_next(r))
        ++*count;
    result = db_done(&r);
    s->before = stop;
    *is_last = stop == 0;
    buf_free(&sql);
    return result;
}

enum db_result message_count(struct db *d, const struct message_scope *scope, const struct filter *f, int64_t most, int64_t budget_ms, struct message_count *out)
{
    struct search s;
    bool is_last = false;

    *out = (struct message_count){0};
    most = most < 1 ? 1 : most > MESSAGE_COUNT_MAX ? MESSAGE_COUNT_MAX : most;
    enum db_result result = begin(&s, d, scope, f, 0, budget_ms);
    for (bool go_on = true; result == DB_OK && go_on && !is_last && out->count <= most;) {
        int64_t began_us = clock_mono_us();
        result = count_piece(&s, most + 1, &out->count, &is_last);
        go_on = goes_on(&s, began_us);
    }
    out->is_more = !is_last || out->count > most;
    out->count = out->count > most ? most : out->count;
    end(&s);
    return result;
}
