/*
 * tnef.c: winmail.dat, Outlook's own wrapping (MS-OXTNEF): attributes one after the other, each with its length and checksum. The attachments are
 * entries; their names are taken from the attribute and, where there is one, from the long name among the MAPI properties.
 */
#include "scan/files/reading.h"

enum { HEAD = 6, ATTRIBUTE = 9, CHECKSUM = 2, MOST_ATTRIBUTES = 10000 };
enum { LEVEL_ATTACHMENT = 2 };
enum { ATTACH_REND_DATA = 0x9002, ATTACH_TITLE = 0x8010, ATTACH_DATA = 0x800F, ATTACHMENT = 0x9005 };
enum { PROPERTY_LONG_NAME = 0x3707, TYPE_STRING8 = 0x1E, TYPE_UNICODE = 0x1F };

/* PidTagAttachLongFilename is preceded by its type, and followed by a count of 1 and its length (MS-OXTNEF §2.1.3.4). */
static struct str long_name(struct reading *r, struct str properties)
{
    for (size_t at = 0; at + 12 <= properties.len; at += 4) {
        unsigned type = le16(properties, at);
        if (le16(properties, at + 2) != PROPERTY_LONG_NAME || (type != TYPE_STRING8 && type != TYPE_UNICODE) || le32(properties, at + 4) != 1)
            continue;
        struct str value = str_sub(properties, at + 12, le32(properties, at + 8));
        if (type == TYPE_UNICODE)
            value = utf16_text(r->arena, value, false);
        while (value.len && value.at[value.len - 1] == '\0')
            value.len--;
        return value;
    }
    return str_n(NULL, 0);
}

static struct str title(struct str data)
{
    ptrdiff_t end = str_find(data, '\0');
    return end < 0 ? data : str_sub(data, 0, (size_t)end);
}

struct attachment {
    struct str name, data;
    bool any;
};

static void finish(struct reading *r, struct thing *t, struct attachment *a)
{
    if (a->any && a->data.at) {
        struct file_entry *entry = entry_add(r, t, a->name.len ? a->name : STR("attachment"), a->data.len);
        if (entry)
            entry_content(r, t, entry, a->data, true);
    }
    *a = (struct attachment){.any = false};
}

static void take(struct reading *r, struct thing *t, struct attachment *a, unsigned id, struct str data)
{
    if (id == ATTACH_REND_DATA) {
        finish(r, t, a);
        a->any = true;
    } else if (id == ATTACH_TITLE && !a->name.len) {
        a->name = title(data);
    } else if (id == ATTACH_DATA) {
        a->data = data;
        a->any = true;
    } else if (id == ATTACHMENT) {
        struct str name = long_name(r, data);
        if (name.len)
            a->name = name;
    }
}

void tnef_look(struct reading *r, struct thing *t)
{
    struct attachment a = {.any = false};
    size_t at = HEAD, count = 0;

    for (; at + ATTRIBUTE <= t->bytes.len && count < MOST_ATTRIBUTES; count++) {
        unsigned level = (unsigned char)t->bytes.at[at], id = le16(t->bytes, at + 1);
        size_t len = le32(t->bytes, at + 5);
        struct str data = str_sub(t->bytes, at + ATTRIBUTE, len);
        if (data.len < len)
            t->facts |= FACT_DAMAGED;
        if (level == LEVEL_ATTACHMENT)
            take(r, t, &a, id, data);
        if (len > t->bytes.len - at - ATTRIBUTE)
            break;
        at += ATTRIBUTE + len + CHECKSUM;
    }
    if (count == MOST_ATTRIBUTES)
        t->facts |= FACT_TOO_MANY;
    finish(r, t, &a);
}
