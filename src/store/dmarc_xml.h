/* dmarc_xml.h: one day's rows of a policy domain as an aggregate report (RFC 9990 §3.1.1, Appendix A). Pure. */
#ifndef STORE_DMARC_XML_H
#define STORE_DMARC_XML_H

#include "store/dmarc_day.h"

struct dmarc_report {
    const char *organization, *email, *contact; /* contact: "" none */
    const char *receiver;                       /* our host name */
    int64_t day;                                /* counts from 1970-01-01 */
};

/* "2026-11-25_example.com@mx.example.net" (§3.5.1): the same however often the report is made. */
void dmarc_report_id(const struct dmarc_report *about, const struct dmarc_domain *d, struct buf *out);
int64_t dmarc_report_begin_s(const struct dmarc_report *about);
int64_t dmarc_report_end_s(const struct dmarc_report *about); /* the day's last second: periods do not overlap (§3.1.1.4) */
/* Nothing where D has no rows or no policy. OUT's ceiling bounds it: look at `failed`. */
void dmarc_xml(const struct dmarc_report *about, const struct dmarc_domain *d, struct buf *out);

#endif
