/* log.c: see log.h. Set up once at start, before threads; then only read. */
#include "base/log.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *log_process = "postern";
static enum log_level log_most = LOG_LEVEL_INFO;
static bool log_to_journal;

void log_open(const char *process, enum log_level most)
{
    log_process = process;
    log_most = most;
    log_to_journal = getenv("JOURNAL_STREAM") != NULL;
}

static const char *level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR: return "error";
    case LOG_LEVEL_WARNING: return "warning";
    case LOG_LEVEL_INFO: return "info";
    case LOG_LEVEL_DEBUG: return "debug";
    }
    return "?";
}

void log_at(enum log_level level, const char *format, ...)
{
    char text[1024], line[1200], stamp[32];
    va_list args;

    if (level > log_most)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            *c = '?';
    int n = log_to_journal
                ? snprintf(line, sizeof line, "<%d>%s: %s\n", (int)level, log_process, text)
                : snprintf(line, sizeof line, "%s %s: %s: %s\n", clock_format_iso(clock_wall_ms(), stamp),
                           level_name(level), log_process, text);
    if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nobody listens; there is nowhere else to say it */
}
