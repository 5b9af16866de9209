/* dnsbl_entry.c: one line of the operator's block lists. */
#include "net/dnsbl.h"

/* "7", "4-11", "*". */
static bool parse_octet(struct str text, uint8_t *low, uint8_t *high)
{
    uint64_t from, to;

    if (str_is(text, "*")) {
        *low = 0;
        *high = 255;
        return true;
    }
    struct str last = text, first = str_cut(&last, '-');
    if (!str_to_u64(first, 255, &from) || !str_to_u64(last.at ? last : first, 255, &to) || from > to)
        return false;
    *low = (uint8_t)from;
    *high = (uint8_t)to;
    return true;
}

static bool parse_pattern(struct str text, struct dnsbl_pattern *out)
{
    for (size_t i = 0; i < 4; i++) {
        struct str octet = str_cut(&text, '.');
        if (!octet.len || (text.at != NULL) != (i < 3) || !parse_octet(octet, &out->low[i], &out->high[i]))
            return false;
    }
    return out->low[0] == 127 && out->high[0] == 127;
}

static bool parse_weight(struct str text, int *weight)
{
    bool negative = str_starts(text, STR("-"));
    uint64_t number;

    if (!str_to_u64(negative ? str_from_index(text, 1) : text, DNSBL_WEIGHT_MOST, &number) || number == 0)
        return false;
    *weight = negative ? -(int)number : (int)number;
    return true;
}

static bool is_zone(struct str name)
{
    struct str rest = name;
    size_t labels = 0;

    while (rest.at) {
        struct str label = str_cut(&rest, '.');
        if (!label.len || label.len > 63)
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!ascii_is_alnum((unsigned char)label.at[i]) && label.at[i] != '-' && label.at[i] != '_')
                return false;
        labels++;
    }
    return labels > 1 && name.len <= 180; /* an IPv6 address stands before it */
}

bool dnsbl_entry_parse(struct str text, struct dnsbl_entry *out)
{
    *out = (struct dnsbl_entry){.weight = DNSBL_WEIGHT_USUAL};
    struct str weight = text, rest = str_cut(&weight, ':'), answers = rest, zone = str_cut(&answers, '/');

    if (weight.at && !parse_weight(weight, &out->weight))
        return false;
    if (zone.len && zone.at[zone.len - 1] == '.')
        zone.len--;
    if (!is_zone(zone) || !str_copy(out->zone, sizeof out->zone, zone))
        return false;
    str_lower(out->zone, zone.len);
    while (answers.at) {
        struct str pattern = str_cut(&answers, ',');
        if (out->patterns == DNSBL_PATTERNS_MAX || !parse_pattern(pattern, &out->pattern[out->patterns++]))
            return false;
    }
    return true;
}
