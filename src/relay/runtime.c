/* runtime.c: what a configuration and the store come to together; made anew whenever one of them changes. */
#include "base/clock.h"
#include "base/log.h"
#include "base/process.h"
#include "relay/parts.h"
#include "store/schema.h"
#include "store/settings_file.h"
#include "store/settings_store.h"

#include <limits.h>
#include <stdio.h>

enum { MOST_PEMS = 256 };

static struct tls_server *load_tls(struct str pems, const struct policy *p, struct buf *error)
{
    struct process_pem raw[MOST_PEMS];
    struct tls_pem list[MOST_PEMS];
    char names[MOST_PEMS][80];
    int count = process_pems_read(pems, raw, MOST_PEMS);

    if (count <= 0)
        return NULL;
    for (int i = 0; i < count; i++) {
        str_copy(names[i], sizeof names[i], raw[i].name);
        list[i] = (struct tls_pem){.chain = raw[i].chain, .key = raw[i].key, .name = names[i]};
    }
    return tls_server_new(list, (size_t)count, setting_text(p, SETTING_tls_minimum), error);
}

static bool add_store(void *arg, struct settings *s, struct buf *error)
{
    return settings_store_load(arg, s, error);
}

struct gate_runtime *relay_runtime(struct relay_inbox *inbox, struct db *store, struct tls_server *tls_or_null, struct buf *error)
{
    struct buf tls_error = buf_make(1024);
    struct settings *settings = settings_file_parse_with(buf_text(&inbox->config), buf_text(&inbox->config_name), add_store, store, error, NULL);
    struct tls_server *tls = tls_or_null ? tls_server_ref(tls_or_null) : NULL;

    if (!settings) {
        if (tls)
            tls_server_unref(tls);
        return NULL;
    }
    if (!tls)
        tls = load_tls(buf_str(&inbox->pems), settings_system(settings), &tls_error);
    if (!tls && tls_error.len) /* mail goes on: STARTTLS answers 454 until the certificate is mended */
        log_error("TLS is not available: " STR_FMT, STR_ARG(buf_str(&tls_error)));
    buf_free(&tls_error);
    return gate_runtime_new(settings, tls, store, error);
}

/* Others' commits are seen cheaply; most of them are the message log's and change nothing here. */
bool relay_store_changed(struct relay *r)
{
    int64_t version = db_version(r->store);
    bool expired = false;

    if (r->gate) {
        struct gate_runtime *now = gate_take(r->gate);
        expired = clock_wall_ms() >= now->lists_until_ms;
        gate_runtime_unref(now);
    }
    if (version == r->store_version && !expired)
        return false;
    r->store_version = version;
    int64_t revision = schema_revision(r->store);
    if (revision == r->store_revision && !expired)
        return false;
    r->store_revision = revision;
    return true;
}
