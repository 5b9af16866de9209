/* account_limits.c: `postern account limits`: what is set for one outgoing account (level U), and what holds for it. */
#include "cli/account_parts.h"

#include "base/clock.h"
#include "store/settings_file.h"
#include "store/settings_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { ERROR_MAX = 2000, ENTRIES_MAX = 1000, CONFIG_MAX = 16 * 1024 * 1024, CONFIG_ERROR_MAX = 64 * 1024 };

static json_t *value_of(const struct policy *p, enum setting s)
{
    const struct setting_value *v = setting_value(p, s);

    switch (setting_row(s)->type) {
    case SETTING_LIMIT:
        return v->number == NO_LIMIT ? json_string("no limit") : json_integer((json_int_t)v->number);
    case SETTING_BOOL:
        return json_string(v->number ? "yes" : "no");
    case SETTING_ACTION:
        return json_string(action_name((enum action)v->number));
    case SETTING_TEXT:
    case SETTING_CHOICE:
        return json_string(v->text);
    case SETTING_LIST:
    case SETTING_NETWORKS: {
        json_t *list = json_array();
        for (size_t i = 0; i < v->list.count; i++)
            json_array_append_new(list, json_string(v->list.at[i]));
        return list;
    }
    case SETTING_DURATION:
        return json_sprintf("%llds", (long long)(v->number / 1000));
    case SETTING_INT:
    case SETTING_SIZE:
        break;
    }
    return json_integer((json_int_t)v->number);
}

static bool add_store(void *arg, struct settings *s, struct buf *error)
{
    return settings_store_load(arg, s, error);
}

/* What the configuration and the store come to together. */
static struct settings *whole_settings(const struct command_line *line, struct db *d)
{
    struct buf text = buf_make(CONFIG_MAX), error = buf_make(CONFIG_ERROR_MAX);
    struct settings *s = settings_file_read(line->config, &text, &error) && buf_text(&text)
                             ? settings_file_parse_with(buf_text(&text), line->config, add_store, d, &error, NULL)
                             : NULL;

    if (!s)
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
    buf_free(&text);
    buf_free(&error);
    return s;
}

static int show(const struct command_line *line, struct db *d, const struct account *a, const struct settings *settings)
{
    const struct domain *domain = settings_domain(settings, str_from(a->domain_name));
    struct policy *p = account_policy(d, a->id, domain ? &domain->policy : settings_system(settings));
    json_t *rows = json_array();

    if (!p) {
        json_decref(rows);
        return account_complain(a->login, ACCOUNT_FAILED, NULL);
    }
    for (enum setting s = 0; s < SETTING_COUNT; s++)
        if (setting_row(s)->levels & LEVEL_U)
            json_array_append_new(rows, json_pack("{s:s, s:o, s:s}", "name", setting_row(s)->name, "value", value_of(p, s), "set",
                                                  setting_is_set(p, s) ? "here" : "inherited"));
    if (line->json)
        print_json(rows);
    else
        print_table(rows);
    json_decref(rows);
    policy_free(&p);
    return EX_OK;
}

/* A text as the store keeps it: a JSON text, or an array of them. */
static char *json_of(enum setting s, char *text, struct buf *error)
{
    bool is_list = setting_row(s)->type == SETTING_LIST || setting_row(s)->type == SETTING_NETWORKS;
    const char *entries[ENTRIES_MAX];
    struct setting_value value;
    json_t *list = json_array();
    size_t count = 0;

    for (char *save, *word = is_list ? strtok_r(text, " ", &save) : text; word && count < ENTRIES_MAX; word = is_list ? strtok_r(NULL, " ", &save) : NULL) {
        json_array_append_new(list, json_string(word));
        entries[count++] = word;
    }
    bool fine = setting_parse(s, entries, count, &value, error);
    if (fine)
        setting_value_free(&value);
    char *json = fine ? json_dumps(is_list ? list : json_array_get(list, 0), JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(list);
    return json;
}

static enum account_result set_one(struct db *d, const struct account *a, const char *word, struct buf *error)
{
    struct str rest = str_from(word), name = str_cut(&rest, '=');
    int id = setting_find(name);
    char *text = rest.at ? str_dup(rest) : NULL;

    if (!text || id < 0 || !(setting_row((enum setting)id)->levels & LEVEL_U)) {
        buf_addf(error, "\"%s\" is not NAME=VALUE with a name of `postern account limits LOGIN`", word);
        free(text);
        return ACCOUNT_INVALID;
    }
    enum db_result result = DB_OK;
    if (strcmp(text, "inherit") == 0) {
        result = DB_RUN(d, "DELETE FROM setting WHERE level = 'u' AND owner = $1 AND name = $2", DB_N(a->id), DB_T(name));
    } else {
        char *json = json_of((enum setting)id, text, error);
        if (json)
            result = DB_RUN(d, "INSERT INTO setting(level, owner, name, value, changed_ms) VALUES('u', $1, $2, $3, $4) "
                               "ON CONFLICT(level, owner, name) DO UPDATE SET value = excluded.value, changed_ms = excluded.changed_ms",
                            DB_N(a->id), DB_T(name), DB_T(str_from(json)), DB_N(clock_wall_ms()));
        free(json);
    }
    free(text);
    return error->len ? ACCOUNT_INVALID : result == DB_OK ? ACCOUNT_OK : ACCOUNT_FAILED;
}

static int set(const struct command_line *line, struct db *d, const struct account *a)
{
    struct buf error = buf_make(ERROR_MAX);
    enum account_result result = db_begin(d) == DB_OK ? ACCOUNT_OK : ACCOUNT_FAILED;

    for (size_t i = 1; result == ACCOUNT_OK && i < line->words; i++)
        result = set_one(d, a, line->word[i], &error);
    if (result == ACCOUNT_OK && !account_commit(line, d))
        result = ACCOUNT_FAILED;
    if (result != ACCOUNT_OK)
        db_rollback(d);
    int code = result == ACCOUNT_OK ? EX_OK : account_complain(a->login, result, &error);
    buf_free(&error);
    return code;
}

int account_limits(const struct command_line *line, struct db *d)
{
    struct account a = {0};
    enum account_result result = account_find(d, str_from(line->word[0]), &a);

    if (result != ACCOUNT_OK)
        return account_complain(line->word[0], result, NULL);
    if (line->words > 1) {
        int code = set(line, d, &a);
        account_clear(&a);
        return code;
    }
    struct settings *settings = whole_settings(line, d);
    int code = settings ? show(line, d, &a, settings) : EX_CONFIG;
    settings_unref(settings);
    account_clear(&a);
    return code;
}
