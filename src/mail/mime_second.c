/*
 * mime_second.c: other readings of the same octets, one after the other once the first is done, so that none calls itself. They share a
 * budget, and readings found inside other readings stop at a level.
 */
#include "mail/line.h"
#include "mail/mime_parts.h"

uint32_t mime_line_of(const struct mime_part *part, const char *at)
{
    uint32_t line = part->line;

    for (const char *p = part->header.at; line && p < at; p++) {
        p = memchr(p, '\n', (size_t)(at - p));
        if (!p)
            break;
        line++;
    }
    return line;
}

struct second_reading *mime_second_add(struct mime_reader *r, enum second_kind kind, struct mime_part *part, struct str text, uint32_t line)
{
    if (r->level >= SECOND_LEVEL_MAX && kind != SECOND_DECODED)
        return NULL;
    if (kind != SECOND_DECODED && text.len > r->reread_left) {
        mime_note(r, MIME_SECOND_READING_CUT, part, line, (struct str){0});
        return NULL;
    }
    struct second_reading *s = arena_alloc(r->arena, sizeof *s);
    if (!s)
        return NULL;
    if (kind != SECOND_DECODED)
        r->reread_left -= text.len;
    *s = (struct second_reading){.kind = kind, .part = part, .text = text, .line = line, .level = (uint8_t)(r->level + 1)};
    *r->seconds_end = s;
    r->seconds_end = &s->next;
    return s;
}

/* A part beside the one it reads otherwise; below the message when it is the message itself. */
static struct mime_part *add_beside(struct mime_reader *r, const struct second_reading *s)
{
    struct mime_part *part = mime_part_add(r, s->part->parent ? s->part->parent : s->part);

    if (!part)
        return NULL;
    part->first_reading = s->part;
    part->line = s->line ? s->part->line : 0; /* decoded: its lines are not the message's */
    part->header = s->part->header;
    part->disposition = s->part->disposition;
    part->name = s->part->name;
    part->other_name = s->part->other_name;
    part->is_attachment = s->part->is_attachment;
    part->type = s->part->type;
    return part;
}

static void read_as_multipart(struct mime_reader *r, const struct second_reading *s)
{
    struct mime_part *part = add_beside(r, s);

    if (!part)
        return;
    if (!mime_part_is_multipart(part))
        part->type = (struct content_type){.type = STR("multipart"), .subtype = STR("mixed")};
    part->boundary = s->boundary;
    part->is_attachment = false;
    mime_walk_run(r, part, s->text, s->line, false, s->is_loose);
}

static void read_as_text(struct mime_reader *r, const struct second_reading *s)
{
    struct mime_part *part = add_beside(r, s);

    if (!part)
        return;
    part->type = (struct content_type){.type = STR("text"), .subtype = STR("plain")};
    part->body = s->text;
    part->is_leaf = true;
}

static void read_with_fields(struct mime_reader *r, const struct second_reading *s)
{
    struct mime_part *part = add_beside(r, s);

    if (!part)
        return;
    mime_state(part)->first = mime_state(part)->last = mime_state(part)->strict = s->fields;
    mime_apply_fields(r, part, &s->fields);
    mime_walk_run(r, part, s->text, s->line, false, false);
}

static void read_as_entity(struct mime_reader *r, const struct second_reading *s)
{
    struct mime_part *part = mime_part_add(r, s->part->parent ? s->part->parent : s->part);

    if (!part)
        return;
    part->first_reading = s->part;
    mime_walk_run(r, part, s->text, s->line, true, false);
}

/* What was encoded although it may not be (RFC 2045 §6.4). */
static void read_decoded(struct mime_reader *r, struct second_reading *s)
{
    if (s->is_first) {
        struct mime_part *inner = mime_part_add(r, s->part);
        if (inner)
            mime_walk_run(r, inner, s->text, 0, true, false);
        return;
    }
    s->boundary = s->part->boundary;
    read_as_multipart(r, s);
}

void mime_second_run(struct mime_reader *r)
{
    for (struct second_reading *s = r->seconds; s; s = s->next) {
        r->level = s->is_first ? (uint8_t)(s->level - 1) : s->level;
        switch (s->kind) {
        case SECOND_BOUNDARY: read_as_multipart(r, s); break;
        case SECOND_FIELDS: read_with_fields(r, s); break;
        case SECOND_ENTITY: read_as_entity(r, s); break;
        case SECOND_TEXT: read_as_text(r, s); break;
        case SECOND_DECODED: read_decoded(r, s); break;
        }
    }
}
