/* sandbox_parts.h: the walls of sandbox.h, one file each, put up in sandbox.c in the right order. */
#ifndef SCAN_SANDBOX_PARTS_H
#define SCAN_SANDBOX_PARTS_H

#include "scan/sandbox.h"

/* The sanitizers' runtimes map terabytes and, at the end, stop all threads from a process of their own; they get what they need, and
 * the log says so. Such builds are for tests only. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_IS_RELAXED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANDBOX_IS_RELAXED 1
#endif
#endif
#ifndef SANDBOX_IS_RELAXED
#define SANDBOX_IS_RELAXED 0
#endif

/* Landlock's version in this kernel: 0 without it; 4 and more knows TCP ports, 6 and more signals. */
int landlock_version(void);
/* False with errno. Only where landlock_version() is not 0. */
bool landlock_confine(enum sandbox_role role, const struct sandbox_paths *paths) __attribute__((warn_unused_result));
bool seccomp_confine(enum sandbox_role role) __attribute__((warn_unused_result)); /* false with errno */

#endif
