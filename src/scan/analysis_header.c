/* analysis_header.c: what the message's own header says: subject and addresses as a reader shows them, and the way it came. */
#include "scan/analysis_parts.h"

#include "auth/results.h"
#include "mail/mailbox.h"
#include "mail/rfc2047.h"
#include "mail/text.h"
#include "mail/trace_field.h"

#include <string.h>

enum { MOST_FIELDS = 1000, MOST_MAILBOXES = 50, MOST_HOPS = 60, MOST_RESULTS = 500 };

static const struct place top = {.line = 0};

static struct place in_line(const struct header_field *f)
{
    return (struct place){.line = (uint32_t)f->line};
}

/* Into a fixed array of the report: clean, cut between characters, NUL-terminated. */
static void keep_text(char *to, size_t size, struct str text)
{
    struct buf clean = buf_make(size);

    record_clean(&clean, str_trim(text), size - 1, false);
    memset(to, 0, size);
    if (clean.len)
        memcpy(to, clean.at, clean.len);
    buf_free(&clean);
}

static void note_words(struct analysis *a, const struct header_field *f, unsigned defects)
{
    static const struct {
        unsigned flag;
        bool is_ambiguous;
        const char *name, *text;
    } rows[] = {{WORDS_BROKEN, false, "encoded-word-broken", "an encoded word that is not well formed"},
                {WORDS_UNKNOWN_CHARSET, false, "encoded-word-charset", "an encoded word in an unknown charset"},
                {WORDS_NESTED, false, "encoded-word-nested", "an encoded word inside an encoded word"},
                {WORDS_CONTROL, false, "encoded-word-control", "control characters inside an encoded word"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (defects & rows[i].flag)
            note_defect(a, in_line(f), rows[i].is_ambiguous, rows[i].name, STR_FMT ": %s", STR_ARG(str_sub(f->name, 0, 60)), rows[i].text);
}

static void read_subject(struct analysis *a, const struct header_field *f)
{
    unsigned defects = 0;
    struct str text = words_decode(a->arena, a->tools->charsets, f->value, &defects);
    struct text_tricks tricks;

    keep_text(a->report->subject, sizeof a->report->subject, text);
    note_words(a, f, defects);
    text_find_tricks(a->arena, text, &tricks);
    if (tricks.seen & (TEXT_ZERO_WIDTH | TEXT_BIDI_OVERRIDE | TEXT_MIXED_SCRIPT | TEXT_MATH_LETTERS))
        note_defect(a, in_line(f), false, "subject-tricks", "Subject plays tricks with look-alike or invisible characters");
    analyze_links(a, in_line(f), "subject", text);
}

static void read_mailboxes(struct analysis *a, const struct header_field *f, const char *field)
{
    size_t count = 0;
    struct mailbox *m = mailbox_list_parse(a->arena, a->tools->charsets, f->value, MOST_MAILBOXES, &count);

    for (; m; m = m->next) {
        struct record r = {.kind = RECORD_MAILBOX,
                           .mailbox = {.field = str_from(field), .display = m->display, .address = m->address, .domain = m->domain,
                                       .defects = m->defects}};
        note(a, &r);
    }
}

static void read_from(struct analysis *a, const struct header_field *f)
{
    unsigned defects = 0;

    keep_text(a->report->from, sizeof a->report->from, words_decode(a->arena, a->tools->charsets, f->value, &defects));
    note_words(a, f, defects);
}

static void read_hop(struct analysis *a, const struct header_field *f)
{
    struct received hop;
    char ip[IP_TEXT_MAX] = "";

    if (!received_parse(a->arena, f->value, &hop))
        return;
    if (hop.has_from_ip)
        ip_format(&hop.from_ip, ip);
    struct record r = {.kind = RECORD_HOP,
                       .hop = {.date_ms = hop.has_date ? hop.date_ms : 0, .helo = hop.helo, .host = hop.from_host, .ip = str_from(ip),
                               .by = hop.by, .with = hop.with, .id = hop.id}};
    note(a, &r);
}

/* "spf=pass dmarc=fail header.from=example.net", in the arena. */
static struct str results_text(struct analysis *a, struct results *fields)
{
    struct buf text = buf_make(RECORD_TEXT_MAX);
    struct results_item item;

    while (!text.failed && results_next(fields, &item)) {
        buf_addf(&text, "%s" STR_FMT "=" STR_FMT, text.len ? " " : "", STR_ARG(item.method), STR_ARG(item.result));
        if (item.header_from.len)
            buf_addf(&text, " header.from=" STR_FMT, STR_ARG(item.header_from));
    }
    struct str kept = arena_str(a->arena, buf_str(&text));
    buf_free(&text);
    return kept;
}

static void read_results(struct analysis *a, const struct header_field *f, bool is_arc)
{
    struct results fields;
    struct record r = {.kind = RECORD_RESULTS,
                       .results = {.line = (uint32_t)f->line, .offset = (uint64_t)(f->raw.at - a->message.at), .length = f->raw.len,
                                   .authserv_id = str_n("", 0), .results = f->value}};

    if (results_open(f->value, is_arc, &fields)) {
        r.results.is_readable = true;
        r.results.authserv_id = structured_unquote(a->arena, fields.authserv_id);
        r.results.instance = (uint8_t)fields.instance;
        r.results.results = results_text(a, &fields);
    }
    note(a, &r);
}

static void read_received_spf(struct analysis *a, const struct header_field *f)
{
    struct str receiver;
    struct record r = {.kind = RECORD_RESULTS,
                       .results = {.is_received_spf = true, .line = (uint32_t)f->line, .offset = (uint64_t)(f->raw.at - a->message.at),
                                   .length = f->raw.len, .authserv_id = str_n("", 0), .results = str_n("", 0)}};

    r.results.is_readable = results_spf_receiver(f->value, &receiver);
    if (r.results.is_readable)
        r.results.authserv_id = structured_unquote(a->arena, receiver);
    note(a, &r);
}

static void note_field_defects(struct analysis *a, const struct header_field *f)
{
    if (f->defects & HEADER_NUL)
        note_defect(a, in_line(f), true, "header-nul", "a NUL in the field " STR_FMT, STR_ARG(str_sub(f->name, 0, 60)));
    if (f->defects & HEADER_BARE_CR_LF)
        note_defect(a, in_line(f), true, "header-bare-cr-lf", "a bare CR or LF in the field " STR_FMT, STR_ARG(str_sub(f->name, 0, 60)));
    if (f->defects & HEADER_SPACE_BEFORE_COLON)
        note_defect(a, in_line(f), false, "header-space-before-colon", "a blank between " STR_FMT " and its colon", STR_ARG(str_sub(f->name, 0, 60)));
    if (f->defects & HEADER_BAD_NAME)
        note_defect(a, in_line(f), false, "header-bad-name", "a field name with characters that it cannot have");
    if (f->defects & HEADER_FOLDED_FIRST)
        note_defect(a, in_line(f), false, "header-folded-first", "the header begins with a continuation line");
}

/* Decoded even where it holds no text for people: a rule is written by what people are shown of it. */
static void note_field(struct analysis *a, const struct header_field *f)
{
    struct record r = {.kind = RECORD_FIELD, .field = {.name = f->name, .value = words_decode(a->arena, a->tools->charsets, f->value, NULL)}};

    note(a, &r);
}

void analyze_header(struct analysis *a, const struct mime_part *root)
{
    static const char *const lists[] = {"From", "Sender", "Reply-To", "To", "Cc", "Return-Path"};
    struct header_walk walk = header_walk(root->header);
    struct header_field f;
    bool subject = false, from = false;
    unsigned hops = 0, results = 0, fields = 0;

    while (header_next(&walk, &f)) {
        note_field_defects(a, &f);
        if (a->limits->wants_fields && fields++ < MOST_FIELDS)
            note_field(a, &f);
        collect_field(a, &f);
        if (str_is_case(f.name, "Subject") && !subject) {
            subject = true;
            read_subject(a, &f);
        } else if (str_is_case(f.name, "Received") && hops++ < MOST_HOPS) {
            read_hop(a, &f);
        }
        bool is_arc_results = str_is_case(f.name, "ARC-Authentication-Results");
        if ((is_arc_results || str_is_case(f.name, "Authentication-Results")) && ++results <= MOST_RESULTS)
            read_results(a, &f, is_arc_results);
        if (str_is_case(f.name, "Received-SPF") && ++results <= MOST_RESULTS)
            read_received_spf(a, &f);
        if (str_is_case(f.name, "From") && !from) {
            from = true;
            read_from(a, &f);
        }
        for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
            if (str_is_case(f.name, lists[i]))
                read_mailboxes(a, &f, lists[i]);
    }
    if (results > MOST_RESULTS)
        note_defect(a, top, true, "too-many-results", "%u Authentication-Results and Received-SPF fields", results);
    if (a->report->defects & HEADER_NO_COLON)
        note_defect(a, top, false, "header-ends-early", "the header ends in a line that is no field");
}
