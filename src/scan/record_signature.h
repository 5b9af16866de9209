/* record_signature.h: DKIM and ARC signatures (auth/dkim_signature.h) as records: scan has the message and hashes, the relay has the DNS and verifies. */
#ifndef SCAN_RECORD_SIGNATURE_H
#define SCAN_RECORD_SIGNATURE_H

#include "auth/dkim_signature.h"
#include "scan/record.h"

/* Texts of OUT point into S. */
void record_of_signature(const struct signature *s, struct record *out);
/* False where it is none that signatures_read() could have made. */
bool signature_of_record(const struct record *r, struct signature *out) __attribute__((warn_unused_result));

#endif
