/*
 * bench_load.c: clients for `script/bench latency`, `reject` and `policy`, cheap enough to share two cores with what they measure.
 *
 *     bench-load latency PORT SESSIONS MESSAGES BYTES   sessions kept open; the time from MAIL to the 250 behind the dot
 *     bench-load reject  PORT SESSIONS CONNECTIONS      a connection each: EHLO, MAIL, a refused RCPT, QUIT; the time from connect() to 221
 *     bench-load policy  PORT SESSIONS CONNECTIONS KIND FIRST ANSWER
 *         a connection each, from an address, with a HELO and a sender that nobody used before (KIND.bench.test, numbers from FIRST), so that no
 *         cache knows them; the time from connect() to the answer to RCPT, which begins with ANSWER
 *
 * A closed loop in one thread: a session's next message begins when the last one ends. 127.0.0.1 only. One JSON line at the end; any answer
 * but the expected one counts as an error, and a hundred of those, or a minute without any answer, end the program.
 */
#include "base/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SESSIONS_MAX = 1000, COUNT_MAX = 10 * 1000 * 1000, BYTES_MAX = 16 * 1024 * 1024, ERRORS_MAX = 100, SILENCE_MS = 60000, LINE_MAX_BYTES = 4096 };

/* What is said when a step begins, and the class of the answer that leads to the next one. */
enum step { BANNER, EHLO, MAIL, RCPT, DATA, BODY, QUIT };

struct plan {
    bool connects;      /* each message has a connection of its own, and is not sent after all */
    const char *rcpt, *rcpt_answer; /* what is said, and how the answer begins */
    const char *kind;   /* of sender; NULL: all clients are one, and time ends with QUIT */
    size_t first;       /* number of the first client */
    char *body;   /* owned */
    size_t body_len;
};

struct client {
    int fd;       /* -1: closed */
    enum step step;
    size_t number;
    int64_t begun_us;
    size_t sent;  /* of the body */
    char in[LINE_MAX_BYTES];
    size_t len;
};

struct load {
    struct plan plan;
    uint16_t port;
    int epoll;
    size_t wanted, begun, done, errors, open;
    uint32_t *times_us; /* owned: of those done */
    struct client clients[SESSIONS_MAX];
};

static void trouble(struct load *l, const struct client *c, const char *what)
{
    if (l->errors++ < 3)
        fprintf(stderr, "bench-load: step %d: %s\n", (int)c->step, what);
    if (l->errors >= ERRORS_MAX) {
        fprintf(stderr, "bench-load: too many errors\n");
        exit(1);
    }
}

static void hang_up(struct load *l, struct client *c)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    l->open--;
}

static void watch(struct load *l, struct client *c, int operation, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};

    if (epoll_ctl(l->epoll, operation, c->fd, &e) != 0) {
        perror("bench-load: epoll_ctl");
        exit(1);
    }
}

/* A loopback address of the client's own, outside 127.0.0.0/16. */
static void take_address(const struct client *c)
{
    uint32_t n = (uint32_t)c->number, last = 1 + n % 250, third = n / 250 % 250, second = 1 + n / 62500;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(127u << 24 | second << 16 | third << 8 | last)};

    if (second > 255 || bind(c->fd, (struct sockaddr *)&from, sizeof from) != 0) {
        perror("bench-load: bind");
        exit(1);
    }
}

static void dial(struct load *l, struct client *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(l->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    c->number = l->plan.first + l->begun;
    if (l->plan.connects)
        l->begun++;
    c->begun_us = clock_mono_us();
    c->step = BANNER;
    c->len = 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd >= 0 && l->plan.kind)
        take_address(c);
    if (c->fd < 0 || (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
        perror("bench-load: connect");
        exit(1);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    l->open++;
    watch(l, c, EPOLL_CTL_ADD, EPOLLIN);
}

static void say(struct load *l, struct client *c, enum step step, const char *text)
{
    size_t len = strlen(text);

    c->step = step;
    if (send(c->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len) { /* a line always fits an idle socket */
        trouble(l, c, "the line was not taken");
        hang_up(l, c);
    }
}

/* The lines that tell clients apart. */
static void introduce(struct load *l, struct client *c, enum step step)
{
    char line[256];

    if (!l->plan.kind) {
        say(l, c, step, step == EHLO ? "EHLO client.bench.test\r\n" : "MAIL FROM:<a@sender.test>\r\n");
        return;
    }
    snprintf(line, sizeof line, step == EHLO ? "EHLO helo%zu.%s.bench.test\r\n" : "MAIL FROM:<a@sender%zu.%s.bench.test>\r\n", c->number, l->plan.kind);
    say(l, c, step, line);
}

static void send_body(struct load *l, struct client *c)
{
    while (c->sent < l->plan.body_len) {
        ssize_t n = send(c->fd, l->plan.body + c->sent, l->plan.body_len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(l, c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) {
            trouble(l, c, "the message was not taken");
            hang_up(l, c);
            return;
        }
        c->sent += (size_t)n;
    }
}

static void next_message(struct load *l, struct client *c)
{
    if (!l->plan.connects && l->begun == l->wanted) {
        say(l, c, QUIT, "QUIT\r\n");
        return;
    }
    if (!l->plan.connects) { /* otherwise the connection began it */
        l->begun++;
        c->begun_us = clock_mono_us();
    }
    introduce(l, c, MAIL);
}

static void finish(struct load *l, const struct client *c)
{
    int64_t took_us = clock_mono_us() - c->begun_us;

    l->times_us[l->done++] = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;
}

static bool is_expected(const struct load *l, const struct client *c)
{
    const char *must = c->step == DATA ? "3" : c->step == RCPT ? l->plan.rcpt_answer : "2";

    return strncmp(c->in, must, strlen(must)) == 0;
}

/* The answer to a connection's QUIT: it is over, and another may begin. */
static void after_quit(struct load *l, struct client *c)
{
    if (l->plan.connects && !l->plan.kind)
        finish(l, c);
    hang_up(l, c);
    if (l->plan.connects && l->begun < l->wanted)
        dial(l, c);
}

static void answered(struct load *l, struct client *c)
{
    if (!is_expected(l, c)) {
        trouble(l, c, c->in);
        hang_up(l, c);
        return;
    }
    switch (c->step) {
    case BANNER: introduce(l, c, EHLO); break;
    case EHLO: next_message(l, c); break;
    case MAIL: say(l, c, RCPT, l->plan.rcpt); break;
    case RCPT:
        if (l->plan.kind)
            finish(l, c);
        if (l->plan.connects)
            say(l, c, QUIT, "QUIT\r\n");
        else
            say(l, c, DATA, "DATA\r\n");
        break;
    case DATA:
        c->step = BODY;
        c->sent = 0;
        send_body(l, c);
        break;
    case BODY:
        finish(l, c);
        next_message(l, c);
        break;
    case QUIT: after_quit(l, c); break;
    }
}

/* A reply is whole when its last line has a space behind the code; nobody answers twice before we speak again. */
static bool is_whole(struct client *c)
{
    size_t last = 0;

    if (c->len < 5 || c->in[c->len - 1] != '\n')
        return false;
    for (size_t i = 0; i + 1 < c->len; i++)
        if (c->in[i] == '\n')
            last = i + 1;
    return c->len - last > 3 && c->in[last + 3] == ' ';
}

static void read_reply(struct load *l, struct client *c)
{
    ssize_t n = recv(c->fd, c->in + c->len, sizeof c->in - 1 - c->len, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        trouble(l, c, n < 0 ? strerror(errno) : "the connection was closed");
        hang_up(l, c);
        return;
    }
    c->len += (size_t)n;
    c->in[c->len] = '\0';
    if (!is_whole(c))
        return;
    c->len = 0;
    answered(l, c);
}

static void run(struct load *l)
{
    struct epoll_event ready[64];

    while (l->open) {
        int n = epoll_wait(l->epoll, ready, 64, SILENCE_MS);
        if (n == 0) {
            fprintf(stderr, "bench-load: a minute of silence\n");
            exit(1);
        }
        for (int i = 0; i < n; i++) {
            struct client *c = ready[i].data.ptr;
            if (c->fd >= 0 && ready[i].events & EPOLLOUT && c->step == BODY) {
                watch(l, c, EPOLL_CTL_MOD, EPOLLIN);
                send_body(l, c);
            }
            if (c->fd >= 0 && ready[i].events & ~(uint32_t)EPOLLOUT)
                read_reply(l, c);
        }
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile_ms(const struct load *l, double part)
{
    size_t i = (size_t)((double)l->done * part);

    return l->done ? (double)l->times_us[i < l->done ? i : l->done - 1] / 1000 : 0;
}

static void make_body(struct plan *p, size_t bytes)
{
    static const char head[] = "From: <a@sender.test>\r\nTo: <user@peer.test>\r\nSubject: bench\r\n\r\n";
    static const char line[] = "This is a line of benchmark text, long enough to look like text of a mail.\r\n";
    size_t len = sizeof head - 1;

    p->body = malloc(bytes + sizeof head + sizeof line + 3);
    if (!p->body)
        exit(1);
    memcpy(p->body, head, len);
    while (len < bytes) {
        memcpy(p->body + len, line, sizeof line - 1);
        len += sizeof line - 1;
    }
    memcpy(p->body + len, ".\r\n", 3);
    p->body_len = len + 3;
}

static size_t number(const char *text, size_t most)
{
    unsigned long value = strtoul(text, NULL, 10);

    if (value < 1 || value > most) {
        fprintf(stderr, "bench-load: %s: from 1 to %zu\n", text, most);
        exit(64);
    }
    return value;
}

static void usage(void)
{
    fprintf(stderr, "usage: bench-load latency PORT SESSIONS MESSAGES BYTES | bench-load reject PORT SESSIONS CONNECTIONS\n"
                    "       bench-load policy PORT SESSIONS CONNECTIONS KIND FIRST ANSWER\n");
    exit(64);
}

static void make_plan(struct plan *p, int argc, char **argv)
{
    bool rejects = argc == 5 && strcmp(argv[1], "reject") == 0, policy = argc == 8 && strcmp(argv[1], "policy") == 0;

    if (!rejects && !policy && !(argc == 6 && strcmp(argv[1], "latency") == 0))
        usage();
    p->connects = rejects || policy;
    p->rcpt = rejects ? "RCPT TO:<user@elsewhere.test>\r\n" : "RCPT TO:<user@peer.test>\r\n";
    p->rcpt_answer = rejects ? "5" : policy ? argv[7] : "2";
    if (policy) {
        p->kind = argv[5];
        p->first = number(argv[6], COUNT_MAX);
    }
    make_body(p, p->connects ? 1 : number(argv[5], BYTES_MAX));
}

int main(int argc, char **argv)
{
    struct load *l = calloc(1, sizeof *l);

    if (!l)
        return 1;
    make_plan(&l->plan, argc, argv);
    l->port = (uint16_t)number(argv[2], UINT16_MAX);
    l->wanted = number(argv[4], COUNT_MAX);
    l->times_us = calloc(l->wanted, sizeof *l->times_us);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!l->times_us || l->epoll < 0)
        return 1;
    size_t sessions = number(argv[3], SESSIONS_MAX);
    int64_t begun_us = clock_mono_us();
    for (size_t i = 0; i < sessions && i < l->wanted; i++)
        dial(l, &l->clients[i]);
    run(l);
    double seconds = (double)(clock_mono_us() - begun_us) / 1e6;
    qsort(l->times_us, l->done, sizeof *l->times_us, by_size);
    printf("{\"done\": %zu, \"errors\": %zu, \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n", l->done,
           l->errors, seconds, (double)l->done / seconds, percentile_ms(l, 0.5), percentile_ms(l, 0.99), percentile_ms(l, 1));
    free(l->times_us);
    free(l->plan.body);
    free(l);
    return 0;
}
