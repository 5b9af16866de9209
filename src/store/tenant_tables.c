/* tenant_tables.c: what a tenant's file holds: one row for each kind of object; see tenant_file.h. */
#include "store/tenant_parts.h"

#define COLUMNS(list) .columns = list, .count = sizeof(list) / sizeof *(list)

static const struct tenant_column setting_columns[] = {{"name", COLUMN_NAME}, {"value", COLUMN_JSON}, {"changed_ms", COLUMN_TIME}};
static const struct tenant_table settings = {
    .key = "settings", .noun = "setting", .by_level = true, COLUMNS(setting_columns),
    .select = "SELECT 0, name, value, changed_ms FROM setting WHERE owner = $1 AND level = $2 ORDER BY name",
    .insert = "INSERT INTO setting(owner, level, name, value, changed_ms) VALUES($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
};

static const struct tenant_column list_columns[] = {
    {"pattern", COLUMN_NAME}, {"list", COLUMN_TEXT}, {"match", COLUMN_TEXT}, {"is_authenticated", COLUMN_FLAG}, {"skip", COLUMN_TEXT}, {"note", COLUMN_TEXT},
    {"created_ms", COLUMN_TIME}, {"created_by", COLUMN_TEXT}, {"expires_ms", COLUMN_NUMBER}};
static const struct tenant_table lists = {
    .key = "lists", .noun = "list entry", .has_id = true, .by_level = true, COLUMNS(list_columns),
    .select = "SELECT id, pattern, list, match, is_authenticated, skip, note, created_ms, created_by, expires_ms FROM list_entry "
              "WHERE owner = $1 AND level = $2 ORDER BY list, id",
    .insert = "INSERT INTO list_entry(id, owner, level, pattern, list, match, is_authenticated, skip, note, created_ms, created_by, expires_ms) "
              "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING",
};

static const struct tenant_column rule_columns[] = {{"name", COLUMN_TEXT}, {"position", COLUMN_NUMBER}, {"is_on", COLUMN_FLAG}, {"definition", COLUMN_JSON},
                                                    {"created_ms", COLUMN_TIME}, {"changed_ms", COLUMN_TIME}};
static const struct tenant_table rules = {
    .key = "rules", .noun = "rule", .has_id = true, .by_level = true, COLUMNS(rule_columns),
    .select = "SELECT id, name, position, is_on, definition, created_ms, changed_ms FROM rule WHERE owner = $1 AND level = $2 ORDER BY position, id",
    .insert = "INSERT INTO rule(id, owner, level, name, position, is_on, definition, created_ms, changed_ms) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};

/* totp_last goes along, so that no code works twice on a gateway that the tenant moved to. */
static const struct tenant_column person_columns[] = {
    {"login", COLUMN_LOGIN}, {"name", COLUMN_TEXT}, {"role", COLUMN_NAME}, {"password", COLUMN_TEXT}, {"totp", COLUMN_BYTES}, {"totp_last", COLUMN_NUMBER},
    {"language", COLUMN_TEXT}, {"is_locked", COLUMN_FLAG}, {"created_ms", COLUMN_TIME}};
#define PERSONS(column) { \
    .key = "persons", .noun = "person", .has_id = true, COLUMNS(person_columns), \
    .select = "SELECT id, login, name, role, password, totp, totp_last, language, is_locked, created_ms FROM person WHERE " #column " = $1 ORDER BY login", \
    .insert = "INSERT INTO person(id, " #column ", login, name, role, password, totp, totp_last, language, is_locked, created_ms) " \
              "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING"}
static const struct tenant_table tenant_persons = PERSONS(tenant), domain_persons = PERSONS(domain), mailbox_persons = PERSONS(mailbox);

static const struct tenant_column identity_columns[] = {{"identity", COLUMN_NAME}, {"reason", COLUMN_TEXT}, {"locked_ms", COLUMN_TIME},
                                                        {"until_ms", COLUMN_NUMBER}, {"unlocks", COLUMN_NUMBER}};
static const struct tenant_table identity_locks = {
    .key = "identity_locks", .noun = "identity", COLUMNS(identity_columns),
    .select = "SELECT 0, identity, reason, locked_ms, until_ms, unlocks FROM identity_lock WHERE account = $1 ORDER BY identity",
    .insert = "INSERT INTO identity_lock(account, identity, reason, locked_ms, until_ms, unlocks) VALUES($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
};

static const struct tenant_column account_columns[] = {
    {"login", COLUMN_LOGIN}, {"kind", COLUMN_TEXT}, {"password", COLUMN_TEXT}, {"scram", COLUMN_TEXT}, {"networks", COLUMN_TEXT}, {"is_locked", COLUMN_FLAG},
    {"lock_reason", COLUMN_TEXT}, {"locked_until_ms", COLUMN_NUMBER}, {"unlocks", COLUMN_NUMBER}, {"created_ms", COLUMN_TIME}, {"used_ms", COLUMN_NUMBER}};
static const struct tenant_table accounts = {
    .key = "accounts", .noun = "account", .has_id = true, .level = 'u', COLUMNS(account_columns), .below = {&settings, &identity_locks},
    .select = "SELECT id, login, kind, password, scram, networks, is_locked, lock_reason, locked_until_ms, unlocks, created_ms, used_ms FROM account "
              "WHERE domain = $1 ORDER BY login",
    .insert = "INSERT INTO account(id, domain, login, kind, password, scram, networks, is_locked, lock_reason, locked_until_ms, unlocks, created_ms, used_ms) "
              "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING",
};

static const struct tenant_column mailbox_alias_columns[] = {{"local_part", COLUMN_LOCAL_PART}, {"source", COLUMN_TEXT}};
static const struct tenant_table mailbox_aliases = {
    .key = "aliases", .noun = "alias", COLUMNS(mailbox_alias_columns), .taken_within = true,
    .select = "SELECT 0, local_part, source FROM mailbox_alias WHERE mailbox = $1 ORDER BY local_part",
    .insert = "INSERT INTO mailbox_alias(domain, mailbox, local_part, source) SELECT m.domain, m.id, $2, $3 FROM mailbox m WHERE m.id = $1 ON CONFLICT DO NOTHING",
    .taken = "SELECT count(*) FROM mailbox WHERE local_part = $1 AND domain = (SELECT m.domain FROM mailbox m WHERE m.id = $2)",
};

static const struct tenant_column mailbox_columns[] = {{"local_part", COLUMN_LOCAL_PART}, {"source", COLUMN_TEXT}, {"created_ms", COLUMN_TIME}};
static const struct tenant_table mailboxes = {
    .key = "mailboxes", .noun = "mailbox", .has_id = true, .level = 'm', COLUMNS(mailbox_columns), .taken_within = true,
    .below = {&mailbox_aliases, &settings, &lists, &rules, &mailbox_persons},
    .select = "SELECT id, local_part, source, created_ms FROM mailbox WHERE domain = $1 ORDER BY local_part",
    .insert = "INSERT INTO mailbox(id, domain, local_part, source, created_ms) VALUES($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    .taken = "SELECT count(*) FROM mailbox_alias WHERE local_part = $1 AND domain = $2",
};

static const struct tenant_column alias_columns[] = {{"name", COLUMN_DOMAIN}};
static const struct tenant_table domain_aliases = {
    .key = "aliases", .noun = "alias", COLUMNS(alias_columns),
    .select = "SELECT 0, name FROM domain_alias WHERE domain = $1 ORDER BY name",
    .insert = "INSERT INTO domain_alias(domain, name) VALUES($1, $2) ON CONFLICT DO NOTHING",
    .taken = "SELECT count(*) FROM domain WHERE name = $1",
};

static const struct tenant_column domain_columns[] = {{"name", COLUMN_DOMAIN}, {"contact", COLUMN_TEXT}, {"language", COLUMN_TEXT}, {"time_zone", COLUMN_TEXT},
                                                      {"created_ms", COLUMN_TIME}};
static const struct tenant_table domains = {
    .key = "domains", .noun = "domain", .has_id = true, .level = 'd', COLUMNS(domain_columns),
    .below = {&domain_aliases, &settings, &lists, &rules, &mailboxes, &accounts, &domain_persons},
    .select = "SELECT id, name, contact, language, time_zone, created_ms FROM domain WHERE tenant = $1 ORDER BY name",
    .insert = "INSERT INTO domain(id, tenant, name, contact, language, time_zone, created_ms) VALUES($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    .taken = "SELECT count(*) FROM domain_alias WHERE name = $1",
};

static const struct tenant_column tenant_columns[] = {{"name", COLUMN_NAME}, {"note", COLUMN_TEXT}, {"is_suspended", COLUMN_FLAG}, {"created_ms", COLUMN_TIME}};
const struct tenant_table tenant_table = {
    .key = "tenants", .noun = "tenant", .has_id = true, .level = 't', COLUMNS(tenant_columns),
    .below = {&settings, &lists, &rules, &tenant_persons, &domains, &tenant_table},
    .select = "SELECT id, name, note, is_suspended, created_ms FROM tenant WHERE parent = $1 ORDER BY name",
    .insert = "INSERT INTO tenant(id, parent, name, note, is_suspended, created_ms) VALUES($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
};
