/* tables.c: the catalogue, for programs: what may be set, and what may be allowed. */
#include "admin/parts.h"

static json_t *levels_json(unsigned levels)
{
    static const struct { unsigned level; const char *name; } names[] = {
        {LEVEL_P, "process"}, {LEVEL_S, "system"}, {LEVEL_T, "tenant"}, {LEVEL_D, "domain"}, {LEVEL_M, "mailbox"}, {LEVEL_U, "account"}};
    json_t *list = json_array();

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (levels & names[i].level)
            json_array_append_new(list, json_string(names[i].name));
    return list;
}

int op_catalog_settings(struct call *c)
{
    json_t *rows = json_array();

    for (int id = 0; id < SETTING_COUNT; id++) {
        const struct setting_row *row = setting_row((enum setting)id);
        json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:s, s:s, s:b}", "name", row->name, "type", setting_type_name(row->type), "default",
                                              row->default_text, "min", (json_int_t)row->min, "max", (json_int_t)row->max, "levels", levels_json(row->levels),
                                              "unit", row->unit, "help", row->help, "is_used", row->used));
    }
    c->out = json_pack("{s:o}", "settings", rows);
    return 200;
}

static json_t *names_json(permission_set set)
{
    json_t *list = json_array();

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++)
        if (set & PERMISSION_BIT(p))
            json_array_append_new(list, json_string(permission_name(p)));
    return list;
}

int op_catalog_permissions(struct call *c)
{
    json_t *permissions = json_array(), *roles = json_array();

    for (enum permission p = PERMISSION_NONE + 1; p < PERMISSION_COUNT; p++)
        json_array_append_new(permissions, json_pack("{s:s, s:s}", "name", permission_name(p), "help", permission_help(p)));
    for (enum role r = ROLE_NONE + 1; r < ROLE_COUNT; r++)
        json_array_append_new(roles, json_pack("{s:s, s:o, s:s}", "name", role_name(r), "permissions", names_json(role_permissions(r)), "help", role_help(r)));
    c->out = json_pack("{s:o, s:o}", "permissions", permissions, "roles", roles);
    return 200;
}
