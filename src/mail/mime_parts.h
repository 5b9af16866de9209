/* mime_parts.h: what the files of mime*.c share; nobody else includes it. */
#ifndef MAIL_MIME_PARTS_H
#define MAIL_MIME_PARTS_H

#include "mail/mime.h"

enum { PART_COUNT_MAX = 1000000, SECOND_LEVEL_MAX = 2, OTHER_BOUNDARIES_MAX = 4, DETAIL_MAX = 80 };

/* What is known of a finding before parts have their numbers. */
struct noted_finding {
    struct noted_finding *next;
    const struct mime_part *part;
    struct mime_finding finding;
};

/* The values of a header's MIME fields in one of its readings. */
struct mime_fields {
    struct str type, encoding;
    bool has_type, has_encoding;
};

/* A part, and what only the reading itself needs to remember of it. */
struct mime_part_state {
    struct mime_part part;       /* first: see mime_state() */
    struct mime_fields first;    /* the first of each field: what counts */
    struct mime_fields last;     /* the last of each, those with damaged names included */
    struct mime_fields strict;   /* without those that are written oddly */
    uint32_t type_line, encoding_line; /* of the field that differs */
    struct mime_fields above;    /* above the line of blanks */
    struct str below;            /* what stands behind a line of blanks in the header; at NULL: there is none */
    uint32_t below_line;
    bool fields_below;           /* … and MIME fields are among it */
    bool ends_early;             /* the header ends in a line that is no field */
    bool is_odd_encoding;        /* Content-Transfer-Encoding does not simply name one */
};

static inline struct mime_part_state *mime_state(struct mime_part *part)
{
    return (struct mime_part_state *)part;
}

/* Octets that another reader would read otherwise; waits until the first reading is done. */
enum second_kind {
    SECOND_BOUNDARY, /* TEXT as a multipart with BOUNDARY */
    SECOND_FIELDS,   /* TEXT with FIELDS for its header */
    SECOND_ENTITY,   /* TEXT has a header of its own */
    SECOND_TEXT,     /* TEXT as plain text, for the files in it */
    SECOND_DECODED   /* TEXT, which a part's encoding hid, as what the part says it is */
};
struct second_reading {
    struct second_reading *next;
    enum second_kind kind;
    struct mime_part *part; /* whose octets they are */
    struct str text;
    uint32_t line;          /* where TEXT begins, 0: decoded */
    struct str boundary;
    bool is_loose;          /* boundaries match by their beginning, in any case, with blanks before them */
    bool is_first;          /* SECOND_DECODED: no other reading, but what most see */
    struct mime_fields fields;
    uint8_t level;          /* 1: of the first reading */
};

struct mime_reader {
    struct arena *arena;
    struct charset_context *charsets;
    const struct mime_limits *limits;
    struct mime_message *out;
    struct noted_finding *findings, **findings_end;
    struct second_reading *seconds, **seconds_end;
    size_t reread_left;  /* octets that other readings may still read */
    size_t decoded_left;
    uint32_t made;       /* parts in the tree */
    uint8_t level;       /* of the reading under way, 0: first */
    bool crlf;           /* the message's lines end in CR LF */
    bool too_many;       /* parts: noted */
};

/* A multipart whose boundary lines are being looked for; or a part that only another reader takes for one (boundary.at is NULL). */
struct mime_frame {
    struct mime_frame *outer;
    struct mime_part *part;
    struct str boundary;
    struct str values[2];    /* what stands behind "boundary" in its header; and the same without quotes, backslashes and blanks */
    uint8_t starts[32];      /* octets that a value in VALUES begins with, one bit each */
    size_t region;           /* offset where preamble or epilogue begins */
    uint32_t region_line;
    enum { FRAME_PREAMBLE, FRAME_PARTS, FRAME_EPILOGUE } state;
    bool is_loose;
    bool near_miss;          /* lines that match only loosely were seen */
    struct str others[OTHER_BOUNDARIES_MAX]; /* lines of other boundaries that HEADER could be read to give */
    uint32_t other_lines[OTHER_BOUNDARIES_MAX];
    uint8_t other_count;
    size_t after_end;        /* offset of the first boundary line behind the closing one, 0: none */
    uint32_t after_end_line, near_miss_line;
};

/* One pass over TEXT. */
struct mime_walk {
    struct mime_reader *reader;
    struct str text;
    size_t at;                /* offset of the next line */
    uint32_t line;            /* its number, 0: decoded content has none */
    struct mime_frame *frame; /* innermost */
    struct mime_part *base;   /* the part that TEXT is read for */
    struct mime_part *part;   /* innermost one open */
    size_t compare_left;      /* octets that odd lines may still be compared with */
};

struct mime_delimiter {
    struct mime_frame *frame;
    bool closes;
    size_t start;      /* offset of its line */
    uint32_t line;
};

/* mime.c */
struct mime_part *mime_part_add(struct mime_reader *r, struct mime_part *parent); /* NULL at a ceiling */
void mime_walk_run(struct mime_reader *r, struct mime_part *part, struct str text, uint32_t line, bool has_header, bool is_loose);
bool mime_part_is_multipart(const struct mime_part *p);
bool mime_part_is_message(const struct mime_part *p); /* message/rfc822 and its like */

/* mime_entity.c: the header at the walk's place into PART; the walk goes on at its body. */
void mime_read_header(struct mime_walk *w, struct mime_part *part);
/* PART's type, encoding and boundary as FIELDS say. */
void mime_apply_fields(struct mime_reader *r, struct mime_part *part, const struct mime_fields *fields);

/* mime_other.c: once PART's body is known: what another reader of its fields would make of it, as second readings. */
void mime_finish_part(struct mime_reader *r, struct mime_part *part);
bool mime_part_is_encoded(const struct mime_part *p); /* base64, quoted-printable, uuencode, yEnc */

/* mime_field.c */
enum mime_field_id { FIELD_NONE, FIELD_TYPE, FIELD_ENCODING, FIELD_DISPOSITION, FIELD_VERSION, FIELD_ID, FIELD_LOCATION, FIELD_DESCRIPTION };
enum mime_field_id mime_field_id(struct str name);
/* The encoding that VALUE names; IS_ODD: not simply by its name. */
enum transfer_encoding mime_encoding_read(struct str value, bool *is_odd, bool *has_comment);
/* Looks like one of those encodings although it is none: what another reader could make of it; ENCODING_UNKNOWN when not. */
enum transfer_encoding mime_encoding_guess(struct str value);
bool mime_has_field_line(struct str text); /* does a line begin with a MIME field? */
bool mime_is_field_line(struct str line);

/* mime_boundary.c */
bool mime_next_delimiter(struct mime_walk *w, struct mime_delimiter *out);
/* Is LINE a boundary line of an open frame? */
struct mime_frame *mime_match(const struct mime_walk *w, struct str line, bool *closes);
bool mime_boundary_is_odd(struct str boundary);
/* F's VALUES from HEADER; false when it does not speak of a boundary. */
bool mime_frame_values(struct mime_reader *r, struct mime_frame *f, struct str header);
/* A boundary that TEXT seems to have: the first "--" line with a MIME field behind it. Empty when there is none. */
struct str mime_guess_boundary(struct str text);

/* mime_second.c */
/* The line on which AT stands, which is behind PART's header in the same octets; 0 in decoded content. */
uint32_t mime_line_of(const struct mime_part *part, const char *at);
struct second_reading *mime_second_add(struct mime_reader *r, enum second_kind kind, struct mime_part *part, struct str text, uint32_t line);
void mime_second_run(struct mime_reader *r);
/* mime_frame.c: what was seen between the boundaries of F, which ends at END. */
void mime_frame_close(struct mime_walk *w, struct mime_frame *f, size_t end);

/* mime_finding.c */
void mime_note(struct mime_reader *r, enum mime_defect d, const struct mime_part *part, uint32_t line, struct str detail);
void mime_findings_number(struct mime_reader *r);

#endif
