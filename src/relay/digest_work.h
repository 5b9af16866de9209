/* digest_work.h: who has something new in quarantine gets a digest, at the domain's hour. Called now and then by the thread of quarantine_work.c. */
#ifndef RELAY_DIGEST_WORK_H
#define RELAY_DIGEST_WORK_H

#include "relay/parts.h"

struct digest_work {
    struct db *db;
    struct spool *spool;
    struct settings_holder *settings;
    struct dkim_signer *signer;
    bool (*is_stopping)(void *arg); /* asked between two digests */
    void *arg;
};

void digests_send(const struct digest_work *w, int64_t now_ms);

#endif
