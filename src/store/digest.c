/* digest.c: see digest.h. */
#include "store/digest.h"

#include "base/arena.h"
#include "base/random.h"
#include "store/quarantine.h"

#include <openssl/sha.h>
#include <string.h>

static const int64_t LINK_LIFE_MS = 7LL * 24 * 3600 * 1000;

bool digest_recipients(struct db *d, void (*each)(void *arg, struct str recipient, int64_t sent_ms), void *arg)
{
    struct db_rows *r = db_query(d, "SELECT q.recipient, COALESCE(MAX(g.sent_ms), 0) FROM quarantine q LEFT JOIN digest g ON g.recipient = q.recipient "
                                    "WHERE q.state = 'kept' AND q.direction = 'in' AND q.id > COALESCE(g.up_to, 0) GROUP BY q.recipient", NULL, 0);

    while (db_next(r))
        each(arg, db_text(r, 0), db_number(r, 1));
    return db_done(&r) == DB_OK;
}

static void make_secret(char to[DIGEST_SECRET_LEN + 1])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned char raw[DIGEST_SECRET_LEN];

    random_bytes(raw, sizeof raw);
    for (size_t i = 0; i < sizeof raw; i++)
        to[i] = letters[raw[i] & 63];
    to[DIGEST_SECRET_LEN] = '\0';
}

static enum db_result make_link(struct db *d, const struct digest_row *row, struct str recipient, const char *verb, int64_t now_ms, char secret[DIGEST_SECRET_LEN + 1])
{
    unsigned char hash[SHA256_DIGEST_LENGTH];

    make_secret(secret);
    SHA256((const unsigned char *)secret, DIGEST_SECRET_LEN, hash);
    return DB_RUN(d, "INSERT INTO token(hash, kind, verb, object, recipient, created_ms, expires_ms) VALUES($1, 'digest', $2, $3, $4, $5, $6)",
                  DB_B(str_n((const char *)hash, sizeof hash)), DB_T(str_from(verb)), DB_N(row->id), DB_T(recipient), DB_N(now_ms), DB_N(now_ms + LINK_LIFE_MS));
}

static enum db_result make_links(struct db *d, struct str recipient, int64_t now_ms, struct digest *out)
{
    enum db_result result = DB_OK;

    for (size_t i = 0; i < out->count && result == DB_OK; i++) {
        struct digest_row *row = &out->rows[i];
        if (quarantine_is_risky(reason_find(row->reason)))
            continue;
        result = make_link(d, row, recipient, "release", now_ms, row->release);
        if (result == DB_OK)
            result = make_link(d, row, recipient, "allow", now_ms, row->allow);
    }
    return result;
}

static enum db_result read_rows(struct db *d, struct str recipient, struct digest *out)
{
    struct db_rows *r = DB_QUERY(d, "SELECT q.id, q.header_from, q.sender, q.subject, q.reason, q.evidence, q.size FROM quarantine q "
                                    "WHERE q.recipient = $1 AND q.state = 'kept' AND q.direction = 'in' "
                                    "AND q.id > COALESCE((SELECT g.up_to FROM digest g WHERE g.recipient = $1), 0) ORDER BY q.id DESC LIMIT 100000", DB_T(recipient));

    out->count = 0;
    out->total = out->up_to = 0;
    while (db_next(r)) {
        if (!out->total++)
            out->up_to = db_number(r, 0);
        if (out->count == DIGEST_ROWS_MAX)
            continue;
        struct str from = db_text(r, 1);
        out->rows[out->count++] = (struct digest_row){.id = db_number(r, 0), .time_ms = db_id_ms(db_number(r, 0)), .from = arena_str(out->arena, from.len ? from : db_text(r, 2)),
                                                      .subject = arena_str(out->arena, db_text(r, 3)), .reason = arena_str(out->arena, db_text(r, 4)),
                                                      .evidence = arena_str(out->arena, db_text(r, 5)), .size = db_number(r, 6)};
    }
    return db_done(&r);
}

enum db_result digest_collect(struct db *d, struct str recipient, int64_t now_ms, struct digest *out)
{
    enum db_result result = db_begin(d);

    if (result != DB_OK)
        return result;
    result = read_rows(d, recipient, out);
    if (result == DB_OK)
        result = make_links(d, recipient, now_ms, out);
    if (result == DB_OK)
        return db_commit(d);
    db_rollback(d);
    return result;
}

enum db_result digest_sent(struct db *d, struct str recipient, int64_t up_to, int64_t now_ms)
{
    return DB_RUN(d, "INSERT INTO digest(recipient, up_to, sent_ms) VALUES($1, $2, $3) ON CONFLICT(recipient) DO UPDATE SET up_to = excluded.up_to, sent_ms = excluded.sent_ms",
                  DB_T(recipient), DB_N(up_to), DB_N(now_ms));
}

int64_t digest_number(struct str recipient, int64_t day)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    struct buf text = buf_make(1024);
    uint64_t number = 0;

    buf_addf(&text, "digest %lld " STR_FMT, (long long)day, STR_ARG(recipient));
    SHA256((const unsigned char *)text.at, text.len, hash);
    buf_free(&text);
    memcpy(&number, hash, sizeof number);
    return (int64_t)(number >> 1 | 1);
}

static int64_t look_at(struct db *d, const unsigned char *hash, int64_t now_ms, char verb[16])
{
    struct db_rows *r = DB_QUERY(d, "SELECT object, verb FROM token WHERE hash = $1 AND kind = 'digest' AND used_ms = 0 AND expires_ms > $2",
                                 DB_B(str_n((const char *)hash, SHA256_DIGEST_LENGTH)), DB_N(now_ms));
    int64_t object = 0;

    if (db_next(r) && str_copy(verb, 16, db_text(r, 1)))
        object = db_number(r, 0);
    return db_done(&r) == DB_OK ? object : 0;
}

int64_t digest_link(struct db *d, struct str secret, int64_t now_ms, char verb[16])
{
    unsigned char hash[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)secret.at, secret.len, hash);
    return look_at(d, hash, now_ms, verb);
}

int64_t digest_use_link(struct db *d, struct str secret, int64_t now_ms, char verb[16])
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    int64_t changed = 0;

    SHA256((const unsigned char *)secret.at, secret.len, hash);
    int64_t object = look_at(d, hash, now_ms, verb);
    const struct db_value values[] = {DB_B(str_n((const char *)hash, sizeof hash)), DB_N(now_ms)};
    if (!object || db_run(d, "UPDATE token SET used_ms = $2 WHERE hash = $1 AND used_ms = 0", values, 2, &changed) != DB_OK)
        return 0;
    return changed == 1 ? object : 0;
}

enum db_result digest_forget_links(struct db *d, int64_t now_ms)
{
    return DB_RUN(d, "DELETE FROM token WHERE kind = 'digest' AND expires_ms <= $1", DB_N(now_ms));
}
