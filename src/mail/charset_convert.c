/* charset_convert.c: converters that are kept open, and the conversion itself. See charset_parts.h. */
#include "mail/charset_parts.h"

#include "mail/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uclean.h>
#include <unicode/ucnv_cb.h>
#include <unicode/udata.h>

enum { CHUNK_UNITS = 2048 };

struct charset_context *charset_context_new(void)
{
    UErrorCode error = U_ZERO_ERROR;

    udata_setFileAccess(UDATA_NO_FILES, &error); /* the data in the library is whole; the sandbox could not open another */
    error = U_ZERO_ERROR;
    u_init(&error);
    if (U_FAILURE(error))
        return NULL;
    struct charset_context *c = calloc(1, sizeof *c);
    if (c)
        c->label_count = charset_labels_sorted(c->labels);
    return c;
}

static void slot_close(struct charset_slot *slot)
{
    if (slot->converter)
        ucnv_close(slot->converter);
    *slot = (struct charset_slot){.name = ""};
}

void charset_context_free(struct charset_context **c)
{
    if (!*c)
        return;
    for (size_t i = 0; i < CHARSET_SLOTS; i++)
        slot_close(&(*c)->slots[i]);
    free(*c);
    *c = NULL;
}

/* Called for octets that are no character: U+FFFD, and counted. */
static void replace(const void *context, UConverterToUnicodeArgs *args, const char *bytes, int32_t length, UConverterCallbackReason reason,
                    UErrorCode *error)
{
    static const UChar replacement = UTF8_REPLACEMENT;
    union {
        const void *given;
        struct charset_slot *slot;
    } to = {context};

    (void)bytes;
    (void)length;
    if (reason > UCNV_IRREGULAR)
        return; /* reset, close, clone */
    to.slot->ill_formed++;
    *error = U_ZERO_ERROR;
    ucnv_cbToUWriteUChars(args, &replacement, 1, 0, error);
}

/* What one octet means; U+FFFD where it means nothing, or more than 16 bits. */
static uint16_t unit_of(UConverter *converter, char octet)
{
    UErrorCode error = U_ZERO_ERROR;
    UChar units[4] = {0};
    int32_t count = ucnv_toUChars(converter, units, 4, &octet, 1, &error);

    return U_SUCCESS(error) && count == 1 && !(units[0] >= 0xD800 && units[0] <= 0xDFFF) ? units[0] : UTF8_REPLACEMENT;
}

static bool slot_open(struct charset_slot *slot, const char *icu_name)
{
    UErrorCode error = U_ZERO_ERROR;
    UConverter *converter = ucnv_open(icu_name, &error);

    if (!converter || U_FAILURE(error))
        return false;
    slot->converter = converter;
    error = U_ZERO_ERROR;
    ucnv_setToUCallBack(converter, replace, slot, NULL, NULL, &error);
    slot->is_superset = unit_of(converter, 'A') == 'A' && unit_of(converter, '<') == '<' && unit_of(converter, '\\') == '\\';
    if (ucnv_getMaxCharSize(converter) != 1 || !slot->is_superset)
        return U_SUCCESS(error);
    slot->has_table = true;
    for (int i = 0; i < 128; i++)
        slot->high[i] = unit_of(converter, (char)(128 + i));
    ucnv_close(converter);
    slot->converter = NULL;
    return U_SUCCESS(error);
}

static void slot_own_table(struct charset_slot *slot)
{
    slot->has_table = slot->is_superset = true;
    for (uint16_t i = 0; i < 32; i++)
        slot->high[i] = (uint16_t)(128 + i);
    memcpy(slot->high + 32, charset_iso_8859_16, sizeof charset_iso_8859_16);
}

struct charset_slot *charset_slot(struct charset_context *c, const char *name, const char *icu_name)
{
    struct charset_slot *oldest = &c->slots[0];

    for (size_t i = 0; i < CHARSET_SLOTS; i++) {
        struct charset_slot *slot = &c->slots[i];
        if (slot->name[0] && strcmp(slot->name, name) == 0) {
            slot->used = ++c->uses;
            return slot;
        }
        if (slot->used < oldest->used)
            oldest = slot;
    }
    slot_close(oldest);
    if (!icu_name)
        slot_own_table(oldest);
    else if (!slot_open(oldest, icu_name)) {
        slot_close(oldest);
        return NULL;
    }
    snprintf(oldest->name, sizeof oldest->name, "%s", name);
    oldest->used = ++c->uses;
    return oldest;
}

void charset_finish(struct arena *arena, struct buf *text, struct charset_result *out)
{
    struct str copy = arena_str(arena, buf_str(text));

    if (text->failed || !copy.at)
        out->defects |= CHARSET_CEILING;
    if (copy.at)
        out->text = copy;
    buf_free(text);
}

static void convert_by_table(struct charset_slot *slot, struct str bytes, struct buf *text)
{
    const char *at = bytes.at, *end = bytes.at + bytes.len;
    char character[UTF8_MAX];

    while (at < end && !text->failed) {
        size_t plain = utf8_ascii_prefix(str_n(at, (size_t)(end - at)));
        size_t room = text->ceiling - text->len;
        buf_add(text, at, plain < room ? plain : room);
        if (plain > room)
            text->failed = true;
        at += plain;
        for (; at < end && *at & '\x80' && !text->failed; at++) {
            uint16_t unit = slot->high[(unsigned char)*at & 127];
            slot->ill_formed += unit == UTF8_REPLACEMENT;
            buf_add(text, character, utf8_put(character, unit));
        }
    }
}

/* UTF-16 as ICU gives it, which may cut a pair between two chunks: *LEAD keeps its first half. */
static void add_units(struct buf *text, const UChar *units, size_t count, uint32_t *lead)
{
    char character[UTF8_MAX];

    for (size_t i = 0; i < count && !text->failed; i++) {
        uint32_t code = units[i];
        if (code >= 0xD800 && code <= 0xDBFF) {
            *lead = code;
            continue;
        }
        if (code >= 0xDC00 && code <= 0xDFFF && *lead)
            code = 0x10000 + ((*lead - 0xD800) << 10) + (code - 0xDC00);
        *lead = 0;
        buf_add(text, character, utf8_put(character, code));
    }
}

static void convert_by_icu(struct charset_slot *slot, struct str bytes, struct buf *text)
{
    const char *at = bytes.at, *end = bytes.at + bytes.len;
    UChar units[CHUNK_UNITS];
    UErrorCode error;
    uint32_t lead = 0;

    ucnv_reset(slot->converter);
    do {
        UChar *to = units;
        error = U_ZERO_ERROR;
        ucnv_toUnicode(slot->converter, &to, units + CHUNK_UNITS, &at, end, NULL, true, &error);
        add_units(text, units, (size_t)(to - units), &lead);
    } while (error == U_BUFFER_OVERFLOW_ERROR && !text->failed);
    if (U_FAILURE(error) && error != U_BUFFER_OVERFLOW_ERROR)
        slot->ill_formed++;
}

void charset_convert(struct charset_slot *slot, struct arena *arena, struct str bytes, size_t ceiling, struct charset_result *out)
{
    struct buf text = buf_make(ceiling);
    size_t room = bytes.len + bytes.len / 2;

    slot->ill_formed = 0;
    buf_reserve(&text, room < text.ceiling ? room : text.ceiling);
    if (slot->has_table)
        convert_by_table(slot, bytes, &text);
    else
        convert_by_icu(slot, bytes, &text);
    if (slot->ill_formed)
        out->defects |= CHARSET_ILL_FORMED;
    charset_finish(arena, &text, out);
}
