/* setting_policy.c: the values set at one level, and reading through to its parents; see settings.h. */
#include "base/bug.h"
#include "base/hash.h"
#include "catalog/setting_parts.h"

#include <stdlib.h>
#include <string.h>

static bool is_set(const struct policy *p, enum setting s)
{
    return p->set[s / 64] >> s % 64 & 1;
}

/* How many of the settings before S are set at P: where its value stands, or would. */
static size_t place_of(const struct policy *p, enum setting s)
{
    size_t n = 0;

    for (size_t i = 0; i < s / 64; i++)
        n += (size_t)__builtin_popcountll(p->set[i]);
    return n + (size_t)__builtin_popcountll(p->set[s / 64] & ((1ULL << s % 64) - 1));
}

static size_t count_of(const struct policy *p)
{
    size_t n = 0;

    for (size_t i = 0; i < SETTING_WORDS; i++)
        n += (size_t)__builtin_popcountll(p->set[i]);
    return n;
}

/* What is set at LEVEL may be what holds there or, for the operator, further down. */
static bool fits(enum setting id, unsigned level)
{
    unsigned levels = setting_row(id)->levels;

    return level == LEVEL_S || level == 0 || levels & level;
}

bool policy_set(struct policy *p, enum setting id, struct setting_value *take)
{
    size_t at = place_of(p, id), count = count_of(p);

    if (!fits(id, p->level)) {
        setting_value_free(take);
        return false;
    }
    if (is_set(p, id)) {
        setting_value_free(&p->value[at]);
    } else {
        bool grows = !(count & (count - 1)); /* room is the next power of two */
        struct setting_value *more = grows ? realloc(p->value, (count ? count * 2 : 1) * sizeof *more) : p->value;
        if (!more) {
            setting_value_free(take);
            return false;
        }
        p->value = more;
        memmove(more + at + 1, more + at, (count - at) * sizeof *more);
        p->set[id / 64] |= 1ULL << id % 64;
    }
    p->value[at] = *take;
    *take = (struct setting_value){0};
    return true;
}

void policy_clear(struct policy *p)
{
    for (size_t i = 0, n = count_of(p); i < n; i++)
        setting_value_free(&p->value[i]);
    free(p->value);
    if (p->local_part_pattern)
        regfree(p->local_part_pattern);
    free(p->local_part_pattern);
    *p = (struct policy){0};
}

struct policy *policy_new(unsigned level)
{
    struct policy *p = calloc(1, sizeof *p);

    if (p)
        p->level = level;
    return p;
}

void policy_free(struct policy **p)
{
    if (!*p)
        return;
    policy_clear(*p);
    free(*p);
    *p = NULL;
}

bool pattern_is_modest(const char *pattern)
{
    static const double copies_most = 4096;
    double copies = 1;

    for (const char *c = pattern; *c; c++) {
        if (*c == '+')
            copies *= 2;
        if (*c != '{')
            continue;
        long least = strtol(c + 1, NULL, 10), most = least;
        const char *comma = strpbrk(c + 1, ",}");
        if (comma && *comma == ',')
            most = strtol(comma + 1, NULL, 10);
        copies *= most > least ? (double)most : least > 1 ? (double)least + 1 : 2;
    }
    return copies <= copies_most;
}

static bool compile_pattern(struct policy *p, struct buf *error)
{
    const char *text = p->value[place_of(p, SETTING_restricted_local_part)].text;
    char why[200];

    if (!*text)
        return true;
    if (!pattern_is_modest(text)) {
        buf_addf(error, "restricted_local_part: \"%s\": too many repetitions", text);
        return false;
    }
    p->local_part_pattern = calloc(1, sizeof *p->local_part_pattern);
    int code = p->local_part_pattern ? regcomp(p->local_part_pattern, text, REG_EXTENDED | REG_NOSUB) : REG_ESPACE;
    if (code == 0)
        return true;
    regerror(code, p->local_part_pattern, why, sizeof why);
    free(p->local_part_pattern);
    p->local_part_pattern = NULL;
    buf_addf(error, "restricted_local_part: \"%s\": %s", text, why);
    return false;
}

/* A value as one number; of a list its entries with their order. */
static int64_t digest(const struct setting_value *v)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < v->list.count; i++)
        sum = sum * 31 + hash_bytes(v->list.at[i], strlen(v->list.at[i]));
    return v->list.count ? (int64_t)sum : v->number;
}

static uint64_t fingerprint(const struct policy *p)
{
    int64_t values[SETTING_COUNT];
    size_t n = 0;
    bool has_own = false;

    for (enum setting s = 0; s < SETTING_COUNT; s++)
        has_own = has_own || (is_set(p, s) && setting_decides_at_data(s));
    if (!has_own && p->parent)
        return p->parent->data_fingerprint;
    for (enum setting s = 0; s < SETTING_COUNT; s++)
        if (setting_decides_at_data(s))
            values[n++] = digest(setting_value(p, s));
    return hash_bytes(values, n * sizeof *values);
}

bool policy_finish(struct policy *p, const struct policy *parent, struct buf *error)
{
    p->parent = parent;
    if (is_set(p, SETTING_restricted_local_part) && !compile_pattern(p, error))
        return false;
    p->data_fingerprint = fingerprint(p);
    return true;
}

const struct setting_value *setting_value(const struct policy *p, enum setting s)
{
    while (p->parent && !is_set(p, s))
        p = p->parent;
    return &p->value[place_of(p, s)];
}

bool setting_is_set(const struct policy *p, enum setting s)
{
    return p->parent && is_set(p, s);
}

static const struct setting_value *value(const struct policy *p, enum setting s, unsigned types)
{
    if (!(types & (1U << setting_row(s)->type)))
        bug("setting %s is read as another type", setting_row(s)->name);
    return setting_value(p, s);
}

int64_t setting_number(const struct policy *p, enum setting s)
{
    return value(p, s, 1U << SETTING_INT | 1U << SETTING_SIZE | 1U << SETTING_DURATION)->number;
}

int64_t setting_limit(const struct policy *p, enum setting s)
{
    return value(p, s, 1U << SETTING_LIMIT)->number;
}

bool setting_flag(const struct policy *p, enum setting s)
{
    return value(p, s, 1U << SETTING_BOOL)->number != 0;
}

enum action setting_action(const struct policy *p, enum setting s)
{
    return (enum action)value(p, s, 1U << SETTING_ACTION)->number;
}

const char *setting_text(const struct policy *p, enum setting s)
{
    return value(p, s, 1U << SETTING_TEXT | 1U << SETTING_CHOICE)->text;
}

const struct setting_list *setting_list(const struct policy *p, enum setting s)
{
    return &value(p, s, 1U << SETTING_LIST | 1U << SETTING_NETWORKS)->list;
}

const struct networks *setting_networks(const struct policy *p, enum setting s)
{
    return &value(p, s, 1U << SETTING_NETWORKS)->networks;
}

const regex_t *setting_pattern(const struct policy *p, enum setting s)
{
    if (s != SETTING_restricted_local_part)
        bug("setting %s is no pattern", setting_row(s)->name);
    while (p->parent && !is_set(p, s))
        p = p->parent;
    return p->local_part_pattern;
}
