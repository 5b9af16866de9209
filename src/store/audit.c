/* audit.c: see audit.h. */
#include "store/audit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS = 9 };

struct link {
    unsigned char hash[AUDIT_HASH_BYTES];
};

static void put_number(EVP_MD_CTX *hash, int64_t number)
{
    unsigned char octets[8];

    for (int i = 0; i < 8; i++)
        octets[i] = (unsigned char)((uint64_t)number >> (56 - 8 * i));
    EVP_DigestUpdate(hash, octets, sizeof octets);
}

/* Every text with its length before it, so that no two rows look alike. */
static bool hash_row(const struct link *before, int64_t id, int64_t tenant, int64_t domain, const struct str texts[FIELDS - 1], struct link *out)
{
    EVP_MD_CTX *hash = EVP_MD_CTX_new();

    if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(hash);
        return false;
    }
    EVP_DigestUpdate(hash, before->hash, sizeof before->hash);
    put_number(hash, id);
    put_number(hash, tenant);
    put_number(hash, domain);
    for (int i = 0; i < FIELDS - 1; i++) {
        put_number(hash, (int64_t)texts[i].len);
        EVP_DigestUpdate(hash, texts[i].len ? texts[i].at : "", texts[i].len);
    }
    bool fine = EVP_DigestFinal_ex(hash, out->hash, NULL) == 1;
    EVP_MD_CTX_free(hash);
    return fine;
}

static void take_hash(struct link *to, struct str bytes)
{
    *to = (struct link){{0}};
    if (bytes.len == sizeof to->hash)
        memcpy(to->hash, bytes.at, bytes.len);
}

static char *hex(const struct link *l, char to[AUDIT_HASH_BYTES * 2 + 1])
{
    for (int i = 0; i < AUDIT_HASH_BYTES; i++)
        snprintf(to + 2 * i, 3, "%02x", l->hash[i]);
    return to;
}

static enum db_result last_link(struct db *d, int64_t *id, struct link *l)
{
    struct db_rows *r = db_query(d, "SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1", NULL, 0);

    *id = 0;
    *l = (struct link){{0}};
    if (db_next(r)) {
        *id = db_number(r, 0);
        take_hash(l, db_bytes(r, 1));
    }
    return db_done(&r);
}

static struct str cut(struct str s)
{
    size_t len = s.len < AUDIT_VALUE_MAX ? s.len : AUDIT_VALUE_MAX;

    while (len < s.len && len && ((unsigned char)s.at[len] & 0xC0) == 0x80)
        len--; /* never in the middle of a character */
    return str_n(s.at, len);
}

/* What the end of the chain is compared with. */
static enum db_result remember_end(struct db *d, const struct link *l)
{
    char text[AUDIT_HASH_BYTES * 2 + 1];
    enum db_result result = DB_RUN(d, "INSERT INTO meta(name, value) VALUES('audit_last', $1) ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                                   DB_T(str_from(hex(l, text))));

    if (result == DB_OK)
        result = db_run(d, "INSERT INTO meta(name, value) VALUES('audit_rows', '1') "
                           "ON CONFLICT(name) DO UPDATE SET value = CAST(CAST(meta.value AS BIGINT) + 1 AS TEXT)", NULL, 0, NULL);
    return result;
}

#define NUMBER_OR_NULL(n) ((n) ? DB_N(n) : DB_NOTHING)

enum db_result audit_add(struct db *d, const struct audit_row *row, int64_t *id)
{
    const struct str texts[FIELDS - 1] = {row->actor, row->acting_as, row->client, row->action, row->object, cut(row->before), cut(row->after), row->reason};
    struct link before, own;
    int64_t last, number = db_new_id();
    enum db_result result = last_link(d, &last, &before);

    if (result != DB_OK)
        return result;
    if (number <= last) /* a clock that went back must not change the order of the chain */
        number = last + 1;
    if (!hash_row(&before, number, row->tenant, row->domain, texts, &own))
        return DB_FAILED;
    if (id)
        *id = number;
    result = DB_RUN(d, "INSERT INTO audit(id, tenant, domain, actor, acting_as, client, action, object, before_value, after_value, reason, hash) "
                       "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                    DB_N(number), NUMBER_OR_NULL(row->tenant), NUMBER_OR_NULL(row->domain), DB_T(texts[0]), DB_T(texts[1]), DB_T(texts[2]), DB_T(texts[3]),
                    DB_T(texts[4]), DB_T(texts[5]), DB_T(texts[6]), DB_T(texts[7]), DB_B(str_n((const char *)own.hash, sizeof own.hash)));
    return result == DB_OK ? remember_end(d, &own) : result;
}

/* Does the row at R follow BEFORE? Then BEFORE becomes its hash. */
static bool fits(struct db_rows *r, struct link *before)
{
    struct str texts[FIELDS - 1], stands = db_bytes(r, 11);
    struct link own;

    for (int i = 0; i < FIELDS - 1; i++)
        texts[i] = db_text(r, 3 + i);
    if (!hash_row(before, db_number(r, 0), db_number(r, 1), db_number(r, 2), texts, &own))
        return false;
    if (stands.len != sizeof own.hash || memcmp(stands.at, own.hash, sizeof own.hash) != 0)
        return false;
    *before = own;
    return true;
}

static bool ends_as_remembered(struct db *d, const struct link *last, int64_t rows)
{
    char text[AUDIT_HASH_BYTES * 2 + 1];
    struct db_rows *r = db_query(d, "SELECT value FROM meta WHERE name = 'audit_last'", NULL, 0);
    bool known = db_next(r), same = known ? str_is(db_text(r, 0), hex(last, text)) : rows == 0;

    if (db_done(&r) != DB_OK)
        return false;
    return same && db_ask_number(d, "SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'audit_rows'", NULL, 0, 0) == rows;
}

static enum db_result walk(struct db *d, struct link *before, struct audit_verdict *out)
{
    struct db_rows *r = db_query(d, "SELECT id, tenant, domain, actor, acting_as, client, action, object, before_value, after_value, reason, hash "
                                    "FROM audit ORDER BY id", NULL, 0);

    while (out->intact && db_next(r)) {
        out->intact = fits(r, before);
        if (out->intact)
            out->rows++;
        else
            out->broken_id = db_number(r, 0);
    }
    return db_done(&r);
}

/* In one view of the store: rows that are added meanwhile are not seen, nor is the end that they move. */
enum db_result audit_verify(struct db *d, struct audit_verdict *out)
{
    struct link before = {{0}};
    enum db_result result = db_script(d, "BEGIN");

    *out = (struct audit_verdict){.intact = true};
    if (result != DB_OK)
        return result;
    result = walk(d, &before, out);
    if (out->rows)
        hex(&before, out->hash);
    if (out->intact && result == DB_OK)
        out->intact = ends_as_remembered(d, &before, out->rows);
    db_rollback(d);
    return result;
}
