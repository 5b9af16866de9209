/*
 * trace_field.h: Received (RFC 5321 §4.4, and what servers really write) and msg-id (RFC 5322 §3.6.4). Everything here was written by somebody
 * else's server, or by the sender: evidence, never proof.
 */
#ifndef MAIL_TRACE_FIELD_H
#define MAIL_TRACE_FIELD_H

#include "base/arena.h"
#include "net/ip.h"

struct received {
    struct str helo;             /* what the client called itself */
    struct str from_host;        /* its name by the DNS, where the server wrote one */
    struct ip from_ip;
    bool has_from_ip;
    struct str by;
    struct str via, with, id, for_address;
    struct str tls;              /* version or cipher, as written */
    int64_t date_ms;
    bool has_date;
};

/* Strings point into VALUE or the arena. False when nothing in it could be read. */
bool received_parse(struct arena *arena, struct str value, struct received *out);
/* The ids of Message-ID, In-Reply-To, References, one after the other, without the brackets. */
bool message_id_next(struct arena *arena, struct str *rest, struct str *id);
/* id-left "@" id-right (RFC 5322 §3.6.4), obsolete forms too. */
bool message_id_is_valid(struct str id);

#endif
