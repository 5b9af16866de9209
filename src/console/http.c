/* http.c: see http.h. A handful of threads per listener: an operation may wait for the store, the relay, or the hash of a password. */
#include "console/http.h"

#include "base/log.h"
#include "console/openapi.h"
#include "console/pages.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    MOST_DAEMONS = 9, THREADS = 4, MOST_CONNECTIONS = 256, MOST_PER_ADDRESS = 64, PATIENCE_S = 15, CONNECTION_BYTES = 32 * 1024, TARGET_MAX = 16 * 1024,
    METRICS_MAX = 1024 * 1024, READ_IN_VAIN_MAX = 64 * 1024 * 1024
};

#define CSP "Content-Security-Policy"
#define CSP_PAGES "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#define CSP_BUTTON "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

struct http {
    struct admin *admin;
    pthread_mutex_t lock;
    struct settings *settings; /* guarded; owned reference */
    struct listener {
        struct http *http;
        struct MHD_Daemon *daemon;
        bool local;
    } at[MOST_DAEMONS];
    size_t count;
};

/* One request, from its first line to its end. */
struct exchange {
    struct str target;      /* raw, as sent; owned */
    struct buf body;
    size_t ceiling;
    bool begun;
    bool too_large;         /* the body is read and dropped: a client that is still sending would not see the answer */
};

struct framing {
    unsigned lengths, encodings, hosts;
    bool odd;
};

static enum MHD_Result count_framing(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct framing *f = arg;
    struct str text = str_from(value);

    (void)kind;
    if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        uint64_t n;
        f->lengths++;
        f->odd = f->odd || !str_to_u64(text, INT64_MAX, &n);
    }
    f->encodings += strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0;
    f->hosts += strcasecmp(key, MHD_HTTP_HEADER_HOST) == 0;
    for (const char *at = key; *at; at++) /* no blank before the colon, and nothing that is no token (RFC 9112 §5.1) */
        f->odd = f->odd || *at <= ' ' || *at == 127;
    return MHD_YES;
}

/* Two lengths are how requests are smuggled (RFC 9112 §6.3). Transfer codings are not needed here, so there is only one way to tell where a body ends. */
static bool framing_is_doubtful(struct MHD_Connection *connection)
{
    struct framing f = {0};

    MHD_get_connection_values(connection, MHD_HEADER_KIND, count_framing, &f);
    return f.lengths > 1 || f.encodings > 0 || f.hosts > 1 || f.odd;
}

static const char *header(struct MHD_Connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return value ? value : "";
}

static bool add_header(struct MHD_Response *r, const char *name, const char *value)
{
    return MHD_add_response_header(r, name, value) == MHD_YES;
}

static struct MHD_Response *respond(struct str body, const char *type)
{
    static const struct { const char *name, *value; } headers[] = {
        {CSP, CSP_PAGES},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Robots-Tag", "noindex"}};
    struct MHD_Response *r = MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)(body.len ? body.at : ""), MHD_RESPMEM_MUST_COPY);

    if (!r)
        return NULL;
    if (type)
        add_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        add_header(r, headers[i].name, headers[i].value);
    return r;
}

static enum MHD_Result queue(struct MHD_Connection *connection, unsigned status, struct MHD_Response *r)
{
    enum MHD_Result result = r ? MHD_queue_response(connection, status, r) : MHD_NO;

    if (r)
        MHD_destroy_response(r);
    return result;
}

/* A refusal of the request as such; the connection ends, since nobody knows what follows. */
static enum MHD_Result refuse(struct MHD_Connection *connection, int status, const char *why)
{
    struct buf body = buf_make(1000);

    buf_addf(&body, "{\"type\":\"about:blank\",\"title\":\"Refused\",\"status\":%d,\"detail\":\"%s\"}", status, why);
    struct MHD_Response *r = respond(buf_str(&body), "application/problem+json");
    if (r) {
        add_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
        add_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    buf_free(&body);
    return queue(connection, (unsigned)status, r);
}

/* The value of our cookie; the first where there are two. */
static struct str session_of(struct MHD_Connection *connection)
{
    return str_from(MHD_lookup_connection_value(connection, MHD_COOKIE_KIND, ADMIN_COOKIE));
}

static struct ip peer_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct ip none = {.family = 0};

    return info && info->client_addr ? ip_from_sockaddr(info->client_addr, NULL) : none;
}

/* Behind a proxy that is believed, the last address that it named. */
static struct ip client_of(struct MHD_Connection *connection, const struct policy *system)
{
    struct ip peer = peer_of(connection), named;
    struct str list = str_from(header(connection, "X-Forwarded-For"));

    if (!list.len || !networks_have(setting_networks(system, SETTING_console_proxies), &peer))
        return peer;
    struct str last = str_trim(str_from_index(list, (size_t)(str_find_last(list, ',') + 1)));
    return ip_parse(last, &named) ? named : peer;
}

static bool is_https(struct MHD_Connection *connection, const struct policy *system)
{
    return str_starts_case(str_from(setting_text(system, SETTING_console_url)), STR("https://")) ||
           str_is_case(str_from(header(connection, "X-Forwarded-Proto")), "https");
}

/* Root, and the user that the gateway runs as. */
static bool peer_may(struct MHD_Connection *connection, int64_t *uid)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred who;
    socklen_t size = sizeof who;

    if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
        return false;
    *uid = who.uid;
    return who.uid == 0 || who.uid == getuid();
}

static struct settings *take_settings(struct http *h)
{
    pthread_mutex_lock(&h->lock);
    struct settings *s = settings_ref(h->settings);
    pthread_mutex_unlock(&h->lock);
    return s;
}

static struct MHD_Response *api_response(const struct admin_answer *a)
{
    struct MHD_Response *r = respond(buf_str(&a->body), a->body.len ? a->type : NULL);
    char seconds[16];

    if (!r)
        return NULL;
    add_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (*a->cookie)
        add_header(r, MHD_HTTP_HEADER_SET_COOKIE, a->cookie);
    if (a->status == 405)
        add_header(r, MHD_HTTP_HEADER_ALLOW, a->allow);
    if (a->wants_key)
        add_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
    if (a->is_replay)
        add_header(r, "Idempotent-Replayed", "true");
    if (a->is_download)
        add_header(r, "Content-Disposition", "attachment");
    snprintf(seconds, sizeof seconds, "%d", a->retry_after_s);
    if (a->retry_after_s)
        add_header(r, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    return r;
}

static enum MHD_Result answer_api(struct listener *l, struct MHD_Connection *connection, const struct exchange *e, const char *method, struct str path, struct str query)
{
    struct settings *settings = take_settings(l->http);
    const struct policy *system = settings_system(settings);
    struct admin_request request = {.method = str_from(method), .path = path, .query = query, .body = buf_str(&e->body),
                                    .content_type = str_from(header(connection, MHD_HTTP_HEADER_CONTENT_TYPE)),
                                    .authorization = str_from(header(connection, MHD_HTTP_HEADER_AUTHORIZATION)), .session = session_of(connection),
                                    .csrf = str_from(header(connection, "X-CSRF-Token")), .idempotency_key = str_from(header(connection, "Idempotency-Key")),
                                    .agent = str_from(header(connection, MHD_HTTP_HEADER_USER_AGENT)), .is_https = is_https(connection, system)};
    struct admin_answer answer;
    bool may = !l->local || peer_may(connection, &request.uid);

    request.is_local = l->local;
    if (!l->local)
        request.client = client_of(connection, system);
    settings_unref(settings);
    if (!may)
        return refuse(connection, 403, "This socket is for root and the gateway's own user.");
    admin_handle(l->http->admin, &request, &answer);
    enum MHD_Result result = queue(connection, (unsigned)answer.status, api_response(&answer));
    buf_free(&answer.body);
    return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection, int status, struct str text, const char *type)
{
    struct MHD_Response *r = respond(text, type);

    if (r)
        add_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"); /* what says "alive" must not be old */
    return queue(connection, (unsigned)status, r);
}

/* What is asked of every process that serves HTTP. False: none of these. */
static bool answer_probe(struct http *h, struct MHD_Connection *connection, struct str path, enum MHD_Result *result)
{
    struct buf text = buf_make(METRICS_MAX);
    bool known = true;

    if (str_is(path, "/readyz")) {
        bool ready = admin_is_ready(h->admin, &text);
        if (ready)
            buf_add_text(&text, "ok\n");
        *result = answer_text(connection, ready ? 200 : 503, buf_str(&text), "text/plain; charset=utf-8");
    } else if (str_is(path, "/metrics")) {
        admin_metrics(h->admin, &text);
        *result = answer_text(connection, 200, buf_str(&text), "text/plain; version=0.0.4; charset=utf-8");
    } else if (str_is(path, "/api/openapi.json")) {
        *result = answer_text(connection, 200, openapi_document(), "application/json");
    } else {
        known = false;
    }
    buf_free(&text);
    return known;
}

static enum MHD_Result answer_page(struct http *h, struct MHD_Connection *connection, struct str path)
{
    struct settings *settings = take_settings(h);
    char host[256];

    settings_host_name(settings_system(settings), host, sizeof host);
    settings_unref(settings);
    struct page p = page_for(path, host);
    struct MHD_Response *r = respond(buf_str(&p.body), p.type);
    if (r) /* what says "alive", or that something went wrong, must not be old */
        add_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, p.status == 200 && !str_is(path, "/livez") ? "public, max-age=300" : "no-store");
    buf_free(&p.body);
    return queue(connection, (unsigned)p.status, r);
}

/* /unlock/TOKEN, /digest/SECRET: looking at them changes nothing, so that no mail scanner that opens links sets anything in motion. */
static enum MHD_Result answer_button(struct http *h, struct MHD_Connection *connection, struct str path, bool go)
{
    struct settings *settings = take_settings(h);
    struct ip client = client_of(connection, settings_system(settings));
    struct unlock_target who;
    struct digest_target what;
    struct page p;
    char host[256];

    settings_host_name(settings_system(settings), host, sizeof host);
    settings_unref(settings);
    if (str_starts(path, STR("/unlock/")))
        p = page_unlock(admin_unlock(h->admin, str_from_index(path, 8), go, &client, &who), &who, host);
    else
        p = page_digest(admin_digest_link(h->admin, str_from_index(path, 8), go, &client, &what), &what, host);
    struct MHD_Response *r = respond(buf_str(&p.body), p.type);
    if (r) {
        MHD_del_response_header(r, CSP, CSP_PAGES);
        add_header(r, CSP, CSP_BUTTON);
        add_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    buf_free(&p.body);
    return queue(connection, (unsigned)p.status, r);
}

static bool only_reads(const char *method)
{
    return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

static enum MHD_Result answer_whole(struct listener *l, struct MHD_Connection *connection, struct exchange *e, const char *method)
{
    struct str query = e->target, path = str_cut(&query, '?');
    enum MHD_Result result;

    if (e->too_large && e->ceiling)
        return refuse(connection, 413, "The body is too large.");
    if (e->too_large && only_reads(method))
        return refuse(connection, 400, "A body has no place here.");
    if (only_reads(method) && answer_probe(l->http, connection, path, &result))
        return result;
    if (admin_is_path(path))
        return answer_api(l, connection, e, method, path, query);
    bool has_button = str_starts(path, STR("/unlock/")) || str_starts(path, STR("/digest/"));
    if (has_button && (only_reads(method) || strcmp(method, MHD_HTTP_METHOD_POST) == 0))
        return answer_button(l->http, connection, path, !only_reads(method));
    if (only_reads(method))
        return answer_page(l->http, connection, path);
    struct MHD_Response *r = respond(STR("Pages here can only be read (GET, HEAD).\n"), "text/plain; charset=utf-8");
    if (r) {
        add_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        add_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    return queue(connection, MHD_HTTP_METHOD_NOT_ALLOWED, r);
}

/* The header is there, the body is not: what can be refused is refused before it comes. */
static enum MHD_Result begin(struct MHD_Connection *connection, struct exchange *e, const char *method)
{
    struct str query = e->target, path = str_cut(&query, '?');
    uint64_t length = 0;

    e->begun = true;
    if (!e->target.at)
        return refuse(connection, 414, "The target is too long.");
    if (framing_is_doubtful(connection))
        return refuse(connection, 400, "The request's length could be read in two ways, or a header field is malformed.");
    if (!str_to_u64(str_from(header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH)), INT64_MAX, &length))
        length = 0;
    e->ceiling = only_reads(method) ? 0 : admin_body_ceiling(str_from(method), path);
    if (length > READ_IN_VAIN_MAX)
        return refuse(connection, 413, "The body is too large.");
    e->too_large = length > e->ceiling;
    e->body = buf_make(e->ceiling ? e->ceiling : 1);
    return MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
                                  const char *piece, size_t *piece_size, void **state)
{
    struct listener *l = arg;
    struct exchange *e = *state;

    (void)path;
    (void)version;
    if (!e)
        return MHD_NO; /* out of memory */
    if (!e->begun)
        return begin(connection, e, method);
    if (*piece_size) {
        if (!e->too_large && !buf_add(&e->body, piece, *piece_size))
            return MHD_NO;
        *piece_size = 0;
        return MHD_YES;
    }
    return answer_whole(l, connection, e, method);
}

/* The target before anybody has decoded it: two slashes, %2F and %00 are the API's to judge. */
static void *on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
    struct exchange *e = calloc(1, sizeof *e);
    struct str text = str_from(target);

    (void)arg;
    (void)connection;
    if (e && text.len <= TARGET_MAX)
        e->target = str_n(str_dup(text), text.len);
    return e;
}

static void on_end(void *arg, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
    struct exchange *e = *state;

    (void)arg;
    (void)connection;
    (void)why;
    if (!e)
        return;
    free((char *)(uintptr_t)e->target.at);
    if (e->body.ceiling)
        buf_free(&e->body);
    free(e);
    *state = NULL;
}

struct http *http_new(struct admin *admin)
{
    struct http *h = calloc(1, sizeof *h);

    if (!h)
        return NULL;
    h->admin = admin;
    pthread_mutex_init(&h->lock, NULL);
    return h;
}

void http_free(struct http **h)
{
    if (!*h)
        return;
    for (size_t i = 0; i < (*h)->count; i++)
        MHD_stop_daemon((*h)->at[i].daemon);
    settings_unref((*h)->settings);
    pthread_mutex_destroy(&(*h)->lock);
    free(*h);
    *h = NULL;
}

void http_configure(struct http *h, struct settings *settings)
{
    pthread_mutex_lock(&h->lock);
    settings_unref(h->settings);
    h->settings = settings_ref(settings);
    pthread_mutex_unlock(&h->lock);
}

bool http_serve(struct http *h, int fd, bool local)
{
    struct listener *l = h->count < MOST_DAEMONS ? &h->at[h->count] : NULL;

    if (!l)
        return false;
    *l = (struct listener){.http = h, .local = local};
    l->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, l, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_STRICT_FOR_CLIENT, 1,
                                 MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS,
                                 MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)(local ? 0 : MOST_PER_ADDRESS), MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PATIENCE_S,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES, MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
                                 MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_END);
    if (!l->daemon)
        return false;
    h->count++;
    return true;
}
