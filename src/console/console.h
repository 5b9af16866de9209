/* console.h: the process that serves pages over HTTP: /why, /why/<slug>[/<reference>], /livez. */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

/* Runs until the master says STOP or goes away. Returns the exit code. */
int console_process(int channel);

#endif
