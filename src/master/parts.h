/* parts.h: what the master is made of. One struct master, owned by master_run(); no threads. */
#ifndef MASTER_PARTS_H
#define MASTER_PARTS_H

#include "base/buf.h"
#include "base/process.h"
#include "catalog/settings.h"

#include <sys/types.h>

enum { MOST_LISTENERS = 96, MOST_SCANS = 64 };

/* config.c: one configuration, as it goes to the children. */
struct config {
    struct settings *settings; /* owned reference */
    struct buf text;           /* owned: the file with its includes put in */
    struct buf pems;           /* owned: certificates and keys, as process_pems_write() puts them */
    struct buf signing_keys;   /* owned: those of DKIM, the same way */
};

/* False with the reasons in ERROR (a line each). A key that cannot be read is one of them only where KEYS_MUST_LOAD: at the start
 * it is said in the log and mail goes on without TLS. */
bool config_load(struct config *c, const char *path, bool keys_must_load, struct buf *error) __attribute__((warn_unused_result));
void config_free(struct config *c);
/* Says in the log which settings differ that only a restart brings into force. */
void config_say_what_needs_restart(const struct config *old, const struct config *new);
/* The address space of a scan process: the setting, and room to map the largest message. */
uint64_t config_scan_limit(const struct config *c);
void log_lines(const struct buf *text, bool as_errors); /* a log line for each line */

/* listeners.c: the ports. */
struct listener {
    int fd; /* owned */
    enum process_listener kind;
    char text[64];
};
struct listeners {
    struct listener at[MOST_LISTENERS];
    size_t count;
};
bool listeners_open(struct listeners *l, const struct policy *p, struct buf *error) __attribute__((warn_unused_result));
void listeners_close(struct listeners *l);

/* home.c: whom the children run as, and the folders that they work in. */
struct identity {
    bool switches; /* started as root, and told to become somebody else */
    uid_t uid;
    gid_t gid;
    char name[64];
};
bool identity_find(struct identity *id, const struct policy *p, struct buf *error) __attribute__((warn_unused_result));
bool identity_take(const struct identity *id) __attribute__((warn_unused_result)); /* in a child; false with errno */
bool folders_make(const struct identity *id, const struct policy *p, struct buf *error) __attribute__((warn_unused_result));
/* The locked file with our number in it; -1 with the reason in ERROR, e.g. that another gateway runs here. */
int pid_file_open(const struct policy *p, struct buf *error);
void pid_file_remove(int fd, const struct policy *p);
bool master_confine(const struct policy *p) __attribute__((warn_unused_result)); /* false with errno */

/* children.c: one process each. */
enum child_role { CHILD_RELAY, CHILD_CONSOLE, CHILD_SCAN };
struct child {
    enum child_role role;
    pid_t pid;           /* 0: not running */
    int channel;         /* our end, owned; -1 for a scan process, which speaks with the relay */
    int id;              /* of a scan process: never given twice */
    bool ready;          /* it said so */
    bool leaving;        /* told to, so that another takes its place */
    int64_t started_ms;
    int64_t start_at_ms; /* when not running: when it shall be started */
    unsigned deaths;     /* in a row */
};

const char *child_name(enum child_role role);
/* Starts the process with FAR_END as its descriptor 3 (stays the caller's). False with errno. */
bool child_start(struct child *c, const struct identity *id, int far_end, uint64_t memory_limit) __attribute__((warn_unused_result));
void child_kill(const struct child *c);
/* It has died: says how in the log, and sets start_at_ms. */
void child_died(struct child *c, int status, bool as_told);

/* master.c */
struct master {
    const char *path;
    struct config config;      /* in force */
    struct config pending;     /* sent to the relay, which has not answered yet; settings == NULL: none */
    bool reload_again;         /* asked for while one was pending */
    struct identity identity;
    struct listeners listeners;
    struct child relay, console, scans[MOST_SCANS];
    size_t scan_count;
    int next_id;
    bool started;              /* everybody has been ready once */
    bool stopping;
    int64_t stop_by_ms;
    int exit_code;
};

/* family.c: the children together. */
void family_init(struct master *m);
void family_start_due(struct master *m, int64_t now_ms);
int64_t family_next_due(const struct master *m); /* INT64_MAX: nothing is due */
void family_reap(struct master *m);
void family_read(struct master *m, struct child *c); /* a packet has come */
void family_send_config(struct master *m, const struct config *config);
void family_tell(struct master *m, enum process_packet_type type, int32_t number); /* relay and console */
void family_kill(struct master *m);
void family_replace_scans(struct master *m); /* each when it has finished the message at hand */
bool family_is_gone(const struct master *m);

/* reload.c */
void reload(struct master *m);
void reload_answered(struct master *m, bool taken, const char *why);

#endif
