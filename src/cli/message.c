/* message.c: `postern message …`: the message log in the store, read beside the gateway. */
#include "cli/command.h"

#include "base/clock.h"
#include "store/message_json.h"
#include "store/message_search.h"
#include "store/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { LIST_USUAL = 50, ERROR_MAX = 2000 };

static struct db *open_store(const struct command_line *line)
{
    struct settings *settings = command_settings(line);
    struct buf error = buf_make(ERROR_MAX);
    char path[STORE_PATH_MAX];
    struct db *d = settings ? db_open_reader(store_path(settings_system(settings), path), &error) : NULL;

    if (settings && !d)
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
    settings_unref(settings);
    buf_free(&error);
    return d;
}

static struct filter *read_filter(const struct command_line *line)
{
    struct buf text = buf_make(FILTER_TEXT_MAX + 1), error = buf_make(ERROR_MAX);

    for (size_t i = 0; i < line->words; i++)
        buf_addf(&text, "%s%s", i ? " " : "", line->word[i]);
    struct filter *f = text.failed ? NULL : filter_parse(buf_str(&text), clock_wall_ms(), &error);
    if (!f)
        fprintf(stderr, "postern: the filter: %s\n", text.failed ? "too long" : buf_text(&error));
    buf_free(&text);
    buf_free(&error);
    return f;
}

/* Rows into LIST until MOST are there or no more. False, said, where the store failed. *IS_MORE: there may be others. */
static bool collect(struct db *d, const struct filter *f, size_t most, bool brief, json_t *list, bool *is_more)
{
    static const struct message_scope all = {MESSAGES_OF_ALL, 0};
    struct message_page page = {0};
    int64_t before = 0;

    do {
        size_t wanted = most - json_array_size(list);
        if (message_search(d, &all, f, before, wanted, MESSAGE_SEARCH_MS, &page) != DB_OK) {
            fprintf(stderr, "postern: the store: %s\n", db_error(d));
            return false;
        }
        for (size_t i = 0; i < page.count; i++)
            json_array_append_new(list, brief ? message_row_brief(&page.rows[i]) : message_row_json(&page.rows[i]));
        before = page.next;
        message_page_clear(&page);
    } while (before && json_array_size(list) < most);
    *is_more = before != 0;
    return true;
}

static int list_main(const struct command_line *line, struct db *d, const struct filter *f)
{
    size_t most = line->limit ? (size_t)line->limit : LIST_USUAL;
    json_t *list = json_array();
    bool is_more = false, ok = collect(d, f, most, !line->json, list, &is_more);

    if (ok && line->json)
        print_json(list);
    else if (ok)
        print_table(list);
    if (ok && is_more)
        fprintf(stderr, "postern: there may be more: --limit N shows N rows\n");
    json_decref(list);
    return ok ? EX_OK : EX_UNAVAILABLE;
}

static int show_main(const struct command_line *line, struct db *d, const struct filter *f)
{
    json_t *list = json_array(), *row;
    bool is_more, ok = collect(d, f, MESSAGE_PAGE_MAX, false, list, &is_more);
    size_t found = json_array_size(list), i;

    if (ok && line->json)
        print_json(list);
    else if (ok)
        json_array_foreach(list, i, row) {
            if (i)
                putchar('\n');
            print_result(row);
        }
    if (ok && !found)
        fprintf(stderr, "postern: no row of that reference\n");
    json_decref(list);
    return !ok ? EX_UNAVAILABLE : found ? EX_OK : 1;
}

static struct filter *of_reference(const char *reference)
{
    struct buf text = buf_make(FILTER_TEXT_MAX), error = buf_make(ERROR_MAX);

    buf_addf(&text, "reference:\"%s\"", reference);
    struct filter *f = strpbrk(reference, "\"\\") ? NULL : filter_parse(buf_str(&text), 0, &error);
    if (!f)
        fprintf(stderr, "postern: %s is no reference\n", reference);
    buf_free(&text);
    buf_free(&error);
    return f;
}

static int fields_main(void)
{
    struct filter_help field;

    for (size_t i = 0; filter_field_at(i, &field); i++)
        printf("%s:\t%s\n", field.name, field.help);
    return EX_OK;
}

int message_main(const struct command_line *line)
{
    bool is_list = strcmp(line->verb, "list") == 0;

    if (strcmp(line->verb, "fields") == 0)
        return fields_main();
    if (!is_list && line->words != 1) {
        fprintf(stderr, "postern: message show wants a reference\n");
        return EX_USAGE;
    }
    struct filter *f = is_list ? read_filter(line) : of_reference(line->word[0]);
    if (!f)
        return EX_USAGE;
    struct db *d = open_store(line);
    int code = !d ? EX_CONFIG : is_list ? list_main(line, d, f) : show_main(line, d, f);
    db_close(&d);
    filter_free(&f);
    return code;
}
