/* backup.c: `postern backup`, `postern restore`. */
#include "cli/command.h"

#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

enum { ERROR_MAX = 4000 };

static int wants_file(const struct command_line *line)
{
    fprintf(stderr, "postern: %s wants the name of one file\n", line->noun);
    return EX_USAGE;
}

static bool same_file(const char *a, const char *b)
{
    struct stat first, second;

    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static int done(bool fine, const struct buf *error)
{
    if (!fine)
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(error)));
    return fine ? EX_OK : EX_UNAVAILABLE;
}

/* The store as it stands, not brought to another format: that is the gateway's to do. */
int backup_main(const struct command_line *line)
{
    char path[STORE_PATH_MAX];
    struct buf error = buf_make(ERROR_MAX);

    if (line->words != 1)
        return wants_file(line);
    struct settings *settings = command_settings(line);
    if (!settings)
        return EX_CONFIG;
    store_path(settings_system(settings), path);
    settings_unref(settings);
    if (access(path, F_OK) < 0) {
        fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
        return EX_NOINPUT;
    }
    if (same_file(path, line->word[0])) {
        fprintf(stderr, "postern: %s is the store itself\n", line->word[0]);
        return EX_USAGE;
    }
    struct db *d = db_open(path, &error);
    bool fine = d && store_backup(d, line->word[0], &error);
    db_close(&d);
    int code = done(fine, &error);
    buf_free(&error);
    return code;
}

/* Keeps a gateway from starting meanwhile; -1 where one runs, after saying so. The file stays: one that was taken away under a lock could be locked twice. */
static int lock_gateway(const struct policy *system)
{
    char path[STORE_PATH_MAX];

    snprintf(path, sizeof path, "%s/postern.pid", setting_text(system, SETTING_run_directory));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (fd < 0)
        fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
    else
        fprintf(stderr, "postern: the gateway runs: stop it first (%s)\n", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

static int restore(const struct command_line *line, const struct policy *system)
{
    char path[STORE_PATH_MAX], kept[STORE_PATH_MAX], actor[COMMAND_ACTOR_MAX];
    struct buf error = buf_make(ERROR_MAX);
    struct audit_row audit = command_audit(line, "store-restore", actor);

    audit.object = str_from(line->word[0]);
    int code = done(store_restore(line->word[0], store_path(system, path), &audit, kept, &error), &error);
    if (*kept && code == EX_OK)
        printf("the store before is kept as %s\n", kept);
    buf_free(&error);
    return code;
}

int restore_main(const struct command_line *line)
{
    struct stat st;

    if (line->words != 1)
        return wants_file(line);
    struct settings *settings = command_settings(line);
    if (!settings)
        return EX_CONFIG;
    const struct policy *system = settings_system(settings);
    bool never_ran = stat(setting_text(system, SETTING_run_directory), &st) < 0 && errno == ENOENT;
    int lock = never_ran ? -1 : lock_gateway(system);
    int code = never_ran || lock >= 0 ? restore(line, system) : EX_TEMPFAIL;
    if (lock >= 0)
        close(lock);
    settings_unref(settings);
    return code;
}
