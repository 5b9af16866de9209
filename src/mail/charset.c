/*
 * charset.c: which charset it is, and the ones that need no ICU. The order of belief: a byte order mark; the declaration, where the bytes can be that;
 * valid UTF-8; a guess. See charset.h, and charset_convert.c for the rest of the work.
 */
#include "mail/charset.h"

#include "mail/charset_parts.h"
#include "mail/utf8.h"

#include <stdio.h>
#include <string.h>
#include <unicode/ucsdet.h>

enum {
    LABEL_MAX = 48,
    GUESS_BYTES = 4096,     /* that the detector looks at */
    GUESS_MIN_8BIT = 24,    /* fewer octets above 127 say nothing about the language */
    GUESS_MIN_CONFIDENCE = 40
};

struct job {
    struct charset_context *context;
    struct arena *arena;
    struct str bytes;
    size_t ceiling;
    struct charset_result *out;
};

/* The text is the input, or a part of it. */
static void keep(struct job *j, const char *name, struct str text)
{
    if (text.len > j->ceiling) {
        text = utf8_cut(text, j->ceiling);
        j->out->defects |= CHARSET_CEILING;
    }
    str_copy(j->out->used, sizeof j->out->used, str_from(name));
    j->out->text = text;
}

struct utf8_survey {
    size_t good, bad; /* multibyte characters, and parts that are none */
};

static struct utf8_survey survey_utf8(struct str s)
{
    struct utf8_survey found = {0, 0};
    const char *at = s.at, *end = s.at + s.len;

    for (;;) {
        at += utf8_ascii_prefix(str_n(at, (size_t)(end - at)));
        if (at == end)
            return found;
        bool bad = false;
        utf8_next(&at, end, &bad);
        found.bad += bad;
        found.good += !bad;
    }
}

/* UTF-8 with U+FFFD for what is ill-formed. */
static void repair_utf8(struct job *j)
{
    struct buf text = buf_make(j->ceiling);
    const char *at = j->bytes.at, *end = at + j->bytes.len;
    char character[UTF8_MAX];

    buf_reserve(&text, j->bytes.len < j->ceiling ? j->bytes.len : j->ceiling);
    while (at < end && !text.failed) {
        size_t plain = utf8_ascii_prefix(str_n(at, (size_t)(end - at)));
        size_t room = j->ceiling - text.len;
        if (plain && !buf_add(&text, at, plain < room ? plain : room))
            break;
        if (plain > room)
            text.failed = true;
        at += plain;
        if (at < end)
            buf_add(&text, character, utf8_put(character, utf8_next(&at, end, NULL)));
    }
    charset_finish(j->arena, &text, j->out);
    j->out->defects |= CHARSET_ILL_FORMED;
    snprintf(j->out->used, sizeof j->out->used, "utf-8");
}

static void convert(struct job *j, const struct charset_row *row)
{
    struct charset_slot *slot = charset_slot(j->context, row->name, row->icu);

    if (!slot) { /* out of memory: the bytes are still worth reading */
        j->out->defects |= CHARSET_UNKNOWN;
        repair_utf8(j);
        return;
    }
    snprintf(j->out->used, sizeof j->out->used, "%s", row->name);
    charset_convert(slot, j->arena, j->bytes, j->ceiling, j->out);
}

/* What the language detector says about a longer text, where it is sure and it is a charset we know; else NULL. */
static const struct charset_row *detect(struct job *j)
{
    struct str sample = str_sub(j->bytes, 0, GUESS_BYTES);
    const struct charset_row *row = NULL;
    UErrorCode error = U_ZERO_ERROR;
    size_t eight_bit = 0;
    char label[LABEL_MAX];

    for (size_t i = 0; i < sample.len; i++)
        eight_bit += (unsigned char)sample.at[i] > 127;
    if (eight_bit < GUESS_MIN_8BIT)
        return NULL;
    UCharsetDetector *detector = ucsdet_open(&error);
    ucsdet_setText(detector, sample.at, (int32_t)sample.len, &error);
    const UCharsetMatch *match = U_SUCCESS(error) ? ucsdet_detect(detector, &error) : NULL;
    if (match && U_SUCCESS(error) && ucsdet_getConfidence(match, &error) >= GUESS_MIN_CONFIDENCE) {
        const char *name = ucsdet_getName(match, &error);
        if (name && U_SUCCESS(error)) {
            str_copy(label, sizeof label, str_from(name));
            str_lower(label, strlen(label));
            row = charset_label_find(j->context->labels, j->context->label_count, str_from(label));
        }
    }
    if (detector)
        ucsdet_close(detector);
    return row && row->kind == CHARSET_IS_SUPERSET ? row : NULL;
}

static void guess(struct job *j)
{
    struct utf8_survey utf8 = survey_utf8(j->bytes);

    if (utf8.bad == 0) {
        keep(j, utf8.good ? "utf-8" : "us-ascii", j->bytes);
        return;
    }
    if (utf8.good > 2 * utf8.bad) { /* UTF-8 with an accident */
        repair_utf8(j);
        return;
    }
    const struct charset_row *row = detect(j);
    convert(j, row ? row : charset_row("windows-1252"));
}

static bool has_any_of(struct str s, const char *wanted)
{
    for (; *wanted; wanted++)
        if (str_find(s, *wanted) >= 0)
            return true;
    return false;
}

/* Escape sequences of ISO-2022-JP, which readers believe without any declaration. */
static bool looks_japanese(struct str s)
{
    return str_find(s, '\033') >= 0 && (str_find_str(s, STR("\033$B")) >= 0 || str_find_str(s, STR("\033$@")) >= 0);
}

static void decode_ascii(struct job *j, bool eight_bit, unsigned defect)
{
    if (eight_bit) {
        j->out->defects |= defect;
        guess(j);
    } else if (looks_japanese(j->bytes)) {
        j->out->defects |= CHARSET_STATEFUL;
        convert(j, charset_row("iso-2022-jp"));
    } else {
        keep(j, "us-ascii", j->bytes);
    }
}

static void decode_utf8(struct job *j)
{
    struct utf8_survey utf8 = survey_utf8(j->bytes);

    if (utf8.bad == 0) {
        keep(j, "utf-8", j->bytes);
    } else if (utf8.good >= utf8.bad) {
        repair_utf8(j);
    } else {
        j->out->defects |= CHARSET_LIES;
        guess(j);
    }
}

/* UTF-16 and UTF-32 without a mark: the byte that is zero in most characters tells the order; the label's own where nothing tells. */
static void decode_wide(struct job *j, const struct charset_row *row, bool eight_bit)
{
    size_t zeros[2] = {0, 0};

    for (size_t i = 0; i < j->bytes.len; i++)
        zeros[i & 1] += j->bytes.at[i] == '\0';
    if (zeros[0] + zeros[1] == 0 && !eight_bit) {
        j->out->defects |= CHARSET_LIES;
        keep(j, "us-ascii", j->bytes);
        return;
    }
    if (strcmp(row->name, "utf-16le") == 0 && zeros[0] > 2 * zeros[1])
        row = charset_row("utf-16be");
    else if (strcmp(row->name, "utf-16be") == 0 && zeros[1] > 2 * zeros[0])
        row = charset_row("utf-16le");
    convert(j, row);
}

static void decode_superset(struct job *j, const struct charset_row *row, bool eight_bit)
{
    if (!eight_bit) {
        keep(j, row->name, j->bytes);
        return;
    }
    convert(j, row);
    if (!(j->out->defects & CHARSET_ILL_FORMED))
        return;
    struct utf8_survey utf8 = survey_utf8(j->bytes);
    if (utf8.bad == 0 && utf8.good) {
        j->out->defects &= ~(unsigned)(CHARSET_ILL_FORMED | CHARSET_CEILING);
        j->out->defects |= CHARSET_LIES;
        keep(j, "utf-8", j->bytes);
    }
}

/* A name that only ICU knows: EBCDIC and other rare code pages. Text that is ASCII as it stands is taken for what it is. */
static void decode_foreign(struct job *j, struct str label, bool eight_bit)
{
    char name[LABEL_MAX];
    struct charset_slot *slot = NULL;

    if (str_copy(name, sizeof name, label) && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.:+") == label.len)
        slot = charset_slot(j->context, name, name);
    if (!slot) {
        j->out->defects |= CHARSET_UNKNOWN;
        guess(j);
        return;
    }
    if (!eight_bit && slot->is_superset) {
        keep(j, name, j->bytes);
    } else if (!eight_bit) {
        j->out->defects |= CHARSET_LIES;
        keep(j, "us-ascii", j->bytes);
    } else {
        str_copy(j->out->used, sizeof j->out->used, str_from(name));
        charset_convert(slot, j->arena, j->bytes, j->ceiling, j->out);
    }
}

static void decode_row(struct job *j, const struct charset_row *row, bool eight_bit)
{
    switch (row->kind) {
    case CHARSET_IS_UTF8:
        decode_utf8(j);
        return;
    case CHARSET_IS_ASCII:
        decode_ascii(j, eight_bit, CHARSET_LIES);
        return;
    case CHARSET_IS_STATEFUL:
    case CHARSET_IS_TILDE:
        if (has_any_of(j->bytes, row->kind == CHARSET_IS_TILDE ? "~" : "\033\016")) {
            j->out->defects |= CHARSET_STATEFUL;
            convert(j, row);
        } else {
            decode_ascii(j, eight_bit, CHARSET_LIES);
        }
        return;
    case CHARSET_IS_UTF7:
        j->out->defects |= CHARSET_UTF7;
        convert(j, row);
        return;
    case CHARSET_IS_WIDE:
        decode_wide(j, row, eight_bit);
        return;
    case CHARSET_IS_SUPERSET:
    case CHARSET_IS_FOREIGN:
        break;
    }
    decode_superset(j, row, eight_bit);
}

/*
 * The charset that a byte order mark stands for, which is taken off the bytes; NULL where there is none. FF FE 00 00 is UTF-32 only where that was
 * declared: browsers know no UTF-32.
 */
static const struct charset_row *take_mark(struct str *bytes, const struct charset_row *declared)
{
    static const struct {
        struct str mark;
        const char *name;
        bool only_if_declared;
    } marks[] = {
        {{"\xFF\xFE\0\0", 4}, "utf-32le", true}, {{"\0\0\xFE\xFF", 4}, "utf-32be", true}, {{"\xEF\xBB\xBF", 3}, "utf-8", false},
        {{"\xFF\xFE", 2}, "utf-16le", false},     {{"\xFE\xFF", 2}, "utf-16be", false},
    };

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (!str_starts(*bytes, marks[i].mark) || (marks[i].only_if_declared && !(declared && strncmp(declared->name, "utf-32", 6) == 0)))
            continue;
        *bytes = str_from_index(*bytes, marks[i].mark.len);
        return charset_row(marks[i].name);
    }
    return NULL;
}

static struct str clean_label(struct str declared, char to[LABEL_MAX])
{
    struct str label = str_trim(declared);

    while (label.len && (label.at[0] == '"' || label.at[0] == '\''))
        label = str_from_index(label, 1);
    while (label.len && strchr("\"';", label.at[label.len - 1]))
        label.len--;
    if (label.len >= LABEL_MAX)
        return STR("-"); /* no name is that long */
    if (label.len)
        memcpy(to, label.at, label.len);
    str_lower(to, label.len);
    return str_n(to, label.len);
}

void charset_decode(struct charset_context *c, struct arena *arena, struct str declared, struct str bytes, size_t ceiling,
                    struct charset_result *out)
{
    struct job job = {c, arena, bytes, ceiling, out};
    char lower[LABEL_MAX];
    struct str label = clean_label(declared, lower);
    const struct charset_row *row = charset_label_find(c->labels, c->label_count, label);

    *out = (struct charset_result){.text = {bytes.at, 0}};
    if (ceiling == 0) {
        out->defects = bytes.len ? CHARSET_CEILING : 0;
        return;
    }
    const struct charset_row *marked = take_mark(&job.bytes, row);
    if (marked) {
        if (label.len && (!row || (row != marked && !(row->kind == CHARSET_IS_WIDE && marked->kind == CHARSET_IS_WIDE))))
            out->defects |= CHARSET_BOM;
        if (marked->kind == CHARSET_IS_WIDE)
            convert(&job, marked);
        else
            decode_utf8(&job);
    } else {
        bool eight_bit = utf8_ascii_prefix(bytes) < bytes.len;
        if (row)
            decode_row(&job, row, eight_bit);
        else if (label.len)
            decode_foreign(&job, label, eight_bit);
        else
            decode_ascii(&job, eight_bit, CHARSET_MISSING_8BIT);
    }
    if (str_find(out->text, '\0') >= 0)
        out->defects |= CHARSET_NUL;
}
