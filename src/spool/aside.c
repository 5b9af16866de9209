/* aside.c: a small table of prints of what did harm, and the folder of what did it twice. */
#include "spool/aside.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json_out.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PRINTS = 256, PRINT_SIZE = 32, PATH_SIZE = 512, NAME_SIZE = 96, ENVELOPE_MAX = 1024 * 1024 };
#define PAUSE_MS (INT64_C(3600) * 1000)

struct print {
    unsigned char sha256[PRINT_SIZE];
    unsigned times; /* 0: unused */
    int64_t last_ms;
};

struct aside {
    char *directory; /* owned */
    size_t most;
    atomic_bool is_used; /* some message did harm since the start */
    pthread_mutex_t lock; /* guards the prints and the folder */
    struct print prints[PRINTS];
};

struct aside *aside_new(const char *spool_directory, size_t most)
{
    struct aside *a = calloc(1, sizeof *a);
    char path[PATH_SIZE];

    if (!a)
        return NULL;
    snprintf(path, sizeof path, "%s/aside", spool_directory);
    a->directory = strdup(path);
    if (!a->directory) {
        free(a);
        return NULL;
    }
    a->most = most;
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

void aside_free(struct aside **a)
{
    if (!*a)
        return;
    pthread_mutex_destroy(&(*a)->lock);
    free((*a)->directory);
    free(*a);
    *a = NULL;
}

static bool print_of(const struct blob *message, unsigned char to[PRINT_SIZE])
{
    struct str bytes = blob_bytes(message);
    return EVP_Digest(bytes.at, bytes.len, to, NULL, EVP_sha256(), NULL) == 1;
}

/* Its own place, or the one to be given up for it: an unused one, or the oldest. Under the lock. */
static struct print *place_of(struct aside *a, const unsigned char sha256[PRINT_SIZE])
{
    struct print *oldest = &a->prints[0];

    for (size_t i = 0; i < PRINTS; i++) {
        struct print *p = &a->prints[i];
        if (p->times && memcmp(p->sha256, sha256, PRINT_SIZE) == 0)
            return p;
        if (oldest->times && (!p->times || p->last_ms < oldest->last_ms))
            oldest = p;
    }
    return oldest;
}

bool aside_holds(struct aside *a, const struct blob *message)
{
    unsigned char sha256[PRINT_SIZE];

    if (!atomic_load_explicit(&a->is_used, memory_order_relaxed) || !print_of(message, sha256))
        return false;
    pthread_mutex_lock(&a->lock);
    const struct print *p = place_of(a, sha256);
    bool holds = p->times >= 2 && memcmp(p->sha256, sha256, PRINT_SIZE) == 0 && clock_mono_ms() - p->last_ms < PAUSE_MS;
    pthread_mutex_unlock(&a->lock);
    return holds;
}

static bool write_file(int folder, const char *name, struct str bytes)
{
    int fd = openat(folder, "new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return false;
    bool written = file_write_all(fd, bytes.at, bytes.len) && fsync(fd) == 0;
    int why = errno;
    close(fd);
    errno = why;
    return written && renameat(folder, "new", folder, name) == 0;
}

static void write_envelope(struct buf *out, const struct aside_envelope *e, uint64_t size, unsigned times)
{
    const struct { const char *name; struct str text; } texts[] = {{"reference", str_from(e->reference)}, {"client", str_from(e->client)},
                                                                   {"helo", str_from(e->helo)}, {"from", e->sender}, {"why", str_from(e->why)}};
    char time[32];

    buf_addf(out, "{\"received\": \"%s\", \"size\": %llu, \"times\": %u", clock_format_iso(e->received_ms, time), (unsigned long long)size, times);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        buf_addf(out, ", \"%s\": ", texts[i].name);
        json_out_string(out, texts[i].text);
    }
    buf_addf(out, ", \"to\": [");
    for (size_t i = 0; i < e->recipient_count; i++) {
        buf_addf(out, "%s", i ? ", " : "");
        json_out_string(out, e->recipients[i]);
    }
    buf_addf(out, "]}\n");
}

static bool is_envelope(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, ".json") == 0;
}

/* The oldest go until there is room for one more. References of one gateway are no order, so file times are. */
static void make_room(struct aside *a, int folder)
{
    for (size_t guard = 0; guard < a->most + PRINTS; guard++) {
        char oldest[NAME_SIZE] = "";
        struct timespec oldest_time = {0};
        size_t count = 0;
        int copy = dup(folder);
        DIR *d = copy < 0 ? NULL : fdopendir(copy);
        if (!d) {
            if (copy >= 0)
                close(copy);
            return;
        }
        rewinddir(d);
        for (const struct dirent *e; (e = readdir(d)) != NULL;) {
            struct stat st;
            if (!is_envelope(e->d_name) || strlen(e->d_name) >= sizeof oldest || fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
                continue;
            count++;
            if (*oldest && (st.st_mtim.tv_sec > oldest_time.tv_sec ||
                            (st.st_mtim.tv_sec == oldest_time.tv_sec && st.st_mtim.tv_nsec >= oldest_time.tv_nsec)))
                continue;
            memcpy(oldest, e->d_name, strlen(e->d_name) + 1);
            oldest_time = st.st_mtim;
        }
        closedir(d);
        if (count < a->most || !*oldest)
            return;
        unlinkat(folder, oldest, 0);
        memcpy(strrchr(oldest, '.'), ".eml", sizeof ".eml");
        unlinkat(folder, oldest, 0);
    }
}

/* The envelope comes last: what has one is whole. Under the lock. */
static bool keep(struct aside *a, const struct blob *message, const struct aside_envelope *e, unsigned times)
{
    char name[NAME_SIZE];
    struct buf text = buf_make(ENVELOPE_MAX);

    if (mkdir(a->directory, 0700) != 0 && errno != EEXIST)
        return false;
    int folder = open(a->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return false;
    make_room(a, folder);
    write_envelope(&text, e, blob_size(message), times);
    snprintf(name, sizeof name, "%s.eml", e->reference);
    bool kept = !text.failed && write_file(folder, name, blob_bytes(message));
    snprintf(name, sizeof name, "%s.json", e->reference);
    kept = kept && write_file(folder, name, buf_str(&text)) && fsync(folder) == 0;
    int why = errno;
    close(folder);
    buf_free(&text);
    errno = why;
    return kept;
}

enum aside_result aside_harmed(struct aside *a, const struct blob *message, const struct aside_envelope *envelope)
{
    unsigned char sha256[PRINT_SIZE];
    enum aside_result result = ASIDE_FIRST;

    if (!print_of(message, sha256))
        return ASIDE_FAILED;
    pthread_mutex_lock(&a->lock);
    struct print *p = place_of(a, sha256);
    if (!p->times || memcmp(p->sha256, sha256, PRINT_SIZE) != 0)
        *p = (struct print){0};
    memcpy(p->sha256, sha256, PRINT_SIZE);
    p->times++;
    p->last_ms = clock_mono_ms();
    atomic_store_explicit(&a->is_used, true, memory_order_relaxed);
    if (p->times == 2) {
        result = keep(a, message, envelope, p->times) ? ASIDE_KEPT : ASIDE_FAILED;
        if (result == ASIDE_FAILED) {
            log_error("message %s could not be kept in %s: %s", envelope->reference, a->directory, strerror(errno));
            p->times = 1; /* the next time tries to keep it again */
        }
    }
    pthread_mutex_unlock(&a->lock);
    return result;
}
