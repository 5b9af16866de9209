/*
 * mime_boundary.c: which lines separate parts. A boundary line begins with "--"; all others are passed at the speed of memchr. Lines that match no
 * open multipart are compared with what its header could also be read to say, since another reader might have read it so.
 */
#include "mail/line.h"
#include "mail/mime_parts.h"

enum { BOUNDARY_MAX_OCTETS = 70, HEADER_COMPARED_MAX = 2048 };

bool mime_boundary_is_odd(struct str b)
{
    if (b.len == 0 || b.len > BOUNDARY_MAX_OCTETS || b.at[b.len - 1] == ' ')
        return true;
    for (size_t i = 0; i < b.len; i++)
        if (!ascii_is_alnum((unsigned char)b.at[i]) && (b.at[i] == '\0' || !strchr("'()+_,-./:=? ", b.at[i])))
            return true;
    return false;
}

/* What stands behind "--", blanks at the end cut. */
static struct str line_name(struct str line)
{
    return line_trim_end(str_from_index(line_text(line), 2));
}

/* Exactly, or with "--" behind it (RFC 2046 §5.1.1); loose: by its beginning. */
static bool matches(const struct mime_frame *f, struct str name, bool *closes)
{
    if (name.len < f->boundary.len || (!f->is_loose && name.len > f->boundary.len + 2))
        return false;
    struct str rest = str_from_index(name, f->boundary.len);
    if (f->is_loose ? !str_starts_case(name, f->boundary) : !str_starts(name, f->boundary))
        return false;
    *closes = f->is_loose ? str_starts(rest, STR("--")) : str_is(rest, "--");
    return *closes || f->is_loose || rest.len == 0;
}

struct mime_frame *mime_match(const struct mime_walk *w, struct str line, bool *closes)
{
    if (line.len < 2 || line.at[0] != '-' || line.at[1] != '-')
        return NULL;
    struct str name = line_name(line);
    for (struct mime_frame *f = w->frame; f; f = f->outer)
        if (f->boundary.at && f->state != FRAME_EPILOGUE && matches(f, name, closes))
            return f;
    return NULL;
}

/* What may stand before and behind a boundary in a field, in one reading or another. */
static bool is_edge(char c)
{
    return c == '\0' || strchr(" \t\r\n\"';(),\\?*", c);
}

/* May a value begin at AT? */
static bool is_value_start(struct str text, size_t at)
{
    return at == 0 || text.at[at - 1] == '=' || is_edge(text.at[at - 1]);
}

static struct str squeeze(struct arena *arena, struct str text)
{
    char *to = arena_bytes(arena, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; to && i < text.len; i++)
        if (text.at[i] == '\0' || !strchr("\"\\ \t\r\n", text.at[i]))
            to[len++] = text.at[i];
    return to ? str_n(to, len) : (struct str){"", 0};
}

/* The field's octets up to where the next one begins. */
static size_t rest_of_field(struct str s)
{
    size_t size = line_size(s);

    while (size < s.len && is_blank(s.at[size]))
        size += line_size(str_from_index(s, size));
    return size;
}

/* Offset behind the next "boundary", any case; -1 when there is none. */
static ptrdiff_t behind_boundary_word(struct str s)
{
    static const char word[] = "boundary";

    for (size_t i = 0; i + sizeof word - 1 <= s.len; i++)
        if ((s.at[i] | 0x20) == 'b' && str_starts_case(str_from_index(s, i), STR("boundary")))
            return (ptrdiff_t)(i + sizeof word - 1);
    return -1;
}

bool mime_frame_values(struct mime_reader *r, struct mime_frame *f, struct str header)
{
    struct str values = {0};
    ptrdiff_t at;

    while ((at = behind_boundary_word(header)) >= 0) {
        header = str_from_index(header, (size_t)at);
        struct str field = str_sub(header, 0, rest_of_field(header));
        header = str_from_index(header, field.len);
        if (values.len == 0) {
            values = field;
            continue;
        }
        char *both = arena_bytes(r->arena, values.len + field.len); /* in a second field: rare, and few of them */
        if (!both || values.len > HEADER_COMPARED_MAX)
            break;
        memcpy(both, values.at, values.len);
        memcpy(both + values.len, field.at, field.len);
        values = str_n(both, values.len + field.len);
    }
    if (values.len > HEADER_COMPARED_MAX)
        mime_note(r, MIME_SECOND_READING_CUT, f->part, f->part->line, STR("boundaries in a long header"));
    f->values[0] = str_sub(values, 0, HEADER_COMPARED_MAX);
    f->values[1] = values.len ? squeeze(r->arena, f->values[0]) : (struct str){0};
    for (int v = 0; v < 2; v++)
        for (size_t i = 0; i < f->values[v].len; i++)
            if (is_value_start(f->values[v], i))
                f->starts[(unsigned char)f->values[v].at[i] / 8] |= (uint8_t)(1 << ((unsigned char)f->values[v].at[i] % 8));
    return values.len > 0;
}

/* Takes from what the walk may still compare; at its end that is a finding, once. */
static bool may_compare(struct mime_walk *w, const struct mime_frame *f, size_t octets)
{
    if (w->compare_left == 0)
        return false;
    if (octets < w->compare_left) {
        w->compare_left -= octets;
        return true;
    }
    w->compare_left = 0;
    mime_note(w->reader, MIME_SECOND_READING_CUT, f->part, w->line, STR("too many lines that look like boundaries"));
    return false;
}

/* Does NAME stand in TEXT as a value could? */
static bool names_value(struct mime_walk *w, const struct mime_frame *f, struct str text, struct str name)
{
    enum { STEP_COST = 32 };

    for (size_t from = 0; from + name.len <= text.len && may_compare(w, f, text.len - from + STEP_COST);) {
        ptrdiff_t found = str_find_str(str_from_index(text, from), name);
        if (found < 0)
            return false;
        size_t at = from + (size_t)found, end = at + name.len;
        if (is_value_start(text, at) && (end == text.len || is_edge(text.at[end])))
            return true;
        from = at + 1;
    }
    return false;
}

/* A boundary that no reader gets by the first reading's rules, but one could get by others'? */
static bool header_could_name(struct mime_walk *w, const struct mime_frame *f, struct str name)
{
    if (name.len == 0 || name.len > f->values[0].len || str_eq(name, f->boundary))
        return false;
    unsigned char first = (unsigned char)name.at[0];
    if (!(f->starts[first / 8] & 1 << first % 8))
        return false;
    return names_value(w, f, f->values[0], name) || names_value(w, f, f->values[1], name);
}

static void note_other_boundary(struct mime_frame *f, struct str name, uint32_t line)
{
    for (uint8_t i = 0; i < f->other_count; i++)
        if (str_eq(f->others[i], name))
            return;
    if (f->other_count == OTHER_BOUNDARIES_MAX)
        return;
    f->other_lines[f->other_count] = line;
    f->others[f->other_count++] = name;
}

static struct str without_closing(struct str name)
{
    return name.len > 2 && str_is(str_from_index(name, name.len - 2), "--") ? str_sub(name, 0, name.len - 2) : name;
}

static bool is_near_miss(struct mime_walk *w, const struct mime_frame *f, struct str name)
{
    if (!f->boundary.len || f->near_miss || f->state == FRAME_EPILOGUE || name.len < f->boundary.len)
        return false;
    size_t last = f->boundary.len - 1;
    if (ascii_lower((unsigned char)name.at[last]) != ascii_lower((unsigned char)f->boundary.at[last]))
        return false;
    return may_compare(w, f, f->boundary.len) && str_starts_case(name, f->boundary);
}

/* LINE begins with "--", perhaps behind blanks, and separates nothing by the first reading. */
static void look_at_odd_line(struct mime_walk *w, struct str line, size_t start)
{
    bool closes, indented = is_blank(line.at[0]);

    while (is_blank(line.at[0]))
        line = str_from_index(line, 1);
    struct str name = line_name(line), open = without_closing(name);
    for (struct mime_frame *f = w->frame; f && may_compare(w, f, 1); f = f->outer) {
        if (f->boundary.len && f->state == FRAME_EPILOGUE && !indented && matches(f, name, &closes)) {
            if (!closes && !f->after_end) {
                f->after_end = start;
                f->after_end_line = w->line;
            }
            return;
        }
        if (is_near_miss(w, f, name)) {
            f->near_miss = true;
            f->near_miss_line = w->line;
        } else if (!indented && header_could_name(w, f, name)) {
            note_other_boundary(f, name, w->line);
        } else if (!indented && open.len != name.len && header_could_name(w, f, open)) {
            note_other_boundary(f, open, w->line);
        }
    }
}

/* Offset of the first octet that is no blank. */
static size_t indentation(struct str line)
{
    size_t i = 0;

    while (i < line.len && is_blank(line.at[i]))
        i++;
    return i;
}

bool mime_next_delimiter(struct mime_walk *w, struct mime_delimiter *out)
{
    const char *end = w->text.at + w->text.len;
    bool any = w->frame != NULL;

    while (w->at < w->text.len) {
        const char *line = w->text.at + w->at, *lf = memchr(line, '\n', (size_t)(end - line));
        size_t size = lf ? (size_t)(lf - line) + 1 : (size_t)(end - line), start = w->at;
        uint32_t number = w->line;
        bool closes = false;
        if (any && (line[0] == '-' || is_blank(line[0]))) {
            struct str text = str_n(line, size);
            size_t skip = indentation(text);
            if (str_starts(str_from_index(text, skip), STR("--"))) {
                struct mime_frame *f = skip == 0 ? mime_match(w, text, &closes) : NULL;
                if (!f && skip && w->frame->is_loose)
                    f = mime_match(w, str_from_index(text, skip), &closes);
                if (!f)
                    look_at_odd_line(w, text, start);
                w->at += size;
                w->line += w->line > 0;
                if (f) {
                    *out = (struct mime_delimiter){.frame = f, .closes = closes, .start = start, .line = number};
                    return true;
                }
                continue;
            }
        }
        w->at += size;
        w->line += w->line > 0;
    }
    return false;
}

struct str mime_guess_boundary(struct str text)
{
    while (text.len) {
        struct str line = line_take(&text);
        if (line.len < 3 || line.at[0] != '-' || line.at[1] != '-')
            continue;
        struct str next = text, name = line_name(line);
        if (name.len && mime_is_field_line(line_take(&next)))
            return name;
    }
    return (struct str){0};
}
