/* parts.h: what the dispatcher is made of. */
#ifndef ADMIN_PARTS_H
#define ADMIN_PARTS_H

#include "admin/call.h"
#include "auth/password.h"
#include "base/csv.h"
#include "store/open.h"

#include <pthread.h>

/* signin_limit.c: failed attempts, by address and by login, in a table with a ceiling. Times are the turnable clock's. */
enum { ATTEMPTS_MOST = 4096 };
struct attempts;
struct attempts *attempts_new(void);
void attempts_free(struct attempts **t);
/* How long until KEY may try again, in milliseconds; 0: now. MOST failures in WINDOW_MS. Counts the attempt as a failure at once, so that many at the same
 * time do not all pass; attempts_undo() when it was none. */
int64_t attempts_take(struct attempts *t, struct str key, int64_t most, int64_t window_ms);
void attempts_forget(struct attempts *t, struct str key); /* all of them */
void attempts_undo(struct attempts *t, struct str key);   /* the last one: an address may stand for others who fail */

enum { MOST_IDLE_STORES = 16 };

struct admin {
    pthread_mutex_t lock;
    struct settings *settings;     /* guarded by LOCK; owned reference */
    char store[STORE_PATH_MAX];
    struct db *idle[MOST_IDLE_STORES]; /* guarded by LOCK */
    size_t idle_count;
    struct attempts *attempts;
    struct password_checker *passwords;
    int64_t started_ms;
    int64_t swept_ms;              /* guarded by LOCK: when what is over was last taken out of the store */
    _Atomic uint64_t answers[6];   /* by the first digit of their status */
    _Atomic uint64_t sign_ins, sign_in_failures;
};

/* pool.c: connections to the store. NULL: it cannot be opened (said in the log). */
struct db *pool_take(struct admin *a);
void pool_give(struct admin *a, struct db *take);
struct settings *admin_settings(struct admin *a); /* a reference */

/* replay.c: answers to requests with an Idempotency-Key, kept for a day. Inside the transaction of the change. */
enum replay { REPLAY_NEW, REPLAY_SAME, REPLAY_OTHER, REPLAY_FAILED };
enum replay replay_find(struct call *c);         /* SAME: the answer is in c->out, its status in c->answer */
enum db_result replay_keep(struct call *c, int status) __attribute__((warn_unused_result));
/* Sessions, answers and tokens that are over, now and then. */
void replay_sweep(struct admin *a, struct db *d);

/* input.c: from what was sent to c->in, c->parameter, c->cursor … False with the problem said. */
bool input_parameters(struct call *c, const struct str raw[MOST_PARAMETERS]);
bool input_read(struct call *c);

/* identify.c: who asks, into c->actor. 0, or the status of the problem said. */
int identify(struct call *c);

/* totp.c: RFC 6238, SHA-1, six digits, thirty seconds, one step either way. */
enum { TOTP_SECRET_BYTES = 20, TOTP_SECRET_TEXT = 33 };
/* The step that CODE fits and that is later than LAST_STEP; 0: none. */
int64_t totp_step(struct str secret, struct str code, int64_t now_ms, int64_t last_step);
void totp_secret_text(const unsigned char secret[TOTP_SECRET_BYTES], char out[TOTP_SECRET_TEXT]); /* base 32 */

/* relay_client.c: a new object, or NULL. */
json_t *relay_ask(const struct settings *settings, json_t *take_request);

/* settings.c: what else may put a setting. 0, or the problem said. VALUE as it was sent; */
int setting_put(struct call *c, char level, int64_t owner, enum setting id, const json_t *value);
unsigned setting_level_of(char level); /* enum setting_level */

/* Something that a field of the body names, which must be within the actor's scope. 0, or the problem said. */
int call_reference(struct call *c, const char *field, enum object kind, struct place *out);
/* The tenant that something new belongs to: the field FIELD, or the actor's own; 0 in *OUT where it is the operator's. 0, or the problem said. */
int call_tenant(struct call *c, const char *field, int64_t *out);
bool name_is_fine(struct str name); /* not empty, and no number */
/* Settings, lists and rules of an owner that goes away. */
enum db_result level_clear(struct db *d, char level, int64_t owner) __attribute__((warn_unused_result));

/* persons.c: sessions and keys. */
int session_begin(struct call *c, int64_t person, int64_t acting_as);
int key_list(struct call *c, int64_t person);
int key_add(struct call *c, int64_t person, permission_set most);
int key_remove(struct call *c, int64_t person, const char *number);
int session_list(struct call *c, int64_t person);

bool texts_are_equal(struct str a, struct str b); /* in a time that does not tell where they differ */

#endif
