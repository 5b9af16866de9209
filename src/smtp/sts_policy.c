/* sts_policy.c: see sts_policy.h. */
#include "smtp/sts_policy.h"

#include <stdlib.h>
#include <string.h>

static const char version[] = "v=STSv1";

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

bool sts_record_is_ours(struct str txt)
{
    size_t n = sizeof version - 1;

    return str_starts(txt, str_from(version)) && txt.len > n && (txt.at[n] == ';' || is_space(txt.at[n]));
}

/* ABNF sts-ext-name: a letter or digit, then up to 31 more, or _ - and dots. */
static bool is_field_name(struct str name)
{
    if (!name.len || name.len > 32 || !ascii_is_alnum((unsigned char)name.at[0]))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alnum((unsigned char)name.at[i]) && name.at[i] != '_' && name.at[i] != '-' && name.at[i] != '.')
            return false;
    return true;
}

static bool is_record_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.at[i] <= ' ' || value.at[i] > '~' || value.at[i] == '=')
            return false;
    return value.len > 0;
}

static bool take_id(struct str value, char *id)
{
    for (size_t i = 0; i < value.len; i++)
        if (!ascii_is_alnum((unsigned char)value.at[i]))
            return false;
    return value.len > 0 && value.len <= STS_ID_MAX && str_copy(id, STS_ID_MAX + 1, value);
}

bool sts_record_id(struct str txt, char *id)
{
    struct str rest = txt, field;

    id[0] = '\0';
    if (!sts_record_is_ours(txt))
        return false;
    for (field = str_cut(&rest, ';'); rest.at;) {
        struct str value = str_trim(str_cut(&rest, ';'));
        if (!value.len && !str_trim(rest).len)
            break; /* the last delimiter may stand alone */
        struct str name = str_cut(&value, '=');
        if (!is_field_name(name) || !value.at || !is_record_value(value))
            return false;
        if (str_is(name, "id") && !id[0] && !take_id(value, id)) /* §3.2: of fields that come twice the first one counts */
            return false;
    }
    (void)field;
    return id[0] != '\0';
}

struct reading {
    struct sts_policy *policy;
    bool has_version, has_mode, has_age;
    size_t used; /* of policy->mx */
    const char *why;
};

static bool refuse(struct reading *r, const char *why)
{
    r->why = why;
    return false;
}

const char *sts_mode_name(enum sts_mode mode)
{
    static const char *const names[] = {[STS_MODE_NONE] = "none", [STS_MODE_TESTING] = "testing", [STS_MODE_ENFORCE] = "enforce"};

    return names[mode];
}

static bool take_mode(struct reading *r, struct str value)
{
    for (enum sts_mode m = STS_MODE_NONE; m <= STS_MODE_ENFORCE; m++) {
        if (!str_is(value, sts_mode_name(m)))
            continue;
        r->policy->mode = m;
        r->has_mode = true;
        return true;
    }
    return refuse(r, "its mode is none of enforce, testing, none");
}

static bool take_age(struct reading *r, struct str value)
{
    uint64_t age;

    if (value.len > 10 || !str_to_u64(value, UINT64_MAX, &age))
        return refuse(r, "its max_age is no number");
    r->policy->max_age_s = age > STS_AGE_MAX_S ? STS_AGE_MAX_S : (uint32_t)age;
    r->has_age = true;
    return true;
}

static bool is_host_name(struct str name)
{
    char before = '.';

    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        if (!ascii_is_alnum((unsigned char)c) && c != '-' && c != '_' && !(c == '.' && before != '.'))
            return false;
        before = c;
    }
    return name.len > 0 && name.len <= 253 && before != '.';
}

/* There is room: the patterns are no longer than the text they come from. */
static bool take_mx(struct reading *r, struct str value)
{
    struct sts_policy *p = r->policy;
    struct str host = str_starts(value, STR("*.")) ? str_from_index(value, 2) : value;

    if (!is_host_name(host))
        return refuse(r, "one of its mx is no host name");
    if (p->mx_count == STS_MX_MAX)
        return refuse(r, "it has too many mx");
    memcpy(p->mx + r->used, value.at, value.len);
    str_lower(p->mx + r->used, value.len);
    r->used += value.len;
    p->mx[r->used++] = '\0';
    p->mx_count++;
    return true;
}

static bool take_line(struct reading *r, struct str line)
{
    struct str value = line, name = str_cut(&value, ':');

    if (!line.len)
        return true;
    if (!value.at || !is_field_name(name))
        return refuse(r, "a line of it is not \"key: value\"");
    value = str_trim(value);
    if (str_is(name, "version") && !r->has_version) {
        r->has_version = str_is(value, "STSv1");
        return r->has_version || refuse(r, "its version is not STSv1");
    }
    if (str_is(name, "mode") && !r->has_mode)
        return take_mode(r, value);
    if (str_is(name, "max_age") && !r->has_age)
        return take_age(r, value);
    return !str_is(name, "mx") || take_mx(r, value);
}

static bool read_all(struct reading *r, struct str text)
{
    if (text.len > STS_TEXT_MAX)
        return refuse(r, "it is too long");
    r->policy->mx = malloc(text.len + 1);
    if (!r->policy->mx)
        return refuse(r, "out of memory");
    for (struct str rest = text; rest.at && rest.len;)
        if (!take_line(r, str_trim(str_cut(&rest, '\n'))))
            return false;
    if (!r->has_version || !r->has_mode || !r->has_age)
        return refuse(r, "it lacks version, mode or max_age");
    if (!r->policy->mx_count && r->policy->mode != STS_MODE_NONE)
        return refuse(r, "it names no mx");
    return true;
}

bool sts_policy_parse(struct str text, struct sts_policy *policy, const char **why)
{
    struct reading r = {.policy = policy};

    *policy = (struct sts_policy){0};
    bool ok = read_all(&r, text);
    *why = r.why;
    if (!ok)
        sts_policy_clear(policy);
    return ok;
}

void sts_policy_clear(struct sts_policy *policy)
{
    free(policy->mx);
    *policy = (struct sts_policy){0};
}

/* "*.example.net" names hosts with one label more, no deeper (RFC 6125 §6.4.3). */
static bool pattern_names(struct str pattern, struct str host)
{
    if (!str_starts(pattern, STR("*.")))
        return str_eq_case(pattern, host);
    struct str below = host, label = str_cut(&below, '.');
    return label.len && below.at && str_eq_case(str_from_index(pattern, 2), below);
}

bool sts_policy_names(const struct sts_policy *policy, struct str host)
{
    const char *at = policy->mx;

    for (size_t i = 0; i < policy->mx_count; i++, at += strlen(at) + 1)
        if (pattern_names(str_from(at), host))
            return true;
    return false;
}
