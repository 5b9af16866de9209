/*
 * sandbox_self_test.c: the proof of sandbox.h: each act is tried in a child of its own that has entered the sandbox, and must end in a refusal,
 * or in success where the process needs it. Acts are chosen so that a sandbox with a hole does no harm by them.
 */
#include "scan/sandbox_parts.h"

#include "base/packet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SCAN = 1 << SANDBOX_SCAN, RELAY = 1 << SANDBOX_RELAY, CONSOLE = 1 << SANDBOX_CONSOLE, MASTER = 1 << SANDBOX_MASTER };
enum { CHILDREN = SCAN | RELAY | CONSOLE, ALL = CHILDREN | MASTER };
enum { NEEDS_FILES = 1, NEEDS_PORTS = 4, NEEDS_SCOPES = 6 }; /* versions of Landlock */
enum { PATIENCE_S = 20, STACK_BYTES = 256 * 1024 };
#define SCAN_MEMORY (UINT64_C(512) << 20)

struct scene {
    char root[64], writable[80], key[80];
    struct sockaddr_in listening; /* a port of the parent's */
    int listener, tcp, pair[2], message;
};

typedef int act(const struct scene *s); /* -1 with errno: refused */

static int open_and_close(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : close(fd);
}

static int act_open_passwd(const struct scene *s)
{
    (void)s;
    return open_and_close("/etc/passwd", O_RDONLY);
}

static int act_open_key(const struct scene *s)
{
    return open_and_close(s->key, O_RDONLY);
}

static int act_create(const struct scene *s)
{
    char path[96];
    snprintf(path, sizeof path, "%s/made", s->root);
    return open_and_close(path, O_WRONLY | O_CREAT);
}

static int act_overwrite(const struct scene *s)
{
    return open_and_close(s->key, O_WRONLY);
}

static int act_write_in_spool(const struct scene *s)
{
    char path[96], other[96];
    snprintf(path, sizeof path, "%s/new", s->writable);
    snprintf(other, sizeof other, "%s/renamed", s->writable);
    if (open_and_close(path, O_RDWR | O_CREAT | O_TRUNC) < 0 || rename(path, other) < 0)
        return -1;
    return unlink(other);
}

static int act_list_root(const struct scene *s)
{
    (void)s;
    return open_and_close("/", O_RDONLY | O_DIRECTORY);
}

static int new_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    return fd < 0 ? -1 : close(fd);
}

static int act_socket_inet(const struct scene *s)
{
    (void)s;
    return new_socket(AF_INET, SOCK_STREAM);
}

static int act_socket_udp(const struct scene *s)
{
    (void)s;
    return new_socket(AF_INET6, SOCK_DGRAM);
}

static int act_socket_packet(const struct scene *s)
{
    (void)s;
    return new_socket(AF_PACKET, SOCK_RAW);
}

static int act_socket_unix(const struct scene *s)
{
    (void)s;
    return new_socket(AF_UNIX, SOCK_STREAM);
}

static int act_connect(const struct scene *s)
{
    return connect(s->tcp, (const struct sockaddr *)&s->listening, sizeof s->listening);
}

static int act_bind(const struct scene *s)
{
    struct sockaddr_in other = s->listening;
    other.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1); /* the parent's port, on 127.0.0.2 */
    return bind(s->tcp, (const struct sockaddr *)&other, sizeof other);
}

static int act_fork(const struct scene *s)
{
    (void)s;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? -1 : waitpid(pid, NULL, 0) < 0 ? -1 : 0;
}

static int act_execve(const struct scene *s)
{
    char *argv[] = {(char[]){"true"}, NULL}, *environment[] = {NULL};
    (void)s;
    return execve("/bin/true", argv, environment);
}

static int act_ptrace(const struct scene *s)
{
    (void)s;
    return ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) < 0 ? -1 : 0;
}

static int act_read_memory(const struct scene *s)
{
    char to[8];
    struct iovec here = {to, sizeof to}, there = {(void *)(uintptr_t)s, sizeof to};
    return process_vm_readv(getppid(), &here, 1, &there, 1, 0) < 0 ? -1 : 0;
}

static int act_kill(const struct scene *s)
{
    (void)s;
    return kill(getppid(), 0); /* asks only whether it might */
}

static int act_mount(const struct scene *s)
{
    return mount("none", s->writable, "tmpfs", MS_NOSUID, "size=4k");
}

static int act_unshare(const struct scene *s)
{
    (void)s;
    return unshare(CLONE_NEWUSER);
}

static int act_module(const struct scene *s)
{
    return (int)syscall(SYS_finit_module, s->message, "", 0);
}

static int act_bpf(const struct scene *s)
{
    (void)s;
    return (int)syscall(SYS_bpf, 0, NULL, 0);
}

static int act_keyctl(const struct scene *s)
{
    (void)s;
    return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0) < 0 ? -1 : 0;
}

static int act_personality(const struct scene *s)
{
    (void)s;
    return syscall(SYS_personality, 0xFFFFFFFF) < 0 ? -1 : 0;
}

static int act_io_uring(const struct scene *s)
{
    (void)s;
    return (int)syscall(SYS_io_uring_setup, 0, NULL);
}

static int act_chroot(const struct scene *s)
{
    return chroot(s->writable);
}

static int act_type_into_terminal(const struct scene *s)
{
    return ioctl(s->message, TIOCSTI, ""); /* not a terminal: ENOTTY is what an open door would say */
}

static int act_setuid(const struct scene *s)
{
    (void)s;
    return syscall(SYS_setuid, getuid()) < 0 ? -1 : 0;
}

static int act_core(const struct scene *s)
{
    const struct rlimit big = {1 << 20, 1 << 20};
    (void)s;
    return setrlimit(RLIMIT_CORE, &big);
}

static int act_execute_memory(const struct scene *s)
{
    (void)s;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return -1;
    return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int act_outgrow(const struct scene *s)
{
    (void)s;
    return mmap(NULL, SCAN_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED ? -1 : 0;
}

static int act_answer(const struct scene *s)
{
    return packet_send(s->pair[0], "report", 6, NULL, 1000) ? 0 : -1;
}

static int act_map_message(const struct scene *s)
{
    return mmap(NULL, 16, PROT_READ, MAP_PRIVATE, s->message, 0) == MAP_FAILED ? -1 : 0;
}

static void *nothing(void *arg)
{
    return arg;
}

static int act_thread(const struct scene *s)
{
    pthread_t thread;
    pthread_attr_t attributes;

    (void)s;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    errno = pthread_create(&thread, &attributes, nothing, NULL);
    if (errno)
        return -1;
    pthread_join(thread, NULL);
    return 0;
}

static const struct trial_row {
    const char *act;       /* begins with "may " where it must succeed */
    act *run;
    int roles;
    int landlock;          /* the version without which nothing refuses it; 0: the system call filter does */
    bool not_when_relaxed; /* sanitizer builds leave it open */
    int expected;          /* errno beside EPERM and EACCES */
} rows[] = {
    {"open /etc/passwd", act_open_passwd, SCAN | RELAY | CONSOLE, NEEDS_FILES, false, 0},
    {"read the TLS key file", act_open_key, SCAN | RELAY | CONSOLE, NEEDS_FILES, false, 0},
    {"list the root folder", act_list_root, SCAN | RELAY | CONSOLE, NEEDS_FILES, false, 0},
    {"create a file outside its folders", act_create, ALL, NEEDS_FILES, false, 0},
    {"open a file for writing", act_overwrite, ALL, NEEDS_FILES, false, 0},
    {"socket AF_INET", act_socket_inet, SCAN | CONSOLE, 0, false, 0},
    {"socket AF_INET6, UDP", act_socket_udp, SCAN | CONSOLE, 0, false, 0},
    {"socket AF_PACKET", act_socket_packet, ALL, 0, false, 0},
    {"socket AF_UNIX", act_socket_unix, SCAN, 0, false, 0},
    {"connect", act_connect, SCAN | CONSOLE, NEEDS_PORTS, false, 0},
    {"bind a port", act_bind, SCAN | RELAY | CONSOLE, NEEDS_PORTS, false, 0},
    {"fork", act_fork, SCAN | RELAY | CONSOLE, 0, true, 0},
    {"execve /bin/true", act_execve, SCAN | RELAY | CONSOLE, 0, false, 0},
    {"execve another program", act_execve, MASTER, NEEDS_FILES, false, 0},
    {"ptrace", act_ptrace, ALL, 0, true, 0},
    {"read another process's memory", act_read_memory, ALL, 0, false, 0},
    {"signal another process", act_kill, SCAN | RELAY | CONSOLE, 0, true, 0},
    {"signal a process not its child", act_kill, MASTER, NEEDS_SCOPES, false, 0},
    {"mount", act_mount, ALL, 0, false, 0},
    {"unshare", act_unshare, ALL, 0, false, 0},
    {"load a kernel module", act_module, ALL, 0, false, 0},
    {"bpf", act_bpf, ALL, 0, false, 0},
    {"keyctl", act_keyctl, ALL, 0, false, 0},
    {"personality", act_personality, ALL, 0, false, 0},
    {"io_uring", act_io_uring, ALL, 0, false, 0},
    {"chroot", act_chroot, ALL, 0, false, 0},
    {"type into the terminal", act_type_into_terminal, ALL, 0, false, 0},
    {"setuid", act_setuid, SCAN | RELAY | CONSOLE, 0, false, 0},
    {"allow core files", act_core, ALL, 0, false, 0},
    {"make memory executable", act_execute_memory, SCAN | RELAY | CONSOLE, 0, false, 0},
    {"outgrow its memory", act_outgrow, SCAN, 0, true, ENOMEM},
    {"may answer on its channel", act_answer, ALL, 0, false, 0},
    {"may map a message", act_map_message, ALL, 0, false, 0},
    {"may write in the spool", act_write_in_spool, RELAY | MASTER, 0, false, 0},
    {"may write beside the store", act_write_in_spool, CONSOLE, 0, false, 0},
    {"may open a UNIX socket", act_socket_unix, RELAY | CONSOLE | MASTER, 0, false, 0},
    {"may open a TCP socket", act_socket_inet, RELAY | MASTER, 0, false, 0},
    {"may connect", act_connect, RELAY | MASTER, 0, false, 0},
    {"may start a thread", act_thread, RELAY | CONSOLE | MASTER, 0, false, 0},
    {"may start a process", act_fork, MASTER, 0, false, 0},
    {"may read the TLS key file", act_open_key, MASTER, 0, false, 0},
    {"may bind a port", act_bind, MASTER, 0, false, 0},
};

static bool make_scene(struct scene *s)
{
    socklen_t size = sizeof s->listening;

    s->listening = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->message = memfd_create("message", MFD_CLOEXEC);
    snprintf(s->root, sizeof s->root, "/tmp/postern-selftest-XXXXXX");
    if (s->listener < 0 || s->message < 0 || ftruncate(s->message, 4096) < 0 || !mkdtemp(s->root))
        return false;
    snprintf(s->writable, sizeof s->writable, "%s/spool", s->root);
    snprintf(s->key, sizeof s->key, "%s/key.pem", s->root);
    return mkdir(s->writable, 0700) == 0 && open_and_close(s->key, O_WRONLY | O_CREAT) == 0 && packet_pair(s->pair) &&
           bind(s->listener, (const struct sockaddr *)&s->listening, sizeof s->listening) == 0 && listen(s->listener, 64) == 0 &&
           getsockname(s->listener, (struct sockaddr *)&s->listening, &size) == 0;
}

static void clear_scene(const struct scene *s)
{
    char made[96];

    snprintf(made, sizeof made, "%s/made", s->root);
    unlink(made); /* there only where the sandbox had a hole */
    unlink(s->key);
    rmdir(s->writable);
    rmdir(s->root);
    close(s->listener);
    close(s->message);
    close(s->pair[0]);
    close(s->pair[1]);
}

/* In the child: 0 done, 255 no sandbox, else the errno of the refusal. */
static _Noreturn void try_act(const struct trial_row *row, enum sandbox_role role, struct scene *s)
{
    const char *const writable[] = {s->writable};
    struct sandbox_paths paths = {.write = writable, .write_count = role == SANDBOX_SCAN ? 0 : 1};

    alarm(PATIENCE_S);
    s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->tcp < 0 || !sandbox_enter(role, &paths, role == SANDBOX_SCAN ? SCAN_MEMORY : 0))
        _exit(255);
    errno = 0;
    _exit(row->run(s) == 0 ? 0 : errno ? errno : 254);
}

static bool judge(const struct trial_row *row, int status, struct sandbox_trial *out)
{
    bool may = strncmp(row->act, "may ", 4) == 0;

    if (WIFSIGNALED(status)) {
        out->refused = WTERMSIG(status) == SIGSYS;
        snprintf(out->how, sizeof out->how, "killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
        return out->refused && !may;
    }
    int code = WEXITSTATUS(status);
    if (code == 255) {
        snprintf(out->how, sizeof out->how, "the sandbox could not be entered");
        return false;
    }
    out->refused = code != 0;
    if (code == 0) {
        snprintf(out->how, sizeof out->how, "done");
        return may;
    }
    const char *name = strerrorname_np(code);
    snprintf(out->how, sizeof out->how, "%s", name ? name : "refused");
    return !may && (code == EPERM || code == EACCES || code == row->expected);
}

static bool run_trial(const struct trial_row *row, enum sandbox_role role, struct scene *s, struct sandbox_trial *out)
{
    int status;

    *out = (struct sandbox_trial){.role = role, .act = row->act};
    if (role != SANDBOX_SCAN && landlock_version() < row->landlock) { /* scan may make no such call at all */
        snprintf(out->how, sizeof out->how, "not tried: this kernel's Landlock is too old");
        return true;
    }
    if (SANDBOX_IS_RELAXED && row->not_when_relaxed) {
        snprintf(out->how, sizeof out->how, "not tried: a sanitizer build");
        return true;
    }
    pid_t pid = fork();
    if (pid == 0)
        try_act(row, role, s);
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        snprintf(out->how, sizeof out->how, "no child to try it in: %s", strerrorname_np(errno));
        return false;
    }
    return judge(row, status, out);
}

size_t sandbox_self_test(enum sandbox_role role, struct sandbox_trial *out, size_t most, bool *ok)
{
    struct scene scene = {.listener = -1, .tcp = -1, .pair = {-1, -1}, .message = -1};
    size_t count = 0;

    *ok = make_scene(&scene);
    bool can_try = *ok;
    for (size_t i = 0; can_try && i < sizeof rows / sizeof *rows && count < most; i++)
        if (rows[i].roles & 1 << role)
            *ok = run_trial(&rows[i], role, &scene, &out[count++]) && *ok;
    clear_scene(&scene);
    return count;
}
