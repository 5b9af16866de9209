/* main.c: picks what this program is: a process of the gateway, or a command for the operator. */
#include "base/log.h"
#include "base/process.h"
#include "cli/cli.h"
#include "console/console.h"
#include "master/master.h"
#include "relay/relay.h"
#include "scan/scan.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static int child_main(const char *role, int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a peer that goes away is an error of a write, not the end of a process */
    if (strcmp(role, "@relay") == 0) {
        log_open("relay", LOG_LEVEL_INFO);
        return relay_process(PROCESS_FD);
    }
    if (strcmp(role, "@console") == 0) {
        log_open("console", LOG_LEVEL_INFO);
        return console_process(PROCESS_FD);
    }
    if (strcmp(role, "@scan") == 0 && argc > 2) {
        log_open("scan", LOG_LEVEL_INFO);
        return scan_process(PROCESS_FD, strtoull(argv[2], NULL, 10));
    }
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && argv[1][0] == '@')
        return child_main(argv[1], argc, argv);
    if (argc == 3 && strcmp(argv[1], "-c") == 0) {
        signal(SIGPIPE, SIG_IGN);
        log_open("master", LOG_LEVEL_INFO);
        return master_run(argv[2]);
    }
    return cli_run(argc, argv);
}
