/*
 * test_mime.c: the tree of parts, and the tricks that make two readers see two messages. Each trick hides the same file; whatever the reading, it must
 * be among the parts, by the first or a second reading, and where only another reader sees it, an ambiguous finding must say so.
 */
#include "mail/charset.h"
#include "mail/mime.h"

#include "check.h"

#define VIRUS "VIRUS-TEST-CONTENT-0123456789"
#define VIRUS_BASE64 "VklSVVMtVEVTVC1DT05URU5ULTAxMjM0NTY3ODk="
#define VIRUS_UU "begin 644 v.exe\r\n=5DE255,M5$535\"U#3TY414Y4+3`Q,C,T-38W.#D\r\n`\r\nend\r\n"
#define FILE_PART "Content-Type: application/octet-stream; name=v.exe\r\nContent-Transfer-Encoding: base64\r\n\r\n" VIRUS_BASE64 "\r\n"
#define TEXT_PART "Content-Type: text/plain\r\n\r\nhello\r\n"
#define MIXED(boundary) "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=" boundary "\r\n\r\n"

static const struct mime_limits usual = {.parts = 200, .depth = 20, .header_bytes = 65536, .header_fields = 500, .decoded_bytes = 1 << 20,
                                         .findings = 100};
static struct charset_context *charsets;

/* Where the file is found, and what must be said. */
enum where { NOWHERE, FIRST, SECOND, EITHER };

static const struct trick {
    const char *name;
    const char *message;
    enum where where;
    enum mime_defect defect; /* MIME_NO_DEFECT: no ambiguous finding at all */
} tricks[] = {
    {"nothing odd", MIXED("b") "--b\r\n" TEXT_PART "--b\r\n" FILE_PART "--b--\r\n", FIRST, MIME_NO_DEFECT},
    {"line ends of LF only", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\n" VIRUS_BASE64
     "\n--b--\n", FIRST, MIME_NO_DEFECT},
    {"blanks behind boundaries", MIXED("b") "--b \t\r\n" FILE_PART "--b-- \r\n", FIRST, MIME_NO_DEFECT},
    {"no end", MIXED("b") "--b\r\n" TEXT_PART "--b\r\n" FILE_PART, FIRST, MIME_NO_DEFECT},
    {"no MIME-Version", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" FILE_PART "--b--\r\n", FIRST, MIME_NO_DEFECT},
    {"quoted boundary with odd characters", MIXED("\"b=?;:\"") "--b=?;:\r\n" FILE_PART "--b=?;:--\r\n", FIRST, MIME_NO_DEFECT},
    {"boundary in single quotes", MIXED("'b'") "--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"boundary twice, the first used", MIXED("a; boundary=b") "--a\r\n" FILE_PART "--a--\r\n", FIRST, MIME_NO_DEFECT},
    {"boundary twice, the last used", MIXED("a; boundary=b") "--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"boundary twice, both used", MIXED("a; boundary=b") "--a\r\n" TEXT_PART "\r\n--b\r\n" FILE_PART "\r\n--b--\r\n--a--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"boundary inside a comment", MIXED("(b) a") "--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"comment behind the boundary", MIXED("b(x)") "--b\r\n" FILE_PART "--b--\r\n", EITHER, MIME_NO_DEFECT},
    {"parentheses belong to the boundary", MIXED("b(x)") "--b(x)\r\n" FILE_PART "--b(x)--\r\n", EITHER, MIME_NO_DEFECT},
    {"text behind the quoted boundary", MIXED("\"b\"c") "--bc\r\n" FILE_PART "--bc--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"backslash in the boundary", MIXED("\"b\\c\"") "--b\\c\r\n" FILE_PART "--b\\c--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"RFC 2231 pieces, joined", "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary*0=b; boundary*1=c\r\n\r\n--bc\r\n" FILE_PART "--bc--\r\n",
     FIRST, MIME_NO_DEFECT},
    {"RFC 2231 pieces, not joined", "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary*0=b; boundary*1=c\r\n\r\n--b\r\n" FILE_PART "--b--\r\n",
     SECOND, MIME_BOUNDARY_TWICE},
    {"RFC 2231 and plain boundary, the plain one used", "Content-Type: multipart/mixed; boundary=b; boundary*=us-ascii''c\r\n\r\n--b\r\n" FILE_PART
     "--b--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"RFC 2231 and plain boundary, the other used", "Content-Type: multipart/mixed; boundary=b; boundary*=us-ascii''c\r\n\r\n--c\r\n" FILE_PART
     "--c--\r\n", FIRST, MIME_NO_DEFECT},
    {"encoded word as boundary, taken as it stands", MIXED("\"=?us-ascii?Q?b?=\"") "--=?us-ascii?Q?b?=\r\n" FILE_PART "--=?us-ascii?Q?b?=--\r\n", EITHER,
     MIME_NO_DEFECT},
    {"encoded word as boundary, decoded", MIXED("\"=?us-ascii?Q?b?=\"") "--b\r\n" FILE_PART "--b--\r\n", EITHER, MIME_NO_DEFECT},
    {"boundary folded", MIXED("\"b\r\n c\"") "--b c\r\n" FILE_PART "--b c--\r\n", FIRST, MIME_NO_DEFECT},
    {"boundary folded, blank dropped", MIXED("\"b\r\n c\"") "--bc\r\n" FILE_PART "--bc--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"boundary lines end in more", MIXED("b") "--bXX\r\n" FILE_PART "--bXX--\r\n", SECOND, MIME_BOUNDARY_PREFIX},
    {"boundary lines in other case", MIXED("b") "--B\r\n" FILE_PART "--B--\r\n", SECOND, MIME_BOUNDARY_PREFIX},
    {"boundary lines indented", MIXED("b") " --b\r\n" FILE_PART " --b--\r\n", SECOND, MIME_BOUNDARY_PREFIX},
    {"prefix line inside a part", MIXED("b") "--b\r\n" TEXT_PART "--bXX\r\n" FILE_PART "--b--\r\n", SECOND, MIME_BOUNDARY_PREFIX},
    {"no boundary parameter", "Content-Type: multipart/mixed\r\n\r\n--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_BOUNDARY_GUESSED},
    {"empty boundary", MIXED("\"\"") "--\r\n" FILE_PART "----\r\n", SECOND, MIME_PART_IN_PREAMBLE},
    {"boundary that never comes", MIXED("a") "--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_BOUNDARY_GUESSED},
    {"part without any boundary line", MIXED("a") FILE_PART, SECOND, MIME_PART_IN_PREAMBLE},
    {"part behind the end", MIXED("b") "--b\r\n" TEXT_PART "--b--\r\n--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_PART_AFTER_END},
    {"other parts in the epilogue", MIXED("b") "--b\r\n" TEXT_PART "--b--\r\n--c\r\n" FILE_PART "--c--\r\n", SECOND, MIME_PART_IN_EPILOGUE},
    {"fields in the epilogue", MIXED("b") "--b\r\n" TEXT_PART "--b--\r\n" FILE_PART, SECOND, MIME_PART_IN_EPILOGUE},
    {"other parts in the preamble", MIXED("b") "--c\r\n" FILE_PART "--c--\r\n--b\r\n" TEXT_PART "--b--\r\n", SECOND, MIME_PART_IN_PREAMBLE},
    {"uuencode in the preamble", MIXED("b") VIRUS_UU "--b\r\n" TEXT_PART "--b--\r\n", SECOND, MIME_PART_IN_PREAMBLE},
    {"uuencode in the epilogue", MIXED("b") "--b\r\n" TEXT_PART "--b--\r\n" VIRUS_UU, SECOND, MIME_PART_IN_EPILOGUE},
    {"uuencode in text", "Subject: x\r\n\r\nhello\r\n\r\n" VIRUS_UU, FIRST, MIME_NO_DEFECT},
    {"child with its parent's boundary", MIXED("b") "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" FILE_PART "--b--\r\n--b--\r\n", FIRST,
     MIME_BOUNDARY_REUSED},
    {"child's boundary begins with its parent's", MIXED("b") "--b\r\nContent-Type: multipart/mixed; boundary=bc\r\n\r\n--bc\r\n" FILE_PART
     "--bc--\r\n--b--\r\n", FIRST, MIME_NO_DEFECT},
    {"two Content-Types, multipart first", "Content-Type: multipart/mixed; boundary=b\r\nContent-Type: text/plain\r\n\r\n--b\r\n" FILE_PART "--b--\r\n",
     FIRST, MIME_CONTENT_TYPE_TWICE},
    {"two Content-Types, multipart last", "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" FILE_PART "--b--\r\n",
     SECOND, MIME_CONTENT_TYPE_TWICE},
    {"two Content-Types that agree", "Content-Type: multipart/mixed; boundary=b\r\nContent-Type: Multipart/Mixed; boundary=\"b\"\r\n\r\n--b\r\n" FILE_PART
     "--b--\r\n", FIRST, MIME_NO_DEFECT},
    {"two encodings, base64 last", "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\nContent-Type: application/x-v\r\n\r\n"
     VIRUS_BASE64 "\r\n", SECOND, MIME_TRANSFER_ENCODING_TWICE},
    {"two encodings, base64 first", "Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\nContent-Type: text/plain\r\n\r\n"
     VIRUS_BASE64 "\r\n", FIRST, MIME_TRANSFER_ENCODING_TWICE},
    {"space before the colon of the type", "Content-Type : multipart/mixed; boundary=b\r\n\r\n--b\r\n" FILE_PART "--b--\r\n", FIRST, MIME_HEADER_DEFECT},
    {"space before the colon of the encoding", "Content-Type: text/plain\r\nContent-Transfer-Encoding : base64\r\n\r\n" VIRUS_BASE64 "\r\n", FIRST,
     MIME_HEADER_DEFECT},
    {"a well-written type behind a badly written one", "Content-Type : text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" FILE_PART
     "--b--\r\n", SECOND, MIME_HEADER_DEFECT},
    {"blank inside the field name", "Content- Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_HEADER_DEFECT},
    {"folded field name", "Subject: x\r\nContent-\r\n Transfer-Encoding: base64\r\nContent-Type: text/plain\r\n\r\n" VIRUS_BASE64 "\r\n", SECOND,
     MIME_FIELDS_BEHIND_HEADER},
    {"folded before the colon", "Subject: x\r\nContent-Transfer-Encoding\r\n : base64\r\n\r\n" VIRUS_BASE64 "\r\n", SECOND, MIME_FIELDS_BEHIND_HEADER},
    {"junk line inside the header", "Subject: x\r\njunk\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" FILE_PART "--b--\r\n", SECOND,
     MIME_FIELDS_BEHIND_HEADER},
    {"junk line inside a part's header", MIXED("b") "--b\r\njunk\r\n" FILE_PART "--b--\r\n", SECOND, MIME_FIELDS_BEHIND_HEADER},
    {"a line of blanks inside the header", "Subject: x\r\n \r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" VIRUS_BASE64 "\r\n",
     FIRST, MIME_FIELD_FOLDED_ODDLY},
    {"multipart above a line of blanks, text below", "Content-Type: multipart/mixed; boundary=b\r\n \r\nContent-Type: text/plain\r\n\r\n--b\r\n" FILE_PART
     "--b--\r\n", FIRST, MIME_FIELD_FOLDED_ODDLY},
    {"encoding with text behind it", "Content-Transfer-Encoding: base64 x\r\n\r\n" VIRUS_BASE64 "\r\n", FIRST, MIME_TRANSFER_ENCODING_MALFORMED},
    {"encoding with a semicolon", "Content-Transfer-Encoding: base64; x=y\r\n\r\n" VIRUS_BASE64 "\r\n", FIRST, MIME_TRANSFER_ENCODING_MALFORMED},
    {"encoding in quotes", "Content-Transfer-Encoding: \"base64\"\r\n\r\n" VIRUS_BASE64 "\r\n", FIRST, MIME_TRANSFER_ENCODING_MALFORMED},
    {"encoding x-base64", "Content-Transfer-Encoding: x-base64\r\n\r\n" VIRUS_BASE64 "\r\n", SECOND, MIME_TRANSFER_ENCODING_MALFORMED},
    {"encoding base-64", "Content-Transfer-Encoding: base-64\r\n\r\n" VIRUS_BASE64 "\r\n", SECOND, MIME_TRANSFER_ENCODING_MALFORMED},
    {"encoding with a comment", "Content-Transfer-Encoding: (7bit) base64\r\n\r\n" VIRUS_BASE64 "\r\n", FIRST, MIME_NO_DEFECT},
    {"encoding folded", "Content-Transfer-Encoding:\r\n base64\r\n\r\n" VIRUS_BASE64 "\r\n", FIRST, MIME_NO_DEFECT},
    {"base64 not declared", "Content-Type: application/octet-stream; name=v.exe\r\n\r\n" VIRUS_BASE64 "\r\n", SECOND, MIME_WRONG_ENCODING},
    {"base64 declared, text inside", "Content-Transfer-Encoding: base64\r\nContent-Type: text/plain\r\n\r\nSo this is it: " VIRUS " (as you see)\r\n", SECOND,
     MIME_WRONG_ENCODING},
    {"multipart said to be base64 and is not", "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n--b\r\n" FILE_PART
     "--b--\r\n", FIRST, MIME_NO_DEFECT},
    {"multipart in base64", "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
     "LS1iDQpDb250ZW50LVR5cGU6IHRleHQvcGxhaW4NCg0KVklSVVMtVEVTVC1DT05URU5ULTAxMjM0NTY3ODkNCi0tYi0tDQo=\r\n", SECOND, MIME_ENCODED_STRUCTURE},
    {"multipart hidden by quoted-printable", "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=2D-b\r\n"
     "Content-Type: application/x\r\n\r\n" VIRUS "\r\n--b--\r\n", SECOND, MIME_ENCODED_STRUCTURE},
    {"multipart said to be quoted-printable and is not", "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
     "--b\r\n" FILE_PART "--b--\r\n", FIRST, MIME_NO_DEFECT},
    {"message in base64", MIXED("b") "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
     "Q29udGVudC1UeXBlOiB0ZXh0L3BsYWluDQoNClZJUlVTLVRFU1QtQ09OVEVOVC0wMTIzNDU2Nzg5\r\n--b--\r\n", FIRST, MIME_NO_DEFECT},
    {"message said to be base64 and is not", MIXED("b") "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" FILE_PART
     "\r\n--b--\r\n", SECOND, MIME_ENCODED_STRUCTURE},
    {"message inside", MIXED("b") "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n" FILE_PART "--b--\r\n", FIRST, MIME_NO_DEFECT},
    {"message in a digest", "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: inner\r\n" FILE_PART "--b--\r\n", FIRST,
     MIME_NO_DEFECT},
    {"type is multipart alone", "Content-Type: multipart; boundary=b\r\n\r\n--b\r\n" FILE_PART "--b--\r\n", FIRST, MIME_NO_DEFECT},
    {"type is something else, with a boundary", "Content-Type: text/plain; boundary=b\r\n\r\n--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"two types in one field", "Content-Type: text/plain, multipart/mixed; boundary=b\r\n\r\n--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"type in a comment", "Content-Type: (multipart/mixed; boundary=b) text/plain\r\n\r\n--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"boundary in another field", "Content-Typ: multipart/mixed; boundary=b\r\n\r\n--b\r\n" FILE_PART "--b--\r\n", SECOND, MIME_BOUNDARY_TWICE},
    {"boundary line as the header's end", MIXED("b") "--b\r\nContent-Type: text/plain\r\n--b\r\n" FILE_PART "--b--\r\n", FIRST, MIME_NO_DEFECT},
    {"boundary with a colon as the header's end", MIXED("\"b:c\"") "--b:c\r\nContent-Type: text/plain\r\n--b:c\r\n" FILE_PART "--b:c--\r\n", FIRST,
     MIME_NO_DEFECT},
    {"boundary line of LF only", MIXED("b") "--b\n" FILE_PART "--b--\r\n", FIRST, MIME_BOUNDARY_BARE_LF},
    {"boundary of 80 octets", MIXED("\"01234567890123456789012345678901234567890123456789012345678901234567890123456789\"")
     "--01234567890123456789012345678901234567890123456789012345678901234567890123456789\r\n" FILE_PART
     "--01234567890123456789012345678901234567890123456789012345678901234567890123456789--\r\n", FIRST, MIME_NO_DEFECT},
    {"blank at the boundary's end", MIXED("\"b \"") "--b \r\n" FILE_PART "--b --\r\n", FIRST, MIME_BOUNDARY_PREFIX},
};

static bool holds_virus(struct arena *arena, const struct mime_part *p)
{
    struct decoded d;
    struct embedded_file file;

    if (!p->is_leaf)
        return false;
    mime_part_decode(arena, p, 1 << 20, &d);
    if (str_find_str(d.bytes, STR(VIRUS)) >= 0)
        return true;
    while (decode_next_embedded(arena, &d.bytes, 1 << 20, &file))
        if (str_find_str(file.content.bytes, STR(VIRUS)) >= 0)
            return true;
    return false;
}

static void print_reading(const struct mime_message *m)
{
    for (const struct mime_part *p = m->root; p; p = mime_next(p))
        print_message("  %s " STR_FMT "/" STR_FMT " %s, %zu octets%s\n", p->path, STR_ARG(p->type.type), STR_ARG(p->type.subtype),
                      transfer_encoding_name(p->encoding), p->body.len, p->by_second_reading ? ", second reading" : "");
    for (uint32_t i = 0; i < m->finding_count; i++)
        print_message("  %s, line %u: " STR_FMT "\n", mime_defect_row(m->findings[i].defect)->name, m->findings[i].line,
                      STR_ARG(m->findings[i].detail));
}

static const struct mime_finding *find(const struct mime_message *m, enum mime_defect d)
{
    for (uint32_t i = 0; i < m->finding_count; i++)
        if (m->findings[i].defect == d)
            return &m->findings[i];
    return NULL;
}

static bool is_ambiguous(const struct mime_message *m)
{
    for (uint32_t i = 0; i < m->finding_count; i++)
        if (mime_defect_row(m->findings[i].defect)->ambiguous)
            return true;
    return false;
}

/* Both readings are in the tree; whoever decodes them tells whether they differ in what matters (analysis_leaf.c). */
static bool is_left_to_the_content(const struct trick *t)
{
    return t->defect == MIME_WRONG_ENCODING || t->defect == MIME_TRANSFER_ENCODING_MALFORMED;
}

static const char *judge(const struct trick *t, const struct mime_message *m, bool in_first, bool in_second)
{
    if (!in_first && !in_second)
        return "the file is not seen";
    if (t->where == FIRST && !in_first)
        return "the file is not seen by the first reading";
    if (t->where == SECOND && in_first)
        return "the file is seen by the first reading";
    if (!in_first && !is_ambiguous(m) && !is_left_to_the_content(t))
        return "nobody is told that readers differ";
    if (t->defect != MIME_NO_DEFECT && !find(m, t->defect))
        return "the finding is missing";
    if (t->defect == MIME_NO_DEFECT && t->where == FIRST && is_ambiguous(m))
        return "an ambiguous finding for what all read alike";
    return NULL;
}

static void no_trick_hides_a_file(void **state)
{
    size_t failed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof tricks / sizeof *tricks; i++) {
        struct arena arena = arena_make(64 << 20);
        struct mime_message *m = mime_read(&arena, charsets, str_from(tricks[i].message), &usual);
        bool in_first = false, in_second = false;
        for (const struct mime_part *p = m->root; p; p = mime_next(p))
            if (holds_virus(&arena, p))
                *(p->by_second_reading ? &in_second : &in_first) = true;
        const char *wrong = judge(&tricks[i], m, in_first, in_second);
        if (wrong) {
            print_message("%s: %s\n", tricks[i].name, wrong);
            print_reading(m);
            failed++;
        }
        arena_free(&arena);
    }
    assert_int_equal(failed, 0);
}

static void the_tree_is_numbered_as_imap_does(void **state)
{
    static const char message[] = MIXED("o") "--o\r\n" TEXT_PART "--o\r\nContent-Type: message/rfc822\r\n\r\n" MIXED("i") "--i\r\n" TEXT_PART "--i\r\n" FILE_PART
        "--i--\r\n--o\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nhello\r\n--o\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n"
        "--a\r\n" TEXT_PART "--a--\r\n--o--\r\n";
    static const char *const paths[] = {"TEXT", "1", "2", "2.TEXT", "2.1", "2.2", "3", "3.1", "4", "4.1"};
    struct arena arena = arena_make(1 << 20);
    size_t i = 0;

    (void)state;
    struct mime_message *m = mime_read(&arena, charsets, str_from(message), &usual);
    for (const struct mime_part *p = m->root; p; p = mime_next(p), i++) {
        assert_true(i < sizeof paths / sizeof *paths);
        assert_string_equal(p->path, paths[i]);
        assert_int_equal(p->number, i);
    }
    assert_int_equal(i, sizeof paths / sizeof *paths);
    assert_int_equal(m->part_count, i);
    assert_int_equal(m->finding_count, 0);
    arena_free(&arena);
}

static void content_ends_before_the_boundary_s_line_end(void **state)
{
    struct arena arena = arena_make(1 << 20);

    (void)state;
    struct mime_message *m = mime_read(&arena, charsets, STR(MIXED("b") "pre\r\n\r\n--b\r\n\r\none\r\n\r\n--b\r\n\r\n--b--\r\nepi\r\n"), &usual);
    struct mime_part *one = m->root->first_child;
    assert_true(str_is(m->root->preamble, "pre\r\n"));
    assert_true(str_is(one->body, "one\r\n"));
    assert_int_equal(one->next->body.len, 0);
    assert_true(str_is(m->root->epilogue, "epi\r\n"));
    assert_non_null(find(m, MIME_TEXT_IN_EPILOGUE));
    arena_free(&arena);
}

static void findings_say_line_and_part(void **state)
{
    struct arena arena = arena_make(1 << 20);

    (void)state;
    struct mime_message *m = mime_read(&arena, charsets, STR(MIXED("b") "--b\r\nX: y\r\nContent-Type : text/plain\r\n\r\nx\r\n--b--\r\n--b\r\n\r\n--b--\r\n"), &usual);
    const struct mime_finding *defect = find(m, MIME_HEADER_DEFECT), *after = find(m, MIME_PART_AFTER_END);
    assert_non_null(defect);
    assert_int_equal(defect->line, 6);
    assert_int_equal(defect->part, 1);
    assert_true(str_is(defect->detail, "Content-Type"));
    assert_non_null(after);
    assert_int_equal(after->line, 10);
    assert_int_equal(after->part, 0);
    arena_free(&arena);
}

static void names_come_from_both_fields(void **state)
{
    struct arena arena = arena_make(1 << 20);

    (void)state;
    struct mime_message *m = mime_read(&arena, charsets, STR("Content-Type: application/x; name=\"a.txt\"\r\n"
        "Content-Disposition: attachment; filename*=utf-8''%C3%A4.exe\r\nContent-ID: <x@y>\r\n\r\nx"), &usual);
    assert_true(str_is(m->root->name, "\xC3\xA4.exe"));
    assert_true(str_is(m->root->other_name, "a.txt"));
    assert_true(str_is(m->root->content_id, "<x@y>"));
    assert_true(m->root->is_attachment);
    m = mime_read(&arena, charsets, STR("Content-Disposition: inline; filename=a.txt\r\nContent-Disposition: attachment; filename=b.exe\r\n\r\nx"), &usual);
    assert_true(str_is(m->root->name, "a.txt"));
    assert_true(str_is(m->root->other_name, "b.exe"));
    assert_non_null(find(m, MIME_DISPOSITION_TWICE));
    m = mime_read(&arena, charsets, STR("Content-Type: application/x; name=b.txt\r\nContent-Disposition: attachment; filename=a.txt; filename=a.exe\r\n\r\nx"), &usual);
    assert_true(str_is(m->root->name, "a.txt"));
    assert_true(str_is(m->root->other_name, "a.exe / b.txt"));
    m = mime_read(&arena, charsets, STR("Content-Disposition: attachment; filename*=utf-8''a.txt; filename=a.exe\r\n\r\nx"), &usual);
    assert_true(str_is(m->root->other_name, "a.exe"));
    m = mime_read(&arena, charsets, STR("Content-Disposition: attachment; filename*=utf-8''a.exe%00.txt\r\n\r\nx"), &usual);
    assert_true(str_is(m->root->other_name, "a.exe"));
    m = mime_read(&arena, charsets, STR("Content-Disposition: attachment; name=a.exe\r\n\r\nx"), &usual);
    assert_true(str_is(m->root->other_name, "a.exe"));
    arena_free(&arena);
}

static void an_empty_message_is_text(void **state)
{
    struct arena arena = arena_make(1 << 20);

    (void)state;
    struct mime_message *m = mime_read(&arena, charsets, STR(""), &usual);
    assert_true(content_type_is(&m->root->type, "text", "plain"));
    assert_true(m->root->is_leaf);
    assert_string_equal(m->root->path, "1");
    assert_int_equal(m->finding_count, 0);
    arena_free(&arena);
}

/* TIMES copies of TEXT behind HEAD. */
static struct str repeat(const char *head, const char *text, size_t times)
{
    size_t head_len = strlen(head), len = strlen(text);
    char *at = malloc(head_len + len * times);

    assert_non_null(at);
    memcpy(at, head, head_len);
    for (size_t i = 0; i < times; i++)
        memcpy(at + head_len + i * len, text, len);
    return str_n(at, head_len + len * times);
}

static void ceilings_are_findings(void **state)
{
    struct arena arena = arena_make(64 << 20);

    (void)state;
    struct str many = repeat(MIXED("b"), "--b\r\n\r\nx\r\n", 5000);
    struct mime_message *m = mime_read(&arena, charsets, many, &usual);
    assert_non_null(find(m, MIME_TOO_MANY_PARTS));
    assert_int_equal(m->part_count, 5001);
    free((void *)(uintptr_t)many.at);

    struct str deep = repeat("", "Content-Type: message/rfc822\r\n\r\n", 1000);
    m = mime_read(&arena, charsets, deep, &usual);
    assert_non_null(find(m, MIME_NESTED_TOO_DEEP));
    assert_int_equal(m->part_count, usual.depth + 1);
    free((void *)(uintptr_t)deep.at);

    struct str wide = repeat("", "X: y\r\n", 1000);
    m = mime_read(&arena, charsets, wide, &usual);
    assert_non_null(find(m, MIME_HEADER_CUT));
    assert_int_equal(m->finding_count, 1);
    assert_int_equal(m->root->header.len, wide.len);
    free((void *)(uintptr_t)wide.at);
    arena_free(&arena);
}

/* Each could cost the square of its size, or more memory than a scan process has. Nothing is measured here but that the arena suffices. */
static void hostile_shapes_stay_within_the_arena(void **state)
{
    static const struct { const char *name, *head, *text; size_t times; } shapes[] = {
        {"100,000 parts", MIXED("b"), "--b\r\n\r\nx\r\n", 100000},
        {"1 MB of header", "", "X-Long: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 25000},
        {"one field of 1 MB", "Content-Type: multipart/mixed", ";\r\n a=b", 125000},
        {"10 MB in one line", MIXED("b"), "0123456789", 1000000},
        {"1,000 levels", "", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", 1000},
        {"odd boundary lines", MIXED("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb; boundary=c"), "--c\r\n--bbbbbbbbbbbbbbbb\r\n", 100000},
        {"ends without number", MIXED("b"), "--b--\r\n--b\r\n", 100000},
        {"multiparts that never begin", MIXED("b"), "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c \r\n--cc\r\n", 20000},
        {"messages in base64", MIXED("b"), "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogQg==\r\n", 20000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct arena arena = arena_make(32 << 20);
        struct str message = repeat(shapes[i].head, shapes[i].text, shapes[i].times);
        assert_non_null(mime_read(&arena, charsets, message, &usual));
        if (arena.failed)
            fail_msg("%s: arena used up", shapes[i].name);
        free((void *)(uintptr_t)message.at);
        arena_free(&arena);
    }
}

static void every_defect_has_its_row(void **state)
{
    (void)state;
    for (int d = 1; d < MIME_DEFECT_COUNT; d++) {
        const struct mime_defect_row *row = mime_defect_row((enum mime_defect)d);
        assert_non_null(row->name);
        assert_non_null(row->sentence);
        for (int other = 1; other < d; other++)
            assert_string_not_equal(row->name, mime_defect_row((enum mime_defect)other)->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_trick_hides_a_file),
        cmocka_unit_test(the_tree_is_numbered_as_imap_does),
        cmocka_unit_test(content_ends_before_the_boundary_s_line_end),
        cmocka_unit_test(findings_say_line_and_part),
        cmocka_unit_test(names_come_from_both_fields),
        cmocka_unit_test(an_empty_message_is_text),
        cmocka_unit_test(ceilings_are_findings),
        cmocka_unit_test(hostile_shapes_stay_within_the_arena),
        cmocka_unit_test(every_defect_has_its_row),
    };

    charsets = charset_context_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    charset_context_free(&charsets);
    return failed;
}
