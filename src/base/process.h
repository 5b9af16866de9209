/*
 * process.h: what the master and its children say to each other, over the SOCK_SEQPACKET pair that a child finds as descriptor 3
 * (PROCESS_FD). A child is this same program, executed anew as `postern @relay`, `@console` or `@scan`, already without privileges.
 *
 * Master to child: CONFIG, KEYS, LISTENER…, SCAN…, then APPLY, upon which the child starts (the first time) or takes the new
 * configuration over as a whole (reload). The child answers READY, or FAILED with the reason. STOP: finish what is under way and exit.
 * A scan process speaks only with the relay: its descriptor 3 is the scan channel itself (scan/scan.h).
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include "base/buf.h"
#include "base/packet.h"

enum { PROCESS_FD = 3, PROCESS_TEXT_MAX = 1024 };

enum process_packet_type {
    PROCESS_CONFIG,    /* text: file name for messages; fd: memfd with the configuration's text, includes resolved */
    PROCESS_KEYS,      /* fd: memfd with certificates and keys, see process_pems_write() */
    PROCESS_SIGNING_KEYS, /* fd: memfd with the keys of DKIM, see auth/dkim_sign.h; to the relay only */
    PROCESS_LISTENER,  /* number: enum process_listener; text: its address; fd: bound and listening */
    PROCESS_SCAN,      /* number: id of a scan process; fd: the relay's end of its channel */
    PROCESS_APPLY,
    PROCESS_STOP,      /* number: milliseconds left */
    PROCESS_READY,     /* child to master */
    PROCESS_FAILED,    /* child to master; text: why */
    PROCESS_SCAN_BAD,  /* relay to master; number: id of the scan process that hung or misbehaved: kill it */
    PROCESS_REOPEN     /* reopen log files */
};
enum process_listener { LISTENER_MX, LISTENER_SUBMISSION, LISTENER_SUBMISSIONS, LISTENER_CONSOLE };

struct process_packet {
    int32_t type;   /* enum process_packet_type */
    int32_t number;
    char text[PROCESS_TEXT_MAX];
};

/* FD (may be -1) is sent along and stays the caller's. */
bool process_send(int channel, enum process_packet_type type, int32_t number, const char *text, int fd) __attribute__((warn_unused_result));
/* 1: a packet (its descriptor, or -1, in *FD, owned by the caller); 0: the peer closed; -1: errno (EPROTO: malformed). */
int process_receive(int channel, struct process_packet *p, int *fd, int timeout_ms) __attribute__((warn_unused_result));

/* A memfd with BYTES, sealed; -1 with errno. */
int process_memfd(const char *name, struct str bytes);
/* All of FD (a memfd or file) into OUT. */
bool process_read_fd(int fd, struct buf *out) __attribute__((warn_unused_result));

/* Certificates with keys in one buffer: count, then three lengths and three byte runs each. */
struct process_pem {
    struct str name, chain, key;
};
bool process_pems_write(struct buf *out, const struct process_pem *pems, size_t count) __attribute__((warn_unused_result));
/* The strs point into BYTES. Returns the count, at most MOST; -1 when malformed. */
int process_pems_read(struct str bytes, struct process_pem *pems, size_t most) __attribute__((warn_unused_result));

#endif
