/* master.h: reads the configuration and keys, binds ports, starts, watches and restarts the other processes. Sees no client byte. */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

/* Runs in the foreground until SIGTERM or SIGINT. SIGHUP reloads (or keeps the old and says why), SIGUSR1 reopens logs. Returns a sysexits code. */
int master_run(const char *config_path);

#endif
