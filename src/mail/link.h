/*
 * link.h: links in text, and what a link really is: host as browsers read it (WHATWG URL parsing: userinfo, backslashes, percent and tab tricks, decimal/octal/hex IPv4, IDN), registrable domain (libpsl), skeleton (ICU).
 */
#ifndef MAIL_LINK_H
#define MAIL_LINK_H
#include "base/arena.h"
#include "net/ip.h"
struct link_context; /* public suffix list, IDNA */
struct link_context *link_context_new(const char *psl_file /* NULL: built in */); /* before the sandbox */
void link_context_free(struct link_context **c);
enum link_trick { LINK_USERINFO = 1 /* http://bank.example@evil */, LINK_IP_HOST = 2, LINK_ODD_IP = 4 /* not four decimal numbers */, LINK_PORT = 8, LINK_IDN = 16, LINK_MIXED_SCRIPT = 32, LINK_PERCENT_HOST = 64, LINK_CONTROL = 128 /* tabs, newlines, controls inside */, LINK_BACKSLASH = 256, LINK_NESTED = 512 /* found in another's query or path */, LINK_DEFANGED = 1024 /* hxxp, [.] */, LINK_SHOWN_DIFFERS = 2048 /* shown text is a URL or host of another registrable domain */, LINK_LONG_HOST = 4096, LINK_NO_SCHEME = 8192, LINK_DOUBLE_ENCODED = 16384 };
struct link { struct str url /* normalised, UTF-8 printable, cut at 2,048 */; struct str scheme, host /* A-labels, lower case, or the address */, path /* with query */; struct str domain /* registrable; "" for addresses */; struct str skeleton /* of the domain's U-label form, only where LINK_IDN */; struct ip ip; uint16_t port; unsigned tricks; };
/* False when TARGET is no link with a host (mailto:, cid:, #…, relative): then link->scheme is set where it has one. */
bool link_parse(struct arena *arena, struct link_context *c, struct str target, struct link *out);
bool link_shown_differs(struct arena *arena, struct link_context *c, const struct link *real, struct str shown);
/* The next thing in plain TEXT that readers make clickable (with or without scheme, IDN, in <>, wrapped in punctuation, defanged). *REST advances. */
bool link_next_in_text(struct arena *arena, struct link_context *c, struct str *rest, struct link *out);
/* Links nested in OUT's query, path or fragment (percent-decoded up to 3 times, base64 where it is one): iterates with *CURSOR from 0. */
bool link_next_nested(struct arena *arena, struct link_context *c, const struct link *outer, size_t *cursor, struct link *out);
/* Registrable domain (public suffix + 1) of HOST in A-labels; "" when it is a public suffix or an address. */
struct str link_registrable(struct link_context *c, struct str host);
#endif
