/* zip.c: what lies in a zip; see reading.h. Stored and deflated items are read here, from both directories; rarer methods by libarchive. */
#include "scan/files/zip.h"

#include "scan/files/archive.h"
#include "scan/files/ooxml.h"
#include "scan/files/zip_item.h"

#include <string.h>

enum { ITEMS_MAX = 20000, STORED = 0, DEFLATED = 8 };

static void zip_facts(struct thing *t, const struct zip *z)
{
    t->facts |= (z->conflicts ? FACT_CONFLICTING_ENTRIES : 0U) | (z->is_damaged ? FACT_DAMAGED : 0U) | (z->dropped ? FACT_TOO_MANY : 0U) |
                (z->directory_is_encrypted ? FACT_ENCRYPTED | FACT_HEADER_ENCRYPTED : 0U) | (z->is_prepended ? FACT_PREPENDED : 0U);
}

enum unpack_end zip_unpack(struct reading *r, const struct zip_item *item, struct buf *scratch, struct str *out)
{
    *out = item->data;
    if (item->method == STORED) {
        if (item->data.len > unpack_room(r))
            return UNPACK_BOMB;
        unpack_pay(r, item->data.len);
        return item->is_cut ? UNPACK_DAMAGED : UNPACK_DONE;
    }
    *out = str_n(NULL, 0);
    if (item->method != DEFLATED)
        return UNPACK_DAMAGED;
    enum unpack_end end = inflate_raw(r, item->data, scratch, NULL);
    *out = buf_str(scratch);
    return end;
}

/* Not what the directory says it would be: another reader may stop elsewhere. */
static unsigned content_facts(const struct zip_item *item, struct str content)
{
    unsigned facts = 0;

    if (!item->is_local_only && content.len != item->size)
        facts |= FACT_CONFLICTING_ENTRIES;
    if (item->crc && crc32_z(0, (const Bytef *)content.at, content.len) != item->crc)
        facts |= FACT_DAMAGED;
    return facts;
}

static void read_item(struct reading *r, struct thing *t, const struct zip_item *item, struct str name, struct file_entry *entry)
{
    unsigned facts = (item->conflicts || item->is_local_only ? FACT_CONFLICTING_ENTRIES : 0U) | (item->is_cut ? FACT_DAMAGED : 0U);
    struct buf scratch = unpack_buf();
    struct str content;

    if (item->is_encrypted) {
        detail_add(r, "%.*s: encrypted", STR_ARG(printable(r->arena, name, 100)));
        facts |= FACT_ENCRYPTED;
    }
    if (!item->is_encrypted || item->conflicts) {
        enum unpack_end end = zip_unpack(r, item, &scratch, &content);
        struct thing seen = {0};
        unpack_fact(&seen, end);
        facts |= seen.facts;
        if (end == UNPACK_DONE)
            facts |= content_facts(item, content);
        if (content.len || end == UNPACK_DONE)
            entry_content(r, t, entry, content, item->method == STORED);
        if (end == UNPACK_BOMB)
            detail_add(r, "%.*s: unpacks to more than allowed", STR_ARG(printable(r->arena, name, 100)));
        buf_free(&scratch);
    }
    entry_fact(r, t, entry, facts);
}

static bool is_rare(const struct zip_item *item)
{
    return item->method != STORED && item->method != DEFLATED && !item->is_encrypted && !item->is_folder;
}

void zip_item_read(struct reading *r, struct thing *t, const struct zip_item *item)
{
    struct file_entry *entry = entry_add(r, t, item->name, item->size);
    if (entry)
        read_item(r, t, item, item->name, entry);
    if (entry && item->local_name.len) { /* the other reader's name for the same bytes */
        struct file_entry *other = entry_add(r, t, item->local_name, item->size);
        if (other) {
            other->content = entry->content;
            other->type = entry->type;
            other->has_sha256 = entry->has_sha256;
            memcpy(other->sha256, entry->sha256, sizeof other->sha256);
            other->facts |= FACT_CONFLICTING_ENTRIES | (file_name_fits(other->name, other->type) ? 0U : FACT_TYPE_DIFFERS);
        }
    }
}

static void read_zip(struct reading *r, struct thing *t, const struct zip *z)
{
    bool rare = false;

    for (uint32_t i = 0; i < z->count; i++) {
        const struct zip_item *item = &z->items[i];
        if (item->is_folder)
            continue;
        rare |= is_rare(item);
        if (!is_rare(item))
            zip_item_read(r, t, item);
    }
    if (rare)
        archive_read_rare_zip(r, t);
}

void zip_look(struct reading *r, struct thing *t)
{
    struct zip z;

    if (!zip_open(r->arena, t->bytes, ITEMS_MAX, &z)) {
        t->facts |= FACT_DAMAGED;
        return;
    }
    zip_facts(t, &z);
    if (t->type == FILE_DOCX || t->type == FILE_XLSX || t->type == FILE_PPTX || t->type == FILE_ODF)
        ooxml_look(r, t, &z);
    else
        read_zip(r, t, &z);
}

void look_for_archive_behind(struct reading *r, struct thing *t)
{
    static const struct { struct str mark; enum file_type type; } marks[] = {{{"Rar!\x1A\x07", 6}, FILE_RAR}, {{"7z\xBC\xAF\x27\x1C", 6}, FILE_7Z}};
    struct zip z;

    if (zip_is_at_end(t->bytes) && zip_open(r->arena, t->bytes, ITEMS_MAX, &z)) {
        zip_facts(t, &z);
        t->facts |= FACT_PREPENDED;
        read_zip(r, t, &z);
    }
    if (t->type == FILE_TEXT || t->type == FILE_HTML || t->type == FILE_EMAIL || file_type_is_archive(t->type))
        return;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        ptrdiff_t at = find_from(t->bytes, 1, marks[i].mark);
        if (at < 0)
            continue;
        struct thing behind = *t;
        behind.bytes = str_from_index(t->bytes, (size_t)at);
        behind.type = marks[i].type;
        behind.facts = 0;
        archive_look(r, &behind);
        /* six octets may stand anywhere: it is an archive when it can be read as one */
        if ((behind.facts & FACT_DAMAGED) && r->out->entry_count == 0 && !(behind.facts & FACT_ENCRYPTED))
            continue;
        t->facts |= behind.facts | FACT_PREPENDED;
    }
}
