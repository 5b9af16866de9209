/* buf.c: see buf.h. */
#include "base/buf.h"

#include "base/bug.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct buf buf_make(size_t ceiling)
{
    bug_unless(ceiling > 0);
    return (struct buf){.ceiling = ceiling};
}

/* Memory for at least NEED bytes, at most one byte over the ceiling (the NUL of buf_text). */
static bool grow(struct buf *b, size_t need)
{
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap * 2 : 64;
    if (cap < need)
        cap = need;
    if (cap > b->ceiling + 1)
        cap = b->ceiling + 1;
    char *at = realloc(b->at, cap);
    if (!at)
        return false;
    b->at = at;
    b->cap = cap;
    return true;
}

bool buf_reserve(struct buf *b, size_t extra)
{
    if (extra > b->ceiling - b->len || !grow(b, b->len + extra)) {
        b->failed = true;
        return false;
    }
    return true;
}

bool buf_add(struct buf *b, const void *bytes, size_t len)
{
    if (!buf_reserve(b, len))
        return false;
    if (len)
        memcpy(b->at + b->len, bytes, len);
    b->len += len;
    return true;
}

bool buf_add_str(struct buf *b, struct str s)
{
    return buf_add(b, s.at, s.len);
}

bool buf_add_text(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

bool buf_add_char(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_addf(struct buf *b, const char *format, ...)
{
    char small[256];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0) {
        b->failed = true;
        return false;
    }
    if ((size_t)n < sizeof small)
        return buf_add(b, small, (size_t)n);
    /* vsnprintf wants room for its NUL too */
    if ((size_t)n > b->ceiling - b->len || !grow(b, b->len + (size_t)n + 1)) {
        b->failed = true;
        return false;
    }
    va_start(args, format);
    vsnprintf(b->at + b->len, (size_t)n + 1, format, args);
    va_end(args);
    b->len += (size_t)n;
    return true;
}

void buf_consume(struct buf *b, size_t n)
{
    bug_unless(n <= b->len);
    if (n && n < b->len)
        memmove(b->at, b->at + n, b->len - n);
    b->len -= n;
}

void buf_truncate(struct buf *b, size_t len)
{
    bug_unless(len <= b->len);
    b->len = len;
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

void buf_free(struct buf *b)
{
    free(b->at);
    *b = (struct buf){.ceiling = b->ceiling};
}

struct str buf_str(const struct buf *b)
{
    return (struct str){b->at, b->len};
}

const char *buf_text(struct buf *b)
{
    if (!grow(b, b->len + 1))
        return NULL;
    b->at[b->len] = '\0';
    return b->at;
}
