/*
 * classify.c: `postern train` and `postern classify`: a statistical model in a file, for measuring it and for trying it on one's own mail. Messages are read by a
 * confined scan process, which gives their features back; the model is here.
 */
#include "cli/command.h"
#include "cli/inspect.h"

#include "base/random.h"
#include "scan/classify/model.h"
#include "scan/scan_start.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { SCAN_BYTES = 512 << 20, SCAN_MS = 60000, INDEX_LINE_MAX = 8192, MOST_MESSAGES = 10000000 };

struct bench {
    struct settings *settings;   /* defaults: for the ceilings of reading */
    struct scan_limits limits;
    struct scan_pool *pool;
    pid_t scanner;               /* 0: none */
    struct model *model;
    double rate;
    uint32_t *features[FEATURE_VIEWS]; /* owned, FEATURES_MAX each: aligned copies */
};

static void end_scanner(struct bench *b)
{
    int status;

    scan_pool_free(&b->pool); /* its channel ends the process */
    if (b->scanner > 0)
        while (waitpid(b->scanner, &status, 0) < 0 && errno == EINTR)
            ;
    b->scanner = 0;
}

static bool start_scanner(struct bench *b)
{
    int channel;

    b->pool = scan_pool_new(SCAN_MS);
    b->scanner = b->pool ? scan_start(SCAN_BYTES, &channel) : -1;
    if (b->scanner > 0 && scan_pool_add(b->pool, channel, 1))
        return true;
    fprintf(stderr, "postern: no scan process could be started: %s\n", strerror(errno));
    return false;
}

static void take_features(struct bench *b, const struct scan_report *report, struct feature_sets *out)
{
    struct str rest = report_records(report);
    struct record r;

    *out = (struct feature_sets){.at = {b->features[VIEW_HEADER], b->features[VIEW_CONTENT]}};
    while (report_next(&rest, RECORD_FEATURES, &r)) {
        size_t count = r.features.set.len / sizeof(uint32_t);
        if (r.features.view >= FEATURE_VIEWS || count > FEATURES_MAX)
            continue;
        memcpy(b->features[r.features.view], r.features.set.at, count * sizeof(uint32_t));
        out->count[r.features.view] = count;
    }
}

/* False where the message cannot be read, or reading it harmed the process: said, and the next one gets a new process. */
static bool features_of(struct bench *b, const char *path, struct feature_sets *out)
{
    struct scan_report report;
    struct blob *message = inspect_read_message(path);

    if (!message || (!b->pool && !start_scanner(b))) {
        blob_unref(message);
        return false;
    }
    enum scan_result result = scan_pool_scan(b->pool, message, &b->limits, &report);
    blob_unref(message);
    if (result != SCAN_OK) {
        fprintf(stderr, "postern: %s could not be read by the scan process\n", path);
        if (b->scanner > 0)
            kill(b->scanner, SIGKILL);
        end_scanner(b);
        return false;
    }
    take_features(b, &report, out);
    scan_report_free(&report);
    return true;
}

static int open_bench(const struct command_line *line, bool learns, struct bench *b)
{
    struct buf error = buf_make(1000);
    char *end = NULL;

    *b = (struct bench){.rate = line->rate ? strtod(line->rate, &end) : 0.5};
    if (!line->model || (end && *end) || b->rate <= 0 || b->rate > 1) {
        fputs(line->model ? "postern: --rate wants a number above 0, 1 at most\n" : "postern: --model FILE is needed\n", stderr);
        return EX_USAGE;
    }
    b->settings = inspect_defaults();
    b->model = model_open(line->model, MODEL_BITS, learns, &error);
    for (size_t v = 0; v < FEATURE_VIEWS; v++)
        b->features[v] = calloc(FEATURES_MAX, sizeof(uint32_t));
    if (!b->model)
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
    buf_free(&error);
    if (!b->settings || !b->features[0] || !b->features[1])
        return EX_SOFTWARE;
    if (!b->model)
        return EX_NOINPUT;
    b->limits = scan_limits_of(settings_system(b->settings));
    b->limits.wants_features = 1;
    b->limits.pictures = 0;
    return EX_OK;
}

static int close_bench(struct bench *b, int code)
{
    end_scanner(b);
    model_close(&b->model);
    for (size_t v = 0; v < FEATURE_VIEWS; v++)
        free(b->features[v]);
    settings_unref(b->settings);
    return code;
}

/* "spam" or "ham". */
static bool label_of(const char *word, bool *is_spam)
{
    *is_spam = strcasecmp(word, "spam") == 0;
    return *is_spam || strcasecmp(word, "ham") == 0;
}

struct entry {
    char *path; /* owned */
    bool is_spam;
};

struct index {
    struct entry *at; /* owned */
    size_t count, room;
};

static void index_free(struct index *x)
{
    for (size_t i = 0; i < x->count; i++)
        free(x->at[i].path);
    free(x->at);
}

/* Paths are as seen from the folder of the index, as in the corpora of TREC. */
static bool take_entry(struct index *x, const char *index_path, const char *label, const char *name)
{
    const char *slash = strrchr(index_path, '/');
    int base = slash && name[0] != '/' ? (int)(slash - index_path) + 1 : 0;
    struct entry e;

    if (x->count == x->room) {
        size_t room = x->room ? x->room * 2 : 1024;
        struct entry *more = room <= MOST_MESSAGES ? realloc(x->at, room * sizeof *more) : NULL;
        if (!more)
            return false;
        x->at = more;
        x->room = room;
    }
    if (!label_of(label, &e.is_spam) || asprintf(&e.path, "%.*s%s", base, index_path, name) < 0)
        return false;
    x->at[x->count++] = e;
    return true;
}

static bool index_read(const char *path, struct index *x)
{
    char line[INDEX_LINE_MAX], label[16], name[INDEX_LINE_MAX];
    FILE *f = fopen(path, "re");
    size_t number = 0;

    if (!f)
        fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
    while (f && fgets(line, sizeof line, f)) {
        number++;
        if (line[strspn(line, " \t\r\n")] == '\0')
            continue;
        if (sscanf(line, "%15s %8191[^\r\n]", label, name) == 2 && take_entry(x, path, label, name))
            continue;
        fprintf(stderr, "postern: %s:%zu: not \"spam PATH\" or \"ham PATH\"\n", path, number);
        fclose(f);
        return false;
    }
    if (f)
        fclose(f);
    return f != NULL;
}

static void shuffle(struct index *x)
{
    for (size_t i = x->count; i > 1; i--) {
        size_t j = random_below((uint32_t)i);
        struct entry e = x->at[i - 1];
        x->at[i - 1] = x->at[j];
        x->at[j] = e;
    }
}

static int learn_index(struct bench *b, const char *path)
{
    struct index x = {0};
    struct feature_sets sets;
    int code = index_read(path, &x) ? EX_OK : EX_DATAERR;

    shuffle(&x); /* all of one kind first would teach that there is nothing else */
    for (size_t i = 0; code == EX_OK && i < x.count; i++)
        if (features_of(b, x.at[i].path, &sets))
            model_learn(b->model, &sets, x.at[i].is_spam, b->rate);
    index_free(&x);
    return code;
}

static int learn_files(struct bench *b, const struct command_line *line, size_t from)
{
    struct feature_sets sets;
    bool is_spam;

    if (line->words < from + 2 || !label_of(line->word[from], &is_spam)) {
        fputs("usage: postern train spam|ham FILE… --model FILE\n", stderr);
        return EX_USAGE;
    }
    for (size_t i = from + 1; i < line->words; i++) {
        if (!features_of(b, line->word[i], &sets))
            return EX_NOINPUT;
        model_learn(b->model, &sets, is_spam, b->rate);
    }
    return EX_OK;
}

int train_main(const struct command_line *line)
{
    struct bench b;
    int code = open_bench(line, true, &b);

    if (code == EX_OK)
        code = line->index ? learn_index(&b, line->index) : learn_files(&b, line, 0);
    if (code == EX_OK)
        printf("%llu messages of spam and %llu of ham are learned\n", (unsigned long long)model_learned(b.model, true), (unsigned long long)model_learned(b.model, false));
    return close_bench(&b, code);
}

static void print_score(const struct command_line *line, const char *path, const char *judge, double score)
{
    const char *class = score > 0 ? "spam" : "ham";

    if (line->json)
        printf("{\"file\": \"%s\", \"class\": \"%s\", \"score\": %.6f}\n", path, class, score);
    else if (*judge)
        printf("%s judge=%s class=%s score=%.6f\n", path, judge, class, score);
    else
        printf("class=%s score=%.6f tfile=%s\n", class, score, path);
}

static int classify_index(struct bench *b, const struct command_line *line)
{
    struct index x = {0};
    struct feature_sets sets;
    int code = index_read(line->index, &x) ? EX_OK : EX_DATAERR;

    for (size_t i = 0; code == EX_OK && i < x.count; i++) {
        if (!features_of(b, x.at[i].path, &sets))
            sets = (struct feature_sets){{NULL, NULL}, {0, 0}}; /* unreadable: nothing is known about it */
        print_score(line, x.at[i].path, x.at[i].is_spam ? "spam" : "ham", model_score(b->model, &sets));
        if (line->learn)
            model_learn(b->model, &sets, x.at[i].is_spam, b->rate);
    }
    index_free(&x);
    return code;
}

static int classify_files(struct bench *b, const struct command_line *line, size_t from)
{
    struct feature_sets sets;

    if (line->words <= from) {
        fputs("usage: postern classify FILE… --model FILE\n", stderr);
        return EX_USAGE;
    }
    for (size_t i = from; i < line->words; i++) {
        if (!features_of(b, line->word[i], &sets))
            return EX_NOINPUT;
        print_score(line, line->word[i], "", model_score(b->model, &sets));
    }
    return EX_OK;
}

/* The four verbs of the TREC spam filter evaluation toolkit. A missing classification behind the file of `train` is fine. */
static int speak_trec(const struct command_line *line)
{
    const char *verb = line->words ? line->word[0] : "";
    bool starts = strcmp(verb, "initialize") == 0;
    struct bench b;

    if (strcmp(verb, "finalize") == 0)
        return EX_OK;
    if (!starts && strcmp(verb, "classify") != 0 && strcmp(verb, "train") != 0) {
        fputs("usage: postern classify --protocol trec --model FILE initialize|classify FILE|train spam|ham FILE|finalize\n", stderr);
        return EX_USAGE;
    }
    if (starts && line->model && unlink(line->model) < 0 && errno != ENOENT)
        return EX_CANTCREAT;
    int code = open_bench(line, true, &b);
    if (code == EX_OK && strcmp(verb, "classify") == 0)
        code = classify_files(&b, line, 1);
    else if (code == EX_OK && !starts) {
        struct command_line only = *line;
        only.words = line->words < 3 ? line->words : 3;
        code = learn_files(&b, &only, 1);
    }
    return close_bench(&b, code);
}

int classify_main(const struct command_line *line)
{
    struct bench b;

    if (line->protocol) {
        if (strcmp(line->protocol, "trec") == 0)
            return speak_trec(line);
        fputs("postern: the only protocol is trec\n", stderr);
        return EX_USAGE;
    }
    int code = open_bench(line, line->index && line->learn, &b);
    if (code == EX_OK)
        code = line->index ? classify_index(&b, line) : classify_files(&b, line, 0);
    return close_bench(&b, code);
}
