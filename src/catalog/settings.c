/* settings.c: the table of settings, and the immutable snapshot of what is set; see settings.h. */
#include "catalog/settings.h"

#include "base/bug.h"
#include "base/hash.h"
#include "base/list.h"
#include "catalog/recipient_set.h"
#include "catalog/setting_parts.h"
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
#define U LEVEL_U
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
#undef U

struct domain_node {
    struct hash_node node;
    struct domain domain;
    char name[];
};

struct alias_node {
    struct hash_node node;
    const struct domain *domain;
    struct str name;
    char text[];
};

struct tenant_node {
    struct list list;
    struct tenant tenant;
};

struct mailbox_node {
    struct hash_node node;
    struct list list;
    const struct domain *domain;
    struct policy policy;
    const struct policy *same; /* of an alias: its mailbox's; NULL: its own */
    size_t len;
    char local_part[];
};

struct settings {
    atomic_uint refs;
    struct policy defaults, system;
    struct hash_table domains, aliases, mailboxes;
    struct recipient_set recipients;
    struct domain_node **list; /* in the order of the file */
    size_t count, room;
    struct list tenants, levels; /* levels: of mailboxes; both in the order of their arrival */
};

/* A switch, so that a new type does not compile without its name. */
const char *setting_type_name(enum setting_type type)
{
    switch (type) {
    case SETTING_BOOL: return "bool";
    case SETTING_INT: return "int";
    case SETTING_SIZE: return "size";
    case SETTING_DURATION: return "duration";
    case SETTING_TEXT: return "text";
    case SETTING_LIST: return "list";
    case SETTING_CHOICE: return "choice";
    case SETTING_ACTION: return "action";
    case SETTING_NETWORKS: return "networks";
    case SETTING_LIMIT: return "limit";
    }
    bug("no setting is of type %d", (int)type);
}

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

    if (!s)
        return NULL;
    atomic_init(&s->refs, 1);
    s->system.level = LEVEL_S;
    list_init(&s->tenants);
    list_init(&s->levels);
    return s;
}

struct policy *settings_system_policy(struct settings *s)
{
    return &s->system;
}

bool settings_set(struct settings *s, struct domain *domain_or_null, enum setting id, struct setting_value *take)
{
    return policy_set(domain_or_null ? &domain_or_null->policy : &s->system, id, take);
}

struct tenant *settings_tenant(const struct settings *s, int64_t id)
{
    for (const struct list *l = s->tenants.next; l != &s->tenants; l = l->next) {
        struct tenant_node *t = container_of((struct list *)(uintptr_t)l, struct tenant_node, list);
        if (t->tenant.id == id)
            return &t->tenant;
    }
    return NULL;
}

struct tenant *settings_add_tenant(struct settings *s, int64_t id, const struct tenant *parent)
{
    struct tenant_node *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->tenant.id = id;
    t->tenant.policy.level = LEVEL_T;
    t->tenant.parent = parent;
    list_add_tail(&s->tenants, &t->list);
    return &t->tenant;
}

struct domain *settings_add_domain_of(struct settings *s, struct str name, const struct tenant *tenant)
{
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 16;
        struct domain_node **list = realloc(s->list, room * sizeof *list);
        if (!list)
            return NULL;
        s->list = list;
        s->room = room;
    }
    struct domain_node *d = settings_domain(s, name) ? NULL : calloc(1, sizeof *d + name.len + 1);
    if (!d)
        return NULL;
    memcpy(d->name, name.at, name.len);
    str_lower(d->name, name.len);
    d->domain.name = str_n(d->name, name.len);
    d->domain.tenant = tenant;
    d->domain.policy.level = LEVEL_D;
    if (!hash_insert(&s->domains, &d->node, hash_str_case(name))) {
        free(d);
        return NULL;
    }
    s->list[s->count++] = d;
    return &d->domain;
}

struct domain *settings_add_domain(struct settings *s, struct str name)
{
    return settings_add_domain_of(s, name, NULL);
}

bool settings_add_alias(struct settings *s, struct str name, const struct domain *domain)
{
    struct alias_node *a = settings_domain(s, name) ? NULL : calloc(1, sizeof *a + name.len);

    if (!a)
        return false;
    memcpy(a->text, name.at, name.len);
    a->name = str_n(a->text, name.len);
    a->domain = domain;
    if (hash_insert(&s->aliases, &a->node, hash_str_case(name)))
        return true;
    free(a);
    return false;
}

bool settings_know_recipient(struct settings *s, const struct domain *domain, struct str local_part)
{
    return recipient_set_add(&s->recipients, domain->name, local_part);
}

bool settings_knows_recipient(const struct settings *s, const struct domain *domain, struct str local_part)
{
    ptrdiff_t plus = str_find(local_part, '+');

    return recipient_set_has(&s->recipients, domain->name, local_part) ||
           (plus > 0 && recipient_set_has(&s->recipients, domain->name, str_sub(local_part, 0, (size_t)plus)));
}

static uint64_t mailbox_key(const struct domain *domain, struct str local_part)
{
    return hash_str_case(local_part) ^ (uint64_t)(uintptr_t)domain;
}

static struct mailbox_node *find_mailbox(const struct settings *s, const struct domain *domain, struct str local_part)
{
    for (struct hash_node *n = hash_first(&s->mailboxes, mailbox_key(domain, local_part)); n; n = hash_next(n)) {
        struct mailbox_node *m = container_of(n, struct mailbox_node, node);
        if (m->domain == domain && str_eq_case(str_n(m->local_part, m->len), local_part))
            return m;
    }
    return NULL;
}

struct policy *settings_add_mailbox(struct settings *s, const struct domain *domain, struct str local_part)
{
    struct mailbox_node *m = find_mailbox(s, domain, local_part) ? NULL : calloc(1, sizeof *m + local_part.len + 1);

    if (!m)
        return NULL;
    memcpy(m->local_part, local_part.at, local_part.len);
    m->len = local_part.len;
    m->domain = domain;
    m->policy.level = LEVEL_M;
    if (!hash_insert(&s->mailboxes, &m->node, mailbox_key(domain, local_part))) {
        free(m);
        return NULL;
    }
    list_add_tail(&s->levels, &m->list);
    return &m->policy;
}

bool settings_add_mailbox_alias(struct settings *s, const struct domain *domain, struct str alias, struct str of)
{
    const struct mailbox_node *m = find_mailbox(s, domain, of);

    if (!m || m->same || !settings_add_mailbox(s, domain, alias))
        return false;
    find_mailbox(s, domain, alias)->same = &m->policy;
    return true;
}

const struct policy *settings_mailbox(const struct settings *s, const struct domain *domain, struct str local_part)
{
    const struct mailbox_node *m = list_is_empty(&s->levels) ? NULL : find_mailbox(s, domain, local_part);

    if (!m && !list_is_empty(&s->levels)) {
        ptrdiff_t plus = str_find(local_part, '+');
        m = plus > 0 ? find_mailbox(s, domain, str_sub(local_part, 0, (size_t)plus)) : NULL;
    }
    return !m ? &domain->policy : m->same ? m->same : &m->policy;
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
    case SETTING_active_attachments:
    case SETTING_cut_through:
        return true;
    default:
        return false;
    }
}

static bool finish_tenants(struct settings *s, struct buf *error)
{
    for (struct list *l = s->tenants.next; l != &s->tenants; l = l->next) {
        struct tenant_node *t = container_of(l, struct tenant_node, list);
        if (!policy_finish(&t->tenant.policy, t->tenant.parent ? &t->tenant.parent->policy : &s->system, error))
            return false;
    }
    return true;
}

static bool finish_domains(struct settings *s, struct buf *error)
{
    for (size_t i = 0; i < s->count; i++) {
        struct domain *d = &s->list[i]->domain;
        if (!policy_finish(&d->policy, d->tenant ? &d->tenant->policy : &s->system, error))
            return false;
    }
    return true;
}

static bool finish_mailboxes(struct settings *s, struct buf *error)
{
    for (struct list *l = s->levels.next; l != &s->levels; l = l->next) {
        struct mailbox_node *m = container_of(l, struct mailbox_node, list);
        if (!policy_finish(&m->policy, &m->domain->policy, error))
            return false;
    }
    return true;
}

bool settings_finish(struct settings *s, struct buf *error)
{
    for (enum setting id = 0; id < SETTING_COUNT; id++) {
        struct setting_value v;
        if (!parse_default(id, &v, error) || !policy_set(&s->defaults, id, &v))
            return false;
    }
    return policy_finish(&s->defaults, NULL, error) && policy_finish(&s->system, &s->defaults, error) && finish_tenants(s, error) &&
           finish_domains(s, error) && finish_mailboxes(s, error) && settings_check(s, error);
}

struct settings *settings_ref(struct settings *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

static void free_alias(struct hash_node *node, void *arg)
{
    (void)arg;
    free(container_of(node, struct alias_node, node));
}

void settings_unref(struct settings *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (struct list *l = s->levels.next, *next = l->next; l != &s->levels; l = next, next = l->next) {
        struct mailbox_node *m = container_of(l, struct mailbox_node, list);
        policy_clear(&m->policy);
        free(m);
    }
    for (size_t i = 0; i < s->count; i++) {
        policy_clear(&s->list[i]->domain.policy);
        free(s->list[i]);
    }
    for (struct list *l = s->tenants.next, *next = l->next; l != &s->tenants; l = next, next = l->next) {
        struct tenant_node *t = container_of(l, struct tenant_node, list);
        policy_clear(&t->tenant.policy);
        free(t);
    }
    policy_clear(&s->system);
    policy_clear(&s->defaults);
    hash_each(&s->aliases, free_alias, NULL);
    hash_table_free(&s->aliases);
    recipient_set_free(&s->recipients);
    hash_table_free(&s->domains);
    hash_table_free(&s->mailboxes);
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
    for (struct hash_node *n = hash_first(&s->aliases, hash_str_case(name)); n; n = hash_next(n)) {
        const struct alias_node *a = container_of(n, struct alias_node, node);
        if (str_eq_case(a->name, name))
            return a->domain;
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

const char *settings_host_name(const struct policy *system, char *to, size_t size)
{
    if (!str_copy(to, size, str_from(setting_text(system, SETTING_host_name))) || !*to) {
        if (gethostname(to, size) < 0)
            to[0] = '\0';
        to[size - 1] = '\0';
    }
    return to;
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
