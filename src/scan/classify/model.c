/* model.c: see model.h. */
#include "scan/classify/model.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_OCTETS = 64 * 1024 /* whole pages, whatever their size */, VERSION = 1 };

/* Measured on orders random and date, with and without noise, and older to younger. */
static const double SMOOTHING = 0.01, SHRINKING = 0.0003, DAMPING = 0.001;

struct model_header {
    char magic[8];
    uint32_t version, bits;
    uint64_t spam, ham;
};

struct model {
    struct model_header *header; /* the mapping */
    float *weights, *sums;       /* sums NULL: only scores */
    size_t mapped;
    uint32_t shift;
};

static size_t octets(unsigned bits, bool learns)
{
    return HEADER_OCTETS + ((size_t)sizeof(float) << bits) * (learns ? 2 : 1);
}

static struct model *wrap(void *at, unsigned bits, bool learns)
{
    struct model *m = calloc(1, sizeof *m);

    if (!m) {
        munmap(at, octets(bits, learns));
        return NULL;
    }
    *m = (struct model){.header = at, .mapped = octets(bits, learns), .shift = 32 - bits};
    m->weights = (float *)(void *)((char *)at + HEADER_OCTETS);
    m->sums = learns ? m->weights + ((size_t)1 << bits) : NULL;
    return m;
}

static void fill(struct model_header *h, unsigned bits)
{
    *h = (struct model_header){.magic = "POSTERN", .version = VERSION, .bits = bits};
}

static bool is_sound(const struct model_header *h)
{
    return memcmp(h->magic, "POSTERN", sizeof h->magic) == 0 && h->version == VERSION && h->bits >= MODEL_BITS_MIN && h->bits <= MODEL_BITS_MAX;
}

struct model *model_new(unsigned bits)
{
    void *at = mmap(NULL, octets(bits, true), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED)
        return NULL;
    fill(at, bits);
    return wrap(at, bits, true);
}

static struct model *map(int fd, bool learns, struct buf *error)
{
    struct model_header h;
    struct stat st;

    if (pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h || !is_sound(&h) || fstat(fd, &st) < 0 || (size_t)st.st_size != octets(h.bits, true)) {
        buf_add_text(error, "not a model of this program");
        return NULL;
    }
    void *at = mmap(NULL, octets(h.bits, learns), learns ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        buf_add_text(error, strerror(errno));
        return NULL;
    }
    return wrap(at, h.bits, learns);
}

struct model *model_of_fd(int fd, struct buf *error)
{
    return map(fd, false, error);
}

/* A new file is whole under another name first: nobody maps half of one. */
static bool make(const char *path, unsigned bits, struct buf *error)
{
    char draft[4096];
    struct model_header h;

    fill(&h, bits);
    int n = snprintf(draft, sizeof draft, "%s.new", path);
    int fd = n > 0 && (size_t)n < sizeof draft ? open(draft, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    bool ok = fd >= 0 && pwrite(fd, &h, sizeof h, 0) == (ssize_t)sizeof h && ftruncate(fd, (off_t)octets(bits, true)) == 0 && fsync(fd) == 0 && rename(draft, path) == 0;
    if (!ok)
        buf_addf(error, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok;
}

struct model *model_open(const char *path, unsigned bits, bool learns, struct buf *error)
{
    struct buf why = buf_make(200);
    int fd = open(path, (learns ? O_RDWR : O_RDONLY) | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT && learns) {
        if (!make(path, bits, error))
            return NULL;
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    if (fd < 0) {
        buf_addf(error, "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct model *m = map(fd, learns, &why);
    close(fd);
    if (!m)
        buf_addf(error, "%s: " STR_FMT, path, STR_ARG(buf_str(&why)));
    buf_free(&why);
    return m;
}

void model_close(struct model **m)
{
    if (!*m)
        return;
    munmap((*m)->header, (*m)->mapped);
    free(*m);
    *m = NULL;
}

static double score_view(const struct model *m, const uint32_t *features, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (double)m->weights[features[i] >> m->shift];
    return count ? sum / sqrt((double)count) : 0;
}

double model_score(const struct model *m, const struct feature_sets *sets)
{
    double sum = 0;

    for (size_t v = 0; v < FEATURE_VIEWS; v++)
        sum += score_view(m, sets->at[v], sets->count[v]);
    return sum;
}

static double learn_view(struct model *m, const uint32_t *features, size_t count, bool is_spam, double rate)
{
    double score = score_view(m, features, count), target = is_spam ? 1 - SMOOTHING : SMOOTHING;
    double step = (target - 1 / (1 + exp(-score))) / sqrt((double)(count ? count : 1));

    for (size_t i = 0; i < count; i++) {
        size_t at = features[i] >> m->shift;
        double gradient = step - SHRINKING * (double)m->weights[at];
        m->sums[at] += (float)(gradient * gradient);
        m->weights[at] += (float)(rate * gradient / (sqrt((double)m->sums[at]) + DAMPING));
    }
    return score;
}

double model_learn(struct model *m, const struct feature_sets *sets, bool is_spam, double rate)
{
    double sum = 0;

    for (size_t v = 0; v < FEATURE_VIEWS; v++)
        sum += learn_view(m, sets->at[v], sets->count[v], is_spam, rate);
    *(is_spam ? &m->header->spam : &m->header->ham) += 1;
    return sum;
}

uint64_t model_learned(const struct model *m, bool is_spam)
{
    return is_spam ? m->header->spam : m->header->ham;
}
