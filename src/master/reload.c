/*
 * reload.c: SIGHUP. A new configuration is checked here, sent to the children, and in force once the relay has taken it: until then,
 * and for children that must be started anew meanwhile, the old one holds.
 */
#include "master/parts.h"

#include "base/log.h"

#include <stdio.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { ERRORS_MAX = 64 * 1024 };

static void say_reloading(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now); /* systemd compares it with its own clock */
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

static void in_force(struct master *m)
{
    if (config_scan_limit(&m->pending) != config_scan_limit(&m->config))
        family_replace_scans(m); /* larger messages must fit in */
    config_free(&m->config);
    m->config = m->pending;
    m->pending = (struct config){.settings = NULL};
}

void reload(struct master *m)
{
    struct buf error = buf_make(ERRORS_MAX);

    if (m->pending.settings || (m->relay.pid && !m->relay.ready)) { /* one at a time */
        m->reload_again = true;
        return;
    }
    m->reload_again = false;
    say_reloading();
    if (!config_load(&m->pending, m->path, true, &error)) {
        log_error("the configuration is not reloaded, the old one stays:");
        log_lines(&error, true);
        buf_free(&error);
        sd_notify(0, "READY=1");
        return;
    }
    buf_free(&error);
    config_say_what_needs_restart(&m->config, &m->pending);
    family_send_config(m, &m->pending);
    if (!m->relay.pid) { /* it gets the new one when it is started */
        in_force(m);
        sd_notify(0, "READY=1");
    }
}

void reload_answered(struct master *m, bool taken, const char *why)
{
    if (!m->pending.settings)
        return;
    if (taken) {
        in_force(m);
        log_info("the configuration is reloaded");
    } else {
        config_free(&m->pending);
        log_error("the configuration is not reloaded, the old one stays: %s", why);
    }
    sd_notify(0, "READY=1");
    if (m->reload_again)
        reload(m);
}
