/*
 * sink.c: see sink.h. It plays somebody else's server, so its texts are its own; they stand in one table. A thread per connection,
 * linear and blocking.
 */
#include "cli/sink.h"

#include "base/blob.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/stream.h"
#include "smtp/command.h"
#include "smtp/dot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { PATIENCE_MS = 300000, LINE_MAX_BYTES = 4096, MOST_RECIPIENTS = 1000, MOST_SEEN = 100000 };
enum { SIZE_LIMIT = 100 * 1024 * 1024 };

/* What recipients make the sink do, by the beginning of their local part. */
static const struct behaviour {
    const char *local;
    bool at_data;       /* answered after the message */
    const char *reply;  /* NULL: not a reply */
    const char *help;
} behaviours[] = {
    {"full", false, "452 4.2.2 Mailbox full, try again later", "mailbox full, for now"},
    {"overquota", false, "552 5.2.2 Mailbox full", "mailbox full, for good"},
    {"gone", false, "550 5.1.1 No such user here", "unknown address"},
    {"nobody-", false, "550 5.1.1 No such user here", "likewise: what a gateway asks for to see whether any address is taken"},
    {"defer-once", false, "451 4.3.0 Not now", "deferred the first time, then accepted"},
    {"late-reject", true, "550 5.7.1 Message refused", "refused after the message"},
    {"late-defer", true, "451 4.3.0 Cannot take it now", "deferred after the message"},
    {"drop", false, NULL, "the connection is cut"},
    {"slow-", false, NULL, "slow-N: N seconds before the answer"},
};

struct sink {
    char maildir[4096];
    bool lmtp, quiet;
    int listener;
    atomic_uint serial;
    pthread_mutex_t lock;
    char *seen[MOST_SEEN]; /* defer-once recipients that were deferred already */
    size_t seen_count;
};

struct visit {
    struct sink *sink;
    struct stream stream;
    struct endpoint peer;
    struct mail_args mail;
    bool has_mail;
    struct rcpt_args *rcpts;
    size_t count;
    char helo[256];
};

static bool say(struct visit *v, const char *line)
{
    return stream_queue(&v->stream, str_from(line)) && stream_queue(&v->stream, STR("\r\n"));
}

static const struct behaviour *behaviour_of(const struct rcpt_args *r)
{
    for (size_t i = 0; i < sizeof behaviours / sizeof *behaviours; i++)
        if (str_starts_case(address_local(&r->recipient), str_from(behaviours[i].local)))
            return &behaviours[i];
    return NULL;
}

static bool seen_before(struct sink *s, struct str address)
{
    bool found = false;

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->seen_count && !found; i++)
        found = str_is(address, s->seen[i]);
    if (!found && s->seen_count < MOST_SEEN && (s->seen[s->seen_count] = str_dup(address)) != NULL)
        s->seen_count++;
    pthread_mutex_unlock(&s->lock);
    return found;
}

static void reset(struct visit *v)
{
    v->has_mail = false;
    v->count = 0;
}

static bool cmd_hello(struct visit *v, struct str args, bool extended)
{
    str_copy(v->helo, sizeof v->helo, args);
    reset(v);
    if (!extended)
        return say(v, "250 sink.test");
    return say(v, "250-sink.test") && say(v, "250-PIPELINING") && say(v, "250-8BITMIME") && say(v, "250-SMTPUTF8") && say(v, "250-DSN") &&
           say(v, "250-SIZE 104857600") && say(v, "250-CHUNKING") && say(v, "250-BINARYMIME") && say(v, "250 ENHANCEDSTATUSCODES");
}

static const struct offered offered = {.size = true, .body = true, .binarymime = true, .smtputf8 = true, .dsn = true, .requiretls = true};

static bool cmd_mail(struct visit *v, struct str args)
{
    const char *why = NULL;

    if (v->has_mail)
        return say(v, "503 5.5.1 A transaction is open");
    if (mail_args_parse(args, &offered, &v->mail, &why) != ARGS_OK)
        return say(v, "501 5.5.4 Cannot read that");
    v->has_mail = true;
    return say(v, "250 2.1.0 Sender taken");
}

static bool cmd_rcpt(struct visit *v, struct str args)
{
    const char *why = NULL;

    if (!v->has_mail)
        return say(v, "503 5.5.1 MAIL comes first");
    if (v->count == MOST_RECIPIENTS)
        return say(v, "452 4.5.3 Too many recipients");
    struct rcpt_args *r = &v->rcpts[v->count];
    if (rcpt_args_parse(args, &offered, v->mail.smtputf8, r, &why) != ARGS_OK)
        return say(v, "501 5.1.3 Cannot read that");
    const struct behaviour *b = behaviour_of(r);
    if (b && strcmp(b->local, "drop") == 0)
        return false;
    if (b && strcmp(b->local, "slow-") == 0) {
        uint64_t seconds;
        if (str_to_u64(str_from_index(address_local(&r->recipient), 5), 3600, &seconds))
            poll(NULL, 0, (int)seconds * 1000);
    } else if (b && strcmp(b->local, "defer-once") == 0) {
        if (!seen_before(v->sink, address_text(&r->recipient)))
            return say(v, b->reply);
    } else if (b && !b->at_data) {
        return say(v, b->reply);
    }
    v->count++;
    return say(v, "250 2.1.5 Recipient taken");
}

static bool collect(void *arg, const char *at, size_t len)
{
    return blob_append(arg, at, len) == BLOB_OK;
}

static void add_envelope(const struct visit *v, struct buf *head)
{
    char peer[ENDPOINT_TEXT_MAX];

    buf_addf(head, "X-Sink-Mail-From: <" STR_FMT ">\r\n", STR_ARG(address_text(&v->mail.sender)));
    for (size_t i = 0; i < v->count; i++) {
        buf_addf(head, "X-Sink-Rcpt-To: <" STR_FMT ">", STR_ARG(address_text(&v->rcpts[i].recipient)));
        if (v->rcpts[i].notify || v->rcpts[i].orcpt[0])
            buf_addf(head, " NOTIFY=%u ORCPT=%s", v->rcpts[i].notify, v->rcpts[i].orcpt);
        buf_add_text(head, "\r\n");
    }
    if (v->mail.ret != DSN_RET_UNSET || v->mail.envid[0])
        buf_addf(head, "X-Sink-Dsn: RET=%s ENVID=%s\r\n", v->mail.ret == DSN_RET_FULL ? "FULL" : v->mail.ret == DSN_RET_HDRS ? "HDRS" : "",
                 v->mail.envid);
    buf_addf(head, "X-Sink-Client: %s; helo=%s; body=%d; smtputf8=%d\r\n", endpoint_format(&v->peer, peer), v->helo, (int)v->mail.body,
             v->mail.smtputf8);
}

/* tmp, fsync, then new: what is in new/ is whole, also after a crash. */
static bool store(struct visit *v, const struct blob *body)
{
    struct buf head = buf_make(1024 * 1024);
    char name[128], from[4300], to[4300];

    snprintf(name, sizeof name, "%lld.%d_%u.sink", (long long)clock_wall_ms(), (int)getpid(), atomic_fetch_add(&v->sink->serial, 1));
    snprintf(from, sizeof from, "%s/tmp/%s", v->sink->maildir, name);
    snprintf(to, sizeof to, "%s/new/%s", v->sink->maildir, name);
    add_envelope(v, &head);
    int fd = open(from, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    struct str bytes = blob_bytes(body);
    bool ok = fd >= 0 && !head.failed && file_write_all(fd, head.at, head.len) && file_write_all(fd, bytes.at, bytes.len) && fsync(fd) == 0;
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    buf_free(&head);
    return ok && rename(from, to) == 0;
}

static const char *late_answer(const struct rcpt_args *r)
{
    const struct behaviour *b = behaviour_of(r);

    return b && b->at_data ? b->reply : NULL;
}

/* One answer, in LMTP one per recipient. A late refusal of one holds for all in SMTP. */
static bool finish(struct visit *v, struct blob *body)
{
    const char *answer = NULL;
    bool all_late = true, ok = true;

    for (size_t i = 0; i < v->count; i++) {
        const char *late = late_answer(&v->rcpts[i]);
        answer = late ? late : answer;
        all_late = all_late && late;
    }
    bool keep = v->sink->lmtp ? !all_late : !answer;
    bool kept = !keep || (blob_seal(body) && store(v, body));
    blob_unref(body);
    for (size_t i = 0; ok && i < (v->sink->lmtp ? v->count : 1); i++) {
        const char *late = v->sink->lmtp ? late_answer(&v->rcpts[i]) : answer;
        ok = say(v, !kept ? "451 4.3.0 Cannot store it" : late ? late : "250 2.0.0 Kept");
    }
    if (!v->sink->quiet && keep && kept)
        fprintf(stderr, "sink: kept a message from <" STR_FMT "> for %zu\n", STR_ARG(address_text(&v->mail.sender)), v->count);
    reset(v);
    return ok;
}

static bool fill(struct visit *v)
{
    if (v->stream.out.len && stream_flush_wait(&v->stream, clock_mono_ms() + PATIENCE_MS) != STREAM_OK)
        return false;
    return stream_fill_wait(&v->stream, clock_mono_ms() + PATIENCE_MS) == STREAM_OK;
}

static bool cmd_data(struct visit *v)
{
    struct dot_decoder d;
    size_t used;

    if (!v->count)
        return say(v, "554 5.5.1 No valid recipients");
    struct blob *body = blob_new(SIZE_LIMIT, NULL);
    if (!body || !say(v, "354 Go ahead"))
        return false;
    dot_decoder_init(&d, false);
    for (enum dot_result result = DOT_MORE; result == DOT_MORE;) {
        if (!stream_input(&v->stream).len && !fill(v))
            goto lost;
        result = dot_decode(&d, stream_input(&v->stream), &used, collect, body);
        stream_consume(&v->stream, used);
        if (result == DOT_STOPPED)
            goto lost;
    }
    return finish(v, body);
lost:
    blob_unref(body);
    return false;
}

/* SIZE octets of a chunk into BODY. */
static bool take_chunk(struct visit *v, struct blob *body, uint64_t size)
{
    while (size) {
        struct str input = stream_input(&v->stream);
        if (!input.len) {
            if (!fill(v))
                return false;
            continue;
        }
        if (input.len > size)
            input.len = (size_t)size;
        if (blob_append(body, input.at, input.len) != BLOB_OK)
            return false;
        size -= input.len;
        stream_consume(&v->stream, input.len);
    }
    return true;
}

/* The next command into LINE (LINE_MAX_BYTES). */
static bool read_line(struct visit *v, char *line)
{
    ptrdiff_t end;

    while ((end = str_find(stream_input(&v->stream), '\n')) < 0)
        if (stream_input(&v->stream).len >= LINE_MAX_BYTES || !fill(v))
            return false;
    str_copy(line, LINE_MAX_BYTES, str_trim(str_sub(stream_input(&v->stream), 0, (size_t)end)));
    stream_consume(&v->stream, (size_t)end + 1);
    return true;
}

/* All chunks of one message; only BDAT may stand between them. */
static bool cmd_bdat(struct visit *v, struct str args)
{
    char line[LINE_MAX_BYTES];
    uint64_t size;
    bool last;
    struct blob *body = blob_new(SIZE_LIMIT, NULL);

    while (body && bdat_args_parse(args, &size, &last) && take_chunk(v, body, size)) {
        if (last && v->count)
            return finish(v, body);
        if (last) {
            blob_unref(body);
            return say(v, "503 5.5.1 No valid recipients");
        }
        if (!say(v, "250 2.0.0 Chunk taken") || !read_line(v, line) || command_parse(str_from(line), &args) != VERB_BDAT)
            break;
    }
    blob_unref(body);
    return false;
}

/* False when the visit is over. */
static bool run(struct visit *v, struct str line)
{
    struct str args;

    switch (command_parse(line, &args)) {
    case VERB_HELO:
        return cmd_hello(v, args, false);
    case VERB_EHLO:
    case VERB_LHLO:
        return cmd_hello(v, args, true);
    case VERB_MAIL:
        return cmd_mail(v, args);
    case VERB_RCPT:
        return cmd_rcpt(v, args);
    case VERB_DATA:
        return cmd_data(v);
    case VERB_BDAT:
        return cmd_bdat(v, args);
    case VERB_RSET:
        reset(v);
        return say(v, "250 2.0.0 Forgotten");
    case VERB_NOOP:
        return say(v, "250 2.0.0 Fine");
    case VERB_QUIT:
        say(v, "221 2.0.0 Bye");
        return false;
    default:
        return say(v, "502 5.5.1 Not known here");
    }
}

static void talk(struct visit *v)
{
    char line[LINE_MAX_BYTES];

    if (!say(v, v->sink->lmtp ? "220 sink.test LMTP" : "220 sink.test ESMTP"))
        return;
    while (read_line(v, line) && run(v, str_from(line)))
        continue;
    if (v->stream.out.len && stream_flush_wait(&v->stream, clock_mono_ms() + PATIENCE_MS) != STREAM_OK)
        return; /* it went away without reading our last words */
}

static void *visit_main(void *arg)
{
    struct visit *v = arg;

    talk(v);
    stream_close(&v->stream);
    free(v->rcpts);
    free(v);
    return NULL;
}

static void serve(struct sink *s)
{
    pthread_attr_t detached;

    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, 256 * 1024);
    for (;;) {
        struct sockaddr_storage sa;
        socklen_t len = sizeof sa;
        pthread_t thread;
        int fd = accept4(s->listener, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE)
                poll(NULL, 0, 50);
            continue;
        }
        struct visit *v = calloc(1, sizeof *v);
        if (v)
            v->rcpts = calloc(MOST_RECIPIENTS, sizeof *v->rcpts);
        if (!v || !v->rcpts) {
            close(fd);
            free(v);
            continue;
        }
        v->sink = s;
        v->peer.ip = ip_from_sockaddr((struct sockaddr *)&sa, &v->peer.port);
        stream_init(&v->stream, fd);
        if (pthread_create(&thread, &detached, visit_main, v) != 0)
            visit_main(v);
    }
}

static bool make_maildir(struct sink *s)
{
    static const char *const folders[] = {"", "/tmp", "/new", "/cur"};
    char path[4200];

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s%s", s->maildir, folders[i]);
        if (mkdir(path, 0755) < 0 && errno != EEXIST) {
            fprintf(stderr, "postern sink: %s: %s\n", path, strerror(errno));
            return false;
        }
    }
    return true;
}

static bool listen_on(struct sink *s, const char *where)
{
    struct endpoint e;
    struct sockaddr_storage sa;
    int on = 1;

    if (!endpoint_parse(str_from(where), 0, &e)) {
        fprintf(stderr, "postern sink: %s is not address:port\n", where);
        return false;
    }
    socklen_t len = ip_to_sockaddr(&e, &sa);
    s->listener = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&sa, len) < 0 || listen(s->listener, 1024) < 0) {
        fprintf(stderr, "postern sink: %s: %s\n", where, strerror(errno));
        return false;
    }
    return true;
}

static int usage(void)
{
    fputs("usage: postern sink --listen ADDRESS:PORT --maildir DIR [--lmtp] [--quiet]\n\nBy the beginning of a recipient's local part:\n", stderr);
    for (size_t i = 0; i < sizeof behaviours / sizeof *behaviours; i++)
        fprintf(stderr, "  %-12s %s\n", behaviours[i].local, behaviours[i].help);
    return EX_USAGE;
}

int sink_main(int argc, char **argv)
{
    const char *where = NULL;
    struct sink *s = calloc(1, sizeof *s);

    if (!s)
        return EX_OSERR;
    pthread_mutex_init(&s->lock, NULL);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--listen") == 0 && i + 1 < argc)
            where = argv[++i];
        else if (strcmp(argv[i], "--maildir") == 0 && i + 1 < argc)
            str_copy(s->maildir, sizeof s->maildir, str_from(argv[++i]));
        else if (strcmp(argv[i], "--lmtp") == 0)
            s->lmtp = true;
        else if (strcmp(argv[i], "--quiet") == 0)
            s->quiet = true;
        else
            return usage();
    }
    if (!where || !s->maildir[0])
        return usage();
    signal(SIGPIPE, SIG_IGN);
    if (!make_maildir(s) || !listen_on(s, where))
        return EX_CANTCREAT;
    serve(s);
    return EX_OK;
}
