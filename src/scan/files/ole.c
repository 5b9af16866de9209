/* ole.c: office files of the old kind, messages of Outlook and installers, all of them compound files; see reading.h and cfb.h. */
#include "scan/files/ole.h"

#include "scan/files/cfb.h"
#include "scan/files/vba.h"

#include <string.h>

enum { KIND_ENTRIES = 256, HEAD = 64, SOURCE_MAX = 1 << 20, NAME_BYTES = 1024 };

struct ole { struct reading *r; struct thing *t; struct cfb *c; struct buf scratch; };

static bool is_named(const struct cfb_entry *e, const char *name)
{
    return str_is_case(str_from(e->name), name);
}

enum file_type ole_kind(struct str bytes)
{
    struct arena arena = arena_make(4 << 20);
    struct cfb c;
    enum file_type type = FILE_OLE;

    if (cfb_open(&arena, bytes, KIND_ENTRIES, &c)) {
        /* {000C1084-0000-0000-C000-000000000046} and its neighbours for patches and transforms */
        if (c.class_id[1] == 0x10 && c.class_id[2] == 0x0C && c.class_id[0] >= 0x82 && c.class_id[0] <= 0x86)
            type = FILE_MSI;
        for (uint32_t i = 1; i < c.count && type == FILE_OLE; i++) {
            const struct cfb_entry *e = &c.entries[i];
            if (e->kind != CFB_STREAM || e->parent != 0)
                continue;
            type = is_named(e, "WordDocument") ? FILE_DOC : is_named(e, "Workbook") || is_named(e, "Book") ? FILE_XLS :
                   is_named(e, "PowerPoint Document") ? FILE_PPT : is_named(e, "__properties_version1.0") ? FILE_MSG : FILE_OLE;
        }
    }
    arena_free(&arena);
    return type;
}

/* Into the scratch. All streams together give twice the file at most (cfb.h), so nothing is paid before it becomes an entry. */
static struct str read_stream(struct ole *o, const struct cfb_entry *e, size_t most)
{
    cfb_read(o->c, e, most, &o->scratch);
    return buf_str(&o->scratch);
}

/* A stream that is kept, for an entry; at == NULL at a ceiling. */
static struct str keep_stream(struct ole *o, const struct cfb_entry *e)
{
    struct str content = read_stream(o, e, SIZE_MAX), kept = {0};

    if (content.len <= unpack_room(o->r))
        kept = arena_str(o->r->arena, content);
    if (!kept.at)
        o->t->facts |= FACT_BOMB;
    else
        unpack_pay(o->r, kept.len);
    return kept;
}

static void macro(struct ole *o, unsigned facts, const char *words, const char *where)
{
    o->t->facts |= facts;
    detail_add(o->r, "%s in %.80s", words, where);
}

static void look_for_auto_name(struct ole *o, const struct cfb_entry *e, struct str text)
{
    const char *name = vba_auto_name(text);
    if (name)
        macro(o, FACT_MACRO | FACT_AUTO_MACRO, name, e->name);
}

/* A module's source may say that it runs by itself. */
static void look_at_module(struct ole *o, const struct cfb_entry *e)
{
    struct buf source = buf_make(SOURCE_MAX);

    if (vba_module_source(read_stream(o, e, SIZE_MAX), &source)) {
        unpack_pay(o->r, source.len);
        look_for_auto_name(o, e, buf_str(&source));
        if (source.failed)
            o->t->facts |= FACT_BOMB;
    }
    buf_free(&source);
}

static bool is_in(const struct ole *o, const struct cfb_entry *e, const char *storage)
{
    return e->parent < o->c->count && is_named(&o->c->entries[e->parent], storage);
}

static void look_for_macros(struct ole *o, const struct cfb_entry *e)
{
    if (e->kind != CFB_STREAM) {
        if (is_named(e, "_VBA_PROJECT_CUR") || is_named(e, "Macros"))
            macro(o, FACT_MACRO, "VBA", e->name);
        return;
    }
    if (is_named(e, "_VBA_PROJECT")) {
        macro(o, FACT_MACRO, "VBA", e->name);
        /* the names of compiled code stand here, also where the source has been taken away */
        look_for_auto_name(o, e, read_stream(o, e, SIZE_MAX));
    } else if (is_in(o, e, "VBA") && !is_named(e, "dir") && !str_starts_case(str_from(e->name), STR("__SRP")))
        look_at_module(o, e);
}

/* Word's base (MS-DOC §2.5.2): fEncrypted. */
static void look_at_word(struct ole *o, const struct cfb_entry *e)
{
    struct str head = read_stream(o, e, HEAD);

    if (le16(head, 0) == 0xA5EC && (le16(head, 10) & 0x0100)) {
        o->t->facts |= FACT_ENCRYPTED;
        detail_add(o->r, "Word file with a password");
    }
}

/* MS-PPT §2.3.2: the token of an encrypted file. */
static void look_at_current_user(struct ole *o, const struct cfb_entry *e)
{
    if (le32(read_stream(o, e, HEAD), 12) == 0xF3D1C4DF) {
        o->t->facts |= FACT_ENCRYPTED;
        detail_add(o->r, "PowerPoint file with a password");
    }
}

/* A file packed into the document; NATIVE lives as long as the report (MS-OLEDS §2.3.6 and the packager's own layout): label, path, then the bytes. */
static void add_native(struct ole *o, struct str native)
{
    struct str label = {0};
    size_t at = 6;

    for (int i = 0; i < 2; i++) { /* label and path, each ended by NUL */
        struct str rest = str_from_index(native, at);
        ptrdiff_t end = str_find(str_sub(rest, 0, NAME_BYTES), 0);
        if (end < 0)
            break;
        if (i == 0)
            label = str_sub(rest, 0, (size_t)end);
        at += (size_t)end + 1;
    }
    size_t temporary = le32(native, at + 4), data = at + 8 + temporary;
    struct str content = data < native.len && temporary < NAME_BYTES ? str_sub(native, data + 4, le32(native, data)) : str_n(NULL, 0);
    struct file_entry *entry = entry_add(o->r, o->t, label.len ? label : STR("object"), content.len);
    if (entry)
        entry_content(o->r, o->t, entry, content.len ? content : str_from_index(native, 4), true);
}

static void look_for_objects(struct ole *o, const struct cfb_entry *e)
{
    bool native = is_named(e, "\1Ole10Native"), package = is_named(e, "Package");

    if (is_named(e, "ObjectPool") || is_named(e, "Equation Native") || native || (package && e->kind == CFB_STREAM))
        o->t->facts |= FACT_OLE_OBJECT;
    if (e->kind != CFB_STREAM || (!native && !package))
        return;
    struct str content = keep_stream(o, e);
    if (!content.at)
        return;
    if (native) {
        add_native(o, content);
        return;
    }
    struct file_entry *entry = entry_add(o->r, o->t, STR("package"), content.len);
    if (entry)
        entry_content(o->r, o->t, entry, content, true);
}

static void look_for_password(struct ole *o, const struct cfb_entry *e)
{
    if (e->kind == CFB_STREAM && (is_named(e, "EncryptedPackage") || is_named(e, "EncryptedSummary"))) {
        o->t->facts |= FACT_ENCRYPTED;
        detail_add(o->r, "office file with a password");
    }
}

static void look_at_stream(struct ole *o, const struct cfb_entry *e)
{
    if (is_named(e, "WordDocument")) {
        look_at_word(o, e);
    } else if (is_named(e, "Current User")) {
        look_at_current_user(o, e);
    } else if (is_named(e, "Workbook") || is_named(e, "Book")) {
        biff_look(o->r, o->t, read_stream(o, e, SIZE_MAX));
    } else if (is_named(e, "PowerPoint Document")) {
        struct str content = read_stream(o, e, SIZE_MAX);
        powerpoint_look(o->r, o->t, content);
    }
}

void ole_look(struct reading *r, struct thing *t)
{
    struct cfb c;
    struct ole o = {r, t, &c, unpack_buf()};

    if (!cfb_open(r->arena, t->bytes, CFB_ENTRIES_MAX, &c)) {
        t->facts |= FACT_DAMAGED;
        return;
    }
    for (uint32_t i = 1; i < c.count; i++) {
        const struct cfb_entry *e = &c.entries[i];
        if (e->kind != CFB_STREAM && e->kind != CFB_STORAGE)
            continue;
        look_for_password(&o, e);
        look_for_macros(&o, e);
        look_for_objects(&o, e);
        if (e->kind == CFB_STREAM)
            look_at_stream(&o, e);
    }
    if (t->type == FILE_MSG)
        msg_look(r, t, &c);
    t->facts |= (c.is_damaged ? FACT_DAMAGED : 0U) | (c.is_cut ? FACT_TOO_MANY : 0U);
    buf_free(&o.scratch);
}
