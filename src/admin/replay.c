/* replay.c: a request that is sent again with the same Idempotency-Key is answered as the first time, and nothing is done twice. */
#include "admin/parts.h"
#include "admin/schema.h"

#include "base/clock.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_MS = 24 * 3600 * 1000, SWEEP_MS = 600000 };

static void hash_request(const struct admin_request *r, unsigned char out[32])
{
    const struct str parts[] = {r->method, r->path, r->query, r->body};
    struct buf all = buf_make(ADMIN_CSV_MAX + 65536);

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        buf_addf(&all, "%zu:", parts[i].len);
        buf_add_str(&all, parts[i]);
    }
    SHA256((const unsigned char *)(all.at ? all.at : ""), all.len, out);
    buf_free(&all);
}

enum replay replay_find(struct call *c)
{
    unsigned char hash[32];
    json_error_t trouble;
    enum replay found = REPLAY_NEW;

    hash_request(c->request, hash);
    struct db_rows *r = DB_QUERY(c->db, "SELECT request, status, body FROM answered WHERE person = $1 AND key = $2 AND created_ms > $3",
                                 DB_N(c->actor.real_person), DB_T(c->request->idempotency_key), DB_N(clock_wall_ms() - KEPT_MS));
    if (db_next(r)) {
        found = str_eq(db_bytes(r, 0), str_n((const char *)hash, sizeof hash)) ? REPLAY_SAME : REPLAY_OTHER;
        c->answer->status = (int)db_number(r, 1);
        if (found == REPLAY_SAME && db_text(r, 2).len)
            c->out = json_loadb(db_text(r, 2).at, db_text(r, 2).len, JSON_DECODE_ANY, &trouble);
    }
    return db_done(&r) == DB_OK ? found : REPLAY_FAILED;
}

enum db_result replay_keep(struct call *c, int status)
{
    unsigned char hash[32];
    json_t *shown = c->out ? schema_without_secrets(c->operation->response, c->out) : NULL;
    char *text = shown ? json_dumps(shown, JSON_COMPACT) : NULL;

    hash_request(c->request, hash);
    enum db_result result = DB_RUN(c->db, "INSERT INTO answered(person, key, request, status, body, created_ms) VALUES($1, $2, $3, $4, $5, $6) "
                                          "ON CONFLICT(person, key) DO UPDATE SET request = excluded.request, status = excluded.status, "
                                          "body = excluded.body, created_ms = excluded.created_ms",
                                   DB_N(c->actor.real_person), DB_T(c->request->idempotency_key), DB_B(str_n((const char *)hash, sizeof hash)), DB_N(status),
                                   DB_T(str_from(text ? text : "")), DB_N(clock_wall_ms()));
    free(text);
    json_decref(shown);
    return result;
}

void replay_sweep(struct admin *a, struct db *d)
{
    int64_t now_ms = clock_wall_ms();

    pthread_mutex_lock(&a->lock);
    bool due = now_ms - a->swept_ms > SWEEP_MS;
    if (due)
        a->swept_ms = now_ms;
    pthread_mutex_unlock(&a->lock);
    if (!due)
        return;
    /* a failure leaves them for the next time */
    if (DB_RUN(d, "DELETE FROM answered WHERE created_ms < $1", DB_N(now_ms - KEPT_MS)) != DB_OK ||
        DB_RUN(d, "DELETE FROM session WHERE expires_ms < $1", DB_N(now_ms)) != DB_OK)
        return;
}
