/*
 * mime_entity.c: what a part's header says: the first of each field counts (as Thunderbird and most libraries have it), and whatever another reader
 * could take instead is remembered for mime_other.c.
 */
#include "mail/line.h"
#include "mail/mime_parts.h"

enum {
    DAMAGED = HEADER_SPACE_BEFORE_COLON | HEADER_BAD_NAME | HEADER_NUL | HEADER_BARE_CR_LF,
    MALFORMED = PARAMETER_UNQUOTED | PARAMETER_QUOTE_OPEN | PARAMETER_NO_VALUE | PARAMETER_JUNK | PARAMETER_CONTINUATION_GAP |
                PARAMETER_BAD_PERCENT | PARAMETER_CONTROL
};

/* Which field NAME is for a reader that passes over blanks, controls and NUL inside it. */
static enum mime_field_id damaged_field_id(struct str name)
{
    char text[64];
    size_t len = 0;

    for (size_t i = 0; i < name.len && len < sizeof text; i++)
        if ((unsigned char)name.at[i] > 32 && (unsigned char)name.at[i] < 127)
            text[len++] = name.at[i];
    return mime_field_id(str_n(text, len));
}

static void take_first(struct str value, struct str *to, bool *has)
{
    if (!*has)
        *to = value;
    *has = true;
}

static void take_type(struct mime_part_state *s, const struct header_field *f, bool is_damaged, bool is_known)
{
    if (s->last.has_type)
        s->type_line = (uint32_t)f->line;
    s->last.type = f->value;
    s->last.has_type = true;
    if (is_known)
        take_first(f->value, &s->first.type, &s->first.has_type);
    if (!is_damaged)
        take_first(f->value, &s->strict.type, &s->strict.has_type);
}

static void take_encoding(struct mime_part_state *s, const struct header_field *f, bool is_damaged, bool is_known)
{
    if (s->last.has_encoding)
        s->encoding_line = (uint32_t)f->line;
    s->last.encoding = f->value;
    s->last.has_encoding = true;
    if (is_known)
        take_first(f->value, &s->first.encoding, &s->first.has_encoding);
    if (!is_damaged)
        take_first(f->value, &s->strict.encoding, &s->strict.has_encoding);
}

/* The file name that VALUE's parameters give; empty when there is none. */
static struct str name_in(const struct parameter *list, const char *key)
{
    const struct parameter *p = parameter_find(list, key);
    return p ? p->value : (struct str){0};
}

/* Several are joined by " / "; whoever judges them takes each piece between slashes for itself. */
static void add_other_name(struct arena *arena, struct mime_part *part, struct str name)
{
    enum { OTHER_NAMES_MAX = 4096 };
    struct str others = part->other_name;

    if (!name.len || str_eq(name, part->name) || str_eq(name, others) || others.len + name.len > OTHER_NAMES_MAX)
        return;
    part->other_name = name;
    if (!others.len)
        return;
    char *joined = arena_printf(arena, STR_FMT " / " STR_FMT, STR_ARG(others), STR_ARG(name));
    part->other_name = joined ? str_from(joined) : others;
}

/* A reader that goes by C strings, or drops what is behind a control character, cuts the name there. */
static struct str before_control(struct str name)
{
    size_t n = 0;

    while (n < name.len && ((unsigned char)name.at[n] >= ' ' || name.at[n] == '\t') && !str_starts(str_from_index(name, n), STR("\xEF\xBF\xBD")))
        n++;
    return str_sub(name, 0, n);
}

/* Every value of KEY: of two the first counts here and the last elsewhere; of name*= and name= the plain one is all that old readers know. */
static void add_other_names(struct arena *arena, struct mime_part *part, const struct parameter *list, const char *key)
{
    for (; list; list = list->next) {
        if (!str_is(list->name, key))
            continue;
        add_other_name(arena, part, list->value);
        struct str cut = before_control(list->value);
        if (cut.len < list->value.len)
            add_other_name(arena, part, cut);
    }
}

static void take_disposition(struct mime_reader *r, struct mime_part *part, const struct header_field *f)
{
    struct disposition second;

    if (!part->disposition.kind.at) {
        disposition_parse(r->arena, r->charsets, f->value, &part->disposition);
        if (!part->disposition.kind.at)
            part->disposition.kind = STR("");
        return;
    }
    disposition_parse(r->arena, r->charsets, f->value, &second);
    struct str name = name_in(second.parameters, "filename");
    if (str_eq(second.kind, part->disposition.kind) && str_eq(name, name_in(part->disposition.parameters, "filename")))
        return;
    mime_note(r, MIME_DISPOSITION_TWICE, part, (uint32_t)f->line, f->value);
    add_other_name(r->arena, part, name);
}

/* A continuation that holds only blanks ends the header for readers that trim lines. Returns the offset behind it in RAW, or 0. */
static size_t behind_blank_line(struct str raw)
{
    struct str rest = raw;

    line_take(&rest);
    while (rest.len)
        if (line_trim_end(line_text(line_take(&rest))).len == 0)
            return raw.len - rest.len;
    return 0;
}

static void look_for_blank_line(struct mime_part_state *s, const struct header_field *f)
{
    size_t behind;

    if (s->below.at || !memchr(f->raw.at, '\n', f->raw.len - 1) || !(behind = behind_blank_line(f->raw)))
        return;
    s->above = s->first;
    s->below = str_from_index(f->raw, behind);
    s->below_line = (uint32_t)f->line;
    for (size_t i = 0; i < behind; i++)
        s->below_line += f->raw.at[i] == '\n';
}

static void take_field(struct mime_reader *r, struct mime_part *part, const struct header_field *f, uint32_t *versions)
{
    struct mime_part_state *s = mime_state(part);
    enum mime_field_id id = mime_field_id(f->name);
    bool is_known = id != FIELD_NONE, is_damaged = (f->defects & DAMAGED) != 0;

    if (is_damaged && !is_known)
        id = damaged_field_id(f->name);
    look_for_blank_line(s, f);
    if (id == FIELD_NONE)
        return;
    if (is_damaged && id <= FIELD_DISPOSITION)
        mime_note(r, MIME_HEADER_DEFECT, part, (uint32_t)f->line, f->name);
    if (s->below.at && id <= FIELD_ENCODING && f->raw.at >= s->below.at)
        s->fields_below = true;
    switch (id) {
    case FIELD_TYPE: take_type(s, f, is_damaged, is_known); break;
    case FIELD_ENCODING: take_encoding(s, f, is_damaged, is_known); break;
    case FIELD_DISPOSITION: take_disposition(r, part, f); break;
    case FIELD_VERSION:
        if (++*versions == 2)
            mime_note(r, MIME_VERSION_TWICE, part, (uint32_t)f->line, f->value);
        break;
    case FIELD_ID: part->content_id = part->content_id.at ? part->content_id : str_trim(f->value); break;
    case FIELD_LOCATION: part->content_location = part->content_location.at ? part->content_location : str_trim(f->value); break;
    case FIELD_DESCRIPTION: part->description = part->description.at ? part->description : str_trim(f->value); break;
    case FIELD_NONE: break;
    }
}

static void note_type_defects(struct mime_reader *r, const struct mime_part *part, unsigned defects, struct str value)
{
    if (defects & (PARAMETER_TWICE | PARAMETER_BOTH_FORMS))
        mime_note(r, MIME_PARAMETER_TWICE, part, part->line, value);
    if (defects & MALFORMED)
        mime_note(r, MIME_PARAMETER_MALFORMED, part, part->line, value);
    if (defects & PARAMETER_CUT)
        mime_note(r, MIME_HEADER_CUT, part, part->line, STR("too many or too long parameters"));
    if (defects & PARAMETER_COMMENT)
        mime_note(r, MIME_COMMENT_IN_STRUCTURE, part, part->line, value);
}

static bool is_in_digest(const struct mime_part *part)
{
    return part->parent && content_type_is(&part->parent->type, "multipart", "digest");
}

static void set_default_type(struct mime_part *part)
{
    part->type.type = is_in_digest(part) ? STR("message") : STR("text");
    part->type.subtype = is_in_digest(part) ? STR("rfc822") : STR("plain");
}

/* "multipart", "text", "message" alone: readers take the usual subtype. */
static void complete_type(struct mime_part *part)
{
    static const struct { const char *type, *subtype; } usual[] = {{"multipart", "mixed"}, {"text", "plain"}, {"message", "rfc822"}};

    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (part->type.subtype.len == 0 && str_is(part->type.type, usual[i].type))
            part->type.subtype = str_from(usual[i].subtype);
}

static void apply_type(struct mime_reader *r, struct mime_part *part, const struct mime_fields *fields)
{
    part->type = (struct content_type){0};
    part->type_is_declared = fields->has_type;
    if (fields->has_type) {
        content_type_parse(r->arena, r->charsets, fields->type, &part->type);
        note_type_defects(r, part, part->type.defects, fields->type);
        if (part->type.defects & PARAMETER_SLASH || part->type.type.len == 0)
            mime_note(r, MIME_CONTENT_TYPE_MALFORMED, part, part->line, fields->type);
        complete_type(part);
    }
    if (part->type.type.len == 0)
        set_default_type(part);
}

static void apply_boundary(struct mime_reader *r, struct mime_part *part)
{
    const struct parameter *boundary = parameter_find(part->type.parameters, "boundary");

    part->boundary = (struct str){0};
    if (!mime_part_is_multipart(part) || !boundary)
        return;
    /* blanks at its end are cut, since they are from the lines as well */
    struct str value = boundary->value;
    if (mime_boundary_is_odd(value))
        mime_note(r, MIME_BOUNDARY_ODD, part, part->line, value);
    value = line_trim_end(value);
    if (value.len)
        part->boundary = value;
}

void mime_apply_fields(struct mime_reader *r, struct mime_part *part, const struct mime_fields *fields)
{
    bool has_comment = false;

    apply_type(r, part, fields);
    apply_boundary(r, part);
    part->encoding = ENCODING_7BIT;
    if (!fields->has_encoding)
        return;
    part->encoding = mime_encoding_read(fields->encoding, &mime_state(part)->is_odd_encoding, &has_comment);
    if (part->encoding == ENCODING_UNKNOWN)
        mime_note(r, MIME_TRANSFER_ENCODING_UNKNOWN, part, part->line, str_trim(fields->encoding));
    if (has_comment)
        mime_note(r, MIME_COMMENT_IN_STRUCTURE, part, part->line, str_trim(fields->encoding));
}

/* Readers that want a name for what has none take what else looks like one: the description, or the end of the content's address. */
static void add_made_up_names(struct arena *arena, struct mime_part *part)
{
    struct str location = part->content_location, description = part->description;

    if (part->name.len || str_is(part->type.type, "text") || str_is(part->type.type, "image") || mime_part_is_multipart(part))
        return;
    if (str_find(description, ' ') < 0 && !str_ends_case(description, STR(".com"))) /* "example.com" describes as well */
        add_other_name(arena, part, description);
    ptrdiff_t query = str_find(location, '?'), host = str_find_str(location, STR("://"));
    location = query < 0 ? location : str_sub(location, 0, (size_t)query);
    ptrdiff_t slash = str_find_last(location, '/');
    if (slash < 0 || (host >= 0 && slash > host + 2))
        add_other_name(arena, part, str_from_index(location, (size_t)(slash + 1)));
}

static void set_name(struct arena *arena, struct mime_part *part)
{
    struct str filename = name_in(part->disposition.parameters, "filename"), name = name_in(part->type.parameters, "name");

    part->name = filename.len ? filename : name;
    add_other_names(arena, part, part->disposition.parameters, "filename");
    add_other_names(arena, part, part->disposition.parameters, "name");
    add_other_names(arena, part, part->type.parameters, "name");
    add_other_names(arena, part, part->type.parameters, "filename");
    add_made_up_names(arena, part);
    bool is_text = content_type_is(&part->type, "text", "plain") || content_type_is(&part->type, "text", "html");
    bool is_inline = part->disposition.kind.len == 0 || str_is(part->disposition.kind, "inline");
    part->is_attachment = !is_inline || (!is_text && (part->name.len || !str_is(part->type.type, "text")));
    if (mime_part_is_multipart(part))
        part->is_attachment = false;
}

static void note_kind(struct mime_reader *r, const struct mime_part *part)
{
    bool is_message = str_is(part->type.type, "message");

    if (is_message && str_is(part->type.subtype, "partial"))
        mime_note(r, MIME_PARTIAL, part, part->line, (struct str){0});
    if (is_message && str_is(part->type.subtype, "external-body"))
        mime_note(r, MIME_EXTERNAL_BODY, part, part->line, (struct str){0});
    if (is_in_digest(part) && !is_message && !mime_part_is_multipart(part))
        mime_note(r, MIME_DIGEST_ODD, part, part->line, part->type.type);
}

static void note_version(struct mime_reader *r, const struct mime_part *part, uint32_t versions)
{
    const struct mime_fields *first = &((const struct mime_part_state *)part)->first;
    bool is_whole = !part->parent || mime_part_is_message(part->parent);

    if (is_whole && versions == 0 && (first->has_type || first->has_encoding))
        mime_note(r, MIME_VERSION_MISSING, part, part->line, (struct str){0});
}

/* Where the header ends in front of LINE, which is no field. */
static void note_early_end(struct mime_walk *w, struct mime_part *part, struct str line, uint32_t number)
{
    bool closes;

    if (mime_match(w, line, &closes)) {
        if (part->header.len)
            mime_note(w->reader, MIME_BOUNDARY_IN_HEADER, part, number, line);
        return;
    }
    mime_state(part)->ends_early = true;
    mime_note(w->reader, MIME_HEADER_ENDS_EARLY, part, number, line);
}

void mime_read_header(struct mime_walk *w, struct mime_part *part)
{
    struct mime_reader *r = w->reader;
    struct str text = str_from_index(w->text, w->at);
    struct header_walk walk = header_walk(text);
    struct header_field f;
    uint32_t count = 0, versions = 0;
    bool closes, in_boundary = false, is_cut = false;

    part->line = w->line;
    part->header = str_sub(text, 0, 0);
    while (!in_boundary && header_next(&walk, &f)) {
        if (mime_match(w, str_sub(f.raw, 0, line_size(f.raw)), &closes)) {
            in_boundary = true; /* a boundary with a colon inside looks like a field */
            break;
        }
        part->header.len += f.raw.len;
        f.line = w->line ? f.line + w->line - 1 : 0;
        if (++count <= r->limits->header_fields && part->header.len <= r->limits->header_bytes) {
            take_field(r, part, &f, &versions);
        } else if (!is_cut) {
            is_cut = true;
            mime_note(r, MIME_HEADER_CUT, part, (uint32_t)f.line, f.name);
        }
    }
    size_t consumed = in_boundary ? part->header.len : walk.body;
    w->at += consumed;
    if (w->line)
        w->line += (uint32_t)(walk.line - 1) + (consumed > part->header.len);
    if (in_boundary && w->line)
        w->line = (uint32_t)f.line;
    if (in_boundary || walk.defects & HEADER_NO_COLON)
        note_early_end(w, part, str_sub(text, consumed, line_size(str_from_index(text, consumed))), w->line);
    mime_apply_fields(r, part, &mime_state(part)->first);
    set_name(r->arena, part);
    note_kind(r, part);
    note_version(r, part, versions);
}
