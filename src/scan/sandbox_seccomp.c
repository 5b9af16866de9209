/*
 * sandbox_seccomp.c: which system calls a process may make. Scan has a list of what it may, and dies of anything else. The others use
 * libraries that call for much, so they have a list of what they must not, and get EPERM.
 */
#include "scan/sandbox_parts.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* What reading a message takes: the socket, memory, the clock, and an end. */
static const int scan_may[] = {
    SCMP_SYS(recvmsg),        SCMP_SYS(sendmsg),   SCMP_SYS(read),          SCMP_SYS(poll),       SCMP_SYS(ppoll),
    SCMP_SYS(close),          SCMP_SYS(lseek),     SCMP_SYS(munmap),        SCMP_SYS(mremap),     SCMP_SYS(madvise),
    SCMP_SYS(brk),            SCMP_SYS(futex),     SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
    SCMP_SYS(getpid),         SCMP_SYS(gettid),    SCMP_SYS(getrandom),     SCMP_SYS(sched_yield),
    SCMP_SYS(restart_syscall), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction), SCMP_SYS(sigaltstack),
    SCMP_SYS(exit),           SCMP_SYS(exit_group), SCMP_SYS(shutdown),
};

/* What none of the others has any business with. */
static const int nobody_may[] = {
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise), SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount),
    SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr),
    SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(reboot), SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(unshare), SCMP_SYS(setns),
    SCMP_SYS(personality), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(adjtimex),
    SCMP_SYS(clock_adjtime), SCMP_SYS(ioperm), SCMP_SYS(iopl), SCMP_SYS(modify_ldt), SCMP_SYS(lookup_dcookie), SCMP_SYS(nfsservctl),
    SCMP_SYS(vhangup), SCMP_SYS(syslog), SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at), SCMP_SYS(mknod), SCMP_SYS(mknodat),
};

/* What the master does and its children do not. */
static const int master_only[] = {
    SCMP_SYS(execve),  SCMP_SYS(execveat),  SCMP_SYS(fork),     SCMP_SYS(vfork),     SCMP_SYS(setuid),    SCMP_SYS(setgid),
    SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(capset),
    SCMP_SYS(tkill),   SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(rt_tgsigqueueinfo),
};

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define REFUSE SCMP_ACT_ERRNO(EPERM)
enum { TYPE_INTO_TERMINAL = 0x5412 /* TIOCSTI */, TERMINAL_LINUX = 0x541C };

static int add_list(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int trouble = seccomp_rule_add(filter, action, calls[i], 0);
        if (trouble < 0)
            return trouble;
    }
    return 0;
}

static int first_of(const int *results, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (results[i] < 0)
            return results[i];
    return 0;
}

static int fill_scan(scmp_filter_ctx filter)
{
    const int results[] = {
        add_list(filter, SCMP_ACT_ALLOW, scan_may, COUNT(scan_may)),
        /* memory is never made executable */
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)),
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)),
        /* words for the operator */
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(write), 1, SCMP_A0(SCMP_CMP_EQ, STDERR_FILENO)),
        /* abort() */
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())),
    };
    return first_of(results, COUNT(results));
}

static bool family_is_allowed(enum sandbox_role role, int family)
{
    if (family == AF_UNIX)
        return true;
    return role != SANDBOX_CONSOLE && (family == AF_INET || family == AF_INET6 || family == AF_NETLINK);
}

static int refuse_socket_families(scmp_filter_ctx filter, enum sandbox_role role)
{
    for (int family = 0; family <= AF_NETLINK; family++) {
        if (family_is_allowed(role, family))
            continue;
        int trouble = seccomp_rule_add(filter, REFUSE, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
        if (trouble < 0)
            return trouble;
    }
    return seccomp_rule_add(filter, REFUSE, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_NETLINK));
}

static int refuse_namespaces(scmp_filter_ctx filter)
{
    static const scmp_datum_t spaces[] = {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET};

    for (size_t i = 0; i < COUNT(spaces); i++) {
        int trouble = seccomp_rule_add(filter, REFUSE, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, spaces[i], spaces[i]));
        if (trouble < 0)
            return trouble;
    }
    /* its flags stand in memory, where no filter looks; the C library then uses clone() */
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int refuse_to_children(scmp_filter_ctx filter)
{
    const scmp_datum_t self = (scmp_datum_t)getpid(), both = PROT_WRITE | PROT_EXEC;
    const int results[] = {
        add_list(filter, REFUSE, master_only, COUNT(master_only)),
        /* threads, but no processes */
        SANDBOX_IS_RELAXED ? 0 : seccomp_rule_add(filter, REFUSE, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)),
        /* signals to nobody else */
        SANDBOX_IS_RELAXED ? 0 : seccomp_rule_add(filter, REFUSE, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_NE, self)),
        seccomp_rule_add(filter, REFUSE, SCMP_SYS(tgkill), 1, SCMP_A0(SCMP_CMP_NE, self)),
        /* no code that did not come from a file */
        seccomp_rule_add(filter, REFUSE, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, both, both)),
        seccomp_rule_add(filter, REFUSE, SCMP_SYS(mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)),
        seccomp_rule_add(filter, REFUSE, SCMP_SYS(pkey_mprotect), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)),
    };
    return first_of(results, COUNT(results));
}

static int fill_others(scmp_filter_ctx filter, enum sandbox_role role)
{
    /* the leak check of a sanitizer build begins with ptrace() */
    const size_t from = SANDBOX_IS_RELAXED ? 1 : 0;
    const int results[] = {
        add_list(filter, REFUSE, nobody_may + from, COUNT(nobody_may) - from),
        seccomp_rule_add(filter, REFUSE, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TYPE_INTO_TERMINAL)),
        seccomp_rule_add(filter, REFUSE, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TERMINAL_LINUX)),
        refuse_socket_families(filter, role),
        refuse_namespaces(filter),
        role == SANDBOX_MASTER ? 0 : refuse_to_children(filter),
    };
    return first_of(results, COUNT(results));
}

bool seccomp_confine(enum sandbox_role role)
{
    const uint32_t otherwise = role != SANDBOX_SCAN ? SCMP_ACT_ALLOW : SANDBOX_IS_RELAXED ? REFUSE : SCMP_ACT_KILL_PROCESS;
    scmp_filter_ctx filter = seccomp_init(otherwise);

    if (!filter) {
        errno = ENOMEM;
        return false;
    }
    int trouble = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (trouble == 0)
        trouble = role == SANDBOX_SCAN ? fill_scan(filter) : fill_others(filter, role);
    if (trouble == 0)
        trouble = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (trouble == 0)
        trouble = seccomp_load(filter);
    seccomp_release(filter);
    errno = -trouble;
    return trouble == 0;
}
