/* decode_parts.h: what the files of decode_*.c share; nobody else includes it. */
#ifndef MAIL_DECODE_PARTS_H
#define MAIL_DECODE_PARTS_H

#include "mail/decode.h"

/* Output under way: room for as much as the input can give, or the ceiling. */
struct decode_sink {
    char *start, *to, *end;
    bool is_full; /* something did not fit */
};

/* False when the arena is used up: OUT then says so. MOST: octets that the input can give. */
bool decode_sink_open(struct decode_sink *sink, struct arena *arena, size_t most, size_t ceiling, struct decoded *out);
/* OUT gets the bytes; STOP stays when it was set before (see decoded.stop). */
void decode_sink_close(const struct decode_sink *sink, struct decoded *out);
void decode_defect(struct decoded *out, unsigned defect, size_t at);

static inline void decode_put(struct decode_sink *sink, unsigned byte)
{
    if (sink->to < sink->end)
        *sink->to++ = (char)byte;
    else
        sink->is_full = true;
}

void decode_put_bytes(struct decode_sink *sink, const char *at, size_t len);

void decode_base64(struct arena *arena, struct str in, size_t ceiling, struct decoded *out);
void decode_quoted_printable(struct arena *arena, struct str in, size_t ceiling, struct decoded *out);

/*
 * One file as uuencode, its base64 cousin (begin-base64) or yEnc have it, beginning with the first line of IN. False when IN does not begin
 * so; USED gets the octets that belong to it.
 */
bool decode_uu_block(struct arena *arena, struct str in, size_t ceiling, struct embedded_file *file, size_t *used);
bool decode_binhex_block(struct arena *arena, struct str in, size_t ceiling, struct embedded_file *file, size_t *used);
bool decode_yenc_block(struct arena *arena, struct str in, size_t ceiling, struct embedded_file *file, size_t *used);

#endif
