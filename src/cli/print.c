/* print.c: what the relay answers, and what lies in folders, as people read it. */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

void print_table(const json_t *rows)
{
    const char *key;
    json_t *row, *value;
    size_t i;

    json_array_foreach(rows, i, row) {
        if (i == 0) {
            json_object_foreach(row, key, value)
                printf("%s%s", json_object_iter_key(json_object_iter(row)) == key ? "" : "\t", key);
            putchar('\n');
        }
        bool first = true;
        json_object_foreach(row, key, value) {
            if (!first)
                putchar('\t');
            first = false;
            if (json_is_string(value))
                printf("%s", *json_string_value(value) ? json_string_value(value) : "-");
            else if (json_is_integer(value))
                printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
            else
                json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
        }
        putchar('\n');
    }
}

void print_result(const json_t *result)
{
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)result, key, value) {
        if (strcmp(key, "ok") == 0)
            continue;
        if (json_is_array(value)) {
            print_table(value);
            continue;
        }
        printf("%s: ", key);
        if (json_is_string(value))
            printf("%s\n", json_string_value(value));
        else {
            json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
            putchar('\n');
        }
    }
}
