/* schema.c: formats of the store; see schema.h. */
#include "store/schema.h"

#include <stdio.h>

int64_t schema_format(struct db *d)
{
    if (!db_has_table(d, "meta"))
        return 0;
    return db_ask_number(d, "SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'format'", NULL, 0, -1);
}

static enum db_result step(struct db *d, int format)
{
    char number[16];
    int len = snprintf(number, sizeof number, "%d", format);
    enum db_result result = db_script(d, schema_formats[format - 1]);

    if (result == DB_OK)
        result = DB_RUN(d, "INSERT INTO meta(name, value) VALUES('format', $1) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                        DB_T(str_n(number, (size_t)len)));
    return result;
}

bool schema_migrate(struct db *d, struct buf *error)
{
    enum db_result result = db_begin(d); /* another process may be at it: it is done, or waited for */
    int64_t format = result == DB_OK ? schema_format(d) : -1;

    if (format > schema_format_count) {
        db_rollback(d);
        buf_addf(error, "the store's format (%lld) is newer than this program's (%d)", (long long)format, schema_format_count);
        return false;
    }
    for (; format >= 0 && format < schema_format_count && result == DB_OK; format++)
        result = step(d, (int)format + 1);
    if (format >= 0 && result == DB_OK && db_commit(d) == DB_OK)
        return true;
    buf_addf(error, "the store could not be brought to format %d: %s", schema_format_count, db_error(d));
    db_rollback(d);
    return false;
}

enum db_result schema_touch(struct db *d)
{
    return db_run(d, "INSERT INTO meta(name, value) VALUES('revision', '1') "
                     "ON CONFLICT(name) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)", NULL, 0, NULL);
}

int64_t schema_revision(struct db *d)
{
    return db_ask_number(d, "SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'revision'", NULL, 0, 0);
}
