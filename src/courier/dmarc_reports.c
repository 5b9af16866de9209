/* dmarc_reports.c: see dmarc_reports.h. */
#include "courier/dmarc_reports.h"

#include "auth/dmarc_destination.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LOOK_MS = 500,
    SETTLE_MS = 60 * 1000,         /* what came before midnight is counted by then */
    SPREAD_MS = 20 * 60 * 1000,    /* so that not all the world reports at once */
    TRY_AGAIN_MS = 30 * 60 * 1000,
    DAYS_BACK = 30,                /* a gateway that was down so long has nothing to tell any more */
    DAYS_TRIED = 2
};

struct dmarc_reports {
    struct dmarc_reports_parts parts;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;                 /* guarded by the lock */
    int64_t spread_ms, next_ms;    /* the thread's: wall clock; 0: look now */
};

void dmarc_report_about(const struct settings *settings, int64_t day, char *host, char *email, struct dmarc_report *report)
{
    const struct policy *p = settings_system(settings);
    const char *from = setting_text(p, SETTING_dmarc_reports_from), *postmaster = setting_text(p, SETTING_postmaster),
               *organization = setting_text(p, SETTING_dmarc_reports_organization);

    settings_host_name(p, host, DMARC_ABOUT_MAX);
    if (*from || *postmaster)
        str_copy(email, DMARC_ABOUT_MAX, str_from(*from ? from : postmaster));
    else
        snprintf(email, DMARC_ABOUT_MAX, "postmaster@%.300s", host);
    *report = (struct dmarc_report){.organization = *organization ? organization : host, .email = email, .receiver = host, .day = day,
                                    .contact = setting_text(p, SETTING_dmarc_reports_contact)};
}

static bool is_stopping(struct dmarc_reports *r)
{
    pthread_mutex_lock(&r->lock);
    bool yes = r->stopping;
    pthread_mutex_unlock(&r->lock);
    return yes;
}

/* Not durable at once: what a power cut takes is sent once more. */
static void note_sent(const char *path, const struct dmarc_domain *d, const struct address *to)
{
    struct buf line = buf_make(1024);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);

    buf_addf(&line, "S\t%s\t" STR_FMT "\n", d->name, STR_ARG(address_text(to)));
    if (fd < 0 || !file_write_all(fd, line.at, line.len))
        log_error("%s: %s; after a restart the report to " STR_FMT " is sent once more", path, strerror(errno), STR_ARG(address_text(to)));
    if (fd >= 0)
        close(fd);
    buf_free(&line);
}

/* False: it has to be tried again. */
static bool send_one(struct dmarc_reports *r, const struct dmarc_report *about, const char *path, const struct dmarc_domain *d, const struct address *to)
{
    struct spool_message *m = dmarc_mail(r->parts.signer, about, d, to, clock_wall_ms());

    if (!m) {
        log_error("the DMARC report on %s to " STR_FMT " could not be made: it is left out", d->name, STR_ARG(address_text(to)));
        note_sent(path, d, to);
        return true;
    }
    bool sent = spool_has_room(r->parts.spool, m->mail.size) && spool_submit(r->parts.spool, m) == SPOOL_OK;
    if (sent)
        log_info("DMARC report on %s to " STR_FMT ": %zu rows, message %s", d->name, STR_ARG(address_text(to)), d->row_count, m->reference);
    spool_message_unref(m);
    if (sent)
        note_sent(path, d, to);
    else
        log_error("the DMARC report on %s could not be queued: it is tried again", d->name);
    return sent;
}

/* The report on one domain to all who want it. False: something is left to do. */
static bool report_domain(struct dmarc_reports *r, const struct dmarc_report *about, const char *path, const struct dmarc_domain *d)
{
    struct str published[PUBLISHED_FIELDS];
    struct address to[DMARC_DESTINATIONS_MAX];
    bool failed;

    if (!d->first || !d->published || !dmarc_fields(str_from(d->published), published, PUBLISHED_FIELDS))
        return true;
    size_t count = dmarc_destinations(r->parts.dns, str_from(d->name), published[PUBLISHED_RUA], to, &failed);
    for (size_t i = 0; i < count; i++)
        if (!dmarc_domain_was_sent(d, address_text(&to[i])) && !send_one(r, about, path, d, &to[i]))
            failed = true;
    return !failed;
}

/* One day that is over. Its file goes when all is sent, and when what is left was tried for long enough. */
static bool report_day(struct dmarc_reports *r, const struct settings *settings, int64_t day, int64_t today)
{
    const struct policy *p = settings_system(settings);
    char path[PATH_MAX], host[DMARC_ABOUT_MAX], email[DMARC_ABOUT_MAX];
    struct dmarc_report about;
    struct dmarc_day counted;
    bool all = true;

    dmarc_day_path(setting_text(p, SETTING_state_directory), day, path, sizeof path);
    if (!setting_flag(p, SETTING_dmarc_reports)) { /* nobody is told what was counted before */
        unlink(path);
        return true;
    }
    if (access(path, F_OK) < 0)
        return true;
    dmarc_day_init(&counted, (size_t)setting_number(p, SETTING_dmarc_report_entries));
    if (!dmarc_day_read(&counted, path, NULL, NULL)) {
        log_error("%s: %s: what is in it is not reported now", path, strerror(errno));
        all = false;
    }
    dmarc_report_about(settings, day, host, email, &about);
    for (const struct dmarc_domain *d = counted.first; d; d = d->next) {
        if (is_stopping(r)) {
            dmarc_day_clear(&counted);
            return false;
        }
        all = report_domain(r, &about, path, d) && all;
    }
    dmarc_day_clear(&counted);
    if (!all && today - day <= DAYS_TRIED)
        return false;
    if (!all)
        log_warning("%s: some DMARC reports could not be sent for two days: they are given up", path);
    if (unlink(path) < 0)
        log_error("%s: %s", path, strerror(errno));
    return true;
}

static void look(struct dmarc_reports *r)
{
    int64_t now_ms = clock_wall_ms(), today = (now_ms - SETTLE_MS - r->spread_ms) / DMARC_DAY_MS;
    bool all = true;

    if (now_ms < r->next_ms)
        return;
    struct settings *settings = settings_take(r->parts.settings);
    for (int64_t day = today - DAYS_BACK; day < today; day++)
        all = report_day(r, settings, day, today) && all;
    settings_unref(settings);
    r->next_ms = all ? (today + 1) * DMARC_DAY_MS + SETTLE_MS + r->spread_ms : now_ms + TRY_AGAIN_MS;
}

static void *reports_main(void *arg)
{
    struct dmarc_reports *r = arg;

    while (!is_stopping(r)) {
        look(r);
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_mutex_lock(&r->lock);
        if (!r->stopping)
            pthread_cond_timedwait(&r->wake, &r->lock, &until);
        pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

struct dmarc_reports *dmarc_reports_start(const struct dmarc_reports_parts *parts)
{
    struct dmarc_reports *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->parts = *parts;
    r->spread_ms = random_below(SPREAD_MS);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wake, NULL);
    errno = pthread_create(&r->thread, NULL, reports_main, r);
    if (errno == 0) {
        pthread_setname_np(r->thread, "dmarc-reports");
        return r;
    }
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    free(r);
    return NULL;
}

void dmarc_reports_stop(struct dmarc_reports **pr)
{
    struct dmarc_reports *r = *pr;

    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    free(r);
    *pr = NULL;
}
