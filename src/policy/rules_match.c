/* rules_match.c: one rule against one message for one recipient; see rules.h. */
#include "policy/rules_parts.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_MAX = 48 /* octets of what matched */ };

static bool names_address(struct str pattern, struct str address)
{
    ptrdiff_t at = str_find_last(address, '@');
    struct str domain = at < 0 ? STR("") : str_from_index(address, (size_t)at + 1);

    if (str_starts(pattern, STR("*.")))
        return domain.len > pattern.len - 1 && str_eq(str_from_index(pattern, 1), str_from_index(domain, domain.len - (pattern.len - 1)));
    return str_eq(pattern, address) || (domain.len && str_eq(pattern, domain));
}

/* One text against the values, of which one must fit. */
static bool fits(const struct rule_condition *c, struct str text, struct rule_effort *e, struct str *matched)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct rule_value *v = &c->values[i];
        if (v->pattern ? rule_pattern_finds(v->pattern, text, e, matched) : names_address(v->text, text)) {
            if (!v->pattern)
                *matched = text;
            return true;
        }
    }
    return false;
}

/* As in lists: lower case, the domain in A-labels. What is no address stays as it stands, so that `contains` and `regex` can speak of it. */
static struct str normal_address(struct str text, char scratch[LIST_PATTERN_MAX + 1])
{
    ptrdiff_t at = str_find_last(text, '@');
    size_t local = at < 0 ? text.len : (size_t)at + 1;

    if (text.len > LIST_PATTERN_MAX)
        return text;
    str_copy(scratch, LIST_PATTERN_MAX + 1, text);
    str_lower(scratch, text.len);
    if (local < text.len && text.at[local] != '[' && !domain_to_ascii(str_from_index(text, local), scratch + local, LIST_PATTERN_MAX + 1 - local)) {
        str_copy(scratch, LIST_PATTERN_MAX + 1, text);
        str_lower(scratch, text.len);
    }
    return str_from(scratch);
}

static bool address_fits(const struct rule_condition *c, struct str address, struct rule_effort *e, char scratch[LIST_PATTERN_MAX + 1], struct str *matched)
{
    return fits(c, normal_address(address, scratch), e, matched);
}

static bool from_fits(const struct rule_condition *c, const struct scan_report *report, struct rule_effort *e, char scratch[LIST_PATTERN_MAX + 1],
                      struct str *matched)
{
    struct str rest = report_records(report);
    struct record r;

    while (report_next(&rest, RECORD_MAILBOX, &r))
        if (str_is_case(r.mailbox.field, "from") && address_fits(c, r.mailbox.address, e, scratch, matched))
            return true;
    return false;
}

static bool field_fits(const struct rule_condition *c, const struct scan_report *report, struct rule_effort *e, struct str *matched)
{
    struct str name = c->what == WHAT_SUBJECT ? STR("Subject") : c->header, rest = report_records(report);
    struct record r;

    while (report_next(&rest, RECORD_FIELD, &r)) {
        if (!str_eq_case(r.field.name, name))
            continue;
        *matched = r.field.value;
        if (c->operator == OPERATOR_EXISTS || fits(c, r.field.value, e, matched))
            return true;
    }
    return false;
}

static bool body_fits(const struct rule_condition *c, const struct scan_report *report, struct rule_effort *e, struct str *matched)
{
    struct str rest = report_records(report);
    struct record r;

    while (report_next(&rest, RECORD_TEXT, &r))
        if ((str_is(r.text.kind, "plain") || str_is(r.text.kind, "visible")) && fits(c, r.text.text, e, matched))
            return true;
    return false;
}

static bool name_fits(const struct rule_condition *c, struct str name, struct rule_effort *e, struct str *matched)
{
    ptrdiff_t slash = str_find_last(name, '/');

    return name.len && (fits(c, name, e, matched) || (slash >= 0 && fits(c, str_from_index(name, (size_t)slash + 1), e, matched)));
}

static bool attachment_fits(const struct rule_condition *c, const struct scan_report *report, struct rule_effort *e, struct str *matched)
{
    struct str rest = report_records(report);
    struct record r;

    while (report_next(&rest, RECORD_PART, &r))
        if (name_fits(c, r.part.name, e, matched) || name_fits(c, r.part.other_name, e, matched))
            return true;
    rest = report_records(report);
    while (report_next(&rest, RECORD_FILE, &r))
        if (name_fits(c, r.file.name, e, matched) || name_fits(c, r.file.other_name, e, matched))
            return true;
    return false;
}

static bool ip_fits(const struct rule_condition *c, const struct ip *ip, char scratch[LIST_PATTERN_MAX + 1], struct str *matched)
{
    for (size_t i = 0; i < c->count; i++)
        if (ip->family && network_has(&c->values[i].network, ip)) {
            *matched = str_from(ip_format(ip, scratch));
            return true;
        }
    return false;
}

static bool size_fits(const struct rule_condition *c, uint64_t size, char scratch[LIST_PATTERN_MAX + 1], struct str *matched)
{
    snprintf(scratch, LIST_PATTERN_MAX + 1, "%llu", (unsigned long long)size);
    *matched = str_from(scratch);
    return c->operator == OPERATOR_LARGER ? size > c->size : size < c->size;
}

static bool holds(const struct rule_condition *c, const struct rule_facts *f, struct rule_effort *e, char scratch[LIST_PATTERN_MAX + 1], struct str *matched)
{
    switch (c->what) {
    case WHAT_SENDER: return address_fits(c, address_text(f->sender), e, scratch, matched);
    case WHAT_RECIPIENT: return address_fits(c, address_text(f->recipient), e, scratch, matched);
    case WHAT_FROM: return from_fits(c, f->report, e, scratch, matched);
    case WHAT_IP: return ip_fits(c, f->client, scratch, matched);
    case WHAT_HEADER:
    case WHAT_SUBJECT: return field_fits(c, f->report, e, matched);
    case WHAT_BODY: return body_fits(c, f->report, e, matched);
    case WHAT_ATTACHMENT: return attachment_fits(c, f->report, e, matched);
    case WHAT_SIZE: return size_fits(c, f->size, scratch, matched);
    case WHAT_COUNT: break;
    }
    return false;
}

static bool is_known(enum rule_what w, const struct rule_facts *f)
{
    switch (w) {
    case WHAT_SENDER: return f->sender;
    case WHAT_RECIPIENT: return f->recipient;
    case WHAT_IP: return f->client;
    default: return f->report;
    }
}

enum rule_answer rule_condition_holds(const struct rule_condition *c, const struct rule_facts *f, struct rule_effort *e, char scratch[LIST_PATTERN_MAX + 1],
                                      struct str *matched)
{
    *matched = STR("");
    if (!is_known(c->what, f))
        return RULE_OPEN;
    bool yes = holds(c, f, e, scratch, matched);
    if (e->limited) /* not known, so nothing may follow from it, whatever `not` makes of it */
        return RULE_NO;
    if (!yes)
        *matched = STR("");
    return yes != c->is_not ? RULE_YES : RULE_NO;
}

/* Whole characters only, and no controls. */
static void shorten(struct str text, char to[SHOWN_MAX + 1])
{
    struct buf clean = buf_make(SHOWN_MAX + 1);

    record_clean(&clean, text, SHOWN_MAX, false);
    str_copy(to, SHOWN_MAX + 1, buf_str(&clean));
    buf_free(&clean);
}

/* "body contains "overdue"", "size larger than 5000". What matched, or what was looked for. */
static void describe(const struct rule_condition *c, struct str matched, char to[EVIDENCE_MAX])
{
    struct str value = c->count ? c->values[0].text : STR("");
    char shown[SHOWN_MAX + 1];
    int len = snprintf(to, EVIDENCE_MAX, "%s%s%.60s%s", rule_what_name(c->what), c->header.len ? " " : "", c->header.len ? c->header.at : "", c->is_not ? " not" : "");
    size_t room = EVIDENCE_MAX - (size_t)len;

    shorten(matched.len ? matched : value, shown);
    if (c->operator == OPERATOR_EXISTS)
        snprintf(to + len, room, " exists");
    else if (c->what == WHAT_SIZE)
        snprintf(to + len, room, " %s than %llu", rule_operator_name(c->operator), (unsigned long long)c->size);
    else
        snprintf(to + len, room, " %s \"%s\"%s", rule_operator_name(c->operator), shown, !matched.len && c->count > 1 ? ", ..." : "");
}

static void add_evidence(char *evidence, const char *text)
{
    size_t len = evidence ? strlen(evidence) : 0;

    if (!evidence || len + strlen(text) + 2 >= EVIDENCE_MAX)
        return;
    if (len) {
        memcpy(evidence + len, ", ", 2);
        len += 2;
    }
    str_copy(evidence + len, EVIDENCE_MAX - len, str_from(text));
}

static enum rule_answer together(const struct rule *r, enum rule_answer so_far, enum rule_answer one)
{
    enum rule_answer decisive = r->is_any ? RULE_YES : RULE_NO;

    return so_far == decisive || one == decisive ? decisive : so_far == RULE_OPEN || one == RULE_OPEN ? RULE_OPEN : so_far;
}

/* One condition is tried. False: a limit is reached, and ANSWER hangs on it. */
static bool try_condition(const struct rule *r, size_t i, const struct rule_facts *f, struct rule_effort *e, enum rule_answer *answer, char *evidence,
                          struct rule_trace *trace)
{
    char scratch[LIST_PATTERN_MAX + 1], text[EVIDENCE_MAX];
    struct str matched;
    uint64_t before = e->steps;
    enum rule_answer one = rule_condition_holds(&r->conditions[i], f, e, scratch, &matched);

    if (one == RULE_YES || trace)
        describe(&r->conditions[i], matched, text);
    if (one == RULE_YES)
        add_evidence(evidence, text);
    if (trace) {
        trace[i] = (struct rule_trace){.answer = one, .limited = e->limited, .steps = e->steps - before};
        str_copy(trace[i].text, sizeof trace[i].text, str_from(text));
    }
    if (!e->limited)
        *answer = together(r, *answer, one);
    return !e->limited;
}

enum rule_answer rule_match(const struct rule *r, const struct rule_facts *f, struct rule_budget *budget, char *evidence, struct rule_trace *trace)
{
    enum rule_answer answer = r->is_any ? RULE_NO : RULE_YES, decisive = r->is_any ? RULE_YES : RULE_NO;
    struct rule_effort e = rule_effort_begin(budget);
    bool goes_on = true;

    if (evidence)
        *evidence = '\0';
    for (size_t i = 0; i < r->count && goes_on && (trace || answer != decisive); i++)
        goes_on = try_condition(r, i, f, &e, &answer, evidence, trace);
    rule_effort_end(&e);
    if (goes_on || answer == decisive)
        return answer;
    budget->limited++;
    return RULE_NO;
}

enum rule_answer rule_holds(const struct rule *r, const struct rule_facts *f)
{
    return r->action != RULE_ALLOW || r->unauthenticated ? RULE_YES : f->authenticated;
}

enum rule_action rule_action_of(const struct rule *r)
{
    return r->action;
}

double rule_points(const struct rule *r)
{
    return r->points;
}

size_t rule_condition_count(const struct rule *r)
{
    return r->count;
}
