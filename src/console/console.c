/*
 * console.c: the HTTP side: the public pages and the API, over sockets that the master bound and a UNIX socket of its own for `postern <noun> <verb>`.
 */
#include "console/console.h"

#include "base/log.h"
#include "base/process.h"
#include "base/random.h"
#include "console/http.h"
#include "scan/sandbox.h"
#include "store/settings_file.h"
#include "store/open.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

enum { MOST_LISTENERS = 8, CONFIG_MAX = 16 * 1024 * 1024, LOCAL_BACKLOG = 64 };

struct console {
    int listeners[MOST_LISTENERS];
    size_t listener_count;
    struct admin *admin;
    struct http *http;
    char socket[108]; /* path of the UNIX socket */
    struct buf config, config_name;
};

static bool fail(struct buf *error, const char *what)
{
    buf_addf(error, "%s: %s", what, strerror(errno));
    return false;
}

/* Who may open it is asked of the kernel at each connection; the mode keeps others out before that. */
static int open_socket(struct console *c, const struct policy *p)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(c->socket, sizeof c->socket, "%s/api.sock", setting_text(p, SETTING_run_directory));

    if (n < 0 || (size_t)n >= sizeof c->socket) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, c->socket, (size_t)n + 1);
    unlink(c->socket); /* left by a console that was killed; a second gateway is kept away by the pid file */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && chmod(c->socket, 0660) == 0 && listen(fd, LOCAL_BACKLOG) == 0)
        return fd;
    int why = errno;
    if (fd >= 0)
        close(fd);
    errno = why;
    return -1;
}

/* The store's folder, and nothing else. */
static bool enter_sandbox(const struct policy *p, struct buf *error)
{
    char folder[STORE_PATH_MAX];
    const char *write[] = {store_folder(p, folder)};
    struct sandbox_paths paths = {.write = write, .write_count = 1};

    return sandbox_enter(SANDBOX_CONSOLE, &paths, 0) || fail(error, "sandbox");
}

static bool start(struct console *c, struct settings *settings, struct buf *error)
{
    const struct policy *p = settings_system(settings);
    uint64_t chance = random_u64();

    json_object_seed((size_t)(chance | 1)); /* it would look for /dev/urandom */
    c->admin = admin_open(settings, error);
    c->http = c->admin ? http_new(c->admin) : NULL;
    if (!c->http)
        return false;
    http_configure(c->http, settings);
    int local = open_socket(c, p);
    if (local < 0)
        return fail(error, c->socket);
    if (!enter_sandbox(p, error))
        return false;
    for (size_t i = 0; i < c->listener_count; i++)
        if (!http_serve(c->http, c->listeners[i], false))
            return fail(error, "HTTP");
    return http_serve(c->http, local, true) || fail(error, c->socket);
}

static bool take_config(struct console *c, struct buf *error)
{
    struct settings *s = settings_file_parse(buf_text(&c->config), buf_text(&c->config_name), error, NULL);
    bool fine = s != NULL;

    if (s && c->http) {
        admin_reconfigure(c->admin, s);
        http_configure(c->http, s);
    } else if (s) {
        fine = start(c, s, error);
    }
    settings_unref(s);
    return fine;
}

static void apply(struct console *c, int channel)
{
    struct buf error = buf_make(PROCESS_TEXT_MAX - 1);
    bool fine = take_config(c, &error);

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

    do
        got = process_receive(channel, &packet, &fd, -1);
    while (got > 0 && take_packet(&c, channel, &packet, fd));
    http_free(&c.http);
    admin_close(&c.admin);
    if (*c.socket)
        unlink(c.socket);
    buf_free(&c.config);
    buf_free(&c.config_name);
    return EX_OK;
}
