/* record_signature.c: see record_signature.h. */
#include "scan/record_signature.h"

#include <string.h>

void record_of_signature(const struct signature *s, struct record *out)
{
    *out = (struct record){.kind = RECORD_SIGNATURE,
                           .signature = {.kind = s->kind, .algorithm = s->algorithm, .fault = s->fault, .chain = s->chain, .instance = s->instance,
                                         .header_relaxed = s->header_relaxed, .body_relaxed = s->body_relaxed, .has_length = s->has_length,
                                         .has_time = s->has_time, .has_expiry = s->has_expiry, .body_matches = s->body_matches,
                                         .subject_signed = s->subject_signed, .line = s->line, .length = s->length,
                                         .body_length = s->body_length, .time_s = s->time_s, .expiry_s = s->expiry_s,
                                         .domain = str_from(s->domain), .selector = str_from(s->selector),
                                         .identity_domain = str_from(s->identity_domain),
                                         .bytes = str_n((const char *)s->bytes, s->bytes_len)}};
    memcpy(out->signature.header_hash, s->header_hash, HASH_BYTES);
    memcpy(out->signature.body_hash, s->body_hash, HASH_BYTES);
}

bool signature_of_record(const struct record *r, struct signature *out)
{
    const struct record_signature *s = &r->signature;

    if (s->kind > SIGNATURE_ARC_RESULTS || s->algorithm > ALGORITHM_UNKNOWN || s->fault >= FAULT_COUNT || s->chain > CHAIN_MISSING ||
        s->instance > ARC_SETS_MAX || s->bytes.len > SIGNATURE_BYTES_MAX)
        return false;
    *out = (struct signature){.kind = s->kind, .algorithm = s->algorithm, .fault = s->fault, .chain = s->chain, .instance = s->instance,
                              .header_relaxed = s->header_relaxed, .body_relaxed = s->body_relaxed, .has_length = s->has_length,
                              .has_time = s->has_time, .has_expiry = s->has_expiry, .body_matches = s->body_matches,
                              .subject_signed = s->subject_signed, .line = s->line, .length = s->length, .body_length = s->body_length,
                              .time_s = s->time_s, .expiry_s = s->expiry_s, .bytes_len = (uint16_t)s->bytes.len};
    if (s->bytes.len)
        memcpy(out->bytes, s->bytes.at, s->bytes.len);
    memcpy(out->header_hash, s->header_hash, HASH_BYTES);
    memcpy(out->body_hash, s->body_hash, HASH_BYTES);
    return str_copy(out->domain, sizeof out->domain, s->domain) && str_copy(out->selector, sizeof out->selector, s->selector) &&
           str_copy(out->identity_domain, sizeof out->identity_domain, s->identity_domain);
}
