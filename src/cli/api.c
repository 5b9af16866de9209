/* api.c: see api.h. */
#include "cli/api.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { ANSWER_MAX = 1200 * 1024 * 1024, URL_MAX = 64 * 1024, PATIENCE_S = 120 };

static bool socket_path(const struct command_line *line, char *to, size_t size)
{
    struct settings *settings = command_settings(line);

    if (!settings)
        return false;
    int n = snprintf(to, size, "%s/api.sock", setting_text(settings_system(settings), SETTING_run_directory));
    settings_unref(settings);
    return n > 0 && (size_t)n < size;
}

bool api_is_there(const struct command_line *line)
{
    char path[200];
    return socket_path(line, path, sizeof path) && access(path, W_OK) == 0;
}

static bool is_plain(char c)
{
    return ascii_is_alnum((unsigned char)c) || strchr("-._~", c) != NULL;
}

static void add_encoded(struct buf *out, const char *text)
{
    for (const char *at = text; *at; at++) {
        if (is_plain(*at))
            buf_add_char(out, *at);
        else
            buf_addf(out, "%%%02X", (unsigned char)*at);
    }
}

void api_add_segment(struct buf *path, const char *segment)
{
    buf_add_char(path, '/');
    add_encoded(path, segment);
}

static void add_pair(struct buf *url, char *separator, const char *key, const char *value)
{
    buf_addf(url, "%c%s=", *separator, key);
    add_encoded(url, value);
    *separator = '&';
}

static void build_url(const struct command_line *line, const char *method, const char *path, const json_t *query, struct buf *url)
{
    const char *key;
    json_t *value;
    char separator = '?';
    bool changes = strcmp(method, "GET") != 0;

    buf_addf(url, "http://localhost%s", path);
    json_object_foreach((json_t *)(uintptr_t)query, key, value)
        add_pair(url, &separator, key, json_string_value(value));
    if (changes && line->dry_run)
        add_pair(url, &separator, "dry_run", "true");
    if (changes && line->reason)
        add_pair(url, &separator, "reason", line->reason);
}

static size_t take_piece(char *at, size_t size, size_t count, void *arg)
{
    return buf_add(arg, at, size * count) ? size * count : 0;
}

static bool perform(const char *socket, const char *method, const char *url, const char *body, size_t len, const char *type, struct api_answer *answer)
{
    CURL *curl = curl_easy_init();
    char content_type[64], why[CURL_ERROR_SIZE] = "";
    long status = 0;

    snprintf(content_type, sizeof content_type, "Content-Type: %s", type);
    struct curl_slist *headers = curl_slist_append(NULL, content_type);
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_piece);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer->text);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)PATIENCE_S);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)len);
    }
    bool done = curl_easy_perform(curl) == CURLE_OK && curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK;
    answer->status = (int)status;
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (!done)
        fprintf(stderr, "postern: %s: %s (is the gateway running?)\n", socket, why);
    return done;
}

bool api_ask(const struct command_line *line, const char *method, const char *path, const json_t *query, const json_t *body, const struct buf *text,
             struct api_answer *answer)
{
    char socket[200];
    struct buf url = buf_make(URL_MAX);
    char *json = body ? json_dumps(body, JSON_COMPACT) : NULL;

    *answer = (struct api_answer){.text = buf_make(ANSWER_MAX)};
    build_url(line, method, path, query, &url);
    bool done = buf_text(&url) && !url.failed && socket_path(line, socket, sizeof socket) &&
                perform(socket, method, buf_text(&url), json ? json : text ? buf_str(text).at : NULL, json ? strlen(json) : text ? text->len : 0,
                        text ? "text/csv" : "application/json", answer);
    if (done)
        answer->json = json_loadb(answer->text.at ? answer->text.at : "", answer->text.len, 0, NULL);
    free(json);
    buf_free(&url);
    return done;
}

void api_clear(struct api_answer *answer)
{
    json_decref(answer->json);
    buf_free(&answer->text);
}

static int exit_code(int status)
{
    switch (status) {
    case 0: return EX_UNAVAILABLE;
    case 401:
    case 403: return EX_NOPERM;
    case 429:
    case 503: return EX_TEMPFAIL;
    default: return status < 400 ? EX_OK : status < 500 ? EX_DATAERR : EX_SOFTWARE;
    }
}

int api_judge(const struct api_answer *answer)
{
    const char *detail = json_string_value(json_object_get(answer->json, "detail"));
    const json_t *errors = json_object_get(answer->json, "errors");
    json_t *one;
    size_t i;

    if (answer->status < 400)
        return exit_code(answer->status);
    if (json_array_size(errors) == 0)
        fprintf(stderr, "postern: %s\n", detail ? detail : "the gateway refused");
    json_array_foreach(errors, i, one) {
        const char *pointer = json_string_value(json_object_get(one, "pointer")), *what = json_string_value(json_object_get(one, "detail"));
        fprintf(stderr, "postern: %s: %s\n", pointer && *pointer ? pointer + 1 : "", what ? what : "");
    }
    return exit_code(answer->status);
}
