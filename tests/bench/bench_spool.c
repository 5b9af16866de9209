/*
 * bench_spool.c: how many messages a second the spool makes durable, and what one costs in processor time.
 *
 *     bench_spool DIRECTORY [SECONDS]
 *
 * For 1, 10, 50 and 100 producing threads, bodies of 4 KB and 64 KB, each once with submit alone and once with the outcome
 * "delivered" following from the hand-off, as the courier gives it. Not a test: it asserts nothing.
 */
#include "base/clock.h"
#include "spool/spool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { PRODUCERS_MAX = 100, FREE_FLOOR = 64 * 1024 * 1024 };

struct run {
    struct spool *spool;
    struct str body;
    bool with_outcome;
    atomic_bool stop;
    _Atomic uint64_t sent, worst_us;
};

static void accepted(void *arg, struct spool_message *m)
{
    struct run *run = arg;

    if (!run->with_outcome)
        return;
    m->recipients[0].state = SPOOL_DONE;
    spool_outcome(run->spool, m, 0, NULL);
}

static void set_address(struct address *a, const char *text)
{
    str_copy(a->text, sizeof a->text, str_from(text));
    a->len = (uint16_t)strlen(text);
    a->local_len = (uint16_t)(strchr(text, '@') - text);
}

static struct spool_message *make_message(struct str body)
{
    static const char trace[] = "Received: from client.example.test (client.example.test [192.0.2.7])\r\n"
                                "\tby mx.example.test with ESMTPS id 7K3F9QXD2M; Tue, 24 Nov 2026 14:11:00 +0000\r\n";
    struct spool_message *m = spool_message_new(1);

    if (!m)
        abort();
    random_reference(m->reference);
    m->received_ms = clock_wall_ms();
    set_address(&m->mail.sender, "sender@client.example.test");
    set_address(&m->recipients[0].args.recipient, "recipient@acme.test");
    str_copy(m->client, sizeof m->client, STR("192.0.2.7:41234"));
    str_copy(m->helo, sizeof m->helo, STR("client.example.test"));
    m->header = blob_from(str_n(trace, sizeof trace - 1));
    m->body = blob_from(body);
    if (!m->header || !m->body)
        abort();
    return m;
}

static void *produce(void *arg)
{
    struct run *run = arg;

    while (!atomic_load(&run->stop)) {
        struct spool_message *m = make_message(run->body);
        int64_t begun = clock_mono_us();
        if (spool_submit(run->spool, m) != SPOOL_OK) {
            fprintf(stderr, "submit failed\n");
            exit(1);
        }
        uint64_t took = (uint64_t)(clock_mono_us() - begun), worst = atomic_load(&run->worst_us);
        while (took > worst && !atomic_compare_exchange_weak(&run->worst_us, &worst, took))
            ;
        atomic_fetch_add(&run->sent, 1);
        spool_message_unref(m);
    }
    return NULL;
}

static int64_t processor_us(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 + use.ru_utime.tv_usec + use.ru_stime.tv_usec;
}

static void measure(const char *directory, struct str body, int producers, bool with_outcome, int64_t run_ms)
{
    struct run run = {.body = body, .with_outcome = with_outcome};
    struct buf error = buf_make(512);
    pthread_t threads[PRODUCERS_MAX];
    char command[600];

    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    if (system(command) != 0 || !(run.spool = spool_open(directory, FREE_FLOOR, accepted, &run, &error))) {
        fprintf(stderr, "%s\n", buf_text(&error));
        exit(1);
    }
    int64_t begun = clock_mono_us(), cpu = processor_us();
    for (int i = 0; i < producers; i++)
        if (pthread_create(&threads[i], NULL, produce, &run) != 0)
            abort();
    while (clock_mono_us() - begun < run_ms * 1000)
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    atomic_store(&run.stop, true);
    for (int i = 0; i < producers; i++)
        pthread_join(threads[i], NULL);
    if (spool_flush(run.spool) != SPOOL_OK)
        abort();
    double seconds = (double)(clock_mono_us() - begun) / 1e6, sent = (double)atomic_load(&run.sent);
    cpu = processor_us() - cpu;
    struct spool_stats stats;
    spool_stats(run.spool, &stats);
    printf("%3d producers %3zu KB %-16s %8.0f/s %7.1f us CPU each, %5.1f items a commit, slowest %5.1f ms\n", producers, body.len / 1024,
           with_outcome ? "submit+outcome" : "submit", sent / seconds, (double)cpu / sent,
           (double)stats.committed_items / (double)(stats.commits ? stats.commits : 1), (double)atomic_load(&run.worst_us) / 1000);
    fflush(stdout);
    spool_close(&run.spool);
    buf_free(&error);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {4096, 65536};
    static const int producers[] = {1, 10, 50, 100};
    int64_t run_ms = argc > 2 ? atoi(argv[2]) * 1000 : 3000;

    if (argc < 2) {
        fprintf(stderr, "usage: bench_spool DIRECTORY [SECONDS]\n");
        return 64;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *bytes = malloc(sizes[i]);
        if (!bytes)
            return 1;
        memset(bytes, 'x', sizes[i]);
        for (size_t j = 0; j < sizeof producers / sizeof producers[0]; j++)
            for (int outcome = 0; outcome < 2; outcome++)
                measure(argv[1], str_n(bytes, sizes[i]), producers[j], outcome, run_ms);
        free(bytes);
    }
    return 0;
}
