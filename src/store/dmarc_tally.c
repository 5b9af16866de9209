/* dmarc_tally.c: see dmarc_tally.h. */
#include "store/dmarc_tally.h"

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
#include <sys/stat.h>
#include <unistd.h>

enum { SLACK_LINES = 20000, COMPLAIN_MS = 60000 };

struct dmarc_tally {
    pthread_mutex_t lock;   /* guards all below */
    char *directory;        /* owned */
    char path[PATH_MAX];    /* of the day's file */
    struct dmarc_day day;
    int64_t number;         /* of the day; -1: none yet */
    int fd;                 /* -1: the file could not be opened: counted in memory alone */
    uint64_t size, lines;   /* of the file */
    int64_t complain_from_ms;
    bool told;              /* that there is no more room today */
};

struct dmarc_tally *dmarc_tally_new(const char *directory, size_t row_limit)
{
    struct dmarc_tally *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    dmarc_day_init(&t->day, row_limit);
    t->directory = strdup(directory);
    t->number = -1;
    t->fd = -1;
    if (!t->directory)
        dmarc_tally_free(&t);
    return t;
}

void dmarc_tally_free(struct dmarc_tally **pt)
{
    struct dmarc_tally *t = *pt;

    if (!t)
        return;
    dmarc_day_clear(&t->day);
    if (t->fd >= 0)
        close(t->fd);
    pthread_mutex_destroy(&t->lock);
    free(t->directory);
    free(t);
    *pt = NULL;
}

static void complain(struct dmarc_tally *t, const char *what)
{
    int trouble = errno;
    int64_t now_ms = clock_mono_ms();

    if (now_ms < t->complain_from_ms)
        return;
    t->complain_from_ms = now_ms + COMPLAIN_MS;
    log_error("%s: %s: %s; what is counted for DMARC reports meanwhile may be missing in them", t->path, what, strerror(trouble));
}

static bool write_line(void *arg, struct str line)
{
    FILE *f = arg;
    return fwrite(line.at, 1, line.len, f) == line.len;
}

/* Beside the old one, and then in its place: at every moment one whole file is there. */
static bool write_anew(struct dmarc_tally *t)
{
    char path[PATH_MAX + 4];

    snprintf(path, sizeof path, "%s.new", t->path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640), copy = fd < 0 ? -1 : dup(fd);
    FILE *f = copy < 0 ? NULL : fdopen(copy, "a");
    bool ok = f && dmarc_day_lines(&t->day, write_line, f) && fflush(f) == 0 && fsync(fd) == 0;
    struct stat st;

    if (f)
        ok = fclose(f) == 0 && ok;
    else if (copy >= 0)
        close(copy);
    if (!ok || fstat(fd, &st) < 0 || rename(path, t->path) < 0) {
        complain(t, "writing it anew");
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (t->fd >= 0)
        close(t->fd);
    t->fd = fd;
    t->size = (uint64_t)st.st_size;
    t->lines = 2 * t->day.table.count + t->day.row_count;
    return true;
}

/* What is there of the day goes on: a line that was torn off, and a file that is none of ours, are left out. */
static void begin_day(struct dmarc_tally *t, int64_t number)
{
    dmarc_day_clear(&t->day);
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    t->number = number;
    t->told = false;
    t->size = t->lines = 0;
    dmarc_day_path(t->directory, number, t->path, sizeof t->path);
    if (!dmarc_day_read(&t->day, t->path, &t->size, &t->lines) && errno != ENOENT)
        complain(t, "reading");
    t->day.left_out = 0;
    if (t->size)
        t->fd = open(t->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (t->fd >= 0 && ftruncate(t->fd, (off_t)t->size) < 0)
        complain(t, "shortening");
    if (t->fd < 0)
        write_anew(t); /* the line at its head */
}

/* Half a line must not stay in front of the next one. */
static void append(struct dmarc_tally *t, const struct buf *line)
{
    if (t->fd < 0 || line->failed)
        return;
    if (file_write_all(t->fd, line->at, line->len)) {
        t->size += line->len;
        t->lines++;
        return;
    }
    complain(t, "appending");
    if (ftruncate(t->fd, (off_t)t->size) == 0)
        return;
    close(t->fd);
    t->fd = -1;
}

static void count(struct dmarc_tally *t, struct str domain, struct str published, struct str row)
{
    struct buf line = buf_make(2 * DMARC_ROW_MAX);
    bool is_new, fits = dmarc_day_publish(&t->day, domain, published, &is_new);

    if (fits && is_new) {
        buf_addf(&line, "P\t" STR_FMT "\t" STR_FMT "\n", STR_ARG(domain), STR_ARG(published));
        append(t, &line);
        buf_clear(&line);
    }
    if (dmarc_day_count(&t->day, domain, row, 1)) {
        buf_addf(&line, "R\t" STR_FMT "\t1\t" STR_FMT "\n", STR_ARG(domain), STR_ARG(row));
        append(t, &line);
    } else if (!t->told) {
        t->told = true;
        log_warning("no more room in today's DMARC counters (dmarc_report_entries): some messages will be missing in reports, the first about " STR_FMT,
                    STR_ARG(domain));
    }
    buf_free(&line);
    uint64_t needed = 2 * t->day.table.count + t->day.row_count;
    if (t->fd < 0 || t->lines > 2 * needed + SLACK_LINES)
        write_anew(t);
}

void dmarc_tally_add(struct dmarc_tally *t, int64_t now_ms, struct str domain, struct str published, struct str row)
{
    int64_t number = now_ms / DMARC_DAY_MS;

    pthread_mutex_lock(&t->lock);
    if (number > t->number) /* a clock that is set back counts into the day that has begun */
        begin_day(t, number);
    count(t, domain, published, row);
    pthread_mutex_unlock(&t->lock);
}
