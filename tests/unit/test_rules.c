/* test_rules.c: custom rules: what is no rule and where that is said, what matches, whose rules count, and that nothing takes for ever. */
#include "policy/policy.h"
#include "policy/rules.h"

#include "check.h"

/* A report with the records that rules read. */
struct sample {
    struct buf tail;
    struct scan_report report;
    struct address sender, recipient;
    struct ip client;
    struct list_scope scope;
    struct rule_facts facts;
};

static struct address address(const char *text)
{
    struct address a = {0};
    const char *why = NULL;

    if (*text)
        assert_int_equal(address_parse(str_from(text), true, &a, &why), ADDRESS_OK);
    return a;
}

static void add(struct sample *s, const struct record *r)
{
    assert_true(record_write(&s->tail, r));
    s->report.tail = s->tail.at;
    s->report.tail_len = (uint32_t)s->tail.len;
    s->report.record_count++;
}

static void add_field(struct sample *s, const char *name, const char *value)
{
    add(s, &(struct record){.kind = RECORD_FIELD, .field = {.name = str_from(name), .value = str_from(value)}});
}

static void add_text(struct sample *s, const char *kind, struct str text)
{
    add(s, &(struct record){.kind = RECORD_TEXT, .text = {.path = STR("1"), .kind = str_from(kind), .text = text}});
}

static void sample_begin(struct sample *s)
{
    memset(s, 0, sizeof *s);
    s->tail = buf_make(REPORT_TAIL_MAX);
    s->sender = address("Ann@mail.sender.test");
    s->recipient = address("Bob@acme.test");
    assert_true(ip_parse(STR("192.0.2.10"), &s->client));
    s->scope = (struct list_scope){.domain = STR("acme.test"), .local_part = STR("Bob")};
    s->facts = (struct rule_facts){.sender = &s->sender, .recipient = &s->recipient, .client = &s->client, .scope = &s->scope, .authenticated = RULE_NO, .size = 5000,
                                   .report = &s->report};
}

static void sample_fill(struct sample *s)
{
    sample_begin(s);
    add(s, &(struct record){.kind = RECORD_MAILBOX, .mailbox = {.field = STR("from"), .address = STR("Boss@B\xC3\xBC" "cher.test"), .domain = STR("xn--bcher-kva.test")}});
    add(s, &(struct record){.kind = RECORD_MAILBOX, .mailbox = {.field = STR("to"), .address = STR("x@other.test"), .domain = STR("other.test")}});
    add_field(s, "Subject", "Your OVERDUE invoice \xC3\x9C" "berweisung");
    add_field(s, "X-Mailer", "Bulk 3000");
    add_field(s, "X-Mailer", "second");
    add_text(s, "plain", STR("first line\nPay now: 4711\nlast line"));
    add_text(s, "hidden", STR("nobody sees this"));
    add(s, &(struct record){.kind = RECORD_PART, .part = {.is_leaf = true, .name = STR("Report.ZIP")}});
    add(s, &(struct record){.kind = RECORD_FILE, .file = {.level = 1, .name = STR("Report.ZIP/inner/run.exe")}});
}

static void sample_end(struct sample *s)
{
    buf_free(&s->tail);
}

static struct rule *compile(const char *json)
{
    struct buf why = buf_make(500);
    struct rule *r = rule_compile(str_from(json), &why);

    if (!r)
        fail_msg("%s: %s", json, buf_text(&why));
    buf_free(&why);
    return r;
}

static enum rule_answer match(const char *json, const struct rule_facts *f, char *evidence)
{
    struct rule *r = compile(json);
    struct rule_budget budget = rule_budget_full();
    enum rule_answer a = rule_match(r, f, &budget, evidence, NULL);

    assert_int_equal(budget.limited, 0);
    rule_free(&r);
    return a;
}

/* A rule of one condition. */
static const char *with(const char *condition)
{
    static char json[2000];

    snprintf(json, sizeof json, "{\"conditions\": [{%s}], \"action\": \"tag\"}", condition);
    return json;
}

static void what_is_no_rule_is_refused_with_its_place(void **state)
{
    static const struct { const char *json, *why; } rows[] = {
        {"", "line 1"},
        {"{\"action\": \"tag\",}", "line 1, column"},
        {"[]", "a rule is an object"},
        {"{}", "conditions: is a list of 1 to 20"},
        {"{\"conditions\": [], \"action\": \"tag\"}", "conditions: is a list"},
        {"{\"conditions\": [{\"what\": \"size\", \"operator\": \"larger\", \"value\": 1}], \"action\": \"drop\"}", "action: is one of allow, refuse"},
        {"{\"conditions\": [{\"what\": \"size\", \"operator\": \"larger\", \"value\": 1}], \"action\": \"tag\", \"actoin\": 1}", "\"actoin\" is no key"},
        {"{\"conditions\": [{\"what\": \"size\", \"operator\": \"larger\", \"value\": 1}], \"action\": \"tag\", \"action\": \"tag\"}", "duplicate"},
        {"{\"match\": \"some\", \"conditions\": [{\"what\": \"size\", \"operator\": \"larger\", \"value\": 1}], \"action\": \"tag\"}", "match: is one of all, any"},
        {"{\"conditions\": [{\"what\": \"size\", \"operator\": \"larger\", \"value\": 1}, {\"what\": \"country\", \"operator\": \"is\", \"value\": \"XX\"}], \"action\": \"tag\"}",
         "conditions[1].what: is one of sender"},
        {"{\"conditions\": [{\"what\": \"size\", \"operator\": \"larger\", \"value\": \"1\"}], \"action\": \"tag\"}", "conditions[0].value: is a whole number"},
        {"{\"conditions\": [{\"what\": \"size\", \"operator\": \"larger\", \"value\": -1}], \"action\": \"tag\"}", "conditions[0].value"},
        {"{\"conditions\": [{\"what\": \"size\", \"operator\": \"contains\", \"value\": \"1\"}], \"action\": \"tag\"}", "conditions[0].operator: contains is nothing"},
        {"{\"conditions\": [{\"what\": \"ip\", \"operator\": \"in\", \"value\": [\"192.0.2.0/24\", \"192.0.2.1/24\"]}], \"action\": \"tag\"}", "conditions[0].value[1]: \"192.0.2.1/24\" is no network"},
        {"{\"conditions\": [{\"what\": \"sender\", \"operator\": \"is\", \"value\": \"*bad.test\"}], \"action\": \"tag\"}", "conditions[0].value: \"*bad.test\""},
        {"{\"conditions\": [{\"what\": \"from\", \"operator\": \"is\", \"value\": \"<>\"}], \"action\": \"tag\"}", "only an envelope sender"},
        {"{\"conditions\": [{\"what\": \"body\", \"operator\": \"regex\", \"value\": [\"a\", \"b(c\"]}], \"action\": \"tag\"}", "conditions[0].value[1]: missing closing parenthesis, at octet 3"},
        {"{\"conditions\": [{\"what\": \"body\", \"operator\": \"regex\", \"value\": \"\\\\C\"}], \"action\": \"tag\"}", "conditions[0].value: using \\C"},
        {"{\"conditions\": [{\"what\": \"body\", \"operator\": \"contains\", \"value\": \"\"}], \"action\": \"tag\"}", "conditions[0].value: is empty"},
        {"{\"conditions\": [{\"what\": \"body\", \"operator\": \"contains\"}], \"action\": \"tag\"}", "conditions[0].value: is missing"},
        {"{\"conditions\": [{\"what\": \"header\", \"operator\": \"exists\"}], \"action\": \"tag\"}", "conditions[0].header: is the name"},
        {"{\"conditions\": [{\"what\": \"header\", \"header\": \"X Y\", \"operator\": \"exists\"}], \"action\": \"tag\"}", "conditions[0].header: is the name"},
        {"{\"conditions\": [{\"what\": \"subject\", \"operator\": \"exists\", \"value\": \"x\"}], \"action\": \"tag\"}", "conditions[0].value: stands beside exists"},
        {"{\"conditions\": [{\"what\": \"subject\", \"operator\": \"exists\", \"not\": 1}], \"action\": \"tag\"}", "conditions[0].not: is true or false"},
        {"{\"conditions\": [{\"what\": \"subject\", \"operator\": \"exists\"}], \"action\": \"score\"}", "points: is a number"},
        {"{\"conditions\": [{\"what\": \"subject\", \"operator\": \"exists\"}], \"action\": \"tag\", \"points\": 2}", "points: stands beside"},
        {"{\"conditions\": [{\"what\": \"subject\", \"operator\": \"exists\"}], \"action\": \"skip\"}", "skip: is a list"},
        {"{\"conditions\": [{\"what\": \"ip\", \"operator\": \"in\", \"value\": \"::1\"}], \"action\": \"skip\", \"skip\": [\"virus\"]}", "virus cannot be skipped"},
        {"{\"conditions\": [{\"what\": \"ip\", \"operator\": \"in\", \"value\": \"::1\"}], \"action\": \"skip\", \"skip\": [\"nonsense\"]}", "\"nonsense\" is no reason"},
        {"{\"conditions\": [{\"what\": \"subject\", \"operator\": \"exists\"}], \"action\": \"skip\", \"skip\": [\"spf-failure\"]}", "answered at RCPT"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf why = buf_make(500);
        struct rule *r = rule_compile(str_from(rows[i].json), &why);
        if (r || !strstr(buf_text(&why), rows[i].why))
            fail_msg("%s: %s", rows[i].json, r ? "taken" : buf_text(&why));
        buf_free(&why);
    }
}

static void conditions_look_where_they_say(void **state)
{
    static const struct { const char *condition; enum rule_answer answer; } rows[] = {
        {"\"what\": \"sender\", \"operator\": \"is\", \"value\": \"ann@mail.sender.test\"", RULE_YES},
        {"\"what\": \"sender\", \"operator\": \"is\", \"value\": \"mail.sender.test\"", RULE_YES},
        {"\"what\": \"sender\", \"operator\": \"is\", \"value\": \"*@MAIL.sender.test\"", RULE_YES},
        {"\"what\": \"sender\", \"operator\": \"is\", \"value\": \"sender.test\"", RULE_NO},
        {"\"what\": \"sender\", \"operator\": \"is\", \"value\": \"*.sender.test\"", RULE_YES},
        {"\"what\": \"sender\", \"operator\": \"is\", \"value\": \"*.mail.sender.test\"", RULE_NO},
        {"\"what\": \"sender\", \"operator\": \"is\", \"value\": [\"x@y.test\", \"*.sender.test\"]", RULE_YES},
        {"\"what\": \"sender\", \"operator\": \"is\", \"value\": \"<>\"", RULE_NO},
        {"\"what\": \"sender\", \"operator\": \"contains\", \"value\": \"ANN@\"", RULE_YES},
        {"\"what\": \"sender\", \"operator\": \"regex\", \"value\": \"^a.n@.*\\\\.sender\\\\.test$\"", RULE_YES},
        {"\"what\": \"recipient\", \"operator\": \"is\", \"value\": \"bob@acme.test\"", RULE_YES},
        {"\"what\": \"recipient\", \"operator\": \"is\", \"value\": \"other.test\"", RULE_NO},
        {"\"what\": \"from\", \"operator\": \"is\", \"value\": \"b\xC3\xBC" "cher.test\"", RULE_YES},
        {"\"what\": \"from\", \"operator\": \"is\", \"value\": \"boss@xn--bcher-kva.test\"", RULE_YES},
        {"\"what\": \"from\", \"operator\": \"is\", \"value\": \"other.test\"", RULE_NO},
        {"\"what\": \"ip\", \"operator\": \"in\", \"value\": [\"2001:db8::/32\", \"192.0.2.0/24\"]", RULE_YES},
        {"\"what\": \"ip\", \"operator\": \"in\", \"value\": \"192.0.3.0/24\"", RULE_NO},
        {"\"what\": \"ip\", \"operator\": \"in\", \"value\": \"192.0.3.0/24\", \"not\": true", RULE_YES},
        {"\"what\": \"subject\", \"operator\": \"contains\", \"value\": \"overdue\"", RULE_YES},
        {"\"what\": \"subject\", \"operator\": \"contains\", \"value\": \"overdue\", \"case\": true", RULE_NO},
        {"\"what\": \"subject\", \"operator\": \"contains\", \"value\": \"\xC3\xBC" "berweisung\"", RULE_YES},
        {"\"what\": \"subject\", \"operator\": \"contains\", \"value\": \"over.ue\"", RULE_NO},
        {"\"what\": \"subject\", \"operator\": \"is\", \"value\": \"your overdue invoice\"", RULE_NO},
        {"\"what\": \"subject\", \"operator\": \"is\", \"value\": \"your overdue invoice \xC3\xBC" "berweisung\"", RULE_YES},
        {"\"what\": \"subject\", \"operator\": \"regex\", \"value\": \"\\\\binvoice\\\\b.\\\\w+$\"", RULE_YES},
        {"\"what\": \"header\", \"header\": \"x-mailer\", \"operator\": \"is\", \"value\": \"SECOND\"", RULE_YES},
        {"\"what\": \"header\", \"header\": \"x-mailer\", \"operator\": \"regex\", \"value\": \"\\\\d{4}\"", RULE_YES},
        {"\"what\": \"header\", \"header\": \"X-Other\", \"operator\": \"exists\"", RULE_NO},
        {"\"what\": \"header\", \"header\": \"List-Id\", \"operator\": \"exists\", \"not\": true", RULE_YES},
        {"\"what\": \"body\", \"operator\": \"regex\", \"value\": \"^pay now: \\\\d+$\"", RULE_YES},
        {"\"what\": \"body\", \"operator\": \"contains\", \"value\": \"nobody sees\"", RULE_NO},
        {"\"what\": \"attachment\", \"operator\": \"is\", \"value\": \"report.zip\"", RULE_YES},
        {"\"what\": \"attachment\", \"operator\": \"is\", \"value\": \"run.exe\"", RULE_YES},
        {"\"what\": \"attachment\", \"operator\": \"regex\", \"value\": \"\\\\.exe$\"", RULE_YES},
        {"\"what\": \"attachment\", \"operator\": \"contains\", \"value\": \"zip/inner\"", RULE_YES},
        {"\"what\": \"attachment\", \"operator\": \"regex\", \"value\": \"\\\\.scr$\"", RULE_NO},
        {"\"what\": \"size\", \"operator\": \"larger\", \"value\": 4999", RULE_YES},
        {"\"what\": \"size\", \"operator\": \"larger\", \"value\": 5000", RULE_NO},
        {"\"what\": \"size\", \"operator\": \"smaller\", \"value\": 5001", RULE_YES},
    };
    struct sample s;

    (void)state;
    sample_fill(&s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (match(with(rows[i].condition), &s.facts, NULL) != rows[i].answer)
            fail_msg("%s", rows[i].condition);
    sample_end(&s);
}

static void the_null_sender_has_a_name(void **state)
{
    struct sample s;

    (void)state;
    sample_begin(&s);
    s.sender = address("");
    assert_int_equal(match(with("\"what\": \"sender\", \"operator\": \"is\", \"value\": \"<>\""), &s.facts, NULL), RULE_YES);
    assert_int_equal(match(with("\"what\": \"sender\", \"operator\": \"regex\", \"value\": \"^$\""), &s.facts, NULL), RULE_YES);
    assert_int_equal(match(with("\"what\": \"sender\", \"operator\": \"is\", \"value\": \"sender.test\""), &s.facts, NULL), RULE_NO);
    sample_end(&s);
}

static void all_and_any_with_what_is_not_known_yet(void **state)
{
    static const char yes[] = "{\"what\": \"ip\", \"operator\": \"in\", \"value\": \"192.0.2.10\"}", no[] = "{\"what\": \"ip\", \"operator\": \"in\", \"value\": \"::1\"}",
                      open[] = "{\"what\": \"subject\", \"operator\": \"exists\"}";
    static const struct { const char *match, *one, *two; enum rule_answer answer; } rows[] = {
        {"all", yes, yes, RULE_YES}, {"all", yes, no, RULE_NO}, {"all", open, no, RULE_NO}, {"all", yes, open, RULE_OPEN}, {"all", open, yes, RULE_OPEN},
        {"any", no, yes, RULE_YES}, {"any", no, no, RULE_NO}, {"any", open, yes, RULE_YES}, {"any", open, no, RULE_OPEN},
    };
    struct sample s;
    char json[600];

    (void)state;
    sample_begin(&s);
    s.facts.report = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(json, sizeof json, "{\"match\": \"%s\", \"conditions\": [%s, %s], \"action\": \"tag\"}", rows[i].match, rows[i].one, rows[i].two);
        if (match(json, &s.facts, NULL) != rows[i].answer)
            fail_msg("%s", json);
    }
    sample_end(&s);
}

static void evidence_names_what_matched(void **state)
{
    struct sample s;
    char evidence[EVIDENCE_MAX];

    (void)state;
    sample_fill(&s);
    assert_int_equal(match("{\"conditions\": [{\"what\": \"subject\", \"operator\": \"regex\", \"value\": \"over\\\\w+\"}, {\"what\": \"size\", \"operator\": \"larger\", \"value\": 10}], \"action\": \"tag\"}",
                           &s.facts, evidence), RULE_YES);
    assert_string_equal(evidence, "subject regex \"OVERDUE\", size larger than 10");
    sample_end(&s);
}

static void a_catastrophic_pattern_ends_as_not_matched(void **state)
{
    static const char *const patterns[] = {"(a+)+$", "^(?:a|a?)+$", "(?:(?=a*+)a)*b", "\\\\w*+b", "(?:a?){50}a{50}c", "(a*)*\\\\1b", "(?R)?b", "(?:.|\\\\n){1,600}b", "(?<=a{200})b|a*?c"};
    struct sample s;
    char *long_text = malloc(RECORD_LONG_TEXT_MAX);

    (void)state;
    assert_non_null(long_text);
    memset(long_text, 'a', RECORD_LONG_TEXT_MAX);
    sample_begin(&s);
    for (int i = 0; i < 4; i++)
        add_text(&s, "plain", str_n(long_text, RECORD_LONG_TEXT_MAX));
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        char condition[200];
        snprintf(condition, sizeof condition, "\"what\": \"body\", \"operator\": \"regex\", \"value\": \"%s.\\\\z\"", patterns[i]);
        struct rule *r = compile(with(condition));
        struct rule_budget budget = rule_budget_full(), full = budget;
        assert_int_equal(rule_match(r, &s.facts, &budget, NULL, NULL), RULE_NO);
        if (budget.limited > 1 || full.steps - budget.steps > 4000000)
            fail_msg("%s: %u, %llu", patterns[i], budget.limited, (unsigned long long)(full.steps - budget.steps));
        rule_free(&r);
    }
    free(long_text);
    sample_end(&s);
}

static void a_limit_is_never_a_match(void **state)
{
    struct sample s;
    struct rule_trace trace[RULE_CONDITIONS_MAX] = {0};
    struct rule_budget budget = rule_budget_full();

    (void)state;
    sample_begin(&s);
    add_text(&s, "plain", STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"));
    struct rule *r = compile(with("\"what\": \"body\", \"operator\": \"regex\", \"value\": \"^(a+)+$\", \"not\": true"));
    assert_int_equal(rule_match(r, &s.facts, &budget, NULL, trace), RULE_NO);
    assert_int_equal(budget.limited, 1);
    assert_true(trace[0].limited);
    for (int i = 0; i < 20 && budget.steps; i++)
        rule_match(r, &s.facts, &budget, NULL, NULL);
    uint32_t before = budget.limited;
    assert_int_equal(rule_match(r, &s.facts, &budget, NULL, NULL), RULE_NO); /* nothing is left, and that is said too */
    assert_int_equal(budget.limited, before + 1);
    rule_free(&r);
    r = compile("{\"match\": \"any\", \"conditions\": [{\"what\": \"ip\", \"operator\": \"in\", \"value\": \"192.0.2.10\"}, {\"what\": \"body\", \"operator\": \"regex\", \"value\": \"^(a+)+$\"}], \"action\": \"tag\"}");
    assert_int_equal(rule_match(r, &s.facts, &budget, NULL, trace), RULE_YES); /* no pattern was needed */
    rule_free(&r);
    sample_end(&s);
}

static void put(struct rules *r, const struct list_owner *owner, const char *name, const char *json)
{
    struct buf why = buf_make(500);

    if (!rules_add(r, owner, owner->level == LEVEL_D ? STR("of acme.test") : STR("of another"), str_from(name), str_from(json), &why))
        fail_msg("%s: %s", json, buf_text(&why));
    buf_free(&why);
}

static const struct list_owner system_owner = {.level = LEVEL_S}, acme = {.level = LEVEL_D, .domain = {"acme.test", 9}}, other = {.level = LEVEL_D, .domain = {"other.test", 10}};

#define MAILER(word, action) "{\"conditions\": [{\"what\": \"header\", \"header\": \"X-Mailer\", \"operator\": \"contains\", \"value\": \"" word "\"}], \"action\": " action "}"
#define FROM_IP(action) "{\"conditions\": [{\"what\": \"ip\", \"operator\": \"in\", \"value\": \"192.0.2.0/24\"}], \"action\": " action "}"

static struct rule_outcome judge(const struct rules *r, const struct rule_facts *f)
{
    struct rule_outcome out;
    struct rule_budget budget = rule_budget_full();

    rules_judge(r, f, &budget, &out);
    return out;
}

static void rules_belong_to_their_owner(void **state)
{
    struct tenant outer = {.id = 7}, inner = {.id = 8, .parent = &outer};
    const struct list_owner of_outer = {.level = LEVEL_T, .tenant = 7}, of_stranger = {.level = LEVEL_T, .tenant = 9};
    struct rules *r = rules_new();
    struct sample s;

    (void)state;
    sample_fill(&s);
    put(r, &acme, "domain", MAILER("bulk", "\"tag\""));
    put(r, &other, "other domain", MAILER("bulk", "\"refuse\""));
    put(r, &of_outer, "tenant", MAILER("bulk", "\"quarantine\""));
    put(r, &of_stranger, "stranger", MAILER("bulk", "\"refuse\""));
    put(r, &system_owner, "operator", MAILER("bulk", "\"score\", \"points\": 2.5"));
    s.scope.tenant = &inner;
    struct rule_outcome out = judge(r, &s.facts);
    assert_int_equal(out.count, 3);
    assert_string_equal(out.findings[0].evidence, "rule \"operator\" of another scores +2.5: header X-Mailer contains \"Bulk\"");
    assert_int_equal(out.findings[0].most, ACTION_SCORE);
    assert_int_equal(out.findings[1].most, ACTION_QUARANTINE);
    assert_string_equal(out.findings[2].evidence, "rule \"domain\" of acme.test tags: header X-Mailer contains \"Bulk\"");
    assert_true(out.points > 2.4 && out.points < 2.6);
    s.scope = (struct list_scope){.domain = STR("elsewhere.test")};
    assert_int_equal(judge(r, &s.facts).count, 1);
    assert_int_equal(rules_want(r, &s.scope), RULES_WANT_FIELDS);
    rules_free(&r);
    sample_end(&s);
}

static void an_exception_stands_before_its_rule(void **state)
{
    struct rules *r = rules_new();
    struct sample s;

    (void)state;
    sample_fill(&s);
    put(r, &acme, "seen", FROM_IP("\"tag\""));
    put(r, &acme, "but", MAILER("second", "\"allow\", \"unauthenticated\": true"));
    put(r, &acme, "all", FROM_IP("\"refuse\""));
    put(r, &acme, "never seen", FROM_IP("\"score\", \"points\": 1"));
    struct rule_outcome out = judge(r, &s.facts);
    assert_true(out.allows);
    assert_int_equal(out.count, 2);
    s.facts.report = NULL; /* at RCPT the exception is open, so the refusal waits */
    out = judge(r, &s.facts);
    assert_false(out.allows);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.findings[0].most, ACTION_TAG);
    put(r, &system_owner, "operator's", FROM_IP("\"refuse\"")); /* what one owner allows is no other's business */
    out = judge(r, &s.facts);
    assert_int_equal(out.findings[0].most, ACTION_REFUSE);
    rules_free(&r);
    sample_end(&s);
}

static void allowing_wants_an_authenticated_sender(void **state)
{
    struct rules *r = rules_new();
    struct sample s;

    (void)state;
    sample_fill(&s);
    put(r, &acme, "allow", FROM_IP("\"allow\""));
    assert_false(judge(r, &s.facts).allows);
    s.facts.authenticated = RULE_OPEN;
    struct rule_outcome out = judge(r, &s.facts);
    assert_false(out.allows);
    assert_true(out.asks_who_sent);
    s.facts.authenticated = RULE_YES;
    assert_true(judge(r, &s.facts).allows);
    rules_free(&r);
    sample_end(&s);
}

static void a_refusal_has_room_whatever_else_matches(void **state)
{
    struct rules *r = rules_new();
    struct sample s;
    bool refuses = false;

    (void)state;
    sample_fill(&s);
    for (int i = 0; i < RULE_FINDINGS_MAX + 5; i++)
        put(r, &acme, "tag", FROM_IP("\"tag\""));
    put(r, &acme, "refuse", FROM_IP("\"refuse\""));
    struct rule_outcome out = judge(r, &s.facts);
    assert_int_equal(out.count, RULE_FINDINGS_MAX);
    for (size_t i = 0; i < out.count; i++)
        refuses = refuses || out.findings[i].most == ACTION_REFUSE;
    assert_true(refuses);
    rules_free(&r);
    sample_end(&s);
}

static void skips_take_out_their_findings(void **state)
{
    struct rules *r = rules_new();
    struct findings found = {0};
    struct sample s;

    (void)state;
    sample_fill(&s);
    put(r, &acme, "skip", FROM_IP("\"skip\", \"skip\": [\"spf-failure\", \"GREYLISTED\"]"));
    struct rule_outcome out = judge(r, &s.facts);
    assert_true(reason_set_has(&out.skips, REASON_SPF_FAILURE));
    assert_true(reason_set_has(&out.skips, REASON_GREYLISTED));
    assert_false(reason_set_has(&out.skips, REASON_INVALID_GREETING));
    struct finding one = finding_make(REASON_SPF_FAILURE, "x"), two = finding_make(REASON_INVALID_GREETING, "y");
    findings_add(&found, &one);
    findings_add(&found, &two);
    findings_skip(&found, &out.skips);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.at[0].reason, REASON_INVALID_GREETING);
    rules_free(&r);
    sample_end(&s);
}

static void recipients_differ_where_rules_do(void **state)
{
    struct rules *r = rules_new();
    const struct list_scope at_acme = {.domain = STR("acme.test")}, elsewhere = {.domain = STR("elsewhere.test")};
    struct address bob = address("bob@acme.test"), eve = address("eve@acme.test"), joe = address("joe@acme.test");

    (void)state;
    assert_int_equal(rules_fingerprint(r, &at_acme, &bob), 0);
    put(r, &acme, "all", FROM_IP("\"tag\""));
    assert_int_equal(rules_fingerprint(r, &elsewhere, &bob), 0);
    assert_true(rules_fingerprint(r, &at_acme, &bob) != 0);
    assert_true(rules_fingerprint(r, &at_acme, &bob) == rules_fingerprint(r, &at_acme, &eve));
    put(r, &acme, "some", "{\"conditions\": [{\"what\": \"recipient\", \"operator\": \"is\", \"value\": \"bob@acme.test\"}], \"action\": \"tag\"}");
    assert_true(rules_fingerprint(r, &at_acme, &bob) != rules_fingerprint(r, &at_acme, &eve));
    assert_true(rules_fingerprint(r, &at_acme, &joe) == rules_fingerprint(r, &at_acme, &eve));
    rules_free(&r);
}

static void an_owner_has_so_many(void **state)
{
    struct rules *r = rules_new();
    struct buf why = buf_make(500);

    (void)state;
    for (int i = 0; i < RULES_PER_OWNER_MAX; i++)
        put(r, &acme, "x", FROM_IP("\"tag\""));
    assert_false(rules_add(r, &acme, STR("of acme.test"), STR("x"), str_from(FROM_IP("\"tag\"")), &why));
    assert_non_null(strstr(buf_text(&why), "500 rules already"));
    put(r, &other, "x", FROM_IP("\"tag\""));
    assert_int_equal(rules_count(r), RULES_PER_OWNER_MAX + 1);
    buf_free(&why);
    rules_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_rule_is_refused_with_its_place), cmocka_unit_test(conditions_look_where_they_say), cmocka_unit_test(the_null_sender_has_a_name),
        cmocka_unit_test(all_and_any_with_what_is_not_known_yet), cmocka_unit_test(evidence_names_what_matched), cmocka_unit_test(a_catastrophic_pattern_ends_as_not_matched),
        cmocka_unit_test(a_limit_is_never_a_match), cmocka_unit_test(rules_belong_to_their_owner), cmocka_unit_test(an_exception_stands_before_its_rule),
        cmocka_unit_test(allowing_wants_an_authenticated_sender), cmocka_unit_test(a_refusal_has_room_whatever_else_matches), cmocka_unit_test(skips_take_out_their_findings),
        cmocka_unit_test(recipients_differ_where_rules_do), cmocka_unit_test(an_owner_has_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
