/* message_rows.c: see message_rows.h. */
#include "store/message_rows.h"

#include "store/message_words.h"

#include <stdlib.h>

enum { SQL_MAX = 8192 };

struct message_rows {
    struct db *db;
    struct buf insert, news; /* SQL, written once; lives as long as the connection keeps its statements */
};

static void insert_sql(struct buf *sql)
{
    buf_add_text(sql, "INSERT INTO message(");
    for (enum message_column c = 0; c < MESSAGE_COLUMNS; c++)
        buf_addf(sql, "%s%s", c ? ", " : "", message_columns[c].name);
    buf_add_text(sql, ") VALUES(");
    for (int c = 0; c < MESSAGE_COLUMNS; c++)
        buf_addf(sql, "%s$%d", c ? ", " : "", c + 1);
    buf_add_text(sql, ") ON CONFLICT(reference, recipient) DO UPDATE SET ");
    for (int c = 0, n = 0; c < MESSAGE_COLUMNS; c++)
        if (message_columns[c].when == MESSAGE_TOLD)
            buf_addf(sql, "%s%s = excluded.%s", n++ ? ", " : "", message_columns[c].name, message_columns[c].name);
    buf_add_text(sql, " RETURNING id");
}

static void news_sql(struct buf *sql)
{
    buf_add_text(sql, "UPDATE message SET ");
    for (int c = 0, n = 0; c < MESSAGE_COLUMNS; c++) {
        const struct message_column_row *row = &message_columns[c];
        if (row->when != MESSAGE_NEWS)
            continue;
        buf_addf(sql, row->type == MESSAGE_TEXT ? "%s%s = COALESCE(NULLIF($%d, ''), %s)" : "%s%s = $%d", n++ ? ", " : "", row->name, c + 1, row->name);
    }
    buf_addf(sql, " WHERE reference = $%d AND recipient = $%d", MESSAGE_reference + 1, MESSAGE_recipient + 1);
}

struct message_rows *message_rows_new(struct db *d)
{
    struct message_rows *w = malloc(sizeof *w);

    if (!w)
        return NULL;
    *w = (struct message_rows){.db = d, .insert = buf_make(SQL_MAX), .news = buf_make(SQL_MAX)};
    insert_sql(&w->insert);
    news_sql(&w->news);
    if (!buf_text(&w->insert) || !buf_text(&w->news) || w->insert.failed || w->news.failed)
        message_rows_free(&w);
    return w;
}

void message_rows_free(struct message_rows **w)
{
    if (!*w)
        return;
    buf_free(&(*w)->insert);
    buf_free(&(*w)->news);
    free(*w);
    *w = NULL;
}

typedef enum db_result word_act(struct db *d, struct str word, int64_t id);

static enum db_result add_word(struct db *d, struct str word, int64_t id)
{
    return DB_RUN(d, "INSERT INTO message_word(word, message) VALUES($1, $2) ON CONFLICT DO NOTHING", DB_T(word), DB_N(id));
}

static enum db_result drop_word(struct db *d, struct str word, int64_t id)
{
    return DB_RUN(d, "DELETE FROM message_word WHERE word = $1 AND message = $2", DB_T(word), DB_N(id));
}

static enum db_result each_word(struct db *d, struct str text, char field, int64_t id, word_act *act)
{
    struct message_word word;
    enum db_result result = DB_OK;

    for (int n = 0; n < MESSAGE_WORDS_MAX && result == DB_OK && message_word_next(&text, field, &word); n++)
        result = act(d, str_n(word.at, word.len), id);
    return result;
}

static enum db_result words(struct db *d, struct str subject, struct str from, struct str attachments, int64_t id, word_act *act)
{
    enum db_result result = each_word(d, subject, 's', id, act);

    if (result == DB_OK)
        result = each_word(d, from, 'f', id, act);
    return result == DB_OK ? each_word(d, attachments, 'a', id, act) : result;
}

static enum db_result insert(struct message_rows *w, const struct message_row *row)
{
    struct db_rows *r = db_query(w->db, buf_text(&w->insert), row->at, MESSAGE_COLUMNS);
    int64_t id = db_next(r) ? db_number(r, 0) : 0;

    while (id && db_next(r))
        ;
    enum db_result result = db_done(&r);
    if (result != DB_OK || row->is_news)
        return result;
    return words(w->db, row->at[MESSAGE_subject].bytes, row->at[MESSAGE_header_from].bytes, row->at[MESSAGE_attachments].bytes, id, add_word);
}

enum db_result message_rows_put(struct message_rows *w, const struct message_row *row)
{
    int64_t changed = 0;

    if (row->is_news) {
        enum db_result result = db_run(w->db, buf_text(&w->news), row->at, MESSAGE_COLUMNS, &changed);
        if (result != DB_OK || changed)
            return result;
    }
    return insert(w, row);
}

enum db_result message_rows_remove(struct message_rows *w, int64_t id, bool *gone)
{
    struct db_rows *r = DB_QUERY(w->db, "SELECT subject, header_from, attachments FROM message m WHERE id = $1 "
                                        "AND NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.reference = m.reference AND q.recipient = m.recipient AND q.state = 'kept')", DB_N(id));
    enum db_result result = DB_OK;

    *gone = db_next(r);
    if (*gone)
        result = words(w->db, db_text(r, 0), db_text(r, 1), db_text(r, 2), id, drop_word);
    enum db_result read = db_done(&r);
    if (!*gone || result != DB_OK || read != DB_OK)
        return result != DB_OK ? result : read;
    return DB_RUN(w->db, "DELETE FROM message WHERE id = $1", DB_N(id));
}
