/* scan/files/pdf.h: what the files that read PDF (ISO 32000-2) share: tokens, and streams through their filters. */
#ifndef SCAN_FILES_PDF_H
#define SCAN_FILES_PDF_H

#include "scan/files/reading.h"

enum pdf_token_kind {
    PDF_END, PDF_NAME, PDF_STRING, PDF_HEX_STRING, PDF_DICTIONARY, PDF_DICTIONARY_END, PDF_ARRAY, PDF_ARRAY_END, PDF_NUMBER, PDF_WORD
};

struct pdf_token {
    enum pdf_token_kind kind;
    struct str text;      /* as written, without its marks; a name's escapes stay */
    size_t at;            /* where it begins */
};

/* Walks through bytes once; whatever they are, it comes to the end in linear time. */
struct pdf_tokens {
    struct str bytes;
    size_t at;
    unsigned open_strings; /* that never ended, and were looked through to the end */
};
struct pdf_token pdf_token_next(struct pdf_tokens *x);

/* A name with its #-escapes read (7.3.5), at most SIZE octets of it. */
struct str pdf_name(struct str written, char *to, size_t size);
/* A string's octets (7.3.4), in the arena; UTF-16 made UTF-8. At most MOST octets as written are looked at. */
struct str pdf_string(struct arena *arena, const struct pdf_token *string, size_t most);

/* Every encryption that BYTES, a whole PDF, speaks of opens with the empty password; false where it speaks of none. */
bool pdf_opens_for_all(struct arena *arena, struct str bytes);

enum { PDF_FILTERS_MAX = 4 };
enum pdf_filter { PDF_FLATE = 1, PDF_HEX, PDF_85, PDF_LZW, PDF_RUNS, PDF_JPEG /* left as it is, and the last one */, PDF_OTHER_FILTER };
enum pdf_filter pdf_filter_by_name(struct str name);

struct pdf_stream {
    struct str data;       /* as it lies in the file */
    uint8_t filters[PDF_FILTERS_MAX];
    unsigned filter_count; /* may say more than there are: then it is not read */
    uint32_t predictor, columns, colours, bits;
    uint32_t width, height; /* of a picture; 0 else */
};
/* DATA through its filters, into OUT; paid for. What came before a damage or a ceiling is in OUT. */
enum unpack_end pdf_unpack(struct reading *r, const struct pdf_stream *s, struct buf *out);
/* A picture that lies in the stream: facts of T. */
void pdf_image_look(struct reading *r, struct thing *t, const struct pdf_stream *s);

#endif
