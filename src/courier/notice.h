/*
 * notice.h: mail that the gateway writes to people: digests, notices about accounts, reports. Text and HTML say the same (multipart/alternative), UTF-8 in
 * base64, no line over 76 octets, signed by DKIM where From's domain has keys, from the null sender so that nothing ever answers it (RFC 3834 §4, RFC 2076).
 */
#ifndef COURIER_NOTICE_H
#define COURIER_NOTICE_H

#include "auth/dkim_sign.h"
#include "spool/spool.h"

struct notice {
    const char *host;          /* our name: for Message-ID */
    const char *from;          /* address */
    const char *from_name;     /* UTF-8; "" none */
    struct address to;
    struct str subject;        /* UTF-8 */
    const char *list_id;       /* "" none: what programs may sort it by (RFC 2919), "digest.mx.example.net" */
    struct str text, html;     /* LF or CR LF; html may be "" */
    struct str attachment;     /* a whole message/… part with its own header fields, or "" */
};

/* A message for the spool; NULL: out of memory, or larger than a notice may be (10 MB). */
struct spool_message *notice_make(struct dkim_signer *signer, const struct notice *n, int64_t now_ms);

/* TEXT as it may stand in a header field: plain, or in encoded words (RFC 2047), folded. */
void notice_header_text(struct buf *out, struct str text);
/* TEXT with & < > " as entities. */
void notice_html_text(struct buf *out, struct str text);

#endif
