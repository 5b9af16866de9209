/* spool_sample.h: what the spool's tests share: a folder of their own, sample messages, and a look at what a spool holds. */
#ifndef TESTS_SPOOL_SAMPLE_H
#define TESTS_SPOOL_SAMPLE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "spool/spool.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLE_MOST = 4096 };

/* What ACCEPTED or EACH got; references are held. */
struct gathered {
    pthread_mutex_t lock;
    size_t count;
    struct spool_message *at[SAMPLE_MOST];
};

struct sample {
    char directory[64];
    struct gathered accepted;
    struct spool *spool;
};

static inline void gather(void *arg, struct spool_message *m)
{
    struct gathered *g = arg;

    pthread_mutex_lock(&g->lock);
    if (g->count == SAMPLE_MOST)
        abort();
    g->at[g->count++] = spool_message_ref(m);
    pthread_mutex_unlock(&g->lock);
}

static inline size_t gathered_count(struct gathered *g)
{
    pthread_mutex_lock(&g->lock);
    size_t count = g->count;
    pthread_mutex_unlock(&g->lock);
    return count;
}

static inline void gathered_clear(struct gathered *g)
{
    while (g->count)
        spool_message_unref(g->at[--g->count]);
}

static inline struct spool_message *gathered_find(struct gathered *g, const char *reference)
{
    for (size_t i = 0; i < g->count; i++)
        if (strcmp(g->at[i]->reference, reference) == 0)
            return g->at[i];
    return NULL;
}

static inline void sample_open(struct sample *s)
{
    struct buf error = buf_make(1024);

    s->spool = spool_open(s->directory, 0, gather, &s->accepted, &error);
    if (!s->spool)
        fail_msg("%s", buf_text(&error));
    buf_free(&error);
}

static inline void sample_reopen(struct sample *s)
{
    spool_close(&s->spool);
    sample_open(s);
}

/* What a fresh look at the queue gives. */
static inline void sample_load(struct sample *s, struct gathered *into)
{
    struct buf error = buf_make(1024);

    gathered_clear(into);
    pthread_mutex_init(&into->lock, NULL);
    if (!spool_load(s->spool, gather, into, &error))
        fail_msg("%s", buf_text(&error));
    buf_free(&error);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int sample_setup(void **state)
{
    struct sample *s = calloc(1, sizeof *s);

    if (!s)
        return -1;
    strcpy(s->directory, "/tmp/postern-spool-XXXXXX");
    if (!mkdtemp(s->directory))
        return -1;
    pthread_mutex_init(&s->accepted.lock, NULL);
    sample_open(s);
    *state = s;
    return 0;
}

static inline int sample_teardown(void **state)
{
    struct sample *s = *state;

    gathered_clear(&s->accepted);
    spool_close(&s->spool);
    nftw(s->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

static inline void set_address(struct address *a, const char *text)
{
    const char *at = strrchr(text, '@');

    str_copy(a->text, sizeof a->text, str_from(text));
    a->len = (uint16_t)strlen(text);
    a->local_len = (uint16_t)(at ? at - text : a->len);
}

/* With a reference of its own and SIZE bytes of body; above BLOB_MEMORY_MAX they are in a file of DIRECTORY. */
static inline struct spool_message *sample_message(const char *directory, size_t recipients, size_t size)
{
    struct spool_message *m = spool_message_new(recipients);
    char text[64], piece[1024];

    if (!m)
        abort();
    random_reference(m->reference);
    m->received_ms = clock_wall_ms();
    set_address(&m->mail.sender, "sender@client.test");
    for (size_t i = 0; i < recipients; i++) {
        snprintf(text, sizeof text, "recipient%zu@acme.test", i);
        set_address(&m->recipients[i].args.recipient, text);
    }
    str_copy(m->client, sizeof m->client, STR("192.0.2.7:41234"));
    m->header = blob_from(STR("Received: from somewhere\r\n"));
    m->body = blob_new(size + 1, directory);
    memset(piece, m->reference[0], sizeof piece);
    for (size_t left = size; left && m->body;) {
        size_t n = left < sizeof piece ? left : sizeof piece;
        if (blob_append(m->body, piece, n) != BLOB_OK)
            abort();
        left -= n;
    }
    if (!m->header || !m->body || !blob_seal(m->body))
        abort();
    return m;
}

/* Submits a message and gives its reference (the caller's to hold on to). */
static inline struct spool_message *sample_submit(struct sample *s, size_t recipients, size_t size)
{
    struct spool_message *m = sample_message(s->directory, recipients, size);

    assert_int_equal(spool_submit(s->spool, m), SPOOL_OK);
    assert_true(m->id > 0);
    return m;
}

static inline void sample_outcome(struct sample *s, struct spool_message *m, size_t i, enum spool_recipient_state state)
{
    m->recipients[i].state = state;
    spool_outcome(s->spool, m, i, NULL);
}

static inline size_t sample_body_files(const struct sample *s)
{
    char command[128];
    unsigned long count = 0;

    snprintf(command, sizeof command, "find '%s/body' -type f | wc -l", s->directory);
    FILE *out = popen(command, "r");
    if (!out || fscanf(out, "%lu", &count) != 1)
        abort();
    pclose(out);
    return count;
}

#endif
