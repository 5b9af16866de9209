/* zip_directory.c: both directories of a zip and where they disagree; see zip.h. Linear in the file, and n log n in its items. */
#include "scan/files/zip.h"

#include "scan/files/reading.h"

#include <stdlib.h>
#include <string.h>

enum { END_LEN = 22, CENTRAL_LEN = 46, LOCAL_LEN = 30, COMMENT_MAX = 65535, LOCATOR_LEN = 20, ENDS_TRIED = 64, NAME_MAX_LEN = 4096 };

#define LOCAL_MARK STR("PK\x03\x04")
#define CENTRAL_MARK STR("PK\x01\x02")
#define END_MARK STR("PK\x05\x06")

struct directory { size_t at; uint64_t said_count; size_t base; /* what is added to offsets */ bool ambiguous; };

struct walk { struct arena *arena; struct str bytes; uint32_t most, room; struct zip *zip; };

/* Does the end record at END lead to a directory? With other data put before, offsets are too small by its length. */
static bool directory_of(struct str b, size_t end, struct directory *out)
{
    uint64_t count = le16(b, end + 10), size = le32(b, end + 12), offset = le32(b, end + 16);
    size_t upto = end;

    if (end >= LOCATOR_LEN && has_at(b, end - LOCATOR_LEN, STR("PK\x06\x07"))) {
        uint64_t at = le64(b, end - LOCATOR_LEN + 8);
        ptrdiff_t found = at < b.len && has_at(b, (size_t)at, STR("PK\x06\x06")) ? (ptrdiff_t)at : -1;
        if (found < 0 && end >= LOCATOR_LEN + 56 && has_at(b, end - LOCATOR_LEN - 56, STR("PK\x06\x06")))
            found = (ptrdiff_t)(end - LOCATOR_LEN - 56);
        if (found >= 0) {
            count = le64(b, (size_t)found + 32);
            size = le64(b, (size_t)found + 40);
            offset = le64(b, (size_t)found + 48);
            upto = (size_t)found;
        }
    }
    *out = (struct directory){.said_count = count};
    if (count == 0 && size == 0) {
        out->at = upto;
        return offset <= upto;
    }
    bool by_size = size <= upto && has_at(b, upto - (size_t)size, CENTRAL_MARK);
    bool by_offset = offset < upto && has_at(b, (size_t)offset, CENTRAL_MARK);
    if (!by_size && !by_offset)
        return false;
    out->at = by_size ? upto - (size_t)size : (size_t)offset;
    out->base = by_size && offset <= out->at ? out->at - (size_t)offset : 0;
    out->ambiguous = by_size && by_offset && (size_t)offset != out->at;
    return true;
}

/* From the end backwards; the last record that leads to a directory is the one that most readers take. */
static bool find_directory(struct str b, struct directory *out)
{
    size_t lowest = b.len > END_LEN + 2 * COMMENT_MAX ? b.len - END_LEN - 2 * COMMENT_MAX : 0;
    size_t upto = b.len;

    for (int tried = 0; tried < ENDS_TRIED && upto > lowest; tried++) {
        const char *at = b.len ? memrchr(b.at + lowest, 'P', upto - lowest) : NULL;
        while (at && !has_at(b, (size_t)(at - b.at), END_MARK))
            at = at > b.at + lowest ? memrchr(b.at + lowest, 'P', (size_t)(at - b.at) - lowest) : NULL;
        if (!at)
            return false;
        upto = (size_t)(at - b.at);
        if (b.len - upto >= END_LEN && directory_of(b, upto, out))
            return true;
    }
    return false;
}

bool zip_is_at_end(struct str bytes)
{
    struct directory d;
    return find_directory(bytes, &d) && d.said_count > 0;
}

static struct zip_item *add_item(struct walk *w)
{
    struct zip *z = w->zip;

    if (z->count >= w->most) {
        z->dropped++;
        return NULL;
    }
    if (z->count == w->room) { /* grows by doubling: what is left behind in the arena is at most as much again */
        uint32_t room = w->room ? w->room * 2 : 16;
        struct zip_item *items = arena_alloc(w->arena, room * sizeof *items);
        if (!items) {
            z->dropped++;
            return NULL;
        }
        if (z->count)
            memcpy(items, z->items, z->count * sizeof *items);
        z->items = items;
        w->room = room;
    }
    return &z->items[z->count++];
}

/* Sizes of 4 GiB and more stand in extra field 1, those of them that are all ones, in this order. */
static void read_zip64(struct str extra, uint64_t *size, uint64_t *packed, uint64_t *offset)
{
    while (extra.len >= 4) {
        uint16_t len = le16(extra, 2);
        struct str value = str_sub(extra, 4, len);
        if (le16(extra, 0) == 1) {
            uint64_t *fields[] = {size, packed, offset};
            size_t at = 0;
            for (size_t i = 0; i < 3; i++)
                if (fields[i] && *fields[i] == UINT32_MAX && at + 8 <= value.len) {
                    *fields[i] = le64(value, at);
                    at += 8;
                }
            return;
        }
        extra = str_from_index(extra, 4U + len);
    }
}

/* The name in extra field 0x7075 (Info-ZIP Unicode path). Readers that know it take it before the other. */
static struct str unicode_name(struct str extra)
{
    while (extra.len >= 4) {
        uint16_t len = le16(extra, 2);
        if (le16(extra, 0) == 0x7075 && len > 5)
            return str_sub(extra, 9, len - 5U);
        extra = str_from_index(extra, 4U + len);
    }
    return str_n(NULL, 0);
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] >= 0x80)
            return false;
    return true;
}

static void set_flags(struct walk *w, struct zip_item *item, uint16_t flags)
{
    item->is_encrypted |= (flags & 1) != 0;
    if (flags & 0x2000)
        w->zip->directory_is_encrypted = true;
}

/* The local header at AT, for an item of the central directory. */
static void join_local(struct walk *w, struct zip_item *item, uint64_t at)
{
    struct str b = w->bytes;

    if (at > b.len || b.len - at < LOCAL_LEN || !has_at(b, (size_t)at, LOCAL_MARK)) {
        item->is_cut = true;
        return;
    }
    size_t h = (size_t)at;
    uint16_t flags = le16(b, h + 6), method = le16(b, h + 8), name_len = le16(b, h + 26), extra_len = le16(b, h + 28);
    uint64_t packed = le32(b, h + 18), size = le32(b, h + 22);
    struct str name = str_sub(b, h + LOCAL_LEN, name_len), extra = str_sub(b, h + LOCAL_LEN + name_len, extra_len);
    bool was_encrypted = item->is_encrypted;

    read_zip64(extra, &size, &packed, NULL);
    set_flags(w, item, flags);
    item->begins = h;
    size_t data = h + LOCAL_LEN + name_len + extra_len;
    item->data = data < b.len ? str_sub(b, data, item->packed > b.len ? b.len : (size_t)item->packed) : str_n(NULL, 0);
    item->ends = data < b.len ? data + item->data.len : b.len;
    item->is_cut = item->data.len < item->packed;
    if (!str_eq(name, item->name) && !(flags & 0x2000))
        item->local_name = str_sub(name, 0, NAME_MAX_LEN);
    bool sizes_later = (flags & 8) != 0;
    item->conflicts |= item->local_name.len > 0 || method != item->method || was_encrypted != item->is_encrypted ||
                       (!sizes_later && (packed != item->packed || size != item->size)) || (sizes_later && packed && packed != item->packed);
}

static void read_central(struct walk *w, const struct directory *d)
{
    struct str b = w->bytes;
    size_t at = d->at;
    uint64_t seen = 0;

    while (b.len - at >= CENTRAL_LEN && has_at(b, at, CENTRAL_MARK)) {
        uint16_t name_len = le16(b, at + 28), extra_len = le16(b, at + 30), comment_len = le16(b, at + 32);
        struct str extra = str_sub(b, at + CENTRAL_LEN + name_len, extra_len);
        uint64_t offset = le32(b, at + 42);
        struct zip_item *item = add_item(w);
        seen++;
        if (item) {
            *item = (struct zip_item){.name = str_sub(b, at + CENTRAL_LEN, name_len), .packed = le32(b, at + 20), .size = le32(b, at + 24),
                                      .crc = le32(b, at + 16), .method = le16(b, at + 10)};
            read_zip64(extra, &item->size, &item->packed, &offset);
            set_flags(w, item, le16(b, at + 8));
            join_local(w, item, offset + d->base);
            struct str other = unicode_name(extra);
            if (other.len && is_ascii(item->name) && !str_eq(other, item->name)) {
                item->conflicts = true;
                item->local_name = str_sub(other, 0, NAME_MAX_LEN);
            }
            item->is_folder = item->name.len && item->name.at[item->name.len - 1] == '/' && item->packed == 0;
        }
        at += (size_t)CENTRAL_LEN + name_len + extra_len + comment_len;
        if (at > b.len)
            break;
    }
    if (at > b.len)
        w->zip->is_damaged = true;
    /* more or fewer than said: a reader that counts and one that walks see different things */
    w->zip->conflicts |= (seen & 0xFFFF) != (d->said_count & 0xFFFF) || d->ambiguous;
}

/* Could this be a local header, and not four octets that happen to be there? */
static bool is_local_header(struct str b, size_t at)
{
    uint16_t name_len = le16(b, at + 26), method = le16(b, at + 8);
    return b.len - at > LOCAL_LEN && has_at(b, at, LOCAL_MARK) && le16(b, at + 4) % 256 <= 63 && name_len > 0 && name_len < NAME_MAX_LEN &&
           (method <= 20 || (method >= 93 && method <= 99)) && b.len - at - LOCAL_LEN >= name_len;
}

/* What only a reader that goes by local headers sees. Returns where it ends. */
static size_t add_local_only(struct walk *w, size_t at, size_t upto)
{
    struct str b = w->bytes;
    uint16_t flags = le16(b, at + 6), name_len = le16(b, at + 26), extra_len = le16(b, at + 28);
    uint64_t packed = le32(b, at + 18), size = le32(b, at + 22);
    size_t data = at + LOCAL_LEN + name_len + extra_len;
    struct zip_item *item = add_item(w);

    read_zip64(str_sub(b, at + LOCAL_LEN + name_len, extra_len), &size, &packed, NULL);
    if (data > upto)
        data = upto;
    if (packed == 0 && (flags & 8)) { /* the length comes behind the data: up to the next header at most */
        ptrdiff_t next = find_from(str_sub(b, 0, upto), data, LOCAL_MARK);
        packed = (next < 0 ? upto : (size_t)next) - data;
    }
    size_t len = packed > upto - data ? upto - data : (size_t)packed;
    if (item) {
        *item = (struct zip_item){.name = str_sub(b, at + LOCAL_LEN, name_len), .data = str_sub(b, data, len), .packed = packed, .size = size,
                                  .begins = at, .ends = data + len, .crc = le32(b, at + 14), .method = le16(b, at + 8), .is_local_only = true,
                                  .is_cut = len < packed};
        set_flags(w, item, flags);
        item->is_folder = item->name.at[item->name.len - 1] == '/' && packed == 0;
    }
    return data + len > at + 4 ? data + len : at + 4;
}

/* From FROM to UPTO no item of the central directory lies. */
static void read_gap(struct walk *w, size_t from, size_t upto)
{
    while (from < upto) {
        ptrdiff_t at = find_from(str_sub(w->bytes, 0, upto), from, LOCAL_MARK);
        if (at < 0)
            return;
        from = is_local_header(w->bytes, (size_t)at) ? add_local_only(w, (size_t)at, upto) : (size_t)at + 4;
    }
}

static int by_place(const void *a, const void *b)
{
    const struct zip_item *const *x = a, *const *y = b;
    return (*x)->begins < (*y)->begins ? -1 : (*x)->begins > (*y)->begins;
}

static int by_name(const void *a, const void *b)
{
    const struct zip_item *const *x = a, *const *y = b;
    size_t len = (*x)->name.len < (*y)->name.len ? (*x)->name.len : (*y)->name.len;
    int order = len ? memcmp((*x)->name.at, (*y)->name.at, len) : 0;
    return order ? order : (*x)->name.len < (*y)->name.len ? -1 : (*x)->name.len > (*y)->name.len;
}

/* The room between items, and items over each other. UPTO: where the central directory begins. */
static bool compare_places(struct walk *w, size_t upto)
{
    struct zip *z = w->zip;
    const uint32_t count = z->count;
    struct zip_item **sorted = arena_alloc(w->arena, (count + 1) * sizeof(struct zip_item *));
    size_t *places = arena_alloc(w->arena, (count + 1) * 2 * sizeof *places);
    size_t end = 0;
    uint32_t n = 0;

    if (!sorted || !places)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (z->items[i].ends > z->items[i].begins)
            sorted[n++] = &z->items[i];
    qsort(sorted, n, sizeof *sorted, by_place);
    for (uint32_t i = 0; i < n; i++) { /* a copy: reading gaps adds items, which may move them all */
        places[2 * (size_t)i] = sorted[i]->begins;
        places[2 * (size_t)i + 1] = sorted[i]->ends;
    }
    z->is_prepended = n && places[0] > 4; /* a spanning mark of four octets may come first */
    for (uint32_t i = 0; i < n; i++) {
        size_t begins = places[2 * (size_t)i], ends = places[2 * (size_t)i + 1];
        z->overlaps |= begins < end;
        if (begins > end)
            read_gap(w, end, begins);
        end = ends > end ? ends : end;
    }
    read_gap(w, end, upto > w->bytes.len ? w->bytes.len : upto);
    return true;
}

static bool find_same_names(struct walk *w)
{
    struct zip *z = w->zip;
    struct zip_item **sorted = arena_alloc(w->arena, (z->count + 1) * sizeof(struct zip_item *));

    if (!sorted)
        return false;
    for (uint32_t i = 0; i < z->count; i++)
        sorted[i] = &z->items[i];
    qsort(sorted, z->count, sizeof *sorted, by_name);
    for (uint32_t i = 1; i < z->count; i++)
        if (by_name(&sorted[i - 1], &sorted[i]) == 0)
            sorted[i]->conflicts = true;
    return true;
}

bool zip_open(struct arena *arena, struct str bytes, uint32_t most, struct zip *out)
{
    struct walk w = {.arena = arena, .bytes = bytes, .most = most, .zip = out};
    struct directory d = {.at = bytes.len};

    *out = (struct zip){0};
    out->has_end = find_directory(bytes, &d);
    if (!out->has_end && find_from(str_sub(bytes, 0, 64), 0, LOCAL_MARK) < 0)
        return false;
    if (out->has_end)
        read_central(&w, &d);
    uint32_t by_central = out->count;
    if (!compare_places(&w, d.at) || !find_same_names(&w))
        return false;
    if (!out->has_end || (out->count == 0 && out->dropped == 0 && d.said_count))
        out->is_damaged = true;
    for (uint32_t i = 0; i < out->count; i++)
        out->conflicts |= out->items[i].conflicts || (out->has_end && i >= by_central);
    out->conflicts |= out->overlaps;
    return true;
}
