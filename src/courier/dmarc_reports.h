/*
 * dmarc_reports.h: aggregate reports to domains (RFC 9990): once a day, soon after midnight UTC, what was counted of the days before (store/dmarc_day.h)
 * goes as mail through our own queue to whom each domain names, where dmarc_reports is on. A thread of its own. What was sent is written into the day's
 * file behind each report; after a crash just there a report is sent twice, with the same identifier and file name, as §3.5.4 foresees. A destination of
 * which the DNS says nothing is asked about again, for two days; then the day's file goes.
 */
#ifndef COURIER_DMARC_REPORTS_H
#define COURIER_DMARC_REPORTS_H

#include "auth/dkim_sign.h"
#include "catalog/settings.h"
#include "net/dns.h"
#include "spool/spool.h"
#include "store/dmarc_xml.h"

struct dmarc_reports;

struct dmarc_reports_parts { /* borrowed, must outlive it */
    struct settings_holder *settings;
    struct dns *dns;
    struct dkim_signer *signer;
    struct spool *spool;
};

struct dmarc_reports *dmarc_reports_start(const struct dmarc_reports_parts *parts); /* NULL with errno */
void dmarc_reports_stop(struct dmarc_reports **r); /* lets the report at hand end */

/* Who reports, as the settings say. HOST and EMAIL (340 bytes each) hold what REPORT points to, beside the settings. */
void dmarc_report_about(const struct settings *settings, int64_t day, char *host, char *email, struct dmarc_report *report);
enum { DMARC_ABOUT_MAX = 340 };

/* dmarc_mail.c: the message with the report on D to one address, signed; one reference, the caller's. NULL: it is too large, out of memory. */
struct spool_message *dmarc_mail(struct dkim_signer *signer, const struct dmarc_report *about, const struct dmarc_domain *d, const struct address *to,
                                 int64_t now_ms);

#endif
