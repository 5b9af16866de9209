/* db_sqlite.c: the store on SQLite; see db.h. */
#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "store/db.h"
#include "store/message_words.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { BUSY_MS = 5000, MOST_KEPT = 256, ID_CHANCE_BITS = 21 };

struct kept {
    const char *sql;
    sqlite3_stmt *statement;
    bool in_use;
};

struct db_rows {
    struct db *db;
    sqlite3_stmt *statement; /* NULL: it could not be prepared */
    struct kept *kept;       /* NULL: finalized at the end */
    enum db_result result;
};

struct db {
    sqlite3 *sqlite;
    struct kept kept[MOST_KEPT]; /* by the address of the SQL, open addressing */
    char error[300];
};

static void note_error(struct db *d)
{
    str_copy(d->error, sizeof d->error, str_from(sqlite3_errmsg(d->sqlite)));
}

static enum db_result result_of(struct db *d, int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW: return DB_OK;
    case SQLITE_CONSTRAINT: note_error(d); return DB_CONFLICT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: note_error(d); return DB_BUSY;
    case SQLITE_FULL: note_error(d); return DB_FULL;
    default: note_error(d); return DB_FAILED;
    }
}

/* lower() as PostgreSQL has it: of all letters, not of ASCII alone. */
static void sql_lower(sqlite3_context *context, int count, sqlite3_value **values)
{
    struct str text = str_n((const char *)sqlite3_value_text(values[0]), (size_t)sqlite3_value_bytes(values[0]));
    size_t room = text.len * 4 + 1; /* a folded character is never longer than 4 octets */

    (void)count;
    if (!text.at) {
        sqlite3_result_null(context);
        return;
    }
    char *to = sqlite3_malloc64(room);
    if (to)
        sqlite3_result_text64(context, to, message_fold(text, to, room), sqlite3_free, SQLITE_UTF8);
    else
        sqlite3_result_error_nomem(context);
}

/* Two who open a new store at once both change its journal, for which SQLite itself does not wait. */
static int execute_patiently(sqlite3 *sqlite, const char *sql)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int code = sqlite3_exec(sqlite, sql, NULL, NULL, NULL);

    for (int waited_ms = 0; (code & 0xff) == SQLITE_BUSY && waited_ms < BUSY_MS; waited_ms += 20) {
        nanosleep(&pause, NULL);
        code = sqlite3_exec(sqlite, sql, NULL, NULL, NULL);
    }
    return code;
}

static struct db *open_as(const char *path, int flags, struct buf *error)
{
    struct db *d = calloc(1, sizeof *d);
    static const char *const pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=8000; PRAGMA foreign_keys=ON; PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY";

    if (!d) {
        buf_addf(error, "%s: out of memory", path);
        return NULL;
    }
    mode_t before = umask(077);
    int code = sqlite3_open_v2(path, &d->sqlite, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    umask(before);
    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(d->sqlite, BUSY_MS);
        code = execute_patiently(d->sqlite, flags & SQLITE_OPEN_READONLY ? "PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY" : pragmas);
    }
    if (code == SQLITE_OK)
        code = sqlite3_create_function_v2(d->sqlite, "lower", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, NULL, sql_lower, NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return d;
    buf_addf(error, "%s: %s", path, d->sqlite ? sqlite3_errmsg(d->sqlite) : sqlite3_errstr(code));
    db_close(&d);
    return NULL;
}

struct db *db_open(const char *path, struct buf *error)
{
    return open_as(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, error);
}

struct db *db_open_reader(const char *path, struct buf *error)
{
    return open_as(path, SQLITE_OPEN_READONLY, error);
}

void db_close(struct db **d)
{
    if (!*d)
        return;
    for (size_t i = 0; i < MOST_KEPT; i++)
        sqlite3_finalize((*d)->kept[i].statement);
    sqlite3_close((*d)->sqlite);
    free(*d);
    *d = NULL;
}

const char *db_error(const struct db *d)
{
    return d->error;
}

/* The prepared statement of SQL where it is kept and free; else a place to keep it, or NULL. */
static struct kept *find_kept(struct db *d, const char *sql)
{
    size_t at = (size_t)hash_bytes(&sql, sizeof sql) % MOST_KEPT;

    for (size_t i = 0; i < MOST_KEPT / 2; i++) {
        struct kept *k = &d->kept[(at + i) % MOST_KEPT];
        if (!k->sql || k->sql == sql)
            return k->in_use ? NULL : k;
    }
    return NULL;
}

/* $3 is parameter 3, wherever it stands first and however often. */
static void bind(struct db_rows *r, const struct db_value *values, size_t count)
{
    for (int i = 1, n = sqlite3_bind_parameter_count(r->statement); i <= n && r->result == DB_OK; i++) {
        const char *name = sqlite3_bind_parameter_name(r->statement, i);
        size_t number = name && *name == '$' ? (size_t)strtoul(name + 1, NULL, 10) : 0;
        int code = SQLITE_RANGE;
        if (number && number <= count) {
            const struct db_value *v = &values[number - 1];
            code = v->type == DB_NUMBER ? sqlite3_bind_int64(r->statement, i, v->number)
                   : v->type == DB_REAL ? sqlite3_bind_double(r->statement, i, v->real)
                   : v->type == DB_TEXT ? sqlite3_bind_text64(r->statement, i, v->bytes.at ? v->bytes.at : "", v->bytes.len, SQLITE_TRANSIENT, SQLITE_UTF8)
                   : v->type == DB_BYTES ? sqlite3_bind_blob64(r->statement, i, v->bytes.at ? v->bytes.at : "", v->bytes.len, SQLITE_TRANSIENT)
                                         : sqlite3_bind_null(r->statement, i);
        }
        r->result = result_of(r->db, code);
    }
}

static struct db_rows *start(struct db *d, const char *sql, const struct db_value *values, size_t count, struct kept *kept)
{
    struct db_rows *r = calloc(1, sizeof *r);

    if (!r)
        return NULL; /* db_next() and db_done() take it for an error */
    *r = (struct db_rows){.db = d, .kept = kept, .statement = kept ? kept->statement : NULL};
    if (!r->statement)
        r->result = result_of(d, sqlite3_prepare_v3(d->sqlite, sql, -1, kept ? SQLITE_PREPARE_PERSISTENT : 0, &r->statement, NULL));
    if (kept && r->statement)
        *kept = (struct kept){.sql = sql, .statement = r->statement, .in_use = true};
    if (r->statement)
        bind(r, values, count);
    return r;
}

struct db_rows *db_query(struct db *d, const char *sql, const struct db_value *values, size_t count)
{
    return start(d, sql, values, count, find_kept(d, sql));
}

struct db_rows *db_query_once(struct db *d, const char *sql, const struct db_value *values, size_t count)
{
    return start(d, sql, values, count, NULL);
}

bool db_next(struct db_rows *r)
{
    if (!r || r->result != DB_OK || !r->statement)
        return false;
    int code = sqlite3_step(r->statement);
    r->result = result_of(r->db, code);
    return code == SQLITE_ROW;
}

int64_t db_number(struct db_rows *r, int column)
{
    return sqlite3_column_int64(r->statement, column);
}

double db_real(struct db_rows *r, int column)
{
    return sqlite3_column_double(r->statement, column);
}

struct str db_text(struct db_rows *r, int column)
{
    const char *at = (const char *)sqlite3_column_text(r->statement, column);
    return at ? str_n(at, (size_t)sqlite3_column_bytes(r->statement, column)) : STR("");
}

struct str db_bytes(struct db_rows *r, int column)
{
    const char *at = sqlite3_column_blob(r->statement, column);
    return at ? str_n(at, (size_t)sqlite3_column_bytes(r->statement, column)) : STR("");
}

bool db_is_null(struct db_rows *r, int column)
{
    return sqlite3_column_type(r->statement, column) == SQLITE_NULL;
}

enum db_result db_done(struct db_rows **r)
{
    if (!*r)
        return DB_FAILED;
    enum db_result result = (*r)->result;
    if ((*r)->kept && (*r)->statement) {
        sqlite3_reset((*r)->statement);
        sqlite3_clear_bindings((*r)->statement);
        (*r)->kept->in_use = false;
    } else {
        sqlite3_finalize((*r)->statement);
    }
    free(*r);
    *r = NULL;
    return result;
}

enum db_result db_run(struct db *d, const char *sql, const struct db_value *values, size_t count, int64_t *changed)
{
    struct db_rows *r = db_query(d, sql, values, count);

    while (db_next(r))
        ;
    enum db_result result = db_done(&r);
    if (changed)
        *changed = result == DB_OK ? sqlite3_changes64(d->sqlite) : 0;
    return result;
}

int64_t db_ask_number(struct db *d, const char *sql, const struct db_value *values, size_t count, int64_t otherwise)
{
    struct db_rows *r = db_query(d, sql, values, count);
    int64_t number = db_next(r) ? db_number(r, 0) : otherwise;

    return db_done(&r) == DB_OK ? number : otherwise;
}

static enum db_result execute(struct db *d, const char *sql)
{
    return result_of(d, sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL));
}

enum db_result db_begin(struct db *d)
{
    return execute(d, "BEGIN IMMEDIATE");
}

enum db_result db_begin_reading(struct db *d)
{
    enum db_result result = execute(d, "BEGIN");

    if (result != DB_OK)
        return result;
    if (db_ask_number(d, "SELECT count(*) FROM sqlite_master", NULL, 0, -1) >= 0) /* the moment is that of the first look */
        return DB_OK;
    db_rollback(d);
    return DB_FAILED;
}

enum db_result db_hurry(struct db *d, bool hurry)
{
    /* who can wait moves the log of writes into the database, so that others seldom have to */
    return execute(d, hurry ? "PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4000; PRAGMA secure_delete=FAST" : "PRAGMA synchronous=FULL");
}

enum db_result db_commit(struct db *d)
{
    enum db_result result = execute(d, "COMMIT");

    if (result != DB_OK)
        db_rollback(d);
    return result;
}

void db_rollback(struct db *d)
{
    if (!sqlite3_get_autocommit(d->sqlite))
        sqlite3_exec(d->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

/* What a script says to SQLite alone stands in a comment to others: "sqlite: WITHOUT ROWID". */
static void uncover(char *sql)
{
    static const char mark[] = "/* sqlite:";

    for (char *at = sql, *end; (at = strstr(at, mark)) != NULL && (end = strstr(at, "*/")) != NULL; at = end) {
        memset(at, ' ', sizeof mark - 1);
        memset(end, ' ', 2);
    }
}

enum db_result db_script(struct db *d, const char *sql)
{
    char *own = strdup(sql);

    if (!own) {
        str_copy(d->error, sizeof d->error, STR("out of memory"));
        return DB_FAILED;
    }
    uncover(own);
    enum db_result result = execute(d, own);
    free(own);
    return result;
}

bool db_has_table(struct db *d, const char *name)
{
    const struct db_value values[] = {DB_T(str_from(name))};

    return db_ask_number(d, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1", values, 1, 0) > 0;
}

int64_t db_id_at(int64_t wall_ms)
{
    return wall_ms << ID_CHANCE_BITS;
}

int64_t db_id_ms(int64_t id)
{
    return id >> ID_CHANCE_BITS;
}

int64_t db_new_id(void)
{
    static _Atomic int64_t latest; /* of this process: no two are the same, and each is larger than the one before */
    int64_t id = db_id_at(clock_wall_ms()) | (int64_t)random_below(1U << ID_CHANCE_BITS), before = latest;

    do
        if (id <= before)
            id = before + 1;
    while (!atomic_compare_exchange_weak(&latest, &before, id));
    return id;
}

/* All pages at once, under the reading transaction that has begun: in steps, each commit of another would make it begin anew. */
static int copy_pages(struct db *d, sqlite3 *to)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", d->sqlite, "main");

    if (!b)
        return sqlite3_errcode(to);
    int code = sqlite3_backup_step(b, -1);
    int end = sqlite3_backup_finish(b);
    return code == SQLITE_DONE ? end : code;
}

enum db_result db_backup(struct db *d, const char *path)
{
    sqlite3 *to = NULL;
    enum db_result result = db_begin_reading(d);

    if (result != DB_OK)
        return result;
    mode_t before = umask(077);
    int code = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    umask(before);
    if (code == SQLITE_OK)
        code = copy_pages(d, to);
    if (code == SQLITE_OK) /* in WAL mode it could not be read where nobody may write */
        code = sqlite3_exec(to, "PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        str_copy(d->error, sizeof d->error, str_from(to ? sqlite3_errmsg(to) : "out of memory"));
    db_rollback(d);
    int closed = sqlite3_close(to);
    if (code == SQLITE_OK && closed == SQLITE_OK)
        return DB_OK;
    return (code & 0xff) == SQLITE_FULL ? DB_FULL : DB_FAILED;
}

static enum db_result says(struct db *d, const char *sql, const char *wanted, enum db_result otherwise)
{
    struct db_rows *r = db_query(d, sql, NULL, 0);
    bool fine = db_next(r) && str_is(db_text(r, 0), wanted);

    if (!fine && r && r->result == DB_OK)
        str_copy(d->error, sizeof d->error, db_text(r, 0));
    enum db_result result = db_done(&r);
    return result != DB_OK ? result : fine ? DB_OK : otherwise;
}

enum db_result db_check(struct db *d)
{
    return says(d, "PRAGMA integrity_check(1)", "ok", DB_FAILED);
}

enum db_result db_settle(struct db *d)
{
    return says(d, "PRAGMA journal_mode=DELETE", "delete", DB_BUSY);
}

int64_t db_version(struct db *d)
{
    return db_ask_number(d, "PRAGMA data_version", NULL, 0, -1);
}
