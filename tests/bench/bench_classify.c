/*
 * bench_classify.c: features of a whole corpus into one file, for measuring models on them: bench-classify INDEX ROOT OUTPUT. INDEX has lines "spam|ham PATH"; OUTPUT gets
 * for each a label octet and, for each view, a count (uint32) and the features. Says what it took of processor time.
 */
#include "base/clock.h"
#include "scan/analysis.h"
#include "scan/classify/features.h"
#include "scan/scan_limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MESSAGE_MAX = 64 * 1024 * 1024 };

/* With CR LF at every line's end. */
static struct str read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "re");
    int c, before = 0;

    buf_clear(out);
    while (f && (c = getc_unlocked(f)) != EOF) {
        if (c == '\n' && before != '\r')
            buf_add_char(out, '\r');
        buf_add_char(out, (char)c);
        before = c;
    }
    if (f)
        fclose(f);
    return buf_str(out);
}

int main(int argc, char **argv)
{
    struct analyzer *a = analyzer_new();
    struct scan_limits limits = {.wants_features = 1, .parts = 1000, .depth = 20, .decoded_bytes = 96 << 20, .links = 2000, .pictures = 0, .archive_levels = 3, .archive_entries = 10000,
                                 .archive_ratio = 200, .unpacked_bytes = 64 << 20};
    struct buf message = buf_make(MESSAGE_MAX);
    char line[4200], path[8400], label[8], name[4096];
    size_t total = 0, messages = 0;
    struct timespec t0, t1;

    FILE *index = argc == 4 ? fopen(argv[1], "re") : NULL, *out = argc == 4 ? fopen(argv[3], "we") : NULL;
    if (!a || !index || !out) {
        fputs("usage: bench-classify INDEX ROOT OUTPUT\n", stderr);
        return 1;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
    while (fgets(line, sizeof line, index)) {
        if (sscanf(line, "%7s %4095s", label, name) != 2)
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[2], name);
        struct scan_report report;
        analyze(a, read_file(path, &message), &limits, &report);
        struct str rest = report_records(&report);
        struct record r;
        fputc(label[0] == 's' || label[0] == 'S', out);
        while (report_next(&rest, RECORD_FEATURES, &r)) {
            uint32_t n = (uint32_t)(r.features.set.len / sizeof(uint32_t));
            fwrite(&n, sizeof n, 1, out);
            fwrite(r.features.set.at, sizeof n, n, out);
            total += n;
        }
        messages++;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
    fclose(out);
    fclose(index);
    fprintf(stderr, "%zu messages, %.0f features each, %.3f ms of processor each\n", messages, (double)total / (double)(messages ? messages : 1),
            ((double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6) / (double)(messages ? messages : 1));
    buf_free(&message);
    analyzer_free(&a);
    return 0;
}
