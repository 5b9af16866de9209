/* relay.h: the process that speaks SMTP: gate, policy, spool and courier under one roof. Never parses a message itself. */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

/* Runs until the master says STOP or goes away. Returns the exit code. */
int relay_process(int channel);

#endif
