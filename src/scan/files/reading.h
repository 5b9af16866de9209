/*
 * scan/files/reading.h: what the readers of this folder share. A `struct reading` is one file_read(); a `struct thing` is one file that is being
 * looked into: the attachment itself, or something inside it. A reader adds entries below its thing and sets facts on it.
 */
#ifndef SCAN_FILES_READING_H
#define SCAN_FILES_READING_H

#include "base/buf.h"
#include "scan/files/file.h"

#include <locale.h>
#include <openssl/evp.h>
#include <zlib.h>

struct qr;
struct file_context {
    EVP_MD *sha256;
    EVP_MD_CTX *digest;
    locale_t utf8;          /* for libarchive, which converts names to the locale's charset */
    z_stream deflated;      /* a raw and a zlib inflater, made once: 40 KB each */
    z_stream wrapped;
    bool has_deflated, has_wrapped;
    struct qr *qr;          /* NULL: none at hand */
};

enum { URLS_SEEN = 256 };

struct reading {
    struct file_context *context;
    struct arena *arena;
    struct file_budget *budget;
    struct file_report *out;
    struct file_entry **entries_tail;
    struct file_url **urls_tail;
    uint64_t urls_seen[URLS_SEEN]; /* hashes of the latest ones */
    uint64_t may_unpack;    /* bytes, by the ratio of the whole attachment; counts down with the budget */
    char detail[FILE_DETAIL_MAX];
    size_t detail_len;
};

struct thing {
    struct str bytes;
    struct str path;        /* "" for the attachment itself */
    struct str name;
    enum file_type type;
    unsigned facts;
    uint8_t level;          /* 0: the attachment */
};

enum { RATIO_FROM_BYTES = 16 << 20 }; /* logs and tables of honest people pack very well, too */

/* Looks into T by its type: adds entries and urls, sets facts. */
void look_into(struct reading *r, struct thing *t);
/* As a zip behind whatever else T is. */
void look_for_archive_behind(struct reading *r, struct thing *t);

/* An entry below T; NULL at a ceiling, which is then a fact of T. NAME may be any bytes. */
struct file_entry *entry_add(struct reading *r, struct thing *t, struct str name, uint64_t size);
/* Says what ENTRY holds and looks into that. CONTENT is copied into the arena unless IT_STAYS: it lives as long as the report. */
void entry_content(struct reading *r, struct thing *t, struct file_entry *entry, struct str content, bool it_stays);
/* Facts of an entry are facts of what it is in, but for those of names. */
void entry_fact(struct reading *r, struct thing *t, struct file_entry *entry, unsigned facts);

void url_add(struct reading *r, struct str url, const char *from);
void detail_add(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Printable, valid UTF-8 in the arena, at most MOST octets; what is neither becomes '?'. */
struct str printable(struct arena *arena, struct str bytes, size_t most);

/* How many bytes may come out of PACKED packed ones, and what is paid for those that came. */
size_t unpack_room(const struct reading *r);
void unpack_pay(struct reading *r, uint64_t bytes);
bool ratio_is_bomb(const struct reading *r, uint64_t packed, uint64_t unpacked);

enum unpack_end { UNPACK_DONE, UNPACK_DAMAGED, UNPACK_BOMB };
/* Inflates PACKED into OUT (emptied first; its memory is the caller's) and pays for it. USED: packed bytes taken, may be NULL. */
enum unpack_end inflate_raw(struct reading *r, struct str packed, struct buf *out, size_t *used);
enum unpack_end inflate_zlib(struct reading *r, struct str packed, struct buf *out);
void unpack_fact(struct thing *t, enum unpack_end end);
struct buf unpack_buf(void); /* with the largest ceiling there is: room is what bounds it */

/* Little-endian numbers at AT; 0 where S ends before. */
uint16_t le16(struct str s, size_t at);
uint32_t le32(struct str s, size_t at);
uint64_t le64(struct str s, size_t at);
bool has_at(struct str s, size_t at, struct str what);
ptrdiff_t find_from(struct str s, size_t from, struct str what); /* index in S, or -1 */
ptrdiff_t find_case(struct str s, struct str lower);             /* ASCII case aside; LOWER in lower case */
/* UTF-16 (little-endian) to UTF-8 in the arena; ill-formed units become U+FFFD. */
struct str utf16_text(struct arena *arena, struct str units, bool big_endian);
/* XML, HTML or script that may be UTF-16: as octets that can be searched. The input itself where it is not. */
struct str searchable(struct reading *r, struct str text);

/* The readers. Each may be called with any bytes. */
void zip_look(struct reading *r, struct thing *t);
void ole_look(struct reading *r, struct thing *t);
void pdf_look(struct reading *r, struct thing *t);
void rtf_look(struct reading *r, struct thing *t);
void tnef_look(struct reading *r, struct thing *t);
void image_look(struct reading *r, struct thing *t);
void markup_look(struct reading *r, struct thing *t);
void shortcut_look(struct reading *r, struct thing *t);
void onenote_look(struct reading *r, struct thing *t);
void archive_look(struct reading *r, struct thing *t);

/* Of magic.c's helpers: which kind of zip or OLE file this is. */
enum file_type zip_kind(struct str bytes);
enum file_type ole_kind(struct str bytes);

#endif
