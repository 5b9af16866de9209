/* demo_mail.h: the demo's sample messages, sent through the front door like anybody's. */
#ifndef CLI_DEMO_MAIL_H
#define CLI_DEMO_MAIL_H

#include "cli/demo_files.h"

/* Waits until somebody greets at 127.0.0.1:PORT; false after half a minute. */
bool demo_wait_for_banner(int port);
/* Sends them all, printing each answer. */
void demo_send_samples(void);

#endif
