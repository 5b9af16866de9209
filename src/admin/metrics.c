/* metrics.c: what watches the gateway from outside: is it ready, and how does it go. */
#include "admin/parts.h"

#include "base/clock.h"
#include "store/schema.h"

#include <string.h>

bool admin_is_ready(struct admin *a, struct buf *why)
{
    struct settings *s = admin_settings(a);
    struct db *d = pool_take(a);
    bool store = d && db_ask_number(d, "SELECT count(*) FROM meta", NULL, 0, -1) >= 0;
    json_t *relay = relay_ask(s, json_pack("{s:s, s:s}", "noun", "relay", "verb", "stats"));
    bool takes_mail = json_is_true(json_object_get(relay, "ok")) && !json_is_true(json_object_get(relay, "spool_failed"));

    if (!store)
        buf_add_text(why, "the store does not answer\n");
    if (!relay)
        buf_add_text(why, "the relay does not answer\n");
    else if (!takes_mail)
        buf_add_text(why, "the relay takes no mail: its spool has failed\n");
    json_decref(relay);
    if (d)
        pool_give(a, d);
    settings_unref(s);
    return store && takes_mail;
}

static void one(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    buf_addf(out, "# HELP postern_%s %s\n# TYPE postern_%s %s\npostern_%s %.17g\n", name, help, name, type, name, value);
}

static double number(const json_t *stats, const char *group, const char *key)
{
    return json_number_value(json_object_get(group ? json_object_get(stats, group) : stats, key));
}

/* Answers are rows of the catalogue: a label by them has a ceiling. */
static void relay_metrics(const json_t *stats, struct buf *out)
{
    const char *slug;
    json_t *count;

    one(out, "uptime_seconds", "gauge", "Seconds since the relay was started.", number(stats, NULL, "uptime_ms") / 1000);
    one(out, "sessions", "gauge", "SMTP sessions at this moment.", number(stats, NULL, "sessions"));
    one(out, "workers_busy", "gauge", "Threads that serve clients at this moment.", number(stats, NULL, "workers_busy"));
    one(out, "scanners", "gauge", "Scan processes.", number(stats, NULL, "scanners"));
    one(out, "accepted_messages_total", "counter", "Messages accepted.", number(stats, NULL, "accepted_messages"));
    one(out, "queue_messages", "gauge", "Messages in the queue.", number(stats, NULL, "queue_messages"));
    one(out, "queue_recipients", "gauge", "Recipients in the queue.", number(stats, NULL, "queue_recipients"));
    one(out, "spool_commits_total", "counter", "Commits of the spool.", number(stats, NULL, "commits"));
    one(out, "spool_free_bytes", "gauge", "Free space of the spool.", number(stats, NULL, "bytes_free"));
    one(out, "spool_failed", "gauge", "1 when the spool has failed and no mail is taken.", json_is_true(json_object_get(stats, "spool_failed")));
    one(out, "greylist_entries", "gauge", "Entries of the greylist.", number(stats, "greylist", "entries"));
    buf_add_text(out, "# HELP postern_answers_total Answers given, by row of the catalogue.\n# TYPE postern_answers_total counter\n");
    json_object_foreach(json_object_get(stats, "answers"), slug, count)
        buf_addf(out, "postern_answers_total{reason=\"%s\"} %lld\n", slug, (long long)json_integer_value(count));
}

void admin_metrics(struct admin *a, struct buf *out)
{
    struct settings *s = admin_settings(a);
    json_t *stats = relay_ask(s, json_pack("{s:s, s:s}", "noun", "relay", "verb", "stats"));

    one(out, "relay_up", "gauge", "1 when the relay answers.", json_is_true(json_object_get(stats, "ok")));
    if (stats)
        relay_metrics(stats, out);
    buf_add_text(out, "# HELP postern_api_answers_total Answers of the API, by the first digit of their status.\n# TYPE postern_api_answers_total counter\n");
    for (int digit = 2; digit < 6; digit++)
        buf_addf(out, "postern_api_answers_total{status=\"%dxx\"} %llu\n", digit, (unsigned long long)atomic_load(&a->answers[digit]));
    one(out, "sign_ins_total", "counter", "Persons who signed in.", (double)atomic_load(&a->sign_ins));
    one(out, "sign_in_failures_total", "counter", "Attempts to sign in that failed.", (double)atomic_load(&a->sign_in_failures));
    json_decref(stats);
    settings_unref(s);
}
