/* tenant_check.c: objects of a tenant's file: what this program takes; see tenant_parts.h. */
#include "store/tenant_parts.h"

#include "catalog/settings.h"
#include "mail/address.h"
#include "policy/lists.h"
#include "store/account.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ENTRIES = 100000 };

static bool lower_into(char to[TENANT_NAME_MAX + 1], struct str text)
{
    if (!text.len || !str_copy(to, TENANT_NAME_MAX + 1, text))
        return false;
    str_lower(to, text.len);
    return true;
}

/* As the store keeps it: one that needs quotes in an address stands without them. */
static bool local_part_is_kept(struct str text, char to[TENANT_NAME_MAX + 1])
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 127)
            return false;
    return text.len <= LOCAL_PART_MAX && utf8_is_valid(text) && lower_into(to, text);
}

bool tenant_name_normal(enum tenant_column_kind kind, struct str text, char to[TENANT_NAME_MAX + 1])
{
    switch (kind) {
    case COLUMN_DOMAIN:
        return domain_to_ascii(text, to, TENANT_NAME_MAX + 1) && domain_is_full(str_from(to));
    case COLUMN_LOCAL_PART:
        return local_part_is_kept(text, to);
    case COLUMN_LOGIN:
        return str_find(text, ' ') < 0 && lower_into(to, text);
    default:
        return text.len && str_copy(to, TENANT_NAME_MAX + 1, text);
    }
}

static bool refuse(struct buf *why, const char *field, const char *what)
{
    buf_addf(why, "%s %s", field, what);
    return false;
}

static struct str text_of(const json_t *object, const char *field)
{
    const json_t *value = json_object_get(object, field);

    return json_is_string(value) ? str_n(json_string_value(value), json_string_length(value)) : STR("");
}

static bool value_is_fine(const struct tenant_column *c, const json_t *value, struct buf *why)
{
    char normal[TENANT_NAME_MAX + 1];
    bool is_name = c->kind == COLUMN_NAME || c->kind == COLUMN_DOMAIN || c->kind == COLUMN_LOCAL_PART || c->kind == COLUMN_LOGIN;

    if (!value || (json_is_null(value) && c->kind != COLUMN_JSON))
        return !is_name || refuse(why, c->name, "is missing");
    if (c->kind == COLUMN_JSON)
        return true;
    if (c->kind == COLUMN_NUMBER || c->kind == COLUMN_TIME)
        return (json_is_integer(value) && json_integer_value(value) >= 0) || refuse(why, c->name, "is no number of 0 or more");
    if (c->kind == COLUMN_FLAG)
        return json_is_boolean(value) || refuse(why, c->name, "is neither true nor false");
    if (!json_is_string(value))
        return refuse(why, c->name, "is no text");
    struct str text = str_n(json_string_value(value), json_string_length(value));
    if (memchr(text.at, '\0', text.len))
        return refuse(why, c->name, "holds a NUL");
    return !is_name || tenant_name_normal(c->kind, text, normal) || refuse(why, c->name, "is not what it says");
}

static unsigned level_of(char level)
{
    static const char letters[] = "PSTDMU";
    const char *at = strchr(letters, ascii_lower(level) - 'a' + 'A');

    return at ? 1U << (at - letters) : 0;
}

static bool setting_is_fine(char level, const json_t *object, struct buf *why)
{
    int id = setting_find(text_of(object, "name"));
    const json_t *value = json_object_get(object, "value");
    size_t count = json_is_array(value) ? json_array_size(value) : 1;
    const char **entries = count <= MOST_ENTRIES ? calloc(count ? count : 1, sizeof *entries) : NULL;
    struct setting_value parsed = {0};
    bool fine = entries != NULL;

    for (size_t i = 0; fine && i < count; i++) {
        entries[i] = json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        fine = entries[i] != NULL;
    }
    if (!fine)
        refuse(why, "value", "is neither a text nor a list of texts");
    else if (id < 0 || !(setting_row((enum setting)id)->levels & level_of(level)))
        fine = refuse(why, "name", id < 0 ? "is no setting of this program" : "is no setting of this level");
    else
        fine = setting_parse((enum setting)id, entries, count, &parsed, why);
    setting_value_free(&parsed);
    free(entries);
    return fine;
}

static bool entry_is_fine(const json_t *object, struct buf *why)
{
    char pattern[LIST_PATTERN_MAX + 1];
    int kind = list_kind_find(text_of(object, "list"));
    struct str match = text_of(object, "match"), skip = text_of(object, "skip");
    unsigned skips;

    if (kind < 0)
        return refuse(why, "list", "is none of the lists");
    if (!list_pattern_normal((enum list_kind)kind, text_of(object, "pattern"), pattern))
        return refuse(why, "pattern", "is none that this list takes");
    if (match.len && !str_is(match, "envelope") && !str_is(match, "from") && !str_is(match, "both"))
        return refuse(why, "match", "is none of envelope, from, both");
    return !skip.len || list_skips_parse(skip, &skips) || refuse(why, "skip", "names a check that cannot be skipped");
}

static bool account_is_fine(const json_t *object, struct buf *why)
{
    enum account_kind kind;
    struct str networks = text_of(object, "networks");
    struct network n;

    if (!account_kind_find(text_of(object, "kind"), &kind))
        return refuse(why, "kind", "is none of user, domain, network");
    for (struct str one = str_word(&networks); one.len; one = str_word(&networks))
        if (!network_parse(one, &n))
            return refuse(why, "networks", "names one that is none");
    return true;
}

static bool source_is_fine(const json_t *object, struct buf *why)
{
    struct str source = text_of(object, "source");

    return !source.len || str_is(source, "hand") || str_is(source, "csv") || str_is(source, "ldap") || refuse(why, "source", "is none of hand, csv, ldap");
}

static bool is_known(const struct tenant_table *t, const char *field)
{
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->columns[i].name, field) == 0)
            return true;
    for (size_t i = 0; t->below[i]; i++)
        if (strcmp(t->below[i]->key, field) == 0)
            return true;
    return false;
}

static bool fields_are_fine(const struct tenant_table *t, const json_t *object, struct buf *why)
{
    for (size_t i = 0; i < t->count; i++)
        if (!value_is_fine(&t->columns[i], json_object_get(object, t->columns[i].name), why))
            return false;
    for (void *at = json_object_iter((json_t *)(uintptr_t)object); at; at = json_object_iter_next((json_t *)(uintptr_t)object, at))
        if (!is_known(t, json_object_iter_key(at)))
            return refuse(why, json_object_iter_key(at), "is no field that it has");
    for (size_t i = 0; t->below[i]; i++) {
        const json_t *list = json_object_get(object, t->below[i]->key);
        if (list && !json_is_array(list))
            return refuse(why, t->below[i]->key, "is no list");
    }
    return true;
}

bool tenant_object_is_fine(const struct tenant_table *t, char level, const json_t *object, struct buf *why)
{
    if (!json_is_object(object))
        return refuse(why, "it", "is no object");
    if (!fields_are_fine(t, object, why))
        return false;
    if (strcmp(t->key, "settings") == 0)
        return setting_is_fine(level, object, why);
    if (strcmp(t->key, "lists") == 0)
        return entry_is_fine(object, why);
    if (strcmp(t->key, "rules") == 0)
        return json_is_object(json_object_get(object, "definition")) || refuse(why, "definition", "is no object");
    if (strcmp(t->key, "accounts") == 0)
        return account_is_fine(object, why);
    return source_is_fine(object, why);
}
