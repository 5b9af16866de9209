/* html_rules.c: the rules of <style> blocks, as far as one simple selector each goes. See html_css.h. */
#include "mail/html_css.h"

#include <string.h>

enum { SELECTOR_MAX = 96, URL_MAX = 1024 };

struct rule {
    struct hash_node node;
    struct str selector; /* "p", ".hide", "p.hide", "#x", "p#x" */
    struct css_style style;
};

static struct rule *find_rule(const struct css_rules *rules, struct str selector, uint64_t hash)
{
    for (struct hash_node *node = hash_first(&rules->table, hash); node; node = hash_next(node)) {
        struct rule *rule = (struct rule *)(void *)node;
        if (str_eq(rule->selector, selector))
            return rule;
    }
    return NULL;
}

/* TEXT, trimmed and with its tag in lower case, in TO; empty where it is more than one simple selector. */
static struct str simple_selector(struct str text, char to[SELECTOR_MAX])
{
    size_t marks = 0;
    bool in_tag = true;

    text = str_trim(text);
    if (text.len && text.at[0] == '*' && text.len > 1)
        text = str_from_index(text, 1); /* *.hide is .hide */
    if (text.len == 0 || text.len > SELECTOR_MAX)
        return str_n(to, 0);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '.' || c == '#') {
            marks++;
            in_tag = false;
        } else if (!ascii_is_alnum((unsigned char)c) && c != '-' && c != '_' && !(c & '\x80')) {
            return str_n(to, 0);
        }
        to[i] = in_tag ? (char)ascii_lower((unsigned char)c) : c;
    }
    return str_n(to, marks > 1 ? 0 : text.len);
}

static void add_rule(struct css_rules *rules, struct str selector, const struct css_style *style)
{
    uint64_t hash = hash_str(selector);
    struct rule *rule = find_rule(rules, selector, hash);

    if (!rule) {
        if (rules->count >= CSS_RULES_MAX) {
            rules->was_cut = true;
            return;
        }
        rule = arena_alloc(rules->arena, sizeof *rule);
        if (!rule)
            return;
        rule->selector = arena_str(rules->arena, selector);
        if (!rule->selector.at || !hash_insert(&rules->table, &rule->node, hash))
            return;
        rules->count++;
    }
    css_merge(&rule->style, style);
    bool has_class = str_find(selector, '.') >= 0, has_id = str_find(selector, '#') >= 0;
    rules->has_class_rules |= has_class;
    rules->has_id_rules |= has_id;
    rules->has_tag_rules |= !has_class && !has_id;
}

static void add_rules(struct css_rules *rules, struct str selectors, struct str declarations)
{
    struct css_style style = {0};
    char plain[SELECTOR_MAX];
    bool was_read = false;

    while (selectors.len) {
        struct str selector = simple_selector(str_cut(&selectors, ','), plain);
        if (selector.len == 0)
            continue;
        if (!was_read)
            css_declarations(declarations, &style);
        was_read = true;
        if (style.set)
            add_rule(rules, selector, &style);
    }
}

/* Are the rules in an at-rule's block to be read? What is asked of a browser with @supports, it can. */
static bool block_counts(struct str prelude)
{
    if (str_starts_case(prelude, STR("@media")))
        return css_media_holds(str_from_index(prelude, 6));
    if (str_starts_case(prelude, STR("@supports")))
        return !str_starts_case(str_trim(str_from_index(prelude, 9)), STR("not"));
    return str_starts_case(prelude, STR("@layer"));
}

/* The next ';', '{' or '}' outside of comments and strings; END where there is none. */
static const char *next_mark(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at == '{' || *at == '}' || *at == ';')
            return at;
        if (*at == '"' || *at == '\'') {
            const char *close = at + 1;
            while (close < end && *close != *at && *close != '\n')
                close += 1 + (*close == '\\' && close + 1 < end);
            at = close < end ? close : end - 1;
        } else if (*at == '/' && end - at >= 2 && at[1] == '*') {
            ptrdiff_t close = str_find_str(str_n(at + 2, (size_t)(end - at - 2)), STR("*/"));
            at = close < 0 ? end - 1 : at + 2 + close + 1;
        }
    }
    return end;
}

/* Leading blanks, comments, <!-- and --> go. */
static struct str trim_prelude(struct str s)
{
    for (;;) {
        s = str_trim(s);
        if (str_starts(s, STR("<!--"))) {
            s = str_from_index(s, 4);
        } else if (str_starts(s, STR("-->"))) {
            s = str_from_index(s, 3);
        } else if (str_starts(s, STR("/*"))) {
            ptrdiff_t close = str_find_str(str_from_index(s, 2), STR("*/"));
            s = close < 0 ? str_n(s.at, 0) : str_from_index(s, (size_t)close + 4);
        } else {
            return s;
        }
    }
}

/* Behind a '{' whose block is not read: behind its '}'. */
static const char *skip_block(const char *at, const char *end)
{
    for (int depth = 1; (at = next_mark(at, end)) < end; at++) {
        depth += (*at == '{') - (*at == '}');
        if (depth == 0)
            return at + 1;
    }
    return end;
}

/* Behind the '{' of a rule: its declarations, up to the '}' (which also ends a block nested in it by mistake). */
static const char *take_declarations(const char *at, const char *end, struct str *declarations)
{
    const char *from = at;

    while ((at = next_mark(at, end)) < end && *at == ';')
        at++;
    *declarations = str_n(from, (size_t)(at - from));
    return at < end && *at == '}' ? at + 1 : at < end ? skip_block(at + 1, end) : end;
}

void css_rules_add(struct css_rules *rules, struct str text)
{
    const char *at = text.at, *end = text.at + text.len;

    while (at < end) {
        const char *mark = next_mark(at, end);
        struct str prelude = trim_prelude(str_n(at, (size_t)(mark - at)));
        at = mark < end ? mark + 1 : end;
        if (mark == end || *mark != '{')
            continue; /* @import …; and the '}' of a block whose inside was read */
        if (prelude.len && prelude.at[0] == '@') {
            if (!block_counts(prelude))
                at = skip_block(at, end);
            continue;
        }
        struct str declarations;
        at = take_declarations(at, end, &declarations);
        add_rules(rules, prelude, declarations);
    }
}

void css_rules_free(struct css_rules *rules)
{
    hash_table_free(&rules->table);
}

static void apply_one(const struct css_rules *rules, struct str tag, char mark, struct str name, struct css_style *into)
{
    char selector[SELECTOR_MAX];

    if (tag.len + name.len + 1 > sizeof selector)
        return;
    if (tag.len)
        memcpy(selector, tag.at, tag.len);
    if (mark) {
        selector[tag.len] = mark;
        memcpy(selector + tag.len + 1, name.at, name.len);
    }
    struct str whole = str_n(selector, tag.len + (mark ? 1 + name.len : 0));
    const struct rule *rule = find_rule(rules, whole, hash_str(whole));
    if (rule)
        css_merge(into, &rule->style);
}

static struct str next_class(struct str *rest)
{
    size_t from = 0, n;

    while (from < rest->len && strchr(" \t\r\n\f", rest->at[from]) && rest->at[from])
        from++;
    for (n = from; n < rest->len && !(strchr(" \t\r\n\f", rest->at[n]) && rest->at[n]);)
        n++;
    struct str word = str_sub(*rest, from, n - from);
    *rest = str_from_index(*rest, n);
    return word;
}

void css_rules_apply(const struct css_rules *rules, struct str tag, struct str classes, struct str id, struct css_style *into)
{
    if (rules->count == 0)
        return;
    if (rules->has_tag_rules) {
        apply_one(rules, STR("*"), 0, STR(""), into);
        apply_one(rules, tag, 0, STR(""), into);
    }
    for (int i = 0; rules->has_class_rules && i < CSS_CLASSES_MAX; i++) {
        struct str name = next_class(&classes);
        if (name.len == 0)
            break;
        apply_one(rules, STR(""), '.', name, into);
        apply_one(rules, tag, '.', name, into);
    }
    if (rules->has_id_rules && id.len) {
        apply_one(rules, STR(""), '#', id, into);
        apply_one(rules, tag, '#', id, into);
    }
}

static struct str unquote(struct str s)
{
    s = str_trim(s);
    if (s.len >= 1 && (s.at[0] == '"' || s.at[0] == '\'')) {
        char quote = s.at[0];
        s = str_from_index(s, 1);
        s = str_cut(&s, quote);
    }
    return str_trim(s);
}

void css_urls(struct str text, void (*each)(void *arg, struct str url, bool is_import), void *arg)
{
    const char *at = text.at, *end = text.at + text.len, *close = text.at;
    bool is_import = false;

    for (; at < end; at++) {
        struct str rest = str_n(at, (size_t)(end - at));
        if (*at == '@') {
            is_import = str_starts_case(rest, STR("@import"));
            struct str behind = is_import ? str_trim(str_sub(rest, 7, URL_MAX)) : STR("");
            if (behind.len && (behind.at[0] == '"' || behind.at[0] == '\''))
                each(arg, unquote(behind), true);
        } else if (*at == ';') {
            is_import = false;
        } else if ((*at == 'u' || *at == 'U') && str_starts_case(rest, STR("url("))) {
            if (close && close < at) /* the next ')' is looked for once, however many url( come before it */
                close = memchr(at, ')', rest.len);
            if (!close)
                return;
            each(arg, unquote(str_sub(rest, 4, (size_t)(close - at) - 4)), is_import);
            at = close;
        }
    }
}
