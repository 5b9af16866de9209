/*
 * buf.h: bytes that grow, never past the ceiling they were made with.
 * A failed add (ceiling reached, out of memory) leaves the bytes as they were and sets `failed`,
 * so that a row of adds may be checked once at its end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

struct buf {
    char *at; /* owned; NULL until the first add */
    size_t len;
    size_t cap;
    size_t ceiling; /* bytes; never 0 */
    bool failed;    /* sticky: some add did not fit */
};

struct buf buf_make(size_t ceiling);
bool buf_add(struct buf *b, const void *bytes, size_t len);
bool buf_add_str(struct buf *b, struct str s);
bool buf_add_text(struct buf *b, const char *text);
bool buf_add_char(struct buf *b, char c);
bool buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buf_reserve(struct buf *b, size_t extra); /* room for EXTRA more bytes behind len */
void buf_consume(struct buf *b, size_t n);     /* drops the first N bytes */
void buf_truncate(struct buf *b, size_t len);
void buf_clear(struct buf *b);                 /* empties, keeps the memory, clears failed */
void buf_free(struct buf *b);                  /* gives the memory back; the ceiling stays, it may be used again */
struct str buf_str(const struct buf *b);
/* NUL-terminated view; NULL when there is no memory for the NUL. Valid until the next change. */
const char *buf_text(struct buf *b);

#endif
