/*
 * sandbox.h: what each process may touch, readable on one page. Applied by the process itself before the first outside byte:
 * no new privileges, rlimits, Landlock where the kernel has it, seccomp. There is no way back.
 */
#ifndef SCAN_SANDBOX_H
#define SCAN_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sandbox_role { SANDBOX_RELAY, SANDBOX_SCAN, SANDBOX_CONSOLE, SANDBOX_MASTER };

struct sandbox_paths {
    const char *const *read;  size_t read_count;  /* files and folders that may be read */
    const char *const *write; size_t write_count; /* folders that may be written in */
};

/* False with errno where the kernel refused something it has; a kernel without Landlock is said in the log and goes on. */
bool sandbox_enter(enum sandbox_role role, const struct sandbox_paths *paths, uint64_t memory_limit) __attribute__((warn_unused_result));

/* One forbidden act, tried in a child that has entered the sandbox. */
struct sandbox_trial {
    enum sandbox_role role;
    const char *act;      /* "open /etc/passwd", "socket", "fork", "execve" … */
    bool refused;         /* as it must be */
    char how[64];         /* "EPERM", "killed by SIGSYS", or what went wrong */
};
/* Tries everything that ROLE must not do, and a few things that it must be able to do (act begins with "may "; refused is then false when fine and
 * OK tells). Returns how many trials were written to OUT (at most MOST); *OK: all went as they must. */
size_t sandbox_self_test(enum sandbox_role role, struct sandbox_trial *out, size_t most, bool *ok);

#endif
