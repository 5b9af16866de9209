/*
 * mime_other.c: what readers that take other fields, or trust the content more than the header, would make of a part. Run when its body is known.
 */
#include "mail/line.h"
#include "mail/mime_parts.h"

enum { SAMPLE_OCTETS = 1024, FEW_OCTETS = 24, BASE64_LINE_MIN = 40, BASE64_LINES_MIN = 3 };

bool mime_part_is_encoded(const struct mime_part *p)
{
    return p->encoding == ENCODING_BASE64 || p->encoding == ENCODING_QUOTED_PRINTABLE || p->encoding == ENCODING_UUENCODE
           || p->encoding == ENCODING_YENC;
}

static struct second_reading *read_body(struct mime_reader *r, enum second_kind kind, struct mime_part *part)
{
    return mime_second_add(r, kind, part, part->body, mime_line_of(part, part->body.at));
}

static struct str boundary_of(const struct content_type *t)
{
    const struct parameter *p = content_type_is(t, "multipart", NULL) ? parameter_find(t->parameters, "boundary") : NULL;
    return p ? line_trim_end(p->value) : (struct str){0};
}

static bool says_other_type(struct mime_reader *r, const struct mime_part *part, const struct mime_fields *fields)
{
    struct content_type other = {.type = STR("text"), .subtype = STR("plain")};

    if (fields->has_type)
        content_type_parse(r->arena, r->charsets, fields->type, &other);
    return !str_eq(other.type, part->type.type) || !str_eq(other.subtype, part->type.subtype) || !str_eq(boundary_of(&other), part->boundary);
}

static bool says_other_encoding(const struct mime_part *part, const struct mime_fields *fields)
{
    bool is_odd, has_comment;
    enum transfer_encoding e = fields->has_encoding ? mime_encoding_read(fields->encoding, &is_odd, &has_comment) : ENCODING_7BIT;
    bool changes_nothing = e < ENCODING_QUOTED_PRINTABLE || e == ENCODING_UNKNOWN;

    return e != part->encoding && (mime_part_is_encoded(part) || !changes_nothing);
}

static bool same_value(struct str a, struct str b)
{
    return a.at == b.at && a.len == b.len;
}

static bool same_fields(const struct mime_fields *a, const struct mime_fields *b)
{
    return same_value(a->type, b->type) && same_value(a->encoding, b->encoding);
}

/* A second field of the same name, or one that is damaged. */
static void look_at_fields(struct mime_reader *r, struct mime_part *part, const struct mime_fields *fields, bool note)
{
    const struct mime_part_state *state = mime_state(part);

    if (same_fields(fields, &state->first))
        return;
    bool type_differs = says_other_type(r, part, fields), encoding_differs = says_other_encoding(part, fields);
    if (!type_differs && !encoding_differs)
        return;
    if (note && type_differs && state->type_line)
        mime_note(r, MIME_CONTENT_TYPE_TWICE, part, state->type_line, str_trim(fields->type));
    if (note && encoding_differs && state->encoding_line)
        mime_note(r, MIME_TRANSFER_ENCODING_TWICE, part, state->encoding_line, str_trim(fields->encoding));
    struct second_reading *s = read_body(r, SECOND_FIELDS, part);
    if (s)
        s->fields = *fields;
}

/* A name like none that is known: others may know it, or guess. */
static void look_at_odd_encoding(struct mime_reader *r, struct mime_part *part)
{
    struct mime_part_state *state = mime_state(part);
    enum transfer_encoding guess = part->encoding;

    if (!state->is_odd_encoding)
        return;
    if (guess == ENCODING_UNKNOWN)
        guess = mime_encoding_guess(state->first.encoding);
    if (guess == ENCODING_UNKNOWN || guess < ENCODING_QUOTED_PRINTABLE)
        return;
    mime_note(r, MIME_TRANSFER_ENCODING_MALFORMED, part, part->line, str_trim(state->first.encoding));
    struct second_reading *s = read_body(r, SECOND_FIELDS, part);
    if (!s)
        return;
    s->fields = state->first;
    /* where the first reading undoes it, others show it as it stands */
    s->fields.encoding = part->encoding == ENCODING_UNKNOWN ? str_from(transfer_encoding_name(guess)) : STR("8bit");
}

/* LINE with what goes on behind it unfolded, as "Content-" CR LF " Transfer-Encoding: base64" is by readers that join lines first. */
static struct str join_folded(struct arena *arena, struct str *rest)
{
    struct str line = line_take(rest), start = line;

    while (rest->len && is_blank(rest->at[0]))
        line.len += line_take(rest).len;
    if (line.len == start.len)
        return line;
    char *to = arena_bytes(arena, line.len);
    size_t len = 0;
    bool in_name = true;
    for (size_t i = 0; to && i < line.len; i++) {
        in_name = in_name && line.at[i] != ':';
        if (!in_name || (line.at[i] != '\r' && line.at[i] != '\n' && !is_blank(line.at[i])))
            to[len++] = line.at[i];
    }
    return str_n(to, len);
}

/* The header ended in a line that is no field. Readers that pass over such a line read on to the empty one, and obey what they find. */
static void look_behind_header(struct mime_reader *r, struct mime_part *part)
{
    struct mime_part_state *state = mime_state(part);
    struct mime_fields fields = state->first;
    struct str rest = str_sub(part->body, 0, r->limits->header_bytes);
    bool found = false;

    while (state->ends_early && rest.len) {
        struct str before = rest, line = join_folded(r->arena, &rest);
        if (line_text(line).len == 0)
            break;
        ptrdiff_t colon = str_find(str_sub(line, 0, 64), ':');
        if (colon < 0)
            continue;
        enum mime_field_id id = mime_field_id(str_trim(str_sub(line, 0, (size_t)colon)));
        struct str value = str_from_index(line_text(line), (size_t)colon + 1);
        if (id == FIELD_TYPE && (found = true))
            fields.type = value, fields.has_type = true;
        if (id == FIELD_ENCODING && (found = true))
            fields.encoding = value, fields.has_encoding = true;
        if (found && (id == FIELD_TYPE || id == FIELD_ENCODING))
            mime_note(r, MIME_FIELDS_BEHIND_HEADER, part, mime_line_of(part, before.at), line);
    }
    if (!found)
        return;
    struct str body = str_from_index(part->body, (size_t)(rest.at - part->body.at));
    struct second_reading *s = mime_second_add(r, SECOND_FIELDS, part, body, mime_line_of(part, body.at));
    if (s)
        s->fields = fields;
}

/* For readers whose header ends in a line of blanks, the rest of it is content already. */
static void look_below_blank_line(struct mime_reader *r, struct mime_part *part)
{
    struct mime_part_state *state = mime_state(part);

    if (!state->fields_below)
        return;
    mime_note(r, MIME_FIELD_FOLDED_ODDLY, part, state->below_line, (struct str){0});
    struct str text = str_n(state->below.at, (size_t)(part->body.at + part->body.len - state->below.at));
    struct second_reading *s = mime_second_add(r, SECOND_FIELDS, part, text, part->line ? state->below_line : 0);
    if (s)
        s->fields = state->above;
}

static bool is_base64_char(char c)
{
    return ascii_is_alnum((unsigned char)c) || c == '+' || c == '/';
}

/* Lines of base64 as encoders write them: all letters, of one length, and not just hexadecimal. */
static bool looks_like_base64(struct str body)
{
    struct str rest = str_sub(body, 0, SAMPLE_OCTETS);
    bool upper = false, lower = false, cut = rest.len < body.len;
    size_t lines = 0, length = 0;

    while (rest.len) {
        struct str line = line_text(line_take(&rest));
        if (rest.len == 0 && (cut || line.len < length))
            break; /* the last one may be shorter, and padded */
        if (line.len < BASE64_LINE_MIN || line.len % 4 || (length && line.len != length))
            return false;
        for (size_t i = 0; i < line.len; i++) {
            if (!is_base64_char(line.at[i]))
                return false;
            upper = upper || (line.at[i] >= 'G' && line.at[i] <= 'Z');
            lower = lower || (line.at[i] >= 'g' && line.at[i] <= 'z');
        }
        length = line.len;
        lines++;
    }
    return lines >= BASE64_LINES_MIN && upper && lower;
}

/* All of it could be base64, however little. For attachments, whose readers may be less choosy. */
static bool could_be_base64(struct str body)
{
    struct str sample = str_trim(str_sub(body, 0, SAMPLE_OCTETS));
    size_t letters = 0;

    for (size_t i = 0; i < sample.len; i++) {
        bool padding = sample.at[i] == '=' && sample.len - i <= 2;
        if (!is_base64_char(sample.at[i]) && !padding && sample.at[i] != '\r' && sample.at[i] != '\n')
            return false;
        letters += sample.at[i] != '\r' && sample.at[i] != '\n';
    }
    return letters >= FEW_OCTETS && (letters % 4 == 0 || body.len > SAMPLE_OCTETS);
}

/* Base64 declared, but a tenth and more of it is none. */
static bool is_hardly_base64(struct str body)
{
    struct str sample = str_trim(str_sub(body, 0, SAMPLE_OCTETS));
    size_t odd = 0;

    for (size_t i = 0; i < sample.len; i++)
        odd += !is_base64_char(sample.at[i]) && sample.at[i] != '=' && sample.at[i] != '\r' && sample.at[i] != '\n';
    return sample.len && odd * 10 >= sample.len;
}

static void look_at_content(struct mime_reader *r, struct mime_part *part)
{
    if (!part->is_leaf || part->encoding == ENCODING_UUENCODE || part->encoding == ENCODING_YENC)
        return;
    if (part->encoding == ENCODING_BASE64) {
        if (!is_hardly_base64(part->body))
            return;
        mime_note(r, MIME_WRONG_ENCODING, part, part->line, STR("base64 declared, other text inside"));
        read_body(r, SECOND_TEXT, part);
        return;
    }
    if (part->first_reading && part->first_reading->encoding == ENCODING_BASE64)
        return; /* which is how it was read first */
    if (!(part->is_attachment ? could_be_base64(part->body) : looks_like_base64(part->body)))
        return;
    mime_note(r, MIME_WRONG_ENCODING, part, part->line, STR("base64 inside, not declared"));
    struct second_reading *s = read_body(r, SECOND_FIELDS, part);
    if (!s)
        return;
    s->fields = mime_state(part)->first;
    s->fields.encoding = STR("base64");
    s->fields.has_encoding = true;
}

static size_t count_boundary_lines(struct str text, struct str boundary)
{
    size_t count = 0;

    while (text.len) {
        struct str line = line_take(&text);
        if (str_starts(line, STR("--")) && str_starts(str_from_index(line, 2), boundary))
            count++;
    }
    return count;
}

/* Does TEXT begin as a message does, with a field? */
static bool begins_with_field(struct str text)
{
    struct header_walk walk = header_walk(text);
    struct header_field f;

    return header_next(&walk, &f) && f.defects == 0;
}

/* A message that is encoded: most readers undo it. Where it already looks like one without that, others do not. */
static void look_at_encoded_message(struct mime_reader *r, struct mime_part *part, struct str content)
{
    struct second_reading *s = mime_second_add(r, SECOND_DECODED, part, content, 0);

    if (s)
        s->is_first = true;
    if (!begins_with_field(part->body) || str_eq(content, part->body))
        return;
    if (begins_with_field(content) && part->encoding == ENCODING_QUOTED_PRINTABLE && !mime_has_field_line(part->body))
        return; /* text either way */
    mime_note(r, MIME_ENCODED_STRUCTURE, part, part->line, STR("a message with and without its encoding"));
    read_body(r, SECOND_ENTITY, part);
}

static void look_at_encoded_composite(struct mime_reader *r, struct mime_part *part)
{
    struct decoded decoded;
    bool is_message = mime_part_is_message(part), is_multipart = mime_part_is_multipart(part);

    if (!mime_part_is_encoded(part) || part->is_leaf || (!is_message && !is_multipart))
        return;
    mime_note(r, MIME_ENCODED_COMPOSITE, part, part->line, str_from(transfer_encoding_name(part->encoding)));
    if (part->depth >= r->limits->depth) {
        mime_note(r, MIME_NESTED_TOO_DEEP, part, part->line, (struct str){0});
        return;
    }
    decode_transfer(r->arena, part->encoding, part->body, r->decoded_left, &decoded);
    r->decoded_left -= decoded.bytes.len;
    if (decoded.defects & DECODE_CEILING)
        mime_note(r, MIME_SECOND_READING_CUT, part, part->line, STR("encoded message"));
    if (is_message) {
        look_at_encoded_message(r, part, decoded.bytes);
        return;
    }
    /* fewer is what quoted-printable makes of "=" at the end of base64 */
    if (!part->boundary.len || count_boundary_lines(decoded.bytes, part->boundary) <= count_boundary_lines(part->body, part->boundary))
        return;
    mime_note(r, MIME_ENCODED_STRUCTURE, part, part->line, part->boundary);
    mime_second_add(r, SECOND_DECODED, part, decoded.bytes, 0);
}

void mime_finish_part(struct mime_reader *r, struct mime_part *part)
{
    struct mime_part_state *state = mime_state(part);

    look_at_encoded_composite(r, part);
    look_at_content(r, part);
    look_at_odd_encoding(r, part);
    if (!part->header.len && !state->ends_early)
        return;
    look_at_fields(r, part, &state->last, true);
    if (!same_fields(&state->strict, &state->last))
        look_at_fields(r, part, &state->strict, false);
    look_behind_header(r, part);
    look_below_blank_line(r, part);
}
