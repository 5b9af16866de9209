/*
 * link.h: links in text, and what a link really is: its host as browsers read it (WHATWG URL: userinfo, backslashes, percent and tab tricks, IPv4 in
 * decimal, octal and hex, UTS 46), its registrable domain (public suffix list) and what it looks like (UTS 39).
 * Strings live in the arena or are parts of what was given. All linear.
 */
#ifndef MAIL_LINK_H
#define MAIL_LINK_H

#include "base/arena.h"
#include "net/ip.h"

/* Public suffix list, IDNA and look-alikes. Made before the sandbox; for one thread at a time. NULL: out of memory, or PSL_FILE cannot be read. */
struct link_context;
struct link_context *link_context_new(const char *psl_file /* NULL: the list built in */);
void link_context_free(struct link_context **c);

enum link_trick {
    LINK_USERINFO = 1,        /* http://bank.example@evil.example/ */
    LINK_IP_HOST = 2,
    LINK_ODD_IP = 4,          /* an address that is not four decimal numbers */
    LINK_PORT = 8,            /* not the scheme's own */
    LINK_IDN = 16,
    LINK_MIXED_SCRIPT = 32,   /* scripts in one label that are not written together */
    LINK_PERCENT_HOST = 64,   /* percent-encoding in the host */
    LINK_CONTROL = 128,       /* tabs, newlines, controls, invisible characters */
    LINK_BACKSLASH = 256,
    LINK_NESTED = 512,        /* found in another's query or path */
    LINK_DEFANGED = 1024,     /* hxxp, [.] */
    LINK_SHOWN_DIFFERS = 2048,/* the shown text names a host of another registrable domain */
    LINK_LONG_HOST = 4096,    /* longer than DNS has names */
    LINK_NO_SCHEME = 8192,
    LINK_DOUBLE_ENCODED = 16384
};
enum { LINK_TRICKS = 15 };
/* "userinfo", … of the flag 1 << BIT. */
const char *link_trick_name(unsigned bit);

struct link {
    struct str url;      /* normalised, printable, UTF-8; cut at 2,048 octets */
    struct str scheme, host /* A-labels in lower case, or the address */, path /* with the query */;
    struct str domain;   /* registrable; "" for addresses and public suffixes */
    struct str skeleton; /* of the domain as people see it; only with LINK_IDN */
    struct ip ip;
    uint16_t port;
    unsigned tricks;     /* enum link_trick */
};

/* False when TARGET is no link with a host (mailto:, cid:, #…, relative): then link->scheme is set where it has one. */
bool link_parse(struct arena *arena, struct link_context *c, struct str target, struct link *out);
/* Does SHOWN, the text of a link to REAL, name a host of another registrable domain? */
bool link_shown_differs(struct arena *arena, struct link_context *c, const struct link *real, struct str shown);
/* The next thing in plain text that readers make clickable, with or without a scheme, defanged or not. *REST advances; false at the end. */
bool link_next_in_text(struct arena *arena, struct link_context *c, struct str *rest, struct link *out);
/* The links in OUTER's path, query or fragment (percent-decoded up to three times, in base64), each host once, eight at most: *CURSOR from 0. */
bool link_next_nested(struct arena *arena, struct link_context *c, const struct link *outer, size_t *cursor, struct link *out);
/* Public suffix and one label more of HOST in A-labels; "" when it is a public suffix or an address. */
struct str link_registrable(struct link_context *c, struct str host);
/* The same by the list built in; for any thread. */
struct str link_registrable_builtin(struct str host);

#endif
