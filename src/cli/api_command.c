/*
 * api_command.c: commands that are an operation of the API each: words and field=value become a path, a query or a body by the operation's own schema, and what comes
 * back is printed as a table or as JSON.
 */
#include "admin/operation.h"
#include "admin/schema.h"
#include "base/file.h"
#include "cli/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

enum { PATH_MOST = 16 * 1024, CSV_MOST = 16 * 1024 * 1024, SECRET_MOST = 1024, PAGE = 1000 };

static const struct api_row {
    const char *noun, *verb, *operation, *words;
} rows[] = {
#define API(noun, verb, operation, words) {noun, verb, #operation, words},
#include "cli/api_commands.def"
#undef API
};

struct asking {
    const struct command_line *line;
    const struct operation *operation;
    struct buf path;
    json_t *in;       /* query or body */
    struct buf csv;
    size_t next;      /* word */
    bool has_csv;
};

static const struct api_row *row_of(const struct command_line *line)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].noun, line->noun) == 0 && strcmp(rows[i].verb, line->verb) == 0)
            return &rows[i];
    return NULL;
}

/* The level that the options name, and its owner; "system" without one. False: two of them. */
static bool level_of(const struct command_line *line, const char **level, const char **owner)
{
    const struct { const char *name, *value; } all[] = {
        {"tenant", line->tenant}, {"domain", line->domain}, {"mailbox", line->mailbox}, {"account", line->account}};

    *level = "system";
    *owner = NULL;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (!all[i].value)
            continue;
        if (*owner) {
            fprintf(stderr, "postern: --%s and --%s: one of them\n", *level, all[i].name);
            return false;
        }
        *level = all[i].name;
        *owner = all[i].value;
    }
    return true;
}

static const struct operation *operation_named(const char *prefix, const char *name)
{
    char id[80];

    snprintf(id, sizeof id, "%s%s", prefix, name);
    for (size_t i = 0; i < operation_count(); i++)
        if (strcmp(operation_at(i)->id, id) == 0)
            return operation_at(i);
    return NULL;
}

/* A line of standard input, without an echo where that is a terminal. */
static bool read_secret(const char *what, char to[SECRET_MOST])
{
    struct termios before, quiet;
    bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;

    if (is_terminal) {
        fprintf(stderr, "%s: ", what);
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    bool got = fgets(to, SECRET_MOST, stdin) != NULL;
    if (is_terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fputc('\n', stderr);
    }
    if (got)
        to[strcspn(to, "\r\n")] = '\0';
    return got;
}

static json_t *split_json(const char *text)
{
    struct str rest = str_from(text);
    json_t *list = json_array();

    while (rest.len) {
        struct str one = str_trim(str_cut(&rest, ','));
        if (one.len)
            json_array_append_new(list, json_stringn(one.at, one.len));
    }
    return list;
}

/* TEXT as the field wants it; NULL where it cannot be that. */
static json_t *typed(const struct field_row *f, const char *text)
{
    char secret[SECRET_MOST];

    switch (f->type) {
    case FIELD_TEXTS: return split_json(text);
    case FIELD_OBJECT: return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    case FIELD_BOOL: return strcmp(text, "yes") == 0 ? json_true() : strcmp(text, "no") == 0 ? json_false() : schema_from_text(f, str_from(text));
    case FIELD_SECRET: /* others on this host see command lines */
        return strcmp(text, "-") == 0 && read_secret(f->name, secret) ? json_string(secret) : NULL;
    default: return schema_from_text(f, str_from(text));
    }
}

static bool set_field(struct asking *a, const char *name, const char *text)
{
    const struct field_row *f = schema_field(a->operation->request, name);
    json_t *value = f ? typed(f, text) : NULL;

    if (value)
        return json_object_set_new(a->in, name, value) == 0;
    if (f)
        fprintf(stderr, "postern: %s=%s: %s%s\n", name, f->type == FIELD_SECRET ? "…" : text, f->help,
                f->type == FIELD_SECRET ? " Say - to be asked for it: command lines are seen by others." : "");
    else
        fprintf(stderr, "postern: %s: no such field here\n", name);
    return false;
}

static bool read_csv(struct asking *a, const char *name)
{
    char piece[16384];
    size_t n;
    FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");

    if (!f) {
        fprintf(stderr, "postern: %s: %s\n", name, strerror(errno));
        return false;
    }
    bool fits = true;
    while (fits && (n = fread(piece, 1, sizeof piece, f)) > 0)
        fits = buf_add(&a->csv, piece, n);
    if (f != stdin)
        fclose(f);
    if (!fits)
        fprintf(stderr, "postern: %s: more than %d octets\n", name, (int)CSV_MOST);
    a->has_csv = true;
    return fits;
}

static bool is_field(const char *word)
{
    const char *equals = strchr(word, '=');

    for (const char *at = word; equals && at < equals; at++)
        if (!ascii_is_alnum((unsigned char)*at) && *at != '_')
            return false;
    return equals && equals != word;
}

/* All that are left, as an array where there are several, or where the field is one. */
static bool take_rest(struct asking *a, const char *name)
{
    const struct field_row *f = schema_field(a->operation->request, name);
    json_t *list = json_array();

    for (; a->next < a->line->words; a->next++)
        json_array_append_new(list, json_string(a->line->word[a->next]));
    if (json_array_size(list) == 1 && (!f || f->type != FIELD_TEXTS)) {
        json_object_set(a->in, name, json_array_get(list, 0));
        json_decref(list);
        return true;
    }
    return json_array_size(list) > 0 && json_object_set_new(a->in, name, list) == 0;
}

static bool take_word(struct asking *a, struct str name)
{
    char text[64];
    bool is_optional = str_starts(name, STR("?")), takes_rest = str_ends_case(name, STR("…"));

    name = str_from_index(name, is_optional);
    if (takes_rest)
        name = str_sub(name, 0, name.len - strlen("…"));
    str_copy(text, sizeof text, name);
    bool there = a->next < a->line->words && (takes_rest || !is_field(a->line->word[a->next]));
    if (!there)
        return is_optional;
    if (str_is(name, "<"))
        return read_csv(a, a->line->word[a->next++]);
    return takes_rest ? take_rest(a, text) : set_field(a, text, a->line->word[a->next++]);
}

/* Holes of the path are filled with words, a level's owner first. */
static bool fill_path(struct asking *a, const char *owner, struct str *words)
{
    struct str rest = str_from(a->operation->path + 1);

    while (rest.at) {
        struct str segment = str_cut(&rest, '/');
        char text[200];
        if (!str_starts(segment, STR("{"))) {
            str_copy(text, sizeof text, segment);
            api_add_segment(&a->path, text);
            continue;
        }
        if (owner) {
            api_add_segment(&a->path, owner);
            owner = NULL;
            continue;
        }
        str_word(words);
        if (a->next >= a->line->words)
            return false;
        api_add_segment(&a->path, a->line->word[a->next++]);
    }
    return true;
}

static int usage_of(const struct command_line *line)
{
    for (size_t i = 0; i < command_row_count; i++)
        if (strcmp(command_rows[i].noun, line->noun) == 0 && strcmp(command_rows[i].verb, line->verb) == 0)
            fprintf(stderr, "usage: postern %s%s%s %s\n", line->noun, *line->verb ? " " : "", line->verb, command_rows[i].arguments);
    return EX_USAGE;
}

static bool take_words(struct asking *a, const struct api_row *row, const char *owner)
{
    struct str words = str_from(row->words);

    if (!fill_path(a, owner, &words))
        return false;
    for (struct str name = str_word(&words); name.len; name = str_word(&words))
        if (!take_word(a, name))
            return false;
    for (; a->next < a->line->words; a->next++) {
        const char *word = a->line->word[a->next];
        char name[64];
        if (!is_field(word) || !str_copy(name, sizeof name, str_n(word, strcspn(word, "="))))
            return false;
        if (!set_field(a, name, strchr(word, '=') + 1))
            return false;
    }
    return true;
}

/* Secrets that must be there are asked for. */
static bool ask_secrets(struct asking *a)
{
    const struct field_row *f = schema_field(a->operation->request, "password");
    bool wants = f && f->required && !json_object_get(a->in, "password");

    return !wants || set_field(a, "password", "-");
}

static json_t *as_texts(const json_t *object)
{
    json_t *texts = json_object(), *value;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
        json_object_set_new(texts, key, json_string(text ? text : json_string_value(value)));
        free(text);
    }
    return texts;
}

static bool is_page(const struct operation *o)
{
    size_t len = strlen(o->response);
    return len > 2 && strcmp(o->response + len - 2, "[]") == 0;
}

static int print_answer(const struct command_line *line, const struct api_answer *answer)
{
    if (answer->status >= 400)
        return api_judge(answer);
    if (!answer->json)
        return file_write_all(STDOUT_FILENO, answer->text.at ? answer->text.at : "", answer->text.len) ? EX_OK : EX_IOERR;
    if (line->json)
        print_json(answer->json);
    else
        print_result(answer->json);
    return EX_OK;
}

static int print_rows(const struct command_line *line, const json_t *rows_found)
{
    if (line->json)
        print_json(rows_found);
    else
        print_table(rows_found);
    return EX_OK;
}

/* Page by page, as many rows as were asked for, or all. */
static int ask_pages(struct asking *a)
{
    json_t *query = as_texts(a->in), *all = json_array();
    int code = EX_OK;
    size_t most = a->line->limit ? (size_t)a->line->limit : SIZE_MAX;

    for (bool more = true; more && code == EX_OK;) {
        struct api_answer answer;
        size_t left = most - json_array_size(all);
        json_object_set_new(query, "limit", json_sprintf("%zu", left < PAGE ? left : (size_t)PAGE));
        bool reached = api_ask(a->line, "GET", buf_text(&a->path), query, NULL, NULL, &answer);
        code = reached ? api_judge(&answer) : EX_UNAVAILABLE;
        json_array_extend(all, json_object_get(answer.json, "items"));
        json_t *next = json_object_get(answer.json, "next");
        more = json_is_string(next) && json_array_size(all) < most;
        if (more)
            json_object_set(query, "cursor", next);
        api_clear(&answer);
    }
    if (code == EX_OK)
        print_rows(a->line, all);
    json_decref(query);
    json_decref(all);
    return code;
}

static int ask_once(struct asking *a)
{
    bool reads = !a->operation->changes, has_body = !reads && *a->operation->request;
    json_t *query = reads ? as_texts(a->in) : NULL;
    struct api_answer answer;
    bool reached = api_ask(a->line, a->operation->method, buf_text(&a->path), query, has_body ? a->in : NULL, a->has_csv ? &a->csv : NULL, &answer);
    int code = reached ? print_answer(a->line, &answer) : EX_UNAVAILABLE;

    if (reached && code == EX_OK && strcmp(a->operation->id, "audit_check") == 0 && !json_is_true(json_object_get(answer.json, "intact")))
        code = EX_DATAERR; /* what a job that runs it every night looks at */
    if (reached && code == EX_OK && strcmp(a->operation->id, "health_show") == 0 && !json_is_true(json_object_get(answer.json, "is_ready")))
        code = EX_UNAVAILABLE;
    api_clear(&answer);
    json_decref(query);
    return code;
}

int api_main(const struct command_line *line)
{
    const struct api_row *row = row_of(line);
    const char *level = "", *owner = NULL;
    bool has_level = row && row->operation[0] == '_';

    if (!row || (has_level && !level_of(line, &level, &owner)))
        return EX_USAGE;
    struct asking a = {.line = line, .operation = operation_named(has_level ? level : "", row->operation), .path = buf_make(PATH_MOST), .in = json_object(),
                       .csv = buf_make(CSV_MOST)};
    int code = EX_USAGE;
    if (!a.operation)
        fprintf(stderr, "postern: there is nothing of that kind at the level %s\n", level);
    else if (!take_words(&a, row, owner))
        usage_of(line);
    else if (ask_secrets(&a))
        code = is_page(a.operation) ? ask_pages(&a) : ask_once(&a);
    json_decref(a.in);
    buf_free(&a.path);
    buf_free(&a.csv);
    return code;
}
