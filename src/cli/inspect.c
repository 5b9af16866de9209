/* inspect.c: `postern inspect FILE`: what the gateway sees in a message, read by a confined process as on its way through. Changes nothing. */
#include "cli/inspect.h"

#include "base/clock.h"
#include "cli/command.h"
#include "scan/scan_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { MOST_BYTES = 1024 * 1024 * 1024 };

/* Lines end in CR LF on the wire; a file may have them in LF. A message that has both kinds stays as it is. */
static bool add_bytes(struct blob *b, struct str bytes, bool lf_only)
{
    while (lf_only && bytes.len) {
        ptrdiff_t lf = str_find(bytes, '\n');
        struct str line = str_sub(bytes, 0, lf < 0 ? bytes.len : (size_t)lf);
        if (blob_append(b, line.at, line.len) != BLOB_OK || (lf >= 0 && blob_append(b, "\r\n", 2) != BLOB_OK))
            return false;
        bytes = str_from_index(bytes, line.len + (lf >= 0));
    }
    return bytes.len == 0 || blob_append(b, bytes.at, bytes.len) == BLOB_OK;
}

/* mbox files begin with the envelope sender's line, which is no field. */
static struct str without_from_line(struct str bytes)
{
    ptrdiff_t lf;

    if (!str_starts(bytes, STR("From ")) || (lf = str_find(bytes, '\n')) < 0)
        return bytes;
    return str_from_index(bytes, (size_t)lf + 1);
}

static bool read_all(int fd, struct buf *out)
{
    ssize_t n = 1;

    while (n > 0 && buf_reserve(out, 65536)) {
        n = read(fd, out->at + out->len, 65536);
        if (n > 0)
            out->len += (size_t)n;
    }
    return n == 0;
}

struct blob *inspect_read_message(const char *path)
{
    struct buf bytes = buf_make(MOST_BYTES);
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct blob *b = NULL;

    if (fd < 0 || !read_all(fd, &bytes)) {
        fprintf(stderr, "postern: %s: %s\n", path, bytes.failed ? "too large" : strerror(errno));
    } else {
        struct str message = without_from_line(buf_str(&bytes));
        bool lf_only = str_find_str(message, STR("\r\n")) < 0;
        b = blob_new(2 * (uint64_t)MOST_BYTES, "/tmp");
        if (!b || !add_bytes(b, message, lf_only) || !blob_seal(b)) {
            fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
            blob_unref(b);
            b = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    buf_free(&bytes);
    return b;
}

/* Our own name plays no part in reading a message, but a snapshot wants one. */
static bool name_the_host(struct settings *s, struct buf *error)
{
    static const char *const names[] = {"inspect.invalid"};
    struct setting_value value = {0};

    return setting_parse(SETTING_host_name, names, 1, &value, error) && settings_set(s, NULL, SETTING_host_name, &value);
}

struct settings *inspect_defaults(void)
{
    struct buf error = buf_make(1024);
    struct settings *s = settings_new();

    if (s && (!name_the_host(s, &error) || !settings_finish(s, &error))) {
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
        settings_unref(s);
        s = NULL;
    }
    buf_free(&error);
    return s;
}

/* A message can be looked at on any machine. */
struct settings *inspect_settings(const struct command_line *line)
{
    return access(line->config, R_OK) == 0 ? command_settings(line) : inspect_defaults();
}

static const char *trouble(enum scan_result result)
{
    switch (result) {
    case SCAN_OK: return NULL;
    case SCAN_CRASHED: return "the scan process died while reading it";
    case SCAN_TIMEOUT: return "the scan process did not answer in time";
    case SCAN_UNAVAILABLE: break;
    }
    return "no scan process could be started";
}

static void show(const struct command_line *line, const struct scan_report *report, const struct policy *p)
{
    struct message_facts facts = {.size = report->size, .smtputf8 = report->header_is_utf8, .now_ms = clock_wall_ms(), .report = report};
    struct findings found = {0};

    stage_message(&facts, p, &found);
    if (!line->json) {
        inspect_print(report, &found, p);
        return;
    }
    json_t *value = inspect_json(report, &found, p);
    print_json(value);
    json_decref(value);
}

bool inspect_scan(const struct blob *message, const struct policy *system, struct scan_report *out)
{
    struct scan_limits limits = scan_limits_of(system);

    limits.wants_detail = limits.wants_fields = 1;
    const char *why = trouble(scan_once(message, &limits, (uint64_t)setting_number(system, SETTING_scan_memory), setting_number(system, SETTING_scan_timeout), out));
    if (why)
        fprintf(stderr, "postern: %s\n", why);
    return !why;
}

static int inspect(const struct command_line *line, const struct blob *message, const struct settings *settings)
{
    const struct policy *p = settings_system(settings);
    struct scan_report report;

    if (!inspect_scan(message, p, &report))
        return EX_SOFTWARE;
    const struct domain *domain = line->domain ? settings_domain(settings, str_from(line->domain)) : NULL;
    show(line, &report, domain ? &domain->policy : p);
    scan_report_free(&report);
    return EX_OK;
}

int inspect_main(const struct command_line *line)
{
    if (line->words != 1) {
        fputs("usage: postern inspect FILE|- [--json] [--domain DOMAIN]\n", stderr);
        return EX_USAGE;
    }
    struct settings *settings = inspect_settings(line);
    if (!settings)
        return EX_CONFIG;
    struct blob *message = inspect_read_message(line->word[0]);
    int code = message ? inspect(line, message, settings) : EX_NOINPUT;
    blob_unref(message);
    settings_unref(settings);
    return code;
}
