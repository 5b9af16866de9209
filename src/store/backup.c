/* backup.c: see backup.h. */
#include "store/backup.h"

#include "base/file.h"
#include "base/clock.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What SQLite keeps beside a database. */
static const char *const beside[] = {"-wal", "-shm", "-journal"};
enum { BESIDE = sizeof beside / sizeof *beside };

static bool failed(struct buf *error, const char *path, const char *why)
{
    buf_addf(error, "%s: %s", path, why);
    return false;
}

static bool join(char to[STORE_PATH_MAX], const char *path, const char *suffix, struct buf *error)
{
    int n = snprintf(to, STORE_PATH_MAX, "%s%s", path, suffix);

    return (n > 0 && n < STORE_PATH_MAX) || failed(error, path, strerror(ENAMETOOLONG));
}

static void remove_all(const char *path)
{
    char other[STORE_PATH_MAX + 16];

    unlink(path);
    for (size_t i = 0; i < BESIDE; i++) {
        snprintf(other, sizeof other, "%s%s", path, beside[i]);
        unlink(other);
    }
}

static bool sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    bool fine = fd >= 0 && fsync(fd) == 0;
    int why = errno;

    if (fd >= 0)
        close(fd);
    errno = why;
    return fine;
}

/* Is there something at PATH that a backup must not replace? */
static bool is_no_place(const char *path, struct buf *error)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno != ENOENT && !failed(error, path, strerror(errno));
    return !S_ISREG(st.st_mode) && !failed(error, path, "is there, and no file");
}

bool store_backup(struct db *d, const char *path, struct buf *error)
{
    char part[STORE_PATH_MAX];

    if (is_no_place(path, error) || !join(part, path, ".part", error))
        return false;
    remove_all(part);
    if (db_backup(d, part) != DB_OK) {
        remove_all(part);
        return failed(error, part, db_error(d));
    }
    if (sync_path(part, 0) && rename(part, path) == 0 && file_sync_folder_of(path))
        return true;
    failed(error, path, strerror(errno));
    remove_all(part);
    return false;
}

static bool format_is_known(struct db *d, const char *path, struct buf *error)
{
    int64_t format = schema_format(d);

    if (format <= 0)
        return failed(error, path, "is no store of this program");
    if (format <= schema_format_count)
        return true;
    buf_addf(error, "%s: its format (%lld) is newer than this program's (%d)", path, (long long)format, schema_format_count);
    return false;
}

static bool copy_checked(const char *from, const char *to, struct buf *error)
{
    struct stat st;

    if (stat(from, &st) < 0 || !S_ISREG(st.st_mode))
        return failed(error, from, st.st_mode ? "is no file" : strerror(errno));
    struct db *d = db_open_reader(from, error);
    if (!d)
        return false;
    bool fine = db_check(d) == DB_OK || failed(error, from, db_error(d));
    fine = fine && format_is_known(d, from, error);
    fine = fine && (db_backup(d, to) == DB_OK || failed(error, to, db_error(d)));
    db_close(&d);
    return fine;
}

static bool note(struct db *d, const struct audit_row *audit)
{
    bool fine = db_begin(d) == DB_OK && audit_add(d, audit, NULL) == DB_OK && schema_touch(d) == DB_OK && db_commit(d) == DB_OK;

    if (!fine)
        db_rollback(d);
    return fine;
}

/* BACKUP's store as a file of its own, ready to take the place of the present one. */
static bool prepare(const char *backup, const char *to, const struct audit_row *audit, struct buf *error)
{
    if (!copy_checked(backup, to, error))
        return false;
    struct db *d = db_open(to, error);
    bool fine = d && schema_migrate(d, error);
    fine = fine && ((note(d, audit) && db_settle(d) == DB_OK) || failed(error, to, db_error(d)));
    db_close(&d);
    return fine && ((store_give_to_owner(to) && sync_path(to, 0)) || failed(error, to, strerror(errno)));
}

/* The present store as one file that nobody uses. One that is too broken to be opened is moved as it is. */
static bool settle(const char *path, struct buf *error)
{
    struct buf ignored = buf_make(1000);
    struct db *d = db_open(path, &ignored);
    bool is_used = d && db_settle(d) == DB_BUSY;

    db_close(&d);
    buf_free(&ignored);
    return !is_used || failed(error, path, "somebody has the store open: stop the gateway first");
}

static bool name_for_old(const char *path, char to[STORE_PATH_MAX], struct buf *error)
{
    char suffix[64];
    time_t now_s = (time_t)(clock_wall_ms() / 1000);
    struct tm utc;

    gmtime_r(&now_s, &utc);
    for (int i = 0; i < 100; i++) {
        size_t len = strftime(suffix, sizeof suffix, ".before-%Y%m%dT%H%M%SZ", &utc);
        if (i)
            snprintf(suffix + len, sizeof suffix - len, "-%d", i);
        if (!join(to, path, suffix, error))
            return false;
        if (access(to, F_OK) < 0)
            return true;
    }
    return failed(error, to, strerror(EEXIST));
}

static bool move_aside(const char *path, char kept[STORE_PATH_MAX], struct buf *error)
{
    char from[STORE_PATH_MAX + 16], to[STORE_PATH_MAX + 16];

    *kept = '\0';
    if (access(path, F_OK) < 0)
        return errno == ENOENT || failed(error, path, strerror(errno));
    if (!settle(path, error) || !name_for_old(path, kept, error))
        return false;
    for (size_t i = 0; i < BESIDE; i++) { /* of a broken one */
        snprintf(from, sizeof from, "%s%s", path, beside[i]);
        snprintf(to, sizeof to, "%s%s", kept, beside[i]);
        if (rename(from, to) < 0 && errno != ENOENT)
            return failed(error, from, strerror(errno));
    }
    return rename(path, kept) == 0 || failed(error, path, strerror(errno));
}

bool store_restore(const char *backup, const char *path, const struct audit_row *audit, char kept[STORE_PATH_MAX], struct buf *error)
{
    char part[STORE_PATH_MAX];

    *kept = '\0';
    if (!join(part, path, ".restoring", error))
        return false;
    remove_all(part);
    bool fine = prepare(backup, part, audit, error) && move_aside(path, kept, error);
    if (fine && rename(part, path) < 0) {
        fine = failed(error, path, strerror(errno));
        if (*kept && rename(kept, path) < 0)
            buf_addf(error, "; the store before is %s", kept);
    }
    if (fine && !file_sync_folder_of(path))
        fine = failed(error, path, strerror(errno));
    remove_all(part);
    return fine;
}
