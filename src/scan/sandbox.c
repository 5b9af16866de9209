/*
 * sandbox.c: see sandbox.h. Order matters: limits and capabilities while the calls for them are still there, Landlock before seccomp
 * forbids even that, seccomp last.
 *
 *             files                          network                      processes            memory, limits
 *   scan      none                           none                         none                 ceiling, never executable, no new files
 *   relay     reads what it is given,        connects; binds no port      threads only, no     never executable
 *             writes in spool, state, run,   of its own choice            exec, no signals
 *             log
 *   console   writes in the store's folder   what it inherits, and the    as relay             never executable
 *                                            relay's UNIX socket
 *   master    reads; writes in the relay's   all                          starts this program  –
 *             folders                                                     and no other
 */
#include "scan/sandbox_parts.h"

#include "base/log.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SCAN_MOST_FILES = 64 };

static bool limit(int resource, rlim_t value)
{
    struct rlimit l;

    if (getrlimit((__rlimit_resource_t)resource, &l) < 0)
        return false;
    if (l.rlim_max != RLIM_INFINITY && l.rlim_max < value)
        value = l.rlim_max;
    l.rlim_cur = l.rlim_max = value;
    return setrlimit((__rlimit_resource_t)resource, &l) == 0;
}

/* A core would carry mail and keys to the disk; a log file that is standard error must not end a scan process by SIGXFSZ. */
static bool set_limits(enum sandbox_role role, uint64_t memory_limit)
{
    if (!limit(RLIMIT_CORE, 0))
        return false;
    if (memory_limit && !SANDBOX_IS_RELAXED && !limit(RLIMIT_AS, (rlim_t)memory_limit))
        return false;
    if (role != SANDBOX_SCAN)
        return true;
    signal(SIGXFSZ, SIG_IGN);
    return limit(RLIMIT_NOFILE, SCAN_MOST_FILES) && limit(RLIMIT_NPROC, 0) && limit(RLIMIT_FSIZE, 0);
}

/* A root that is needed for nothing but becoming somebody else, ending children and reading keys. Others need none of root's powers. */
static bool drop_capabilities(enum sandbox_role role)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    uint32_t keep = role == SANDBOX_MASTER ? 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_KILL | 1U << CAP_DAC_READ_SEARCH : 0;

    if (syscall(SYS_capget, &head, sets) < 0)
        return false;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        uint32_t mask = i == 0 ? keep : 0; /* those kept are all below 32 */
        sets[i].effective &= mask;
        sets[i].permitted &= mask;
        sets[i].inheritable = 0;
    }
    return syscall(SYS_capset, &head, sets) == 0;
}

bool sandbox_enter(enum sandbox_role role, const struct sandbox_paths *paths, uint64_t memory_limit)
{
    if (SANDBOX_IS_RELAXED)
        log_info("a sanitizer build: the sandbox leaves its runtime what it needs, do not put it into service");
    if (landlock_version() == 0)
        log_warning("this kernel has no Landlock: files are guarded by permissions%s alone",
                    role == SANDBOX_SCAN ? " and the system call filter" : "");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || !set_limits(role, memory_limit))
        return false;
    if (landlock_version() > 0 && !landlock_confine(role, paths))
        return false;
    return drop_capabilities(role) && seccomp_confine(role);
}
