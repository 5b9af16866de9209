/* fuzz_sts.c: records and policies of MTA-STS: within the ceilings, and what a policy names is among its own patterns. */
#include "smtp/sts_policy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n((const char *)data, size);
    struct sts_policy policy;
    const char *why = NULL;
    char id[STS_ID_MAX + 1];

    check(!sts_record_id(text, id) || (sts_record_is_ours(text) && *id && strlen(id) <= STS_ID_MAX));
    if (!sts_policy_parse(text, &policy, &why)) {
        check(why && !policy.mx && !policy.mx_count);
        return 0;
    }
    check(policy.mode <= STS_MODE_ENFORCE && policy.max_age_s <= STS_AGE_MAX_S && policy.mx_count <= STS_MX_MAX);
    check(policy.mx_count || policy.mode == STS_MODE_NONE);
    const char *at = policy.mx;
    for (size_t i = 0; i < policy.mx_count; i++, at += strlen(at) + 1) {
        bool is_pattern = *at == '*';
        check(*at && strlen(at) <= 255 && sts_policy_names(&policy, is_pattern ? STR("!") : str_from(at)) != is_pattern); /* one label, that no mx can be by itself */
    }
    sts_policy_clear(&policy);
    return 0;
}
