/* message_json.c: see message_json.h. */
#include "store/message_json.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

static json_t *text_of(struct str s)
{
    return json_stringn(s.len ? s.at : "", s.len);
}

static json_t *time_of(int64_t ms)
{
    char text[32];
    return ms > 0 ? json_string(clock_format_iso(ms, text)) : json_null();
}

static json_t *parsed(struct str s, json_t *(*otherwise)(void))
{
    json_t *value = json_loadb(s.len ? s.at : "", s.len, 0, NULL);
    return value ? value : otherwise();
}

static json_t *number_of_row(const struct db_value *v)
{
    char digits[24];

    if (v->type == DB_NULL)
        return json_null();
    snprintf(digits, sizeof digits, "%" PRId64, v->number);
    return json_string(digits);
}

static json_t *lines(struct str s)
{
    json_t *list = json_array();

    while (s.len)
        json_array_append_new(list, text_of(str_cut(&s, '\n')));
    return list;
}

static json_t *value_of(const struct message_row *row, enum message_column c)
{
    const struct db_value *v = &row->at[c];

    switch (c) {
    case MESSAGE_findings: return parsed(v->bytes, json_array);
    case MESSAGE_results: return parsed(v->bytes, json_object);
    case MESSAGE_attachments: return lines(v->bytes);
    case MESSAGE_next_try_ms:
    case MESSAGE_changed_ms: return time_of(v->number);
    case MESSAGE_id: return number_of_row(v);
    default: break;
    }
    switch (message_columns[c].type) {
    case MESSAGE_KEY: return number_of_row(v);
    case MESSAGE_NUMBER: return json_integer(v->number);
    case MESSAGE_REAL: return json_real(v->real);
    case MESSAGE_TEXT: break;
    }
    return text_of(v->bytes);
}

static const char *name_of(enum message_column c)
{
    return c == MESSAGE_next_try_ms ? "next_try" : c == MESSAGE_changed_ms ? "changed" : message_columns[c].name;
}

json_t *message_row_json(const struct message_row *row)
{
    json_t *o = json_object();

    json_object_set_new(o, "time", time_of(db_id_ms(row->at[MESSAGE_id].number)));
    for (enum message_column c = 0; c < MESSAGE_COLUMNS; c++)
        if (c != MESSAGE_client_key) /* the address in another form */
            json_object_set_new(o, name_of(c), value_of(row, c));
    return o;
}

json_t *message_row_brief(const struct message_row *row)
{
    static const enum message_column shown[] = {MESSAGE_reference, MESSAGE_status, MESSAGE_sender, MESSAGE_recipient, MESSAGE_reason, MESSAGE_size, MESSAGE_subject};
    json_t *o = json_object();

    json_object_set_new(o, "time", time_of(db_id_ms(row->at[MESSAGE_id].number)));
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        json_object_set_new(o, name_of(shown[i]), value_of(row, shown[i]));
    return o;
}
