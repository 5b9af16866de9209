/*
 * mime_finding.c: what a reading notes about a message's structure. `ambiguous` stands where another reader would come to content that the first
 * reading does not show; what is merely against the rules, and read alike by all, is not. Where the content itself must tell, it is not either: both
 * readings are in the tree, and whoever decodes them compares.
 */
#include "mail/mime_parts.h"

static const struct mime_defect_row rows[MIME_DEFECT_COUNT] = {
    [MIME_NO_DEFECT] = {"none", "nothing is wrong", false},
    [MIME_MISSING_END_BOUNDARY] = {"missing-end-boundary", "a multipart ends without its closing boundary", false},
    [MIME_NO_BOUNDARY_PARAMETER] = {"no-boundary-parameter", "a multipart names no boundary", false},
    [MIME_BOUNDARY_NEVER_SEEN] = {"boundary-never-seen", "a multipart holds none of its boundary lines", false},
    [MIME_BOUNDARY_TWICE] = {"boundary-twice", "the header can be read to name another boundary, and its lines are there", true},
    [MIME_BOUNDARY_GUESSED] = {"boundary-guessed", "parts stand behind boundary lines that the header does not name", true},
    [MIME_BOUNDARY_PREFIX] = {"boundary-prefix", "a line looks like a boundary but for what stands before or behind it", true},
    [MIME_BOUNDARY_REUSED] = {"boundary-reused", "a multipart uses the boundary of the one around it", true},
    [MIME_BOUNDARY_ODD] = {"boundary-odd", "a boundary is empty, longer than 70 octets, or holds characters that none may", false},
    [MIME_BOUNDARY_BLANKS] = {"boundary-blanks", "blanks stand behind a boundary line", false},
    [MIME_BOUNDARY_BARE_LF] = {"boundary-bare-lf", "a boundary line ends in LF where the message's lines end in CR LF", true},
    [MIME_BOUNDARY_IN_HEADER] = {"boundary-in-header", "a boundary line stands inside a header", false},
    [MIME_PART_AFTER_END] = {"part-after-end", "parts stand behind the closing boundary", true},
    [MIME_TEXT_IN_PREAMBLE] = {"text-in-preamble", "text stands before the first boundary", false},
    [MIME_TEXT_IN_EPILOGUE] = {"text-in-epilogue", "text stands behind the closing boundary", false},
    [MIME_PART_IN_PREAMBLE] = {"part-in-preamble", "what looks like a part or a file stands before the first boundary", true},
    [MIME_PART_IN_EPILOGUE] = {"part-in-epilogue", "what looks like a part or a file stands behind the closing boundary", true},
    [MIME_CONTENT_TYPE_TWICE] = {"content-type-twice", "two Content-Type fields name different types", true},
    [MIME_TRANSFER_ENCODING_TWICE] = {"transfer-encoding-twice", "two Content-Transfer-Encoding fields name different encodings", true},
    [MIME_DISPOSITION_TWICE] = {"disposition-twice", "two Content-Disposition fields differ", false},
    [MIME_VERSION_TWICE] = {"mime-version-twice", "MIME-Version stands more than once", false},
    [MIME_CONTENT_TYPE_MALFORMED] = {"content-type-malformed", "a Content-Type cannot be read", false},
    [MIME_PARAMETER_TWICE] = {"parameter-twice", "a parameter stands twice with different values", false},
    [MIME_PARAMETER_MALFORMED] = {"parameter-malformed", "a parameter is not written as it should be", false},
    [MIME_TRANSFER_ENCODING_UNKNOWN] = {"transfer-encoding-unknown", "no such transfer encoding is known", false},
    [MIME_TRANSFER_ENCODING_MALFORMED] = {"transfer-encoding-malformed", "a transfer encoding is named so that only some readers know it", false},
    [MIME_ENCODED_COMPOSITE] = {"encoded-composite", "a multipart or message has a transfer encoding, which it may not", false},
    [MIME_ENCODED_STRUCTURE] = {"encoded-structure", "a multipart or message has more parts with its transfer encoding undone", true},
    [MIME_WRONG_ENCODING] = {"wrong-encoding", "content is not in the transfer encoding that is declared", false},
    [MIME_VERSION_MISSING] = {"mime-version-missing", "MIME fields stand without MIME-Version", false},
    [MIME_HEADER_DEFECT] = {"header-defect", "a MIME field is written so that some readers do not know it", true},
    [MIME_HEADER_ENDS_EARLY] = {"header-ends-early", "a header ends in a line that is no field", false},
    [MIME_FIELDS_BEHIND_HEADER] = {"fields-behind-header", "MIME fields stand behind a line that ends the header for some readers", true},
    [MIME_FIELD_FOLDED_ODDLY] = {"field-folded-oddly", "a line of blanks inside a header has MIME fields behind it", true},
    [MIME_COMMENT_IN_STRUCTURE] = {"comment-in-structure", "a comment stands in a MIME field", false},
    [MIME_NESTED_TOO_DEEP] = {"nested-too-deep", "parts are nested deeper than is read", true},
    [MIME_TOO_MANY_PARTS] = {"too-many-parts", "there are more parts than are read", true},
    [MIME_HEADER_CUT] = {"header-cut", "a part's header is longer than is read", true},
    [MIME_SECOND_READING_CUT] = {"second-reading-cut", "the message can be read in more ways than are tried", true},
    [MIME_DIGEST_ODD] = {"digest-odd", "a part of a digest is no message", false},
    [MIME_PARTIAL] = {"partial", "the part is a piece of a message that was cut up", false},
    [MIME_EXTERNAL_BODY] = {"external-body", "the content is to be fetched from elsewhere", false},
};

const struct mime_defect_row *mime_defect_row(enum mime_defect d)
{
    return &rows[(unsigned)d < MIME_DEFECT_COUNT ? d : MIME_NO_DEFECT];
}

/* Printable and cut, in the arena. */
static struct str printable(struct arena *arena, struct str s)
{
    struct str copy = arena_str(arena, str_sub(s, 0, DETAIL_MAX));
    char *to = (char *)(uintptr_t)copy.at;

    for (size_t i = 0; i < copy.len; i++)
        if (to[i] < ' ' || to[i] > '~')
            to[i] = to[i] == '\t' || to[i] == '\r' || to[i] == '\n' ? ' ' : '?';
    return copy;
}

void mime_note(struct mime_reader *r, enum mime_defect d, const struct mime_part *part, uint32_t line, struct str detail)
{
    if (r->out->finding_count >= r->limits->findings) {
        r->out->findings_dropped++;
        return;
    }
    struct noted_finding *n = arena_alloc(r->arena, sizeof *n);
    if (!n)
        return;
    n->part = part;
    n->finding = (struct mime_finding){.defect = d, .line = line};
    if (detail.len)
        n->finding.detail = printable(r->arena, detail);
    *r->findings_end = n;
    r->findings_end = &n->next;
    r->out->finding_count++;
}

void mime_findings_number(struct mime_reader *r)
{
    struct mime_message *m = r->out;

    if (!m->finding_count)
        return;
    m->findings = arena_alloc(r->arena, m->finding_count * sizeof *m->findings);
    if (!m->findings) {
        m->findings_dropped += m->finding_count;
        m->finding_count = 0;
        return;
    }
    uint32_t i = 0;
    for (const struct noted_finding *n = r->findings; n; n = n->next) {
        m->findings[i] = n->finding;
        m->findings[i++].part = n->part->number;
    }
}
