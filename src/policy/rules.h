/*
 * rules.h: custom rules (product.md §4): what operators, tenants and domains say of their mail beyond settings and lists.
 *
 * A rule is a JSON object. Keys that stand nowhere here are refused, and every error names its place ("conditions[1].value: …"):
 *
 *   {"match": "all",                  or "any"; "all" where it is missing
 *    "conditions": [{"what": "subject", "operator": "contains", "value": "invoice"}, …],
 *    "action": "quarantine"}
 *
 *   what        sender (of the envelope; "<>" is the null one), recipient, from (each address of From)      is, contains, regex
 *               ip (the client's)                                                                            in
 *               header (each field of the name that "header" says), subject                                  is, contains, regex; exists (without value)
 *               body, attachment                                                                             is, contains, regex
 *               size (octets of the message as it came)                                                      larger, smaller
 *   value       a text, or a list of them of which one must fit; for size a number
 *   is          for addresses as in lists: user@domain, domain, *@domain, *.domain. For texts: all of it. For attachments: the file's name
 *   case        true: capitals and small letters differ (contains, is, regex of texts)
 *   not         true: holds where it would not
 *   action      allow       lifts what a sender allow list lifts (responses.md), and only where the sender is authenticated: SPF passes for the envelope, or
 *                           DMARC for From. "unauthenticated": true waives that
 *               refuse, quarantine, tag, score ("points": -100 … 100)
 *               skip        "skip": names of reasons whose checks do not count; those only that an allow list could lift
 *
 * Body is the text of the message as its reader sees it: of all text and HTML parts, also of attached messages, decoded to UTF-8, without markup and without what HTML hides;
 * the first 256 KiB of each part, as many as the report has room for (scan/report.h). Header fields are decoded (RFC 2047) and unfolded, the first 2048 octets of each.
 * Attachments are named parts and what archives hold: by the whole name ("inner.zip/readme.exe") or its last component. Country is no condition: no database of countries is shipped.
 *
 * Rules of the operator come first, then those of tenants from the outermost on, then the domain's; each owner's in their order. An owner's first rule that
 * matches and allows, refuses or quarantines ends that owner's rules: so an exception stands before what it is excepted from. What rules of one owner allow lifts no
 * refusal by rules of another. The operator's are for all mail, also what is sent out; the others for mail to their domains.
 *
 * At RCPT all is decided that the envelope decides. A rule that needs the message is open then, and when it would end its owner's rules, what follows it waits, too.
 *
 * Patterns are PCRE2 (UTF, Unicode properties, ^ and $ at lines), without JIT. What matching costs is counted in steps (items of the pattern that are tried, and octets they pass
 * over), which do not depend on the machine, and in processor time as a last resort. Who reaches a limit does not match, and says so. So nothing hangs, and the same message is
 * judged in the same way wherever the steps suffice.
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include "base/buf.h"
#include "catalog/reason.h"
#include "mail/address.h"
#include "policy/finding.h"
#include "policy/lists.h"
#include "scan/report.h"

enum {
    RULE_DEFINITION_MAX = 64 * 1024, RULE_NAME_MAX = 100, RULE_CONDITIONS_MAX = 20, RULE_VALUES_MAX = 50, RULE_VALUE_MAX = 1000,
    RULES_PER_OWNER_MAX = 500, RULES_MAX = 100000, RULE_FINDINGS_MAX = 8
};

enum rule_action { RULE_ALLOW, RULE_REFUSE, RULE_QUARANTINE, RULE_TAG, RULE_SCORE, RULE_SKIP, RULE_ACTIONS };
enum rule_answer { RULE_NO, RULE_YES, RULE_OPEN /* not known yet */ };

const char *rule_action_name(enum rule_action a);

/* Reasons whose checks are skipped. */
struct reason_set {
    uint64_t bits[(REASON_COUNT + 63) / 64];
};
bool reason_set_has(const struct reason_set *s, enum reason r);

struct rule_facts {
    const struct address *sender, *recipient; /* NULL: not known: conditions on it are open */
    const struct ip *client;                  /* likewise */
    const struct list_scope *scope;           /* whose rules */
    enum rule_answer authenticated;           /* the sender */
    const struct scan_report *report;         /* with texts and fields; NULL: at RCPT */
    uint64_t size;                            /* with REPORT */
};

/* What may still be spent on one message, for all its recipients. */
struct rule_budget {
    uint64_t steps;
    int64_t cpu_us;
    uint32_t limited;                         /* conditions that reached a limit and so did not match */
    char first_limited[EVIDENCE_MAX];         /* the first such rule, whose it is, and which limit */
};
struct rule_budget rule_budget_full(void);

/* One rule. Immutable, may be shared by threads. */
struct rule;
/* NULL with the place and what is wrong in ERROR. */
struct rule *rule_compile(struct str definition, struct buf *error);
void rule_free(struct rule **r);
enum rule_action rule_action_of(const struct rule *r);
double rule_points(const struct rule *r);
size_t rule_condition_count(const struct rule *r);

/* What became of one condition: for people who try a rule. */
struct rule_trace {
    enum rule_answer answer;                  /* as the rule counts it: after "not" */
    bool limited;
    uint64_t steps;
    char text[EVIDENCE_MAX];                  /* "subject contains "invoice""; where it matched, with what it matched */
};
/* Does R match? EVIDENCE (EVIDENCE_MAX octets, may be NULL) gets what matched. TRACE (may be NULL) has room for each condition, all of which are tried then. Whether the
 * sender is authenticated is not looked at here. */
enum rule_answer rule_match(const struct rule *r, const struct rule_facts *f, struct rule_budget *budget, char *evidence, struct rule_trace *trace);
/* Does its action hold, where it has matched? An allow rule may want an authenticated sender. */
enum rule_answer rule_holds(const struct rule *r, const struct rule_facts *f);

/* All rules of a snapshot. Filled first, then immutable and shared by threads. */
struct rules;
struct rules *rules_new(void); /* NULL out of memory */
void rules_free(struct rules **r);
/* In the order of their positions. OWNER's level is S, T or D. WHERE for evidence: "of acme.test". False with the reason in ERROR: the rule is left out. */
bool rules_add(struct rules *r, const struct list_owner *owner, struct str where, struct str name, struct str definition, struct buf *error)
    __attribute__((warn_unused_result));
size_t rules_count(const struct rules *r);

/* What the scan process must report for them: flags. */
enum rules_want { RULES_WANT_TEXTS = 1, RULES_WANT_FIELDS = 2 };
unsigned rules_want(const struct rules *r, const struct list_scope *scope);
/* What differs between recipients of one message: equal only where the same rules count and conditions on the recipient come out the same. 0: there are no rules. */
uint64_t rules_fingerprint(const struct rules *r, const struct list_scope *scope, const struct address *recipient);

/* What all rules of a recipient come to. */
struct rule_outcome {
    struct finding findings[RULE_FINDINGS_MAX]; /* one for each rule that matched, as room is; those that refuse or quarantine have it before the others */
    size_t count;
    bool allows;
    bool asks_who_sent;                         /* an allow rule matches, and it is open whether the sender is authenticated */
    struct reason_set skips;
    double points;
};
void rules_judge(const struct rules *r, const struct rule_facts *f, struct rule_budget *budget, struct rule_outcome *out);
/* Takes out of F what SKIPS names. */
void findings_skip(struct findings *f, const struct reason_set *skips);

#endif
