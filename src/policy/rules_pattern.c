/*
 * rules_pattern.c: PCRE2 with an end. Its own limits count backtracking at one place of the text and begin anew at the next, and do not see how far a repeat runs; so
 * a callout before each item of the pattern counts both, and looks at the clock now and then.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "policy/rules_parts.h"

#include "base/clock.h"

#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STEPS_OF_RULE = 4000000, CPU_US_OF_RULE = 200000,
    STEPS_OF_MESSAGE = 20000000, CPU_US_OF_MESSAGE = 1000000,
    HEAP_KIB = 8192, DEPTH_MOST = 20000, PARENTHESES_MOST = 30,
    OCTETS_A_STEP = 64,   /* of text that is only run over */
    STEPS_A_LOOK = 64     /* callouts between two looks at the clock */
};

struct rule_pattern {
    pcre2_code *code;
};

struct counting {
    struct rule_effort *effort;
    size_t last;          /* where the item before stood */
    unsigned callouts;
};

struct rule_budget rule_budget_full(void)
{
    return (struct rule_budget){.steps = STEPS_OF_MESSAGE, .cpu_us = CPU_US_OF_MESSAGE};
}

struct rule_effort rule_effort_begin(struct rule_budget *budget)
{
    int64_t cpu_us = budget->cpu_us < CPU_US_OF_RULE ? budget->cpu_us : CPU_US_OF_RULE;

    return (struct rule_effort){.budget = budget, .steps_left = budget->steps < STEPS_OF_RULE ? budget->steps : STEPS_OF_RULE,
                                .until_us = clock_thread_us() + cpu_us};
}

void rule_effort_end(struct rule_effort *e)
{
    int64_t cpu_us = e->budget->cpu_us < CPU_US_OF_RULE ? e->budget->cpu_us : CPU_US_OF_RULE;

    cpu_us -= e->until_us - clock_thread_us(); /* what it took of its share */
    e->budget->steps -= e->steps < e->budget->steps ? e->steps : e->budget->steps;
    e->budget->cpu_us -= cpu_us < e->budget->cpu_us ? cpu_us : e->budget->cpu_us;
}

/* False: no more may be spent. */
static bool spend(struct rule_effort *e, uint64_t steps)
{
    if (e->limited || steps > e->steps_left) {
        e->limited = true;
        return false;
    }
    e->steps_left -= steps;
    e->steps += steps;
    return true;
}

static int count_item(pcre2_callout_block *block, void *arg)
{
    struct counting *c = arg;
    size_t at = block->current_position, way = at > c->last ? at - c->last : c->last - at;

    if (block->pattern_position == 0) /* the next beginning: what lies between was only run over, or was counted on the way there */
        way = 0;
    c->last = at;
    if (!spend(c->effort, 1 + way))
        return PCRE2_ERROR_CALLOUT;
    if (++c->callouts % STEPS_A_LOOK == 0 && clock_thread_us() > c->effort->until_us) {
        c->effort->limited = true;
        return PCRE2_ERROR_CALLOUT;
    }
    return 0;
}

static pcre2_code *compile(struct str text, uint32_t options, int *error, size_t *at)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    pcre2_code *code = NULL;

    *error = PCRE2_ERROR_NOMEMORY;
    *at = 0;
    if (context) {
        pcre2_set_max_pattern_length(context, RULE_VALUE_MAX);
        pcre2_set_parens_nest_limit(context, PARENTHESES_MOST);
        pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
        code = pcre2_compile((PCRE2_SPTR)text.at, text.len, options, error, at, context);
    }
    pcre2_compile_context_free(context);
    return code;
}

struct rule_pattern *rule_pattern_new(enum rule_operator o, struct str text, bool has_case, struct buf *error)
{
    static const uint32_t options[] = {[OPERATOR_IS] = PCRE2_LITERAL | PCRE2_ANCHORED | PCRE2_ENDANCHORED, [OPERATOR_CONTAINS] = PCRE2_LITERAL,
                                       [OPERATOR_REGEX] = PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C};
    struct rule_pattern *p = calloc(1, sizeof *p);
    unsigned char why[160] = "out of memory";
    int code;
    size_t at = 0;

    if (p)
        p->code = compile(text, options[o] | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_AUTO_CALLOUT | (has_case ? 0 : PCRE2_CASELESS), &code, &at);
    if (p && p->code)
        return p;
    if (p)
        pcre2_get_error_message(code, why, sizeof why);
    buf_addf(error, "%s, at octet %zu", (const char *)why, at);
    free(p);
    return NULL;
}

void rule_pattern_free(struct rule_pattern **p)
{
    if (!*p)
        return;
    pcre2_code_free((*p)->code);
    free(*p);
    *p = NULL;
}

static bool match(const struct rule_pattern *p, struct str subject, struct counting *c, pcre2_match_context *context, pcre2_match_data *data)
{
    pcre2_set_callout(context, count_item, c);
    pcre2_set_match_limit(context, STEPS_OF_RULE);
    pcre2_set_depth_limit(context, DEPTH_MOST);
    pcre2_set_heap_limit(context, HEAP_KIB);
    int result = pcre2_match(p->code, (PCRE2_SPTR)subject.at, subject.len, 0, 0, data, context);
    if (result < 0 && result != PCRE2_ERROR_NOMATCH)
        c->effort->limited = true;
    return result >= 0;
}

bool rule_pattern_finds(const struct rule_pattern *p, struct str subject, struct rule_effort *e, struct str *matched)
{
    struct counting c = {.effort = e};

    if (!subject.at)
        subject = STR("");
    if (!spend(e, 1 + subject.len / OCTETS_A_STEP))
        return false;
    if (clock_thread_us() > e->until_us) {
        e->limited = true;
        return false;
    }
    pcre2_match_context *context = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    bool found = false;
    if (!context || !data) {
        e->limited = true;
    } else if (match(p, subject, &c, context, data)) {
        const size_t *place = pcre2_get_ovector_pointer(data);
        /* \K can put the start behind the end */
        *matched = place[0] <= place[1] ? str_sub(subject, place[0], place[1] - place[0]) : STR("");
        found = true;
    }
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    return found;
}
