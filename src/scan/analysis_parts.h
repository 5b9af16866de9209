/* analysis_parts.h: what the files of the analysis share. */
#ifndef SCAN_ANALYSIS_PARTS_H
#define SCAN_ANALYSIS_PARTS_H

#include "auth/dkim_signature.h"
#include "mail/charset.h"
#include "mail/html.h"
#include "mail/link.h"
#include "mail/mime.h"
#include "scan/analysis.h"
#include "scan/classify/features.h"
#include "scan/files/file.h"

enum { MOST_MAIL_IN_FILES = 3 /* messages in archives in messages … */, LINKS_DEEP = 3 /* links nested in links */ };

struct analyzer {
    struct charset_context *charsets;
    struct link_context *links;
    struct file_context *files;
    struct signature_context *signatures;
    struct signature *found; /* owned; SIGNATURES_MAX */
    struct arena arena;
    struct features *features; /* owned; filled where limits want it */
    struct buf important, minor; /* records: defects, parts, files; links, addresses, texts */
};

/* One message under way. */
struct analysis {
    struct analyzer *tools;
    struct arena *arena;
    struct str message;
    const struct scan_limits *limits;
    struct scan_report *report;
    size_t decoded_left;      /* octets */
    uint32_t links_left;
    bool links_cut;
    struct file_budget files;
    unsigned mail_depth;
    bool is_garbled;          /* the text under way may end in what decoding made of something else */
};

/* Where content stands: evidence names it. */
struct place {
    struct str path;          /* of the part */
    uint32_t line;            /* 0: inside decoded content */
};

void note(struct analysis *a, const struct record *r);
void note_defect(struct analysis *a, struct place at, bool is_ambiguous, const char *name, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* A leaf: decoded, and read in each way in which readers do. */
void analyze_leaf(struct analysis *a, const struct mime_part *part);
void note_part(struct analysis *a, const struct mime_part *part, const char *charset, const struct decoded *d /* NULL: holds parts */);
struct place place_of(const struct mime_part *part);

/* analysis_features.c: what the statistical filter sees; nothing where nobody wants it. */
void collect_record(struct analysis *a, const struct record *r);
void collect_field(struct analysis *a, const struct header_field *f);
struct features *collector(struct analysis *a); /* NULL: nothing is collected */
void note_collected(struct analysis *a);

void analyze_header(struct analysis *a, const struct mime_part *root);
void analyze_tree(struct analysis *a, struct str message);
void analyze_mail_in_file(struct analysis *a, struct place at, struct str message);
/* CONTENT is decoded; what the text turned out to be in goes to USED_CHARSET. */
void analyze_plain(struct analysis *a, struct place at, struct str declared_charset, struct str content, char used_charset[32]);
/* True when there are data: addresses in it. */
bool analyze_html(struct analysis *a, struct place at, struct str declared_charset, struct str content, char used_charset[32]);
/* CONTENT is a text file, as it stands. */
void analyze_file_text(struct analysis *a, struct place at, struct str content);
void analyze_links(struct analysis *a, struct place at, const char *source, struct str text);
void analyze_link(struct analysis *a, struct place at, const char *source, enum html_link_kind kind, struct str target, struct str shown, bool hidden);
/* What readers make up for a file whose name has none; "" where its declared type says nothing. */
struct str analyze_extension_by_type(const struct mime_part *part);
/* Every extension that a file of this name, or of OTHERS (joined by slashes), may be saved with: "exe/txt", in the arena. */
struct str analyze_extensions(struct analysis *a, struct str name, struct str others);
/* A part that holds parts, and has a name: an attached message is a file where it is saved. */
void analyze_file_name(struct analysis *a, struct place at, const struct mime_part *part);
/* Files in the middle of a text, as before MIME: uuencode, yEnc, BinHex. */
void analyze_embedded(struct analysis *a, struct place at, struct str content);
/* Files in data: addresses of a page that is shown as it is, and no file itself. */
void analyze_files_in_html(struct analysis *a, struct place at, const struct mime_part *part, struct str content);
/* PART is NULL for a file that stood inside a text. */
void analyze_file(struct analysis *a, struct place at, const struct mime_part *part, struct str name, struct str content);

#endif
