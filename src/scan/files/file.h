/*
 * scan/files/file.h: what an attachment is and what it holds: its type by magic, archives to a few levels, office macros, what a PDF does when
 * opened, winmail.dat, QR codes. Hostile bytes in, facts out; no file, process or network is touched, so it all runs inside the sandbox.
 *
 * Everything is bounded by struct file_budget and by the arena. A ceiling that is reached leaves a fact (FACT_BOMB, FACT_TOO_DEEP, FACT_TOO_MANY),
 * never a silent cut. Texts are valid UTF-8 and printable; content is bytes.
 */
#ifndef SCAN_FILES_FILE_H
#define SCAN_FILES_FILE_H

#include "base/arena.h"

enum file_type {
    FILE_UNKNOWN, FILE_EMPTY, FILE_TEXT, FILE_HTML, FILE_SVG, FILE_XML, FILE_RTF, FILE_PDF, FILE_OLE /* unclear which */, FILE_DOC, FILE_XLS,
    FILE_PPT, FILE_MSG, FILE_MSI, FILE_DOCX, FILE_XLSX, FILE_PPTX, FILE_ODF, FILE_ONENOTE, FILE_ZIP, FILE_JAR, FILE_APK, FILE_7Z, FILE_RAR,
    FILE_TAR, FILE_GZIP, FILE_BZIP2, FILE_XZ, FILE_ZSTD, FILE_LZ4, FILE_COMPRESS, FILE_CPIO, FILE_AR, FILE_ISO, FILE_CAB, FILE_ARJ, FILE_ACE,
    FILE_LZH, FILE_VHD, FILE_DMG, FILE_PE /* exe, dll, scr */, FILE_ELF, FILE_MACHO, FILE_LNK, FILE_CHM, FILE_HLP, FILE_SCRIPT /* #! */,
    FILE_JPEG, FILE_PNG, FILE_GIF, FILE_BMP, FILE_TIFF, FILE_WEBP, FILE_HEIC, FILE_ICO, FILE_AUDIO, FILE_VIDEO, FILE_FONT, FILE_TNEF,
    FILE_EMAIL /* looks like a message */, FILE_CALENDAR, FILE_VCARD, FILE_PGP, FILE_SHORTCUT /* .url */, FILE_DISK /* a disk's sectors: .img */,
    FILE_WIM, FILE_LZIP,
    FILE_TYPE_COUNT
};

const char *file_type_name(enum file_type t); /* "pdf" */
bool file_type_is_executable(enum file_type t);
bool file_type_is_archive(enum file_type t);
bool file_type_is_image(enum file_type t);
bool file_type_is_office(enum file_type t);
bool file_is_text(struct str bytes); /* its beginning has no NUL and next to no control characters */
bool file_type_is_text(enum file_type t); /* something that a person or a script reader reads as text */
/* Linear in at most the first 64 KiB and the last 64 KiB, and a few sectors of an OLE file's directory. */
enum file_type file_type_by_magic(struct str bytes);

/*
 * Does the name's last extension (UTF-8; trailing dots and blanks ignored as Windows does, direction marks seen through) fit TYPE?
 * Names without or with an unknown extension fit everything, and so do FILE_UNKNOWN and FILE_EMPTY.
 */
bool file_name_fits(struct str name, enum file_type t);
struct str file_extension(struct arena *arena, struct str name); /* lower case, without dot; "" none */
bool file_extension_is_double(struct str name);                  /* invoice.pdf.exe, also with many blanks between */
bool file_name_has_trick(struct str name, bool path_allowed);    /* FACT_NAME_TRICK */

enum file_fact {
    FACT_ENCRYPTED = 1 << 0,
    FACT_MACRO = 1 << 1,
    FACT_AUTO_MACRO = 1 << 2,           /* runs by itself: AutoOpen, Workbook_Open, Document_Open … */
    FACT_PDF_JAVASCRIPT = 1 << 3,
    FACT_PDF_LAUNCH = 1 << 4,
    FACT_PDF_EMBEDDED = 1 << 5,
    FACT_PDF_OPEN_ACTION = 1 << 6,
    FACT_EXTERNAL_TEMPLATE = 1 << 7,    /* an office file or RTF that loads its template, frame or object from elsewhere */
    FACT_OLE_OBJECT = 1 << 8,           /* another program's object or a file inside a document */
    FACT_DDE = 1 << 9,
    FACT_DAMAGED = 1 << 10,             /* cannot be read whole */
    FACT_BOMB = 1 << 11,                /* stopped by the ratio or by the ceiling of unpacked bytes */
    FACT_TOO_DEEP = 1 << 12,
    FACT_TOO_MANY = 1 << 13,
    FACT_TYPE_DIFFERS = 1 << 14,        /* magic against name */
    FACT_DOUBLE_EXTENSION = 1 << 15,
    FACT_NAME_TRICK = 1 << 16,          /* direction override, control characters, a path in the name */
    FACT_PREPENDED = 1 << 17,           /* an archive begins behind other data (self-extracting, polyglot) */
    FACT_QR = 1 << 18,
    FACT_CONFLICTING_ENTRIES = 1 << 19, /* zip: local and central directory disagree, the same name twice, entries that lie over each other */
    FACT_SCRIPT = 1 << 20,              /* script in HTML, SVG or XML */
    FACT_HEADER_ENCRYPTED = 1 << 21,    /* not even the names can be seen */
    FACT_XLM_MACRO = 1 << 22,           /* Excel 4.0 macro sheet */
    FACT_HTML_SMUGGLING = 1 << 23,      /* script that builds a file */
    FACT_PICTURE_UNSEEN = 1 << 24,      /* pictures that were not looked at for a QR code: too large, too many, or of a kind that is not read */
    FACT_UNREAD = 1 << 25               /* packed by a method that is not known here: nobody has seen its content */
};
enum { FILE_FACT_COUNT = 26, FILE_PATH_MAX = 1024, FILE_URL_MAX = 2048, FILE_DETAIL_MAX = 1000 };
const char *file_fact_name(unsigned one_fact); /* "encrypted"; "" for what is not exactly one of them */

struct file_entry {       /* one thing inside, at any depth */
    struct str path;      /* "inner.zip/dir/readme.exe", UTF-8, printable, cut at FILE_PATH_MAX */
    struct str name;      /* its last component */
    uint64_t size;        /* as found, or as listed where it was not unpacked */
    enum file_type type;
    unsigned facts;       /* its own, and those of what is inside it but for the facts of names */
    uint8_t level;        /* 1: directly inside */
    unsigned char sha256[32];
    bool has_sha256;
    struct str content;   /* what was unpacked within the budget: in the arena, or inside the bytes that were read; else "" */
    struct file_entry *next;
};

struct file_budget {         /* shared by all attachments of a message; counts down */
    uint64_t unpacked_bytes;
    uint32_t entries;
    uint32_t ratio;          /* unpacked to packed, looked at over 16 MiB; does not count down */
    uint8_t levels;          /* does not count down */
    uint32_t images;         /* in which a QR code is looked for */
    uint64_t pixels;         /* of all of them together */
    uint32_t urls;
};

struct file_url {
    struct str url;          /* as written, printable, cut at FILE_URL_MAX */
    const char *from;        /* "pdf", "qr", "office", "rtf", "shortcut" */
    struct file_url *next;
};

struct file_report {
    enum file_type type;
    unsigned facts;          /* of the file and of everything inside it, but for the facts of names (those stand at their entries) */
    unsigned char sha256[32];
    struct file_entry *entries; /* depth first: what is inside an entry follows it */
    uint32_t entry_count, entries_dropped;
    struct file_url *urls;   /* in order of appearance; repeats are left out as far as they are remembered */
    uint32_t url_count, urls_dropped;
    struct str detail;       /* evidence in words: which entry is encrypted, which macro; cut at FILE_DETAIL_MAX */
};

/* What is made once, before the sandbox is entered, and serves one thread: digests, converters, the QR reader. NULL where something is missing. */
struct file_context;
struct file_context *file_context_new(void) __attribute__((warn_unused_result));
void file_context_free(struct file_context **c);
bool file_context_has_qr(const struct file_context *c);

/* BYTES and NAME must live as long as the report is used. OUT is set whole. An arena at its ceiling shows as FACT_BOMB. */
void file_read(struct file_context *c, struct arena *arena, struct str bytes, struct str name, struct file_budget *budget, struct file_report *out);

/*
 * winmail.dat (MS-OXTNEF): attachments under their long names, and the body (compressed RTF made text, HTML, text) as entries with content.
 * The same as file_read() does for it, and false when BYTES are no TNEF.
 */
bool tnef_read(struct file_context *c, struct arena *arena, struct str bytes, struct file_budget *budget, struct file_report *out);

#endif
