/* analysis_features.c: what the statistical filter sees of a message, collected while it is analysed. */
#include "scan/analysis_parts.h"

#include "mail/rfc2047.h"

#include <stdio.h>

struct features *collector(struct analysis *a)
{
    return a->limits->wants_features ? a->tools->features : NULL;
}

static void collect_bits(struct features *f, const char *what, uint32_t bits)
{
    char text[16];

    for (unsigned bit = 0; bit < 32; bit++) {
        if (!(bits >> bit & 1))
            continue;
        snprintf(text, sizeof text, "%u", bit);
        features_finding(f, what, str_from(text));
    }
}

void collect_record(struct analysis *a, const struct record *r)
{
    struct features *f = collector(a);

    if (!f)
        return;
    switch (r->kind) {
    case RECORD_DEFECT:
        features_finding(f, "defect", r->defect.name);
        break;
    case RECORD_FILE:
        features_finding(f, "file", r->file.type_name);
        features_finding(f, "extension", r->file.extension);
        collect_bits(f, "fact", r->file.facts);
        break;
    case RECORD_LINK: /* not where it leads: words of one year's collection */
        features_finding(f, "link", r->link.source);
        collect_bits(f, "trick", r->link.tricks);
        break;
    case RECORD_PART:
        features_part(f, "type", r->part.type);
        features_part(f, "charset", r->part.charset);
        features_part(f, "encoding", r->part.encoding);
        features_part(f, "disposition", r->part.disposition);
        features_part(f, "name", r->part.name);
        break;
    default:
        break;
    }
}

void collect_field(struct analysis *a, const struct header_field *f)
{
    unsigned defects;

    if (!collector(a))
        return;
    struct str value = str_find_str(f->value, STR("=?")) >= 0 ? words_decode(a->arena, a->tools->charsets, f->value, &defects) : f->value;
    features_header(collector(a), f->name, value);
}

void note_collected(struct analysis *a)
{
    for (uint8_t view = 0; collector(a) && view < FEATURE_VIEWS; view++) {
        size_t count;
        const uint32_t *set = features_set(collector(a), (enum feature_view)view, &count);
        struct record r = {.kind = RECORD_FEATURES, .features = {.view = view, .set = str_n((const char *)set, count * sizeof *set)}};
        note(a, &r);
    }
}
