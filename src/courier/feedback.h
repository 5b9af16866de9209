/* feedback.h: a report whose parts are made already (multipart/report), as a message to who wants it: from the postmaster, with the null return path, signed where there is
 * a key. What people read is notice.h's. */
#ifndef COURIER_FEEDBACK_H
#define COURIER_FEEDBACK_H

#include "auth/dkim_sign.h"
#include "catalog/settings.h"
#include "spool/spool.h"

/* TO must be an address. SUBJECT: US-ASCII. CONTENT: Content- fields, an empty line and the body, with CR LF. NULL: out of memory, or it is no address. */
struct spool_message *feedback_mail(const struct settings *settings, struct dkim_signer *signer, struct str to, const char *subject, struct str content,
                                   int64_t now_ms);

#endif
