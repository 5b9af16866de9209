/*
 * bench_scan.c: what reading a message costs, and what is found. Reads a list of "label<TAB>file" from standard input; files hold one message
 * each, with or without an mbox line before it. Prints one line of JSON: CPU time of the analysis per message, peak memory, and for each label
 * the number of messages with each finding. Driven by script/bench scan.
 */
#include "policy/policy.h"
#include "scan/analysis.h"

#include "base/clock.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_MESSAGES = 200000, MOST_BYTES = 256 * 1024 * 1024 };

struct bench {
    struct analyzer *analyzer;
    struct settings *settings;
    struct scan_limits limits;
    double *us; /* per message, the best of the rounds */
    size_t count;
    uint64_t bytes;
    int rounds;
    json_t *labels;
};

static double cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Reads FILE with CR LF line ends, without an mbox line. */
static bool load(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    bool first = true;

    if (!f)
        return false;
    buf_clear(out);
    for (; (n = getline(&line, &room, f)) > 0; first = false) {
        bool ends = line[n - 1] == '\n';
        n -= ends;
        n -= ends && n > 0 && line[n - 1] == '\r';
        if (first && n > 5 && memcmp(line, "From ", 5) == 0)
            continue;
        buf_add(out, line, (size_t)n);
        if (ends)
            buf_add(out, "\r\n", 2);
    }
    free(line);
    fclose(f);
    return !out->failed;
}

static void count_one(json_t *counts, const char *name)
{
    json_object_set_new(counts, name, json_integer(json_integer_value(json_object_get(counts, name)) + 1));
}

static void count_findings(struct bench *b, const char *label, const struct scan_report *r)
{
    json_t *counts = json_object_get(b->labels, label), *seen = json_object();
    struct message_facts facts = {.size = r->size, .now_ms = r->date_is_valid ? r->date_ms : clock_wall_ms(), .report = r};
    struct findings found = {0};
    struct str rest = report_records(r);
    struct record record;
    char name[128];

    if (!counts) {
        counts = json_object();
        json_object_set_new(b->labels, label, counts);
    }
    count_one(counts, "messages");
    stage_message(&facts, settings_system(b->settings), &found);
    for (size_t i = 0; i < found.count; i++)
        count_one(counts, reason_row(found.at[i].reason)->id);
    while (report_next(&rest, RECORD_DEFECT, &record)) {
        snprintf(name, sizeof name, "%s" STR_FMT, record.defect.is_ambiguous ? "! " : "", STR_ARG(record.defect.name));
        if (json_object_get(seen, name))
            continue;
        json_object_set_new(seen, name, json_true());
        count_one(counts, name);
    }
    json_decref(seen);
}

static void read_one(struct bench *b, const char *label, const char *path, struct buf *message)
{
    struct scan_report report;
    double best = 0;

    if (!load(path, message) || b->count == MOST_MESSAGES) {
        fprintf(stderr, "bench_scan: %s cannot be read\n", path);
        return;
    }
    for (int i = 0; i < b->rounds; i++) {
        double start = cpu_us();
        analyze(b->analyzer, buf_str(message), &b->limits, &report);
        double took = cpu_us() - start;
        best = i == 0 || took < best ? took : best;
    }
    b->us[b->count++] = best;
    b->bytes += message->len;
    count_findings(b, label, &report);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* ru_maxrss would be that of the program which started this one, where that was larger. */
static int peak_kb(void)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    int kb = 0;

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "VmHWM: %d", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

static void print(struct bench *b)
{
    double total = 0;

    for (size_t i = 0; i < b->count; i++)
        total += b->us[i];
    qsort(b->us, b->count, sizeof *b->us, by_size);
    json_t *o = json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:O}", "messages", (int)b->count, "messages_per_second", (double)b->count / total * 1e6,
                          "megabytes_per_second", (double)b->bytes / total, "p50_us", b->us[b->count / 2], "p90_us", b->us[b->count * 9 / 10], "p99_us",
                          b->us[b->count * 99 / 100], "max_us", b->us[b->count - 1], "peak_rss_kb", peak_kb(), "labels", b->labels);
    json_dumpf(o, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(o);
}

int main(int argc, char **argv)
{
    struct buf error = buf_make(1024), message = buf_make(MOST_BYTES);
    struct bench b = {.analyzer = analyzer_new(), .settings = settings_new(), .us = calloc(MOST_MESSAGES, sizeof(double)), .labels = json_object(),
                      .rounds = argc > 1 ? atoi(argv[1]) : 1};
    static const char *const host[] = {"bench.postern.test"};
    struct setting_value value = {0};
    char line[4096];

    if (!b.analyzer || !b.us || !b.settings || !setting_parse(SETTING_host_name, host, 1, &value, &error) ||
        !settings_set(b.settings, NULL, SETTING_host_name, &value) || !settings_finish(b.settings, &error))
        return 1;
    b.limits = scan_limits_of(settings_system(b.settings));
    while (fgets(line, sizeof line, stdin)) {
        char *tab = strchr(line, '\t');
        line[strcspn(line, "\r\n")] = '\0';
        if (!tab)
            continue;
        *tab = '\0';
        read_one(&b, line, tab + 1, &message);
    }
    if (b.count)
        print(&b);
    json_decref(b.labels);
    buf_free(&message);
    buf_free(&error);
    free(b.us);
    settings_unref(b.settings);
    analyzer_free(&b.analyzer);
    return 0;
}
