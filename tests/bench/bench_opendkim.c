/*
 * bench_opendkim.c: the peer of bench_dkim.c for script/bench policy: how often a second libopendkim verifies the message that `bench-dkim SECONDS
 * FOLDER` left in FOLDER, on one core. The key's record comes from memory; the library parses it each time.
 *
 *     bench-opendkim SECONDS FOLDER NAME
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <dkim.h>

enum { SECONDS_MAX = 600, MESSAGE_MAX = 64 * 1024, RECORD_MAX = 2048, PATH_MAX_BYTES = 4096 };

static char record[RECORD_MAX]; /* the library's callback has no place for it */

static void die(const char *what)
{
    fprintf(stderr, "bench-opendkim: %s\n", what);
    exit(1);
}

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t load(const char *folder, const char *name, const char *suffix, char *to, size_t room)
{
    char path[PATH_MAX_BYTES];

    if (snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix) >= (int)sizeof path)
        die("the path is too long");
    FILE *f = fopen(path, "re");
    size_t len = f ? fread(to, 1, room, f) : 0;
    if (!f || !len || len == room)
        die(path);
    fclose(f);
    return len;
}

static DKIM_CBSTAT give_key(DKIM *dkim, DKIM_SIGINFO *sig, u_char *buf, size_t buflen)
{
    (void)dkim;
    (void)sig;
    if (strlen(record) >= buflen)
        return DKIM_CBSTAT_ERROR;
    strcpy((char *)buf, record);
    return DKIM_CBSTAT_CONTINUE;
}

static void verify(DKIM_LIB *library, char *message, size_t len)
{
    DKIM_STAT status;
    DKIM *dkim = dkim_verify(library, (const unsigned char *)"bench", NULL, &status);

    if (!dkim || dkim_chunk(dkim, (u_char *)message, len) != DKIM_STAT_OK || dkim_chunk(dkim, NULL, 0) != DKIM_STAT_OK ||
        dkim_eom(dkim, NULL) != DKIM_STAT_OK || !DKIM_SIG_CHECK(dkim_getsignature(dkim)))
        die("the message does not verify");
    dkim_free(dkim);
}

int main(int argc, char **argv)
{
    static char message[MESSAGE_MAX];
    long seconds = argc == 4 ? strtol(argv[1], NULL, 10) : 0;

    if (seconds < 1 || seconds > SECONDS_MAX) {
        fprintf(stderr, "usage: bench-opendkim SECONDS FOLDER NAME\n");
        return 64;
    }
    size_t len = load(argv[2], argv[3], ".eml", message, sizeof message), done = 0;
    record[load(argv[2], argv[3], ".txt", record, sizeof record - 1)] = '\0';
    DKIM_LIB *library = dkim_init(NULL, NULL);
    if (!library)
        die("out of memory");
    dkim_set_key_lookup(library, give_key);
    verify(library, message, len);
    double begun = cpu_s(), took = 0;
    for (; took < (double)seconds; took = cpu_s() - begun, done += 64)
        for (int i = 0; i < 64; i++)
            verify(library, message, len);
    printf("{\"opendkim\": \"%s\", \"whole_per_s\": %.0f}\n", argv[3], (double)done / took);
    dkim_close(library);
    return 0;
}
