/* msg.c: messages as Outlook keeps them (MS-OXMSG): each property a stream, called by its number; see ole.h. */
#include "scan/files/cfb.h"
#include "scan/files/ole.h"

#include <string.h>

enum { NAMES_MAX = 256, NAME_BYTES = 1024 };
#define PROPERTY "__substg1.0_"

/* The property's id and type as 8 hexadecimal digits: 37010102 is an attachment's data. */
static bool is_property(const struct cfb_entry *e, const char *digits)
{
    return e->kind == CFB_STREAM && str_starts_case(str_from(e->name), STR(PROPERTY)) && str_is_case(str_from(e->name + sizeof PROPERTY - 1), digits);
}

struct named { uint32_t parent; struct str name; bool is_long; };

/* All attachments' names, so that each of them is looked for among few. */
static size_t read_names(struct reading *r, struct cfb *c, struct named *names)
{
    struct buf raw = buf_make(NAME_BYTES);
    size_t n = 0;

    for (uint32_t i = 1; i < c->count && n < NAMES_MAX; i++) {
        const struct cfb_entry *e = &c->entries[i];
        bool wide_long = is_property(e, "3707001F"), narrow_long = is_property(e, "3707001E");
        bool wide = wide_long || is_property(e, "3704001F"), narrow = narrow_long || is_property(e, "3704001E");
        if (!wide && !narrow)
            continue;
        cfb_read(c, e, NAME_BYTES, &raw);
        struct str text = wide ? utf16_text(r->arena, buf_str(&raw), false) : arena_str(r->arena, buf_str(&raw));
        names[n++] = (struct named){e->parent, text, wide_long || narrow_long};
    }
    buf_free(&raw);
    return n;
}

static struct str name_of(const struct named *names, size_t count, uint32_t parent)
{
    struct str name = STR("attachment");

    for (size_t i = 0; i < count; i++) {
        if (names[i].parent != parent)
            continue;
        if (names[i].is_long)
            return names[i].name;
        name = names[i].name;
    }
    return name;
}

static void add(struct reading *r, struct thing *t, struct str name, struct str content, bool it_stays)
{
    struct file_entry *entry = entry_add(r, t, name, content.len);
    if (entry)
        entry_content(r, t, entry, content, it_stays);
}

static void add_property(struct reading *r, struct thing *t, const struct cfb_entry *e, struct str content, struct str name)
{
    if (is_property(e, "37010102")) {
        add(r, t, name, content, false);
    } else if (is_property(e, "1000001F")) {
        add(r, t, STR("body.txt"), utf16_text(r->arena, content, false), true);
    } else if (is_property(e, "1000001E")) {
        add(r, t, STR("body.txt"), content, false);
    } else if (is_property(e, "10130102")) {
        add(r, t, STR("body.html"), content, false);
    } else if (is_property(e, "10090102")) {
        rtf_body(r, t, content);
    }
}

void msg_look(struct reading *r, struct thing *t, struct cfb *c)
{
    static const char *const wanted[] = {"37010102", "1000001F", "1000001E", "10130102", "10090102"};
    struct named *names = arena_alloc(r->arena, NAMES_MAX * sizeof *names);
    size_t count = names ? read_names(r, c, names) : 0;
    struct buf raw = unpack_buf();

    for (uint32_t i = 1; i < c->count; i++) {
        const struct cfb_entry *e = &c->entries[i];
        bool want = false;
        for (size_t n = 0; n < sizeof wanted / sizeof *wanted; n++)
            want |= is_property(e, wanted[n]);
        if (!want)
            continue;
        size_t room = unpack_room(r);
        cfb_read(c, e, room, &raw);
        if (e->size > room)
            t->facts |= FACT_BOMB;
        unpack_pay(r, raw.len);
        add_property(r, t, e, buf_str(&raw), name_of(names, count, e->parent));
    }
    buf_free(&raw);
}
