/* seal.c: the ARC set of a message that we alter or forward (RFC 8617 §5.1); see authentication.h. */
#include "gate/authentication.h"

#include "base/clock.h"
#include "gate/authentication_parts.h"
#include "gate/session.h"

#include <string.h>

enum { RESULTS_MAX = 16 * 1024 /* DKIM_MAX signatures of at most 750 octets */ };

static bool is_wanted(const struct policy *p, bool is_forwarded, bool is_changed)
{
    const char *when = setting_text(p, SETTING_arc_seal);

    return strcmp(when, "always") == 0 || (strcmp(when, "changed") == 0 && (is_changed || is_forwarded));
}

static bool is_changed(const struct transaction *tx)
{
    return tx->lost_fields || (tx->dot.normalize && (tx->dot.defects & (DOT_BARE_CR | DOT_BARE_LF)));
}

/* The first recipient's domain that wants it. */
static const struct domain *who_wants_it(const struct transaction *tx)
{
    for (size_t i = 0; i < tx->count; i++) {
        const struct domain *d = tx->recipients[i]->domain;
        if (d && is_wanted(&d->policy, setting_flag(&d->policy, SETTING_srs), is_changed(tx)))
            return d;
    }
    return NULL;
}

/* The chain is another's statement, too: what the DNS kept us from verifying is not called broken for all time. */
static bool chain_is_known(const struct authentication *a)
{
    return a && a->was_verified && !(a->arc.chain == CHAIN_FAIL && a->arc.is_temporary);
}

static bool seal_as(const struct session *s, struct str domain, struct str results, struct buf *out)
{
    const struct arc_sealing how = {.domain = domain, .chain = s->tx->authentication->arc.chain, .results = results, .now_s = clock_wall_ms() / 1000};

    return arc_seal(s->gate->parts.signer, &how, blob_bytes(s->tx->body), out);
}

bool authentication_seal(const struct session *s, struct buf *out)
{
    const struct domain *d = s->service == SERVICE_MX ? who_wants_it(s->tx) : NULL;
    struct buf results = buf_make(RESULTS_MAX);
    size_t before = out->len;

    if (!d || !chain_is_known(s->tx->authentication))
        return true;
    struct str own = str_from(setting_text(&d->policy, SETTING_arc_domain));
    authentication_results_value(s, true, &results);
    bool fine = !results.failed && seal_as(s, own.len ? own : d->name, buf_str(&results), out);
    if (fine && out->len == before && !own.len)
        fine = seal_as(s, str_from(s->tx->runtime->host), buf_str(&results), out);
    buf_free(&results);
    return fine;
}
