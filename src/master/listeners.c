/* listeners.c: binds the ports while this process still may. */
#include "master/parts.h"

#include "base/log.h"
#include "net/ip.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static int open_socket(const struct endpoint *e)
{
    struct sockaddr_storage address;
    socklen_t size = ip_to_sockaddr(e, &address);
    const int on = 1;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (e->ip.family != 6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        bind(fd, (const struct sockaddr *)&address, size) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* As the kernel has it: port 0 has become a real one. */
static void describe(struct listener *l, const struct endpoint *asked)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    struct endpoint e = *asked;

    if (getsockname(l->fd, (struct sockaddr *)&address, &size) == 0)
        e.ip = ip_from_sockaddr((const struct sockaddr *)&address, &e.port);
    endpoint_format(&e, l->text);
}

/* A host without IPv6 still serves what it can, where all IPv6 addresses were asked for. */
static bool is_ipv6_that_is_not_there(const struct endpoint *e)
{
    static const struct ip any = {.family = 6};
    return ip_eq(&e->ip, &any) && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL);
}

static bool add_one(struct listeners *l, enum process_listener kind, const char *text, uint16_t port, struct buf *error)
{
    struct endpoint e;

    if (!endpoint_parse(str_from(text), port, &e)) {
        buf_addf(error, "%s is no address with a port\n", text);
        return false;
    }
    if (l->count == MOST_LISTENERS) {
        buf_addf(error, "%s: more than %d ports\n", text, (int)MOST_LISTENERS);
        return false;
    }
    struct listener new = {.fd = open_socket(&e), .kind = kind};
    if (new.fd < 0 && is_ipv6_that_is_not_there(&e)) {
        log_warning("%s: this host has no IPv6, going on without", text);
        return true;
    }
    if (new.fd < 0) {
        buf_addf(error, "%s cannot be listened on: %s\n", text, strerror(errno));
        return false;
    }
    describe(&new, &e);
    l->at[l->count++] = new;
    return true;
}

bool listeners_open(struct listeners *l, const struct policy *p, struct buf *error)
{
    static const struct {
        enum setting setting;
        enum process_listener kind;
        uint16_t port;
        const char *what;
    } rows[] = {
        {SETTING_listen_mx, LISTENER_MX, 25, "incoming mail"},
        {SETTING_listen_submission, LISTENER_SUBMISSION, 587, "outgoing mail"},
        {SETTING_listen_submissions, LISTENER_SUBMISSIONS, 465, "outgoing mail over TLS"},
        {SETTING_listen_console, LISTENER_CONSOLE, 8080, "pages"},
    };
    bool fine = true;

    l->count = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct setting_list *list = setting_list(p, rows[i].setting);
        for (size_t k = 0; k < list->count; k++) {
            size_t before = l->count;
            fine = add_one(l, rows[i].kind, list->at[k], rows[i].port, error) && fine;
            if (l->count > before)
                log_info("listening on %s for %s", l->at[before].text, rows[i].what);
        }
    }
    return fine;
}

void listeners_close(struct listeners *l)
{
    for (size_t i = 0; i < l->count; i++)
        close(l->at[i].fd);
    l->count = 0;
}
