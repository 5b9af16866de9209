/*
 * bench_store.c: bench-store generate PATH [ROWS]: a store of a provider: 550 tenants, 10,000 domains, 200,000 mailboxes, ROWS (1,000,000) rows of the message
 * log over 32 days, written as the relay writes them, and 50,000 messages in quarantine. bench-store search PATH [REPEATS]: typical filters, each with other values
 * every time; one JSON line each. bench-store settings PATH: how long the snapshot of settings takes.
 */
#include "base/clock.h"
#include "store/message_rows.h"
#include "store/message_search.h"
#include "store/schema.h"
#include "store/settings_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { RESELLERS = 50, CUSTOMERS = 10 /* each */, DOMAINS = 10000, MAILBOXES = 20 /* each */, QUARANTINED = 50000, BATCH = 1000, MOST_REPEATS = 1000 };
enum { DOMAIN_IDS = 1000000, MAILBOX_IDS = 10000000 };
#define DAYS_MS (INT64_C(32) * 86400000)

static uint64_t state = 88172645463325252U; /* the same store every time */

static uint32_t below(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * n >> 32);
}

/* Few get much: a third power. */
static uint32_t skewed(uint32_t n)
{
    double u = (double)below(1 << 24) / (1 << 24);
    return (uint32_t)(u * u * u * n);
}

static void stop(struct db *d, const char *what)
{
    fprintf(stderr, "%s: %s\n", what, db_error(d));
    exit(1);
}

static void must(struct db *d, enum db_result result, const char *what)
{
    if (result != DB_OK)
        stop(d, what);
}

static int64_t tenant_of(uint32_t domain)
{
    return domain % 7 == 0 ? 0 : 1000 + domain % (RESELLERS * CUSTOMERS); /* some are the operator's own */
}

static void generate_people(struct db *d)
{
    char name[64];

    must(d, db_begin(d), "begin");
    for (int64_t i = 0; i < RESELLERS; i++) {
        snprintf(name, sizeof name, "reseller%" PRId64, i);
        must(d, DB_RUN(d, "INSERT INTO tenant(id, name, created_ms) VALUES($1, $2, 1)", DB_N(1 + i), DB_T(str_from(name))), "tenant");
    }
    for (int64_t i = 0; i < RESELLERS * CUSTOMERS; i++) {
        snprintf(name, sizeof name, "customer%" PRId64, i);
        must(d, DB_RUN(d, "INSERT INTO tenant(id, parent, name, created_ms) VALUES($1, $2, $3, 1)", DB_N(1000 + i), DB_N(1 + i % RESELLERS), DB_T(str_from(name))),
             "tenant");
    }
    for (uint32_t i = 0; i < DOMAINS; i++) {
        int64_t tenant = tenant_of(i);
        snprintf(name, sizeof name, "domain%u.test", i);
        must(d, DB_RUN(d, "INSERT INTO domain(id, tenant, name, created_ms) VALUES($1, $2, $3, 1)", DB_N(DOMAIN_IDS + i), tenant ? DB_N(tenant) : DB_NOTHING,
                       DB_T(str_from(name))), "domain");
        must(d, DB_RUN(d, "INSERT INTO setting(level, owner, name, value, changed_ms) VALUES('d', $1, 'routes', '[\"192.0.2.1:25\"]', 1)", DB_N(DOMAIN_IDS + i)), "setting");
        for (uint32_t m = 0; m < MAILBOXES; m++) {
            snprintf(name, sizeof name, "user%u", m);
            must(d, DB_RUN(d, "INSERT INTO mailbox(id, domain, local_part, created_ms) VALUES($1, $2, $3, 1)", DB_N((int64_t)MAILBOX_IDS + i * MAILBOXES + m),
                           DB_N(DOMAIN_IDS + i), DB_T(str_from(name))), "mailbox");
        }
    }
    must(d, db_commit(d), "commit");
}

static void subject(struct buf *out)
{
    static const char *const words[] = {"your", "invoice", "order", "meeting", "re", "offer", "new", "account", "report", "weekly", "newsletter", "payment", "project",
                                        "question", "update", "confirmation", "delivery", "contract", "holiday", "photos"};

    for (uint32_t n = 3 + below(4), i = 0; i < n; i++)
        buf_addf(out, "%s%s", i ? " " : "", words[skewed(sizeof words / sizeof *words)]);
    buf_addf(out, " %u", below(200000)); /* a word that few have */
}

struct texts {
    char reference[16], sender[64], recipient[64], domain[32], client[40], message_id[80], from[100];
    struct buf subject;
};

static void fill(struct texts *t, struct event *e, uint32_t number)
{
    static const enum reason reasons[] = {REASON_SPF_FAILURE, REASON_GREYLISTED, REASON_DESTINATION_UNKNOWN, REASON_DNSBL_LISTED, REASON_INVALID_GREETING};
    uint32_t domain = skewed(DOMAINS), sender = skewed(50000), kind = below(100);

    snprintf(t->reference, sizeof t->reference, "R%09u", number);
    snprintf(t->domain, sizeof t->domain, "domain%u.test", domain);
    snprintf(t->sender, sizeof t->sender, "person%u@sender%u.test", sender % 17, sender);
    snprintf(t->recipient, sizeof t->recipient, "user%u@%s", below(MAILBOXES), t->domain);
    snprintf(t->message_id, sizeof t->message_id, "<%u.%u@sender%u.test>", number, below(1000000), sender);
    snprintf(t->from, sizeof t->from, "Person Number %u <%s>", sender % 17, t->sender);
    buf_clear(&t->subject);
    subject(&t->subject);
    *e = (struct event){.kind = kind < 40 ? EVENT_REFUSED : kind < 45 ? EVENT_QUARANTINED : EVENT_ACCEPTED, .reference = str_from(t->reference), .service = STR("mx"),
                        .client_ip = {.family = 4, .bytes = {(uint8_t)(1 + sender % 200), (uint8_t)(sender / 200), (uint8_t)(sender % 7), (uint8_t)below(250)}},
                        .helo = STR("mail.sender.test"), .tls = STR("TLSv1.3 TLS_AES_256_GCM_SHA384"), .sender = str_from(t->sender), .recipient = str_from(t->recipient),
                        .domain = str_from(t->domain), .domain_id = DOMAIN_IDS + domain, .tenant_id = tenant_of(domain), .message_id = str_from(t->message_id),
                        .size = 1000 + skewed(5000000), .spf = STR("pass"), .dkim = STR("pass sender.test"), .dmarc = STR("pass"), .action = "deliver",
                        .score = (double)below(1000) / 1000};
    if (e->kind == EVENT_REFUSED) {
        e->reason = reasons[skewed(5)];
        e->reply = e->reason == REASON_GREYLISTED ? STR("451 4.7.1 mx.test: Greylisted") : STR("550 5.7.1 mx.test: refused. See https://mx.test/why");
    } else {
        e->subject = buf_str(&t->subject);
        e->from = str_from(t->from);
        e->to = e->recipient;
        e->attachments = below(10) ? STR("") : STR("document.pdf");
        e->reason = e->kind == EVENT_QUARANTINED ? REASON_SPAM : REASON_NONE;
    }
}

static void put(struct db *d, struct message_rows *rows, const struct event *e, int64_t id)
{
    struct arena arena = arena_make(MESSAGE_ROW_MEMORY);
    struct message_row row;

    if (!message_row_of(e, STR("mx.test"), &arena, &row))
        exit(1);
    row.at[MESSAGE_id] = DB_N(id);
    must(d, message_rows_put(rows, &row), "row");
    if (e->kind == EVENT_ACCEPTED) { /* what became of it */
        struct event news = *e;
        news.kind = EVENT_DELIVERED;
        news.reason = REASON_DELIVERED;
        news.host = STR("mx.domain.test[192.0.2.1]:25");
        news.remote_reply = STR("250 2.0.0 queued as 4FbXYZ");
        if (!message_row_of(&news, STR("mx.test"), &arena, &row))
            exit(1);
        must(d, message_rows_put(rows, &row), "news");
    }
    arena_free(&arena);
}

static void keep(struct db *d, const struct event *e, int64_t id)
{
    static const char body[600] = "x";

    must(d, DB_RUN(d, "INSERT INTO body(id, packing, size, header, data) VALUES($1, 'none', 600, $2, $3)", DB_N(id), DB_B(STR("h")), DB_B(str_n(body, sizeof body))), "body");
    must(d, DB_RUN(d, "INSERT INTO quarantine(id, body, tenant, domain, direction, reference, sender, recipient, header_from, subject, size, reason, is_refused, envelope, "
                      "state, changed_ms, expires_ms) VALUES($1, $1, $2, $3, 'in', $4, $5, $6, $7, $8, 600, 'SPAM', 0, $9, 'kept', 1, $10)",
                   DB_N(id), e->tenant_id ? DB_N(e->tenant_id) : DB_NOTHING, DB_N(e->domain_id), DB_T(e->reference), DB_T(e->sender), DB_T(e->recipient),
                   DB_T(e->from), DB_T(e->subject), DB_B(STR("e")), DB_N(db_id_ms(id) + DAYS_MS)), "quarantine");
}

static int generate(const char *path, uint32_t count)
{
    struct buf error = buf_make(500);
    struct db *d = db_open(path, &error);
    struct texts t = {.subject = buf_make(1000)};
    struct event e;
    int64_t start_ms = clock_wall_ms() - DAYS_MS, began_us;
    uint32_t kept = 0;

    if (!d || !schema_migrate(d, &error)) {
        fprintf(stderr, "%s\n", buf_text(&error));
        return 1;
    }
    must(d, db_hurry(d, true), "hurry");
    generate_people(d);
    struct message_rows *rows = message_rows_new(d);
    began_us = clock_mono_us();
    for (uint32_t i = 0; i < count; i++) {
        if (i % BATCH == 0)
            must(d, db_begin(d), "begin");
        fill(&t, &e, i);
        int64_t id = db_id_at(start_ms + (int64_t)((double)DAYS_MS * i / count)) + below(1 << 20);
        e.wall_ms = db_id_ms(id);
        put(d, rows, &e, id);
        if (e.kind == EVENT_QUARANTINED && kept < QUARANTINED && ++kept)
            keep(d, &e, id);
        if (i % BATCH == BATCH - 1 || i == count - 1)
            must(d, db_commit(d), "commit");
    }
    printf("{\"rows\": %u, \"quarantined\": %u, \"us_per_row\": %.1f}\n", count, kept, (double)(clock_mono_us() - began_us) / count);
    message_rows_free(&rows);
    db_close(&d);
    buf_free(&t.subject);
    return 0;
}

/* Filter number WHICH, with values that change. */
static void make_filter(int which, char *to, size_t size, struct message_scope *scope)
{
    uint32_t domain = skewed(DOMAINS), sender = skewed(50000);

    *scope = (struct message_scope){MESSAGES_OF_ALL, 0};
    to[0] = '\0';
    switch (which) {
    case 0: break;
    case 1: snprintf(to, size, "from:person%u@sender%u.test", sender % 17, sender); break;
    case 2: snprintf(to, size, "to:user%u@domain%u.test since:7d", below(MAILBOXES), domain); break;
    case 3: snprintf(to, size, "to:*@domain%u.test status:rejected", domain); break;
    case 4: *scope = (struct message_scope){MESSAGES_OF_DOMAIN, DOMAIN_IDS + domain}; break;
    case 5: *scope = (struct message_scope){MESSAGES_OF_DOMAIN, DOMAIN_IDS + domain}; snprintf(to, size, "status:quarantined"); break;
    case 6: *scope = (struct message_scope){MESSAGES_OF_TENANT, 1 + below(RESELLERS)}; snprintf(to, size, "subject:\"your invoice\""); break;
    case 7: snprintf(to, size, "reason:spf-failure since:1d score:>0.5"); break;
    case 8: snprintf(to, size, "subject:%u", below(200000)); break;
    case 9: snprintf(to, size, "from:person%u@sender%u.test to:*@domain%u.test status:quarantined since:7d score:>0.5 subject:\"invoice\"", sender % 17, sender, domain); break;
    case 10: snprintf(to, size, "ip:%u.%u.0.0/16 -status:delivered", 1 + sender % 200, sender / 200); break;
    case 11: *scope = (struct message_scope){MESSAGES_OF_MAILBOX, MAILBOX_IDS + (int64_t)below(DOMAINS * MAILBOXES)}; break;
    default: snprintf(to, size, "helo:nowhere"); break; /* no index, no row: until the time is up */
    }
}
enum { FILTERS = 13 };
static const char *const names[FILTERS] = {"newest", "sender", "recipient, 7 days", "domain's rejected", "as domain", "as domain, quarantined", "as reseller, phrase in subject",
                                           "reason, score, 1 day", "rare word in subject", "seven terms", "network, not delivered", "as mailbox", "no index, no row"};

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t cpu_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void measure(struct db *d, int which, size_t repeats)
{
    int64_t took_us[MOST_REPEATS], took_cpu_us[MOST_REPEATS], sum_rows = 0, unfinished = 0;
    char text[300];

    for (size_t i = 0; i < repeats; i++) {
        struct message_scope scope;
        struct message_page page;
        struct buf error = buf_make(500);
        make_filter(which, text, sizeof text, &scope);
        struct filter *f = filter_parse(str_from(text), clock_wall_ms(), &error);
        int64_t began_us = clock_mono_us(), began_cpu_us = cpu_us();
        must(d, message_search(d, &scope, f, 0, 50, MESSAGE_SEARCH_MS, &page), "search");
        took_us[i] = clock_mono_us() - began_us;
        took_cpu_us[i] = cpu_us() - began_cpu_us;
        sum_rows += (int64_t)page.count;
        unfinished += page.next && page.count < 50;
        message_page_clear(&page);
        filter_free(&f);
        buf_free(&error);
    }
    qsort(took_us, repeats, sizeof *took_us, by_size);
    qsort(took_cpu_us, repeats, sizeof *took_cpu_us, by_size);
    printf("{\"filter\": \"%s\", \"p50_ms\": %.2f, \"p95_ms\": %.2f, \"most_ms\": %.2f, \"cpu_p50_ms\": %.2f, \"cpu_p95_ms\": %.2f, \"rows\": %.1f, \"goes_on\": %.2f}\n", names[which],
           (double)took_us[repeats / 2] / 1000, (double)took_us[repeats * 95 / 100] / 1000, (double)took_us[repeats - 1] / 1000, (double)took_cpu_us[repeats / 2] / 1000, (double)took_cpu_us[repeats * 95 / 100] / 1000, (double)sum_rows / (double)repeats,
           (double)unfinished / (double)repeats);
}

static int search(const char *path, size_t repeats)
{
    struct buf error = buf_make(500);
    struct db *d = db_open_reader(path, &error);

    if (!d || repeats < 1 || repeats > MOST_REPEATS) {
        fprintf(stderr, "%s\n", error.len ? buf_text(&error) : "repeats: 1 to 1000");
        return 1;
    }
    for (int i = 0; i < FILTERS; i++)
        measure(d, i, repeats);
    db_close(&d);
    return 0;
}

/* What the configuration file would say. */
static bool set_host_name(struct settings *s, struct buf *error)
{
    static const char *const name[] = {"mx.bench.test"};
    struct setting_value v;

    return setting_parse(SETTING_host_name, name, 1, &v, error) && policy_set(settings_system_policy(s), SETTING_host_name, &v);
}

static int snapshot(const char *path)
{
    struct buf error = buf_make(500);
    struct db *d = db_open_reader(path, &error);

    for (int i = 0; d && i < 5; i++) {
        int64_t began_us = clock_mono_us();
        struct settings *s = settings_new();
        if (!s || !set_host_name(s, &error) || !settings_store_load(d, s, &error) || !settings_finish(s, &error))
            break;
        printf("{\"snapshot_ms\": %.1f}\n", (double)(clock_mono_us() - began_us) / 1000);
        settings_unref(s);
    }
    db_close(&d);
    if (error.len)
        fprintf(stderr, "%s\n", buf_text(&error));
    return error.len != 0;
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "generate") == 0)
        return generate(argv[2], argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1000000);
    if (argc > 2 && strcmp(argv[1], "search") == 0)
        return search(argv[2], argc > 3 ? strtoul(argv[3], NULL, 10) : 100);
    if (argc > 2 && strcmp(argv[1], "settings") == 0)
        return snapshot(argv[2]);
    fprintf(stderr, "usage: bench-store generate PATH [ROWS] | search PATH [REPEATS] | settings PATH\n");
    return 64;
}
