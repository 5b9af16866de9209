/* test_store.c: the store's database: statements, transactions, formats, numbers, copies; two connections at once. */
#include "store_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void a_new_store_has_the_present_format_and_keeps_it(void **state)
{
    struct buf error = buf_make(500);
    struct db *d = open_store_file();

    (void)state;
    assert_true(schema_migrate(d, &error));
    assert_int_equal(db_ask_number(d, "SELECT count(*) FROM message", NULL, 0, -1), 0);
    assert_int_equal(DB_RUN(d, "UPDATE meta SET value = $1 WHERE name = 'format'", DB_T(STR("999"))), DB_OK);
    assert_false(schema_migrate(d, &error));
    assert_true(str_find_str(buf_str(&error), STR("newer")) > 0);
    db_close(&d);
    buf_free(&error);
}

static void parameters_are_values_wherever_they_stand(void **state)
{
    struct db *d = open_store_file();
    struct str nasty = STR("x'); DROP TABLE tenant; --"), bytes = {"\0\1\2", 3};

    (void)state;
    assert_int_equal(DB_RUN(d, "INSERT INTO tenant(id, name, note, created_ms) VALUES($2, $1, $1, $3)", DB_T(nasty), DB_N(7), DB_N(1)), DB_OK);
    struct db_rows *r = DB_QUERY(d, "SELECT id, name, parent FROM tenant WHERE name = $1 AND note = $1", DB_T(nasty));
    assert_true(db_next(r));
    assert_int_equal(db_number(r, 0), 7);
    assert_true(str_eq(db_text(r, 1), nasty));
    assert_true(db_is_null(r, 2));
    assert_false(db_next(r));
    assert_int_equal(db_done(&r), DB_OK);
    assert_int_equal(DB_RUN(d, "INSERT INTO body(id, packing, size, header, data) VALUES($1, $2, $3, $4, $4)", DB_N(1), DB_T(STR("none")), DB_N(3), DB_B(bytes)), DB_OK);
    r = DB_QUERY(d, "SELECT data FROM body WHERE id = $1", DB_N(1));
    assert_true(db_next(r) && str_eq(db_bytes(r, 0), bytes));
    struct db_rows *same = DB_QUERY(d, "SELECT data FROM body WHERE id = $1", DB_N(2)); /* while the first is still open */
    assert_false(db_next(same));
    assert_int_equal(db_done(&same), DB_OK);
    assert_int_equal(db_done(&r), DB_OK);
    db_close(&d);
}

static void what_goes_wrong_is_told_apart(void **state)
{
    struct db *d = open_store_file(), *other = open_store_file();

    (void)state;
    assert_int_equal(DB_RUN(d, "INSERT INTO tenant(id, name, created_ms) VALUES($1, 'a', 1)", DB_N(1)), DB_OK);
    assert_int_equal(DB_RUN(d, "INSERT INTO tenant(id, name, created_ms) VALUES($1, 'a', 1)", DB_N(2)), DB_CONFLICT);
    assert_int_equal(DB_RUN(d, "INSERT INTO tenant(id, parent, name, created_ms) VALUES($1, 99, 'b', 1)", DB_N(3)), DB_CONFLICT);
    assert_int_equal(DB_RUN(d, "INSERT INTO nothing VALUES($1)", DB_N(3)), DB_FAILED);
    assert_int_equal(DB_RUN(d, "SELECT $1, $2", DB_N(3)), DB_FAILED); /* a parameter without a value */
    assert_true(*db_error(d));
    int64_t version = db_version(other);
    assert_int_equal(db_version(other), version);
    assert_int_equal(db_begin(d), DB_OK);
    assert_int_equal(schema_touch(d), DB_OK);
    assert_int_equal(db_version(other), version);
    db_rollback(d);
    assert_int_equal(schema_revision(other), 0);
    assert_int_equal(db_begin(d), DB_OK);
    assert_int_equal(schema_touch(d), DB_OK);
    assert_int_equal(schema_touch(d), DB_OK);
    assert_int_equal(db_commit(d), DB_OK);
    assert_true(db_version(other) != version);
    assert_int_equal(schema_revision(other), 2);
    db_close(&d);
    db_close(&other);
}

static void a_copy_holds_everything(void **state)
{
    struct buf error = buf_make(500);
    char copy[120];
    struct db *d = open_store_file();

    (void)state;
    snprintf(copy, sizeof copy, "%s/copy.db", store_directory);
    assert_int_equal(DB_RUN(d, "INSERT INTO tenant(id, name, created_ms) VALUES($1, 'a', 1)", DB_N(1)), DB_OK);
    assert_int_equal(db_backup(d, copy), DB_OK);
    struct db *other = db_open_reader(copy, &error);
    assert_non_null(other);
    assert_int_equal(db_ask_number(other, "SELECT count(*) FROM tenant WHERE name = 'a'", NULL, 0, -1), 1);
    assert_int_equal(DB_RUN(other, "DELETE FROM tenant"" WHERE id = $1", DB_N(1)), DB_FAILED); /* a reader writes nothing */
    db_close(&d);
    db_close(&other);
    buf_free(&error);
}

static void numbers_grow_and_hold_the_time(void **state)
{
    int64_t before = db_new_id(), now = db_id_ms(before);

    (void)state;
    for (int i = 0; i < 100000; i++) {
        int64_t id = db_new_id();
        assert_true(id > before);
        before = id;
    }
    assert_in_range(db_id_ms(before), now, now + 60000);
    assert_true(db_id_at(now) <= before && db_id_at(db_id_ms(before) + 1) > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_store_has_the_present_format_and_keeps_it, make_store_folder, remove_store_folder),
        cmocka_unit_test_setup_teardown(parameters_are_values_wherever_they_stand, make_store_folder, remove_store_folder),
        cmocka_unit_test_setup_teardown(what_goes_wrong_is_told_apart, make_store_folder, remove_store_folder),
        cmocka_unit_test_setup_teardown(a_copy_holds_everything, make_store_folder, remove_store_folder),
        cmocka_unit_test(numbers_grow_and_hold_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
