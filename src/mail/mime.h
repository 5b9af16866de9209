/*
 * mime.h: a message as a tree of parts (RFC 2045, 2046), read the way the widest-used readers read it, with every place named where another reader could
 * see something else. Only structure: content is not decoded here but for what structure needs (an encoded message/rfc822 or multipart is decoded and
 * read too).
 *
 * First reading: boundary lines match exactly but for blanks behind them, the innermost multipart first; of two fields the first counts; nothing is
 * read behind a closing boundary. Where another reader would come to other parts, those are read as well (by_second_reading), so that
 * nobody is shown what was not looked at. Linear in the message whatever it holds: second readings share a budget of a few times its size.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "base/arena.h"
#include "mail/decode.h"
#include "mail/header.h"
#include "mail/parameter.h"

enum mime_defect { /* one row each in mime_finding.c */
    MIME_NO_DEFECT,
    MIME_MISSING_END_BOUNDARY,     /* a multipart ends without its closing line */
    MIME_NO_BOUNDARY_PARAMETER,
    MIME_BOUNDARY_NEVER_SEEN,      /* a multipart without any of its boundary lines */
    MIME_BOUNDARY_TWICE,           /* lines of another boundary that the header could be read to give: parameter twice, comment, quotes, RFC 2231 … */
    MIME_BOUNDARY_GUESSED,         /* none of the header's boundaries is there, but lines that look like boundaries and have parts behind them */
    MIME_BOUNDARY_PREFIX,          /* a line that begins with a boundary and has more behind it, other case, or blanks before it */
    MIME_BOUNDARY_REUSED,          /* a child uses its parent's boundary */
    MIME_BOUNDARY_ODD,             /* characters outside bchars, blank at its end, over 70 octets, empty (RFC 2046 §5.1.1) */
    MIME_BOUNDARY_BLANKS,          /* boundary line with blanks behind it (allowed: transport padding) */
    MIME_BOUNDARY_BARE_LF,         /* boundary line whose ending is not CR LF in a message whose lines end so */
    MIME_BOUNDARY_IN_HEADER,       /* a boundary line inside a part's header */
    MIME_PART_AFTER_END,           /* parts behind the closing boundary */
    MIME_TEXT_IN_PREAMBLE,         /* more than blanks and the usual notice */
    MIME_TEXT_IN_EPILOGUE,
    MIME_PART_IN_PREAMBLE,         /* … and it looks like a part or a file */
    MIME_PART_IN_EPILOGUE,
    MIME_CONTENT_TYPE_TWICE,       /* with another type or boundary */
    MIME_TRANSFER_ENCODING_TWICE,  /* with another encoding */
    MIME_DISPOSITION_TWICE,        /* with another kind or name */
    MIME_VERSION_TWICE,
    MIME_CONTENT_TYPE_MALFORMED,
    MIME_PARAMETER_TWICE,
    MIME_PARAMETER_MALFORMED,
    MIME_TRANSFER_ENCODING_UNKNOWN,
    MIME_TRANSFER_ENCODING_MALFORMED, /* no name that is known, but like one: "x-base64", "base64;", in quotes … */
    MIME_ENCODED_COMPOSITE,        /* base64 or quoted-printable on multipart or message/rfc822 (RFC 2045 §6.4 forbids it) */
    MIME_ENCODED_STRUCTURE,        /* … and with it undone there are boundaries, or a message, that others do not see */
    MIME_WRONG_ENCODING,           /* declared encoding does not fit the content (base64 declared, text inside; none declared, base64 inside) */
    MIME_VERSION_MISSING,          /* multipart or encoding without MIME-Version: some readers show it as text */
    MIME_HEADER_DEFECT,            /* a MIME field that some readers do not take for one: space before the colon, NUL, bare CR … */
    MIME_HEADER_ENDS_EARLY,        /* a header ends in a line that is no field, without an empty line */
    MIME_FIELDS_BEHIND_HEADER,     /* … and behind it are MIME fields, which readers that skip such a line obey */
    MIME_FIELD_FOLDED_ODDLY,       /* a line of blanks inside a header, with MIME fields behind it: the end of the header for some */
    MIME_COMMENT_IN_STRUCTURE,     /* comments inside Content-Type or -Transfer-Encoding, which many readers do not understand */
    MIME_NESTED_TOO_DEEP, MIME_TOO_MANY_PARTS, MIME_HEADER_CUT, /* ceilings reached: what is behind was not read */
    MIME_SECOND_READING_CUT,       /* more other readings than the budget allows: not all were read */
    MIME_DIGEST_ODD,               /* a part of multipart/digest that is no message */
    MIME_PARTIAL,
    MIME_EXTERNAL_BODY,
    MIME_DEFECT_COUNT
};

struct mime_defect_row {
    const char *name;     /* "boundary-twice" */
    const char *sentence;
    bool ambiguous;       /* two readers would come to different content */
};
const struct mime_defect_row *mime_defect_row(enum mime_defect d);

struct mime_finding {
    enum mime_defect defect;
    uint32_t part;     /* its number, see below */
    uint32_t line;     /* of the message, 1-based; 0: inside decoded content */
    struct str detail; /* a few words, printable, cut; may be empty */
};

struct mime_part {
    struct mime_part *parent, *first_child, *last_child, *next;
    struct mime_part *first_reading; /* of the same octets, where by_second_reading and there is one */
    uint32_t number;                 /* 0 the message itself, then depth first */
    uint16_t depth;
    char path[48];                   /* "1.2.1" as IMAP numbers them (RFC 3501 §6.4.5), cut; a multipart that is a whole message: "TEXT" or "2.TEXT";
                                        second readings "1.2~1" */
    uint32_t line;                   /* where its header begins, 0 inside decoded content */
    struct str header;               /* raw */
    struct str body;                 /* raw, transfer encoding still on; the CR LF before the boundary line is not part of it (RFC 2046 §5.1.1) */
    struct content_type type;        /* what counts: declared, or the default of RFC 2045 §5.2 / RFC 2046 §5.1.5 */
    bool type_is_declared;
    struct disposition disposition;
    enum transfer_encoding encoding;
    struct str content_id, content_location, description; /* raw values, trimmed */
    struct str name;                 /* the file name that most readers show: disposition filename (RFC 2231 joined and decoded), else type name; "" none. UTF-8 */
    struct str other_name;           /* the different names of other sources and readers, joined by " / ", or "" */
    struct str boundary;
    bool is_leaf;                    /* has content of its own, see mime_part_decode() (second readings of the whole message hang below it even so) */
    bool is_attachment;              /* by disposition, by having a name and not being text, or by its type */
    bool by_second_reading;          /* only another reader would see it: found in preamble, epilogue, behind a wrong boundary, with the other of two fields … */
    struct str preamble, epilogue;
};

struct mime_limits {
    uint32_t parts;         /* how many are read, second readings included */
    uint16_t depth;         /* the message is 0 */
    uint32_t header_bytes;  /* of one part; further fields are not read */
    uint32_t header_fields;
    size_t decoded_bytes;   /* of encoded messages inside, all together */
    uint32_t findings;
};

struct mime_message {
    struct mime_part *root;
    uint32_t part_count;           /* all parts of the first reading; counts on past limits.parts up to 1,000,000 so that the row can say how many */
    uint32_t second_count;         /* parts by second reading */
    struct mime_finding *findings; /* array of finding_count, in order of discovery */
    uint32_t finding_count, findings_dropped;
};

struct charset_context;
/*
 * NULL only when the arena is used up. All strings point into MESSAGE or the arena. Lines may end in CR LF or LF. CHARSETS: see charset.h, for
 * file names.
 */
struct mime_message *mime_read(struct arena *arena, struct charset_context *charsets, struct str message, const struct mime_limits *limits);
/* Depth first, in order of their numbers; NULL at the end. */
struct mime_part *mime_next(const struct mime_part *part);
/* The decoded content of a leaf. CEILING in octets. */
void mime_part_decode(struct arena *arena, const struct mime_part *part, size_t ceiling, struct decoded *out);

#endif
