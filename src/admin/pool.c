/* pool.c: the administration as a whole: its settings, and connections to the store, one for each request under way. */
#include "admin/parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/open.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { HASHED_AT_ONCE = 2 };

struct admin *admin_open(struct settings *settings, struct buf *error)
{
    struct admin *a = calloc(1, sizeof *a);

    if (!a) {
        buf_add_text(error, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&a->lock, NULL);
    a->attempts = attempts_new();
    a->passwords = password_checker_new(HASHED_AT_ONCE, 0);
    a->settings = settings_ref(settings);
    a->started_ms = clock_mono_ms();
    if (!a->attempts || !a->passwords || sodium_init() < 0) {
        buf_add_text(error, "out of memory");
    } else {
        struct db *d = store_open(settings_system(settings), error);
        store_path(settings_system(settings), a->store);
        if (d) {
            pool_give(a, d);
            return a;
        }
    }
    admin_close(&a);
    return NULL;
}

void admin_reconfigure(struct admin *a, struct settings *settings)
{
    pthread_mutex_lock(&a->lock);
    settings_unref(a->settings);
    a->settings = settings_ref(settings);
    pthread_mutex_unlock(&a->lock);
}

struct settings *admin_settings(struct admin *a)
{
    pthread_mutex_lock(&a->lock);
    struct settings *s = settings_ref(a->settings);
    pthread_mutex_unlock(&a->lock);
    return s;
}

void admin_close(struct admin **a)
{
    if (!*a)
        return;
    for (size_t i = 0; i < (*a)->idle_count; i++)
        db_close(&(*a)->idle[i]);
    settings_unref((*a)->settings);
    attempts_free(&(*a)->attempts);
    pthread_mutex_destroy(&(*a)->lock);
    password_checker_free(&(*a)->passwords);
    free(*a);
    *a = NULL;
}

struct db *pool_take(struct admin *a)
{
    struct db *d = NULL;

    pthread_mutex_lock(&a->lock);
    if (a->idle_count)
        d = a->idle[--a->idle_count];
    pthread_mutex_unlock(&a->lock);
    if (d)
        return d;
    struct buf error = buf_make(500);
    d = db_open(a->store, &error);
    if (!d)
        log_error("the store: " STR_FMT, STR_ARG(buf_str(&error)));
    buf_free(&error);
    return d;
}

void pool_give(struct admin *a, struct db *take)
{
    pthread_mutex_lock(&a->lock);
    if (a->idle_count < MOST_IDLE_STORES) {
        a->idle[a->idle_count++] = take;
        take = NULL;
    }
    pthread_mutex_unlock(&a->lock);
    db_close(&take);
}
