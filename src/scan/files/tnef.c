/* tnef.c: winmail.dat (MS-OXTNEF): a row of attributes, those of an attachment behind its own mark; see file.h. */
#include "scan/files/ole.h"

enum { ATTRIBUTES_MAX = 65536, PROPERTIES_MAX = 4096, VALUES_MAX = 4096 };
enum { BODY = 0x800C, MESSAGE_PROPERTIES = 0x9003, ATTACH_BEGIN = 0x9002, ATTACH_TITLE = 0x8010, ATTACH_DATA = 0x800F, ATTACH_PROPERTIES = 0x9005 };
enum { PR_BODY = 0x1000, PR_RTF = 0x1009, PR_HTML = 0x1013, PR_ATTACH_DATA = 0x3701, PR_FILE_NAME = 0x3704, PR_LONG_NAME = 0x3707, PR_DISPLAY_NAME = 0x3001 };
enum { PT_STRING8 = 0x1E, PT_UNICODE = 0x1F, PT_OBJECT = 0x0D, PT_BINARY = 0x102, MULTIPLE = 0x1000, NAMED = 0x8000, GUID_BYTES = 16 };

struct attachment { struct str title, long_name, data; bool is_there; };
struct tnef { struct reading *r; struct thing *t; struct attachment now; };

static struct str until_nul(struct str s)
{
    ptrdiff_t end = str_find(s, 0);
    return end < 0 ? s : str_sub(s, 0, (size_t)end);
}

static void end_attachment(struct tnef *x)
{
    struct attachment *a = &x->now;

    if (a->is_there && (a->data.len || a->title.len || a->long_name.len)) {
        struct str name = a->long_name.len ? a->long_name : a->title.len ? a->title : STR("attachment");
        struct file_entry *entry = entry_add(x->r, x->t, name, a->data.len);
        if (entry)
            entry_content(x->r, x->t, entry, a->data, true);
    }
    *a = (struct attachment){.is_there = false};
}

static void body(struct tnef *x, struct str name, struct str content)
{
    struct file_entry *entry = content.len ? entry_add(x->r, x->t, name, content.len) : NULL;
    if (entry)
        entry_content(x->r, x->t, entry, content, true);
}

static struct str text_of(struct tnef *x, uint16_t type, struct str value)
{
    struct str text = type == PT_UNICODE ? utf16_text(x->r->arena, value, false) : value;
    return until_nul(text);
}

static void property(struct tnef *x, uint16_t id, uint16_t type, struct str value)
{
    switch (id) {
    case PR_LONG_NAME:
        x->now.long_name = text_of(x, type, value);
        break;
    case PR_FILE_NAME: case PR_DISPLAY_NAME:
        if (!x->now.title.len)
            x->now.title = text_of(x, type, value);
        break;
    case PR_ATTACH_DATA:
        /* an embedded message or storage has its interface's id in front */
        x->now.data = type == PT_OBJECT ? str_from_index(value, GUID_BYTES) : value;
        break;
    case PR_BODY:
        body(x, STR("body.txt"), text_of(x, type, value));
        break;
    case PR_HTML:
        body(x, STR("body.html"), type == PT_BINARY ? value : text_of(x, type, value));
        break;
    case PR_RTF:
        rtf_body(x->r, x->t, value);
        break;
    default:
        break;
    }
}

/* Bytes of a value of fixed length, padded to four; 0: it says its length itself, SIZE_MAX: unknown. */
static size_t fixed_bytes(uint16_t type)
{
    switch (type) {
    case 0x02: case 0x03: case 0x04: case 0x0A: case 0x0B: case 0x01:
        return 4;
    case 0x05: case 0x06: case 0x07: case 0x14: case 0x40:
        return 8;
    case 0x48:
        return GUID_BYTES;
    case PT_STRING8: case PT_UNICODE: case PT_OBJECT: case PT_BINARY:
        return 0;
    default:
        return SIZE_MAX;
    }
}

/* A named property has a GUID and a number or a name between its id and its value. */
static bool skip_name(struct str s, size_t *at)
{
    uint32_t kind = le32(s, *at + GUID_BYTES);
    uint64_t skip = GUID_BYTES + 8;

    if (kind == 1)
        skip += ((uint64_t)le32(s, *at + GUID_BYTES + 4) + 3) / 4 * 4;
    if (skip > s.len - *at)
        return false;
    *at += (size_t)skip;
    return true;
}

static bool read_values(struct tnef *x, struct str s, size_t *at, uint16_t id, uint16_t type)
{
    uint16_t plain = type & (uint16_t)~MULTIPLE;
    size_t fixed = fixed_bytes(plain);
    uint32_t count = 1;

    if (fixed == SIZE_MAX)
        return false;
    if (fixed == 0 || (type & MULTIPLE)) {
        count = le32(s, *at);
        *at += 4;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (i >= VALUES_MAX || *at > s.len || s.len - *at < 4)
            return false;
        uint64_t len = fixed ? fixed : le32(s, *at);
        *at += fixed ? 0 : 4;
        if (len > s.len - *at)
            return false;
        if (i == 0)
            property(x, id, plain, str_sub(s, *at, (size_t)len));
        *at += (size_t)len;
        *at += *at % 4 && !fixed ? 4 - *at % 4 : 0;
    }
    return true;
}

static void properties(struct tnef *x, struct str s)
{
    uint32_t count = le32(s, 0);
    size_t at = 4;

    for (uint32_t i = 0; i < count; i++) {
        if (at > s.len || s.len - at < 4 || i >= PROPERTIES_MAX) {
            x->t->facts |= i >= PROPERTIES_MAX ? FACT_TOO_MANY : FACT_DAMAGED;
            return;
        }
        uint16_t type = le16(s, at), id = le16(s, at + 2);
        at += 4;
        if (((id & NAMED) && (s.len - at < GUID_BYTES + 8 || !skip_name(s, &at))) || !read_values(x, s, &at, id, type)) {
            x->t->facts |= FACT_DAMAGED;
            return;
        }
    }
}

static void attribute(struct tnef *x, uint16_t id, struct str value)
{
    switch (id) {
    case ATTACH_BEGIN:
        end_attachment(x);
        x->now.is_there = true;
        break;
    case ATTACH_TITLE:
        x->now.title = until_nul(value);
        break;
    case ATTACH_DATA:
        x->now.is_there = true;
        x->now.data = value;
        break;
    case BODY:
        body(x, STR("body.txt"), until_nul(value));
        break;
    case MESSAGE_PROPERTIES: case ATTACH_PROPERTIES:
        properties(x, value);
        break;
    default:
        break;
    }
}

void tnef_look(struct reading *r, struct thing *t)
{
    struct tnef x = {.r = r, .t = t};
    struct str b = t->bytes;
    size_t at = 6;

    for (int i = 0; at < b.len; i++) {
        uint32_t len = le32(b, at + 5);
        if (b.len - at < 11 || len > b.len - at - 11) {
            t->facts |= FACT_DAMAGED;
            if (b.len - at > 9) /* cut: what is there counts */
                attribute(&x, le16(b, at + 1), str_from_index(b, at + 9));
            break;
        }
        if (i == ATTRIBUTES_MAX) {
            t->facts |= FACT_TOO_MANY;
            break;
        }
        attribute(&x, le16(b, at + 1), str_sub(b, at + 9, len));
        at += 11U + len;
    }
    end_attachment(&x);
}
