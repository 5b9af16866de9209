/* accounts.c: see accounts.h. */
#include "store/accounts.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/schema.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_OPEN = 8, LOOK_AGAIN_MS = 500, USED_EVERY_MS = 3600 * 1000 };

struct known_network {
    struct network network;
    int64_t account;
};

struct accounts {
    char *path;                     /* owned */
    pthread_mutex_t lock;           /* guards all below */
    struct db *idle[KEPT_OPEN];     /* owned */
    size_t idle_count;
    struct known_network *known;    /* owned */
    size_t known_count, known_room;
    int64_t revision, look_ms;      /* of `known`; when to ask for it again (monotonic) */
    bool is_read;
};

struct accounts *accounts_new(const char *path, struct buf *error)
{
    struct accounts *a = calloc(1, sizeof *a);
    struct db *d = a ? db_open(path, error) : NULL;

    if (!d) {
        if (!a)
            buf_add_text(error, "out of memory");
        free(a);
        return NULL;
    }
    a->path = strdup(path);
    pthread_mutex_init(&a->lock, NULL);
    accounts_return(a, d);
    if (!a->path) {
        buf_add_text(error, "out of memory");
        accounts_free(&a);
    }
    return a;
}

void accounts_free(struct accounts **a)
{
    if (!*a)
        return;
    for (size_t i = 0; i < (*a)->idle_count; i++)
        db_close(&(*a)->idle[i]);
    pthread_mutex_destroy(&(*a)->lock);
    free((*a)->known);
    free((*a)->path);
    free(*a);
    *a = NULL;
}

struct db *accounts_borrow(struct accounts *a)
{
    struct buf error = buf_make(500);
    struct db *d = NULL;

    pthread_mutex_lock(&a->lock);
    if (a->idle_count)
        d = a->idle[--a->idle_count];
    pthread_mutex_unlock(&a->lock);
    if (!d)
        d = db_open(a->path, &error);
    if (!d)
        log_error("the store: " STR_FMT, STR_ARG(buf_str(&error)));
    buf_free(&error);
    return d;
}

void accounts_return(struct accounts *a, struct db *d)
{
    pthread_mutex_lock(&a->lock);
    if (a->idle_count < KEPT_OPEN) {
        a->idle[a->idle_count++] = d;
        d = NULL;
    }
    pthread_mutex_unlock(&a->lock);
    db_close(&d);
}

enum account_result accounts_find(struct accounts *a, struct str login, struct account *out)
{
    struct db *d = accounts_borrow(a);

    if (!d)
        return ACCOUNT_FAILED;
    enum account_result result = account_find(d, login, out);
    accounts_return(a, d);
    return result;
}

enum account_result accounts_get(struct accounts *a, int64_t id, struct account *out)
{
    struct db *d = accounts_borrow(a);

    if (!d)
        return ACCOUNT_FAILED;
    enum account_result result = account_get(d, id, out);
    accounts_return(a, d);
    return result;
}

static bool add_known(struct accounts *a, struct str networks, int64_t account)
{
    struct known_network k = {.account = account};

    for (struct str word = str_word(&networks); word.len; word = str_word(&networks)) {
        if (!network_parse(word, &k.network))
            continue;
        if (a->known_count == a->known_room) {
            size_t room = a->known_room ? a->known_room * 2 : 64;
            struct known_network *known = realloc(a->known, room * sizeof *known);
            if (!known)
                return false;
            a->known = known;
            a->known_room = room;
        }
        a->known[a->known_count++] = k;
    }
    return true;
}

/* Under the lock. False: the store does not answer. */
static bool read_known(struct accounts *a, struct db *d)
{
    int64_t now_ms = clock_mono_ms();

    if (a->is_read && now_ms < a->look_ms)
        return true;
    int64_t revision = schema_revision(d);
    a->look_ms = now_ms + LOOK_AGAIN_MS;
    if (a->is_read && revision == a->revision)
        return true;
    struct db_rows *rows = DB_QUERY(d, "SELECT id, networks FROM account WHERE kind = $1", DB_T(STR("network")));
    bool fits = true;
    a->known_count = 0;
    while (fits && db_next(rows))
        fits = add_known(a, db_text(rows, 1), db_number(rows, 0));
    a->is_read = db_done(&rows) == DB_OK && fits;
    a->revision = revision;
    return a->is_read;
}

static int64_t smallest_network_of(const struct accounts *a, const struct ip *ip)
{
    const struct known_network *best = NULL;

    for (size_t i = 0; i < a->known_count; i++)
        if (network_has(&a->known[i].network, ip) && (!best || a->known[i].network.prefix > best->network.prefix))
            best = &a->known[i];
    return best ? best->account : 0;
}

enum account_result accounts_find_by_address(struct accounts *a, const struct ip *ip, struct account *out)
{
    struct db *d = accounts_borrow(a);

    if (!d)
        return ACCOUNT_FAILED;
    pthread_mutex_lock(&a->lock);
    bool is_read = read_known(a, d);
    int64_t id = is_read ? smallest_network_of(a, ip) : 0;
    pthread_mutex_unlock(&a->lock);
    enum account_result result = !is_read ? ACCOUNT_FAILED : id ? account_get(d, id, out) : ACCOUNT_NONE;
    accounts_return(a, d);
    return result;
}

void accounts_used(struct accounts *a, const struct account *account)
{
    int64_t now_ms = clock_wall_ms();

    if (now_ms - account->used_ms < USED_EVERY_MS)
        return;
    struct db *d = accounts_borrow(a);
    if (!d)
        return;
    if (DB_RUN(d, "UPDATE account SET used_ms = $1 WHERE id = $2", DB_N(now_ms), DB_N(account->id)) != DB_OK)
        log_warning("account %s: when it was used could not be noted: %s", account->login, db_error(d));
    accounts_return(a, d);
}
