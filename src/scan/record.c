/*
 * record.c: see record.h. One table says which fields a kind has; writing, reading and the guard all follow it, so that they cannot
 * differ.
 */
#include "scan/record.h"

#include "base/bug.h"

#include <string.h>

enum field_type { FIELD_BOOL, FIELD_U8, FIELD_U16, FIELD_U32, FIELD_U64, FIELD_I64, FIELD_TEXT, FIELD_LONG_TEXT, FIELD_BYTES, FIELD_LONG_BYTES, FIELD_HASH };

struct field {
    enum field_type type;
    uint16_t offset; /* in struct record */
};

#define AT(kind, type, member) {FIELD_##type, offsetof(struct record, kind.member)}

static const struct field defect_fields[] = {AT(defect, BOOL, is_ambiguous), AT(defect, U32, line), AT(defect, TEXT, name),
                                             AT(defect, TEXT, path), AT(defect, TEXT, text)};
static const struct field part_fields[] = {
    AT(part, U32, number), AT(part, U32, line), AT(part, BOOL, is_leaf), AT(part, BOOL, is_attachment), AT(part, BOOL, is_second_reading),
    AT(part, U64, size), AT(part, TEXT, path), AT(part, TEXT, type), AT(part, TEXT, charset), AT(part, TEXT, encoding),
    AT(part, TEXT, disposition), AT(part, TEXT, name), AT(part, TEXT, other_name), AT(part, TEXT, content_id), AT(part, HASH, sha256)};
static const struct field file_fields[] = {
    AT(file, U8, level), AT(file, U16, type), AT(file, U32, facts), AT(file, U64, size), AT(file, BOOL, has_sha256),
    AT(file, BOOL, is_program), AT(file, BOOL, is_archive), AT(file, HASH, sha256), AT(file, TEXT, path), AT(file, TEXT, name),
    AT(file, TEXT, other_name), AT(file, TEXT, type_name), AT(file, TEXT, extension), AT(file, TEXT, extensions), AT(file, TEXT, detail)};
static const struct field mailbox_fields[] = {AT(mailbox, TEXT, field), AT(mailbox, TEXT, display), AT(mailbox, TEXT, address),
                                              AT(mailbox, TEXT, domain), AT(mailbox, U32, defects)};
static const struct field hop_fields[] = {AT(hop, I64, date_ms), AT(hop, TEXT, helo), AT(hop, TEXT, host), AT(hop, TEXT, ip),
                                          AT(hop, TEXT, by), AT(hop, TEXT, with), AT(hop, TEXT, id)};
static const struct field link_fields[] = {AT(link, U8, kind), AT(link, BOOL, is_hidden), AT(link, U32, tricks), AT(link, TEXT, path),
                                           AT(link, TEXT, source), AT(link, TEXT, url), AT(link, TEXT, host), AT(link, TEXT, domain),
                                           AT(link, TEXT, skeleton), AT(link, TEXT, shown)};
static const struct field signature_fields[] = {
    AT(signature, U8, kind), AT(signature, U8, algorithm), AT(signature, U8, fault), AT(signature, U8, chain), AT(signature, U8, instance),
    AT(signature, BOOL, header_relaxed), AT(signature, BOOL, body_relaxed), AT(signature, BOOL, has_length), AT(signature, BOOL, has_time),
    AT(signature, BOOL, has_expiry), AT(signature, BOOL, body_matches), AT(signature, BOOL, subject_signed), AT(signature, U32, line),
    AT(signature, U64, length), AT(signature, U64, body_length), AT(signature, I64, time_s), AT(signature, I64, expiry_s),
    AT(signature, TEXT, domain), AT(signature, TEXT, selector), AT(signature, TEXT, identity_domain), AT(signature, HASH, header_hash),
    AT(signature, HASH, body_hash), AT(signature, BYTES, bytes)};
static const struct field results_fields[] = {AT(results, U8, instance), AT(results, BOOL, is_received_spf), AT(results, BOOL, is_readable), AT(results, U32, line),
                                              AT(results, U64, offset), AT(results, U64, length), AT(results, TEXT, authserv_id),
                                              AT(results, TEXT, results)};
static const struct field text_fields[] = {AT(text, TEXT, path), AT(text, TEXT, kind), AT(text, LONG_TEXT, text)};
static const struct field field_fields[] = {AT(field, TEXT, name), AT(field, TEXT, value)};

static const struct field features_fields[] = {AT(features, U8, view), AT(features, LONG_BYTES, set)};

#define SHAPE(fields) {fields, sizeof(fields) / sizeof *(fields)}

static const struct shape {
    const struct field *fields;
    size_t count;
} shapes[RECORD_KIND_END] = {
    [RECORD_DEFECT] = SHAPE(defect_fields), [RECORD_PART] = SHAPE(part_fields),       [RECORD_FILE] = SHAPE(file_fields),
    [RECORD_MAILBOX] = SHAPE(mailbox_fields), [RECORD_HOP] = SHAPE(hop_fields),   [RECORD_LINK] = SHAPE(link_fields),
    [RECORD_SIGNATURE] = SHAPE(signature_fields), [RECORD_RESULTS] = SHAPE(results_fields),
    [RECORD_TEXT] = SHAPE(text_fields), [RECORD_FIELD] = SHAPE(field_fields),
    [RECORD_FEATURES] = SHAPE(features_fields),
};

enum { HASH_OCTETS = 32, HEAD_OCTETS = 1 + sizeof(uint32_t) };

static size_t width(enum field_type type)
{
    switch (type) {
    case FIELD_BOOL:
    case FIELD_U8: return 1;
    case FIELD_U16: return 2;
    case FIELD_U32: return 4;
    case FIELD_U64:
    case FIELD_I64: return 8;
    case FIELD_HASH: return HASH_OCTETS;
    case FIELD_TEXT:
    case FIELD_LONG_TEXT:
    case FIELD_BYTES:
    case FIELD_LONG_BYTES: break;
    }
    return 0;
}

static size_t ceiling_of(enum field_type type)
{
    return type == FIELD_LONG_TEXT ? RECORD_LONG_TEXT_MAX : type == FIELD_BYTES ? RECORD_BYTES_MAX : type == FIELD_LONG_BYTES ? RECORD_LONG_BYTES_MAX : RECORD_TEXT_MAX;
}

static size_t sequence_length(struct str s)
{
    for (size_t len = 2; len <= 4 && len <= s.len; len++)
        if (utf8_is_valid(str_sub(s, 0, len)))
            return len;
    return 0;
}

/* C1 controls (U+0080 … U+009F) are two octets in UTF-8 and steer terminals all the same. */
static bool is_c1(struct str s)
{
    return s.len >= 2 && (unsigned char)s.at[0] == 0xC2 && (unsigned char)s.at[1] < 0xA0;
}

/* How many octets from AT on are plain: printable ASCII. */
static size_t plain_run(struct str s)
{
    size_t n = 0;
    while (n < s.len && (unsigned char)s.at[n] >= 0x20 && (unsigned char)s.at[n] < 0x7F)
        n++;
    return n;
}

void record_clean(struct buf *out, struct str text, size_t most, bool keep_line_ends)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t start = out->len;

    while (text.len && out->len - start < most) {
        size_t room = most - (out->len - start), plain = plain_run(text);
        if (plain) {
            size_t n = plain < room ? plain : room;
            buf_add(out, text.at, n);
            text = str_from_index(text, n);
            continue;
        }
        if (keep_line_ends && str_starts(text, STR("\r\n"))) {
            text = str_from_index(text, 1);
            continue;
        }
        unsigned char c = (unsigned char)text.at[0];
        size_t step = c > 0x7F ? sequence_length(text) : 1;
        bool is_bad = c == 0 || step == 0, is_control = c < 0x20 || c == 0x7F || is_c1(text);
        size_t add = is_bad ? sizeof replacement - 1 : is_control ? 1 : step;
        if (add > room)
            break;
        if (is_bad)
            buf_add(out, replacement, add);
        else if (is_control)
            buf_add_char(out, keep_line_ends && c == '\n' ? '\n' : ' ');
        else
            buf_add(out, text.at, step);
        text = str_from_index(text, step ? step : 1);
    }
}

static void write_text(struct buf *out, struct str text, enum field_type type)
{
    uint32_t len = 0;
    size_t place = out->len;

    if (!buf_add(out, &len, sizeof len))
        return;
    if (type == FIELD_BYTES || type == FIELD_LONG_BYTES)
        buf_add_str(out, str_sub(text, 0, ceiling_of(type)));
    else
        record_clean(out, text, ceiling_of(type), type == FIELD_LONG_TEXT);
    len = (uint32_t)(out->len - place - sizeof len);
    memcpy(out->at + place, &len, sizeof len);
}

static void write_field(struct buf *out, const struct record *r, const struct field *f)
{
    const char *at = (const char *)r + f->offset;
    struct str text;

    if (width(f->type)) {
        buf_add(out, at, width(f->type));
        return;
    }
    memcpy(&text, at, sizeof text);
    write_text(out, text, f->type);
}

bool record_write(struct buf *out, const struct record *r)
{
    const struct shape *shape = &shapes[r->kind];
    const size_t start = out->len;
    bool had_failed = out->failed;
    uint32_t len = 0;
    char kind = (char)r->kind;

    bug_unless(r->kind > 0 && r->kind < RECORD_KIND_END);
    out->failed = false;
    buf_add(out, &kind, 1);
    buf_add(out, &len, sizeof len);
    for (size_t i = 0; i < shape->count; i++)
        write_field(out, r, &shape->fields[i]);
    bool fits = !out->failed;
    out->failed = had_failed;
    if (!fits) {
        buf_truncate(out, start);
        return false;
    }
    len = (uint32_t)(out->len - start - HEAD_OCTETS);
    memcpy(out->at + start + 1, &len, sizeof len);
    return true;
}

/* As record_clean() leaves it. */
static bool text_is_clean(struct str s, bool may_hold_line_ends)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if ((c < 0x20 && !(may_hold_line_ends && c == '\n')) || c == 0x7F || is_c1(str_from_index(s, i)))
            return false;
    }
    return utf8_is_valid(s);
}

static bool read_text(struct str *rest, struct str *out, enum field_type type)
{
    uint32_t len;

    if (rest->len < sizeof len)
        return false;
    memcpy(&len, rest->at, sizeof len);
    *rest = str_from_index(*rest, sizeof len);
    if (len > rest->len || len > ceiling_of(type))
        return false;
    *out = str_sub(*rest, 0, len);
    *rest = str_from_index(*rest, len);
    return type == FIELD_BYTES || type == FIELD_LONG_BYTES || text_is_clean(*out, type == FIELD_LONG_TEXT);
}

static bool read_field(struct str *rest, struct record *r, const struct field *f)
{
    char *to = (char *)r + f->offset;
    size_t octets = width(f->type);
    struct str text;

    if (!octets) {
        if (!read_text(rest, &text, f->type))
            return false;
        memcpy(to, &text, sizeof text);
        return true;
    }
    if (rest->len < octets || (f->type == FIELD_BOOL && (unsigned char)rest->at[0] > 1))
        return false;
    memcpy(to, rest->at, octets);
    *rest = str_from_index(*rest, octets);
    return true;
}

bool record_skip_other(struct str *rest, enum record_kind kind)
{
    uint32_t len;

    if (rest->len < HEAD_OCTETS || (unsigned char)rest->at[0] == kind)
        return false;
    memcpy(&len, rest->at + 1, sizeof len);
    if (len > rest->len - HEAD_OCTETS)
        return false;
    *rest = str_from_index(*rest, HEAD_OCTETS + (size_t)len);
    return true;
}

bool record_read(struct str *rest, struct record *out)
{
    uint32_t len;

    if (rest->len < HEAD_OCTETS)
        return false;
    unsigned kind = (unsigned char)rest->at[0];
    memcpy(&len, rest->at + 1, sizeof len);
    if (kind == 0 || kind >= RECORD_KIND_END || len > rest->len - HEAD_OCTETS)
        return false;
    struct str body = str_sub(*rest, HEAD_OCTETS, len);
    memset(out, 0, sizeof *out);
    out->kind = (enum record_kind)kind;
    for (size_t i = 0; i < shapes[kind].count; i++)
        if (!read_field(&body, out, &shapes[kind].fields[i]))
            return false;
    if (body.len)
        return false;
    *rest = str_from_index(*rest, HEAD_OCTETS + (size_t)len);
    return true;
}
