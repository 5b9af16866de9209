/* test_spool_faults.c: the spool on a disk that is full, or that fails to sync. Linked with tests/system/faultfs.c. */
#include "spool_sample.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

static char fsync_flag[80], write_flag[80];

/* From now on it fails for files whose name ends in END ("": all). */
static void break_it(const char *flag, const char *end)
{
    char fresh[96];

    snprintf(fresh, sizeof fresh, "%s.new", flag); /* it strikes as soon as it is there */
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    size_t len = strlen(end);
    assert_true(len == 0 || write(fd, end, len) == (ssize_t)len);
    close(fd);
    assert_int_equal(rename(fresh, flag), 0);
}

static void mend(const char *flag)
{
    unlink(flag);
}

static enum spool_result submit_and_drop(struct sample *s, size_t size)
{
    struct spool_message *m = sample_message(NULL, 1, size);
    enum spool_result result = spool_submit(s->spool, m);

    assert_int_equal(m->id > 0, result == SPOOL_OK);
    spool_message_unref(m);
    return result;
}

static void assert_holds(struct sample *s, size_t count)
{
    static struct gathered loaded;

    sample_reopen(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, count);
    gathered_clear(&loaded);
}

static void a_failed_sync_ends_all_writing(void **state)
{
    struct sample *s = *state;
    struct spool_message *kept = sample_submit(s, 1, 100);

    break_it(fsync_flag, "");
    assert_int_equal(submit_and_drop(s, 100), SPOOL_FAILED);
    assert_true(spool_is_failed(s->spool));
    mend(fsync_flag); /* a sync that succeeds now proves nothing */
    assert_int_equal(submit_and_drop(s, 100), SPOOL_FAILED);
    sample_outcome(s, kept, 0, SPOOL_DONE);
    assert_int_equal(spool_flush(s->spool), SPOOL_FAILED);
    spool_message_forget_body(s->spool, kept);
    struct blob *body = spool_message_body(s->spool, kept); /* reading goes on */
    assert_non_null(body);
    blob_unref(body);
    assert_int_equal(gathered_count(&s->accepted), 1);
    sample_reopen(s);
    assert_false(spool_is_failed(s->spool));
    assert_int_equal(submit_and_drop(s, 100), SPOOL_OK);
    static struct gathered loaded;
    sample_load(s, &loaded);
    assert_non_null(gathered_find(&loaded, kept->reference)); /* its outcome was not recorded: tried again */
    gathered_clear(&loaded);
    spool_message_unref(kept);
}

static void a_full_disk_refuses_and_recovers(void **state)
{
    struct sample *s = *state;

    assert_int_equal(submit_and_drop(s, 100), SPOOL_OK);
    break_it(write_flag, "");
    for (int i = 0; i < 3; i++)
        assert_int_equal(submit_and_drop(s, 100000), SPOOL_FULL);
    assert_false(spool_is_failed(s->spool));
    mend(write_flag);
    assert_int_equal(submit_and_drop(s, 100), SPOOL_OK);
    assert_int_equal(gathered_count(&s->accepted), 2);
    assert_holds(s, 2);
}

static void outcomes_wait_for_room(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    struct spool_message *one = sample_submit(s, 1, 100), *two = sample_submit(s, 2, 100), *report = sample_message(NULL, 1, 500 * 1024);
    char reference[REFERENCE_LEN + 1];

    strcpy(reference, report->reference);
    break_it(write_flag, "");
    sample_outcome(s, one, 0, SPOOL_DONE);
    sample_outcome(s, two, 0, SPOOL_DONE);
    two->recipients[1].state = SPOOL_DONE;
    spool_outcome(s->spool, two, 1, report);
    assert_int_equal(spool_flush(s->spool), SPOOL_FULL);
    assert_int_equal(spool_flush(s->spool), SPOOL_FULL);
    assert_int_equal(submit_and_drop(s, 100), SPOOL_FULL);
    assert_int_equal(gathered_count(&s->accepted), 2); /* no report without its outcome */
    assert_false(spool_is_failed(s->spool));
    mend(write_flag);
    assert_int_equal(spool_flush(s->spool), SPOOL_OK);
    assert_int_equal(gathered_count(&s->accepted), 3);
    sample_reopen(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_string_equal(loaded.at[0]->reference, reference);
    gathered_clear(&loaded);
    spool_message_unref(one);
    spool_message_unref(two);
}

static void outcomes_that_never_fit_are_tried_after_the_restart(void **state)
{
    struct sample *s = *state;
    struct spool_message *m = sample_submit(s, 1, 100);

    break_it(write_flag, "");
    m->recipients[0].state = SPOOL_DONE;
    spool_outcome(s->spool, m, 0, sample_message(NULL, 1, 100));
    assert_int_equal(spool_flush(s->spool), SPOOL_FULL);
    spool_close(&s->spool);
    mend(write_flag);
    sample_open(s);
    assert_holds(s, 1);
    spool_message_unref(m);
}

static void a_large_body_that_does_not_fit_leaves_no_file(void **state)
{
    struct sample *s = *state;
    struct spool_message *m = sample_message(s->directory, 1, 300 * 1024);

    break_it(write_flag, "");
    assert_int_equal(spool_submit(s->spool, m), SPOOL_FULL);
    assert_int_equal(sample_body_files(s), 0);
    mend(write_flag);
    break_it(write_flag, "spool.db-wal"); /* the file fits, its row does not */
    assert_int_equal(spool_submit(s->spool, m), SPOOL_FULL);
    assert_int_equal(sample_body_files(s), 0);
    mend(write_flag);
    assert_int_equal(spool_submit(s->spool, m), SPOOL_OK);
    assert_int_equal(sample_body_files(s), 1);
    spool_message_unref(m);
    assert_holds(s, 1);
}

static void a_large_body_that_cannot_be_synced_fails_the_spool(void **state)
{
    struct sample *s = *state;
    struct spool_message *m = sample_message(s->directory, 1, 300 * 1024);

    break_it(fsync_flag, "");
    assert_int_equal(spool_submit(s->spool, m), SPOOL_FAILED);
    assert_true(spool_is_failed(s->spool));
    mend(fsync_flag);
    spool_message_unref(m);
    assert_holds(s, 0);
}

/* Btrfs passes over the sync of a file without a name: after a power cut its name would stand there without its bytes. */
static void a_large_body_is_synced_under_its_name(void **state)
{
    struct sample *s = *state;
    struct spool_message *m = sample_message(s->directory, 1, 300 * 1024);

    break_it(fsync_flag, " (deleted)");
    assert_int_equal(spool_submit(s->spool, m), SPOOL_OK);
    mend(fsync_flag);
    spool_message_unref(m);
    assert_holds(s, 1);
}

/* Short by what a disk lost: half a message must not go out as a whole one. */
static void a_truncated_body_is_given_to_nobody(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    struct spool_message *m = sample_message(s->directory, 1, 300 * 1024);
    char path[128];

    assert_int_equal(spool_submit(s->spool, m), SPOOL_OK);
    snprintf(path, sizeof path, "%s/body/%02x/%lld", s->directory, (unsigned)(m->id % 256), (long long)m->id);
    spool_message_unref(m);
    sample_reopen(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_int_equal(truncate(path, 200 * 1024), 0);
    assert_null(spool_message_body(s->spool, loaded.at[0]));
    assert_int_equal(truncate(path, 300 * 1024), 0);
    struct blob *body = spool_message_body(s->spool, loaded.at[0]);
    assert_non_null(body);
    blob_unref(body);
    gathered_clear(&loaded);
}

/* The log's syncs work, the database's do not: SQLite's own checkpoint would pass over it and try again. */
static void a_failed_sync_while_carrying_over_is_noticed(void **state)
{
    struct sample *s = *state;
    size_t acknowledged = 0;

    break_it(fsync_flag, "spool.db");
    while (!spool_is_failed(s->spool) && acknowledged < 2000)
        if (submit_and_drop(s, 250 * 1024) == SPOOL_OK)
            acknowledged++;
    assert_true(spool_is_failed(s->spool));
    mend(fsync_flag);
    assert_true(acknowledged > 0);
    assert_holds(s, acknowledged);
}

static void a_log_that_cannot_be_made_safe_is_not_opened(void **state)
{
    struct sample *s = *state;
    struct buf error = buf_make(1024);

    assert_int_equal(submit_and_drop(s, 100), SPOOL_OK);
    break_it(fsync_flag, "");
    assert_int_equal(submit_and_drop(s, 100), SPOOL_FAILED); /* so the log stays behind */
    spool_close(&s->spool);
    assert_null(spool_open(s->directory, 0, gather, &s->accepted, &error));
    mend(fsync_flag);
    buf_free(&error);
    sample_open(s);
    assert_int_equal(submit_and_drop(s, 100), SPOOL_OK);
}

/* A real full disk: what is left of it after the spool took its reserve is eaten by somebody else. */
static void a_disk_full_to_the_last_byte_is_worked_off(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    char path[128];
    static char piece[1024 * 1024];

    spool_close(&s->spool);
    if (mount("none", s->directory, "tmpfs", 0, "size=300m,mode=700") != 0) {
        sample_open(s);
        skip(); /* not root */
    }
    sample_open(s);
    for (int i = 0; i < 200; i++)
        assert_int_equal(submit_and_drop(s, 100000), SPOOL_OK);
    snprintf(path, sizeof path, "%s/eater", s->directory);
    int eater = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(eater >= 0);
    while (write(eater, piece, sizeof piece) > 0)
        ;
    while (submit_and_drop(s, 200000) == SPOOL_OK)
        ;
    sample_reopen(s);
    sample_load(s, &loaded);
    assert_true(loaded.count >= 200);
    for (size_t i = 0; i < loaded.count; i++)
        sample_outcome(s, loaded.at[i], 0, SPOOL_DONE);
    assert_int_equal(spool_flush(s->spool), SPOOL_OK);
    assert_false(spool_is_failed(s->spool));
    gathered_clear(&loaded);
    assert_holds(s, 0);
    spool_close(&s->spool);
    close(eater);
    assert_int_equal(umount(s->directory), 0);
    sample_open(s);
}

static int setup(void **state)
{
    int result = sample_setup(state);
    struct sample *s = *state;

    snprintf(fsync_flag, sizeof fsync_flag, "%s.fsync", s->directory);
    snprintf(write_flag, sizeof write_flag, "%s.write", s->directory);
    setenv("FAULT_FSYNC", fsync_flag, 1);
    setenv("FAULT_WRITE", write_flag, 1);
    return result;
}

static int teardown(void **state)
{
    mend(fsync_flag);
    mend(write_flag);
    return sample_teardown(state);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_failed_sync_ends_all_writing),
        ROW(a_full_disk_refuses_and_recovers),
        ROW(outcomes_wait_for_room),
        ROW(outcomes_that_never_fit_are_tried_after_the_restart),
        ROW(a_large_body_that_does_not_fit_leaves_no_file),
        ROW(a_large_body_that_cannot_be_synced_fails_the_spool),
        ROW(a_large_body_is_synced_under_its_name),
        ROW(a_truncated_body_is_given_to_nobody),
        ROW(a_failed_sync_while_carrying_over_is_noticed),
        ROW(a_disk_full_to_the_last_byte_is_worked_off),
        ROW(a_log_that_cannot_be_made_safe_is_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
