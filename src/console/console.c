/*
 * console.c: the HTTP side: libmicrohttpd in strict mode over sockets that the master bound. Only GET and HEAD; requests whose framing
 * could be read in two ways are refused.
 */
#include "console/console.h"

#include "base/log.h"
#include "base/process.h"
#include "console/pages.h"
#include "scan/sandbox.h"
#include "store/settings_file.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <pthread.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { MOST_LISTENERS = 8, CONFIG_MAX = 16 * 1024 * 1024, MOST_CONNECTIONS = 256, MOST_PER_ADDRESS = 16, PATIENCE_S = 15, CONNECTION_BYTES = 16 * 1024 };

struct console {
    int listeners[MOST_LISTENERS];
    size_t listener_count;
    struct MHD_Daemon *daemons[MOST_LISTENERS];
    size_t daemon_count;
    pthread_mutex_t lock;
    char host[256]; /* guarded: a reload may change it */
    struct buf config, config_name;
    bool started;
};

static bool add_header(struct MHD_Response *r, const char *name, const char *value)
{
    return MHD_add_response_header(r, name, value) == MHD_YES;
}

static struct MHD_Response *respond(const struct page *p, bool is_livez)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(p->body.len, p->body.at, MHD_RESPMEM_MUST_COPY);
    static const struct { const char *name, *value; } headers[] = {
        {"Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Robots-Tag", "noindex"}};

    if (!r)
        return NULL;
    add_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, p->type);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        add_header(r, headers[i].name, headers[i].value);
    /* what says "alive", or that something went wrong, must not be old */
    add_header(r, "Cache-Control", p->status == 200 && !is_livez ? "public, max-age=300" : "no-store");
    return r;
}

static struct page short_page(int status, const char *text)
{
    struct page p = {status, "text/plain; charset=utf-8", buf_make(128)};

    buf_add_text(&p.body, text);
    return p;
}

struct framing {
    unsigned lengths, encodings, hosts;
};

static enum MHD_Result count_framing(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct framing *f = arg;

    (void)kind;
    (void)value;
    f->lengths += strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0;
    f->encodings += strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
    f->hosts += strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0;
    return MHD_YES;
}

/* A body has no place here, and two lengths are how requests are smuggled (RFC 9112 §6.3). */
static bool framing_is_doubtful(struct MHD_Connection *connection)
{
    struct framing f = {0};

    MHD_get_connection_values(connection, MHD_HEADER_KIND, count_framing, &f);
    return f.lengths > 1 || f.encodings > 0 || f.hosts > 1;
}

static enum MHD_Result answer_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                                      const char *body, size_t *body_size, void **state)
{
    static char seen;
    struct console *c = arg;
    char host[256];

    (void)version;
    (void)body;
    if (!*state) { /* the first call has the header only */
        *state = &seen;
        return MHD_YES;
    }
    *body_size = 0;
    pthread_mutex_lock(&c->lock);
    memcpy(host, c->host, sizeof host);
    pthread_mutex_unlock(&c->lock);
    bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    struct page p = framing_is_doubtful(connection) ? short_page(400, "The request's length could be read in two ways, or it has a body.\n")
                    : reads ? page_for(str_from(path), host) : short_page(405, "Pages here can only be read (GET, HEAD).\n");
    struct MHD_Response *r = respond(&p, strcmp(path, "/livez") == 0);
    if (r && p.status == 405)
        add_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = r ? MHD_queue_response(connection, (unsigned)p.status, r) : MHD_NO;
    if (r)
        MHD_destroy_response(r);
    buf_free(&p.body);
    return result;
}

static bool serve(struct console *c, int fd)
{
    struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer_request, c, MHD_OPTION_LISTEN_SOCKET, fd,
                                            MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS,
                                            MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)MOST_PER_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT,
                                            (unsigned)PATIENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
                                            MHD_OPTION_END);

    if (!d)
        return false;
    c->daemons[c->daemon_count++] = d;
    return true;
}

static bool take_host(struct console *c, struct buf *error)
{
    struct settings *s = settings_file_parse(buf_text(&c->config), buf_text(&c->config_name), error, NULL);

    if (!s)
        return false;
    pthread_mutex_lock(&c->lock);
    settings_host_name(settings_system(s), c->host, sizeof c->host);
    pthread_mutex_unlock(&c->lock);
    settings_unref(s);
    return true;
}

static bool start(struct console *c, struct buf *error)
{
    struct sandbox_paths none = {0};

    if (!sandbox_enter(SANDBOX_CONSOLE, &none, 0)) {
        buf_addf(error, "sandbox: %s", strerror(errno));
        return false;
    }
    for (size_t i = 0; i < c->listener_count; i++) {
        if (!serve(c, c->listeners[i])) {
            buf_addf(error, "HTTP: %s", strerror(errno));
            return false;
        }
    }
    c->started = true;
    return true;
}

static void apply(struct console *c, int channel)
{
    struct buf error = buf_make(PROCESS_TEXT_MAX - 1);
    bool fine = take_host(c, &error) && (c->started || start(c, &error));

    if (!fine)
        log_error(STR_FMT, STR_ARG(buf_str(&error)));
    if (!process_send(channel, fine ? PROCESS_READY : PROCESS_FAILED, 0, fine ? "" : buf_text(&error), -1))
        log_error("the master does not listen: %s", strerror(errno));
    buf_free(&error);
}

static void take_listener(struct console *c, const struct process_packet *p, int fd)
{
    if (p->number != LISTENER_CONSOLE || c->listener_count == MOST_LISTENERS) {
        close(fd);
        return;
    }
    c->listeners[c->listener_count++] = fd;
}

/* False when it is time to stop. */
static bool take_packet(struct console *c, int channel, const struct process_packet *p, int fd)
{
    switch ((enum process_packet_type)p->type) {
    case PROCESS_CONFIG:
        buf_clear(&c->config);
        buf_clear(&c->config_name);
        buf_add_text(&c->config_name, p->text);
        if (fd < 0 || !process_read_fd(fd, &c->config))
            log_error("the configuration from the master could not be read");
        break;
    case PROCESS_LISTENER:
        take_listener(c, p, fd);
        return true;
    case PROCESS_APPLY:
        apply(c, channel);
        break;
    case PROCESS_STOP:
        return false;
    default:
        break; /* keys and scans are not ours to have */
    }
    if (fd >= 0)
        close(fd);
    return true;
}

int console_process(int channel)
{
    struct console c = {.config = buf_make(CONFIG_MAX), .config_name = buf_make(PATH_MAX)};
    struct process_packet packet;
    int fd, got;

    pthread_mutex_init(&c.lock, NULL);
    do
        got = process_receive(channel, &packet, &fd, -1);
    while (got > 0 && take_packet(&c, channel, &packet, fd));
    for (size_t i = 0; i < c.daemon_count; i++)
        MHD_stop_daemon(c.daemons[i]);
    buf_free(&c.config);
    buf_free(&c.config_name);
    return EX_OK;
}
