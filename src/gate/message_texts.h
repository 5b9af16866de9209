/* message_texts.h: what the message log says of a message's header beside subject and author: made once for all its recipients. */
#ifndef GATE_MESSAGE_TEXTS_H
#define GATE_MESSAGE_TEXTS_H

#include "scan/report.h"

struct message_texts {
    struct buf to, cc;      /* addresses, separated by ", " */
    struct buf attachments; /* names, separated by LF */
};

struct message_texts *message_texts_new(const struct scan_report *report); /* NULL out of memory */
void message_texts_free(struct message_texts **t);

#endif
