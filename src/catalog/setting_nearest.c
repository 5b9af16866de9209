/* setting_nearest.c: what somebody meant who wrote a setting's name wrongly. */
#include "catalog/settings.h"

enum { NAME_MAX_BYTES = 64 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Levenshtein's distance: insertions, deletions and changes that make B of A. */
static size_t distance(struct str a, struct str b)
{
    size_t row[NAME_MAX_BYTES + 1];

    for (size_t k = 0; k <= b.len; k++)
        row[k] = k;
    for (size_t i = 0; i < a.len; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < b.len; k++) {
            size_t changed = corner + (a.at[i] != b.at[k]);
            corner = row[k + 1];
            row[k + 1] = least(changed, row[k] + 1, row[k + 1] + 1);
        }
    }
    return row[b.len];
}

int setting_nearest(struct str name, unsigned levels)
{
    size_t best = name.len / 3 + 1; /* further off it is no slip any more */
    int found = -1;

    if (!name.len || name.len > NAME_MAX_BYTES)
        return -1;
    for (enum setting s = 0; s < SETTING_COUNT; s++) {
        struct str other = str_from(setting_row(s)->name);
        size_t d = setting_row(s)->levels & levels && other.len <= NAME_MAX_BYTES ? distance(name, other) : best;
        if (d < best) {
            best = d;
            found = (int)s;
        }
    }
    return found;
}
