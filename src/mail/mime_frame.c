/*
 * mime_frame.c: what a multipart leaves behind when it is closed: text before and behind its parts, lines that looked like its boundaries, and
 * boundaries that another reader would have gone by. All of it becomes findings, and where a part could hide in it, a second reading.
 */
#include "mail/line.h"
#include "mail/mime_parts.h"

static bool is_blank_text(struct str s)
{
    return str_trim(s).len == 0;
}

/* "This is a multi-part message in MIME format." and its like in front of the first boundary. */
static bool is_usual_notice(struct str s)
{
    static const char *const words[] = {"mime", "multi-part", "multipart"};
    char text[512];

    s = str_trim(s);
    if (s.len > sizeof text)
        return false;
    for (size_t i = 0; i < s.len; i++)
        text[i] = (char)ascii_lower((unsigned char)s.at[i]);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_find_str(str_n(text, s.len), str_from(words[i])) >= 0)
            return true;
    return false;
}

static bool has_file(struct str s)
{
    while (s.len) {
        struct str rest = s, line = line_text(line_take(&rest)), next = line_text((struct str){rest.at, line_size(rest)});
        if (str_starts(line, STR("=ybegin ")) && str_find_str(line, STR(" name=")) > 0)
            return true;
        if (str_starts(line, STR("begin ")) && next.len && (unsigned char)next.at[0] <= '`')
            return true;
        s = rest;
    }
    return false;
}

/* From the first line that is a MIME field on. */
static struct str from_first_field(struct str s)
{
    while (s.len) {
        struct str rest = s;
        if (mime_is_field_line(line_take(&rest)))
            return s;
        s = rest;
    }
    return s;
}

static void read_boundary(struct mime_walk *w, struct mime_frame *f, struct str text, uint32_t line, struct str boundary, bool is_loose)
{
    struct second_reading *s = mime_second_add(w->reader, SECOND_BOUNDARY, f->part, text, line);

    if (!s)
        return;
    s->boundary = boundary;
    s->is_loose = is_loose;
}

/* TEXT is shown by no reader that goes by the rules; if it looks like parts or files, others might. */
static bool read_hidden(struct mime_walk *w, struct mime_frame *f, struct str text, uint32_t line)
{
    bool has_fields = mime_has_field_line(text), holds_file = has_file(text);

    if (holds_file)
        mime_second_add(w->reader, SECOND_TEXT, f->part, text, line);
    if (!has_fields)
        return holds_file;
    struct str boundary = mime_guess_boundary(text);
    if (boundary.len) {
        read_boundary(w, f, text, line, boundary, false);
        return true;
    }
    struct str entity = from_first_field(text);
    mime_second_add(w->reader, SECOND_ENTITY, f->part, entity, f->part->line ? mime_line_of(f->part, entity.at) : 0);
    return true;
}

static void look_at_preamble(struct mime_walk *w, struct mime_frame *f)
{
    struct str text = f->part->preamble;

    if (is_blank_text(text))
        return;
    uint32_t line = mime_line_of(f->part, text.at);
    if (read_hidden(w, f, text, line))
        mime_note(w->reader, MIME_PART_IN_PREAMBLE, f->part, line, str_trim(text));
    else if (!is_usual_notice(text))
        mime_note(w->reader, MIME_TEXT_IN_PREAMBLE, f->part, line, str_trim(text));
}

static void look_at_epilogue(struct mime_walk *w, struct mime_frame *f, size_t end)
{
    struct str text = str_sub(w->text, f->region, end > f->region ? end - f->region : 0);

    f->part->epilogue = text;
    if (is_blank_text(text) || f->after_end)
        return; /* its parts are read with the multipart's own boundary */
    if (read_hidden(w, f, text, f->region_line))
        mime_note(w->reader, MIME_PART_IN_EPILOGUE, f->part, f->region_line, str_trim(text));
    else
        mime_note(w->reader, MIME_TEXT_IN_EPILOGUE, f->part, f->region_line, str_trim(text));
}

/* None of its boundary lines came, or it names none. Some readers show its text, others look for parts. */
static void look_for_lost_parts(struct mime_walk *w, struct mime_frame *f)
{
    struct str body = f->part->body;
    struct str guess = mime_guess_boundary(body);

    f->part->preamble = body;
    mime_note(w->reader, f->boundary.at ? MIME_BOUNDARY_NEVER_SEEN : MIME_NO_BOUNDARY_PARAMETER, f->part, f->part->line, f->boundary);
    if (is_blank_text(body))
        return;
    mime_second_add(w->reader, SECOND_TEXT, f->part, body, f->region_line);
    if (f->other_count || f->near_miss)
        return;
    if (guess.len) {
        mime_note(w->reader, MIME_BOUNDARY_GUESSED, f->part, f->region_line, guess);
        read_boundary(w, f, body, f->region_line, guess, false);
    } else if (mime_has_field_line(body)) {
        struct str entity = from_first_field(body);
        mime_note(w->reader, MIME_PART_IN_PREAMBLE, f->part, f->region_line, entity);
        mime_second_add(w->reader, SECOND_ENTITY, f->part, entity, f->part->line ? mime_line_of(f->part, entity.at) : 0);
    }
}

static void look_at_other_boundaries(struct mime_walk *w, struct mime_frame *f)
{
    struct str body = f->part->body;
    uint32_t line = f->part->line ? mime_line_of(f->part, body.at) : 0;

    for (uint8_t i = 0; i < f->other_count; i++) {
        mime_note(w->reader, MIME_BOUNDARY_TWICE, f->part, f->other_lines[i], f->others[i]);
        read_boundary(w, f, body, line, f->others[i], false);
    }
    if (f->near_miss) {
        mime_note(w->reader, MIME_BOUNDARY_PREFIX, f->part, f->near_miss_line, f->boundary);
        read_boundary(w, f, body, line, f->boundary, true);
    }
}

void mime_frame_close(struct mime_walk *w, struct mime_frame *f, size_t end)
{
    look_at_other_boundaries(w, f);
    if (!mime_part_is_multipart(f->part))
        return; /* only another reader took it for a multipart */
    if (f->state == FRAME_PREAMBLE) {
        look_for_lost_parts(w, f);
        return;
    }
    look_at_preamble(w, f);
    if (f->state == FRAME_PARTS) {
        mime_note(w->reader, MIME_MISSING_END_BOUNDARY, f->part, w->line, f->boundary);
        return;
    }
    look_at_epilogue(w, f, end);
    if (f->after_end && f->after_end < end) {
        mime_note(w->reader, MIME_PART_AFTER_END, f->part, f->after_end_line, f->boundary);
        read_boundary(w, f, str_sub(w->text, f->after_end, end - f->after_end), f->after_end_line, f->boundary, false);
    }
}
