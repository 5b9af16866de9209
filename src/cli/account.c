/* account.c: `postern account …`: outgoing accounts in the store. What is changed counts for the running gateway at its next question. */
#include "cli/account_parts.h"

#include "base/clock.h"
#include "mail/address.h"
#include "store/account_lock.h"
#include "store/audit.h"
#include "store/accounts.h"
#include "store/open.h"
#include "store/schema.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

enum { ERROR_MAX = 2000, PAGE = 500, MOST_LISTED = 100000 };

static struct db *open_for(const struct command_line *line)
{
    struct settings *settings = command_settings(line);
    struct buf error = buf_make(ERROR_MAX);
    struct db *d = settings ? store_open(settings_system(settings), &error) : NULL;

    if (settings && !d)
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
    settings_unref(settings);
    buf_free(&error);
    return d;
}

int account_complain(const char *login, enum account_result result, const struct buf *error)
{
    static const char *const what[] = {[ACCOUNT_NONE] = "there is no such account, or its domain is not known here", [ACCOUNT_TAKEN] = "this login is in use",
                                       [ACCOUNT_INVALID] = "this cannot be", [ACCOUNT_FAILED] = "the store does not answer"};

    if (error && error->len)
        fprintf(stderr, "postern: %s: " STR_FMT "\n", login, STR_ARG(buf_str(error)));
    else
        fprintf(stderr, "postern: %s: %s\n", login, what[result]);
    return result == ACCOUNT_FAILED ? EX_UNAVAILABLE : EX_DATAERR;
}

static json_t *networks_json(const struct networks *n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n->count; i++) {
        char ip[IP_TEXT_MAX];
        json_array_append_new(list, json_sprintf("%s/%d", ip_format(&n->at[i].base, ip), n->at[i].prefix));
    }
    return list;
}

static json_t *time_json(int64_t ms)
{
    char text[32];

    return ms ? json_string(clock_format_iso(ms, text)) : json_string("");
}

static json_t *account_json(const struct account *a)
{
    const char *until = a->locked_until_ms ? "" : a->is_locked ? "unlocked by hand" : "";

    return json_pack("{s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:o, s:o}", "login", a->login, "kind", account_kind_name(a->kind), "domain", a->domain_name, "locked",
                     a->is_locked, "reason", a->lock_reason, "until", *until ? json_string(until) : time_json(a->locked_until_ms), "networks",
                     networks_json(&a->networks), "created", time_json(a->created_ms), "used", time_json(a->used_ms));
}

static void add_lock(struct str identity, const struct identity_lock *lock, void *arg)
{
    if (!lock->until_ms || lock->until_ms > clock_wall_ms())
        json_array_append_new(arg, json_stringn(identity.at, identity.len));
}

struct listing {
    json_t *rows;
    struct db *db;
    char last[ACCOUNT_LOGIN_MAX + 1];
};

static void list_one(const struct account *a, void *arg)
{
    struct listing *l = arg;

    json_t *row = account_json(a), *identities = json_array();
    identity_lock_each(l->db, a->id, add_lock, identities);
    json_object_set_new(row, "locked_identities", identities);
    json_array_append_new(l->rows, row);
    str_copy(l->last, sizeof l->last, str_from(a->login));
}

static int list(const struct command_line *line, struct db *d)
{
    struct listing l = {.rows = json_array(), .db = d};
    size_t before, most = line->limit > 0 ? (size_t)line->limit : MOST_LISTED;
    enum account_result result;
    int64_t domain = 0;

    if (line->domain) {
        const struct db_value name[] = {DB_T(str_from(line->domain))};
        domain = db_ask_number(d, "SELECT id FROM domain WHERE name = $1", name, 1, 0);
        if (!domain)
            return account_complain(line->domain, ACCOUNT_NONE, NULL);
    }
    do {
        before = json_array_size(l.rows);
        result = account_each(d, domain, str_from(l.last), PAGE < most - before ? PAGE : most - before, list_one, &l);
    } while (result == ACCOUNT_OK && json_array_size(l.rows) > before && json_array_size(l.rows) < most);
    if (result != ACCOUNT_OK) {
        json_decref(l.rows);
        return account_complain("accounts", result, NULL);
    }
    if (line->json)
        print_json(l.rows);
    else
        print_table(l.rows);
    json_decref(l.rows);
    return EX_OK;
}

/* From a terminal without echo, or the first line of what is piped in: never from the command line, which others can see. */
static bool read_password(struct buf *to)
{
    struct termios shown, hidden;
    bool is_terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
    char text[PASSWORD_MAX + 2];

    if (is_terminal) {
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        fputs("Password: ", stderr);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    bool came = fgets(text, sizeof text, stdin) != NULL;
    if (is_terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        fputc('\n', stderr);
    }
    size_t len = came ? strcspn(text, "\r\n") : 0;
    if (came)
        buf_add(to, text, len);
    explicit_bzero(text, sizeof text);
    return came;
}

static void wipe(struct buf *b)
{
    if (b->at)
        explicit_bzero(b->at, b->cap);
    buf_free(b);
}

/* A domain that so far stands in the configuration alone gets its row: accounts belong to one. */
static bool have_domain(const struct command_line *line, struct db *d, struct str name)
{
    struct settings *settings = command_settings(line);
    const struct domain *known = settings ? settings_domain(settings, name) : NULL;
    enum db_result result = DB_OK;

    if (known)
        result = DB_RUN(d, "INSERT INTO domain(id, name, created_ms) VALUES($1, $2, $3) ON CONFLICT(name) DO NOTHING", DB_N(db_new_id()), DB_T(known->name),
                        DB_N(clock_wall_ms()));
    settings_unref(settings);
    return result == DB_OK;
}

bool account_commit(const struct command_line *line, struct db *d)
{
    char action[40], actor[80], words[2000] = "";
    const struct passwd *who = getpwuid(getuid());
    struct buf all = buf_make(sizeof words);

    snprintf(action, sizeof action, "account-%s", line->verb);
    snprintf(actor, sizeof actor, "%s (command line)", who ? who->pw_name : "?");
    for (size_t i = 0; i < line->words; i++)
        buf_addf(&all, "%s%s", i ? " " : "", line->word[i]);
    str_copy(words, sizeof words, buf_str(&all));
    buf_free(&all);
    const struct audit_row row = {.actor = str_from(actor), .action = str_from(action), .object = str_from(words), .reason = str_from(line->reason)};
    if (audit_add(d, &row, NULL) == DB_OK && schema_touch(d) == DB_OK && db_commit(d) == DB_OK)
        return true;
    db_rollback(d);
    return false;
}

/* Which domain an account belongs to: --domain, or what its login says. */
static struct str domain_of(const struct command_line *line, const char *login)
{
    const char *at = strrchr(login, '@');

    return str_from(line->domain ? line->domain : at ? at + 1 : login);
}

static int add(const struct command_line *line, struct db *d)
{
    struct buf password = buf_make(PASSWORD_MAX + 2), error = buf_make(ERROR_MAX);
    struct str networks[MOST_WORDS];
    const char *login = line->word[0];
    char domain[256] = "";
    struct account_new new = {.login = str_from(login), .networks = networks, .network_count = line->words - 1,
                              .kind = strchr(login, '@') ? ACCOUNT_USER : ACCOUNT_DOMAIN};
    int64_t id;

    if (line->type && !account_kind_find(str_from(line->type), &new.kind)) {
        fprintf(stderr, "postern: --type is user, domain or network\n");
        return EX_USAGE;
    }
    if (!domain_to_ascii(domain_of(line, login), domain, sizeof domain)) {
        fprintf(stderr, "postern: %s: --domain says whose account it is\n", login);
        return EX_USAGE;
    }
    new.domain = str_from(domain);
    for (size_t i = 1; i < line->words; i++)
        networks[i - 1] = str_from(line->word[i]);
    if (new.kind != ACCOUNT_NETWORK)
        read_password(&password);
    new.password = buf_str(&password);
    enum account_result result = ACCOUNT_FAILED;
    if (db_begin(d) == DB_OK && have_domain(line, d, new.domain))
        result = account_create(d, &new, &id, &error);
    if (result == ACCOUNT_OK && !account_commit(line, d))
        result = ACCOUNT_FAILED;
    if (result != ACCOUNT_OK)
        db_rollback(d);
    int code = result == ACCOUNT_OK ? EX_OK : account_complain(login, result, &error);
    wipe(&password);
    buf_free(&error);
    return code;
}

static enum account_result lock(const struct command_line *line, struct db *d, const struct account *a)
{
    struct str why = str_from(line->reason ? line->reason : "locked by the operator");
    int64_t until_ms = line->limit ? clock_wall_ms() + (int64_t)line->limit * 60000 : 0;

    return line->words > 1 ? identity_lock_set(d, a->id, str_from(line->word[1]), why, until_ms, 0) : account_lock(d, a->id, why, until_ms);
}

static enum account_result change(const struct command_line *line, struct db *d, const struct account *a, struct buf *error)
{
    const char *verb = line->verb;

    if (strcmp(verb, "delete") == 0)
        return account_delete(d, a->id);
    if (strcmp(verb, "lock") == 0)
        return lock(line, d, a);
    if (strcmp(verb, "unlock") == 0)
        return line->words > 1 ? identity_unlock(d, a->id, str_from(line->word[1])) : account_unlock(d, a->id, true);
    struct buf password = buf_make(PASSWORD_MAX + 2);
    read_password(&password);
    enum account_result result = account_set_password(d, a->id, buf_str(&password), error);
    wipe(&password);
    return result;
}

static int change_one(const struct command_line *line, struct db *d)
{
    struct buf error = buf_make(ERROR_MAX);
    struct account a = {0};
    enum account_result result = account_find(d, str_from(line->word[0]), &a);

    if (result == ACCOUNT_OK && db_begin(d) != DB_OK)
        result = ACCOUNT_FAILED;
    else if (result == ACCOUNT_OK) {
        result = change(line, d, &a, &error);
        if (result == ACCOUNT_OK && !account_commit(line, d))
            result = ACCOUNT_FAILED;
        if (result != ACCOUNT_OK)
            db_rollback(d);
    }
    int code = result == ACCOUNT_OK ? EX_OK : account_complain(line->word[0], result, &error);
    account_clear(&a);
    buf_free(&error);
    return code;
}

static size_t most_words(const char *verb)
{
    if (strcmp(verb, "add") == 0 || strcmp(verb, "limits") == 0)
        return MOST_WORDS;
    return strcmp(verb, "lock") == 0 || strcmp(verb, "unlock") == 0 ? 2 : 1;
}

int account_main(const struct command_line *line)
{
    bool is_list = strcmp(line->verb, "list") == 0;

    if (!is_list && (line->words == 0 || line->words > most_words(line->verb))) {
        fprintf(stderr, "postern: account %s wants a login\n", line->verb);
        return EX_USAGE;
    }
    struct db *d = open_for(line);
    if (!d)
        return EX_UNAVAILABLE;
    int code = is_list ? list(line, d) : strcmp(line->verb, "add") == 0 ? add(line, d) : strcmp(line->verb, "limits") == 0 ? account_limits(line, d)
                                                                                                                     : change_one(line, d);
    db_close(&d);
    return code;
}
