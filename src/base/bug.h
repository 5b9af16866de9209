/*
 * bug.h: a broken invariant of our own stops this process, and only this one.
 * Trouble that comes from outside is never a bug(): it is a value that the caller looks at.
 */
#ifndef BASE_BUG_H
#define BASE_BUG_H

#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define bug_unless(claim) ((claim) ? (void)0 : bug_at(__FILE__, __LINE__, "not so: %s", #claim))

_Noreturn void bug_at(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

#endif
