/*
 * sandbox_landlock.c: which files a process may touch, which ports, whom it may signal. By raw system calls and with the numbers
 * written out: Debian 12's headers end at version 2, its kernels and newer ones know more.
 */
#include "scan/sandbox_parts.h"

#include "base/log.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From the kernel's uapi/linux/landlock.h; the comment names the version that brought it. */
#define FS_EXECUTE     (UINT64_C(1) << 0)
#define FS_WRITE_FILE  (UINT64_C(1) << 1)
#define FS_READ_FILE   (UINT64_C(1) << 2)
#define FS_READ_DIR    (UINT64_C(1) << 3)
#define FS_REMOVE_DIR  (UINT64_C(1) << 4)
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_MAKE_DIR    (UINT64_C(1) << 7)
#define FS_MAKE_REG    (UINT64_C(1) << 8)
#define FS_MAKE_SOCK   (UINT64_C(1) << 9)
#define FS_ALL_1       ((UINT64_C(1) << 13) - 1)
#define FS_REFER       (UINT64_C(1) << 13) /* 2: rename and link between folders */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* 3 */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15) /* 5 */
#define NET_BIND_TCP    (UINT64_C(1) << 0) /* 4 */
#define NET_CONNECT_TCP (UINT64_C(1) << 1) /* 4 */
#define SCOPE_ABSTRACT_UNIX (UINT64_C(1) << 0) /* 6 */
#define SCOPE_SIGNAL        (UINT64_C(1) << 1) /* 6 */

#define MAY_READ  (FS_READ_FILE | FS_READ_DIR)
#define MAY_WRITE (MAY_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK | FS_REFER | FS_TRUNCATE)
#define ON_A_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

enum { RULE_PATH_BENEATH = 1, RULE_NET_PORT = 2, GET_VERSION = 1 };

struct ruleset_attr {
    uint64_t handled_access_fs, handled_access_net, scoped;
};
struct path_beneath_attr {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));
struct net_port_attr {
    uint64_t allowed_access, port;
};

int landlock_version(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
    return version < 0 ? 0 : (int)version;
}

/* What the role has to ask for; whatever is in here is forbidden unless a rule allows it. */
static struct ruleset_attr handled_by(enum sandbox_role role)
{
    struct ruleset_attr all = {.handled_access_fs = FS_ALL_1 | FS_REFER | FS_TRUNCATE | FS_IOCTL_DEV,
                               .handled_access_net = NET_BIND_TCP | NET_CONNECT_TCP,
                               .scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL};

    if (role == SANDBOX_RELAY)
        all.handled_access_net = NET_BIND_TCP; /* it delivers to any port that a route names */
    if (role == SANDBOX_MASTER) { /* its children inherit this: it may forbid only what all of them must not */
        all.handled_access_fs &= ~MAY_READ;
        all.handled_access_net = 0;
        all.scoped = SCOPE_SIGNAL;
    }
    return all;
}

static void trim_to_version(struct ruleset_attr *a, int version)
{
    if (version < 2)
        a->handled_access_fs &= ~FS_REFER;
    if (version < 3)
        a->handled_access_fs &= ~FS_TRUNCATE;
    if (version < 4)
        a->handled_access_net = 0;
    if (version < 5)
        a->handled_access_fs &= ~FS_IOCTL_DEV;
    if (version < 6)
        a->scoped = 0;
}

/* A path that is not there cannot be touched either, which is no trouble of ours. */
static bool allow_path(int ruleset, const char *path, uint64_t access)
{
    struct stat st;
    struct path_beneath_attr rule = {.parent_fd = open(path, O_PATH | O_CLOEXEC)};

    if (rule.parent_fd < 0) {
        log_debug("sandbox: %s: %s", path, strerror(errno));
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR;
    }
    bool is_folder = fstat(rule.parent_fd, &st) == 0 && S_ISDIR(st.st_mode);
    rule.allowed_access = is_folder ? access : access & ON_A_FILE;
    bool added = rule.allowed_access == 0 || syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0;
    int why = errno;
    close(rule.parent_fd);
    errno = why;
    return added;
}

static bool allow_paths(int ruleset, const struct sandbox_paths *paths, uint64_t handled)
{
    for (size_t i = 0; i < paths->read_count; i++)
        if (!allow_path(ruleset, paths->read[i], MAY_READ & handled))
            return false;
    for (size_t i = 0; i < paths->write_count; i++)
        if (!allow_path(ruleset, paths->write[i], MAY_WRITE & handled))
            return false;
    return true;
}

/* Copies the path of the program's ELF interpreter, which execve() opens as well; "" for a static program. */
static int find_interpreter(struct dl_phdr_info *info, size_t size, void *arg)
{
    const char **path = arg;

    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_INTERP)
            *path = (const char *)(uintptr_t)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    return 1; /* the first object is the program itself */
}

static bool allow_own_program(int ruleset)
{
    const char *interpreter = NULL;

    dl_iterate_phdr(find_interpreter, &interpreter);
    return allow_path(ruleset, "/proc/self/exe", FS_EXECUTE) && (!interpreter || allow_path(ruleset, interpreter, FS_EXECUTE));
}

/* Port 0 lets the kernel choose, as a connection from a given source address does. */
static bool allow_any_free_port(int ruleset)
{
    const struct net_port_attr rule = {.allowed_access = NET_BIND_TCP, .port = 0};
    return syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) == 0;
}

static bool add_rules(int ruleset, enum sandbox_role role, const struct sandbox_paths *paths, const struct ruleset_attr *handled)
{
    if (role == SANDBOX_SCAN)
        return true; /* nothing at all */
    if (!allow_paths(ruleset, paths, handled->handled_access_fs))
        return false;
    if (SANDBOX_IS_RELAXED && role != SANDBOX_MASTER && !allow_path(ruleset, "/proc", MAY_READ))
        return false; /* where the leak check finds the threads */
    if (role == SANDBOX_MASTER)
        return allow_own_program(ruleset);
    return role != SANDBOX_RELAY || !handled->handled_access_net || allow_any_free_port(ruleset);
}

bool landlock_confine(enum sandbox_role role, const struct sandbox_paths *paths)
{
    struct ruleset_attr handled = handled_by(role);

    trim_to_version(&handled, landlock_version());
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (ruleset < 0)
        return false;
    bool confined = add_rules(ruleset, role, paths, &handled) && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    int why = errno;
    close(ruleset);
    errno = why;
    return confined;
}
