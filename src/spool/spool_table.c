/*
 * spool_table.c: the spool's SQLite database and its statements. One connection, used by one thread.
 *
 * One row per message: envelope and recipients as one value, trace fields and body behind it, so that the usual message costs one
 * INSERT and one DELETE. A recipient's state gets a row of its own only once it differs from the envelope's.
 * The log (WAL) is carried over by us and never by SQLite: SQLite ignores a failed automatic checkpoint and syncs the same data
 * again at the next one, which after a failed fsync succeeds without the data being on disk.
 */
#include "base/clock.h"
#include "base/log.h"
#include "spool/spool_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Row I takes the format from version I to I + 1. PRAGMA user_version holds the version. */
static const char *const migrations[] = {
    "CREATE TABLE message(id INTEGER PRIMARY KEY, envelope BLOB NOT NULL, header BLOB, body BLOB);"
    "CREATE TABLE recipient(message INTEGER NOT NULL, number INTEGER NOT NULL, state BLOB NOT NULL,"
    " PRIMARY KEY(message, number)) WITHOUT ROWID;",
    "CREATE TABLE submitted(token INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL);",
};
enum { FORMAT = sizeof migrations / sizeof migrations[0] };

/* page_size: measured, see tests/bench/bench_spool.c. Large pages hold several small messages and need few overflow pages for large
 * ones: against 4,096 bytes a quarter less processor time at 4 KB, two fifths less at 64 KB.
 * secure_delete: Debian's SQLite overwrites what is deleted, which writes every page once more.
 * journal_size_limit: the log keeps its size between checkpoints, so that a commit changes no metadata. */
static const char pragmas[] =
    "PRAGMA page_size=32768;"
    "PRAGMA locking_mode=EXCLUSIVE;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA wal_autocheckpoint=0;"
    "PRAGMA journal_size_limit=67108864;"
    "PRAGMA secure_delete=OFF;"
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA cache_size=-16384;";

static int log_grew(void *arg, sqlite3 *db, const char *schema, int pages)
{
    struct spool_table *t = arg;

    (void)db;
    (void)schema;
    t->wal_pages = pages;
    return SQLITE_OK;
}

static int64_t number_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement;
    int64_t value = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return -1;
    if (sqlite3_step(statement) == SQLITE_ROW)
        value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static bool migrate(sqlite3 *db, struct buf *error)
{
    int64_t version = number_of(db, "PRAGMA user_version");

    if (version < 0)
        return false;
    if (version > FORMAT) {
        buf_addf(error, "spool.db: its format (%lld) is newer than this program's (%d)", (long long)version, (int)FORMAT);
        return false;
    }
    for (; version < FORMAT; version++) {
        char stamp[64];
        snprintf(stamp, sizeof stamp, "PRAGMA user_version=%d", (int)version + 1);
        if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(db, migrations[version], NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(db, stamp, NULL, NULL, NULL) != SQLITE_OK || sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
            return false;
    }
    return true;
}

static bool prepare(struct spool_table *t)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } all[] = {
        {&t->begin, "BEGIN IMMEDIATE"},
        {&t->commit, "COMMIT"},
        {&t->rollback, "ROLLBACK"},
        {&t->insert, "INSERT INTO message(id, envelope, header, body) VALUES(?1, ?2, ?3, ?4)"},
        {&t->insert_state, "INSERT OR REPLACE INTO recipient(message, number, state) VALUES(?1, ?2, ?3)"},
        {&t->remove, "DELETE FROM message WHERE id = ?1"},
        {&t->remove_states, "DELETE FROM recipient WHERE message = ?1"},
        {&t->body, "SELECT body FROM message WHERE id = ?1"},
        {&t->page, "SELECT id, envelope, header FROM message WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3"},
        {&t->states, "SELECT number, state FROM recipient WHERE message = ?1"},
        {&t->freelist, "PRAGMA freelist_count"},
        {&t->insert_token, "INSERT OR IGNORE INTO submitted(token, at_ms) VALUES(?1, ?2)"},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (sqlite3_prepare_v3(t->db, all[i].sql, -1, SQLITE_PREPARE_PERSISTENT, all[i].statement, NULL) != SQLITE_OK)
            return false;
    return true;
}

/* Counting the rows would read every page: spool_load() does that anyway, and counts. */
static bool look_at_what_is_there(struct spool *s)
{
    static const int64_t token_days = 90;
    char forget[120];
    int64_t last = number_of(s->table.db, "SELECT coalesce(max(id), 0) FROM message");
    int64_t page_size = number_of(s->table.db, "PRAGMA page_size");

    if (last < 0 || page_size <= 0)
        return false;
    snprintf(forget, sizeof forget, "DELETE FROM submitted WHERE at_ms < %lld", (long long)(clock_wall_ms() - token_days * 86400 * 1000));
    if (sqlite3_exec(s->table.db, forget, NULL, NULL, NULL) != SQLITE_OK) /* a full disk: they are forgotten at another start */
        log_warning("spool: old tokens could not be forgotten: %s", sqlite3_errmsg(s->table.db));
    s->loaded_max = last;
    atomic_store(&s->next_id, last + 1);
    s->table.page_size = (uint64_t)page_size;
    atomic_store(&s->reusable_bytes, spool_table_reusable(&s->table));
    return true;
}

/* A log that a run before us left is carried over. On a full disk it stays, and goes on: what it holds is safe (spool_recover.c). */
static bool carry_over(struct spool *s)
{
    int rc = spool_table_checkpoint(&s->table, true);

    if (rc == SQLITE_FULL)
        spool_say_full(s, "carrying the log over", ENOSPC);
    return rc == SQLITE_OK || rc == SQLITE_FULL;
}

bool spool_table_open(struct spool *s, struct buf *error)
{
    struct spool_table *t = &s->table;
    char path[PATH_MAX];

    if (snprintf(path, sizeof path, "%s/spool.db", s->directory) >= (int)sizeof path) {
        buf_addf(error, "%s: name too long", s->directory);
        return false;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600); /* SQLite would let others read it; its log takes over the mode */
    if (fd < 0) {
        buf_addf(error, "%s: %s", path, strerror(errno));
        return false;
    }
    close(fd);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &t->db, flags, NULL) == SQLITE_OK && sqlite3_exec(t->db, pragmas, NULL, NULL, NULL) == SQLITE_OK &&
        migrate(t->db, error) && carry_over(s) && prepare(t) && look_at_what_is_there(s)) {
        sqlite3_extended_result_codes(t->db, 1);
        sqlite3_wal_hook(t->db, log_grew, t);
        return true;
    }
    if (error->len == 0)
        buf_addf(error, "%s: %s", path, t->db ? sqlite3_errmsg(t->db) : "out of memory");
    return false;
}

/* After a failure the log stays as it is: carrying it over now could carry over what never reached the disk. */
void spool_table_close(struct spool *s)
{
    struct spool_table *t = &s->table;

    if (!t->db)
        return;
    if (atomic_load(&s->failed))
        sqlite3_db_config(t->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    for (sqlite3_stmt *statement; (statement = sqlite3_next_stmt(t->db, NULL));)
        sqlite3_finalize(statement);
    sqlite3_close(t->db);
    t->db = NULL;
}

int spool_table_run(sqlite3_stmt *statement)
{
    int rc = sqlite3_step(statement);

    sqlite3_reset(statement);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int bind_bytes(sqlite3_stmt *statement, int column, struct str bytes)
{
    return sqlite3_bind_blob64(statement, column, bytes.at ? bytes.at : "", bytes.len, SQLITE_STATIC);
}

static int bind_blob(sqlite3_stmt *statement, int column, const struct blob *blob)
{
    return blob ? bind_bytes(statement, column, blob_bytes(blob)) : sqlite3_bind_null(statement, column);
}

/* Was a message with that token here before? In the same transaction as the message itself: neither without the other. */
static int take_token(struct spool_table *t, struct spool_insert *in)
{
    int rc = sqlite3_bind_int64(t->insert_token, 1, in->token);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(t->insert_token, 2, clock_wall_ms());
    if (rc == SQLITE_OK)
        rc = spool_table_run(t->insert_token);
    in->was_there = rc == SQLITE_OK && sqlite3_changes(t->db) == 0;
    return rc;
}

int spool_table_insert(struct spool_table *t, struct spool_insert *in)
{
    const struct spool_record *r = spool_record_of(in->message);
    int rc = in->token ? take_token(t, in) : SQLITE_OK;

    if (rc != SQLITE_OK || in->was_there)
        return rc;
    rc = sqlite3_bind_int64(t->insert, 1, in->id);

    if (rc == SQLITE_OK)
        rc = bind_bytes(t->insert, 2, buf_str(&in->envelope));
    if (rc == SQLITE_OK)
        rc = bind_blob(t->insert, 3, in->message->header);
    if (rc == SQLITE_OK)
        rc = bind_blob(t->insert, 4, r->body_in_file ? NULL : in->message->body);
    if (rc == SQLITE_OK)
        rc = spool_table_run(t->insert);
    sqlite3_clear_bindings(t->insert);
    return rc;
}

int spool_table_state(struct spool_table *t, int64_t id, size_t index, struct str state)
{
    int rc = sqlite3_bind_int64(t->insert_state, 1, id);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(t->insert_state, 2, (int64_t)index);
    if (rc == SQLITE_OK)
        rc = bind_bytes(t->insert_state, 3, state);
    if (rc == SQLITE_OK)
        rc = spool_table_run(t->insert_state);
    sqlite3_clear_bindings(t->insert_state);
    return rc;
}

int spool_table_remove(struct spool_table *t, int64_t id, bool with_states)
{
    int rc = sqlite3_bind_int64(t->remove, 1, id);

    if (rc == SQLITE_OK)
        rc = spool_table_run(t->remove);
    if (rc != SQLITE_OK || !with_states)
        return rc;
    rc = sqlite3_bind_int64(t->remove_states, 1, id);
    return rc == SQLITE_OK ? spool_table_run(t->remove_states) : rc;
}

/* In doubt yes: its file is not to be removed then. */
bool spool_table_has(struct spool *s, int64_t id)
{
    sqlite3_stmt *body = s->table.body;

    if (sqlite3_bind_int64(body, 1, id) != SQLITE_OK)
        return true;
    int rc = sqlite3_step(body);
    sqlite3_reset(body);
    return rc != SQLITE_DONE;
}

static struct str column_bytes(sqlite3_stmt *statement, int column)
{
    const char *at = sqlite3_column_blob(statement, column);

    return str_n(at, at ? (size_t)sqlite3_column_bytes(statement, column) : 0);
}

int spool_table_body(struct spool_table *t, int64_t id, struct blob **out)
{
    int rc = sqlite3_bind_int64(t->body, 1, id);

    *out = NULL;
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(t->body);
    if (rc == SQLITE_ROW && !(*out = blob_from(column_bytes(t->body, 0))))
        rc = SQLITE_NOMEM;
    sqlite3_reset(t->body);
    return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_NOTFOUND : rc;
}

/* The states that stand outside the envelope, and what follows from all of them. */
static int read_states(struct spool_table *t, struct spool_message *m)
{
    struct spool_record *r = spool_record_of(m);
    int rc = sqlite3_bind_int64(t->states, 1, m->id);

    while (rc == SQLITE_OK && (rc = sqlite3_step(t->states)) == SQLITE_ROW) {
        uint64_t i = (uint64_t)sqlite3_column_int64(t->states, 0);
        if (i >= m->recipient_count || !spool_state_decode(column_bytes(t->states, 1), &m->recipients[i]))
            log_error("spool: message %s: the state of recipient %llu is damaged; it is tried anew", m->reference, (unsigned long long)i);
        r->has_recipient_rows = true;
        rc = SQLITE_OK;
    }
    sqlite3_reset(t->states);
    r->live = 0;
    for (size_t i = 0; i < m->recipient_count; i++) {
        r->done[i] = m->recipients[i].state == SPOOL_DONE;
        r->live += !r->done[i];
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* *OUT stays NULL for a row that cannot be read: it is said, and stays where it is. */
static int read_message(struct spool_table *t, struct spool_message **out)
{
    bool damaged;
    int64_t id = sqlite3_column_int64(t->page, 0);
    struct spool_message *m = spool_envelope_decode(column_bytes(t->page, 1), &damaged);

    *out = NULL;
    if (!m && damaged)
        log_error("spool: row %lld is damaged and stays; nobody gets that message", (long long)id);
    if (!m)
        return damaged ? SQLITE_OK : SQLITE_NOMEM;
    m->id = id;
    bool has_header = sqlite3_column_type(t->page, 2) != SQLITE_NULL;
    m->header = has_header ? blob_from(column_bytes(t->page, 2)) : NULL;
    int rc = has_header && !m->header ? SQLITE_NOMEM : read_states(t, m);
    if (rc != SQLITE_OK) {
        spool_message_unref(m);
        return rc;
    }
    *out = m;
    return SQLITE_OK;
}

int spool_table_page(struct spool_table *t, int64_t after, int64_t last, struct spool_message **page, size_t *count, size_t *rows, int64_t *seen)
{
    int rc = sqlite3_bind_int64(t->page, 1, after);

    *count = *rows = 0;
    *seen = last; /* unless the page gets full */
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(t->page, 2, last);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(t->page, 3, SPOOL_PAGE_ROWS);
    while (rc == SQLITE_OK && (rc = sqlite3_step(t->page)) == SQLITE_ROW) {
        struct spool_message *m;
        if (++*rows == SPOOL_PAGE_ROWS)
            *seen = sqlite3_column_int64(t->page, 0);
        rc = read_message(t, &m);
        if (m)
            page[(*count)++] = m;
    }
    sqlite3_reset(t->page);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int spool_table_checkpoint(struct spool_table *t, bool truncate)
{
    t->wal_pages = 0;
    return sqlite3_wal_checkpoint_v2(t->db, NULL, truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}

uint64_t spool_table_reusable(struct spool_table *t)
{
    uint64_t pages = sqlite3_step(t->freelist) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(t->freelist, 0) : 0;

    sqlite3_reset(t->freelist);
    return pages * t->page_size;
}

int spool_table_empty(struct spool_table *t)
{
    int rc = sqlite3_exec(t->db, "VACUUM", NULL, NULL, NULL);

    return rc == SQLITE_OK ? spool_table_checkpoint(t, true) : rc;
}
