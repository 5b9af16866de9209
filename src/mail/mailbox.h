/*
 * mailbox.h: address lists of From, To, Reply-To … (RFC 5322 §3.4, obsolete forms §4.4, RFC 6854 groups, RFC 6532), as lenient as readers are. Not for
 * SMTP paths (address.h). Linear, without recursion.
 */
#ifndef MAIL_MAILBOX_H
#define MAIL_MAILBOX_H

#include "base/arena.h"

struct charset_context;

enum mailbox_defect {
    MAILBOX_NO_DOMAIN = 1,
    MAILBOX_JUNK = 2,            /* words where none belong: behind an address, without any address */
    MAILBOX_OPEN_QUOTE = 4, MAILBOX_OPEN_COMMENT = 8, MAILBOX_OPEN_ANGLE = 16,
    MAILBOX_SECOND_ADDRESS = 32, /* the display name is, or holds, an address itself: "a@x" <b@y> */
    MAILBOX_ROUTE = 64,          /* <@a,@b:c@d> */
    MAILBOX_CUT = 128            /* longer than a mailbox may be: 998 octets each of name and address */
};

struct mailbox {
    struct str display;          /* decoded, UTF-8; "" none; of a bare address the comment behind it */
    struct str address;          /* local@domain, without comments and blanks; "" none */
    struct str local, domain;    /* domain in lower case */
    struct str group;            /* display name of the group it stands in, "" none */
    unsigned defects;            /* enum mailbox_defect flags */
    struct mailbox *next;
};

/* VALUE raw and folded. At most MOST mailboxes; COUNT (may be NULL) counts all. Returns the first, NULL when there is none. */
struct mailbox *mailbox_list_parse(struct arena *arena, struct charset_context *charsets, struct str value, size_t most, size_t *count);

#endif
