/*
 * onenote.c: files in OneNote sections (MS-ONESTORE §2.6.13): each behind a GUID of its own, so none is missed however the section's tree is built.
 * Their names stand elsewhere as strings with a length; those that look like a file's are paired with the files in order. See reading.h.
 */
#include "scan/files/reading.h"

enum { HEAD_BYTES = 36 /* GUID, length, 12 unused octets */, FILES_MAX = 1000, NAMES_MAX = 256, NAME_UNITS_MAX = 128, EXTENSION_MAX = 12 };

struct names { struct str at[NAMES_MAX]; uint32_t count, used; };

static bool is_name_unit(uint16_t unit)
{
    return unit >= 0x20 && unit != '<' && unit != '>' && unit != ':' && unit != '"' && unit != '/' && unit != '\\' && unit != '|' && unit != '?' && unit != '*';
}

/* The dot of an extension at AT, in a string of UTF-16 that has its length in bytes in front; "" else. */
static struct str name_around(struct str b, size_t at)
{
    size_t begin = at, end = at + 2, letters = 0;

    while (begin >= 2 && (at - begin) / 2 < NAME_UNITS_MAX && is_name_unit(le16(b, begin - 2)))
        begin -= 2;
    for (; letters < EXTENSION_MAX && end + 2 <= b.len && le16(b, end) < 0x80 && ascii_is_alnum(le16(b, end)); letters++)
        end += 2;
    size_t len = end - begin, said = begin >= 4 ? le32(b, begin - 4) : 0;
    return letters && begin < at && (said == len || (said == len + 2 && le16(b, end) == 0)) ? str_sub(b, begin, len) : str_n(NULL, 0);
}

static void find_names(struct reading *r, struct str b, struct names *names)
{
    for (ptrdiff_t at = find_from(b, 0, STR(".\0")); at >= 0 && names->count < NAMES_MAX; at = find_from(b, (size_t)at + 1, STR(".\0"))) {
        struct str name = name_around(b, (size_t)at);
        if (!name.len)
            continue;
        name = utf16_text(r->arena, name, false);
        bool is_again = false;
        for (uint32_t i = 0; i < names->count; i++) /* revisions say it again */
            is_again |= str_eq(names->at[i], name);
        if (!is_again && name.at)
            names->at[names->count++] = name;
    }
}

static struct str next_name(struct names *names)
{
    return names->used < names->count ? names->at[names->used++] : STR("file");
}

void onenote_look(struct reading *r, struct thing *t)
{
    static const struct str mark = {"\xE7\x16\xE3\xBD\x65\x26\x11\x45\xA4\xC4\x8D\x4D\x0B\x7A\x9E\xAC", 16};
    struct names *names = arena_alloc(r->arena, sizeof *names);
    struct str b = t->bytes;
    ptrdiff_t at = find_from(b, 0, mark);
    uint64_t may_read = 2 * (uint64_t)b.len; /* lengths may claim the same bytes again and again */

    if (!names) {
        t->facts |= FACT_BOMB;
        return;
    }
    find_names(r, b, names);
    for (int i = 0; at >= 0 && i < FILES_MAX && may_read; i++) {
        uint64_t len = le64(b, (size_t)at + 16);
        size_t begin = (size_t)at + HEAD_BYTES < b.len ? (size_t)at + HEAD_BYTES : b.len;
        bool is_cut = len > b.len - begin;
        struct str content = is_cut ? str_from_index(b, begin) : str_sub(b, begin, (size_t)len);
        content = str_sub(content, 0, content.len < may_read ? content.len : (size_t)may_read);
        may_read -= content.len;
        struct file_entry *entry = entry_add(r, t, next_name(names), len);
        t->facts |= FACT_OLE_OBJECT | (is_cut ? FACT_DAMAGED : 0U);
        if (!entry)
            return;
        entry_content(r, t, entry, content, true);
        at = find_from(b, (size_t)at + 16, mark); /* a length is not believed for where to go on */
    }
    t->facts |= at >= 0 ? FACT_TOO_MANY : 0U;
    while (names->used < names->count)
        entry_add(r, t, next_name(names), 0);
}
