/* digest_mail.h: a digest as mail: time, sender, subject and reason of each message, with links to release it. Good in text and HTML, light and dark. */
#ifndef COURIER_DIGEST_MAIL_H
#define COURIER_DIGEST_MAIL_H

#include "courier/notice.h"
#include "store/digest.h"

struct digest_look {
    const char *host, *from, *from_name, *link_url /* what a link's secret is put behind: https://mx.example.net/digest/ */;
    const char *zone;   /* IANA name of the recipient's time zone, "" UTC */
    int days_kept;      /* how long messages stay in quarantine */
};

/* NULL: out of memory. */
struct spool_message *digest_mail(struct dkim_signer *signer, const struct digest *d, const struct digest_look *look, const struct address *to, int64_t now_ms);

/* The wall clock in ZONE ("" or unknown: UTC): day counted from 1970, hour, minute, weekday (0 Sunday). */
struct local_time {
    int64_t day;
    int hour, minute, weekday;
};
struct local_time local_time_of(const char *zone, int64_t wall_ms);

#endif
