/* dkim_canonical.c: see dkim_canonical.h. */
#include "auth/dkim_canonical.h"

#include <string.h>

enum { PIECE = 4096 };

struct pieces {
    char at[PIECE];
    size_t len;
    dkim_take *take;
    void *arg;
};

static void flush(struct pieces *p)
{
    if (p->len)
        p->take(p->arg, p->at, p->len);
    p->len = 0;
}

static void put(struct pieces *p, const char *at, size_t len)
{
    if (len >= PIECE) {
        flush(p);
        p->take(p->arg, at, len);
        return;
    }
    if (p->len + len > PIECE)
        flush(p);
    memcpy(p->at + p->len, at, len);
    p->len += len;
}

static void put_char(struct pieces *p, char c)
{
    put(p, &c, 1);
}

static bool is_wsp(char c)
{
    return c == ' ' || c == '\t';
}

/* Runs of blanks become one; none at the end. In a header field none at its beginning either, and line ends vanish. */
static void put_squeezed(struct pieces *p, struct str s, bool is_header)
{
    bool blank = false, any = !is_header;

    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        if (is_header && (c == '\r' || c == '\n'))
            continue;
        if (is_wsp(c)) {
            blank = true;
            continue;
        }
        if (blank && any)
            put_char(p, ' ');
        blank = false;
        any = true;
        put_char(p, c);
    }
}

static void relaxed_field(struct pieces *p, struct str field)
{
    struct str value = field, name = str_cut(&value, ':');

    while (name.len && is_wsp(name.at[name.len - 1]))
        name.len--;
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] != '\r' && name.at[i] != '\n')
            put_char(p, (char)ascii_lower((unsigned char)name.at[i]));
    put_char(p, ':');
    put_squeezed(p, value, true);
}

void dkim_canonical_field(struct str field, bool relaxed, bool ends, dkim_take *take, void *arg)
{
    struct pieces p = {.take = take, .arg = arg};

    if (field.len && field.at[field.len - 1] == '\n')
        field.len -= field.len >= 2 && field.at[field.len - 2] == '\r' ? 2 : 1;
    if (relaxed)
        relaxed_field(&p, field);
    else
        put(&p, field.at, field.len);
    if (ends)
        put(&p, "\r\n", 2);
    flush(&p);
}

/* Octets of the first line, without its ending; *WHOLE with it. */
static struct str first_line(struct str s, size_t *whole)
{
    const char *lf = s.len ? memchr(s.at, '\n', s.len) : NULL;
    size_t len = lf ? (size_t)(lf - s.at) : s.len;

    *whole = lf ? len + 1 : len;
    return str_sub(s, 0, lf && len && s.at[len - 1] == '\r' ? len - 1 : len);
}

/* Empty lines wait until something follows them: at the end of the body they do not count (§3.4.3, §3.4.4). */
void dkim_canonical_body(struct str body, bool relaxed, dkim_take *take, void *arg)
{
    struct pieces p = {.take = take, .arg = arg};
    size_t waiting = 0, whole;
    bool any = false;

    while (body.len) {
        struct str line = first_line(body, &whole);
        body = str_from_index(body, whole);
        bool ends = whole > line.len; /* SMTP never leaves the last line open; where one is, verifiers take blanks off only before CR LF */
        while (relaxed && ends && line.len && is_wsp(line.at[line.len - 1]))
            line.len--;
        if (line.len == 0) {
            waiting++;
            continue;
        }
        for (; waiting; waiting--)
            put(&p, "\r\n", 2);
        if (relaxed)
            put_squeezed(&p, line, false);
        else
            put(&p, line.at, line.len);
        if (relaxed && is_wsp(line.at[line.len - 1]))
            put_char(&p, ' ');
        put(&p, "\r\n", 2);
        any = true;
    }
    if (!any && !relaxed)
        put(&p, "\r\n", 2); /* an empty body is one empty line in the simple form, nothing in the relaxed one */
    flush(&p);
}
