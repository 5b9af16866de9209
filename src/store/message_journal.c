/* message_journal.c: see message_journal.h. */
#include "store/message_journal.h"

#include "base/log.h"
#include "store/db.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define PREFIX "message-log."
static const char magic[8] = "PMLOG01\n";

struct segment {
    int64_t number;
    uint64_t size; /* octets that are whole */
};

struct message_journal {
    char *directory;           /* owned */
    uint64_t ceiling;
    pthread_mutex_t lock;      /* guards segments and the reader's place; files are written and read without it */
    struct segment *segments;  /* by number; owned */
    size_t count, room;
    struct journal_position reader;
    int write_fd, read_fd;     /* each its thread's own */
    int64_t read_number;       /* of the file that read_fd is */
};

static char *path_of(const struct message_journal *j, int64_t number, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/" PREFIX "%016" PRIx64, j->directory, (uint64_t)number);
    return path;
}

/* The lock is held, or nobody else is there yet. */
static bool add_segment(struct message_journal *j, int64_t number, uint64_t size)
{
    if (j->count == JOURNAL_MOST_SEGMENTS) {
        errno = EDQUOT;
        return false;
    }
    if (j->count == j->room) {
        size_t room = j->room ? j->room * 2 : 16;
        struct segment *more = realloc(j->segments, room * sizeof *more);
        if (!more)
            return false;
        j->segments = more;
        j->room = room;
    }
    j->segments[j->count++] = (struct segment){number, size};
    return true;
}

static int by_number(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static bool note_file(struct message_journal *j, const char *name)
{
    char path[PATH_MAX], *end;
    struct stat st;

    if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0 || strlen(name) != sizeof PREFIX - 1 + 16)
        return true;
    int64_t number = (int64_t)strtoull(name + sizeof PREFIX - 1, &end, 16);
    if (*end || number <= 0 || stat(path_of(j, number, path), &st) != 0)
        return true;
    return add_segment(j, number, (uint64_t)st.st_size);
}

static bool find_files(struct message_journal *j)
{
    DIR *d = opendir(j->directory);
    bool ok = d != NULL;

    for (struct dirent *e; ok && (e = readdir(d)) != NULL;)
        ok = note_file(j, e->d_name);
    if (d)
        closedir(d);
    if (j->count)
        qsort(j->segments, j->count, sizeof *j->segments, by_number);
    return ok;
}

struct message_journal *journal_open(const char *directory, uint64_t ceiling_bytes, struct buf *error)
{
    struct message_journal *j = calloc(1, sizeof *j);

    if (j)
        *j = (struct message_journal){.directory = strdup(directory), .ceiling = ceiling_bytes, .write_fd = -1, .read_fd = -1};
    if (!j || !j->directory) {
        buf_add_text(error, "out of memory");
        free(j);
        return NULL;
    }
    pthread_mutex_init(&j->lock, NULL);
    if (find_files(j))
        return j;
    buf_addf(error, "%s: %s", directory, strerror(errno));
    journal_close(&j);
    return NULL;
}

void journal_close(struct message_journal **j)
{
    if (!*j)
        return;
    if ((*j)->write_fd >= 0)
        close((*j)->write_fd);
    if ((*j)->read_fd >= 0)
        close((*j)->read_fd);
    pthread_mutex_destroy(&(*j)->lock);
    free((*j)->segments);
    free((*j)->directory);
    free(*j);
    *j = NULL;
}

bool journal_frame(struct buf *out, struct str record)
{
    uint32_t head[2] = {(uint32_t)record.len, (uint32_t)crc32(0, (const unsigned char *)record.at, (unsigned)record.len)};
    size_t before = out->len;

    if (buf_add(out, head, sizeof head) && buf_add_str(out, record))
        return true;
    buf_truncate(out, before);
    return false;
}

static bool write_at(int fd, struct str bytes, uint64_t offset)
{
    while (bytes.len) {
        ssize_t n = pwrite(fd, bytes.at, bytes.len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes = str_from_index(bytes, (size_t)n);
        offset += (uint64_t)n;
    }
    return true;
}

/* A file of the writer's own: never one that an earlier process may have left half written. */
static bool begin_segment(struct message_journal *j)
{
    char path[PATH_MAX];
    int64_t number = db_new_id();

    if (j->write_fd >= 0)
        close(j->write_fd);
    pthread_mutex_lock(&j->lock);
    if (j->count && number <= j->segments[j->count - 1].number) /* the clock was set back */
        number = j->segments[j->count - 1].number + 1;
    pthread_mutex_unlock(&j->lock);
    j->write_fd = open(path_of(j, number, path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (j->write_fd < 0)
        return false;
    bool ok = write_at(j->write_fd, str_n(magic, sizeof magic), 0);
    pthread_mutex_lock(&j->lock);
    ok = ok && add_segment(j, number, sizeof magic);
    pthread_mutex_unlock(&j->lock);
    if (ok)
        return true;
    int why = errno;
    close(j->write_fd);
    j->write_fd = -1;
    unlink(path);
    errno = why;
    return false;
}

/* The lock is held. */
static uint64_t waiting(const struct message_journal *j)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < j->count; i++) {
        const struct segment *s = &j->segments[i];
        uint64_t read = s->number < j->reader.segment ? s->size : s->number == j->reader.segment ? j->reader.offset : sizeof magic;
        bytes += read < s->size ? s->size - read : 0;
    }
    return bytes;
}

bool journal_append(struct message_journal *j, struct str records)
{
    pthread_mutex_lock(&j->lock);
    bool full = waiting(j) + records.len > j->ceiling;
    uint64_t size = j->write_fd >= 0 ? j->segments[j->count - 1].size : 0;
    pthread_mutex_unlock(&j->lock);
    if (full) {
        errno = EDQUOT;
        return false;
    }
    if (!size || size >= JOURNAL_SEGMENT_BYTES) {
        if (!begin_segment(j))
            return false;
        size = sizeof magic;
    }
    if (!write_at(j->write_fd, records, size)) /* what got there lies behind `size`, and is written over by the next */
        return false;
    pthread_mutex_lock(&j->lock);
    j->segments[j->count - 1].size += records.len;
    pthread_mutex_unlock(&j->lock);
    return true;
}

void journal_seek(struct message_journal *j, struct journal_position at)
{
    pthread_mutex_lock(&j->lock);
    j->reader = at;
    pthread_mutex_unlock(&j->lock);
}

/* The first file that holds something for the reader. The lock is held. */
static bool find_next(struct message_journal *j, struct segment *found, struct journal_position *at)
{
    for (size_t i = 0; i < j->count; i++) {
        const struct segment *s = &j->segments[i];
        uint64_t offset = s->number == j->reader.segment ? j->reader.offset : sizeof magic;
        if (s->number < j->reader.segment || offset >= s->size)
            continue;
        *found = *s;
        *at = (struct journal_position){s->number, offset};
        return true;
    }
    return false;
}

static bool open_to_read(struct message_journal *j, int64_t number)
{
    char path[PATH_MAX];

    if (j->read_fd >= 0 && j->read_number == number)
        return true;
    if (j->read_fd >= 0)
        close(j->read_fd);
    j->read_fd = open(path_of(j, number, path), O_RDONLY | O_CLOEXEC);
    j->read_number = number;
    return j->read_fd >= 0;
}

static bool fill(int fd, struct buf *out, size_t len, uint64_t offset)
{
    if (!buf_reserve(out, len)) {
        errno = ENOMEM;
        return false;
    }
    while (len) {
        ssize_t n = pread(fd, out->at + out->len, len, (off_t)(offset + out->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            return true; /* shorter than its size said: what is missing is no record */
        out->len += (size_t)n;
        len -= (size_t)n;
    }
    return true;
}

bool journal_next(struct str *rest, struct str *record)
{
    uint32_t head[2];

    if (rest->len < sizeof head)
        return false;
    memcpy(head, rest->at, sizeof head);
    if (rest->len - sizeof head < head[0])
        return false;
    *record = str_sub(*rest, sizeof head, head[0]);
    if (head[1] != (uint32_t)crc32(0, (const unsigned char *)record->at, (unsigned)record->len))
        return false;
    *rest = str_from_index(*rest, sizeof head + head[0]);
    return true;
}

/* How many octets of B are whole records. */
static size_t whole(struct str bytes)
{
    struct str rest = bytes, record;

    while (journal_next(&rest, &record))
        ;
    return bytes.len - rest.len;
}

static bool is_ours(int fd)
{
    char head[sizeof magic];
    return pread(fd, head, sizeof head, 0) == (ssize_t)sizeof head && memcmp(head, magic, sizeof magic) == 0;
}

/* Reads from AT; all that is left of the file where MOST is not enough for one record. */
static int read_from(struct message_journal *j, const struct segment *s, struct journal_position at, size_t most, struct buf *out)
{
    uint64_t left = s->size - at.offset;

    if (!is_ours(j->read_fd))
        return 0;
    for (uint64_t want = most < left ? most : left;; want = left) {
        buf_clear(out);
        if (!fill(j->read_fd, out, (size_t)want, at.offset))
            return -1;
        size_t len = whole(buf_str(out));
        buf_truncate(out, len);
        if (len || want == left)
            return len > 0;
    }
}

int journal_read(struct message_journal *j, size_t most, struct buf *out, struct journal_position *after)
{
    struct segment s;
    struct journal_position at;

    for (;;) {
        pthread_mutex_lock(&j->lock);
        bool found = find_next(j, &s, &at);
        pthread_mutex_unlock(&j->lock);
        if (!found)
            return 0;
        if (!open_to_read(j, s.number))
            return -1;
        int got = read_from(j, &s, at, most, out);
        if (got < 0)
            return -1;
        *after = (struct journal_position){at.segment, at.offset + out->len};
        if (got > 0)
            return 1;
        log_warning("message log: %s/" PREFIX "%016" PRIx64 ": %" PRIu64 " octets at its end are no whole rows and are left out", j->directory, (uint64_t)s.number,
                    s.size - at.offset);
        journal_seek(j, (struct journal_position){s.number, UINT64_MAX});
    }
}

void journal_forget(struct message_journal *j)
{
    char path[PATH_MAX];

    pthread_mutex_lock(&j->lock);
    size_t old = 0;
    while (old < j->count && j->segments[old].number < j->reader.segment) {
        unlink(path_of(j, j->segments[old].number, path));
        old++;
    }
    j->count -= old;
    if (old)
        memmove(j->segments, j->segments + old, j->count * sizeof *j->segments);
    pthread_mutex_unlock(&j->lock);
}

bool journal_has_read_files(struct message_journal *j)
{
    pthread_mutex_lock(&j->lock);
    bool has = j->count && j->segments[0].number < j->reader.segment;
    pthread_mutex_unlock(&j->lock);
    return has;
}

uint64_t journal_waiting(struct message_journal *j)
{
    pthread_mutex_lock(&j->lock);
    uint64_t bytes = waiting(j);
    pthread_mutex_unlock(&j->lock);
    return bytes;
}
