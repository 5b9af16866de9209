/* read.c: one file after the other: what it is, what is in it, and the account of both; see file.h and reading.h. */
#include "scan/files/reading.h"

#include "base/hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME_FACTS = FACT_TYPE_DIFFERS | FACT_DOUBLE_EXTENSION | FACT_NAME_TRICK };

static unsigned name_facts(struct str name, enum file_type type, bool path_allowed)
{
    return (file_name_fits(name, type) ? 0U : FACT_TYPE_DIFFERS) | (file_extension_is_double(name) ? FACT_DOUBLE_EXTENSION : 0U) |
           (file_name_has_trick(name, path_allowed) ? FACT_NAME_TRICK : 0U);
}

static bool digest(struct file_context *c, struct str bytes, unsigned char *sha256)
{
    return EVP_DigestInit_ex2(c->digest, c->sha256, NULL) == 1 && EVP_DigestUpdate(c->digest, bytes.at, bytes.len) == 1 &&
           EVP_DigestFinal_ex(c->digest, sha256, NULL) == 1;
}

/* A ratio of 0 would make everything a bomb, and one over the largest ceiling nothing. */
static void begin(struct reading *r, struct file_context *c, struct arena *arena, struct str bytes, struct file_budget *budget, struct file_report *out)
{
    *out = (struct file_report){0};
    if (budget->ratio == 0)
        budget->ratio = 1;
    uint64_t by_ratio = (uint64_t)bytes.len * budget->ratio;
    *r = (struct reading){.context = c, .arena = arena, .budget = budget, .out = out, .entries_tail = &out->entries, .urls_tail = &out->urls,
                          .may_unpack = by_ratio > RATIO_FROM_BYTES ? by_ratio : RATIO_FROM_BYTES};
}

static void read_as(struct reading *r, struct thing *t)
{
    struct file_report *out = r->out;

    out->type = t->type;
    digest(r->context, t->bytes, out->sha256);
    t->facts |= name_facts(t->name, t->type, false);
    look_into(r, t);
    out->facts |= t->facts;
    out->detail = arena_str(r->arena, str_n(r->detail, r->detail_len));
    if (r->arena->failed)
        out->facts |= FACT_BOMB;
}

void file_read(struct file_context *c, struct arena *arena, struct str bytes, struct str name, struct file_budget *budget, struct file_report *out)
{
    struct reading r;
    struct thing t = {.bytes = bytes, .name = name, .type = file_type_by_magic(bytes)};

    begin(&r, c, arena, bytes, budget, out);
    read_as(&r, &t);
}

bool tnef_read(struct file_context *c, struct arena *arena, struct str bytes, struct file_budget *budget, struct file_report *out)
{
    struct reading r;
    struct thing t = {.bytes = bytes, .name = STR("winmail.dat"), .type = FILE_TNEF};

    begin(&r, c, arena, bytes, budget, out);
    if (le32(bytes, 0) != 0x223E9F78)
        return false;
    read_as(&r, &t);
    return true;
}

static void look_by_type(struct reading *r, struct thing *t)
{
    switch (t->type) {
    case FILE_ZIP: case FILE_JAR: case FILE_APK: case FILE_DOCX: case FILE_XLSX: case FILE_PPTX: case FILE_ODF:
        zip_look(r, t);
        break;
    case FILE_7Z: case FILE_RAR: case FILE_TAR: case FILE_GZIP: case FILE_BZIP2: case FILE_XZ: case FILE_ZSTD: case FILE_LZ4: case FILE_COMPRESS:
    case FILE_LZIP: case FILE_CPIO: case FILE_AR: case FILE_ISO: case FILE_CAB:
        archive_look(r, t);
        break;
    case FILE_OLE: case FILE_DOC: case FILE_XLS: case FILE_PPT: case FILE_MSG: case FILE_MSI:
        ole_look(r, t);
        break;
    case FILE_PDF:
        pdf_look(r, t);
        break;
    case FILE_RTF:
        rtf_look(r, t);
        break;
    case FILE_PNG: case FILE_JPEG: case FILE_GIF:
        image_look(r, t);
        break;
    case FILE_TNEF:
        tnef_look(r, t);
        break;
    case FILE_HTML: case FILE_SVG: case FILE_XML:
        markup_look(r, t);
        break;
    case FILE_SHORTCUT:
        shortcut_look(r, t);
        break;
    case FILE_ONENOTE:
        onenote_look(r, t);
        break;
    case FILE_ARJ: case FILE_ACE: case FILE_LZH: case FILE_WIM: case FILE_VHD: case FILE_DMG: case FILE_DISK:
        t->facts |= FACT_UNREAD;
        detail_add(r, "%s is not looked into", file_type_name(t->type));
        break;
    default:
        break;
    }
}

/* Has insides that we read. */
static bool is_opened(enum file_type t)
{
    return (file_type_is_archive(t) || file_type_is_office(t) || t == FILE_PDF || t == FILE_MSG) && t != FILE_RTF && t != FILE_PDF;
}

void look_into(struct reading *r, struct thing *t)
{
    if (t->level >= r->budget->levels && file_type_is_archive(t->type)) {
        t->facts |= FACT_TOO_DEEP;
        detail_add(r, "%.*s: too deep", STR_ARG(t->path));
        return;
    }
    look_by_type(r, t);
    /* Whatever it looks like from its beginning, unzip programs read from the end. */
    if (!is_opened(t->type) && t->level < r->budget->levels)
        look_for_archive_behind(r, t);
}

/* "outer/inner", printable. */
static struct str join_path(struct reading *r, struct str outer, struct str name)
{
    struct str clean = printable(r->arena, name, FILE_PATH_MAX);

    if (outer.len == 0)
        return clean;
    char *both = arena_printf(r->arena, "%.*s/%.*s", STR_ARG(outer), STR_ARG(clean));
    struct str path = str_from(both);
    if (path.len <= FILE_PATH_MAX)
        return path;
    path.len = FILE_PATH_MAX;
    while (path.len && ((unsigned char)path.at[path.len] & 0xC0) == 0x80)
        path.len--;
    return path;
}

struct file_entry *entry_add(struct reading *r, struct thing *t, struct str name, uint64_t size)
{
    if (r->budget->entries == 0) {
        t->facts |= FACT_TOO_MANY;
        r->out->entries_dropped++;
        return NULL;
    }
    struct file_entry *entry = arena_alloc(r->arena, sizeof *entry);
    if (!entry) {
        t->facts |= FACT_BOMB;
        r->out->entries_dropped++;
        return NULL;
    }
    r->budget->entries--;
    entry->path = join_path(r, t->path, name);
    entry->name = str_from_index(entry->path, (size_t)(str_find_last(entry->path, '/') + 1));
    entry->size = size;
    entry->level = (uint8_t)(t->level + 1);
    entry->facts = name_facts(name, FILE_UNKNOWN, true);
    *r->entries_tail = entry;
    r->entries_tail = &entry->next;
    r->out->entry_count++;
    return entry;
}

void entry_fact(struct reading *r, struct thing *t, struct file_entry *entry, unsigned facts)
{
    (void)r;
    if (entry)
        entry->facts |= facts;
    t->facts |= facts & ~(unsigned)NAME_FACTS;
}

void entry_content(struct reading *r, struct thing *t, struct file_entry *entry, struct str content, bool it_stays)
{
    if (!it_stays && content.len) {
        /* a look first: the arena's ceiling is the message's, and one entry must not take what the rest needs */
        size_t room = r->arena->used < r->arena->ceiling ? r->arena->ceiling - r->arena->used : 0;
        struct str copy = content.len < room / 2 ? arena_str(r->arena, content) : str_n(NULL, 0);
        if (!copy.at)
            entry_fact(r, t, entry, FACT_BOMB);
        entry->content = copy;
    } else {
        entry->content = content;
    }
    entry->size = content.len;
    entry->type = file_type_by_magic(content);
    entry->has_sha256 = digest(r->context, content, entry->sha256);
    entry->facts |= name_facts(entry->name, entry->type, true);
    struct thing inner = {.bytes = entry->content, .path = entry->path, .name = entry->name, .type = entry->type, .level = entry->level};
    if (entry->content.len == content.len)
        look_into(r, &inner);
    entry_fact(r, t, entry, inner.facts);
}

void url_add(struct reading *r, struct str url, const char *from)
{
    url = str_trim(url);
    if (url.len == 0)
        return;
    uint64_t hash = hash_str(url), *slot = &r->urls_seen[hash % URLS_SEEN];
    if (*slot == hash)
        return;
    *slot = hash;
    if (r->budget->urls == 0) {
        r->out->urls_dropped++;
        return;
    }
    struct str clean = printable(r->arena, url, FILE_URL_MAX);
    struct file_url *added = arena_alloc(r->arena, sizeof *added);
    if (!added || !clean.at) {
        r->out->urls_dropped++;
        return;
    }
    r->budget->urls--;
    added->url = clean;
    added->from = from;
    *r->urls_tail = added;
    r->urls_tail = &added->next;
    r->out->url_count++;
}

void detail_add(struct reading *r, const char *format, ...)
{
    char one[256];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(one, sizeof one, format, args);
    va_end(args);
    if (n <= 0)
        return;
    size_t len = (size_t)n < sizeof one ? (size_t)n : sizeof one - 1;
    while ((size_t)n >= sizeof one && len && ((unsigned char)one[len - 1] & 0x80))
        len--; /* cut between characters */
    if (r->detail_len + len + 2 > sizeof r->detail)
        return;
    if (r->detail_len) {
        memcpy(r->detail + r->detail_len, "; ", 2);
        r->detail_len += 2;
    }
    memcpy(r->detail + r->detail_len, one, len);
    r->detail_len += len;
}
