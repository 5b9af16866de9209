/* schema.c: see schema.h. */
#include "admin/schema.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ERRORS = 16, TEXT_IN_LIST_MAX = 1000 };

static const struct field_row rows[] = {
#define FIELD(schema, name, type, required, max, choices, help) {#schema, #name, FIELD_##type, required, max, choices, help},
#define REQUIRED true
#define OPTIONAL false
#include "admin/schemas.def"
#undef FIELD
#undef REQUIRED
#undef OPTIONAL
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

bool schema_exists(const char *schema)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].schema, schema) == 0)
            return true;
    return false;
}

const struct field_row *schema_field(const char *schema, const char *name)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].schema, schema) == 0 && strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

__attribute__((format(printf, 3, 4))) static bool refuse(json_t *errors, const char *name, const char *format, ...)
{
    char text[400], pointer[120];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(pointer, sizeof pointer, "/%s", name);
    if (json_array_size(errors) < MOST_ERRORS)
        json_array_append_new(errors, json_pack("{s:s, s:s}", "pointer", pointer, "detail", text));
    return false;
}

static bool has_controls(struct str s, bool lines)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if ((c < 0x20 && !(lines && (c == '\n' || c == '\t' || c == '\r'))) || c == 0x7f)
            return true;
        if (c == 0xC2 && i + 1 < s.len && (unsigned char)s.at[i + 1] < 0xA0) /* U+0080 … U+009F */
            return true;
    }
    return false;
}

static bool check_text(const struct field_row *f, const json_t *v, json_t *errors)
{
    struct str text = json_is_string(v) ? str_n(json_string_value(v), json_string_length(v)) : STR("");

    if (!json_is_string(v))
        return refuse(errors, f->name, "is not a text");
    if ((int64_t)text.len > f->max)
        return refuse(errors, f->name, "has %zu octets, but %lld are the most", text.len, (long long)f->max);
    if (has_controls(text, f->type == FIELD_LINES))
        return refuse(errors, f->name, "holds control characters");
    if (f->required && !text.len)
        return refuse(errors, f->name, "is empty");
    return true;
}

static bool check_choice(const struct field_row *f, const json_t *v, json_t *errors)
{
    struct str text = json_is_string(v) ? str_n(json_string_value(v), json_string_length(v)) : STR(""), choices = str_from(f->choices);

    while (choices.at)
        if (str_eq(str_cut(&choices, '|'), text) && json_is_string(v))
            return true;
    return refuse(errors, f->name, "is none of %s", f->choices);
}

static bool check_number(const struct field_row *f, const json_t *v, json_t *errors)
{
    if (!json_is_integer(v))
        return refuse(errors, f->name, "is not a whole number");
    if (json_integer_value(v) < 0 || json_integer_value(v) > f->max)
        return refuse(errors, f->name, "is not within 0 … %lld", (long long)f->max);
    return true;
}

static bool check_texts(const struct field_row *f, const json_t *v, json_t *errors)
{
    const struct field_row one = {.name = f->name, .type = FIELD_TEXT, .required = true, .max = TEXT_IN_LIST_MAX};
    json_t *entry;
    size_t i;

    if (!json_is_array(v))
        return refuse(errors, f->name, "is not an array of texts");
    if ((int64_t)json_array_size(v) > f->max)
        return refuse(errors, f->name, "has %zu entries, but %lld are the most", json_array_size(v), (long long)f->max);
    json_array_foreach(v, i, entry)
        if (!check_text(&one, entry, errors))
            return false;
    return true;
}

static bool check_value(const struct field_row *f, const json_t *v, json_t *errors)
{
    struct field_row texts = *f;

    texts.max = 200000;
    if (json_is_array(v))
        return check_texts(&texts, v, errors);
    texts.required = false;
    texts.max = f->max;
    if (json_is_string(v))
        return check_text(&texts, v, errors);
    return json_is_integer(v) || json_is_boolean(v) || refuse(errors, f->name, "is neither text, whole number, truth value nor array of texts");
}

static bool check_field(const struct field_row *f, const json_t *v, json_t *errors)
{
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_LINES:
    case FIELD_SECRET:
    case FIELD_ID: return check_text(f, v, errors);
    case FIELD_NUMBER: return check_number(f, v, errors);
    case FIELD_BOOL: return json_is_boolean(v) || refuse(errors, f->name, "is neither true nor false");
    case FIELD_CHOICE: return check_choice(f, v, errors);
    case FIELD_TEXTS: return check_texts(f, v, errors);
    case FIELD_VALUE: return check_value(f, v, errors);
    case FIELD_OBJECT: return json_is_object(v) || refuse(errors, f->name, "is not an object");
    case FIELD_REAL:
    case FIELD_ROWS: break;
    }
    return refuse(errors, f->name, "cannot be set");
}

bool schema_check(const char *schema, const json_t *value, bool partial, json_t *errors)
{
    const char *name;
    json_t *field;
    bool fine = json_is_object(value) || refuse(errors, "", "is not an object");

    json_object_foreach((json_t *)(uintptr_t)value, name, field) {
        const struct field_row *f = schema_field(schema, name);
        fine = (f ? check_field(f, field, errors) : refuse(errors, strlen(name) > 100 ? "…" : name, "is not known here")) && fine;
    }
    for (size_t i = 0; i < ROW_COUNT && !partial && json_is_object(value); i++)
        if (rows[i].required && strcmp(rows[i].schema, schema) == 0 && !json_object_get(value, rows[i].name))
            fine = refuse(errors, rows[i].name, "is missing");
    return fine;
}

json_t *schema_from_text(const struct field_row *f, struct str text)
{
    uint64_t number;

    if (f->type == FIELD_NUMBER)
        return str_to_u64(text, INT64_MAX, &number) ? json_integer((json_int_t)number) : NULL;
    if (f->type == FIELD_BOOL)
        return str_is(text, "true") ? json_true() : str_is(text, "false") ? json_false() : NULL;
    return json_stringn(text.at ? text.at : "", text.len);
}

json_t *schema_without_secrets(const char *schema, const json_t *object)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)object);

    for (size_t i = 0; i < ROW_COUNT && copy; i++)
        if (rows[i].type == FIELD_SECRET && strcmp(rows[i].schema, schema) == 0)
            json_object_del(copy, rows[i].name);
    return copy;
}
