/*
 * control.c: the control socket of `postern <noun> <verb>`: one JSON object in, one out, one connection at a time. Who may open the socket
 * (owner and group of run_directory) may steer the relay.
 */
#include "relay/parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "courier/callout.h"
#include "courier/control.h"
#include "store/message_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { REQUEST_MAX = 64 * 1024, PATIENCE_MS = 5000 };

struct control {
    struct relay *relay;
    pthread_t thread;
    int fd, stop[2];
    char path[108];
};

static json_t *refuse(const char *why)
{
    return json_pack("{s:b, s:s}", "ok", 0, "error", why);
}

static json_t *stats_answers(const struct gate *g)
{
    json_t *answers = json_object();

    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++) {
        uint64_t n = atomic_load_explicit(&g->given[r], memory_order_relaxed);
        if (n)
            json_object_set_new(answers, reason_row(r)->slug, json_integer((json_int_t)n));
    }
    return answers;
}

static json_t *stats_block_lists(struct gate *g)
{
    struct gate_runtime *runtime = gate_take(g);
    json_t *lists = json_object();
    char state[160];

    for (size_t i = 0; i < dnsbl_zone_count(runtime->dnsbl); i++)
        json_object_set_new(lists, dnsbl_zone_name(runtime->dnsbl, i), json_string(dnsbl_zone_state(runtime->dnsbl, i, state)));
    gate_runtime_unref(runtime);
    return lists;
}

static json_t *stats_greylist(struct greylist *g)
{
    struct greylist_stats s;

    greylist_stats(g, &s);
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "entries", (json_int_t)s.entries, "first_contacts", (json_int_t)s.grey, "evicted",
                     (json_int_t)s.evicted, "no_room", (json_int_t)s.no_room, "lost", (json_int_t)s.lost);
}

static json_t *stats_message_log(struct message_log *rows)
{
    struct message_log_stats s = {0};

    if (rows)
        message_log_stats(rows, &s);
    return json_pack("{s:I, s:I, s:I, s:I, s:b}", "written", (json_int_t)s.written, "waiting_bytes", (json_int_t)s.waiting_bytes, "dropped",
                     (json_int_t)s.dropped, "damaged", (json_int_t)s.damaged, "failing", s.failing);
}

static json_t *relay_stats(struct relay *r)
{
    struct spool_stats spool;

    spool_stats(r->spool, &spool);
    return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "ok", 1, "uptime_ms",
                     (json_int_t)(clock_mono_ms() - r->started_ms), "sessions", (json_int_t)atomic_load(&r->gate->sessions),
                     "workers_busy", (json_int_t)waiter_busy(r->waiter), "scanners", (json_int_t)scan_pool_size(r->scan),
                     "accepted_messages", (json_int_t)atomic_load(&r->gate->accepted_messages), "queue_messages",
                     (json_int_t)spool.messages, "queue_recipients", (json_int_t)spool.recipients, "commits", (json_int_t)spool.commits,
                     "bytes_free", (json_int_t)spool.bytes_free, "spool_failed", spool.failed, "answers", stats_answers(r->gate),
                     "block_lists", stats_block_lists(r->gate), "greylist", stats_greylist(r->greylist), "reputation", control_reputation_stats(r->reputation), "dns", control_dns_stats(r->dns),
                     "message_log", stats_message_log(r->rows), "limited_rules",
                     (json_int_t)atomic_load(&r->gate->limited_rules));
}

/* Only where the configuration says that this is a test: it moves every deadline and schedule. */
static json_t *clock_advance(struct relay *r, const json_t *request)
{
    struct settings *settings = settings_take(r->settings);
    bool allowed = setting_flag(settings_system(settings), SETTING_test_clock);
    json_int_t seconds = json_integer_value(json_object_get(request, "seconds"));

    settings_unref(settings);
    if (!allowed)
        return refuse("test_clock is off");
    if (seconds <= 0 || seconds > 366 * 24 * 3600)
        return refuse("seconds: 1 … 31622400");
    clock_turn((int64_t)seconds * 1000);
    courier_clock_turned(r->courier);
    return json_pack("{s:b, s:I}", "ok", 1, "offset_s", (json_int_t)(clock_offset_ms() / 1000));
}

static json_t *run(struct relay *r, const json_t *request)
{
    const char *noun = json_string_value(json_object_get(request, "noun"));
    const char *verb = json_string_value(json_object_get(request, "verb"));

    if (!noun || !verb)
        return refuse("noun and verb are needed");
    if (strcmp(noun, "queue") == 0)
        return courier_control(r->courier, request);
    if (strcmp(noun, "greylist") == 0)
        return control_greylist(r->greylist, request);
    if (strcmp(noun, "reputation") == 0)
        return control_reputation(r, request);
    if (strcmp(noun, "dns") == 0)
        return control_dns(r->dns, request);
    if (strcmp(noun, "auth") == 0)
        return control_auth(r->denials, request);
    if (strcmp(noun, "callout") == 0)
        return callouts_control(r->callouts, request);
    if (strcmp(noun, "relay") == 0 && strcmp(verb, "stats") == 0)
        return relay_stats(r);
    if (strcmp(noun, "clock") == 0 && strcmp(verb, "advance") == 0)
        return clock_advance(r, request);
    if (strcmp(noun, "log") == 0 && strcmp(verb, "flush") == 0) {
        event_log_flush(r->log);
        return !r->rows || message_log_flush(r->rows, PATIENCE_MS / 2) ? json_pack("{s:b}", "ok", 1) : refuse("the store does not take rows now");
    }
    return refuse("no such noun and verb");
}

static bool wait_for(int fd, short events, int64_t deadline_ms)
{
    int64_t left_ms = deadline_ms - clock_mono_ms();
    struct pollfd p = {.fd = fd, .events = events};

    return left_ms > 0 && poll(&p, 1, (int)left_ms) > 0;
}

/* One line; false when it did not come whole in time, or is too long. */
static bool read_request(int fd, struct buf *line)
{
    int64_t deadline_ms = clock_mono_ms() + PATIENCE_MS;
    char piece[4096];

    while (wait_for(fd, POLLIN, deadline_ms)) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return line->len > 0;
        if (!buf_add(line, piece, (size_t)n))
            return false;
        if (memchr(piece, '\n', (size_t)n))
            return true;
    }
    return false;
}

static void write_answer(int fd, const char *text, size_t len)
{
    while (len && wait_for(fd, POLLOUT, clock_mono_ms() + PATIENCE_MS)) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

static void serve(struct control *c, int fd)
{
    struct buf line = buf_make(REQUEST_MAX);
    json_error_t trouble;

    if (read_request(fd, &line)) {
        json_t *request = json_loadb(line.at, line.len, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &trouble);
        json_t *result = json_is_object(request) ? run(c->relay, request) : refuse("the request is not a JSON object");
        char *text = result ? json_dumps(result, JSON_COMPACT) : NULL;
        if (text)
            write_answer(fd, text, strlen(text));
        free(text);
        json_decref(result);
        json_decref(request);
    }
    buf_free(&line);
}

static void *control_thread(void *arg)
{
    struct control *c = arg;
    struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = c->stop[0], .events = POLLIN}};

    for (;;) {
        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (p[1].revents)
            return NULL;
        int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            continue;
        serve(c, fd);
        close(fd);
    }
}

static bool open_socket(struct control *c, const char *run_directory)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(c->path, sizeof c->path, "%s/control", run_directory);

    if (n < 0 || (size_t)n >= sizeof c->path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address.sun_path, c->path, (size_t)n + 1);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(c->path); /* left by a relay that was killed; a second gateway is kept away by the spool's lock */
    return c->fd >= 0 && bind(c->fd, (struct sockaddr *)&address, sizeof address) == 0 && chmod(c->path, 0660) == 0 &&
           listen(c->fd, 16) == 0;
}

struct control *control_start(struct relay *r, const char *run_directory, struct buf *error)
{
    struct control *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->relay = r;
    c->stop[0] = c->stop[1] = c->fd = -1;
    if (!open_socket(c, run_directory) || pipe2(c->stop, O_CLOEXEC) < 0 || pthread_create(&c->thread, NULL, control_thread, c) != 0) {
        buf_addf(error, "%s/control: %s", run_directory, strerror(errno));
        close(c->fd);
        free(c);
        return NULL;
    }
    return c;
}

void control_stop(struct control **c)
{
    if (!*c)
        return;
    if (write((*c)->stop[1], "", 1) == 1)
        pthread_join((*c)->thread, NULL);
    unlink((*c)->path);
    close((*c)->fd);
    close((*c)->stop[0]);
    close((*c)->stop[1]);
    free(*c);
    *c = NULL;
}
