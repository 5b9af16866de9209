/*
 * account_limits_file.c: the append log of account_limits.c. Lines "+ TIME MESSAGES RECIPIENTS INVALID KEY" (and "-" for what was given back), written before a message is answered; when the file
 * holds many more lines than there are entries it is written anew beside the old one and put in its place.
 */
#include "store/account_limits_parts.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SLACK_LINES = 20000, LINE_MAX_OCTETS = LIMIT_KEY_MAX * 3 + 100, COMPLAIN_MS = 60000, KEEP_MS_DAYS = 30, PIECE = 256 * 1024 };

static const char head[] = "postern limits 1\n";

static void complain(struct limits *l, const char *what)
{
    int trouble = errno;
    int64_t now_ms = clock_mono_ms();

    if (now_ms < l->complain_from_ms)
        return;
    l->complain_from_ms = now_ms + COMPLAIN_MS;
    log_error("%s: %s: %s; what accounts have sent is counted in memory, and would not outlive a restart", l->path, what, strerror(trouble));
}

/* A key may hold anything but what ends a line. */
static void add_key(struct buf *out, struct str key)
{
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.at[i];
        if (c <= ' ' || c == '%' || c == 0x7f)
            buf_addf(out, "%%%02X", c);
        else
            buf_add_char(out, (char)c);
    }
}

static bool read_key(struct str text, char *to, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '%') {
            char hex[3] = "";
            char *end;
            str_copy(hex, sizeof hex, str_sub(text, i + 1, 2));
            c = (char)strtoul(hex, &end, 16);
            if (end != hex + 2)
                return false;
            i += 2;
        }
        if (*len == LIMIT_KEY_MAX)
            return false;
        to[(*len)++] = c;
    }
    return *len > 0;
}

static void add_line(struct buf *out, char sign, struct str key, const struct limit_counts *c, int64_t when_ms)
{
    buf_addf(out, "%c %lld %u %u %u ", sign, (long long)when_ms, c->messages, c->recipients, c->invalid);
    add_key(out, key);
    buf_add_char(out, '\n');
}

static bool read_number(struct str *rest, uint64_t most, uint64_t *out)
{
    return str_to_u64(str_cut(rest, ' '), most, out);
}

/* A line that is not whole, such as the last one before a power failure, counts nothing. */
static void take_line(struct limits *l, struct str line, int64_t now_ms)
{
    uint64_t when_ms, messages, recipients, invalid;
    char key[LIMIT_KEY_MAX];
    size_t len;

    if (line.len < 3 || (line.at[0] != '+' && line.at[0] != '-') || line.at[1] != ' ')
        return;
    struct str rest = str_from_index(line, 2);
    if (!read_number(&rest, INT64_MAX, &when_ms) || !read_number(&rest, UINT32_MAX, &messages) || !read_number(&rest, UINT32_MAX, &recipients) ||
        !read_number(&rest, UINT32_MAX, &invalid) || !read_key(rest, key, &len) || now_ms - (int64_t)when_ms > KEEP_MS_DAYS * 86400000LL)
        return;
    const struct limit_counts c = {(uint32_t)messages, (uint32_t)recipients, (uint32_t)invalid};
    if (line.at[0] == '+' && !limits_add(l, str_n(key, len), &c, (int64_t)when_ms))
        log_warning("%s: out of memory: not all that accounts have sent is known", l->path);
    if (line.at[0] == '-')
        limits_remove(l, str_n(key, len), &c, (int64_t)when_ms);
}

static bool read_lines(struct limits *l, FILE *f, int64_t now_ms)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    while ((n = getline(&line, &room, f)) > 0) {
        l->lines++;
        if (line[n - 1] == '\n' && n < LINE_MAX_OCTETS)
            take_line(l, str_n(line, (size_t)n - 1), now_ms);
    }
    free(line);
    return !ferror(f);
}

static bool write_entries(struct limits *l, int fd)
{
    struct buf text = buf_make(PIECE * 2);
    bool ok = file_write_all(fd, head, sizeof head - 1);

    l->lines = 1;
    LIST_EACH(&l->used, u) {
        const struct limited *it = container_of(u, struct limited, used);
        for (size_t i = 0; ok && i < it->count; i++) {
            add_line(&text, '+', str_n(it->key, it->len), &it->at[i].counts, it->at[i].when_ms);
            l->lines++;
            if (text.len < PIECE)
                continue;
            ok = file_write_all(fd, text.at, text.len);
            buf_clear(&text);
        }
    }
    ok = ok && !text.failed && file_write_all(fd, text.at, text.len);
    buf_free(&text);
    return ok;
}

static bool write_anew(struct limits *l)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s.new", l->path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool ok = fd >= 0 && write_entries(l, fd) && fsync(fd) == 0 && rename(path, l->path) == 0;
    if (!ok) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    if (l->fd >= 0)
        close(l->fd);
    l->fd = fd;
    return true;
}

bool limits_file_open(struct limits *l, int64_t now_ms, struct buf *error)
{
    FILE *f = fopen(l->path, "re");
    bool fine = f ? read_lines(l, f, now_ms) : errno == ENOENT;

    if (f)
        fclose(f);
    if (fine && write_anew(l))
        return true;
    buf_addf(error, "%s: %s", l->path, strerror(errno));
    return false;
}

void limits_file_note(struct limits *l, char sign, struct str key, const struct limit_counts *counts, int64_t when_ms)
{
    struct buf line = buf_make(LINE_MAX_OCTETS);

    if (!l->path)
        return;
    if ((l->fd < 0 || l->lines > 2 * l->entries + SLACK_LINES) && !write_anew(l)) {
        complain(l, "writing it anew");
        l->lines = l->fd < 0 ? l->lines : 0; /* not again at once */
    }
    add_line(&line, sign, str_sub(key, 0, LIMIT_KEY_MAX), counts, when_ms);
    if (l->fd >= 0 && !file_write_all(l->fd, line.at, line.len)) {
        complain(l, "writing");
        close(l->fd); /* a torn line may stand at its end: the next one writes it anew */
        l->fd = -1;
    }
    l->lines++;
    buf_free(&line);
}
