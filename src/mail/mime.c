/*
 * mime.c: the walk over a message: from boundary line to boundary line, opening and closing parts. What a header says is mime_entity.c's, which
 * lines are boundaries is mime_boundary.c's, and what others would read is mime_second.c's.
 */
#include "mail/line.h"
#include "mail/mime_parts.h"

#include <stdio.h>

enum { COMPARE_OCTETS_MAX = 16 << 20, REREAD_TIMES = 4, REREAD_OCTETS_MIN = 64 * 1024 };

bool mime_part_is_multipart(const struct mime_part *p)
{
    return content_type_is(&p->type, "multipart", NULL);
}

bool mime_part_is_message(const struct mime_part *p)
{
    return content_type_is(&p->type, "message", "rfc822") || content_type_is(&p->type, "message", "global")
           || content_type_is(&p->type, "message", "news");
}

struct mime_part *mime_part_add(struct mime_reader *r, struct mime_part *parent)
{
    if (r->level == 0 && r->out->part_count < PART_COUNT_MAX)
        r->out->part_count++;
    if (parent && r->made >= r->limits->parts) {
        if (!r->too_many)
            mime_note(r, MIME_TOO_MANY_PARTS, parent, 0, (struct str){0});
        r->too_many = true;
        return NULL;
    }
    struct mime_part_state *state = arena_alloc(r->arena, sizeof *state);
    if (!state)
        return NULL;
    struct mime_part *part = &state->part;
    r->made++;
    part->by_second_reading = r->level > 0;
    if (r->level)
        r->out->second_count++;
    if (!parent)
        return part;
    part->parent = parent;
    part->depth = (uint16_t)(parent->depth + 1);
    if (parent->last_child)
        parent->last_child->next = part;
    else
        parent->first_child = part;
    parent->last_child = part;
    return part;
}

static void push_frame(struct mime_walk *w, struct mime_part *part, struct str boundary, bool is_loose)
{
    struct mime_frame *f = arena_alloc(w->reader->arena, sizeof *f);

    if (!f)
        return;
    *f = (struct mime_frame){.outer = w->frame, .part = part, .boundary = boundary, .region = w->at, .region_line = w->line,
                             .is_loose = is_loose};
    if (!mime_frame_values(w->reader, f, part->header) && !mime_part_is_multipart(part))
        return; /* no reader takes it for a multipart */
    for (struct mime_frame *o = boundary.len ? w->frame : NULL; o; o = o->outer)
        if (str_eq(o->boundary, boundary) && o->state != FRAME_EPILOGUE)
            mime_note(w->reader, MIME_BOUNDARY_REUSED, part, part->line, boundary);
    w->frame = f;
}

static bool is_too_deep(struct mime_walk *w, struct mime_part *part)
{
    if (part->depth < w->reader->limits->depth)
        return false;
    mime_note(w->reader, MIME_NESTED_TOO_DEEP, part, part->line, (struct str){0});
    return true;
}

/* PART's header is read and the walk stands at its body. Opens what is inside, down to where content begins. */
static void open_body(struct mime_walk *w, struct mime_part *part, bool is_loose)
{
    for (;;) {
        part->body = str_n(w->text.at + w->at, 0);
        w->part = part;
        if (mime_part_is_multipart(part)) {
            if (part->boundary.at && !is_too_deep(w, part))
                push_frame(w, part, part->boundary, is_loose);
            else
                push_frame(w, part, (struct str){0}, false);
            return;
        }
        if (!mime_part_is_message(part) || mime_part_is_encoded(part) || is_too_deep(w, part)) {
            part->is_leaf = !(mime_part_is_message(part) && mime_part_is_encoded(part));
            push_frame(w, part, (struct str){0}, false);
            return;
        }
        struct mime_part *inner = mime_part_add(w->reader, part);
        if (!inner) {
            part->is_leaf = true;
            return;
        }
        mime_read_header(w, inner);
        part = inner;
    }
}

/* Offset of the end of what stands before the boundary line at START: its line ending belongs to the boundary. */
static size_t content_end(const struct mime_walk *w, size_t start)
{
    if (start > 0 && w->text.at[start - 1] == '\n')
        start--;
    if (start > 0 && w->text.at[start - 1] == '\r')
        start--;
    return start;
}

/* Closes the walk's parts up to, but not including, UNTIL; their content ends at END. */
static void close_parts(struct mime_walk *w, const struct mime_part *until, size_t end)
{
    while (w->part != until) {
        struct mime_part *part = w->part;
        size_t begin = (size_t)(part->body.at - w->text.at);
        part->body.len = end > begin ? end - begin : 0;
        if (w->frame && w->frame->part == part) {
            mime_frame_close(w, w->frame, end);
            w->frame = w->frame->outer;
        }
        mime_finish_part(w->reader, part);
        if (part == w->base)
            return;
        w->part = part->parent;
    }
}

static void note_boundary_line(struct mime_walk *w, const struct mime_delimiter *d)
{
    struct str line = str_sub(w->text, d->start, w->at - d->start), text = line_text(line);
    bool ends_in_crlf = line.len >= text.len + 2;

    if (w->reader->crlf && w->line && line.len > text.len && !ends_in_crlf)
        mime_note(w->reader, MIME_BOUNDARY_BARE_LF, d->frame->part, d->line, text);
    if (line_trim_end(text).len != text.len)
        mime_note(w->reader, MIME_BOUNDARY_BLANKS, d->frame->part, d->line, text);
}

/* The boundary line D was read: ends what was open inside its multipart and begins what follows. */
static void take_delimiter(struct mime_walk *w, const struct mime_delimiter *d)
{
    struct mime_frame *f = d->frame;

    close_parts(w, f->part, content_end(w, d->start));
    note_boundary_line(w, d);
    if (f->state == FRAME_PREAMBLE) {
        size_t end = content_end(w, d->start);
        f->part->preamble = str_sub(w->text, f->region, end > f->region ? end - f->region : 0);
    }
    f->state = d->closes ? FRAME_EPILOGUE : FRAME_PARTS;
    f->region = w->at;
    f->region_line = w->line;
    if (d->closes)
        return;
    struct mime_part *part = mime_part_add(w->reader, f->part);
    if (!part)
        return; /* its octets are passed by */
    mime_read_header(w, part);
    open_body(w, part, f->is_loose);
}

void mime_walk_run(struct mime_reader *r, struct mime_part *part, struct str text, uint32_t line, bool has_header, bool is_loose)
{
    struct mime_walk w = {.reader = r, .text = text, .line = line, .base = part, .part = part, .compare_left = COMPARE_OCTETS_MAX};
    struct mime_delimiter d;

    if (has_header)
        mime_read_header(&w, part);
    open_body(&w, part, is_loose);
    while (mime_next_delimiter(&w, &d))
        take_delimiter(&w, &d);
    close_parts(&w, NULL, text.len);
}

struct mime_part *mime_next(const struct mime_part *part)
{
    if (part->first_child)
        return part->first_child;
    while (part && !part->next)
        part = part->parent;
    return part ? part->next : NULL;
}

/* "1.2" for the children of PART, "" for those of the message. */
static struct str path_of_children(const struct mime_part *part)
{
    while (part->parent && mime_part_is_multipart(part) && mime_part_is_message(part->parent))
        part = part->parent; /* a multipart that is a whole message counts for nothing (RFC 3501 §6.4.5) */
    return part->parent ? str_from(part->path) : STR("");
}

static void set_path(struct mime_part *part, uint32_t place, uint32_t other)
{
    struct str parent = part->parent ? path_of_children(part->parent) : STR("");
    const char *dot = parent.len ? "." : "";
    bool is_whole = !part->parent || (mime_part_is_message(part->parent) && !part->by_second_reading);

    if (part->by_second_reading && part->first_reading)
        snprintf(part->path, sizeof part->path, "%.40s~%u", part->first_reading->path, other);
    else if (is_whole && mime_part_is_multipart(part))
        snprintf(part->path, sizeof part->path, STR_FMT "%sTEXT", STR_ARG(parent), dot);
    else
        snprintf(part->path, sizeof part->path, STR_FMT "%s%u", STR_ARG(parent), dot, place);
}

/* Numbers and paths, once the tree is whole. */
static void number_parts(struct mime_part *root)
{
    uint32_t number = 0;

    set_path(root, 1, 0);
    for (struct mime_part *p = root; p; p = mime_next(p)) {
        uint32_t place = 0, other = 0;
        p->number = number++;
        for (struct mime_part *child = p->first_child; child; child = child->next) {
            bool is_other = child->by_second_reading && child->first_reading;
            set_path(child, is_other ? 0 : ++place, is_other ? ++other : 0);
        }
    }
}

struct mime_message *mime_read(struct arena *arena, struct charset_context *charsets, struct str message, const struct mime_limits *limits)
{
    struct mime_message *out = arena_alloc(arena, sizeof *out);
    struct str first_line = str_sub(message, 0, line_size(message));
    struct mime_reader r = {.arena = arena, .charsets = charsets, .limits = limits, .out = out, .decoded_left = limits->decoded_bytes,
                            .reread_left = REREAD_OCTETS_MIN + message.len * REREAD_TIMES,
                            .crlf = first_line.len == line_text(first_line).len + 2};

    if (!out)
        return NULL;
    r.findings_end = &r.findings;
    r.seconds_end = &r.seconds;
    out->root = mime_part_add(&r, NULL);
    if (!out->root)
        return NULL;
    out->root->line = 1;
    mime_walk_run(&r, out->root, message, 1, true, false);
    mime_second_run(&r);
    number_parts(out->root);
    mime_findings_number(&r);
    return out;
}

void mime_part_decode(struct arena *arena, const struct mime_part *part, size_t ceiling, struct decoded *out)
{
    decode_transfer(arena, part->encoding, part->body, ceiling, out);
}
