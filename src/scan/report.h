/*
 * report.h: what the scan process tells the relay about one message, as it crosses the socket: a fixed part with every
 * string bounded and NUL-terminated, and behind it the records of what was found (record.h). All of it is checked by
 * scan_report_is_sane() before use, since a scan process that was taken over by a message could send anything.
 */
#ifndef SCAN_REPORT_H
#define SCAN_REPORT_H

#include "scan/record.h"

enum { REPORT_SUBJECT_MAX = 256, REPORT_ADDRESS_MAX = 320, REPORT_ID_MAX = 256, REPORT_VERSION = 3,
       REPORT_TAIL_MAX = 4 * 1024 * 1024 /* octets of records, the detailed report's texts included */ };

/* What a Date can say: 0001 … 9999 and a zone. Keeps sums with date_ms from overflowing. */
#define REPORT_DATE_MIN_MS INT64_C(-62200000000000)
#define REPORT_DATE_MAX_MS INT64_C(253500000000000)

enum once_field { /* RFC 5322 §3.6: at most once */
    ONCE_DATE, ONCE_FROM, ONCE_SENDER, ONCE_REPLY_TO, ONCE_TO, ONCE_CC, ONCE_BCC, ONCE_MESSAGE_ID, ONCE_IN_REPLY_TO, ONCE_REFERENCES,
    ONCE_SUBJECT, ONCE_COUNT
};
const char *once_field_name(enum once_field f);

struct scan_report {
    uint32_t version;            /* REPORT_VERSION */
    uint32_t sequence;           /* that of the question */
    uint64_t size;               /* octets seen */
    uint64_t body_offset;        /* of the body's first octet */
    uint32_t header_fields;
    uint32_t header_bytes;       /* the whole header */
    uint32_t longest_field;      /* octets, unfolded */
    uint32_t longest_field_line; /* its first line */
    char longest_field_name[64];
    uint32_t longest_line;       /* octets without ending, anywhere in the message */
    uint32_t longest_line_number;
    uint32_t received_count;     /* Received fields: hops */
    uint32_t delivered_to_count;
    uint32_t defects;            /* enum header_defect flags */
    uint32_t defect_line;
    uint16_t count[ONCE_COUNT];
    uint32_t second_line[ONCE_COUNT]; /* line of the second one; 0: there is none */
    uint32_t subject_8bit_line;  /* line of a Subject with raw octets above 127; 0: none */
    bool subject_is_utf8;        /* … and they are valid UTF-8 */
    bool has_date, date_is_valid;
    bool has_8bit;               /* octets above 127 anywhere */
    bool header_is_utf8;         /* header holds octets above 127 and they are valid UTF-8 */
    uint32_t date_line;
    int64_t date_ms;             /* wall clock */
    char subject[REPORT_SUBJECT_MAX];       /* decoded (RFC 2047), unfolded, printable or UTF-8, cut */
    char from[REPORT_ADDRESS_MAX];          /* likewise */
    char message_id[REPORT_ID_MAX];
    uint32_t part_count;         /* MIME parts at all depths, also those beyond the ceiling of what is read */
    uint32_t record_count;
    uint32_t records_dropped;    /* found, but there was no room for them */
    bool important_dropped;      /* … and defects, parts or files are among them: the message was not examined whole */
    uint32_t tail_len;           /* octets of records */
    const char *tail;            /* the relay's own memory, NULL while it crosses the socket; owned: scan_report_free() */
};

/* Strings terminated, booleans 0 or 1, numbers within SIZE, records sound and as many as it says. */
bool scan_report_is_sane(const struct scan_report *r, uint64_t size, uint32_t sequence);
void scan_report_free(struct scan_report *r);

/* The records of KIND, in the order in which they were found: start with *REST = report_records(r); false at the end. */
struct str report_records(const struct scan_report *r);
bool report_next(struct str *rest, enum record_kind kind, struct record *out);

/* Reads the lines and the header of MESSAGE (CR LF lines) in one pass, without memory of its own: what needs no parser
 * of MIME. Subject and From are as they stand. Pure; the first step of analyse() in scan/analysis.h. */
void scan_message(struct str message, struct scan_report *out);

#endif
