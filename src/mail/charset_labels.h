/*
 * charset_labels.h: which converter a charset's label means. Labels and what they stand for are those of the WHATWG encoding standard (§4.2), which
 * browsers and most mail readers share (iso-8859-1 is windows-1252, gb2312 is gb18030, ks_c_5601-1987 is windows-949, …); besides, the mail-only ones that readers know.
 */
#ifndef MAIL_CHARSET_LABELS_H
#define MAIL_CHARSET_LABELS_H

#include "base/str.h"

enum charset_kind {
    CHARSET_IS_UTF8,
    CHARSET_IS_ASCII,        /* us-ascii: eight bits are a lie */
    CHARSET_IS_SUPERSET,     /* bytes below 128 mean what they do in ASCII, outside multibyte characters */
    CHARSET_IS_STATEFUL,     /* ISO-2022: escapes and shifts change what bytes mean */
    CHARSET_IS_TILDE,        /* HZ: ~{ does */
    CHARSET_IS_UTF7,
    CHARSET_IS_WIDE,         /* UTF-16, UTF-32 */
    CHARSET_IS_FOREIGN       /* EBCDIC and the like, by ICU's own name */
};

struct charset_row {
    const char *name;     /* canonical, lower case: what struct charset_result says */
    const char *icu;      /* ICU's name; NULL: needs none */
    enum charset_kind kind;
    const char *labels;   /* blank-separated, lower case, sorted by nothing */
};

struct charset_label {
    struct str label;
    const struct charset_row *row;
};

enum { CHARSET_LABELS_MAX = 360 };

/* All labels into TO (room for CHARSET_LABELS_MAX), sorted for charset_label_find(); returns how many. */
size_t charset_labels_sorted(struct charset_label *to);
/* LABEL lower case and trimmed; NULL when it is not known. */
const struct charset_row *charset_label_find(const struct charset_label *sorted, size_t count, struct str label);
/* The row of a canonical name of this table; it must exist. */
const struct charset_row *charset_row(const char *name);
/* ISO 8859-16 from 0xA0 on, which Debian's ICU does not have. */
extern const uint16_t charset_iso_8859_16[96];

#endif
