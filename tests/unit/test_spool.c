/* test_spool.c: what goes into the spool comes out of it, whenever it is cut off. */
#include "spool_sample.h"

#include "spool/spool_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

static void assert_same_address(const struct address *a, const struct address *b)
{
    assert_string_equal(a->text, b->text);
    assert_int_equal(a->len, b->len);
    assert_int_equal(a->local_len, b->local_len);
    assert_int_equal(a->is_utf8, b->is_utf8);
    assert_int_equal(a->is_literal, b->is_literal);
}

static void assert_same_recipient(const struct spool_recipient *a, const struct spool_recipient *b)
{
    assert_same_address(&a->args.recipient, &b->args.recipient);
    assert_int_equal(a->args.notify, b->args.notify);
    assert_string_equal(a->args.orcpt, b->args.orcpt);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->next_try_ms, b->next_try_ms);
    assert_int_equal(a->attempts, b->attempts);
    assert_int_equal(a->delay_told, b->delay_told);
    assert_string_equal(a->last_reply, b->last_reply);
    assert_string_equal(a->last_host, b->last_host);
}

static void assert_same_message(const struct spool_message *a, const struct spool_message *b)
{
    assert_int_equal(a->id, b->id);
    assert_string_equal(a->reference, b->reference);
    assert_int_equal(a->received_ms, b->received_ms);
    assert_same_address(&a->mail.sender, &b->mail.sender);
    assert_int_equal(a->mail.size, b->mail.size);
    assert_int_equal(a->mail.body, b->mail.body);
    assert_int_equal(a->mail.smtputf8, b->mail.smtputf8);
    assert_int_equal(a->mail.requiretls, b->mail.requiretls);
    assert_int_equal(a->mail.ret, b->mail.ret);
    assert_string_equal(a->mail.envid, b->mail.envid);
    assert_int_equal(a->is_outgoing, b->is_outgoing);
    assert_int_equal(a->is_8bit, b->is_8bit);
    assert_string_equal(a->client, b->client);
    assert_string_equal(a->helo, b->helo);
    assert_int_equal(a->recipient_count, b->recipient_count);
    for (size_t i = 0; i < a->recipient_count; i++)
        assert_same_recipient(&a->recipients[i], &b->recipients[i]);
    assert_int_equal(!a->header, !b->header);
    if (a->header)
        assert_true(str_eq(blob_bytes(a->header), blob_bytes(b->header)));
}

static void fill_every_field(struct spool_message *m)
{
    m->mail.size = UINT64_MAX - 1;
    m->mail.body = BODY_BINARYMIME;
    m->mail.smtputf8 = m->mail.requiretls = m->is_outgoing = m->is_8bit = true;
    m->mail.ret = DSN_RET_HDRS;
    memset(m->mail.envid, 'e', ENVID_MAX);
    set_address(&m->mail.sender, "j\xC3\xBCrgen@[192.0.2.1]");
    m->mail.sender.is_utf8 = m->mail.sender.is_literal = true;
    memset(m->helo, 'h', sizeof m->helo - 1);
    m->recipients[0].args.notify = DSN_NOTIFY_SUCCESS | DSN_NOTIFY_DELAY;
    memset(m->recipients[0].args.orcpt, 'o', ORCPT_MAX);
    m->recipients[0].state = SPOOL_HELD;
    m->recipients[0].next_try_ms = INT64_MAX;
    m->recipients[0].attempts = UINT32_MAX;
    m->recipients[0].delay_told = true;
    memset(m->recipients[0].last_reply, 'r', sizeof m->recipients[0].last_reply - 1);
    memset(m->recipients[0].last_host, 'm', sizeof m->recipients[0].last_host - 1);
}

static void comes_back_as_it_went_in(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    struct spool_message *full = sample_message(s->directory, 2, 5000), *plain = sample_message(s->directory, 1, 0);

    fill_every_field(full);
    blob_unref(plain->header);
    plain->header = NULL;
    plain->mail.sender = (struct address){0}; /* the null sender */
    assert_int_equal(spool_submit(s->spool, full), SPOOL_OK);
    assert_int_equal(spool_submit(s->spool, plain), SPOOL_OK);
    assert_int_equal(gathered_count(&s->accepted), 2);
    assert_ptr_equal(s->accepted.at[0], full);
    sample_reopen(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 2);
    assert_same_message(loaded.at[0], full);
    assert_same_message(loaded.at[1], plain);
    assert_null(loaded.at[0]->body); /* on demand only */
    struct blob *body = spool_message_body(s->spool, loaded.at[0]);
    assert_non_null(body);
    assert_true(str_eq(blob_bytes(body), blob_bytes(full->body)));
    blob_unref(body);
    body = spool_message_body(s->spool, loaded.at[1]);
    assert_int_equal(blob_size(body), 0);
    blob_unref(body);
    gathered_clear(&loaded);
    spool_message_unref(full);
    spool_message_unref(plain);
}

static void a_token_is_taken_once(void **state)
{
    struct sample *s = *state;
    struct spool_message *first = sample_message(s->directory, 1, 10), *second = sample_message(s->directory, 1, 300 * 1024), *third = sample_message(s->directory, 1, 10);
    static struct gathered loaded;
    bool was_there = true;

    assert_int_equal(spool_submit_once(s->spool, first, 7, &was_there), SPOOL_OK);
    assert_false(was_there);
    assert_int_equal(spool_submit_once(s->spool, second, 7, &was_there), SPOOL_OK);
    assert_true(was_there);
    assert_int_equal(second->id, 0);
    assert_int_equal(gathered_count(&s->accepted), 1);
    sample_reopen(s);
    assert_int_equal(spool_submit_once(s->spool, third, 7, &was_there), SPOOL_OK);
    assert_true(was_there);
    assert_int_equal(spool_submit_once(s->spool, third, 8, &was_there), SPOOL_OK);
    assert_false(was_there);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 1);
    gathered_clear(&loaded);
    spool_message_unref(first);
    spool_message_unref(second);
    spool_message_unref(third);
}

static void an_envelope_is_kept_elsewhere(void **state)
{
    struct sample *s = *state;
    struct spool_message *m = sample_message(s->directory, 2, 100);
    struct buf bytes = buf_make(65536);

    fill_every_field(m);
    assert_true(spool_message_write(m, &bytes));
    struct spool_message *same = spool_message_read(buf_str(&bytes));
    assert_non_null(same);
    assert_int_equal(same->recipient_count, 2);
    assert_true(str_eq(address_text(&same->mail.sender), address_text(&m->mail.sender)));
    assert_null(spool_message_read(str_sub(buf_str(&bytes), 0, bytes.len - 1)));
    spool_message_unref(same);
    spool_message_unref(m);
    buf_free(&bytes);
}

static void a_done_message_goes(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    struct spool_stats stats;
    struct spool_message *m = sample_submit(s, 1, 4096), *stays = sample_submit(s, 1, 4096);

    sample_outcome(s, m, 0, SPOOL_DONE);
    assert_int_equal(spool_flush(s->spool), SPOOL_OK);
    spool_stats(s->spool, &stats);
    assert_int_equal(stats.messages, 1);
    assert_int_equal(stats.recipients, 1);
    assert_int_equal(stats.submitted, 2);
    sample_outcome(s, m, 0, SPOOL_DONE); /* again: harmless */
    sample_outcome(s, m, 0, SPOOL_QUEUED); /* done is final */
    sample_reopen(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_string_equal(loaded.at[0]->reference, stays->reference);
    spool_stats(s->spool, &stats);
    assert_int_equal(stats.messages, 1);
    assert_int_equal(stats.recipients, 1);
    gathered_clear(&loaded);
    spool_message_unref(m);
    spool_message_unref(stays);
}

static void a_deferral_is_remembered(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    struct spool_message *m = sample_submit(s, 1, 100);

    for (uint32_t attempts = 1; attempts <= 3; attempts++) {
        m->recipients[0].attempts = attempts;
        m->recipients[0].next_try_ms = 1000 * attempts;
        m->recipients[0].delay_told = attempts > 1;
        strcpy(m->recipients[0].last_reply, "451 4.3.0 later");
        strcpy(m->recipients[0].last_host, "mx.example.net[192.0.2.1]:25");
        sample_outcome(s, m, 0, SPOOL_QUEUED);
    }
    sample_reopen(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_same_message(loaded.at[0], m);
    sample_outcome(s, loaded.at[0], 0, SPOOL_DONE);
    sample_reopen(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 0);
    spool_message_unref(m);
}

static void each_recipient_has_its_own_state(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    struct spool_stats stats;
    struct spool_message *m = sample_submit(s, 3, 100);

    sample_outcome(s, m, 1, SPOOL_DONE);
    sample_outcome(s, m, 2, SPOOL_FROZEN);
    sample_reopen(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_int_equal(loaded.at[0]->recipients[0].state, SPOOL_QUEUED);
    assert_int_equal(loaded.at[0]->recipients[1].state, SPOOL_DONE);
    assert_int_equal(loaded.at[0]->recipients[2].state, SPOOL_FROZEN);
    spool_stats(s->spool, &stats);
    assert_int_equal(stats.recipients, 2);
    sample_outcome(s, loaded.at[0], 2, SPOOL_DONE);
    sample_outcome(s, loaded.at[0], 0, SPOOL_DONE);
    sample_reopen(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 0);
    spool_message_unref(m);
}

static void a_report_comes_with_its_outcome(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    struct spool_message *m = sample_submit(s, 1, 100), *report = sample_message(s->directory, 1, 300 * 1024);
    char reference[REFERENCE_LEN + 1];

    strcpy(reference, report->reference);
    m->recipients[0].state = SPOOL_DONE;
    spool_outcome(s->spool, m, 0, report);
    assert_int_equal(spool_flush(s->spool), SPOOL_OK);
    assert_int_equal(gathered_count(&s->accepted), 2);
    assert_string_equal(s->accepted.at[1]->reference, reference);
    assert_true(s->accepted.at[1]->id > 0);
    sample_reopen(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_string_equal(loaded.at[0]->reference, reference);
    struct blob *body = spool_message_body(s->spool, loaded.at[0]);
    assert_int_equal(blob_size(body), 300 * 1024);
    blob_unref(body);
    gathered_clear(&loaded);
    spool_message_unref(m);
}

static void large_bodies_are_files(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    static const struct {
        const char *name;
        size_t size;
        bool in_memory;
        size_t files;
    } rows[] = {
        {"at the limit", BLOB_MEMORY_MAX, false, 0},
        {"one above", BLOB_MEMORY_MAX + 1, false, 1},
        {"far above", 3 * 1024 * 1024, false, 1},
        {"above, but made in memory", BLOB_MEMORY_MAX + 1, true, 1},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spool_message *m = sample_message(rows[i].in_memory ? NULL : s->directory, 1, rows[i].size);
        assert_int_equal(spool_submit(s->spool, m), SPOOL_OK);
        if (sample_body_files(s) != rows[i].files)
            fail_msg("%s: %zu files", rows[i].name, sample_body_files(s));
        sample_reopen(s);
        sample_load(s, &loaded);
        assert_int_equal(loaded.count, 1);
        for (int round = 0; round < 2; round++) {
            struct blob *body = spool_message_body(s->spool, loaded.at[0]);
            assert_non_null(body);
            assert_true(str_eq(blob_bytes(body), blob_bytes(m->body)));
            blob_unref(body);
            spool_message_forget_body(s->spool, loaded.at[0]);
            assert_null(loaded.at[0]->body);
        }
        sample_outcome(s, loaded.at[0], 0, SPOOL_DONE);
        assert_int_equal(spool_flush(s->spool), SPOOL_OK);
        assert_int_equal(sample_body_files(s), 0);
        gathered_clear(&loaded);
        spool_message_unref(m);
    }
}

static void a_body_can_be_forgotten_and_read_again(void **state)
{
    struct sample *s = *state;
    struct spool_message *m = sample_submit(s, 1, 20000);
    char first = m->reference[0];

    spool_message_forget_body(s->spool, m);
    assert_null(m->body);
    struct blob *body = spool_message_body(s->spool, m);
    assert_int_equal(blob_size(body), 20000);
    assert_int_equal(blob_bytes(body).at[19999], first);
    assert_ptr_equal(body, m->body);
    blob_unref(body);
    sample_outcome(s, m, 0, SPOOL_DONE);
    assert_int_equal(spool_flush(s->spool), SPOOL_OK);
    spool_message_forget_body(s->spool, m);
    assert_null(spool_message_body(s->spool, m)); /* its row is gone */
    spool_message_unref(m);
}

static void files_without_a_row_are_swept(void **state)
{
    struct sample *s = *state;
    char path[128];
    struct spool_message *m = sample_submit(s, 1, 300 * 1024);

    spool_close(&s->spool);
    snprintf(path, sizeof path, "%s/body/39/12345", s->directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    snprintf(path, sizeof path, "%s/body/00/notes.txt", s->directory);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sample_body_files(s), 3);
    sample_open(s);
    assert_int_equal(sample_body_files(s), 2); /* the message's, and the one that is not ours */
    spool_message_unref(m);
}

static void loading_gives_old_ones_in_order(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    enum { COUNT = 2 * SPOOL_PAGE_ROWS + 17 };

    for (int i = 0; i < COUNT; i++)
        spool_message_unref(sample_submit(s, 1, 10));
    sample_reopen(s);
    struct spool_message *fresh = sample_submit(s, 1, 10);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_string_equal(loaded.at[i]->reference, s->accepted.at[i]->reference);
    assert_true(fresh->id > loaded.at[COUNT - 1]->id);
    gathered_clear(&loaded);
    spool_message_unref(fresh);
}

static void only_one_may_open_it(void **state)
{
    struct sample *s = *state;
    struct buf error = buf_make(1024);

    assert_null(spool_open(s->directory, 0, gather, &s->accepted, &error));
    assert_non_null(strstr(buf_text(&error), "another process"));
    buf_free(&error);
}

static void a_newer_format_is_refused(void **state)
{
    struct sample *s = *state;
    struct buf error = buf_make(1024);
    char path[128];
    sqlite3 *db;

    spool_close(&s->spool);
    snprintf(path, sizeof path, "%s/spool.db", s->directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_null(spool_open(s->directory, 0, gather, &s->accepted, &error));
    assert_non_null(strstr(buf_text(&error), "newer"));
    buf_free(&error);
}

static void below_the_floor_nothing_is_accepted(void **state)
{
    struct sample *s = *state;
    struct spool_message *m = sample_message(s->directory, 1, 10);

    spool_set_free_floor(s->spool, UINT64_MAX);
    assert_false(spool_has_room(s->spool, 0));
    assert_int_equal(spool_submit(s->spool, m), SPOOL_FULL);
    assert_int_equal(m->id, 0);
    spool_set_free_floor(s->spool, 0);
    assert_true(spool_has_room(s->spool, 0));
    assert_false(spool_has_room(s->spool, UINT64_MAX));
    assert_int_equal(spool_submit(s->spool, m), SPOOL_OK); /* the same one, later */
    spool_message_unref(m);
}

/* What decoding sees may be anything: no byte of it may lead outside. Run under the sanitizers. */
static void damaged_envelopes_are_refused(void **state)
{
    struct spool_message *m = sample_message(NULL, 3, 10);
    struct buf bytes = buf_make(1024 * 1024);
    bool damaged;

    (void)state;
    fill_every_field(m);
    assert_true(spool_envelope_encode(spool_record_of(m), &bytes));
    for (size_t len = 0; len < bytes.len; len++) {
        char *exact = malloc(len ? len : 1); /* so that a sanitizer sees a byte too far */
        memcpy(exact, bytes.at, len);
        assert_null(spool_envelope_decode(str_n(exact, len), &damaged));
        assert_true(damaged);
        free(exact);
    }
    for (size_t i = 0; i < bytes.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes.at[i] ^= (char)(1U << bit);
            struct spool_message *decoded = spool_envelope_decode(buf_str(&bytes), &damaged);
            if (decoded)
                assert_true(decoded->recipient_count == 3);
            spool_message_unref(decoded);
            bytes.at[i] ^= (char)(1U << bit);
        }
    buf_add_char(&bytes, 'x');
    assert_null(spool_envelope_decode(buf_str(&bytes), &damaged)); /* left over */
    buf_free(&bytes);
    spool_message_unref(m);
}

static void a_damaged_row_keeps_nobody_else(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    char path[128];
    sqlite3 *db;
    struct spool_message *bad = sample_submit(s, 1, 10), *good = sample_submit(s, 1, 10);

    spool_close(&s->spool);
    snprintf(path, sizeof path, "%s/spool.db", s->directory);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE message SET envelope = x'0100' WHERE id = 1", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    sample_open(s);
    sample_load(s, &loaded);
    assert_int_equal(loaded.count, 1);
    assert_string_equal(loaded.at[0]->reference, good->reference);
    gathered_clear(&loaded);
    spool_message_unref(bad);
    spool_message_unref(good);
}

static size_t queued(struct sample *s)
{
    struct spool_stats stats;

    spool_stats(s->spool, &stats);
    return stats.messages;
}

/* Whether it comes while the writer thread sleeps on, is about to, or waits for company. */
static void an_outcome_alone_is_committed_unasked(void **state)
{
    struct sample *s = *state;

    for (int i = 0; i < 50; i++) {
        struct spool_message *m = sample_submit(s, 1, 100);
        if (i % 2)
            sample_outcome(s, m, 0, SPOOL_DONE);
        if (i % 2 == 0)
            sample_outcome(s, m, 0, SPOOL_DONE);
        int64_t until_ms = clock_mono_ms() + 10000;
        while (queued(s) && i % 3 && clock_mono_ms() < until_ms)
            poll(NULL, 0, 1);
        assert_int_equal(i % 3 ? queued(s) : 0, 0);
        spool_message_unref(m);
    }
}

enum { PRODUCERS = 8, EACH = 60 };

static void *produce(void *arg)
{
    struct sample *s = arg;

    for (int i = 0; i < EACH; i++) {
        struct spool_message *m = sample_message(s->directory, 1 + (size_t)i % 2, i % 20 == 0 ? 300 * 1024 : 3000);
        if (spool_submit(s->spool, m) != SPOOL_OK)
            abort();
        if (i % 3 == 0)
            sample_outcome(s, m, 0, i % 2 ? SPOOL_QUEUED : SPOOL_DONE);
        spool_message_unref(m);
    }
    return NULL;
}

/* The database's files as they are on disk while the spool is open: what a crash of this process would leave. */
static void copy_files(const struct sample *s, const char *to)
{
    char command[256];

    snprintf(command, sizeof command, "cp -r '%s'/. '%s'", s->directory, to);
    assert_int_equal(system(command), 0);
}

static void everything_acknowledged_is_on_disk(void **state)
{
    struct sample *s = *state, copy = {.directory = "/tmp/postern-spool-copy-XXXXXX"};
    static struct gathered loaded;
    struct spool_stats stats;
    pthread_t threads[PRODUCERS];

    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, produce, s), 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(spool_flush(s->spool), SPOOL_OK);
    spool_stats(s->spool, &stats);
    assert_int_equal(stats.submitted, PRODUCERS * EACH);
    assert_int_equal(stats.messages, PRODUCERS * (EACH - EACH / 6));
    assert_non_null(mkdtemp(copy.directory));
    copy_files(s, copy.directory);
    pthread_mutex_init(&copy.accepted.lock, NULL);
    sample_open(&copy);
    sample_load(&copy, &loaded);
    assert_int_equal(loaded.count, stats.messages);
    for (size_t i = 0; i < s->accepted.count; i++) {
        bool done = s->accepted.at[i]->recipient_count == 1 && s->accepted.at[i]->recipients[0].state == SPOOL_DONE;
        assert_int_equal(gathered_find(&loaded, s->accepted.at[i]->reference) == NULL, done);
    }
    gathered_clear(&loaded);
    spool_close(&copy.spool);
    nftw(copy.directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct child {
    struct sample *sample;
    int to_parent;
};

static void drop(void *arg, struct spool_message *m)
{
    (void)arg;
    (void)m;
}

static void *acknowledge(void *arg)
{
    struct child *c = arg;

    for (unsigned i = 0;; i++) {
        struct spool_message *m = sample_message(c->sample->directory, 1, i % 16 == 5 ? 300 * 1024 : 2000);
        if (spool_submit(c->sample->spool, m) != SPOOL_OK ||
            write(c->to_parent, m->reference, REFERENCE_LEN) != REFERENCE_LEN)
            _exit(1);
        spool_message_unref(m);
    }
    return NULL;
}

static _Noreturn void run_child(struct sample *s, int to_parent)
{
    struct buf error = buf_make(512);
    struct child c = {.sample = s, .to_parent = to_parent};
    pthread_t threads[4];

    s->spool = spool_open(s->directory, 0, drop, NULL, &error);
    if (!s->spool)
        _exit(2);
    for (int i = 0; i < 4; i++)
        if (pthread_create(&threads[i], NULL, acknowledge, &c) != 0)
            _exit(3);
    pthread_join(threads[0], NULL);
    _exit(4);
}

enum { ROUNDS = 6, ACKNOWLEDGED_MOST = 2000 };

/* Reads acknowledgements until LEAST have come, kills, and reads what was still said. Returns how many. */
static size_t kill_after(pid_t child, int from_child, size_t least, char (*said)[REFERENCE_LEN + 1])
{
    size_t count = 0;

    while (count < ACKNOWLEDGED_MOST && read(from_child, said[count], REFERENCE_LEN) == REFERENCE_LEN) {
        said[count][REFERENCE_LEN] = '\0';
        if (++count == least)
            kill(child, SIGKILL);
    }
    waitpid(child, NULL, 0);
    return count;
}

static void killed_anywhere_nothing_acknowledged_is_lost(void **state)
{
    struct sample *s = *state;
    static struct gathered loaded;
    static char said[ACKNOWLEDGED_MOST][REFERENCE_LEN + 1];
    size_t total = 0;

    for (int round = 0; round < ROUNDS; round++) {
        int ends[2];
        spool_close(&s->spool);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            run_child(s, ends[1]);
        close(ends[1]);
        size_t count = kill_after(child, ends[0], 1 + random_below(150), said);
        close(ends[0]);
        sample_open(s);
        sample_load(s, &loaded);
        for (size_t i = 0; i < count; i++)
            if (!gathered_find(&loaded, said[i]))
                fail_msg("round %d: message %s was acknowledged and is lost", round, said[i]);
        total += count;
        assert_true(loaded.count >= total);
    }
    for (size_t i = 0; i < loaded.count; i++) { /* and every body is there */
        struct blob *body = spool_message_body(s->spool, loaded.at[i]);
        assert_non_null(body);
        blob_unref(body);
    }
    gathered_clear(&loaded);
}

static void nobody_else_may_read_mail(void **state)
{
    static const char *const names[] = {"spool.db", "spool.db-wal", "body", "body/00"};
    struct sample *s = *state;
    char path[128];
    struct stat st;

    spool_message_unref(sample_submit(s, 1, 10));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", s->directory, names[i]);
        assert_int_equal(stat(path, &st), 0);
        if (st.st_mode & 077)
            fail_msg("%s: mode %o", names[i], (unsigned)st.st_mode);
    }
}

static void an_emptied_spool_gives_its_pages_back(void **state)
{
    struct sample *s = *state;
    enum { COUNT = 300 };
    static struct spool_message *messages[COUNT];
    char path[128];
    struct stat st;

    for (int i = 0; i < COUNT; i++)
        messages[i] = sample_submit(s, 1, 250 * 1024);
    for (int i = 0; i < COUNT; i++) {
        sample_outcome(s, messages[i], 0, SPOOL_DONE);
        spool_message_unref(messages[i]);
    }
    assert_int_equal(spool_flush(s->spool), SPOOL_OK);
    struct spool_message *m = sample_submit(s, 1, 10); /* after the house was kept */
    snprintf(path, sizeof path, "%s/spool.db", s->directory);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 1024 * 1024);
    spool_message_unref(m);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, sample_setup, sample_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(comes_back_as_it_went_in),
        ROW(a_done_message_goes), ROW(a_token_is_taken_once), ROW(an_envelope_is_kept_elsewhere),
        ROW(an_outcome_alone_is_committed_unasked),
        ROW(a_deferral_is_remembered),
        ROW(each_recipient_has_its_own_state),
        ROW(a_report_comes_with_its_outcome),
        ROW(large_bodies_are_files),
        ROW(a_body_can_be_forgotten_and_read_again),
        ROW(files_without_a_row_are_swept),
        ROW(loading_gives_old_ones_in_order),
        ROW(only_one_may_open_it),
        ROW(a_newer_format_is_refused),
        ROW(below_the_floor_nothing_is_accepted),
        ROW(damaged_envelopes_are_refused),
        ROW(a_damaged_row_keeps_nobody_else),
        ROW(everything_acknowledged_is_on_disk),
        ROW(killed_anywhere_nothing_acknowledged_is_lost),
        ROW(nobody_else_may_read_mail),
        ROW(an_emptied_spool_gives_its_pages_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
