/* quarantined.c: what is kept back: seen, released and removed, one or all that match. The relay delivers what is to be released (store/quarantine.h). */
#include "admin/parts.h"

#include "base/clock.h"
#include "catalog/reason.h"
#include "policy/lists.h"
#include "store/quarantine.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_AT_ONCE = 10000, HEADER_MOST = 1024 * 1024, MESSAGE_MOST = 1100 * 1024 * 1024 };

#define QUARANTINE_COLUMNS "q.id, q.direction, q.reference, q.sender, q.recipient, q.header_from, q.subject, q.client_ip, q.size, q.reason, q.evidence, q.score, " \
                           "q.is_refused, q.state, q.changed_by, q.changed_ms, q.expires_ms, q.domain"
/* $1, $2: the scope; $3 … $7: what the filter asks for, "" for anything. */
#define SQL_MATCHES SQL_IN_SCOPE_BY_ADDRESS("q.tenant", "q.domain", "q.recipient") \
    " AND ($3 = '' OR q.recipient = $3) AND ($4 = '' OR q.sender = $4) AND ($5 = 0 OR q.domain = $5) AND ($6 = '' OR q.state = $6) AND ($7 = '' OR q.reason = $7)"

static json_t *quarantined_json(struct db_rows *r)
{
    json_t *one = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "id", json_id(db_number(r, 0)), "time", json_time(db_id_ms(db_number(r, 0))),
                            "direction", json_str(db_text(r, 1)), "reference", json_str(db_text(r, 2)), "sender", json_str(db_text(r, 3)), "recipient",
                            json_str(db_text(r, 4)), "header_from", json_str(db_text(r, 5)), "subject", json_str(db_text(r, 6)), "client_ip",
                            json_str(db_text(r, 7)), "size", (json_int_t)db_number(r, 8));
    json_t *rest = json_pack("{s:o, s:o, s:f, s:b, s:b, s:o, s:o, s:o, s:o, s:o}", "reason", json_str(db_text(r, 9)), "evidence", json_str(db_text(r, 10)), "score",
                             db_real(r, 11), "is_refused", db_number(r, 12) != 0, "is_risky", quarantine_is_risky(reason_find(db_text(r, 9))), "state",
                             json_str(db_text(r, 13)), "changed_by", json_str(db_text(r, 14)), "changed", json_time(db_number(r, 15)), "expires",
                             json_time(db_number(r, 16)), "domain", json_id_or_null(db_number(r, 17)));
    json_object_update_new(one, rest);
    return one;
}

static int show(struct call *c, int64_t id)
{
    return call_row(c, DB_QUERY(c->db, "SELECT " QUARANTINE_COLUMNS " FROM quarantine q WHERE q.id = $1", DB_N(id)), quarantined_json, 200);
}

/* The reason as the catalogue writes it; "" for any. */
static struct str reason_asked(const struct call *c)
{
    enum reason r = reason_find(call_str(c, "reason"));
    return r == REASON_NONE ? call_str(c, "reason") : str_from(reason_row(r)->id);
}

int op_quarantine_list(struct call *c)
{
    struct place domain = {.id = 0};
    int64_t before;
    int status = call_has(c, "domain") ? call_reference(c, "domain", OBJECT_DOMAIN, &domain) : 0;

    if (status)
        return status;
    if (!call_cursor_number(c, INT64_MAX, &before))
        return 400;
    return call_page(c, DB_QUERY(c->db, "SELECT " QUARANTINE_COLUMNS " FROM quarantine q WHERE " SQL_MATCHES " AND q.id < $8 ORDER BY q.id DESC LIMIT $9",
                                 DB_SCOPE(&c->actor.scope), DB_T(call_str(c, "recipient")), DB_T(call_str(c, "sender")), DB_N(domain.id), DB_T(call_str(c, "state")),
                                 DB_T(reason_asked(c)), DB_N(before), DB_N(call_limit(c))), quarantined_json, 0);
}

int op_quarantine_show(struct call *c)
{
    return show(c, c->place.id);
}

int op_quarantine_body(struct call *c)
{
    struct buf header = buf_make(HEADER_MOST), body = buf_make(MESSAGE_MOST);
    bool there = quarantine_body(c->db, c->place.id, &header, &body);

    buf_free(&c->answer->body);
    c->answer->body = buf_make(MESSAGE_MOST + HEADER_MOST);
    bool fits = there && buf_add_str(&c->answer->body, buf_str(&header)) && buf_add_str(&c->answer->body, buf_str(&body));
    buf_free(&header);
    buf_free(&body);
    if (!fits)
        return there ? call_store_failed(c, DB_FULL) : call_problem(c, 404, "gone", "Its content is not kept any more.");
    c->answer->type = "message/rfc822";
    c->answer->is_download = true;
    return 200;
}

/* What of the row the verbs need. */
struct kept {
    int64_t id, domain;
    struct place place;
    char sender[400];
    bool risky;
};

static enum db_result read_kept(struct call *c, int64_t id, struct kept *k)
{
    struct db_rows *r = DB_QUERY(c->db, "SELECT sender, domain, reason, tenant, recipient FROM quarantine WHERE id = $1", DB_N(id));

    *k = (struct kept){.id = id};
    if (db_next(r)) {
        str_copy(k->sender, sizeof k->sender, db_text(r, 0));
        k->domain = db_number(r, 1);
        k->risky = quarantine_is_risky(reason_find(db_text(r, 2)));
        k->place = (struct place){.tenant = db_number(r, 3), .domain = db_number(r, 1)};
    }
    return db_done(&r);
}

/* An entry for the sender, at the mailbox that the message was for where there is one, else at its domain. 0, or the problem said. */
static int list_sender(struct call *c, const struct kept *k, enum list_kind kind)
{
    char pattern[LIST_PATTERN_MAX + 1];
    int64_t mailbox = c->place.mailbox;

    if (!actor_has_all(&c->actor, PERMISSION_BIT(PERMISSION_EDIT_LISTS)))
        return call_problem(c, 403, "permission", "This needs the permission %s.", permission_name(PERMISSION_EDIT_LISTS));
    if (!k->domain || !list_pattern_normal(kind, str_from(k->sender), pattern))
        return call_problem(c, 422, "no-sender", "There is no sender, or no domain, that a list could have an entry for.");
    enum db_result result = DB_RUN(c->db, "INSERT INTO list_entry(id, level, owner, list, pattern, match, is_authenticated, note, created_ms, created_by) "
                                          "VALUES($1, $2, $3, $4, $5, 'both', 1, $6, $7, $8) ON CONFLICT(level, owner, list, pattern, match) DO NOTHING",
                                   DB_N(db_new_id()), DB_T(mailbox ? STR("m") : STR("d")), DB_N(mailbox ? mailbox : k->domain), DB_T(str_from(list_kind_name(kind))),
                                   DB_T(str_from(pattern)), DB_T(STR("from the quarantine")), DB_N(clock_wall_ms()), DB_T(str_from(c->actor.name)));
    return result == DB_OK ? 0 : call_store_failed(c, result);
}

static int may_release(struct call *c, const struct kept *k)
{
    if (!k->risky || actor_has_all(&c->actor, PERMISSION_BIT(PERMISSION_RELEASE_RISKY)))
        return 0;
    return call_problem(c, 403, "permission", "This is malware or phishing: it needs the permission %s.", permission_name(PERMISSION_RELEASE_RISKY));
}

static int not_kept(struct call *c)
{
    return call_problem(c, 409, "state", "It is not kept any more: somebody was faster, or its time is over.");
}

int op_quarantine_release(struct call *c)
{
    struct kept k;
    int64_t changed = 0;
    enum db_result result = read_kept(c, c->place.id, &k);
    int status = result == DB_OK ? may_release(c, &k) : call_store_failed(c, result);

    if (!status && call_flag(c, "allow"))
        status = list_sender(c, &k, LIST_SENDER_ALLOW);
    if (status)
        return status;
    result = quarantine_release(c->db, k.id, str_from(c->actor.name), &changed);
    if (result != DB_OK)
        return call_store_failed(c, result);
    return changed ? show(c, k.id) : not_kept(c);
}

int op_quarantine_remove(struct call *c)
{
    struct kept k;
    int64_t changed = 0;
    enum db_result result = read_kept(c, c->place.id, &k);
    int status = result == DB_OK ? 0 : call_store_failed(c, result);

    if (!status && call_flag(c, "block"))
        status = list_sender(c, &k, LIST_SENDER_BLOCK);
    if (status)
        return status;
    result = quarantine_remove(c->db, k.id, str_from(c->actor.name), &changed);
    if (result != DB_OK)
        return call_store_failed(c, result);
    return changed ? show(c, k.id) : not_kept(c);
}

/* Numbers of all that match, at most MOST_AT_ONCE + 1; owned by the caller. */
static int64_t *matching(struct call *c, size_t *count, enum db_result *result)
{
    struct place domain = {.id = 0};
    int64_t *ids = malloc((MOST_AT_ONCE + 1) * sizeof *ids);

    *count = 0;
    *result = ids ? DB_OK : DB_FAILED;
    if (call_has(c, "domain") && call_reference(c, "domain", OBJECT_DOMAIN, &domain)) {
        *result = DB_CONFLICT;
        return ids;
    }
    struct db_rows *r = DB_QUERY(c->db, "SELECT q.id FROM quarantine q WHERE " SQL_MATCHES " ORDER BY q.id LIMIT $8", DB_SCOPE(&c->actor.scope),
                                 DB_T(call_str(c, "recipient")), DB_T(call_str(c, "sender")), DB_N(domain.id), DB_T(STR("kept")), DB_T(reason_asked(c)),
                                 DB_N(MOST_AT_ONCE + 1));
    while (ids && db_next(r))
        ids[(*count)++] = db_number(r, 0);
    *result = db_done(&r);
    return ids;
}

static int change_all(struct call *c, const int64_t *ids, size_t count, bool releases)
{
    struct kept k;

    for (size_t i = 0; i < count; i++) {
        int64_t changed = 0;
        enum db_result result = read_kept(c, ids[i], &k);
        int status = result == DB_OK && releases ? may_release(c, &k) : 0;
        if (status)
            return status;
        if (result == DB_OK)
            result = releases ? quarantine_release(c->db, ids[i], str_from(c->actor.name), &changed)
                              : quarantine_remove(c->db, ids[i], str_from(c->actor.name), &changed);
        if (result != DB_OK)
            return call_store_failed(c, result);
    }
    c->out = json_pack("{s:I}", "count", (json_int_t)count);
    return 200;
}

/* All that match: first counted by a dry run, then done where the count is still what was seen. */
static int all_that_match(struct call *c, bool releases)
{
    size_t count;
    enum db_result result;
    int64_t *ids = matching(c, &count, &result);
    int status = 0;

    if (result == DB_CONFLICT)
        status = 400;
    else if (result != DB_OK)
        status = call_store_failed(c, result);
    else if (count > MOST_AT_ONCE)
        status = call_problem(c, 422, "too-many", "More than %d match. Ask for less.", (int)MOST_AT_ONCE);
    else if (!c->dry_run && call_number(c, "count", -1) != (int64_t)count)
        status = call_problem(c, 409, "count", "%zu match, not what count says. Look with dry_run first.", count);
    if (!status)
        status = change_all(c, ids, count, releases);
    free(ids);
    return status;
}

int op_quarantine_release_all(struct call *c)
{
    return all_that_match(c, true);
}

int op_quarantine_remove_all(struct call *c)
{
    return all_that_match(c, false);
}
