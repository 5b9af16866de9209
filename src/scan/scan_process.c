/*
 * scan_process.c: the process that reads messages. It confines itself, then answers one question at a time until the socket closes.
 * It trusts the relay and nothing else; whatever a message makes of it, all that it can still do is to answer or to die.
 */
#include "scan/scan.h"

#include "base/log.h"
#include "base/packet.h"
#include "scan/analysis.h"
#include "scan/sandbox_parts.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { TICK_S = 1, TICKS_A_MESSAGE = 60 }; /* seconds of CPU, beside the relay's own timeout */
/* ThreadSanitizer holds a signal back until a call that it knows to block: it knows poll(), which a wait with a limit goes through. */
enum { QUESTION_WAIT_MS = SANDBOX_IS_RELAXED ? INT_MAX : -1 };

struct scan_packet {
    struct scan_question question;
    char bytes[SCAN_INLINE_MAX];
};

/* The writable globals: a signal handler can be reached in no other way. */
static volatile sig_atomic_t turns;   /* counts beginnings and ends of messages; odd: one is being read */
static volatile sig_atomic_t channel; /* to the relay */

/*
 * Comes after each second of CPU, so it never comes to a process that waits. Armed once, it costs no system call per message.
 * A message that holds the process for too many of them ends it, also when no relay is left to have it killed.
 */
static void on_tick(int signal_number)
{
    static volatile sig_atomic_t seen, ticks;

    (void)signal_number;
    if (turns % 2 == 0 || turns != seen) {
        seen = turns;
        ticks = 0;
        return;
    }
    if (++ticks >= TICKS_A_MESSAGE)
        _exit(EX_SOFTWARE);
}

/*
 * The master replaces us, e.g. for another memory limit. The relay may ask in this very moment: what it has asked is still answered, what it
 * would ask now fails with EPIPE, and it asks another process.
 */
static void on_leave(int signal_number)
{
    int before = errno;

    (void)signal_number;
    shutdown(channel, SHUT_RD);
    errno = before;
}

static bool arm_signals(void)
{
    struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART}, leave = {.sa_handler = on_leave, .sa_flags = SA_RESTART};
    struct itimerval every = {.it_interval.tv_sec = TICK_S, .it_value.tv_sec = TICK_S};

    return sigaction(SIGPROF, &tick, NULL) == 0 && sigaction(SIGTERM, &leave, NULL) == 0 && setitimer(ITIMER_PROF, &every, NULL) == 0;
}

/* The bytes of a message that came as a descriptor; at == NULL when they cannot be had. */
static struct str map_message(int fd, uint64_t size)
{
    off_t there = lseek(fd, 0, SEEK_END);

    /* a file shorter than it is said to be would kill us at its end */
    if (there < 0 || (uint64_t)there < size || size == 0)
        return str_n(NULL, 0);
    void *map = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    return map == MAP_FAILED ? str_n(NULL, 0) : str_n(map, (size_t)size);
}

static bool scan_large(struct analyzer *analyzer, const struct scan_question *question, int fd, struct scan_report *out)
{
    struct str message = map_message(fd, question->size);

    if (!message.at)
        return false;
    analyze(analyzer, message, &question->limits, out);
    munmap((void *)(uintptr_t)message.at, message.len);
    return true;
}

/* False when the packet is not a question, or its message cannot be had. */
static bool scan_question(struct analyzer *analyzer, const struct scan_packet *packet, size_t len, const struct packet_fds *fds,
                          struct scan_report *out)
{
    const struct scan_question *question = &packet->question;

    if (len < sizeof *question || fds->count != (question->is_inline ? 0U : 1U))
        return false;
    if (!question->is_inline)
        return scan_large(analyzer, question, fds->fd[0], out);
    if (question->size != len - sizeof *question)
        return false;
    analyze(analyzer, str_n(packet->bytes, (size_t)question->size), &question->limits, out);
    return true;
}

/* The fixed part with the first of the records, then what did not fit. */
static bool send_report(int socket, const struct scan_report *report)
{
    struct scan_report head = *report;
    size_t sent = SCAN_FIRST_PACKET_MAX - sizeof head < report->tail_len ? SCAN_FIRST_PACKET_MAX - sizeof head : report->tail_len;
    struct iovec pieces[2] = {{.iov_base = &head, .iov_len = sizeof head}, {.iov_base = (void *)(uintptr_t)report->tail, .iov_len = sent}};

    head.tail = NULL;
    if (!packet_sendv(socket, pieces, sent ? 2 : 1, NULL, -1))
        return false;
    while (sent < report->tail_len) {
        size_t n = report->tail_len - sent < SCAN_NEXT_PACKET_MAX ? report->tail_len - sent : SCAN_NEXT_PACKET_MAX;
        if (!packet_send(socket, report->tail + sent, n, NULL, -1))
            return false;
        sent += n;
    }
    return true;
}

static bool answer(int socket, struct analyzer *analyzer, const struct scan_packet *packet, size_t len, const struct packet_fds *fds)
{
    struct scan_report report;

    turns++;
    bool read = scan_question(analyzer, packet, len, fds, &report);
    for (size_t i = 0; i < fds->count; i++)
        close(fds->fd[i]);
    report.sequence = packet->question.sequence;
    bool sent = read && send_report(socket, &report);
    turns++;
    return sent;
}

static int serve(int socket, struct analyzer *analyzer, struct scan_packet *packet)
{
    struct packet_fds fds;

    for (;;) {
        ptrdiff_t n = packet_receive(socket, packet, sizeof *packet, &fds, QUESTION_WAIT_MS);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return EX_OK;
        if (n < 0 || !answer(socket, analyzer, packet, (size_t)n, &fds))
            return EX_PROTOCOL;
    }
}

/* Whatever reads files (tables of charsets, of domains) does so here, while it may. */
static bool prepare(struct analyzer **analyzer, struct scan_packet **packet)
{
    if (setenv("TZ", "UTC0", 1) != 0) /* dates in archives: the zone would be read from a file */
        return false;
    tzset();
    *analyzer = analyzer_new();
    *packet = malloc(sizeof **packet);
    return *analyzer && *packet && prctl(PR_SET_DUMPABLE, 0) == 0 && arm_signals();
}

int scan_process(int socket, uint64_t memory_limit)
{
    const struct sandbox_paths nothing = {.read = NULL};
    struct analyzer *analyzer = NULL;
    struct scan_packet *packet = NULL;
    int code = EX_OSERR;

    channel = socket;
    if (!prepare(&analyzer, &packet))
        log_error("the scan process cannot start: %s", strerror(errno));
    else if (!sandbox_enter(SANDBOX_SCAN, &nothing, memory_limit))
        log_error("the scan process cannot confine itself: %s; no message is read", strerror(errno));
    else
        code = serve(socket, analyzer, packet);
    free(packet);
    analyzer_free(&analyzer);
    if (SANDBOX_IS_RELAXED)
        _exit(code); /* the leak check at the end of such a build needs what the sandbox refuses */
    return code;
}
