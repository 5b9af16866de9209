/*
 * settings.h: what may be set (rows of settings.def), and an immutable snapshot of what is set.
 * The snapshot is built by a loader (store/settings_file.h now, the store later) and read on the hot path
 * without a lock. An explicit value differs from an inherited one, even when equal.
 */
#ifndef CATALOG_SETTINGS_H
#define CATALOG_SETTINGS_H

#include "base/buf.h"
#include "base/str.h"
#include "catalog/reason.h"
#include "net/ip.h"

#include <regex.h>

enum setting {
#define SETTING(id, ...) SETTING_##id,
#include "catalog/settings.def"
#undef SETTING
    SETTING_COUNT
};

enum setting_type {
    SETTING_BOOL, SETTING_INT, SETTING_SIZE, SETTING_DURATION, SETTING_TEXT,
    SETTING_LIST, SETTING_CHOICE, SETTING_ACTION, SETTING_NETWORKS, SETTING_LIMIT
};

enum setting_level { LEVEL_P = 1, LEVEL_S = 2, LEVEL_T = 4, LEVEL_D = 8, LEVEL_M = 16, LEVEL_U = 32 /* outgoing account */ };

struct setting_row {
    const char *name;
    enum setting_type type;
    const char *default_text;
    int64_t min, max;
    unsigned levels;  /* enum setting_level flags */
    const char *unit; /* for CHOICE the choices, separated by | */
    const char *help;
    bool used;        /* does this build read it? Found out by the build from the sources */
};

const struct setting_row *setting_row(enum setting s);
const char *setting_type_name(enum setting_type type); /* "bool" */
/* The setting of that name, or -1. */
int setting_find(struct str name);
/* The setting of one of LEVELS whose name comes nearest to the wrong NAME, or -1 where none is near. */
int setting_nearest(struct str name, unsigned levels);

enum { NO_LIMIT = -1 };

struct setting_list {
    const char **at; /* NUL-terminated entries */
    size_t count;
};

struct setting_value {
    int64_t number;              /* BOOL 0/1, INT, SIZE, DURATION in ms, ACTION as enum action, CHOICE as index, LIMIT or NO_LIMIT */
    const char *text;            /* TEXT, CHOICE */
    struct setting_list list;    /* LIST, and NETWORKS as written */
    struct networks networks;    /* NETWORKS */
};

/*
 * Parses TEXT (for LIST and NETWORKS: COUNT entries) as a value of S within its bounds. Memory is owned by VALUE:
 * setting_value_free(). On failure the reason, fit for an operator, is in ERROR.
 */
bool setting_parse(enum setting s, const char *const *entries, size_t count, struct setting_value *value, struct buf *error)
    __attribute__((warn_unused_result));
void setting_value_free(struct setting_value *value);

enum { SETTING_WORDS = (SETTING_COUNT + 63) / 64 };

/* All settings as they hold at one place: those set there, and a parent for all others. Thousands of domains set a few each. */
struct policy {
    const struct policy *parent;   /* NULL where all are set: the defaults */
    unsigned level;                /* enum setting_level; 0: the defaults */
    uint64_t set[SETTING_WORDS];   /* a bit for each that is set here */
    struct setting_value *value;   /* of those, in the order of their numbers; owned */
    regex_t *local_part_pattern;   /* restricted_local_part compiled, where it is set here and not empty; owned */
    uint64_t data_fingerprint;     /* equal where all settings that decide at DATA are equal */
};

/* A customer, or a reseller with tenants of its own. */
struct tenant {
    int64_t id;
    const struct tenant *parent; /* NULL: directly below the operator */
    struct policy policy;
};

/* A domain that this gateway takes mail for. */
struct domain {
    struct str name;          /* lower case, A-label form */
    int64_t id;               /* in the store; 0: of the configuration file */
    const struct tenant *tenant; /* NULL: the operator's own */
    struct policy policy;
};

struct settings; /* the snapshot */

/* Built by a loader, in this order: new, tenants (parents first), domains, mailboxes, values in any order between, finish. Then immutable. */
struct settings *settings_new(void);
/* The operator's level, to be set. */
struct policy *settings_system_policy(struct settings *s);
/* Takes the memory of TAKE in any case. False: not a setting of that level, or out of memory. */
bool policy_set(struct policy *p, enum setting id, struct setting_value *take);
/* Once all is set: what follows from it. PARENT is finished already; NULL for the defaults. False with the reason in ERROR. */
bool policy_finish(struct policy *p, const struct policy *parent, struct buf *error) __attribute__((warn_unused_result));
/* A level that no snapshot holds, such as an outgoing account's; its owner keeps the parent's snapshot as long. To be set, then finished. */
struct policy *policy_new(unsigned level); /* NULL out of memory */
void policy_free(struct policy **p);
/* As policy_set(), at a domain or, without one, at the operator's level. */
bool settings_set(struct settings *s, struct domain *domain_or_null, enum setting id, struct setting_value *take);
/* PARENT NULL: directly below the operator. NULL: the number is taken, or out of memory. */
struct tenant *settings_add_tenant(struct settings *s, int64_t id, const struct tenant *parent);
struct tenant *settings_tenant(const struct settings *s, int64_t id); /* NULL: none of that number */
struct domain *settings_add_domain(struct settings *s, struct str name); /* NULL: already there, or out of memory */
struct domain *settings_add_domain_of(struct settings *s, struct str name, const struct tenant *tenant);
/* Mail for NAME is mail for DOMAIN. False: there is a domain or an alias of that name, or out of memory. */
bool settings_add_alias(struct settings *s, struct str name, const struct domain *domain);
/* LOCAL_PART is one that exists in DOMAIN. False: out of memory. */
bool settings_know_recipient(struct settings *s, const struct domain *domain, struct str local_part) __attribute__((warn_unused_result));
/* The level of one mailbox of DOMAIN, for those that set something. NULL: already there, or out of memory. */
struct policy *settings_add_mailbox(struct settings *s, const struct domain *domain, struct str local_part);
/* ALIAS is another local part of the mailbox OF, which has a level; false where it has none, or ALIAS has one, or out of memory. */
bool settings_add_mailbox_alias(struct settings *s, const struct domain *domain, struct str alias, struct str of);
bool settings_finish(struct settings *s, struct buf *error); /* inherits, cross-checks; false with the reason */

/* Reference counting: a holder keeps what it took until it gives it back. */
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s);

const struct policy *settings_system(const struct settings *s);
const struct domain *settings_domain(const struct settings *s, struct str name); /* any case, its own name or an alias; NULL: not ours */
/* Is it known that LOCAL_PART, or what stands before a + in it, exists? */
bool settings_knows_recipient(const struct settings *s, const struct domain *domain, struct str local_part);
size_t settings_domain_count(const struct settings *s);
const struct domain *settings_domain_at(const struct settings *s, size_t i);

/* What holds for a recipient: its mailbox's level where that sets something (by its name, any case, or by what stands before a +), or its domain's. */
const struct policy *settings_mailbox(const struct settings *s, const struct domain *domain, struct str local_part);

/* The value that holds, whatever its type; and whether it is set at this very level. */
const struct setting_value *setting_value(const struct policy *p, enum setting s);
bool setting_is_set(const struct policy *p, enum setting s);

/* Reading. The type must be the row's. */
int64_t setting_number(const struct policy *p, enum setting s);  /* INT, SIZE, DURATION (ms) */
int64_t setting_limit(const struct policy *p, enum setting s);   /* LIMIT; NO_LIMIT where it is empty */
bool setting_flag(const struct policy *p, enum setting s);       /* BOOL */
enum action setting_action(const struct policy *p, enum setting s);
const char *setting_text(const struct policy *p, enum setting s); /* TEXT, CHOICE; never NULL */
const struct setting_list *setting_list(const struct policy *p, enum setting s);
const struct networks *setting_networks(const struct policy *p, enum setting s);
/* A TEXT setting that holds a pattern, compiled: restricted_local_part. NULL where it is empty. */
const regex_t *setting_pattern(const struct policy *p, enum setting s);
/* Our own name: host_name, or the system's where that is empty. Into TO, which it returns. */
const char *settings_host_name(const struct policy *system, char *to, size_t size);
/* Is S one of the settings whose value decides on a message after DATA? Then it is in data_fingerprint. */
bool setting_decides_at_data(enum setting s);

/* The current snapshot, swapped atomically on reload. */
struct settings_holder;
struct settings_holder *settings_holder_new(struct settings *take);
struct settings *settings_take(struct settings_holder *h); /* referenced: settings_unref() when done */
void settings_swap(struct settings_holder *h, struct settings *take);
void settings_holder_free(struct settings_holder **h);

#endif
