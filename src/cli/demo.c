/*
 * demo.c: `postern demo`: a whole gateway in a folder of its own: high ports on loopback, a self-made certificate, a zone file instead of DNS,
 * a destination (postern sink), and sample mail through the front door. Ctrl-C ends all of it.
 */
#include "cli/command.h"
#include "cli/demo_files.h"
#include "cli/demo_mail.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { STOP_MS = 35000 };

/* A child that ends with us, whatever ends us. */
static pid_t start_child(char *const argv[])
{
    pid_t parent = getpid(), pid = fork();

    if (pid != 0)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    setpgid(0, 0); /* Ctrl-C reaches us alone, and we stop them in order */
    if (getppid() == parent)
        execv("/proc/self/exe", argv);
    _exit(EX_OSERR);
}

static void stop_child(pid_t pid)
{
    int64_t waited_ms = 0;

    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        poll(NULL, 0, 50);
        waited_ms += 50;
        if (waited_ms > STOP_MS)
            kill(pid, SIGKILL);
    }
}

static void print_what_to_try(const struct demo_files *files)
{
    printf("\nThe gateway is up. Demo domains: acme.test (any address), strict.test (ann and bob only), elsewhere by the zone file.\n"
           "  mx           127.0.0.1:%d   incoming mail\n"
           "  submission   127.0.0.1:%d   STARTTLS; submissions 127.0.0.1:%d, TLS from the first byte\n"
           "  why pages    http://127.0.0.1:%d/why\n"
           "  delivered    %s/new\n"
           "  message log  %s\n\n"
           "Try:\n"
           "  swaks --server 127.0.0.1:%d --helo client.example.test --from you@example.test --to ann@acme.test\n"
           "  swaks --server 127.0.0.1:%d --helo my_host --from you@example.test --to ann@acme.test    (refused: greeting)\n"
           "  swaks --server 127.0.0.1:%d --tls --helo client.example.test --from you@acme.test --to bob@strict.test\n"
           "  %s explain invalid-greeting\n"
           "  %s explain REFERENCE --config %s     (a reference from a refusal, or from the log)\n"
           "  %s queue list --config %s\n"
           "  %s message list 'status:quarantined since:1h' --config %s\n"
           "  %s quarantine list --config %s\n"
           "  %s setup example.com --route 127.0.0.1:%d --config %s\n\n"
           "Ctrl-C ends all of it.\n",
           DEMO_MX, DEMO_SUBMISSION, DEMO_SUBMISSIONS, DEMO_CONSOLE, files->maildir, files->log, DEMO_MX, DEMO_MX, DEMO_SUBMISSION,
           files->program, files->program, files->config, files->program, files->config, files->program, files->config, files->program, files->config,
           files->program, DEMO_SINK, files->config);
    fflush(stdout);
}

/* Until a signal says stop, or one of the two ends by itself. */
static int wait_for_the_end(int signals, pid_t gateway, pid_t sink)
{
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info || errno == EINTR) {
        if (info.ssi_signo != SIGCHLD)
            return EX_OK;
        if (waitpid(gateway, NULL, WNOHANG) == gateway || waitpid(sink, NULL, WNOHANG) == sink) {
            fprintf(stderr, "postern demo: a part of it ended by itself; the lines above say why\n");
            return EX_SOFTWARE;
        }
    }
    return EX_OSERR;
}

static int run(const struct command_line *line, const struct demo_files *files, int signals)
{
    char listen[32], config[sizeof files->config], maildir[sizeof files->maildir];

    snprintf(listen, sizeof listen, "127.0.0.1:%d", DEMO_SINK);
    str_copy(config, sizeof config, str_from(files->config));
    str_copy(maildir, sizeof maildir, str_from(files->maildir));
    pid_t sink = start_child((char *[]){(char[]){"postern"}, (char[]){"sink"}, (char[]){"--listen"}, listen, (char[]){"--maildir"}, maildir,
                                        (char[]){"--quiet"}, NULL});
    pid_t gateway = start_child((char *[]){(char[]){"postern"}, (char[]){"-c"}, config, NULL});
    int code = EX_UNAVAILABLE;

    if (sink > 0 && gateway > 0 && demo_wait_for_banner(DEMO_MX) && demo_wait_for_banner(DEMO_SINK)) {
        if (!line->no_samples)
            demo_send_samples();
        print_what_to_try(files);
        code = line->once ? EX_OK : wait_for_the_end(signals, gateway, sink);
    } else {
        fprintf(stderr, "postern demo: the gateway did not come up; the lines above say why\n");
    }
    puts("\nstopping …");
    stop_child(gateway);
    stop_child(sink);
    return code;
}

int demo_main(const struct command_line *line)
{
    struct demo_files files;
    sigset_t set;

    if (!demo_files_make(line->directory ? line->directory : "var/demo", &files))
        return EX_CANTCREAT;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0)
        return EX_OSERR;
    int code = run(line, &files, signals);
    close(signals);
    return code;
}
