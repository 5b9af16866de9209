/*
 * fuzz_rule.c: definitions of custom rules, and what they match. Up to the first NUL the definition; behind it the message's text. A rule that is refused says why; one that
 * is taken ends within its budget and answers the same twice, unless time ran out.
 */
#include "base/bug.h"
#include "policy/rules.h"

#include <string.h>

enum { STEPS_MOST = 4000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add(struct buf *tail, struct scan_report *report, const struct record *r)
{
    bug_unless(record_write(tail, r));
    report->tail = tail->at;
    report->tail_len = (uint32_t)tail->len;
    report->record_count++;
}

static void fill(struct buf *tail, struct scan_report *report, struct str text)
{
    add(tail, report, &(struct record){.kind = RECORD_MAILBOX, .mailbox = {.field = STR("from"), .address = str_sub(text, 0, 100)}});
    add(tail, report, &(struct record){.kind = RECORD_FIELD, .field = {.name = STR("Subject"), .value = text}});
    add(tail, report, &(struct record){.kind = RECORD_PART, .part = {.name = text, .other_name = STR("a/b.exe")}});
    add(tail, report, &(struct record){.kind = RECORD_TEXT, .text = {.kind = STR("plain"), .text = text}});
}

static enum rule_answer run(const struct rule *r, const struct rule_facts *f, struct rule_budget *budget)
{
    struct rule_budget full = rule_budget_full();
    char evidence[EVIDENCE_MAX];
    enum rule_answer a;

    *budget = full;
    a = rule_match(r, f, budget, evidence, NULL);
    bug_unless(full.steps - budget->steps <= STEPS_MOST);
    bug_unless(utf8_is_valid(str_from(evidence)));
    bug_unless(a != RULE_YES || *evidence);
    return a;
}

static void match(const struct rule *r, struct str text)
{
    struct buf tail = buf_make(REPORT_TAIL_MAX);
    struct scan_report report = {0};
    struct address address = {0};
    struct ip ip = {0};
    struct list_scope scope = {.domain = STR("acme.test")};
    struct rule_facts f = {.sender = &address, .recipient = &address, .client = &ip, .scope = &scope, .report = &report, .size = text.len};
    struct rule_trace trace[RULE_CONDITIONS_MAX] = {0};
    struct rule_budget once, again, traced = rule_budget_full();
    const char *why = NULL;

    if (address_parse(str_sub(text, 0, 200), true, &address, &why) != ADDRESS_OK)
        memset(&address, 0, sizeof address);
    fill(&tail, &report, text);
    enum rule_answer first = run(r, &f, &once), second = run(r, &f, &again);
    bug_unless(once.limited || again.limited || first == second);
    enum rule_answer shown = rule_match(r, &f, &traced, NULL, trace);
    bug_unless(once.limited || traced.limited || first == shown);
    f.report = NULL;
    run(r, &f, &once);
    buf_free(&tail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf why = buf_make(4096);
    struct str text = str_n((const char *)data, size), definition = str_cut(&text, '\0');
    struct rule *r = rule_compile(definition, &why);

    if (r)
        match(r, text);
    else
        bug_unless(why.len); /* a refusal says why */
    rule_free(&r);
    buf_free(&why);
    return 0;
}
