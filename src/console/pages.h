/* pages.h: the public pages as text. They need no JavaScript, hold no recipient, subject or score, and stay under 15 kB. */
#ifndef CONSOLE_PAGES_H
#define CONSOLE_PAGES_H

#include "admin/digest_link.h"
#include "admin/unlock.h"
#include "base/buf.h"
#include "catalog/reason.h"

enum { PAGE_MAX = 64 * 1024 };

struct page {
    int status;       /* HTTP */
    const char *type; /* media type */
    struct buf body;
};

/* PATH without query ("/why/spf-failure/7K3F9QXD2M"); HOST is our name, shown to people. Never fails: what is not there is a 404 page. */
struct page page_for(struct str path, const char *host);
/* The page behind a link of a digest, likewise. It names neither recipient nor subject. */
struct page page_digest(enum digest_answer answer, const struct digest_target *what, const char *host);
/* The page behind a link that unlocks an outgoing account, with its one button where the answer is READY. */
struct page page_unlock(enum unlock_answer answer, const struct unlock_target *who, const char *host);

#endif
