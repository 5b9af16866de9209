/* tls_report_parts.h: what the files of TLSRPT share: tls_report.c (counts), tls_report_build.c (the report, pure), tls_report_send.c (who gets it). */
#ifndef COURIER_TLS_REPORT_PARTS_H
#define COURIER_TLS_REPORT_PARTS_H

#include "courier/tls_report.h"

#include <pthread.h>

enum { TLS_REPORT_MOST_DOMAINS = 10000, TLS_REPORT_MOST_POLICIES = 16, TLS_REPORT_MOST_FAILURES = 64 };
enum { TLS_REPORT_MOST_URIS = 4, TLS_REPORT_BYTES_MAX = 1024 * 1024, TLS_REPORT_DAY_MS = 24 * 3600 * 1000 };

/*
 * What is counted: {"20261124": {"example.net": {"policies": {KEY: {"policy": {…}, "successful": N, "failed": N, "details": {KEY: {…}}}},
 * "tries": N, "next_ms": N}}}, the insides of a policy as the report has them.
 */
struct tls_reports {
    struct tls_report_options parts;
    struct spool *spool;
    char path[300];
    int64_t delay_ms;         /* after midnight */
    pthread_t thread;
    pthread_mutex_t lock;     /* guards all below */
    pthread_cond_t wake;
    json_t *days;
    int64_t saved_ms;         /* monotonic */
    bool stop, is_running, is_changed;
};

void tls_reports_save(struct tls_reports *r); /* takes the lock itself */

/* One domain's day as a report, and what names it. */
struct tls_report {
    const char *domain, *host, *contact; /* contact: an address */
    int64_t from_ms;          /* 00:00 UTC */
    char id[120];
};
/* The report (RFC 8460 §4.4), gzipped, into OUT. False when out of memory or past its ceiling. */
bool tls_report_json(const struct tls_report *t, const json_t *policies, struct buf *out);
void tls_report_file_name(const struct tls_report *t, char *to, size_t size); /* §5.1 */
/* The mail (§5.3) with REPORT in it; TO as it stands in the header. */
bool tls_report_mail(const struct tls_report *t, struct str report, const char *to, int64_t now_ms, struct buf *out);
/* The addresses of the record at _smtp._tls (§3), each ended by NUL, into OUT. 0: it is none, or not valid. */
size_t tls_report_uris(struct str txt, struct buf *out);
bool tls_report_is_ours(struct str txt);

/* tls_report_send.c */
void *tls_reports_thread(void *arg);

#endif
