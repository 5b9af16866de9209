/*
 * dmarc_day.h: what DMARC came to in one day (UTC), for the aggregate reports of RFC 9990. One file for each day, state_directory/dmarc-2026-11-25, of
 * lines with fields between tabs; `postern dmarc` and the thread that sends reports read it, the tally (dmarc_tally.h) writes it:
 *   P domain p sp np adkim aspf fo t rua       the policy last seen for the domain
 *   R domain count and the fields of a row     so many messages
 *   S domain address                           a report on the domain went to that address, or never will
 * A last line without its end was torn off by a crash and counts as not there. Not for several threads at once.
 */
#ifndef STORE_DMARC_DAY_H
#define STORE_DMARC_DAY_H

#include "base/buf.h"
#include "base/hash.h"

enum dmarc_published { PUBLISHED_P, PUBLISHED_SP, PUBLISHED_NP, PUBLISHED_ADKIM, PUBLISHED_ASPF, PUBLISHED_FO, PUBLISHED_T, PUBLISHED_RUA, PUBLISHED_FIELDS };

/* What tells rows apart (RFC 9990 §3.1.1.7). Absent ones are empty. */
enum dmarc_field {
    DMARC_SOURCE_IP, DMARC_DISPOSITION, DMARC_DKIM_ALIGNED /* pass, fail */, DMARC_SPF_ALIGNED, DMARC_OVERRIDE /* type of the reason */,
    DMARC_HEADER_FROM, DMARC_ENVELOPE_FROM, DMARC_ENVELOPE_TO, DMARC_SPF_DOMAIN, DMARC_SPF_RESULT,
    DMARC_SIGNATURES /* "domain:selector:result", blanks between */, DMARC_FIELDS
};

enum { DMARC_ROW_MAX = 4096 /* bytes of a row's fields */, DMARC_DAY_MS = 24 * 60 * 60 * 1000, DMARC_SENT_MAX = 16 };

struct dmarc_row {
    struct hash_node node;
    struct dmarc_row *next;
    uint64_t count;
    size_t len;
    char text[];                /* DMARC_FIELDS fields, tabs between */
};

struct dmarc_domain {
    struct hash_node node;
    struct dmarc_domain *next;
    char name[256];             /* policy domain */
    char *published;            /* owned: PUBLISHED_FIELDS fields, tabs between */
    struct hash_table table;
    struct dmarc_row *first, *last;
    size_t row_count;
    char *sent[DMARC_SENT_MAX]; /* owned */
    size_t sent_count;
};

struct dmarc_day {
    struct hash_table table;
    struct dmarc_domain *first, *last;
    size_t row_count, row_limit;
    uint64_t left_out;          /* messages for which there was no room */
};

/* ROW_LIMIT rows at most in all, a quarter of them for one policy domain, so that a flood for one leaves room for the others. */
void dmarc_day_init(struct dmarc_day *d, size_t row_limit);
void dmarc_day_clear(struct dmarc_day *d);
struct dmarc_domain *dmarc_day_find(const struct dmarc_day *d, struct str domain); /* NULL: none */
/* COUNT messages. False where there is no room, or ROW is none; then `left_out` has grown. */
bool dmarc_day_count(struct dmarc_day *d, struct str domain, struct str row, uint64_t count);
/* The policy of DOMAIN as seen now. *IS_NEW: it was another. False: no room, or PUBLISHED is none. */
bool dmarc_day_publish(struct dmarc_day *d, struct str domain, struct str published, bool *is_new);
bool dmarc_domain_was_sent(const struct dmarc_domain *d, struct str address);
/* A line without its end. False when it is none. */
bool dmarc_day_take_line(struct dmarc_day *d, struct str line);
/* All of it as lines, behind each other; false when EACH has failed. */
bool dmarc_day_lines(const struct dmarc_day *d, bool (*each)(void *arg, struct str line), void *arg);

/* Cuts TEXT into COUNT fields; false when there are more or fewer. */
bool dmarc_fields(struct str text, struct str *to, size_t count) __attribute__((warn_unused_result));
/* TEXT as a field: whatever could end it, or is no printable ASCII, becomes '?'. */
void dmarc_add_field(struct buf *out, struct str text);

/* "…/dmarc-2026-11-25" into TO; DAY counts from 1970-01-01. */
void dmarc_day_path(const char *directory, int64_t day, char *to, size_t size);
/* Reads the file of DAY into D, which is initialised. END (may be NULL) gets the length up to the last whole line, LINES their number. False with errno. */
bool dmarc_day_read(struct dmarc_day *d, const char *path, uint64_t *end, uint64_t *lines) __attribute__((warn_unused_result));

#endif
