/* archive.c: see archive.h. Every read is from memory, every byte that comes out is paid for, and nothing goes on behind a ceiling. */
#include "scan/files/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <string.h>

enum { FILTERS_MAX = 3, NAME_LEN_MAX = 4096 };

/* LHA is left out: its reader asks iconv for the charset that a header names, and converters come from files. */
static void enable(struct archive *a, enum file_type type)
{
    switch (type) {
    case FILE_ZIP:
        archive_read_support_format_zip_seekable(a);
        return;
    case FILE_7Z:
        archive_read_support_format_7zip(a);
        return;
    case FILE_RAR:
        archive_read_support_format_rar(a);
        archive_read_support_format_rar5(a);
        return;
    case FILE_ISO:
        archive_read_support_format_iso9660(a);
        return;
    case FILE_CAB:
        archive_read_support_format_cab(a);
        return;
    default:
        break;
    }
    archive_read_support_format_tar(a);
    archive_read_support_format_cpio(a);
    archive_read_support_format_ar(a);
    archive_read_support_format_raw(a);
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_filter_lzma(a);
    archive_read_support_filter_lzip(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_lz4(a);
    archive_read_support_filter_compress(a);
}

static bool is_encryption_trouble(struct archive *a)
{
    const char *words = archive_error_string(a);
    return words && (strstr(words, "ncrypt") || strstr(words, "Crypto"));
}

/* A single compressed file is called as the archive is, without the last extension. */
static struct str raw_name(const struct thing *t)
{
    ptrdiff_t dot = str_find_last(t->name, '.');
    return dot > 0 ? str_sub(t->name, 0, (size_t)dot) : STR("data");
}

static struct str name_of(struct archive *a, struct archive_entry *item, const struct thing *t)
{
    const char *name = archive_entry_pathname_utf8(item);

    if (archive_format(a) == ARCHIVE_FORMAT_RAW)
        return raw_name(t);
    if (!name)
        name = archive_entry_pathname(item);
    return str_sub(str_from(name), 0, NAME_LEN_MAX);
}

/* How much of the archive has been taken in so far: what the ratio is measured against. */
static uint64_t packed_so_far(struct archive *a, const struct thing *t)
{
    int64_t taken = archive_filter_bytes(a, -1);
    return taken <= 0 || (uint64_t)taken > t->bytes.len ? t->bytes.len : (uint64_t)taken;
}

/* One item's data into OUT. FROM_ALL: what the archive has given before it. */
static enum unpack_end unpack_item(struct reading *r, struct thing *t, struct archive *a, struct buf *out, uint64_t *from_all, bool *is_encrypted)
{
    const void *block;
    size_t len;
    int64_t offset;

    buf_clear(out);
    for (;;) {
        int result = archive_read_data_block(a, &block, &len, &offset);
        if (result == ARCHIVE_EOF)
            return UNPACK_DONE;
        if (result < ARCHIVE_WARN) {
            *is_encrypted |= is_encryption_trouble(a);
            return UNPACK_DAMAGED;
        }
        uint64_t hole = offset > 0 && (uint64_t)offset > out->len ? (uint64_t)offset - out->len : 0;
        if (hole > unpack_room(r) || len > unpack_room(r) - hole)
            return UNPACK_BOMB;
        if (!buf_reserve(out, (size_t)hole + len))
            return UNPACK_BOMB;
        memset(out->at + out->len, 0, (size_t)hole);
        out->len += (size_t)hole;
        if (len)
            buf_add(out, block, len);
        unpack_pay(r, hole + len);
        *from_all += hole + len;
        if (ratio_is_bomb(r, packed_so_far(a, t), *from_all))
            return UNPACK_BOMB;
    }
}

static bool is_rare_zip_method(struct archive *a)
{
    const char *format = archive_format_name(a); /* "ZIP 2.0 (deflation)" */
    return format && !strstr(format, "(deflation)") && !strstr(format, "(uncompressed)");
}

/* False when nothing behind this item can be read any more. */
static bool read_item(struct reading *r, struct thing *t, struct archive *a, struct archive_entry *item, struct buf *scratch, uint64_t *from_all)
{
    struct str name = name_of(a, item, t);
    bool is_encrypted = archive_entry_is_encrypted(item) > 0;
    struct file_entry *entry = entry_add(r, t, name, archive_entry_size_is_set(item) ? (uint64_t)archive_entry_size(item) : 0);

    if (!entry)
        return false;
    if (archive_entry_filetype(item) != AE_IFREG && archive_entry_filetype(item) != 0)
        return true; /* a link holds nothing, but its name may be the trick */
    enum unpack_end end = unpack_item(r, t, a, scratch, from_all, &is_encrypted);
    if (is_encrypted) {
        detail_add(r, "%.*s: encrypted", STR_ARG(entry->path));
        entry_fact(r, t, entry, FACT_ENCRYPTED);
    } else if (end == UNPACK_DAMAGED) {
        bool is_zip = (archive_format(a) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_ZIP;
        entry_fact(r, t, entry, FACT_DAMAGED | (is_zip && scratch->len == 0 ? FACT_UNREAD : 0U)); /* Deflate64 and other methods */
    }
    if (end == UNPACK_BOMB) {
        detail_add(r, "%.*s: unpacks to more than allowed", STR_ARG(entry->path));
        entry_fact(r, t, entry, FACT_BOMB);
    }
    if (scratch->len || end == UNPACK_DONE)
        entry_content(r, t, entry, buf_str(scratch), false);
    return end != UNPACK_BOMB;
}

/* libarchive asks the reader of the format, and there is none before one was recognised. */
static bool has_encrypted_entries(struct archive *a)
{
    return archive_format(a) != 0 && archive_read_has_encrypted_entries(a) > 0;
}

static void end_facts(struct reading *r, struct thing *t, struct archive *a, int result)
{
    bool none = r->out->entry_count == 0;

    if (result == ARCHIVE_EOF)
        return;
    if (is_encryption_trouble(a) || has_encrypted_entries(a)) {
        t->facts |= FACT_ENCRYPTED | (none ? FACT_HEADER_ENCRYPTED : 0U);
        detail_add(r, "%s: encrypted%s", file_type_name(t->type), none ? ", names too" : "");
        return;
    }
    t->facts |= FACT_DAMAGED;
    const char *words = archive_error_string(a);
    if (words)
        detail_add(r, "%s: %.*s", file_type_name(t->type), STR_ARG(printable(r->arena, str_from(words), 120)));
}

static void read_all(struct reading *r, struct thing *t, struct archive *a, bool rare_zip_only)
{
    struct archive_entry *item;
    struct buf scratch = unpack_buf();
    uint64_t from_all = 0;
    int result;

    if (archive_filter_count(a) > FILTERS_MAX) {
        t->facts |= FACT_TOO_DEEP;
        return;
    }
    while ((result = archive_read_next_header(a, &item)) >= ARCHIVE_WARN && result != ARCHIVE_EOF) {
        if (archive_entry_filetype(item) == AE_IFDIR || (rare_zip_only && !is_rare_zip_method(a)))
            continue;
        if (archive_format(a) == ARCHIVE_FORMAT_RAW && archive_filter_code(a, 0) == ARCHIVE_FILTER_NONE) {
            t->facts |= FACT_DAMAGED; /* no archive after all: it would be the only file in itself */
            break;
        }
        if (!read_item(r, t, a, item, &scratch, &from_all)) {
            buf_free(&scratch);
            return;
        }
    }
    buf_free(&scratch);
    end_facts(r, t, a, result);
}

/*
 * RAR says by a flag or a block in front that all that follows is encrypted: 4.x (technote) in the main header's flags, 5.0 by a block of type 4.
 * libarchive gives up on it without saying so in every version.
 */
static bool rar_header_is_encrypted(struct str b)
{
    if (has_at(b, 0, STR("Rar!\x1A\x07\x01\0"))) {
        size_t at = 12; /* behind the signature and the CRC: header size, then type, as numbers of 7 bits an octet */
        while (at < b.len && at < 16 && ((unsigned char)b.at[at] & 0x80))
            at++;
        return at + 1 < b.len && b.at[at + 1] == 4;
    }
    return has_at(b, 0, STR("Rar!\x1A\x07\0")) && b.len > 12 && (unsigned char)b.at[9] == 0x73 && (le16(b, 10) & 0x80);
}

static void read_with(struct reading *r, struct thing *t, enum file_type type, bool rare_zip_only)
{
    struct archive *a = archive_read_new();

    if (!a) {
        t->facts |= FACT_DAMAGED;
        return;
    }
    locale_t before = uselocale(r->context->utf8);
    enable(a, type);
    if (archive_read_open_memory(a, t->bytes.at, t->bytes.len) == ARCHIVE_OK)
        read_all(r, t, a, rare_zip_only);
    else
        end_facts(r, t, a, ARCHIVE_FATAL);
    archive_read_free(a);
    uselocale(before);
}

void archive_look(struct reading *r, struct thing *t)
{
    if (t->type == FILE_RAR && rar_header_is_encrypted(t->bytes)) {
        t->facts |= FACT_ENCRYPTED | FACT_HEADER_ENCRYPTED;
        detail_add(r, "rar: encrypted, names too");
        return;
    }
    read_with(r, t, t->type, false);
}

void archive_read_rare_zip(struct reading *r, struct thing *t)
{
    read_with(r, t, FILE_ZIP, true);
}
