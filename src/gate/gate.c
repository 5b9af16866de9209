/* gate.c: what all sessions share, and the listeners. */
#include "gate/gate.h"

#include "base/clock.h"
#include "base/log.h"
#include "gate/session.h"
#include "store/settings_store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ACCEPTS_AT_ONCE = 16, ACCEPT_PAUSE_MS = 200, COMPLAIN_MS = 60000, BESIDE_SESSIONS = 64, KEYS_MOST = 10000 /* parsed ones, of a few KB each */ };

struct listener {
    struct waiter_item item;
    struct gate *gate;
    enum service service;
    int fd;
    int64_t complain_from_ms; /* not again before; monotonic */
};

struct gate_runtime *gate_runtime_new(struct settings *take, struct tls_server *take_tls, struct db *store, struct buf *error)
{
    struct gate_runtime *r = calloc(1, sizeof *r);
    const struct policy *p = settings_system(take);

    if (!r) {
        buf_add_text(error, "out of memory");
        goto fail;
    }
    r->lists = lists_load(setting_text(p, SETTING_lists_directory), error);
    r->lists_until_ms = INT64_MAX;
    if (!r->lists || (store && !lists_store_load(store, r->lists, &r->lists_until_ms, error)))
        goto fail;
    r->rules = rules_new();
    if (!r->rules) {
        buf_add_text(error, "out of memory");
        goto fail;
    }
    if (store && !rules_store_load(store, r->rules, error))
        goto fail;
    r->large_senders = large_senders_load(setting_text(p, SETTING_large_senders), error);
    if (!r->large_senders)
        goto fail;
    r->dnsbl = dnsbl_new(setting_list(p, SETTING_dnsbl_zones)->at, setting_list(p, SETTING_dnsbl_zones)->count);
    if (!r->dnsbl) {
        buf_add_text(error, "out of memory");
        goto fail;
    }
    settings_host_name(p, r->host, sizeof r->host);
    const char *why = setting_text(p, SETTING_why_url);
    int n = *why ? snprintf(r->why_url, sizeof r->why_url, "%s", why)
                 : snprintf(r->why_url, sizeof r->why_url, "https://%s/why", r->host);
    if (n < 0 || (size_t)n >= sizeof r->why_url) {
        buf_add_text(error, "why_url is too long");
        goto fail;
    }
    atomic_init(&r->refs, 1);
    r->settings = take;
    r->tls = take_tls;
    r->tls_configured = setting_list(p, SETTING_tls_certificates)->count > 0;
    return r;
fail:
    if (r) {
        lists_free(&r->lists);
        rules_free(&r->rules);
        dnsbl_unref(r->dnsbl);
        large_senders_free(&r->large_senders);
    }
    free(r);
    settings_unref(take);
    if (take_tls)
        tls_server_unref(take_tls);
    return NULL;
}

struct gate_runtime *gate_runtime_ref(struct gate_runtime *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void gate_runtime_unref(struct gate_runtime *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    settings_unref(r->settings);
    lists_free(&r->lists);
    rules_free(&r->rules);
    dnsbl_unref(r->dnsbl);
    large_senders_free(&r->large_senders);
    if (r->tls)
        tls_server_unref(r->tls);
    free(r);
}

/* Where fewer descriptors than sessions are to be had, sessions are turned away while there are some left for the mail already taken. */
static void measure_descriptors(struct gate *g, const struct policy *p)
{
    long long sessions = setting_number(p, SETTING_max_sessions);
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        files.rlim_cur = files.rlim_max = BESIDE_SESSIONS * 2;
    if (files.rlim_cur < files.rlim_max) {
        const struct rlimit more = {files.rlim_max, files.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &more) == 0)
            files.rlim_cur = files.rlim_max;
    }
    long long most = files.rlim_cur > INT32_MAX ? INT32_MAX : (long long)files.rlim_cur;
    long long beside = most / 2 < BESIDE_SESSIONS ? most / 2 : BESIDE_SESSIONS;
    atomic_store(&g->descriptors, (int)(most - beside));
    if (most - beside < sessions && sessions != g->told_sessions)
        log_warning("max_sessions is %lld, but the limit of %lld descriptors leaves fewer than %lld for sessions: more get 421 (raise LimitNOFILE)",
                    sessions, most, most - beside);
    g->told_sessions = sessions;
}

bool gate_is_short(const struct gate *g, int fd)
{
    return fd >= atomic_load_explicit(&g->descriptors, memory_order_relaxed);
}

struct gate *gate_new(const struct gate_parts *parts, struct gate_runtime *take)
{
    struct gate *g = calloc(1, sizeof *g);

    if (!g) {
        gate_runtime_unref(take);
        return NULL;
    }
    g->parts = *parts;
    g->runtime = take;
    g->spool_directory = setting_text(settings_system(take->settings), SETTING_spool_directory);
    char *copy = strdup(g->spool_directory); /* the settings it came from may be swapped away */
    g->aside = aside_new(g->spool_directory, (size_t)setting_number(settings_system(take->settings), SETTING_max_aside));
    g->keys = key_cache_new(KEYS_MOST);
    if (!copy || !g->aside || !g->keys) {
        aside_free(&g->aside);
        key_cache_free(&g->keys);
        free(copy);
        gate_runtime_unref(take);
        free(g);
        return NULL;
    }
    g->spool_directory = copy;
    pthread_mutex_init(&g->lock, NULL);
    measure_descriptors(g, settings_system(take->settings));
    return g;
}

void gate_swap(struct gate *g, struct gate_runtime *take)
{
    measure_descriptors(g, settings_system(take->settings));
    pthread_mutex_lock(&g->lock);
    struct gate_runtime *old = g->runtime;
    g->runtime = take;
    pthread_mutex_unlock(&g->lock);
    gate_runtime_unref(old);
}

struct gate_runtime *gate_take(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    struct gate_runtime *r = gate_runtime_ref(g->runtime);
    pthread_mutex_unlock(&g->lock);
    return r;
}

static void close_listener(struct listener *l)
{
    waiter_remove(&l->item);
    close(l->fd);
    free(l);
}

static void complain(struct listener *l, int trouble)
{
    int64_t now_ms = clock_mono_ms();

    if (now_ms < l->complain_from_ms)
        return;
    l->complain_from_ms = now_ms + COMPLAIN_MS;
    log_error("a connection could not be taken: %s; clients wait until there is room", strerror(trouble));
}

static void listener_run(struct waiter_item *item, enum wake why)
{
    struct listener *l = container_of(item, struct listener, item);
    int64_t deadline_ms = INT64_MAX;
    short events = POLLIN;

    if (why == WAKE_STOP || atomic_load(&l->gate->stopping)) {
        close_listener(l);
        return;
    }
    for (int i = 0; why == WAKE_READY && i < ACCEPTS_AT_ONCE; i++) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof sa;
        int fd = accept4(l->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            struct endpoint peer;
            peer.ip = ip_from_sockaddr((struct sockaddr *)&sa, &peer.port);
            session_start(l->gate, fd, l->service, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* the kernel keeps them in the backlog; asking again at once would only burn time */
            complain(l, errno);
            events = 0;
            deadline_ms = clock_mono_ms() + ACCEPT_PAUSE_MS;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK || events == 0)
            break;
    }
    waiter_arm(&l->item, events, deadline_ms);
}

bool gate_listen(struct gate *g, int fd, enum service service)
{
    struct listener *l = calloc(1, sizeof *l);

    if (!l) {
        close(fd);
        return false;
    }
    l->gate = g;
    l->service = service;
    l->fd = fd;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || !waiter_add(g->parts.waiter, &l->item, fd, listener_run)) {
        log_error("listener: %s", strerror(errno));
        close(fd);
        free(l);
        return false;
    }
    waiter_arm(&l->item, POLLIN, INT64_MAX);
    return true;
}

void gate_stop(struct gate *g)
{
    atomic_store(&g->stopping, true);
}

void gate_free(struct gate **g)
{
    if (!*g)
        return;
    gate_runtime_unref((*g)->runtime);
    pthread_mutex_destroy(&(*g)->lock);
    aside_free(&(*g)->aside);
    key_cache_free(&(*g)->keys);
    free((void *)(uintptr_t)(*g)->spool_directory);
    free(*g);
    *g = NULL;
}
