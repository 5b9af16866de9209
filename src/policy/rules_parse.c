/* rules_parse.c: from a rule's JSON to what is matched; see rules.h. Nothing is guessed: what is not understood is refused, with its place. */
#include "policy/rules_parts.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const actions[RULE_ACTIONS] = {"allow", "refuse", "quarantine", "tag", "score", "skip"};
static const char *const operators[OPERATOR_COUNT] = {"is", "contains", "regex", "in", "exists", "larger", "smaller"};

enum { TEXT_OPERATORS = 1 << OPERATOR_IS | 1 << OPERATOR_CONTAINS | 1 << OPERATOR_REGEX };
static const struct what_row {
    const char *name;
    unsigned operators;
    bool needs_message;
} whats[WHAT_COUNT] = {
    [WHAT_SENDER] = {"sender", TEXT_OPERATORS, false},
    [WHAT_RECIPIENT] = {"recipient", TEXT_OPERATORS, false},
    [WHAT_FROM] = {"from", TEXT_OPERATORS, true},
    [WHAT_IP] = {"ip", 1 << OPERATOR_IN, false},
    [WHAT_HEADER] = {"header", TEXT_OPERATORS | 1 << OPERATOR_EXISTS, true},
    [WHAT_SUBJECT] = {"subject", TEXT_OPERATORS | 1 << OPERATOR_EXISTS, true},
    [WHAT_BODY] = {"body", TEXT_OPERATORS, true},
    [WHAT_ATTACHMENT] = {"attachment", TEXT_OPERATORS, true},
    [WHAT_SIZE] = {"size", 1 << OPERATOR_LARGER | 1 << OPERATOR_SMALLER, true},
};

/* A place in the definition, and where its error goes. */
struct parsing {
    struct buf *error;
    char place[64];
};

const char *rule_action_name(enum rule_action a)
{
    return actions[a];
}

const char *rule_what_name(enum rule_what w)
{
    return whats[w].name;
}

const char *rule_operator_name(enum rule_operator o)
{
    return operators[o];
}

bool rule_needs_message(enum rule_what w)
{
    return whats[w].needs_message;
}

__attribute__((format(printf, 3, 4))) static bool wrong(const struct parsing *p, const char *key, const char *format, ...)
{
    char text[300];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_addf(p->error, "%s%s%s: %s", p->place, *p->place && *key ? "." : "", key, text);
    return false;
}

/* Only keys of KNOWN, which ends with NULL. */
static bool knows_keys(const struct parsing *p, json_t *object, const char *const *known)
{
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0)
            i++;
        if (!known[i])
            return wrong(p, "", "\"%.60s\" is no key that stands here", key);
    }
    return true;
}

/* Which of NAMES stands under KEY? -1 with an error; DEFAULT_INDEX, unless that is -1, where nothing does. */
static int choice(const struct parsing *p, json_t *object, const char *key, const char *const *names, int count, int default_index)
{
    json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    struct buf all = buf_make(200);

    if (!value && default_index >= 0)
        return default_index;
    for (int i = 0; text && i < count; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    for (int i = 0; i < count; i++)
        buf_addf(&all, "%s%s", i ? ", " : "", names[i]);
    wrong(p, key, "is one of " STR_FMT, STR_ARG(buf_str(&all)));
    buf_free(&all);
    return -1;
}

static bool flag(const struct parsing *p, json_t *object, const char *key, bool *out)
{
    json_t *value = json_object_get(object, key);

    *out = json_is_true(value);
    return !value || json_is_boolean(value) || wrong(p, key, "is true or false");
}

static bool keep(struct str *to, struct str text)
{
    *to = str_n(str_dup(text), text.len);
    return to->at != NULL;
}

static bool is_address(enum rule_what w)
{
    return w == WHAT_SENDER || w == WHAT_RECIPIENT || w == WHAT_FROM;
}

static bool take_address(const struct parsing *p, const char *key, const struct rule_condition *c, struct str text, struct rule_value *v)
{
    char normal[LIST_PATTERN_MAX + 1] = "";

    if (!str_is(text, "<>") && !list_pattern_normal(LIST_SENDER_BLOCK, text, normal))
        return wrong(p, key, "\"" STR_FMT "\" is no user@domain, domain, *@domain or *.domain", STR_ARG(str_sub(text, 0, 100)));
    if (str_is(text, "<>") && c->what != WHAT_SENDER)
        return wrong(p, key, "only an envelope sender can be <>");
    return keep(&v->text, str_from(normal)) || wrong(p, key, "out of memory");
}

static bool take_value(const struct parsing *p, const char *key, const struct rule_condition *c, bool has_case, json_t *value, struct rule_value *v)
{
    struct str text = str_n(json_string_value(value), json_string_length(value));
    struct buf why = buf_make(200);

    if (!json_is_string(value))
        return wrong(p, key, "is a text, or a list of texts");
    if (text.len > RULE_VALUE_MAX)
        return wrong(p, key, "is longer than %d octets", RULE_VALUE_MAX);
    if (!text.len && c->operator != OPERATOR_IS)
        return wrong(p, key, "is empty, which is everywhere");
    if (c->operator == OPERATOR_IN)
        return network_parse(text, &v->network) ? keep(&v->text, text) || wrong(p, key, "out of memory")
                                                : wrong(p, key, "\"" STR_FMT "\" is no network", STR_ARG(str_sub(text, 0, 60)));
    if (is_address(c->what) && c->operator == OPERATOR_IS)
        return take_address(p, key, c, text, v);
    v->pattern = rule_pattern_new(c->operator, text, has_case, &why);
    bool ok = v->pattern ? keep(&v->text, text) || wrong(p, key, "out of memory") : wrong(p, key, STR_FMT, STR_ARG(buf_str(&why)));
    buf_free(&why);
    return ok;
}

static bool take_values(const struct parsing *p, json_t *object, struct rule_condition *c)
{
    json_t *value = json_object_get(object, "value");
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    bool has_case = false;

    if (!flag(p, object, "case", &has_case))
        return false;
    if (has_case && (c->operator == OPERATOR_IN || (is_address(c->what) && c->operator == OPERATOR_IS)))
        return wrong(p, "case", "means nothing for %s %s", whats[c->what].name, operators[c->operator]);
    if (!value)
        return wrong(p, "value", "is missing");
    if (!count || count > RULE_VALUES_MAX)
        return wrong(p, "value", "has 1 to %d texts", RULE_VALUES_MAX);
    c->values = calloc(count, sizeof *c->values);
    if (!c->values)
        return wrong(p, "value", "out of memory");
    c->count = count;
    for (size_t i = 0; i < count; i++) {
        char key[32] = "value";
        if (json_is_array(value))
            snprintf(key, sizeof key, "value[%zu]", i);
        if (!take_value(p, key, c, has_case, json_is_array(value) ? json_array_get(value, i) : value, &c->values[i]))
            return false;
    }
    return true;
}

/* Whatever the operator compares with. */
static bool take_operand(const struct parsing *p, json_t *object, struct rule_condition *c)
{
    json_t *value = json_object_get(object, "value");

    if (c->operator != OPERATOR_EXISTS && c->what != WHAT_SIZE)
        return take_values(p, object, c);
    if (json_object_get(object, "case"))
        return wrong(p, "case", "means nothing for %s %s", whats[c->what].name, operators[c->operator]);
    if (c->operator == OPERATOR_EXISTS)
        return !value || wrong(p, "value", "stands beside exists, which needs none");
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return wrong(p, "value", "is a whole number of octets");
    c->size = (uint64_t)json_integer_value(value);
    return true;
}

static bool take_header_name(const struct parsing *p, json_t *object, struct rule_condition *c)
{
    json_t *value = json_object_get(object, "header");
    struct str name = str_n(json_string_value(value), json_string_length(value));

    if (c->what != WHAT_HEADER)
        return !value || wrong(p, "header", "stands beside \"what\": \"header\" only");
    for (size_t i = 0; i < name.len; i++)
        if (name.at[i] <= ' ' || name.at[i] > '~' || name.at[i] == ':')
            name.len = 0;
    if (!name.len || name.len > 100)
        return wrong(p, "header", "is the name of a header field");
    return keep(&c->header, name) || wrong(p, "header", "out of memory");
}

static bool take_condition(const struct parsing *p, json_t *object, struct rule_condition *c)
{
    static const char *const known[] = {"what", "header", "operator", "value", "case", "not", NULL};
    const char *names[WHAT_COUNT];

    for (int i = 0; i < WHAT_COUNT; i++)
        names[i] = whats[i].name;
    if (!json_is_object(object))
        return wrong(p, "", "is no object");
    int what = knows_keys(p, object, known) ? choice(p, object, "what", names, WHAT_COUNT, -1) : -1;
    if (what < 0)
        return false;
    c->what = (enum rule_what)what;
    int operator = choice(p, object, "operator", operators, OPERATOR_COUNT, -1);
    if (operator < 0)
        return false;
    c->operator = (enum rule_operator)operator;
    if (!(whats[what].operators >> operator & 1))
        return wrong(p, "operator", "%s is nothing that can be asked of %s", operators[operator], whats[what].name);
    return flag(p, object, "not", &c->is_not) && take_header_name(p, object, c) && take_operand(p, object, c);
}

static bool take_conditions(struct parsing *p, json_t *root, struct rule *r)
{
    json_t *all = json_object_get(root, "conditions");
    size_t count = json_array_size(all);

    if (!count || count > RULE_CONDITIONS_MAX)
        return wrong(p, "conditions", "is a list of 1 to %d conditions", RULE_CONDITIONS_MAX);
    r->conditions = calloc(count, sizeof *r->conditions);
    if (!r->conditions)
        return wrong(p, "conditions", "out of memory");
    r->count = count;
    for (size_t i = 0; i < count; i++) {
        snprintf(p->place, sizeof p->place, "conditions[%zu]", i);
        if (!take_condition(p, json_array_get(all, i), &r->conditions[i]))
            return false;
    }
    p->place[0] = '\0';
    return true;
}

/* Can it be known at RCPT that the rule matches? */
static bool may_match_early(const struct rule *r)
{
    size_t early = 0;

    for (size_t i = 0; i < r->count; i++)
        early += !whats[r->conditions[i].what].needs_message;
    return r->is_any ? early > 0 : early == r->count;
}

static bool take_skips(const struct parsing *p, json_t *root, struct rule *r)
{
    json_t *names = json_object_get(root, "skip");

    if (r->action != RULE_SKIP)
        return !names || wrong(p, "skip", "stands beside \"action\": \"skip\" only");
    if (!json_array_size(names))
        return wrong(p, "skip", "is a list of reasons' names");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        enum reason reason = name ? reason_find(str_from(name)) : REASON_NONE;
        if (reason == REASON_NONE)
            return wrong(p, "skip", "\"%.60s\" is no reason", name ? name : "");
        if (!reason_row(reason)->allow_lifts)
            return wrong(p, "skip", "%s cannot be skipped: no allow list lifts it", reason_row(reason)->slug);
        if (reason_row(reason)->stage != STAGE_DATA && !may_match_early(r))
            return wrong(p, "skip", "%s is answered at RCPT, and this rule looks into the message", reason_row(reason)->slug);
        r->skips.bits[reason / 64] |= 1ULL << reason % 64;
    }
    return true;
}

static bool take_action(const struct parsing *p, json_t *root, struct rule *r)
{
    json_t *points = json_object_get(root, "points");
    int action = choice(p, root, "action", actions, RULE_ACTIONS, -1);

    if (action < 0)
        return false;
    r->action = (enum rule_action)action;
    r->points = json_number_value(points);
    if (r->action == RULE_SCORE && (!json_is_number(points) || !(r->points >= -100 && r->points <= 100)))
        return wrong(p, "points", "is a number from -100 to 100");
    if (r->action != RULE_SCORE && points)
        return wrong(p, "points", "stands beside \"action\": \"score\" only");
    if (r->action != RULE_ALLOW && json_object_get(root, "unauthenticated"))
        return wrong(p, "unauthenticated", "stands beside \"action\": \"allow\" only");
    return flag(p, root, "unauthenticated", &r->unauthenticated) && take_skips(p, root, r);
}

static bool take_rule(json_t *root, struct rule *r, struct buf *error)
{
    static const char *const known[] = {"match", "conditions", "action", "points", "skip", "unauthenticated", NULL}, *const matches[] = {"all", "any"};
    struct parsing p = {.error = error};

    if (!json_is_object(root))
        return wrong(&p, "", "a rule is an object");
    int match = knows_keys(&p, root, known) ? choice(&p, root, "match", matches, 2, 0) : -1;
    if (match < 0)
        return false;
    r->is_any = match == 1;
    return take_conditions(&p, root, r) && take_action(&p, root, r);
}

struct rule *rule_compile(struct str definition, struct buf *error)
{
    json_error_t why;

    if (definition.len > RULE_DEFINITION_MAX) {
        buf_addf(error, "longer than %d octets", RULE_DEFINITION_MAX);
        return NULL;
    }
    json_t *root = json_loadb(definition.at ? definition.at : "", definition.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!root) {
        buf_addf(error, "no JSON: line %d, column %d: %s", why.line, why.column, why.text);
        return NULL;
    }
    struct rule *r = calloc(1, sizeof *r);
    if (!r)
        buf_add_text(error, "out of memory");
    else if (!take_rule(root, r, error))
        rule_free(&r);
    json_decref(root);
    return r;
}

void rule_free(struct rule **r)
{
    if (!*r)
        return;
    for (size_t i = 0; i < (*r)->count; i++) {
        struct rule_condition *c = &(*r)->conditions[i];
        for (size_t k = 0; k < c->count; k++) {
            rule_pattern_free(&c->values[k].pattern);
            free((char *)(uintptr_t)c->values[k].text.at);
        }
        free(c->values);
        free((char *)(uintptr_t)c->header.at);
    }
    free((*r)->conditions);
    free(*r);
    *r = NULL;
}
