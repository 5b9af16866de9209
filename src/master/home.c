/* home.c: whom the children run as, the folders they work in, the pid file, and the master's own walls. */
#include "master/parts.h"

#include "base/log.h"
#include "scan/sandbox.h"
#include "store/open.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

bool identity_find(struct identity *id, const struct policy *p, struct buf *error)
{
    const char *name = setting_text(p, SETTING_user);

    *id = (struct identity){.uid = getuid(), .gid = getgid()};
    if (geteuid() != 0)
        return true; /* whoever started us has chosen already */
    if (!*name || strcmp(name, "root") == 0) {
        log_warning("user is %s: all processes run as root, though without its powers", *name ? name : "empty");
        return true;
    }
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (!entry) {
        buf_addf(error, "user: %s: %s\n", name, errno ? strerror(errno) : "there is no such user on this host");
        return false;
    }
    *id = (struct identity){.switches = true, .uid = entry->pw_uid, .gid = entry->pw_gid};
    return str_copy(id->name, sizeof id->name, str_from(name));
}

bool identity_take(const struct identity *id)
{
    if (!id->switches)
        return true;
    if (setgroups(1, &id->gid) < 0 || setgid(id->gid) < 0 || setuid(id->uid) < 0)
        return false;
    if (setuid(0) == 0) { /* it must not be undone */
        errno = EPERM;
        return false;
    }
    return true;
}

/* The folders above PATH, as mkdir -p makes them. */
static bool make_parents(const char *path)
{
    char part[PATH_MAX];

    if (!str_copy(part, sizeof part, str_from(path)))
        return false;
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return false;
        *slash = '/';
    }
    return true;
}

/* OURS: nobody else works in it, so one that root has made beforehand is handed over. */
static bool make_folder(const char *path, uid_t owner, gid_t group, mode_t mode, bool ours, struct buf *error)
{
    struct stat st;
    bool made = make_parents(path) && mkdir(path, mode) == 0;

    if ((!made && errno != EEXIST) || stat(path, &st) < 0) {
        buf_addf(error, "%s: %s\n", path, strerror(errno));
        return false;
    }
    if (!S_ISDIR(st.st_mode)) {
        buf_addf(error, "%s is not a folder\n", path);
        return false;
    }
    bool hand_over = made || (ours && geteuid() == 0 && st.st_uid == 0 && (owner != 0 || group != st.st_gid));
    if (!hand_over || (chmod(path, mode) == 0 && (geteuid() != 0 || chown(path, owner, group) == 0)))
        return true;
    buf_addf(error, "%s: %s\n", path, strerror(errno));
    return false;
}

static bool folder_of(const char *file, char to[PATH_MAX])
{
    const char *slash = strrchr(file, '/');

    if (!slash || slash == file)
        return false;
    return str_copy(to, PATH_MAX, str_n(file, (size_t)(slash - file)));
}

/* The control socket of the run folder is open to root and to the group: who is in it may steer the gateway. */
bool folders_make(const struct identity *id, const struct policy *p, struct buf *error)
{
    static const enum setting logs[] = {SETTING_log_json, SETTING_log_text};
    char folder[PATH_MAX];
    uid_t run_owner = id->switches ? 0 : id->uid;
    bool fine = make_folder(setting_text(p, SETTING_state_directory), id->uid, id->gid, 0750, true, error);

    fine = make_folder(setting_text(p, SETTING_spool_directory), id->uid, id->gid, 0700, true, error) && fine;
    fine = make_folder(setting_text(p, SETTING_run_directory), run_owner, id->gid, 0770, true, error) && fine;
    if (*setting_text(p, SETTING_store) && folder_of(setting_text(p, SETTING_store), folder))
        fine = make_folder(folder, id->uid, id->gid, 0750, false, error) && fine;
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++)
        if (folder_of(setting_text(p, logs[i]), folder))
            fine = make_folder(folder, id->uid, id->gid, 0750, false, error) && fine;
    return fine;
}

static void pid_file_path(const struct policy *p, char to[PATH_MAX])
{
    snprintf(to, PATH_MAX, "%s/postern.pid", setting_text(p, SETTING_run_directory));
}

int pid_file_open(const struct policy *p, struct buf *error)
{
    char path[PATH_MAX], number[32];

    pid_file_path(p, path);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0) {
        buf_addf(error, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        ssize_t n = pread(fd, number, sizeof number - 1, 0);
        buf_addf(error, "%s: another gateway runs here, process %.*s\n", path, (int)(n > 1 ? n - 1 : 0), number);
        close(fd);
        return -1;
    }
    int n = snprintf(number, sizeof number, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, number, (size_t)n, 0) != n) {
        buf_addf(error, "%s: %s\n", path, strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

void pid_file_remove(int fd, const struct policy *p)
{
    char path[PATH_MAX];

    pid_file_path(p, path);
    if (unlink(path) < 0 && ftruncate(fd, 0) < 0)
        log_warning("%s stays behind: %s", path, strerror(errno));
    close(fd);
}

/* The children inherit these walls, so their folders must be open here too. */
bool master_confine(const struct policy *p)
{
    const char *write[8] = {setting_text(p, SETTING_state_directory), setting_text(p, SETTING_spool_directory),
                            setting_text(p, SETTING_run_directory), "/dev/null"};
    char json[PATH_MAX], text[PATH_MAX], store[STORE_PATH_MAX];
    size_t count = 4;

    if (folder_of(setting_text(p, SETTING_log_json), json))
        write[count++] = json;
    if (folder_of(setting_text(p, SETTING_log_text), text))
        write[count++] = text;
    write[count++] = store_folder(p, store);
    const struct sandbox_paths paths = {.write = write, .write_count = count};
    return sandbox_enter(SANDBOX_MASTER, &paths, 0);
}
