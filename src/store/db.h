/*
 * db.h: the store's database behind one small interface, so that SQLite and PostgreSQL are a driver each and the SQL above them is one.
 *
 * What both understand: $1, $2… as parameters, BIGINT, TEXT, BYTEA, DOUBLE PRECISION, ON CONFLICT, RETURNING, numbers of our own making as keys (db_new_id()). Values
 * go in as parameters only; SQL is a constant of the program or built from constants. Times are milliseconds since 1970, truth values 0 and 1.
 *
 * A connection belongs to one thread at a time. SQLite: WAL, synchronous=FULL, foreign keys on; a writer waits up to five seconds for another.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/buf.h"

struct db;

enum { DB_MOST_PARAMETERS = 64, DB_TEXT_MAX = 1 << 30 };

enum db_result {
    DB_OK,
    DB_CONFLICT, /* a key, reference or check of the schema forbids it */
    DB_BUSY,     /* another writer for longer than we wait: try again later */
    DB_FULL,     /* no space */
    DB_FAILED    /* everything else: db_error() */
};

/* PATH of the database file, made where it is missing (mode 0600). NULL with the reason in ERROR. */
struct db *db_open(const char *path, struct buf *error);
/* The same without writing: for searches beside the writers. */
struct db *db_open_reader(const char *path, struct buf *error);
void db_close(struct db **d);
/* What went wrong last, for a log; valid until the next call. */
const char *db_error(const struct db *d);

struct db_value {
    enum { DB_NULL, DB_NUMBER, DB_REAL, DB_TEXT, DB_BYTES } type;
    int64_t number;
    double real;
    struct str bytes; /* TEXT and BYTES; borrowed for the call */
};
#define DB_N(n) ((struct db_value){.type = DB_NUMBER, .number = (n)})
#define DB_R(r) ((struct db_value){.type = DB_REAL, .real = (r)})
#define DB_T(s) ((struct db_value){.type = DB_TEXT, .bytes = (s)})
#define DB_B(s) ((struct db_value){.type = DB_BYTES, .bytes = (s)})
#define DB_NOTHING ((struct db_value){.type = DB_NULL})

/*
 * A statement's rows, one after the other. db_query() never fails by itself; db_next() returns false at the end and on an error, and
 * db_done() says which it was: it must be called, and ends the statement. Statements are prepared once per connection and SQL text, so
 * SQL must outlive the connection where KEEP (a literal), and is prepared anew each time where not.
 */
struct db_rows;
struct db_rows *db_query(struct db *d, const char *sql, const struct db_value *values, size_t count);
struct db_rows *db_query_once(struct db *d, const char *sql, const struct db_value *values, size_t count);
bool db_next(struct db_rows *r);
int64_t db_number(struct db_rows *r, int column);     /* 0 for NULL */
double db_real(struct db_rows *r, int column);
struct str db_text(struct db_rows *r, int column);    /* "" for NULL; valid until the next row */
struct str db_bytes(struct db_rows *r, int column);   /* the same */
bool db_is_null(struct db_rows *r, int column);
enum db_result db_done(struct db_rows **r);

/* A statement without rows. CHANGED (may be NULL) gets the number of rows that it changed. */
enum db_result db_run(struct db *d, const char *sql, const struct db_value *values, size_t count, int64_t *changed) __attribute__((warn_unused_result));
#define DB_RUN(d, sql, ...) db_run((d), (sql), (const struct db_value[]){__VA_ARGS__}, sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value), NULL)
#define DB_QUERY(d, sql, ...) db_query((d), (sql), (const struct db_value[]){__VA_ARGS__}, sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value))
/* One number: the first column of the first row, or OTHERWISE where there is none or it fails. */
int64_t db_ask_number(struct db *d, const char *sql, const struct db_value *values, size_t count, int64_t otherwise);

/* A transaction that will write: takes the write lock at once. They do not nest. */
enum db_result db_begin(struct db *d) __attribute__((warn_unused_result));
/* One that only reads: everything as it is at one moment, while others go on writing. db_rollback() ends it. */
enum db_result db_begin_reading(struct db *d) __attribute__((warn_unused_result));
enum db_result db_commit(struct db *d) __attribute__((warn_unused_result)); /* on failure it is rolled back */
void db_rollback(struct db *d);
/* Between transactions. HURRY: what is committed outlives this process from then on, but perhaps not a power failure (SQLite: synchronous=NORMAL). */
enum db_result db_hurry(struct db *d, bool hurry) __attribute__((warn_unused_result));

/* A number that nobody else gets: milliseconds since 1970 in the upper bits, then chance; so new ones are larger. Always > 0. */
int64_t db_new_id(void);
/* Those made at WALL_MS or later are at least this: times as a range of numbers. */
int64_t db_id_at(int64_t wall_ms);
int64_t db_id_ms(int64_t id);

/* Several statements without parameters, such as a format of the store. */
enum db_result db_script(struct db *d, const char *sql) __attribute__((warn_unused_result));
bool db_has_table(struct db *d, const char *name);

/* A whole copy of the database at PATH, a new file that stands alone, as everything is at one moment while others go on writing. Outside of any transaction. */
enum db_result db_backup(struct db *d, const char *path) __attribute__((warn_unused_result));
/* Is the database whole? Reads all of it. */
enum db_result db_check(struct db *d) __attribute__((warn_unused_result));
/* Puts all that is committed into the one file, which may then be moved once it is closed. DB_BUSY where anybody else has it open. */
enum db_result db_settle(struct db *d) __attribute__((warn_unused_result));
/* Changes whenever another connection has committed: cheap enough to ask several times a second. */
int64_t db_version(struct db *d);

#endif
