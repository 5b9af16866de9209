/* settings.c: the table of settings, and the immutable snapshot of what is set; see settings.h. */
#include "catalog/settings.h"

#include "base/bug.h"
#include "base/hash.h"
#include "base/list.h"
#include "catalog/settings_check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* written by the build: SETTING_IS_USED_<id> is 1 where a process of the gateway reads that setting */
#include "catalog/enforced.inc"

#define P LEVEL_P
#define S LEVEL_S
#define T LEVEL_T
#define D LEVEL_D
#define M LEVEL_M
static const struct setting_row rows[SETTING_COUNT] = {
#define SETTING(id, type_, default_, min_, max_, levels_, unit_, help_) \
    [SETTING_##id] = {#id, SETTING_##type_, default_, min_, max_, levels_, unit_, help_, SETTING_IS_USED_##id},
#include "catalog/settings.def"
#undef SETTING
};
#undef P
#undef S
#undef T
#undef D
#undef M

struct domain_node {
    struct hash_node node;
    struct domain domain;
    char name[256];
};

struct settings {
    atomic_uint refs;
    struct policy system;
    struct hash_table domains;
    struct domain_node **list; /* in the order of the file */
    size_t count, room;
};

const struct setting_row *setting_row(enum setting s)
{
    bug_unless(s < SETTING_COUNT);
    return &rows[s];
}

int setting_find(struct str name)
{
    for (enum setting s = 0; s < SETTING_COUNT; s++)
        if (str_is(name, rows[s].name))
            return (int)s;
    return -1;
}

struct settings *settings_new(void)
{
    struct settings *s = calloc(1, sizeof *s);

    if (s)
        atomic_init(&s->refs, 1);
    return s;
}

bool settings_set(struct settings *s, struct domain *domain_or_null, enum setting id, struct setting_value *take)
{
    struct policy *p = domain_or_null ? &domain_or_null->policy : &s->system;
    unsigned allowed = domain_or_null ? LEVEL_D : LEVEL_P | LEVEL_S;

    if (!(rows[id].levels & allowed) && !(domain_or_null == NULL && rows[id].levels & (LEVEL_T | LEVEL_D))) {
        setting_value_free(take);
        return false;
    }
    setting_value_free(&p->value[id]);
    p->value[id] = *take;
    p->value[id].is_explicit = true;
    *take = (struct setting_value){0};
    return true;
}

struct domain *settings_add_domain(struct settings *s, struct str name)
{
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 16;
        struct domain_node **list = realloc(s->list, room * sizeof *list);
        if (!list)
            return NULL;
        s->list = list;
        s->room = room;
    }
    struct domain_node *d = settings_domain(s, name) ? NULL : calloc(1, sizeof *d);
    if (!d || !str_copy(d->name, sizeof d->name, name)) {
        free(d);
        return NULL;
    }
    str_lower(d->name, name.len);
    d->domain.name = str_n(d->name, name.len);
    if (!hash_insert(&s->domains, &d->node, hash_str_case(name))) {
        free(d);
        return NULL;
    }
    s->list[s->count++] = d;
    return &d->domain;
}

/* A blank-separated default as entries. */
static bool parse_default(enum setting id, struct setting_value *v, struct buf *error)
{
    enum { MOST = 128 };
    const char *entries[MOST];
    size_t count = 0;
    bool list = rows[id].type == SETTING_LIST || rows[id].type == SETTING_NETWORKS;
    char *copy = strdup(rows[id].default_text);

    if (!copy) {
        buf_add_text(error, "out of memory");
        return false;
    }
    if (list)
        for (char *save, *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
            bug_unless(count < MOST);
            entries[count++] = word;
        }
    else
        entries[count++] = copy;
    bool ok = setting_parse(id, entries, count, v, error);
    free(copy);
    return ok;
}

bool setting_decides_at_data(enum setting s)
{
    switch (s) {
    case SETTING_observe:
    case SETTING_max_message_size:
    case SETTING_max_line:
    case SETTING_max_line_action:
    case SETTING_max_header_field:
    case SETTING_max_header:
    case SETTING_max_header_action:
    case SETTING_max_date_skew_days:
    case SETTING_max_date_skew_action:
    case SETTING_date_required:
    case SETTING_check_header_count:
    case SETTING_check_subject:
    case SETTING_max_file_name:
    case SETTING_max_file_name_action:
    case SETTING_max_parts:
    case SETTING_max_parts_action:
    case SETTING_check_partial:
    case SETTING_check_structure:
    case SETTING_blocked_extensions:
    case SETTING_check_attachment_type:
    case SETTING_check_archives:
    case SETTING_blocked_attachments:
    case SETTING_encrypted_attachments:
    case SETTING_macro_attachments:
    case SETTING_cut_through:
        return true;
    default:
        return false;
    }
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

    for (enum setting s = 0; s < SETTING_COUNT; s++)
        if (setting_decides_at_data(s))
            values[n++] = digest(&p->value[s]);
    return hash_bytes(values, n * sizeof *values);
}

static void free_pattern(struct policy *p)
{
    if (!p->local_part_pattern)
        return;
    regfree(p->local_part_pattern);
    free(p->local_part_pattern);
    p->local_part_pattern = NULL;
}

static bool compile_pattern(struct policy *p, struct buf *error)
{
    const char *text = p->value[SETTING_restricted_local_part].text;
    char why[200];

    if (!*text)
        return true;
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

static void inherit(struct policy *child, const struct policy *parent)
{
    if (!child->value[SETTING_restricted_local_part].is_explicit)
        child->local_part_pattern = parent->local_part_pattern;
    for (enum setting s = 0; s < SETTING_COUNT; s++) {
        if (child->value[s].is_explicit)
            continue;
        child->value[s] = parent->value[s];
        child->value[s].is_explicit = false;
    }
}

bool settings_finish(struct settings *s, struct buf *error)
{
    for (enum setting id = 0; id < SETTING_COUNT; id++)
        if (!s->system.value[id].is_explicit && !parse_default(id, &s->system.value[id], error))
            return false;
    if (!compile_pattern(&s->system, error))
        return false;
    for (size_t i = 0; i < s->count; i++) {
        struct domain *d = &s->list[i]->domain;
        if (d->policy.value[SETTING_restricted_local_part].is_explicit && !compile_pattern(&d->policy, error))
            return false;
        inherit(&d->policy, &s->system);
        d->data_fingerprint = fingerprint(&d->policy);
    }
    return settings_check(s, error);
}

struct settings *settings_ref(struct settings *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void settings_unref(struct settings *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < s->count; i++) {
        if (s->list[i]->domain.policy.value[SETTING_restricted_local_part].is_explicit)
            free_pattern(&s->list[i]->domain.policy);
        for (enum setting id = 0; id < SETTING_COUNT; id++)
            if (s->list[i]->domain.policy.value[id].is_explicit)
                setting_value_free(&s->list[i]->domain.policy.value[id]);
        free(s->list[i]);
    }
    free_pattern(&s->system);
    for (enum setting id = 0; id < SETTING_COUNT; id++)
        setting_value_free(&s->system.value[id]);
    hash_table_free(&s->domains);
    free(s->list);
    free(s);
}

const struct policy *settings_system(const struct settings *s)
{
    return &s->system;
}

const struct domain *settings_domain(const struct settings *s, struct str name)
{
    for (struct hash_node *n = hash_first(&s->domains, hash_str_case(name)); n; n = hash_next(n)) {
        const struct domain_node *d = container_of(n, struct domain_node, node);
        if (str_eq_case(d->domain.name, name))
            return &d->domain;
    }
    return NULL;
}

size_t settings_domain_count(const struct settings *s)
{
    return s->count;
}

const struct domain *settings_domain_at(const struct settings *s, size_t i)
{
    return i < s->count ? &s->list[i]->domain : NULL;
}

static const struct setting_value *value(const struct policy *p, enum setting s, unsigned types)
{
    if (!(types & (1U << rows[s].type)))
        bug("setting %s is read as another type", rows[s].name);
    return &p->value[s];
}

int64_t setting_number(const struct policy *p, enum setting s)
{
    return value(p, s, 1U << SETTING_INT | 1U << SETTING_SIZE | 1U << SETTING_DURATION)->number;
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

const char *settings_host_name(const struct policy *system, char *to, size_t size)
{
    if (!str_copy(to, size, str_from(setting_text(system, SETTING_host_name))) || !*to) {
        if (gethostname(to, size) < 0)
            to[0] = '\0';
        to[size - 1] = '\0';
    }
    return to;
}

const regex_t *setting_pattern(const struct policy *p, enum setting s)
{
    if (s != SETTING_restricted_local_part)
        bug("setting %s is no pattern", rows[s].name);
    return p->local_part_pattern;
}

struct settings_holder {
    pthread_mutex_t lock;
    struct settings *current;
};

struct settings_holder *settings_holder_new(struct settings *take)
{
    struct settings_holder *h = calloc(1, sizeof *h);

    if (!h) {
        settings_unref(take);
        return NULL;
    }
    pthread_mutex_init(&h->lock, NULL);
    h->current = take;
    return h;
}

struct settings *settings_take(struct settings_holder *h)
{
    pthread_mutex_lock(&h->lock);
    struct settings *s = settings_ref(h->current);
    pthread_mutex_unlock(&h->lock);
    return s;
}

void settings_swap(struct settings_holder *h, struct settings *take)
{
    pthread_mutex_lock(&h->lock);
    struct settings *old = h->current;
    h->current = take;
    pthread_mutex_unlock(&h->lock);
    settings_unref(old);
}

void settings_holder_free(struct settings_holder **h)
{
    if (!*h)
        return;
    settings_unref((*h)->current);
    pthread_mutex_destroy(&(*h)->lock);
    free(*h);
    *h = NULL;
}
