/* control_client.c: one question to the running relay over its control socket, and the configuration that says where that is. */
#include "base/file.h"
#include "cli/command.h"
#include "store/settings_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ANSWER_MAX = 256 * 1024 * 1024, ERROR_MAX = 64 * 1024 };

struct settings *command_settings(const struct command_line *line)
{
    struct buf error = buf_make(ERROR_MAX);
    struct settings *settings = settings_file_load(line->config, &error, NULL);

    if (!settings)
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
    buf_free(&error);
    return settings;
}

static bool socket_path(const struct command_line *line, char *to, size_t size)
{
    if (line->control)
        return str_copy(to, size, str_from(line->control));
    struct settings *settings = command_settings(line);
    if (!settings)
        return false;
    int n = snprintf(to, size, "%s/control", setting_text(settings_system(settings), SETTING_run_directory));
    settings_unref(settings);
    return n > 0 && (size_t)n < size;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (!str_copy(address.sun_path, sizeof address.sun_path, str_from(path))) {
        errno = ENAMETOOLONG;
        close(fd);
        return -1;
    }
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

static bool read_all(int fd, struct buf *into)
{
    char piece[16384];
    ssize_t n;

    while ((n = read(fd, piece, sizeof piece)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || !buf_add(into, piece, (size_t)n))
            return false;
    }
    return true;
}

json_t *control_ask(const struct command_line *line, const json_t *request)
{
    char path[200];
    struct buf answer = buf_make(ANSWER_MAX);
    json_error_t trouble;
    json_t *result = NULL;

    if (!socket_path(line, path, sizeof path))
        return NULL;
    char *text = json_dumps(request, JSON_COMPACT);
    int fd = connect_to(path);
    if (fd < 0) {
        fprintf(stderr, "postern: %s: %s (is the gateway running?)\n", path, strerror(errno));
        free(text);
        return NULL;
    }
    if (text && file_write_all(fd, text, strlen(text)) && file_write_all(fd, "\n", 1) && read_all(fd, &answer))
        result = json_loadb(answer.at, answer.len, 0, &trouble);
    if (!result)
        fprintf(stderr, "postern: %s: no valid answer\n", path);
    close(fd);
    free(text);
    buf_free(&answer);
    return result;
}

bool control_is_ok(const json_t *result)
{
    if (json_is_true(json_object_get(result, "ok")))
        return true;
    const char *why = json_string_value(json_object_get(result, "error"));
    if (result)
        fprintf(stderr, "postern: %s\n", why ? why : "the gateway refused");
    return false;
}

void print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_SORT_KEYS);
    putchar('\n');
}
