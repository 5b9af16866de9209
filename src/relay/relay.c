/*
 * relay.c: the relay's main thread: takes what the master sends, builds the parts in order, then waits for the master's word.
 * The sandbox is entered before any thread exists and before the first outside byte.
 */
#include "relay/relay.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "courier/callout.h"
#include "courier/sts.h"
#include "courier/tls_report.h"
#include "gate/list_watch.h"
#include "relay/parts.h"
#include "relay/directory_work.h"
#include "relay/quarantine_work.h"
#include "scan/sandbox.h"
#include "store/message_log.h"
#include "store/open.h"
#include "store/settings_file.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { CONFIG_MAX = 16 * 1024 * 1024, PEMS_MAX = 4 * 1024 * 1024, MOST_COUNTERS = 400000, MALLOC_ARENAS = 4, MOST_DENIALS = 100000 };
enum { STOP_MS = 30000, LOOK_MS = 250 /* how soon a change in the store is seen */ };

static const char *directory_of(const char *path, char *to, size_t size)
{
    const char *slash = strrchr(path, '/');
    str_copy(to, size, slash ? str_n(path, (size_t)(slash - path)) : STR("."));
    return to;
}

static bool enter_sandbox(const struct policy *p)
{
    char json[PATH_MAX], text[PATH_MAX], store[PATH_MAX], path[STORE_PATH_MAX];
    const char *read[24], *write[16];
    size_t reads = 0, writes = 0;
    static const char *const system[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/ssl", "/etc/gai.conf", "/usr/lib/ssl",
                                         "/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom", "/proc/self/fd"};

    for (size_t i = 0; i < sizeof system / sizeof *system; i++)
        read[reads++] = system[i];
    if (*setting_text(p, SETTING_lists_directory))
        read[reads++] = setting_text(p, SETTING_lists_directory);
    if (*setting_text(p, SETTING_secrets_file))
        read[reads++] = setting_text(p, SETTING_secrets_file);
    if (*setting_text(p, SETTING_dns_zone_file))
        read[reads++] = setting_text(p, SETTING_dns_zone_file);
    if (*setting_text(p, SETTING_tls_roots))
        read[reads++] = setting_text(p, SETTING_tls_roots);
    if (*setting_text(p, SETTING_ldap_directory))
        read[reads++] = setting_text(p, SETTING_ldap_directory);
    if (*setting_text(p, SETTING_large_senders))
        read[reads++] = setting_text(p, SETTING_large_senders);
    write[writes++] = setting_text(p, SETTING_spool_directory);
    write[writes++] = setting_text(p, SETTING_state_directory);
    write[writes++] = setting_text(p, SETTING_run_directory);
    write[writes++] = directory_of(store_path(p, path), store, sizeof store);
    if (*setting_text(p, SETTING_log_json))
        write[writes++] = directory_of(setting_text(p, SETTING_log_json), json, sizeof json);
    if (*setting_text(p, SETTING_log_text))
        write[writes++] = directory_of(setting_text(p, SETTING_log_text), text, sizeof text);
    struct sandbox_paths paths = {.read = read, .read_count = reads, .write = write, .write_count = writes};
    return sandbox_enter(SANDBOX_RELAY, &paths, 0);
}

static struct dns *open_dns(const struct policy *p, struct buf *error)
{
    const char *zone = setting_text(p, SETTING_dns_zone_file);
    const struct setting_list *resolvers = setting_list(p, SETTING_resolver);

    return *zone ? dns_new_zone_file(zone, error)
                 : dns_new_resolver(resolvers->at, resolvers->count, setting_number(p, SETTING_dns_timeout), error);
}

static struct greylist *open_greylist(const struct policy *p, struct buf *error)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/greylist", setting_text(p, SETTING_state_directory));
    return greylist_open(path, (size_t)setting_number(p, SETTING_greylist_entries), error);
}

static struct reputation *open_reputation(const struct policy *p, struct buf *error)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/reputation", setting_text(p, SETTING_state_directory));
    return reputation_open(path, (size_t)setting_number(p, SETTING_reputation_entries), error);
}

static void scan_is_bad(void *arg, int id)
{
    struct relay *r = arg;

    if (!process_send(r->channel, PROCESS_SCAN_BAD, id, "", -1))
        log_error("the master does not listen: %s", strerror(errno));
}

static void take_scan(struct relay *r, struct relay_inbox *inbox, int id, int fd)
{
    if (fd < 0)
        return;
    if (!r->scan && inbox->scan_count < MOST_SCANS) { /* the pool is made when the configuration is known */
        inbox->scans[inbox->scan_count].fd = fd;
        inbox->scans[inbox->scan_count++].id = id;
        return;
    }
    if (!r->scan || !scan_pool_add(r->scan, fd, id))
        log_error("scan process %d could not be taken in", id);
}

/* The bytes are wiped once the keys are made of them; a relay started anew gets them anew. */
static struct dkim_keys *signing_keys(struct relay_inbox *inbox)
{
    struct buf trouble = buf_make(64 * 1024); /* the master has said it */
    struct dkim_keys *keys = dkim_keys_new(buf_str(&inbox->signing_keys), &trouble);

    if (inbox->signing_keys.at)
        explicit_bzero(inbox->signing_keys.at, inbox->signing_keys.cap);
    buf_clear(&inbox->signing_keys);
    buf_free(&trouble);
    return keys;
}

static bool load_secrets(struct relay *r, const struct policy *p, struct buf *error)
{
    char path[PATH_MAX];
    const char *set = setting_text(p, SETTING_secrets_file);

    if (*set)
        str_copy(path, sizeof path, str_from(set));
    else
        snprintf(path, sizeof path, "%s/secrets", setting_text(p, SETTING_state_directory));
    return secrets_load(path, &r->secrets, error);
}

static bool open_sts(struct relay *r, const struct policy *p, struct buf *error)
{
    struct sts_options options = {
        .dns = r->dns,
        .roots = setting_text(p, SETTING_tls_roots),
        .directory = setting_text(p, SETTING_state_directory),
        .port = (uint16_t)setting_number(p, SETTING_mta_sts_port),
        .timeout_ms = setting_number(p, SETTING_mta_sts_timeout),
    };
    struct tls_report_options reports = {.settings = r->settings, .dns = r->dns, .signer = r->signer};

    r->reports = tls_reports_new(&reports, error);
    if (!r->reports)
        return false;
    options.reports = r->reports;
    r->sts = sts_new(&options, error);
    return r->sts != NULL;
}

static bool open_callouts(struct relay *r, const struct policy *p, struct buf *error)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/callouts", setting_text(p, SETTING_state_directory));
    r->callouts = callouts_new(r->courier, (size_t)setting_number(p, SETTING_callout_cache));
    if (r->callouts && callouts_keep(r->callouts, path))
        return true;
    buf_addf(error, "callouts: %s", strerror(errno));
    return false;
}

static bool open_accounts(struct relay *r, const struct policy *p, struct buf *error)
{
    char path[STORE_PATH_MAX];

    r->accounts = accounts_new(store_path(p, path), error);
    r->passwords = password_checker_new((unsigned)setting_number(p, SETTING_auth_checks), setting_number(p, SETTING_auth_remember));
    r->denials = denials_new(MOST_DENIALS);
    snprintf(path, sizeof path, "%s/limits", setting_text(p, SETTING_state_directory));
    r->limits = limits_open(path, (size_t)setting_number(p, SETTING_outgoing_counters), error);
    return r->limits && r->accounts && r->passwords && r->denials;
}

static bool start_dmarc_reports(struct relay *r, struct buf *error)
{
    struct dmarc_reports_parts parts = {.settings = r->settings, .dns = r->dns, .signer = r->signer, .spool = r->spool};

    r->dmarc_reports = dmarc_reports_start(&parts);
    if (!r->dmarc_reports)
        buf_addf(error, "threads: %s", strerror(errno));
    return r->dmarc_reports != NULL;
}

/* In the store, too, where the operator wants it. */
static bool open_rows(struct relay *r, const struct policy *p, const char *host, struct buf *error)
{
    char path[STORE_PATH_MAX];
    const struct message_log_options options = {.store_path = store_path(p, path),
                                                .directory = setting_text(p, SETTING_state_directory),
                                                .node = host,
                                                .journal_bytes_max = (uint64_t)setting_number(p, SETTING_log_spill),
                                                .settings = r->settings};

    if (!setting_flag(p, SETTING_log_store))
        return true;
    r->rows = message_log_open(&options, error);
    if (r->rows)
        event_log_also(r->log, r->rows);
    return r->rows != NULL;
}

static bool open_parts(struct relay *r, struct relay_inbox *inbox, const struct policy *p, struct gate_runtime *runtime, struct buf *error)
{
    r->settings = settings_holder_new(settings_ref(runtime->settings));
    r->counters = counters_new(MOST_COUNTERS);
    r->scan = scan_pool_new(setting_number(p, SETTING_scan_timeout));
    r->tls = tls_client_new(setting_text(p, SETTING_tls_roots), error);
    r->signer = dkim_signer_new(signing_keys(inbox));
    r->dns = open_dns(p, error);
    r->log = event_log_open(setting_text(p, SETTING_log_json), setting_text(p, SETTING_log_text), setting_flag(p, SETTING_log_journal),
                            runtime->host, error);
    r->greylist = open_greylist(p, error);
    r->reputation = open_reputation(p, error);
    r->dmarc_tally = dmarc_tally_new(setting_text(p, SETTING_state_directory), (size_t)setting_number(p, SETTING_dmarc_report_entries));
    if (!r->settings || !r->counters || !r->greylist || !r->reputation || !r->dmarc_tally || !r->scan || !r->tls || !r->signer || !r->dns || !r->log)
        return false;
    if (!open_rows(r, p, runtime->host, error))
        return false;
    char store[STORE_PATH_MAX];
    r->quarantine = quarantine_open(store_path(p, store), error);
    if (!r->quarantine || !load_secrets(r, p, error) || !open_accounts(r, p, error))
        return false;
    scan_pool_on_failure(r->scan, scan_is_bad, r);
    for (size_t i = 0; i < inbox->scan_count; i++)
        take_scan(r, inbox, inbox->scans[i].id, inbox->scans[i].fd);
    inbox->scan_count = 0;
    if (!open_sts(r, p, error))
        return false;
    struct courier_parts parts = {.settings = r->settings, .dns = r->dns, .tls = r->tls, .sts = r->sts, .reports = r->reports, .log = r->log, .signer = r->signer, .secrets = &r->secrets};
    r->courier = courier_new(&parts, (unsigned)setting_number(p, SETTING_couriers));
    if (!r->courier)
        return false;
    if (!open_callouts(r, p, error))
        return false;
    r->spool = spool_open(setting_text(p, SETTING_spool_directory), (uint64_t)setting_number(p, SETTING_spool_free_floor), courier_accept,
                          r->courier, error);
    return r->spool && courier_start(r->courier, r->spool) && tls_reports_start(r->reports, r->spool) && start_dmarc_reports(r, error) && (r->quarantine_work = quarantine_work_start(r, p, error)) != NULL &&
           (r->directory_work = directory_work_start(r, p, error)) != NULL;
}

static bool open_gate(struct relay *r, const struct policy *p, struct gate_runtime *take, struct relay_inbox *inbox, struct buf *error)
{
    r->waiter = waiter_new((unsigned)setting_number(p, SETTING_workers), "smtp");
    if (!r->waiter) {
        buf_addf(error, "threads: %s", strerror(errno));
        gate_runtime_unref(take);
        return false;
    }
    struct gate_parts parts = {.waiter = r->waiter, .spool = r->spool, .scan = r->scan, .log = r->log, .courier = r->courier,
                               .counters = r->counters, .dns = r->dns, .greylist = r->greylist, .reputation = r->reputation, .quarantine = r->quarantine, .signer = r->signer, .secrets = &r->secrets, .callouts = r->callouts,
                               .dmarc_tally = r->dmarc_tally};
    parts.accounts = r->accounts;
    parts.passwords = r->passwords;
    parts.denials = r->denials;
    parts.limits = r->limits;
    parts.tls = r->tls;
    char *run = strdup(setting_text(p, SETTING_run_directory)); /* the runtime may be swapped away under us */
    r->gate = gate_new(&parts, take);
    r->control = r->gate && run ? control_start(r, run, error) : NULL;
    free(run);
    if (!r->control)
        return false;
    r->watch = list_watch_start(r->gate);
    if (!r->watch) {
        buf_addf(error, "threads: %s", strerror(errno));
        return false;
    }
    for (size_t i = 0; i < inbox->listener_count; i++)
        if (!gate_listen(r->gate, inbox->listeners[i].fd, (enum service)inbox->listeners[i].kind))
            return false;
    inbox->listener_count = 0;
    return true;
}

/* What the configuration alone says is enough to enter the sandbox and to find the store. */
static bool confine_and_open_store(struct relay *r, struct relay_inbox *inbox, struct buf *error)
{
    struct settings *alone = settings_file_parse(buf_text(&inbox->config), buf_text(&inbox->config_name), error, NULL);

    if (!alone)
        return false;
    mallopt(M_ARENA_MAX, MALLOC_ARENAS); /* an arena per thread would cost memory and win nothing on few cores */
    if (enter_sandbox(settings_system(alone)))
        r->store = store_open(settings_system(alone), error);
    else
        buf_addf(error, "sandbox: %s", strerror(errno));
    settings_unref(alone);
    if (r->store)
        relay_store_changed(r);
    return r->store != NULL;
}

/* The first APPLY. */
static bool start(struct relay *r, struct relay_inbox *inbox, struct buf *error)
{
    struct gate_runtime *runtime = confine_and_open_store(r, inbox, error) ? relay_runtime(inbox, r->store, NULL, error) : NULL;

    if (!runtime)
        return false;
    const struct policy *p = settings_system(runtime->settings);
    if (!open_parts(r, inbox, p, runtime, error)) {
        gate_runtime_unref(runtime);
        return false;
    }
    r->started_ms = clock_mono_ms();
    return open_gate(r, p, runtime, inbox, error);
}

static void swap(struct relay *r, struct gate_runtime *take)
{
    settings_swap(r->settings, settings_ref(take->settings));
    spool_set_free_floor(r->spool, (uint64_t)setting_number(settings_system(take->settings), SETTING_spool_free_floor));
    gate_swap(r->gate, take);
}

/* A later APPLY: all of the new configuration, or nothing of it. */
static bool reload(struct relay *r, struct relay_inbox *inbox, struct buf *error)
{
    struct gate_runtime *runtime = relay_runtime(inbox, r->store, NULL, error);

    if (!runtime)
        return false;
    struct dkim_keys *keys = signing_keys(inbox);
    if (!keys) {
        gate_runtime_unref(runtime);
        buf_add_text(error, "out of memory");
        return false;
    }
    dkim_signer_swap(r->signer, keys);
    callouts_forget_negative(r->callouts);
    swap(r, runtime);
    log_info("configuration reloaded");
    return true;
}

/* Somebody has changed settings, domains or lists in the store. What cannot be read leaves all as it was, and is tried again at the next change. */
static void follow_store(struct relay *r, struct relay_inbox *inbox)
{
    struct buf error = buf_make(PROCESS_TEXT_MAX - 1);

    if (!r->gate || !relay_store_changed(r))
        return;
    struct gate_runtime *now = gate_take(r->gate), *next = relay_runtime(inbox, r->store, now->tls, &error);
    gate_runtime_unref(now);
    if (next)
        swap(r, next);
    else
        log_error("what has changed in the store does not hold yet: " STR_FMT, STR_ARG(buf_str(&error)));
    buf_free(&error);
}

static void apply(struct relay *r, struct relay_inbox *inbox)
{
    struct buf error = buf_make(PROCESS_TEXT_MAX - 1);
    bool fine = r->gate ? reload(r, inbox, &error) : start(r, inbox, &error);
    const char *text = fine ? "" : error.len ? buf_text(&error) : "out of memory";

    if (!fine)
        log_error("%s", text);
    if (!process_send(r->channel, fine ? PROCESS_READY : PROCESS_FAILED, 0, text, -1))
        log_error("the master does not listen: %s", strerror(errno));
    buf_free(&error);
}

static void take_listener(struct relay_inbox *inbox, int kind, int fd)
{
    if (fd < 0)
        return;
    if (inbox->listener_count == sizeof inbox->listeners / sizeof *inbox->listeners || kind == LISTENER_CONSOLE) {
        close(fd);
        return;
    }
    inbox->listeners[inbox->listener_count].fd = fd;
    inbox->listeners[inbox->listener_count++].kind = kind;
}

static void take_text(struct buf *into, int fd)
{
    buf_clear(into);
    if (fd < 0 || !process_read_fd(fd, into))
        log_error("a text from the master could not be read");
    if (fd >= 0)
        close(fd);
}

/* False when it is time to stop. */
static bool take_packet(struct relay *r, struct relay_inbox *inbox, const struct process_packet *p, int fd)
{
    switch ((enum process_packet_type)p->type) {
    case PROCESS_CONFIG:
        buf_clear(&inbox->config_name);
        buf_add_text(&inbox->config_name, p->text);
        take_text(&inbox->config, fd);
        return true;
    case PROCESS_KEYS:
        take_text(&inbox->pems, fd);
        return true;
    case PROCESS_SIGNING_KEYS:
        take_text(&inbox->signing_keys, fd);
        return true;
    case PROCESS_LISTENER:
        take_listener(inbox, p->number, fd);
        return true;
    case PROCESS_SCAN:
        take_scan(r, inbox, p->number, fd);
        return true;
    case PROCESS_APPLY:
        apply(r, inbox);
        return true;
    case PROCESS_REOPEN:
        if (r->log)
            event_log_reopen(r->log);
        return true;
    case PROCESS_STOP:
        return false;
    default:
        break;
    }
    log_warning("an unexpected packet of type %d from the master", p->type);
    if (fd >= 0)
        close(fd);
    return true;
}

/* Sessions first, then deliveries, then the spool, which commits what still waits; the log last. */
static void stop(struct relay *r)
{
    int64_t deadline_ms = clock_mono_ms() + STOP_MS;
    size_t left = 0;

    if (r->gate) {
        gate_stop(r->gate);
        left = waiter_drain(r->waiter, deadline_ms);
    }
    if (left)
        log_warning("%zu sessions were cut off", left);
    control_stop(&r->control);
    list_watch_stop(&r->watch);
    dmarc_reports_stop(&r->dmarc_reports);
    quarantine_work_stop(&r->quarantine_work);
    directory_work_stop(&r->directory_work);
    if (r->sts)
        sts_stop(r->sts);
    if (r->reports)
        tls_reports_stop(r->reports);
    if (r->courier)
        courier_stop(r->courier, deadline_ms);
    if (r->spool)
        spool_close(&r->spool);
    if (r->log)
        event_log_close(&r->log);
    message_log_close(&r->rows);
    if (r->callouts)
        callouts_keep_stop(r->callouts);
    if (left)
        return; /* their threads still use what follows; the process ends anyway */
    if (r->waiter)
        waiter_free(&r->waiter);
    gate_free(&r->gate);
    callouts_free(&r->callouts);
    courier_free(&r->courier);
    sts_free(&r->sts);
    tls_reports_free(&r->reports);
    if (r->scan)
        scan_pool_free(&r->scan);
    dns_free(&r->dns);
    tls_client_free(&r->tls);
    counters_free(&r->counters);
    accounts_free(&r->accounts);
    password_checker_free(&r->passwords);
    denials_free(&r->denials);
    limits_close(&r->limits);
    greylist_close(&r->greylist);
    reputation_close(&r->reputation);
    dmarc_tally_free(&r->dmarc_tally);
    dkim_signer_free(&r->signer);
    settings_holder_free(&r->settings);
    quarantine_close(&r->quarantine);
    db_close(&r->store);
}

int relay_process(int channel)
{
    struct relay r = {.channel = channel};
    struct relay_inbox inbox = {.config = buf_make(CONFIG_MAX), .pems = buf_make(PEMS_MAX), .config_name = buf_make(PATH_MAX),
                                 .signing_keys = buf_make(SIGNING_KEYS_BYTES_MAX)};
    struct process_packet packet;
    int fd, got;

    do {
        got = process_receive(channel, &packet, &fd, LOOK_MS);
        if (got < 0 && errno == ETIMEDOUT) { /* silence */
            follow_store(&r, &inbox);
            got = 1;
            continue;
        }
        if (got <= 0 || !take_packet(&r, &inbox, &packet, fd))
            break;
    } while (got > 0);
    if (got < 0)
        log_error("from the master: %s", strerror(errno));
    stop(&r);
    buf_free(&inbox.config);
    buf_free(&inbox.pems);
    buf_free(&inbox.signing_keys);
    buf_free(&inbox.config_name);
    return EX_OK;
}
