/* digest_link.c: see digest_link.h. */
#include "admin/digest_link.h"

#include "admin/parts.h"
#include "base/clock.h"
#include "policy/lists.h"
#include "store/audit.h"
#include "store/digest.h"
#include "store/quarantine.h"
#include "store/schema.h"

#include <stdio.h>
#include <string.h>

struct kept {
    int64_t id, domain;
    char state[16], sender[LIST_PATTERN_MAX + 1], recipient[LIST_PATTERN_MAX + 1];
};

static bool look_at(struct db *d, int64_t id, struct kept *k, struct digest_target *out)
{
    struct db_rows *r = DB_QUERY(d, "SELECT q.state, q.reason, q.sender, q.recipient, COALESCE(q.domain, 0) FROM quarantine q WHERE q.id = $1", DB_N(id));
    bool found = db_next(r);

    *k = (struct kept){.id = id};
    if (found) {
        str_copy(k->state, sizeof k->state, db_text(r, 0));
        out->reason = reason_find(db_text(r, 1));
        str_copy(k->sender, sizeof k->sender, db_text(r, 2));
        str_copy(k->recipient, sizeof k->recipient, db_text(r, 3));
        k->domain = db_number(r, 4);
    }
    return db_done(&r) == DB_OK && found;
}

/* The recipient's own level; his mailbox gets a row where it has none. False: his domain is not one of the store, or nothing could be written. */
static bool allow_sender(struct db *d, const struct kept *k, struct str by)
{
    struct str recipient = str_from(k->recipient), local_part = str_cut(&recipient, '@');
    const struct db_value who[] = {DB_N(k->domain), DB_T(local_part)};
    char pattern[LIST_PATTERN_MAX + 1];

    if (!k->domain || !*k->sender || !list_pattern_normal(LIST_SENDER_ALLOW, str_from(k->sender), pattern))
        return false;
    if (DB_RUN(d, "INSERT INTO mailbox(id, domain, local_part, created_ms) VALUES($1, $2, $3, $4) ON CONFLICT(domain, local_part) DO NOTHING", DB_N(db_new_id()),
               DB_N(k->domain), DB_T(local_part), DB_N(clock_wall_ms())) != DB_OK)
        return false;
    int64_t mailbox = db_ask_number(d, "SELECT id FROM mailbox WHERE domain = $1 AND local_part = $2", who, 2, 0);
    return mailbox && DB_RUN(d, "INSERT INTO list_entry(id, level, owner, list, pattern, match, is_authenticated, note, created_ms, created_by) "
                                "VALUES($1, 'm', $2, 'sender-allow', $3, 'both', 1, 'from a digest', $4, $5) ON CONFLICT DO NOTHING",
                             DB_N(db_new_id()), DB_N(mailbox), DB_T(str_from(pattern)), DB_N(clock_wall_ms()), DB_T(by)) == DB_OK;
}

static bool add_trail(struct db *d, const struct kept *k, const struct digest_target *t, const struct ip *client)
{
    char object[64], ip[IP_TEXT_MAX];

    snprintf(object, sizeof object, "quarantine %lld", (long long)k->id);
    const struct audit_row row = {.domain = k->domain, .actor = STR("digest link"), .client = str_from(ip_format(client, ip)),
                                  .action = t->was_allowed ? STR("quarantine-release-allow") : STR("quarantine-release"), .object = str_from(object)};
    return audit_add(d, &row, NULL) == DB_OK;
}

static enum digest_answer release(struct db *d, const struct kept *k, const struct ip *client, struct digest_target *out)
{
    int64_t changed = 0;

    if (quarantine_release(d, k->id, STR("digest link"), &changed) != DB_OK)
        return DIGEST_FAILED;
    if (changed != 1)
        return DIGEST_GONE;
    out->was_allowed = out->allows && allow_sender(d, k, STR("digest link"));
    return add_trail(d, k, out, client) && schema_touch(d) == DB_OK ? DIGEST_DONE : DIGEST_FAILED;
}

static enum digest_answer use(struct db *d, struct str secret, const struct ip *client, struct digest_target *out)
{
    char verb[16];
    struct kept k;

    if (db_begin(d) != DB_OK)
        return DIGEST_FAILED;
    int64_t id = digest_use_link(d, secret, clock_wall_ms(), verb);
    out->allows = id && strcmp(verb, "allow") == 0;
    enum digest_answer answer = !id || !look_at(d, id, &k, out) ? DIGEST_UNKNOWN : release(d, &k, client, out);
    if (answer == DIGEST_DONE && db_commit(d) != DB_OK)
        answer = DIGEST_FAILED;
    if (answer != DIGEST_DONE)
        db_rollback(d);
    return answer;
}

static enum digest_answer look(struct db *d, struct str secret, struct digest_target *out)
{
    char verb[16];
    struct kept k;
    int64_t id = digest_link(d, secret, clock_wall_ms(), verb);

    if (!id || !look_at(d, id, &k, out))
        return DIGEST_UNKNOWN;
    out->allows = strcmp(verb, "allow") == 0;
    return strcmp(k.state, "kept") == 0 ? DIGEST_READY : DIGEST_GONE;
}

enum digest_answer admin_digest_link(struct admin *a, struct str secret, bool go, const struct ip *client, struct digest_target *out)
{
    struct db *d = pool_take(a);

    *out = (struct digest_target){.reason = REASON_NONE};
    if (!d)
        return DIGEST_FAILED;
    enum digest_answer answer = secret.len != DIGEST_SECRET_LEN ? DIGEST_UNKNOWN : go ? use(d, secret, client, out) : look(d, secret, out);
    pool_give(a, d);
    return answer;
}
