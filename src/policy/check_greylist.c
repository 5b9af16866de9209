/* check_greylist.c: a first contact waits. Who is asked for and what is remembered is the gate's and the store's business. */
#include "policy/policy.h"

#include <stdio.h>

struct finding check_greylist(const struct greylist_facts *g, const struct policy *p)
{
    int64_t until_ms = g->now_ms + g->wait_ms;
    int minute = (int)(until_ms / 60000 % (24 * 60));

    if (!setting_flag(p, SETTING_greylist) || g->wait_ms <= 0)
        return finding_none();
    struct finding f = finding_make(REASON_GREYLISTED, "delayed until %02d:%02d UTC, %s", minute / 60, minute % 60,
                                    g->is_first ? "first contact" : "too early");
    f.seconds = (uint32_t)((g->wait_ms + 999) / 1000);
    f.until_ms = until_ms;
    return f;
}
