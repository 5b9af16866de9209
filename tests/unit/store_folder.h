/* store_folder.h: a folder for one test, with a store in it. */
#ifndef TESTS_STORE_FOLDER_H
#define TESTS_STORE_FOLDER_H

#include "store/schema.h"

#include "check.h"

static char store_directory[64], store_file[100];

/* For cmocka_unit_test_setup_teardown(). */
static inline int make_store_folder(void **state)
{
    (void)state;
    snprintf(store_directory, sizeof store_directory, "/tmp/postern-store-XXXXXX");
    assert_non_null(mkdtemp(store_directory));
    snprintf(store_file, sizeof store_file, "%s/store.db", store_directory);
    return 0;
}

static inline int remove_store_folder(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", store_directory);
    return system(command);
}

/* In the present format. */
static inline struct db *open_store_file(void)
{
    struct buf error = buf_make(500);
    struct db *d = db_open(store_file, &error);

    assert_true(d && schema_migrate(d, &error));
    buf_free(&error);
    return d;
}

#endif
