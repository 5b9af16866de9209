/* open.c: see open.h. */
#include "store/open.h"

#include "store/schema.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *store_path(const struct policy *system, char to[STORE_PATH_MAX])
{
    const char *set = setting_text(system, SETTING_store);

    if (*set)
        snprintf(to, STORE_PATH_MAX, "%s", set);
    else
        snprintf(to, STORE_PATH_MAX, "%s/store.db", setting_text(system, SETTING_state_directory));
    return to;
}

/* SQLite gives its other files to the owner of the database itself. */
bool store_give_to_owner(const char *path)
{
    char folder[STORE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    struct stat of_folder, of_file;

    if (geteuid() != 0)
        return true;
    str_copy(folder, sizeof folder, slash ? str_n(path, (size_t)(slash - path)) : STR("."));
    if (stat(*folder ? folder : "/", &of_folder) < 0 || lstat(path, &of_file) < 0)
        return false;
    return of_file.st_uid == of_folder.st_uid || of_file.st_uid != 0 || lchown(path, of_folder.st_uid, of_folder.st_gid) == 0;
}

const char *store_folder(const struct policy *system, char to[STORE_PATH_MAX])
{
    char *slash = strrchr(store_path(system, to), '/') ? strrchr(to, '/') : NULL;

    if (!slash)
        str_copy(to, STORE_PATH_MAX, STR("."));
    else
        slash[slash == to] = '\0';
    return to;
}

struct db *store_open(const struct policy *system, struct buf *error)
{
    char path[STORE_PATH_MAX];
    struct db *d = db_open(store_path(system, path), error);

    if (!d)
        return NULL;
    if (!store_give_to_owner(path)) {
        buf_addf(error, "%s: cannot be given to the owner of its folder", path);
        db_close(&d);
        return NULL;
    }
    if (!schema_migrate(d, error))
        db_close(&d);
    return d;
}
