/* demo_files.h: the demo's folder: configuration, zone file, lists and a self-made certificate. */
#ifndef CLI_DEMO_FILES_H
#define CLI_DEMO_FILES_H

#include <limits.h>
#include <stdbool.h>

enum { DEMO_MX = 2525, DEMO_SUBMISSION = 2587, DEMO_SUBMISSIONS = 2465, DEMO_SINK = 2600, DEMO_CONSOLE = 2580, DEMO_DEAD = 2601 };

struct demo_files {
    char directory[PATH_MAX]; /* absolute */
    char config[PATH_MAX + 32], maildir[PATH_MAX + 32], log[PATH_MAX + 32];
    char program[PATH_MAX];   /* how to call us */
};

/* Makes what is missing; false after saying what failed. What the queue holds from an earlier demo stays. */
bool demo_files_make(const char *directory, struct demo_files *out);

#endif
