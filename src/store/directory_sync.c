/* directory_sync.c: see directory_sync.h. The directory is read before the transaction begins, so that a slow one holds up no writer. */
#include "store/directory_sync.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/directory.h"
#include "store/audit.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 600, PASSWORD_BYTES_MAX = 1024, MOST_SAID = 20 };

struct syncing {
    struct db *db;
    const struct domain *domain;
    const struct directory_wish *wish;
    struct directory_outcome *out;
    struct mailbox_set *set;
    size_t ordinal; /* of the entry */
};

bool directory_is_set(const struct domain *domain)
{
    return domain->id && *setting_text(&domain->policy, SETTING_ldap_url);
}

static void say(void *arg, size_t line, const char *local, const char *what)
{
    struct syncing *s = arg;

    (void)line;
    s->out->left_out++;
    if (s->out->left_out <= MOST_SAID)
        log_warning("directory of " STR_FMT ": %.100s %s; it is left out", STR_ARG(s->domain->name), local, what);
}

/* "SMTP:ann@…" is the main one of several (proxyAddresses), "smtp:" the others; what has another scheme is no address. */
static struct str without_scheme(struct str value, bool *is_main)
{
    *is_main = str_starts(value, STR("SMTP:"));
    return str_starts_case(value, STR("smtp:")) ? str_from_index(value, strlen("smtp:")) : value;
}

static bool add(struct syncing *s, struct str value, bool is_alias)
{
    char local[LOCAL_PART_MAX + 1];

    return !mailbox_local_of(s->db, s->domain->id, value, local) || mailbox_set_add(s->set, local, is_alias, s->ordinal);
}

static bool is_ours(const struct syncing *s, struct str value)
{
    char local[LOCAL_PART_MAX + 1];

    return mailbox_local_of(s->db, s->domain->id, value, local);
}

/* The mailbox is the main address, or the first that is one of the domain; the rest are other names of it. */
static bool take_entry(void *arg, const struct str *values, size_t count)
{
    struct syncing *s = arg;
    size_t mailbox = count;
    bool is_main, fits;

    s->ordinal++;
    for (size_t i = 0; i < count; i++) {
        struct str value = without_scheme(values[i], &is_main);
        if ((mailbox == count || is_main) && is_ours(s, value)) {
            mailbox = i;
            if (is_main)
                break;
        }
    }
    if (mailbox == count)
        return true;
    fits = add(s, without_scheme(values[mailbox], &is_main), false);
    for (size_t i = 0; i < count && fits; i++)
        if (i != mailbox)
            fits = add(s, without_scheme(values[i], &is_main), true);
    if (!fits)
        str_copy(s->out->error, sizeof s->out->error, STR("it has more addresses than are possible"));
    return fits;
}

static bool is_over(void *arg)
{
    const struct syncing *s = arg;

    return s->wish->is_over && s->wish->is_over(s->wish->arg);
}

/* ldap_directory/DOMAIN.ENDING into TO; false: it has no such file. */
static bool file_of(const struct syncing *s, const struct policy *system, const char *ending, char to[PATH_BYTES_MAX])
{
    const char *folder = setting_text(system, SETTING_ldap_directory);
    int n = snprintf(to, PATH_BYTES_MAX, "%s/" STR_FMT ".%s", folder, STR_ARG(s->domain->name), ending);

    return *folder && n > 0 && n < PATH_BYTES_MAX && access(to, F_OK) == 0;
}

static bool read_password(const char *path, char to[PASSWORD_BYTES_MAX], size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, to, PASSWORD_BYTES_MAX) : -1;

    if (fd >= 0)
        close(fd);
    *len = n > 0 ? (size_t)n : 0;
    while (*len && (to[*len - 1] == '\n' || to[*len - 1] == '\r'))
        (*len)--;
    if (n == PASSWORD_BYTES_MAX)
        errno = EMSGSIZE;
    return n >= 0 && n < PASSWORD_BYTES_MAX;
}

static bool ask(struct syncing *s, const struct policy *system)
{
    const struct policy *p = &s->domain->policy;
    const struct setting_list *attributes = setting_list(p, SETTING_ldap_attributes);
    char password[PASSWORD_BYTES_MAX] = "", file[PATH_BYTES_MAX], roots[PATH_BYTES_MAX];
    size_t len = 0;
    struct buf error = buf_make(sizeof s->out->error);

    if (file_of(s, system, "password", file) && !read_password(file, password, &len)) {
        buf_addf(&error, "%s: %s", file, strerror(errno));
        str_copy(s->out->error, sizeof s->out->error, buf_str(&error));
        buf_free(&error);
        return false;
    }
    if (!file_of(s, system, "pem", roots))
        str_copy(roots, sizeof roots, str_from(*setting_text(system, SETTING_tls_roots) ? setting_text(system, SETTING_tls_roots) : "/etc/ssl/certs/ca-certificates.crt"));
    const struct directory_search search = {
        .url = setting_text(p, SETTING_ldap_url), .tls = setting_flag(p, SETTING_ldap_tls), .roots = roots, .bind_dn = setting_text(p, SETTING_ldap_bind_dn),
        .password = str_n(password, len), .base = setting_text(p, SETTING_ldap_base), .filter = setting_text(p, SETTING_ldap_filter), .attributes = attributes->at,
        .attribute_count = attributes->count, .most = MAILBOXES_MOST, .is_over = is_over, .entry = take_entry, .arg = s};
    bool fine = directory_ask(&search, &error);
    explicit_bzero(password, sizeof password);
    if (!fine && error.len)
        str_copy(s->out->error, sizeof s->out->error, buf_str(&error));
    buf_free(&error);
    return fine;
}

static enum db_result note(const struct syncing *s)
{
    const struct directory_outcome *o = s->out;

    return DB_RUN(s->db, "INSERT INTO directory_sync(domain, tried_ms, succeeded_ms, found, added, removed, left_out, error) VALUES($1, $2, $3, $4, $5, $6, $7, $8) "
                         "ON CONFLICT(domain) DO UPDATE SET tried_ms = excluded.tried_ms, found = excluded.found, added = excluded.added, removed = excluded.removed, "
                         "left_out = excluded.left_out, error = excluded.error, "
                         "succeeded_ms = CASE WHEN excluded.succeeded_ms > 0 THEN excluded.succeeded_ms ELSE directory_sync.succeeded_ms END",
                  DB_N(s->domain->id), DB_N(clock_wall_ms()), DB_N(o->succeeded && !o->is_suspicious ? clock_wall_ms() : 0), DB_N(o->found), DB_N(o->changes.added),
                  DB_N(o->changes.removed), DB_N(o->left_out), DB_T(str_from(o->error)));
}

static bool has_changed(const struct mailbox_changes *c)
{
    return c->added || c->removed || c->aliases_added || c->aliases_removed;
}

static enum db_result write_trail(const struct syncing *s)
{
    const struct mailbox_changes *c = &s->out->changes;
    char object[400], after[200];

    if (!has_changed(c))
        return DB_OK;
    snprintf(object, sizeof object, "domain %lld " STR_FMT, (long long)s->domain->id, STR_ARG(s->domain->name));
    snprintf(after, sizeof after, "{\"added\":%lld,\"aliases_added\":%lld,\"aliases_removed\":%lld,\"removed\":%lld}", (long long)c->added, (long long)c->aliases_added,
             (long long)c->aliases_removed, (long long)c->removed);
    const struct audit_row row = {.tenant = s->domain->tenant ? s->domain->tenant->id : 0, .domain = s->domain->id, .actor = s->wish->actor, .client = STR("local"),
                                  .action = STR("directory-sync"), .object = str_from(object), .after = str_from(after), .reason = s->wish->reason};
    enum db_result result = audit_add(s->db, &row, NULL);
    return result == DB_OK ? schema_touch(s->db) : result;
}

/* Fewer than half of those that it gave before: a directory that was emptied by mistake looks like that, too. */
static bool is_too_few(const struct syncing *s)
{
    return !s->wish->force && s->out->found * 2 < mailboxes_count(s->db, s->domain->id, "ldap");
}

static enum db_result follow(struct syncing *s)
{
    struct directory_outcome *o = s->out;
    enum db_result result = db_begin(s->db);

    if (result != DB_OK)
        return result;
    o->is_suspicious = o->succeeded && is_too_few(s);
    if (o->is_suspicious)
        snprintf(o->error, sizeof o->error, "it has %lld mailboxes, fewer than half of those that it had: nobody is removed", (long long)o->found);
    if (o->succeeded)
        result = mailboxes_follow(s->db, s->domain->id, "ldap", s->set, !o->is_suspicious, &o->changes, say, s);
    if (result == DB_OK)
        result = note(s);
    if (result == DB_OK)
        result = write_trail(s);
    if (result != DB_OK || s->wish->dry_run)
        db_rollback(s->db);
    return result != DB_OK || s->wish->dry_run ? result : db_commit(s->db);
}

bool directory_sync(struct db *d, const struct settings *settings, const struct domain *domain, const struct directory_wish *wish, struct directory_outcome *out)
{
    struct syncing s = {.db = d, .domain = domain, .wish = wish, .out = out, .set = mailbox_set_new()};

    *out = (struct directory_outcome){0};
    if (s.set)
        out->succeeded = ask(&s, settings_system(settings));
    else
        str_copy(out->error, sizeof out->error, STR("out of memory"));
    out->found = out->succeeded ? (int64_t)mailbox_set_mailboxes(s.set) : 0;
    enum db_result result = follow(&s);
    if (result != DB_OK)
        str_copy(out->error, sizeof out->error, str_from(db_error(d)));
    mailbox_set_free(&s.set);
    return result == DB_OK;
}
