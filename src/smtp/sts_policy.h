/*
 * sts_policy.h: MTA-STS (RFC 8461): the TXT record that tells of a policy (§3.1), the policy itself (§3.2), and whether it names a host (§4.1).
 * Pure; all bytes come from strangers. The courier fetches and remembers policies (courier/sts.h).
 */
#ifndef SMTP_STS_POLICY_H
#define SMTP_STS_POLICY_H

#include "base/str.h"

#include <stdint.h>

enum { STS_ID_MAX = 32, STS_TEXT_MAX = 64 * 1024 /* §3.3 */, STS_MX_MAX = 256, STS_AGE_MAX_S = 31557600 };

enum sts_mode { STS_MODE_NONE, STS_MODE_TESTING, STS_MODE_ENFORCE };

struct sts_policy {
    enum sts_mode mode;
    uint32_t max_age_s; /* STS_AGE_MAX_S at most */
    size_t mx_count;
    char *mx;           /* owned: that many patterns, lower case, each ended by NUL */
};

/* Does TXT begin as a record of this kind? Others of the same name are passed over. */
bool sts_record_is_ours(struct str txt);
/* ID (STS_ID_MAX + 1) from such a record; false where it is not valid. */
bool sts_record_id(struct str txt, char *id) __attribute__((warn_unused_result));

/* False with WHY (a constant); then POLICY is empty. sts_policy_clear() when done. */
bool sts_policy_parse(struct str text, struct sts_policy *policy, const char **why) __attribute__((warn_unused_result));
void sts_policy_clear(struct sts_policy *policy);
bool sts_policy_names(const struct sts_policy *policy, struct str host);
const char *sts_mode_name(enum sts_mode mode);

#endif
