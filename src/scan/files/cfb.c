/* cfb.c: see cfb.h. */
#include "scan/files/cfb.h"

#include "scan/files/reading.h"

#include <string.h>

enum { HEADER_LEN = 512, HEADER_FATS = 109, ENTRY_LEN = 128, SMALL_SECTOR = 64, UNITS_MAX = 31 };
static const uint32_t NO_SECTOR = 0xFFFFFFFA; /* this and above mean other things than a place */

static struct str sector(const struct cfb *c, uint32_t n)
{
    uint64_t at = ((uint64_t)n + 1) * c->sector_bytes;
    return n >= NO_SECTOR || at >= c->bytes.len ? str_n(NULL, 0) : str_sub(c->bytes, (size_t)at, c->sector_bytes);
}

static uint32_t next_sector(const struct cfb *c, uint32_t n)
{
    uint32_t in_one = c->sector_bytes / 4, which = n / in_one;
    struct str table = which < c->fat_count ? sector(c, c->fat_sectors[which]) : str_n(NULL, 0);
    return table.len < (n % in_one + 1) * 4 ? UINT32_MAX : le32(table, n % in_one * 4);
}

/* The header names the first 109 sectors of the table, a chain of sectors the others. */
static bool find_fat(struct cfb *c)
{
    uint32_t in_one = c->sector_bytes / 4, most = c->sector_count / in_one + 2;
    uint32_t extra = le32(c->bytes, 68);

    c->fat_sectors = arena_alloc(c->arena, most * sizeof *c->fat_sectors);
    if (!c->fat_sectors)
        return false;
    for (uint32_t i = 0; i < HEADER_FATS && c->fat_count < most; i++) {
        uint32_t n = le32(c->bytes, 76 + 4 * (size_t)i);
        if (n < NO_SECTOR)
            c->fat_sectors[c->fat_count++] = n;
    }
    for (uint32_t steps = 0; extra < NO_SECTOR && steps <= c->sector_count && c->fat_count < most; steps++) {
        struct str list = sector(c, extra);
        if (list.len < c->sector_bytes) {
            c->is_damaged = true;
            break;
        }
        for (uint32_t i = 0; i + 1 < in_one && c->fat_count < most; i++)
            if (le32(list, 4 * (size_t)i) < NO_SECTOR)
                c->fat_sectors[c->fat_count++] = le32(list, 4 * (size_t)i);
        extra = le32(list, 4 * (size_t)(in_one - 1));
    }
    return true;
}

static bool read_chain(struct cfb *c, uint32_t start, uint64_t size, struct buf *out)
{
    uint32_t n = start;

    buf_clear(out);
    for (uint32_t steps = 0; out->len < size; steps++) {
        struct str s = sector(c, n);
        if (steps > c->sector_count || s.len == 0)
            return false;
        s = str_sub(s, 0, size - out->len < s.len ? (size_t)(size - out->len) : s.len);
        if (s.len > c->may_read || !buf_add_str(out, s)) {
            c->is_cut = true;
            return false;
        }
        c->may_read -= s.len;
        n = next_sector(c, n);
    }
    return true;
}

/* How many bytes a chain without a size has, up to its end. */
static uint64_t chain_len(struct cfb *c, uint32_t start)
{
    uint64_t len = 0;
    uint32_t n = start;

    for (uint32_t steps = 0; n < NO_SECTOR && steps <= c->sector_count; steps++) {
        struct str s = sector(c, n);
        if (s.len == 0)
            break;
        len += s.len;
        n = next_sector(c, n);
    }
    if (len > (uint64_t)c->sector_count * c->sector_bytes) {
        c->is_damaged = true; /* in a circle */
        return (uint64_t)c->sector_count * c->sector_bytes;
    }
    return len;
}

/* Names are UTF-16; those that matter are ASCII. Control characters in front (1 Ole10Native) are kept. */
static void read_name(struct str raw, char *to)
{
    size_t len = le16(raw, 64), n = 0;

    len = len >= 2 && len <= 64 ? len / 2 - 1 : 0;
    for (size_t i = 0; i < len && i < UNITS_MAX; i++) {
        uint16_t unit = le16(raw, 2 * i);
        to[n++] = unit < 0x7F ? (char)unit : '?';
    }
    to[n] = 0;
}

static bool read_directory(struct cfb *c, uint32_t most)
{
    uint32_t start = le32(c->bytes, 48);
    struct buf raw = unpack_buf();
    uint64_t len = chain_len(c, start);

    if (len / ENTRY_LEN > most) {
        len = (uint64_t)most * ENTRY_LEN;
        c->is_cut = true;
    }
    c->may_read += len; /* the directory is not a stream */
    if (!read_chain(c, start, len, &raw))
        c->is_damaged = true;
    uint32_t count = (uint32_t)(raw.len / ENTRY_LEN);
    c->entries = arena_alloc(c->arena, (count + 1) * sizeof *c->entries);
    for (uint32_t i = 0; c->entries && i < count; i++) {
        struct str one = str_sub(buf_str(&raw), (size_t)i * ENTRY_LEN, ENTRY_LEN);
        struct cfb_entry *e = &c->entries[i];
        read_name(one, e->name);
        e->kind = (uint8_t)one.at[66];
        e->left = le32(one, 68);
        e->right = le32(one, 72);
        e->child = le32(one, 76);
        e->start = le32(one, 116);
        e->size = c->sector_bytes == 512 ? le32(one, 120) : le64(one, 120);
        if (i == 0)
            memcpy(c->class_id, one.at + 80, sizeof c->class_id);
    }
    c->count = c->entries ? count : 0;
    buf_free(&raw);
    return c->entries && count;
}

/* Each entry is put on the stack once, so a tree in a circle comes to its end. */
static bool find_parents(struct cfb *c)
{
    uint32_t *stack = arena_alloc(c->arena, (c->count + 1) * sizeof *stack), n = 0;
    bool *seen = arena_alloc(c->arena, c->count + 1);

    if (!stack || !seen)
        return false;
    seen[0] = true;
    stack[n++] = 0;
    while (n) {
        uint32_t at = stack[--n];
        const struct cfb_entry *e = &c->entries[at];
        const struct { uint32_t to, parent; } next[] = {{e->left, e->parent}, {e->right, e->parent}, {e->kind == CFB_STREAM ? UINT32_MAX : e->child, at}};
        for (size_t i = 0; i < 3; i++)
            if (next[i].to < c->count && !seen[next[i].to]) {
                seen[next[i].to] = true;
                c->entries[next[i].to].parent = next[i].parent;
                stack[n++] = next[i].to;
            }
    }
    return true;
}

static bool read_small(struct cfb *c)
{
    struct buf raw = unpack_buf();
    uint32_t start = le32(c->bytes, 60);
    uint64_t len = chain_len(c, start);
    bool ok = true;

    c->may_read += len;
    if (start < NO_SECTOR && !read_chain(c, start, len, &raw))
        c->is_damaged = true;
    c->small_count = (uint32_t)(raw.len / 4);
    c->small_fat = arena_alloc(c->arena, raw.len + 4);
    for (uint32_t i = 0; c->small_fat && i < c->small_count; i++)
        c->small_fat[i] = le32(buf_str(&raw), 4 * (size_t)i);
    const struct cfb_entry *root = &c->entries[0];
    if (c->small_count && root->start < NO_SECTOR) {
        uint64_t size = root->size < c->bytes.len ? root->size : c->bytes.len;
        c->may_read += size;
        if (!read_chain(c, root->start, size, &raw))
            c->is_damaged = true;
        c->small_data = arena_str(c->arena, buf_str(&raw));
        ok = c->small_data.at != NULL;
    }
    buf_free(&raw);
    return ok && c->small_fat;
}

bool cfb_open(struct arena *arena, struct str bytes, uint32_t most, struct cfb *out)
{
    uint16_t shift = le16(bytes, 30);

    *out = (struct cfb){.bytes = bytes, .arena = arena};
    if (bytes.len < HEADER_LEN || !has_at(bytes, 0, STR("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) || (shift != 9 && shift != 12))
        return false;
    out->sector_bytes = 1U << shift;
    out->sector_count = (uint32_t)(bytes.len / out->sector_bytes);
    out->small_cutoff = le32(bytes, 56);
    if (out->small_cutoff == 0 || out->small_cutoff > 1U << 20)
        out->small_cutoff = 4096;
    out->may_read = 2 * (uint64_t)bytes.len;
    return find_fat(out) && read_directory(out, most) && find_parents(out) && read_small(out);
}

static bool read_small_chain(struct cfb *c, uint32_t start, uint64_t size, struct buf *out)
{
    uint32_t n = start;

    buf_clear(out);
    for (uint32_t steps = 0; out->len < size; steps++) {
        struct str s = n < c->small_count ? str_sub(c->small_data, (size_t)n * SMALL_SECTOR, SMALL_SECTOR) : str_n(NULL, 0);
        if (steps > c->small_count || s.len == 0)
            return false;
        s = str_sub(s, 0, size - out->len < s.len ? (size_t)(size - out->len) : s.len);
        if (s.len > c->may_read || !buf_add_str(out, s)) {
            c->is_cut = true;
            return false;
        }
        c->may_read -= s.len;
        n = c->small_fat[n];
    }
    return true;
}

bool cfb_read(struct cfb *c, const struct cfb_entry *entry, size_t most, struct buf *out)
{
    uint64_t size = entry->size < most ? entry->size : most;
    bool ok = entry->size < c->small_cutoff ? read_small_chain(c, entry->start, size, out) : read_chain(c, entry->start, size, out);

    c->is_damaged |= !ok && !c->is_cut;
    return ok && size == entry->size;
}
