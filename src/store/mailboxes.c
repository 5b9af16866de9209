/* mailboxes.c: see mailboxes.h. Both sides are sorted by local part and walked beside each other. */
#include "store/mailboxes.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

struct wanted {
    char *local;      /* owned */
    size_t line;
    size_t mailbox;   /* ordinal of its mailbox in the set */
    bool is_alias, left_out;
};

struct mailbox_set {
    struct wanted *at;
    size_t count, room, mailboxes;
};

struct mailbox_set *mailbox_set_new(void)
{
    return calloc(1, sizeof(struct mailbox_set));
}

void mailbox_set_free(struct mailbox_set **s)
{
    if (!*s)
        return;
    for (size_t i = 0; i < (*s)->count; i++)
        free((*s)->at[i].local);
    free((*s)->at);
    free(*s);
    *s = NULL;
}

bool mailbox_set_add(struct mailbox_set *s, const char *local, bool is_alias, size_t line)
{
    if (s->count == MAILBOXES_MOST || (is_alias && !s->mailboxes))
        return false;
    if (s->count == s->room) {
        size_t room = s->room ? s->room * 2 : 64;
        struct wanted *more = realloc(s->at, room * sizeof *more);
        if (!more)
            return false;
        s->at = more;
        s->room = room;
    }
    char *copy = strdup(local);
    if (!copy)
        return false;
    s->mailboxes += !is_alias;
    s->at[s->count++] = (struct wanted){.local = copy, .line = line, .mailbox = s->mailboxes - 1, .is_alias = is_alias};
    return true;
}

size_t mailbox_set_mailboxes(const struct mailbox_set *s)
{
    return s->mailboxes;
}

int64_t mailboxes_count(struct db *d, int64_t domain, const char *source)
{
    const struct db_value values[] = {DB_N(domain), DB_T(str_from(source))};

    return db_ask_number(d, "SELECT count(*) FROM mailbox WHERE domain = $1 AND source = $2", values, 2, -1);
}

enum db_result mailbox_remove(struct db *d, int64_t id)
{
    static const char *const sql[] = {"DELETE FROM setting WHERE level = 'm' AND owner = $1", "DELETE FROM list_entry WHERE level = 'm' AND owner = $1",
                                      "DELETE FROM rule WHERE level = 'm' AND owner = $1", "DELETE FROM mailbox WHERE id = $1"};
    const struct db_value values[] = {DB_N(id)};
    enum db_result result = DB_OK;

    for (size_t i = 0; i < sizeof sql / sizeof *sql && result == DB_OK; i++)
        result = db_run(d, sql[i], values, 1, NULL);
    return result;
}

/* Mailboxes before aliases of the same name, and then in the order in which they came. */
static int by_local(const void *a, const void *b)
{
    const struct wanted *left = a, *right = b;
    int order = strcmp(left->local, right->local);

    if (order)
        return order;
    if (left->is_alias != right->is_alias)
        return left->is_alias ? 1 : -1;
    return left->line < right->line ? -1 : left->line > right->line;
}

/* What the store has. */
struct present {
    char *local; /* owned */
    int64_t mailbox;
    bool is_alias, is_ours, is_gone;
};

struct following {
    struct db *db;
    int64_t domain;
    struct str source;
    struct mailbox_set *set;
    struct present *at; /* by local part */
    size_t count, room;
    int64_t *numbers;   /* of the set's mailboxes, by ordinal; 0: left out */
    struct mailbox_changes *out;
    mailbox_trouble *trouble;
    void *arg;
};

static bool note_present(struct following *f, struct db_rows *r)
{
    if (f->count == f->room) {
        size_t room = f->room ? f->room * 2 : 64;
        struct present *more = realloc(f->at, room * sizeof *more);
        if (!more)
            return false;
        f->at = more;
        f->room = room;
    }
    f->at[f->count] = (struct present){.local = str_dup(db_text(r, 0)), .mailbox = db_number(r, 1), .is_alias = db_number(r, 2) != 0, .is_ours = str_eq(db_text(r, 3), f->source)};
    return f->at[f->count++].local != NULL;
}

static int present_by_local(const void *a, const void *b)
{
    return strcmp(((const struct present *)a)->local, ((const struct present *)b)->local);
}

static enum db_result load(struct following *f)
{
    struct db_rows *r = DB_QUERY(f->db, "SELECT local_part, id, 0, source FROM mailbox WHERE domain = $1 UNION ALL SELECT local_part, mailbox, 1, source FROM mailbox_alias WHERE domain = $1",
                                 DB_N(f->domain));
    bool fine = true;

    while (fine && db_next(r))
        fine = note_present(f, r);
    enum db_result result = db_done(&r);
    if (f->count)
        qsort(f->at, f->count, sizeof *f->at, present_by_local);
    f->numbers = calloc(f->set->mailboxes + 1, sizeof *f->numbers);
    return result == DB_OK && (!fine || !f->numbers) ? DB_FAILED : result;
}

static void leave_out(struct following *f, struct wanted *w, const char *what)
{
    w->left_out = true;
    f->trouble(f->arg, w->line, w->local, what);
}

static void drop_doubles(struct following *f)
{
    struct mailbox_set *s = f->set;

    if (s->count)
        qsort(s->at, s->count, sizeof *s->at, by_local);
    for (size_t i = 1, first = 0; i < s->count; i++) {
        if (strcmp(s->at[i].local, s->at[first].local) != 0)
            first = i;
        else if (!s->at[i].is_alias || s->at[i].mailbox != s->at[first].mailbox)
            leave_out(f, &s->at[i], "stands there twice");
        else
            s->at[i].left_out = true; /* the same once more */
    }
}

static struct wanted *find_wanted(const struct mailbox_set *s, const char *local)
{
    size_t low = 0, high = s->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(s->at[middle].local, local) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < s->count && strcmp(s->at[low].local, local) == 0 ? &s->at[low] : NULL;
}

static struct present *find_present(const struct following *f, const char *local)
{
    const struct present key = {.local = (char *)(uintptr_t)local};
    struct present *p = f->count ? bsearch(&key, f->at, f->count, sizeof *f->at, present_by_local) : NULL;

    return p && !p->is_gone ? p : NULL;
}

/* The aliases of mailboxes that were removed went with them, whoever made them. */
static enum db_result note_gone(struct following *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct db_value values[] = {DB_N(f->at[i].mailbox)};
        int64_t there = f->at[i].is_alias && !f->at[i].is_gone ? db_ask_number(f->db, "SELECT count(*) FROM mailbox WHERE id = $1", values, 1, -1) : 1;
        if (there < 0)
            return DB_FAILED;
        f->at[i].is_gone = f->at[i].is_gone || !there;
        f->out->aliases_removed += !there;
    }
    return DB_OK;
}

/* Ours whom the set does not know as mailboxes go. */
static enum db_result remove_mailboxes(struct following *f)
{
    enum db_result result = DB_OK;

    for (size_t i = 0; i < f->count && result == DB_OK; i++) {
        struct present *p = &f->at[i];
        const struct wanted *w = p->is_alias || !p->is_ours ? NULL : find_wanted(f->set, p->local);
        if (p->is_alias || !p->is_ours || (w && !w->is_alias))
            continue;
        result = mailbox_remove(f->db, p->mailbox);
        p->is_gone = true;
        f->out->removed++;
    }
    return result == DB_OK && f->out->removed ? note_gone(f) : result;
}

static enum db_result insert_mailbox(struct following *f, struct wanted *w)
{
    const struct present *p = find_present(f, w->local);
    int64_t id = db_new_id();

    if (p && p->is_alias)
        return leave_out(f, w, "is another name of a mailbox already"), DB_OK;
    f->numbers[w->mailbox] = p ? p->mailbox : id;
    if (p)
        return f->out->kept++, DB_OK;
    f->out->added++;
    return DB_RUN(f->db, "INSERT INTO mailbox(id, domain, local_part, source, created_ms) VALUES($1, $2, $3, $4, $5)", DB_N(id), DB_N(f->domain), DB_T(str_from(w->local)),
                  DB_T(f->source), DB_N(clock_wall_ms()));
}

static enum db_result insert_alias(struct following *f, struct wanted *w)
{
    const struct present *p = find_present(f, w->local);
    int64_t mailbox = f->numbers[w->mailbox];

    if (!mailbox)
        return DB_OK; /* its mailbox is left out, and that has been said */
    if (p && p->is_alias && p->mailbox == mailbox)
        return f->out->aliases_kept++, DB_OK;
    if (p)
        return leave_out(f, w, p->is_alias ? "is another name of another mailbox already" : "is a mailbox already"), DB_OK;
    f->out->aliases_added++;
    return DB_RUN(f->db, "INSERT INTO mailbox_alias(domain, local_part, mailbox, source) VALUES($1, $2, $3, $4)", DB_N(f->domain), DB_T(str_from(w->local)), DB_N(mailbox),
                  DB_T(f->source));
}

/* Other names of ours that the set does not give, or gives to another mailbox. */
static enum db_result remove_aliases(struct following *f)
{
    enum db_result result = DB_OK;

    for (size_t i = 0; i < f->count && result == DB_OK; i++) {
        struct present *p = &f->at[i];
        if (!p->is_alias || !p->is_ours || p->is_gone)
            continue;
        const struct wanted *w = find_wanted(f->set, p->local);
        if (w && w->is_alias && f->numbers[w->mailbox] == p->mailbox)
            continue;
        result = DB_RUN(f->db, "DELETE FROM mailbox_alias WHERE domain = $1 AND local_part = $2", DB_N(f->domain), DB_T(str_from(p->local)));
        p->is_gone = true;
        f->out->aliases_removed++;
    }
    return result;
}

static enum db_result each(struct following *f, bool aliases)
{
    enum db_result result = DB_OK;

    for (size_t i = 0; i < f->set->count && result == DB_OK; i++)
        if (f->set->at[i].is_alias == aliases && !f->set->at[i].left_out)
            result = aliases ? insert_alias(f, &f->set->at[i]) : insert_mailbox(f, &f->set->at[i]);
    return result;
}

/* A name that was another's alias and becomes a mailbox must be free first; which alias is whose is known only once the mailboxes have numbers. */
static enum db_result free_names(struct following *f)
{
    enum db_result result = DB_OK;

    for (size_t i = 0; i < f->count && result == DB_OK; i++) {
        struct present *p = &f->at[i];
        const struct wanted *w = p->is_alias && p->is_ours && !p->is_gone ? find_wanted(f->set, p->local) : NULL;
        if (!w || w->is_alias)
            continue;
        result = DB_RUN(f->db, "DELETE FROM mailbox_alias WHERE domain = $1 AND local_part = $2", DB_N(f->domain), DB_T(str_from(p->local)));
        p->is_gone = true;
        f->out->aliases_removed++;
    }
    return result;
}

enum db_result mailboxes_follow(struct db *d, int64_t domain, const char *source, struct mailbox_set *s, bool may_remove, struct mailbox_changes *out,
                                mailbox_trouble *trouble, void *arg)
{
    struct following f = {.db = d, .domain = domain, .source = str_from(source), .set = s, .out = out, .trouble = trouble, .arg = arg};

    *out = (struct mailbox_changes){0};
    enum db_result result = load(&f);
    if (result == DB_OK) {
        drop_doubles(&f);
        result = may_remove ? remove_mailboxes(&f) : DB_OK;
    }
    if (result == DB_OK && may_remove)
        result = free_names(&f);
    if (result == DB_OK)
        result = each(&f, false);
    if (result == DB_OK && may_remove)
        result = remove_aliases(&f);
    if (result == DB_OK)
        result = each(&f, true);
    for (size_t i = 0; i < f.count; i++)
        free(f.at[i].local);
    free(f.at);
    free(f.numbers);
    return result;
}
