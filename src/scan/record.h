/*
 * record.h: what stands behind the fixed part of a report: one record for each thing that the scan process found. Written by it, read by the
 * relay, which believes no byte: every length is checked, every text but a signature's octets is UTF-8 without control characters, every number within its bounds.
 * A record is its kind (one octet), its length (32 bits) and its fields; numbers are native, both ends are the same program.
 */
#ifndef SCAN_RECORD_H
#define SCAN_RECORD_H

#include "base/buf.h"

enum record_kind { RECORD_DEFECT = 1, RECORD_PART, RECORD_FILE, RECORD_MAILBOX, RECORD_HOP, RECORD_LINK, RECORD_SIGNATURE, RECORD_RESULTS, RECORD_TEXT, RECORD_FIELD, RECORD_FEATURES, RECORD_KIND_END };

enum { RECORD_TEXT_MAX = 2048 /* octets of one text; RECORD_TEXT's own may be longer */, RECORD_LONG_TEXT_MAX = 256 * 1024, RECORD_BYTES_MAX = 1024, RECORD_LONG_BYTES_MAX = 64 * 1024 };

/* Something that is not as it should be. Two readers may see different things where it is ambiguous. */
struct record_defect {
    bool is_ambiguous;
    uint32_t line;                   /* of the message; 0: inside decoded content */
    struct str name;                 /* kebab case: "boundary-twice" */
    struct str path;                 /* of the part, "1.2"; "" the message itself */
    struct str text;                 /* in words, with what was found */
};

struct record_part {
    uint32_t number, line;
    bool is_leaf, is_attachment, is_second_reading;
    uint64_t size;                   /* octets, decoded; of a leaf */
    struct str path, type /* "text/html" */, charset /* as used */, encoding, disposition, name, other_name, content_id;
    unsigned char sha256[32];        /* of the decoded content of a leaf */
};

/* An attachment, or something inside of one. */
struct record_file {
    uint8_t level;                   /* 0: the attachment itself */
    uint16_t type;                   /* enum file_type */
    uint32_t facts;                  /* enum file_fact flags */
    uint64_t size;
    bool has_sha256, is_program /* by its content */, is_archive;
    unsigned char sha256[32];
    struct str path;                 /* of the part */
    struct str name;                 /* of the file; inside an archive with its way: "inner.zip/readme.exe" */
    struct str other_name;           /* another reader shows this one */
    struct str type_name;            /* "pe" */
    struct str extension;            /* of the name's last component, lower case */
    struct str extensions;           /* all that some reader may save it with, not folded in case: "exe/txt" */
    struct str detail;               /* in words */
};

struct record_mailbox {
    struct str field;                /* "from", "reply-to", "sender", "to", "cc" */
    struct str display, address, domain;
    uint32_t defects;                /* enum mailbox_defect flags */
};

/* One Received field, the youngest first. */
struct record_hop {
    int64_t date_ms;                 /* 0: none */
    struct str helo, host, ip, by, with, id;
};

/* A DKIM or ARC signature with the hashes that it speaks of: struct signature of auth/dkim_signature.h; see record_signature.h. */
struct record_signature {
    uint8_t kind, algorithm, fault, chain, instance;
    bool header_relaxed, body_relaxed, has_length, has_time, has_expiry, body_matches, subject_signed;
    uint32_t line;
    uint64_t length, body_length;
    int64_t time_s, expiry_s;
    struct str domain, selector, identity_domain;
    unsigned char header_hash[32], body_hash[32];
    struct str bytes;                /* b=, raw octets */
};

/* An Authentication-Results field (RFC 8601), or that of ARC, or Received-SPF (RFC 7208 §9.1). */
struct record_results {
    uint8_t instance;                /* of ARC; 0: none */
    bool is_received_spf;            /* authserv_id is its receiver; `results` is empty */
    bool is_readable;                /* else `results` is all of the value, but for Received-SPF */
    uint32_t line;
    uint64_t offset, length;         /* octets of the message: the whole field with its line ending */
    struct str authserv_id;
    struct str results;              /* "spf=pass dmarc=fail header.from=example.net" */
};

/* Where text, HTML or a file leads to. */
struct record_link {
    uint8_t kind;                    /* enum html_link_kind */
    bool is_hidden;                  /* nothing of it can be seen */
    uint32_t tricks;                 /* enum link_trick flags */
    struct str path;                 /* of the part; "" the header */
    struct str source;               /* "text", "html", "html-text", "subject", "file"; of a file: "pdf", "office", "rtf", "qr" */
    struct str url, host, domain, skeleton, shown;
};

/* What is read in a part: only where it is asked for (scan_limits.h). */
struct record_text {
    struct str path, kind /* "visible", "hidden", "title", "plain" */, text /* may hold LF */;
};

/* A field of the header, decoded and unfolded: likewise. */
struct record_field {
    struct str name, value;
};

/* The features of one view (scan/classify/features.h): numbers of 32 bits, as octets. */
struct record_features {
    uint8_t view;
    struct str set;
};

struct record {
    enum record_kind kind;
    union {
        struct record_defect defect;
        struct record_part part;
        struct record_file file;
        struct record_mailbox mailbox;
        struct record_hop hop;
        struct record_link link;
        struct record_signature signature;
        struct record_results results;
        struct record_text text;
        struct record_field field;
        struct record_features features;
    };
};

/* Adds R to OUT, its texts made printable and cut. False, and OUT is as it was, when it does not fit below OUT's ceiling. */
bool record_write(struct buf *out, const struct record *r);
/* The next record of *REST, which advances; its texts point into it. False at the end, or (*REST is not empty then) where there is no sound record. */
bool record_read(struct str *rest, struct record *out);

/* Passes over the next record unless it is of KIND, without looking into it. False where one of KIND follows, or none is whole. */
bool record_skip_other(struct str *rest, enum record_kind kind);

/* Adds TEXT: controls become blanks (CR LF is LF where line ends are kept), NUL and what is not UTF-8 becomes U+FFFD; at most MOST octets, cut between characters. */
void record_clean(struct buf *out, struct str text, size_t most, bool keep_line_ends);

#endif
