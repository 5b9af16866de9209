/* sink.h: `postern sink`: a small real SMTP and LMTP server that writes what it gets into a Maildir: the destination of the demo and the tests. */
#ifndef CLI_SINK_H
#define CLI_SINK_H

/* argv[0] is "sink". Runs until SIGTERM or SIGINT. Returns a sysexits code. */
int sink_main(int argc, char **argv);

#endif
