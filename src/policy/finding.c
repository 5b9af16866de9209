/* finding.c: see finding.h. */
#include "policy/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct finding finding_none(void)
{
    return (struct finding){.reason = REASON_NONE};
}

struct finding finding_make(enum reason r, const char *format, ...)
{
    struct finding f = {.reason = r};
    va_list args;

    va_start(args, format);
    vsnprintf(f.evidence, sizeof f.evidence, format, args);
    va_end(args);
    for (char *at = f.evidence; *at; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at > 0x7E)
            *at = '?';
    return f;
}

const struct finding *findings_first(const struct findings *list, enum reason r)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].reason == r)
            return &list->at[i];
    return NULL;
}

/* Each custom rule that matches is a finding of its own. */
static bool is_there(const struct findings *list, const struct finding *f)
{
    if (f->reason != REASON_CUSTOM_RULE)
        return findings_first(list, f->reason);
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].reason == f->reason && strcmp(list->at[i].evidence, f->evidence) == 0)
            return true;
    return false;
}

void findings_add(struct findings *list, const struct finding *f)
{
    if (f->reason == REASON_NONE || is_there(list, f))
        return;
    if (list->count == FINDINGS_MAX) {
        list->dropped++;
        return;
    }
    list->at[list->count++] = *f;
}
