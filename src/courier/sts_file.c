/*
 * sts_file.c: the policies that hold, across restarts: one JSON object a line. Written anew as a whole when one has changed: a policy is fetched once
 * a day at most, so that costs little. What cannot be read is passed over: it is fetched again.
 */
#include "courier/sts_parts.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json_out.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2 * STS_TEXT_MAX, FILE_MAX_BYTES = 256 * 1024 * 1024 };

/* The policy as its domain would publish it: the same parser reads it. */
static bool build_policy(const json_t *row, struct buf *text)
{
    const json_t *mx = json_object_get(row, "mx");
    const char *mode = json_string_value(json_object_get(row, "mode"));
    json_int_t age = json_integer_value(json_object_get(row, "max_age"));

    if (!mode || age < 0 || age > STS_AGE_MAX_S)
        return false;
    buf_addf(text, "version: STSv1\nmode: %s\nmax_age: %lld\n", mode, (long long)age);
    for (size_t i = 0; i < json_array_size(mx); i++) {
        const char *one = json_string_value(json_array_get(mx, i));
        buf_addf(text, "mx: %s\n", one ? one : "");
    }
    return !text->failed;
}

static bool read_row(struct sts *s, const json_t *row)
{
    const char *domain = json_string_value(json_object_get(row, "domain")), *id = json_string_value(json_object_get(row, "id")), *why;
    int64_t fetched_ms = json_integer_value(json_object_get(row, "fetched_ms")), used_ms = json_integer_value(json_object_get(row, "used_ms"));
    struct buf text = buf_make(LINE_MAX_BYTES);
    struct sts_policy policy = {0};
    bool ok = domain && *domain && strlen(domain) <= STS_DOMAIN_MAX && id && *id && strlen(id) <= STS_ID_MAX && fetched_ms > 0 &&
              fetched_ms <= clock_wall_ms() && build_policy(row, &text) && sts_policy_parse(buf_str(&text), &policy, &why);
    struct sts_entry *e = ok && !sts_entry_find(s, domain) ? sts_entry_make(s, domain) : NULL;

    if (e) {
        sts_take_policy(s, e, &policy, fetched_ms);
        str_copy(e->id, sizeof e->id, str_from(id));
        e->used_ms = used_ms;
    }
    sts_policy_clear(&policy);
    buf_free(&text);
    return e != NULL;
}

void sts_file_read(struct sts *s)
{
    FILE *f = fopen(s->path, "re");
    char *line = f ? malloc(LINE_MAX_BYTES) : NULL;
    size_t bad = 0;

    if (!f && errno != ENOENT)
        log_error("MTA-STS: %s: %s; policies are fetched anew", s->path, strerror(errno));
    while (line && fgets(line, LINE_MAX_BYTES, f)) {
        json_t *row = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        bad += !row || !read_row(s, row);
        json_decref(row);
    }
    if (bad)
        log_warning("MTA-STS: %zu lines of %s could not be read; those policies are fetched anew", bad, s->path);
    s->is_changed = bad > 0;
    free(line);
    if (f)
        fclose(f);
}

static void add_row(const struct sts_entry *e, struct buf *out)
{
    const char *mx = e->policy.mx;

    buf_add_text(out, "{\"domain\":");
    json_out_string(out, str_from(e->domain));
    buf_addf(out, ",\"id\":\"%s\",\"fetched_ms\":%lld,\"used_ms\":%lld,\"mode\":\"%s\",\"max_age\":%u,\"mx\":[", e->id, (long long)e->fetched_ms,
             (long long)e->used_ms, sts_mode_name(e->policy.mode), (unsigned)e->policy.max_age_s);
    for (size_t i = 0; i < e->policy.mx_count; i++, mx += strlen(mx) + 1) {
        buf_add_text(out, i ? "," : "");
        json_out_string(out, str_from(mx));
    }
    buf_add_text(out, "]}\n");
}

/* tmp, fsync, rename, and the folder: after a crash the old file is there or the new one. */
static bool replace(const char *path, struct str bytes)
{
    char tmp[320], folder[300];
    const char *slash = strrchr(path, '/');

    snprintf(tmp, sizeof tmp, "%s.new", path);
    str_copy(folder, sizeof folder, slash ? str_n(path, (size_t)(slash - path)) : STR("."));
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool ok = fd >= 0 && file_write_all(fd, bytes.at, bytes.len) && fsync(fd) == 0;
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    ok = ok && rename(tmp, path) == 0;
    int where = ok ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (where >= 0) {
        ok = fsync(where) == 0;
        close(where);
    }
    return ok;
}

void sts_file_write(struct sts *s)
{
    struct buf out = buf_make(FILE_MAX_BYTES);
    int64_t now_ms = clock_wall_ms();

    pthread_mutex_lock(&s->lock);
    bool wanted = s->is_changed;
    s->is_changed = false;
    if (wanted)
        LIST_EACH(&s->used, l) { /* in this order, so that it is that of use when it is read again */
            const struct sts_entry *e = container_of(l, struct sts_entry, used);
            if (sts_entry_holds(e, now_ms))
                add_row(e, &out);
        }
    pthread_mutex_unlock(&s->lock);
    if (wanted && (out.failed || !replace(s->path, buf_str(&out))))
        log_error("MTA-STS: %s could not be written: %s; policies are in memory only", s->path, out.failed ? "out of memory" : strerror(errno));
    buf_free(&out);
}
