/* fuzz_filter.c: filters as anybody may type them: what is taken becomes SQL that the database understands, what is not says why. */
#include "store/filter.h"
#include "store/schema.h"

#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct db *db;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct buf error = buf_make(500);

    (void)argc;
    (void)argv;
    db = db_open(":memory:", &error);
    if (!db || !schema_migrate(db, &error))
        abort();
    buf_free(&error);
    return 0;
}

static void run(const struct filter_query *q)
{
    struct buf sql = buf_make(4 * 1024 * 1024);

    buf_add_text(&sql, "SELECT m.id FROM message m WHERE TRUE");
    for (size_t i = 0; i < q->count; i++)
        buf_addf(&sql, " AND " STR_FMT, STR_ARG(q->at[i].sql));
    struct db_rows *r = db_query_once(db, buf_text(&sql), q->values, q->value_count);
    while (db_next(r))
        ;
    if (sql.failed || db_done(&r) != DB_OK)
        abort();
    buf_free(&sql);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf error = buf_make(4096);
    struct filter *f = filter_parse(str_n((const char *)data, size), INT64_C(1795521600000), &error);
    struct filter_query *q = malloc(sizeof *q);

    if (!f && !error.len)
        abort();
    if (f && q) {
        filter_query_init(q);
        if (filter_compile(f, db, q))
            run(q);
        filter_query_clear(q);
    }
    free(q);
    filter_free(&f);
    buf_free(&error);
    return 0;
}
