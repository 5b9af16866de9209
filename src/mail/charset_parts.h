/* charset_parts.h: what charset.c and charset_convert.c share. */
#ifndef MAIL_CHARSET_PARTS_H
#define MAIL_CHARSET_PARTS_H

#include "base/buf.h"
#include "mail/charset.h"
#include "mail/charset_labels.h"

#include <unicode/ucnv.h>

enum { CHARSET_SLOTS = 8 };

/* One converter that is open. A charset of one octet per character has a table instead: quicker, and what it costs is known. */
struct charset_slot {
    char name[48];
    UConverter *converter;  /* owned; NULL where there is a table */
    bool has_table;
    bool is_superset;       /* bytes below 128 are ASCII */
    uint16_t high[128];     /* for bytes from 128 on; 0xFFFD: there is no such character */
    uint64_t used;          /* the context's count at its last use */
    size_t ill_formed;      /* counted by the converter's callback */
};

struct charset_context {
    struct charset_label labels[CHARSET_LABELS_MAX];
    size_t label_count;
    struct charset_slot slots[CHARSET_SLOTS];
    uint64_t uses;
};

/* The slot of NAME, opened as ICU's ICU_NAME in the place of the one not used for longest; NULL where ICU does not know it. */
struct charset_slot *charset_slot(struct charset_context *c, const char *name, const char *icu_name);
/* Fills out->text and adds to out->defects. */
void charset_convert(struct charset_slot *slot, struct arena *arena, struct str bytes, size_t ceiling, struct charset_result *out);
/* Moves TEXT, which stopped at its ceiling where `failed` is set, to the arena, and frees it. */
void charset_finish(struct arena *arena, struct buf *text, struct charset_result *out);

#endif
