/* dmarc_day.c: see dmarc_day.h. */
#include "store/dmarc_day.h"

#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char head[] = "postern dmarc 1";

void dmarc_day_init(struct dmarc_day *d, size_t row_limit)
{
    *d = (struct dmarc_day){.row_limit = row_limit};
}

static void free_domain(struct dmarc_domain *one)
{
    for (struct dmarc_row *r = one->first, *after; r; r = after) {
        after = r->next;
        free(r);
    }
    for (size_t i = 0; i < one->sent_count; i++)
        free(one->sent[i]);
    hash_table_free(&one->table);
    free(one->published);
    free(one);
}

void dmarc_day_clear(struct dmarc_day *d)
{
    for (struct dmarc_domain *one = d->first, *after; one; one = after) {
        after = one->next;
        free_domain(one);
    }
    hash_table_free(&d->table);
    dmarc_day_init(d, d->row_limit);
}

struct dmarc_domain *dmarc_day_find(const struct dmarc_day *d, struct str domain)
{
    for (struct hash_node *n = hash_first(&d->table, hash_str(domain)); n; n = hash_next(n)) {
        struct dmarc_domain *one = container_of(n, struct dmarc_domain, node);
        if (str_is(domain, one->name))
            return one;
    }
    return NULL;
}

/* A domain costs no more than two rows, so their number is bounded by that of rows: one comes with a row right behind it. */
static struct dmarc_domain *domain_get(struct dmarc_day *d, struct str domain)
{
    struct dmarc_domain *one = dmarc_day_find(d, domain);

    if (one || !domain.len || domain.len >= sizeof one->name || d->table.count >= d->row_limit)
        return one;
    one = calloc(1, sizeof *one);
    if (!one)
        return NULL;
    str_copy(one->name, sizeof one->name, domain);
    if (!hash_insert(&d->table, &one->node, hash_str(domain))) {
        free(one);
        return NULL;
    }
    *(d->last ? &d->last->next : &d->first) = one;
    d->last = one;
    return one;
}

static struct dmarc_row *find_row(const struct dmarc_domain *one, struct str text)
{
    for (struct hash_node *n = hash_first(&one->table, hash_str(text)); n; n = hash_next(n)) {
        struct dmarc_row *r = container_of(n, struct dmarc_row, node);
        if (str_eq(text, str_n(r->text, r->len)))
            return r;
    }
    return NULL;
}

static struct dmarc_row *row_get(struct dmarc_day *d, struct dmarc_domain *one, struct str text)
{
    struct dmarc_row *r = find_row(one, text);

    if (r)
        return r;
    if (d->row_count >= d->row_limit || one->row_count >= d->row_limit / 4 + 1)
        return NULL;
    r = malloc(sizeof *r + text.len);
    if (!r)
        return NULL;
    *r = (struct dmarc_row){.len = text.len};
    memcpy(r->text, text.at, text.len);
    if (!hash_insert(&one->table, &r->node, hash_str(text))) {
        free(r);
        return NULL;
    }
    *(one->last ? &one->last->next : &one->first) = r;
    one->last = r;
    one->row_count++;
    d->row_count++;
    return r;
}

bool dmarc_day_count(struct dmarc_day *d, struct str domain, struct str row, uint64_t count)
{
    struct str fields[DMARC_FIELDS];
    bool sound = row.len <= DMARC_ROW_MAX && dmarc_fields(row, fields, DMARC_FIELDS);
    struct dmarc_domain *one = !sound ? NULL : d->row_count < d->row_limit ? domain_get(d, domain) : dmarc_day_find(d, domain);
    struct dmarc_row *r = one ? row_get(d, one, row) : NULL;

    if (!r || r->count > UINT64_MAX - count) {
        d->left_out += count;
        return false;
    }
    r->count += count;
    return true;
}

bool dmarc_day_publish(struct dmarc_day *d, struct str domain, struct str published, bool *is_new)
{
    struct str fields[PUBLISHED_FIELDS];
    struct dmarc_domain *one = published.len <= DMARC_ROW_MAX && dmarc_fields(published, fields, PUBLISHED_FIELDS) ? domain_get(d, domain) : NULL;

    *is_new = false;
    if (!one)
        return false;
    if (one->published && str_is(published, one->published))
        return true;
    char *copy = str_dup(published);
    if (!copy)
        return false;
    free(one->published);
    one->published = copy;
    *is_new = true;
    return true;
}

bool dmarc_domain_was_sent(const struct dmarc_domain *d, struct str address)
{
    for (size_t i = 0; i < d->sent_count; i++)
        if (str_is(address, d->sent[i]))
            return true;
    return false;
}

static bool take_sent(struct dmarc_day *d, struct str domain, struct str address)
{
    struct dmarc_domain *one = address.len && address.len <= DMARC_ROW_MAX ? domain_get(d, domain) : NULL;

    if (!one || one->sent_count == DMARC_SENT_MAX)
        return false;
    one->sent[one->sent_count] = str_dup(address);
    one->sent_count += one->sent[one->sent_count] != NULL;
    return true;
}

bool dmarc_day_take_line(struct dmarc_day *d, struct str line)
{
    struct str rest = line, kind = str_cut(&rest, '\t'), domain = str_cut(&rest, '\t');
    uint64_t count;
    bool is_new;

    if (!rest.at || memchr(line.at, '\0', line.len))
        return false;
    if (str_is(kind, "P"))
        return dmarc_day_publish(d, domain, rest, &is_new);
    if (str_is(kind, "S"))
        return take_sent(d, domain, rest);
    return str_is(kind, "R") && str_to_u64(str_cut(&rest, '\t'), UINT32_MAX, &count) && rest.at && dmarc_day_count(d, domain, rest, count);
}

static bool lines_of(const struct dmarc_domain *one, struct buf *line, bool (*each)(void *arg, struct str line), void *arg)
{
    bool ok = true;

    if (one->published) {
        buf_clear(line);
        buf_addf(line, "P\t%s\t%s\n", one->name, one->published);
        ok = !line->failed && each(arg, buf_str(line));
    }
    for (const struct dmarc_row *r = one->first; ok && r; r = r->next) {
        buf_clear(line);
        buf_addf(line, "R\t%s\t%llu\t" STR_FMT "\n", one->name, (unsigned long long)r->count, STR_ARG(str_n(r->text, r->len)));
        ok = !line->failed && each(arg, buf_str(line));
    }
    for (size_t i = 0; ok && i < one->sent_count; i++) {
        buf_clear(line);
        buf_addf(line, "S\t%s\t%s\n", one->name, one->sent[i]);
        ok = !line->failed && each(arg, buf_str(line));
    }
    return ok;
}

bool dmarc_day_lines(const struct dmarc_day *d, bool (*each)(void *arg, struct str line), void *arg)
{
    struct buf line = buf_make(2 * DMARC_ROW_MAX);
    bool ok = buf_addf(&line, "%s\n", head) && each(arg, buf_str(&line));

    for (const struct dmarc_domain *one = d->first; ok && one; one = one->next)
        ok = lines_of(one, &line, each, arg);
    buf_free(&line);
    return ok;
}

bool dmarc_fields(struct str text, struct str *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!text.at)
            return false;
        to[i] = str_cut(&text, '\t');
    }
    return text.at == NULL;
}

void dmarc_add_field(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        buf_add_char(out, c > 32 && c < 127 ? (char)c : '?');
    }
}

void dmarc_day_path(const char *directory, int64_t day, char *to, size_t size)
{
    time_t at = (time_t)(day * (DMARC_DAY_MS / 1000));
    struct tm tm;
    char date[16];

    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&at, &tm));
    snprintf(to, size, "%s/dmarc-%s", directory, date);
}

bool dmarc_day_read(struct dmarc_day *d, const char *path, uint64_t *end, uint64_t *lines)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    uint64_t to = 0, count = 0;
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    if (!f) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool ours = (n = getline(&line, &room, f)) == (ssize_t)sizeof head && memcmp(line, head, sizeof head - 1) == 0 && line[n - 1] == '\n';
    for (to = ours ? sizeof head : 0; ours && (n = getline(&line, &room, f)) > 0 && line[n - 1] == '\n'; to += (uint64_t)n, count++)
        dmarc_day_take_line(d, str_n(line, (size_t)n - 1)); /* no room for it, or none of ours: the others count all the same */
    free(line);
    bool ok = !ferror(f);
    fclose(f);
    if (end)
        *end = to;
    if (lines)
        *lines = count;
    return ok;
}
