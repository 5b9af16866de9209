/*
 * admin.h: everything that can be asked of or done to a gateway, as requests of its HTTP API, whoever carries them (console/). One place (dispatch.c) finds the
 * operation, the actor, his permission and scope, checks what was sent, runs the operation in a transaction and writes the audit row.
 *
 * Threads: admin_handle() may be called by many at once; each takes a connection to the store of its own.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "base/buf.h"
#include "catalog/settings.h"
#include "net/ip.h"

#include <stdatomic.h>

enum {
    ADMIN_BODY_MAX = 1024 * 1024,         /* JSON */
    ADMIN_CSV_MAX = 16 * 1024 * 1024,     /* text/csv */
    ADMIN_ANSWER_MAX = 64 * 1024 * 1024,
    ADMIN_COOKIE_MAX = 256
};
#define ADMIN_COOKIE "postern_session"

struct admin;

/* SETTINGS: of the configuration file; a reference of its own is taken. NULL with the reason in ERROR. */
struct admin *admin_open(struct settings *settings, struct buf *error);
/* The configuration was read anew. */
void admin_reconfigure(struct admin *a, struct settings *settings);
void admin_close(struct admin **a);

/* As it came; everything borrowed for the call. What was not sent is empty. */
struct admin_request {
    struct str method, path, query; /* raw: percent-encoded; QUERY without its ? */
    struct str body, content_type;
    struct str authorization, session, csrf, idempotency_key, agent;
    struct ip client;               /* family 0 where IS_LOCAL */
    bool is_local;                  /* by the local socket, and UID may use it: root, or the gateway's own user */
    int64_t uid;
    bool is_https;                  /* as far as the browser is concerned */
};

struct admin_answer {
    int status;
    const char *type;              /* media type */
    struct buf body;               /* owned by the caller: buf_free() */
    char cookie[ADMIN_COOKIE_MAX]; /* Set-Cookie; "" none */
    char allow[64];                /* Allow, with 405 */
    int retry_after_s;             /* 0: not said */
    bool wants_key;                /* WWW-Authenticate, with 401 */
    bool is_replay;                /* of an answer that was given before */
    bool is_download;              /* Content-Disposition: attachment */
};

/* Does PATH belong to the API? */
bool admin_is_path(struct str path);
/* The most octets that the body of this request may have; 0 none. */
size_t admin_body_ceiling(struct str method, struct str path);
void admin_handle(struct admin *a, const struct admin_request *request, struct admin_answer *answer);

/* Is the store there, and the relay? For /readyz; WHY gets a line for each that is not. */
bool admin_is_ready(struct admin *a, struct buf *why);
/* Prometheus' text format, of this process and the relay. No label tells of a domain, a sender or an address. */
void admin_metrics(struct admin *a, struct buf *out);

#endif
