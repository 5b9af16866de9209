/* control.c: the operator's verbs over the queue; see control.h. */
#include "courier/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "courier/parts.h"

#include <stdlib.h>
#include <string.h>

enum { LIMIT_DEFAULT = 1000, LIMIT_MOST = 100000, AGES = 8, LATE_MOST = 100 };

struct filter {
    const char *reference, *sender, *recipient, *domain, *state;
    int64_t older_ms;
};

static const char *state_name(enum spool_recipient_state s)
{
    static const char *const names[] = {[SPOOL_QUEUED] = "queued", [SPOOL_HELD] = "held", [SPOOL_FROZEN] = "frozen", [SPOOL_DONE] = "done"};
    return names[s];
}

/* '*' is any run of characters; the rest counts, letters in any case. Linear: one star is remembered at a time. */
static bool like(const char *pattern, struct str text)
{
    size_t i = 0, p = 0, star = SIZE_MAX, mark = 0;

    if (!pattern)
        return true;
    while (i < text.len) {
        if (pattern[p] == '*') {
            star = p++;
            mark = i;
        } else if (pattern[p] && ascii_lower((unsigned char)pattern[p]) == ascii_lower((unsigned char)text.at[i])) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++mark;
        } else {
            return false;
        }
    }
    while (pattern[p] == '*')
        p++;
    return pattern[p] == '\0';
}

enum job_order { ORDER_RETRY, ORDER_HOLD, ORDER_BOUNCE, ORDER_DELETE };

/* IS_BUSY: as far as the filter is concerned, a worker has the job; what that worker may be changing is not looked at. */
static bool matches(const struct filter *f, const struct job *job, const struct spool_recipient *r, int64_t now_ms, bool is_busy)
{
    return like(f->reference, str_from(job->m->reference)) && like(f->sender, address_text(&job->m->mail.sender)) &&
           like(f->recipient, address_text(&r->args.recipient)) && like(f->domain, str_from(job->to->domain)) &&
           like(f->state, str_from(is_busy ? "delivering" : state_name(r->state))) &&
           now_ms - job->m->received_ms >= f->older_ms;
}

static json_t *refuse(const char *why)
{
    return json_pack("{s:b, s:s}", "ok", 0, "error", why);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text && *text ? text : NULL;
}

static bool read_filter(const json_t *request, struct filter *f, const char **wrong)
{
    static const char *const known[] = {"reference", "sender", "recipient", "domain", "state", "older_s"};
    const json_t *object = json_object_get(request, "filter");
    const char *key;
    json_t *value;

    *f = (struct filter){0};
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(known[i], key) == 0;
        if (!found) {
            *wrong = "unknown filter: reference, sender, recipient, domain, state, older_s";
            return false;
        }
    }
    f->reference = text_of(object, "reference");
    f->sender = text_of(object, "sender");
    f->recipient = text_of(object, "recipient");
    f->domain = text_of(object, "domain");
    f->state = text_of(object, "state");
    f->older_ms = (int64_t)json_integer_value(json_object_get(object, "older_s")) * 1000;
    return true;
}

static json_t *time_json(int64_t wall_ms)
{
    char text[32];

    return wall_ms > 0 ? json_string(clock_format_iso(wall_ms, text)) : json_string("");
}

static json_t *bytes_json(struct str s)
{
    json_t *text = json_stringn(s.at ? s.at : "", s.len);

    return text ? text : json_string("?"); /* not UTF-8 */
}

static json_t *row_json(const struct job *job, const struct spool_recipient *r)
{
    bool busy = job->busy; /* then the recipient's state is the worker's alone */
    bool waits = !busy && r->state == SPOOL_QUEUED;

    return json_pack("{s:s, s:o, s:s, s:o, s:o, s:I, s:i, s:o, s:s, s:s}", "reference", job->m->reference, "received",
                     time_json(job->m->received_ms), "state", busy ? "delivering" : state_name(r->state), "sender",
                     bytes_json(address_text(&job->m->mail.sender)), "recipient", bytes_json(address_text(&r->args.recipient)), "size",
                     (json_int_t)job->m->mail.size, "attempts", busy ? 0 : (int)r->attempts, "next_try", time_json(waits ? r->next_try_ms : 0), "last_host",
                     busy ? "" : r->last_host, "last_reply", busy ? "" : r->last_reply);
}

/* Calls EACH for every recipient that F selects. Under the lock. */
static void for_each(struct courier *c, const struct filter *f, void (*each)(struct job *, struct spool_recipient *, void *), void *arg)
{
    int64_t now_ms = clock_wall_ms();

    LIST_EACH(&c->all, l) {
        struct job *job = container_of(l, struct job, all);
        for (size_t i = 0; i < job->count; i++) {
            struct spool_recipient *r = &job->m->recipients[job->recipients[i]];
            if ((job->busy || r->state != SPOOL_DONE) && matches(f, job, r, now_ms, job->busy))
                each(job, r, arg);
        }
    }
}

struct listing {
    json_t *rows;
    size_t limit, total;
};

static void add_row(struct job *job, struct spool_recipient *r, void *arg)
{
    struct listing *l = arg;

    l->total++;
    if (json_array_size(l->rows) < l->limit)
        json_array_append_new(l->rows, row_json(job, r));
}

static json_t *list(struct courier *c, const struct filter *f, const json_t *request)
{
    json_int_t limit = json_integer_value(json_object_get(request, "limit"));
    struct listing l = {.rows = json_array(), .limit = limit > 0 && limit <= LIMIT_MOST ? (size_t)limit : LIMIT_DEFAULT};

    for_each(c, f, add_row, &l);
    return json_pack("{s:b, s:I, s:o}", "ok", 1, "total", (json_int_t)l.total, "rows", l.rows);
}

/* As qshape shows it: destinations by number and age of what waits for them. */
struct shape {
    struct destination *d;
    json_int_t total, by_age[AGES];
};

static const int64_t age_limits_min[AGES] = {5, 10, 20, 40, 80, 160, 320, INT64_MAX};

static size_t age_column(int64_t age_ms)
{
    size_t i = 0;

    while (i + 1 < AGES && age_ms / 60000 >= age_limits_min[i])
        i++;
    return i;
}

static int more_first(const void *a, const void *b)
{
    const struct shape *x = a, *y = b;
    return x->total < y->total ? 1 : x->total > y->total ? -1 : 0;
}

static json_t *shape_json(const struct shape *s)
{
    static const char *const names[AGES] = {"5m", "10m", "20m", "40m", "80m", "160m", "320m", "older"};
    json_t *row = json_pack("{s:s, s:I, s:i, s:i, s:s}", "destination", s->d->domain, "total", s->total, "connections", (int)s->d->active,
                            "limit", (int)s->d->limit, "trouble", clock_mono_ms() < s->d->back_off_until_ms ? s->d->trouble : "");

    for (size_t i = 0; i < AGES; i++)
        json_object_set_new(row, names[i], json_integer(s->by_age[i]));
    return row;
}

static json_t *top(struct courier *c, const struct filter *f)
{
    struct shape *shapes = calloc(c->destinations.count + 1, sizeof *shapes);
    json_t *rows = json_array();
    int64_t now_ms = clock_wall_ms();
    size_t n = 0;

    LIST_EACH(&c->all, l) {
        const struct job *job = container_of(l, struct job, all);
        if (!shapes || !like(f->domain, str_from(job->to->domain)))
            continue;
        if (!job->to->shape) {
            shapes[n].d = job->to;
            job->to->shape = ++n;
        }
        size_t i = job->to->shape - 1;
        shapes[i].total += (json_int_t)job->count;
        shapes[i].by_age[age_column(now_ms - job->m->received_ms)] += (json_int_t)job->count;
    }
    for (size_t i = 0; i < n; i++)
        shapes[i].d->shape = 0;
    if (shapes)
        qsort(shapes, n, sizeof *shapes, more_first);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(rows, shape_json(&shapes[i]));
    free(shapes);
    return json_pack("{s:b, s:o}", "ok", 1, "rows", rows);
}

static bool suits(enum job_order order, const struct spool_recipient *r, bool release)
{
    if (release)
        return r->state == SPOOL_HELD || r->state == SPOOL_FROZEN;
    return (order != ORDER_HOLD && order != ORDER_RETRY) || r->state == SPOOL_QUEUED;
}

struct acting {
    struct courier *courier;
    struct settings *settings;
    const json_t *request;
    const char *verb, *reason;
    enum job_order order;
    bool release, dry_run;
    size_t count;
};

static void log_act(const struct acting *a, const struct job *job, const struct spool_recipient *r, enum event_kind kind)
{
    struct event e = {.kind = kind, .wall_ms = clock_wall_ms(), .reference = str_from(job->m->reference),
                      .sender = address_text(&job->m->mail.sender), .recipient = address_text(&r->args.recipient),
                      .domain = address_domain(&r->args.recipient), .size = job->m->mail.size, .reason = REASON_NONE,
                      .remote_reply = str_from(a->reason), .attempts = r->attempts, .action = a->verb};

    event_log_add(a->courier->parts.log, &e);
}

static void bounce(const struct acting *a, struct job *job, size_t i)
{
    struct spool_recipient *r = &job->m->recipients[job->recipients[i]];
    struct outcome o = outcome_local(OUTCOME_FAILED, REASON_DELIVERY_RETURNED, "%s", *a->reason ? a->reason : "returned by the operator");
    struct dsn_recipient one = {.recipient = r, .outcome = &o, .action = DSN_FAILED, .host = ""};
    struct blob *body = spool_message_body(a->courier->parts.spool, job->m);

    r->state = SPOOL_DONE;
    struct spool_message *report = r->args.notify & DSN_NOTIFY_NEVER ? NULL
                                       : dsn_build(a->settings, job->m, body ? blob_bytes(body) : str_n(NULL, 0), &one, 1, clock_wall_ms(), 0);
    blob_unref(body);
    log_act(a, job, r, EVENT_BOUNCED);
    spool_outcome(a->courier->parts.spool, job->m, job->recipients[i], dsn_sign(a->courier, a->settings, report));
}

static void act_on(const struct acting *a, struct job *job, size_t i)
{
    struct spool_recipient *r = &job->m->recipients[job->recipients[i]];
    enum event_kind kind = EVENT_RELEASED;

    switch (a->order) {
    case ORDER_BOUNCE:
        bounce(a, job, i);
        return;
    case ORDER_DELETE:
        r->state = SPOOL_DONE;
        kind = EVENT_REMOVED;
        break;
    case ORDER_HOLD:
        r->state = SPOOL_HELD;
        kind = EVENT_HELD;
        break;
    default:
        r->state = SPOOL_QUEUED;
        r->next_try_ms = clock_wall_ms();
        break;
    }
    if (a->order != ORDER_RETRY || a->release)
        log_act(a, job, r, kind);
    spool_outcome(a->courier->parts.spool, job->m, job->recipients[i], NULL);
}

/* Does the job hold a recipient that is meant? Counts them. */
static size_t meant(const struct acting *a, const struct filter *f, const struct job *job)
{
    int64_t now_ms = clock_wall_ms();
    size_t n = 0;

    for (size_t i = 0; i < job->count; i++) {
        const struct spool_recipient *r = &job->m->recipients[job->recipients[i]];
        n += (job->busy || (r->state != SPOOL_DONE && suits(a->order, r, a->release))) && matches(f, job, r, now_ms, job->busy);
    }
    return n;
}

/* Under the lock: takes the jobs that are meant out of the queue, as a worker would. Returns an array of them (COUNT), NULL where none. */
static struct job **take_jobs(struct acting *a, const struct filter *f, size_t *count)
{
    struct courier *c = a->courier;
    struct job **jobs = calloc(c->job_count + 1, sizeof(struct job *));

    *count = 0;
    LIST_EACH(&c->all, l) {
        struct job *job = container_of(l, struct job, all);
        size_t n = jobs ? meant(a, f, job) : 0;
        a->count += n;
        if (!n || a->dry_run)
            continue;
        if (job->busy) { /* being delivered right now: the order is followed after the attempt, where it still makes sense */
            if (!job->late_orders)
                job->late_orders = json_array();
            if (json_array_size(job->late_orders) >= LATE_MOST || json_array_append_new(job->late_orders, json_deep_copy(a->request)) < 0)
                a->count -= n;
            continue;
        }
        job_take_out(c, job);
        job->busy = true;
        jobs[(*count)++] = job;
    }
    return jobs;
}

/* The jobs are ours now, so this runs without the lock: it asks the spool, whose writer may want that lock. */
static void act_on_jobs(const struct acting *a, const struct filter *f, struct job **jobs, size_t count)
{
    int64_t now_ms = clock_wall_ms();

    for (size_t k = 0; k < count; k++) {
        struct job *job = jobs[k];
        for (size_t i = 0; i < job->count; i++) {
            const struct spool_recipient *r = &job->m->recipients[job->recipients[i]];
            if (r->state != SPOOL_DONE && matches(f, job, r, now_ms, false) && suits(a->order, r, a->release))
                act_on(a, job, i);
        }
    }
}

static void end_back_offs(struct courier *c)
{
    for (size_t k = 0; k < c->destinations.slot_count; k++)
        for (struct hash_node *n = c->destinations.slots[k]; n; n = n->next)
            container_of(n, struct destination, node)->back_off_until_ms = 0;
}

static void run_verb(struct acting *a, const struct filter *f)
{
    struct courier *c = a->courier;
    size_t count;

    pthread_mutex_lock(&c->lock);
    struct job **jobs = take_jobs(a, f, &count);
    if (a->order == ORDER_RETRY && !a->dry_run)
        end_back_offs(c); /* an operator who says retry means now */
    pthread_mutex_unlock(&c->lock);
    act_on_jobs(a, f, jobs, count);
    for (size_t k = 0; k < count; k++)
        reschedule(c, a->settings, jobs[k], 0);
    free(jobs);
}

/* What REQUEST asks for; false: no such verb. */
static bool read_order(struct courier *c, const json_t *request, struct acting *a)
{
    static const struct { const char *verb; enum job_order order; bool release; } verbs[] = {
        {"retry", ORDER_RETRY, false}, {"hold", ORDER_HOLD, false}, {"release", ORDER_RETRY, true},
        {"bounce", ORDER_BOUNCE, false}, {"delete", ORDER_DELETE, false}};
    const char *verb = text_of(request, "verb"), *reason = text_of(request, "reason");

    for (size_t i = 0; verb && i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].verb, verb) != 0)
            continue;
        *a = (struct acting){.courier = c, .request = request, .verb = verb, .reason = reason ? reason : "", .order = verbs[i].order,
                             .release = verbs[i].release, .dry_run = json_is_true(json_object_get(request, "dry_run"))};
        return true;
    }
    return false;
}

void orders_follow(struct courier *c, struct settings *settings, struct job *job, const json_t *orders)
{
    const char *wrong;
    struct acting a;
    struct filter f;

    for (size_t k = 0; k < json_array_size(orders); k++) {
        const json_t *request = json_array_get(orders, k);
        if (!read_order(c, request, &a) || !read_filter(request, &f, &wrong))
            continue;
        a.settings = settings;
        for (size_t i = 0; i < job->count; i++) {
            const struct spool_recipient *r = &job->m->recipients[job->recipients[i]];
            if (r->state != SPOOL_DONE && matches(&f, job, r, clock_wall_ms(), true) && suits(a.order, r, a.release))
                act_on(&a, job, i);
        }
    }
}

static json_t *change(struct courier *c, const struct filter *f, const json_t *request)
{
    struct acting a;

    if (!read_order(c, request, &a))
        return refuse("verbs: list, show, top, retry, hold, release, bounce, delete, stats");
    a.settings = settings_take(c->parts.settings);
    run_verb(&a, f);
    settings_unref(a.settings);
    log_info("queue %s%s: %zu recipients%s%s", a.verb, a.dry_run ? " (dry run)" : "", a.count, *a.reason ? ", reason: " : "", a.reason);
    return json_pack("{s:b, s:I, s:b}", "ok", 1, "count", (json_int_t)a.count, "dry_run", a.dry_run);
}

static json_t *stats(struct courier *c)
{
    return json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", 1, "jobs", (json_int_t)c->job_count, "deferred_jobs", (json_int_t)c->heap_count,
                     "destinations", (json_int_t)c->destinations.count, "delivered", (json_int_t)atomic_load(&c->delivered), "deferred",
                     (json_int_t)atomic_load(&c->deferred), "bounced", (json_int_t)atomic_load(&c->bounced));
}

json_t *courier_control(struct courier *c, const json_t *request)
{
    const char *verb = text_of(request, "verb"), *wrong = NULL;
    struct filter f;
    json_t *result;

    if (!verb || !read_filter(request, &f, &wrong))
        return refuse(verb ? wrong : "no verb");
    bool lists = strcmp(verb, "list") == 0 || strcmp(verb, "show") == 0, is_top = strcmp(verb, "top") == 0;
    if (!lists && !is_top && strcmp(verb, "stats") != 0)
        return change(c, &f, request);
    pthread_mutex_lock(&c->lock);
    result = lists ? list(c, &f, request) : is_top ? top(c, &f) : stats(c);
    pthread_mutex_unlock(&c->lock);
    return result;
}
