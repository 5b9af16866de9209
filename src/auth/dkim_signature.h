/*
 * dkim_signature.h: signatures in a message's header, and the hashes that they speak of: DKIM (RFC 6376, 8301, 8463) and ARC (RFC 8617). The process that
 * has the message computes the hashes; the one that has the DNS verifies them (dkim_key.h). Plain data of fixed size: it crosses a socket.
 */
#ifndef AUTH_DKIM_SIGNATURE_H
#define AUTH_DKIM_SIGNATURE_H

#include "base/str.h"

enum { SIGNATURES_MAX = 160 /* 50 ARC sets and some of DKIM */, DKIM_MAX = 16, ARC_SETS_MAX = 50, SIGNATURE_BYTES_MAX = 512 /* RSA of 4,096 bits */, HASH_BYTES = 32,
       DKIM_NAME_MAX = 256 };

enum signature_kind { SIGNATURE_DKIM, SIGNATURE_ARC_MESSAGE, SIGNATURE_ARC_SEAL, SIGNATURE_ARC_RESULTS /* ARC-Authentication-Results: only its instance */ };
enum signature_algorithm { ALGORITHM_RSA_SHA256, ALGORITHM_RSA_SHA1, ALGORITHM_ED25519_SHA256, ALGORITHM_UNKNOWN };
enum signature_fault { /* §6.1.1: why it cannot be verified, whatever the key says */
    FAULT_NONE, FAULT_SYNTAX, FAULT_VERSION, FAULT_MISSING_TAG, FAULT_BAD_TAG, FAULT_ALGORITHM, FAULT_CANONICALIZATION, FAULT_DOMAIN, FAULT_IDENTITY,
    FAULT_FROM_NOT_SIGNED, FAULT_LENGTH /* l= beyond the body */, FAULT_QUERY, FAULT_DATES /* x= before t= */, FAULT_INSTANCE, FAULT_CHAIN /* cv= */,
    FAULT_SEAL_SIGNED /* an ARC message signature that covers ARC-Seal */, FAULT_COUNT };
enum chain_value { CHAIN_NONE, CHAIN_PASS, CHAIN_FAIL, CHAIN_MISSING };

struct signature {
    uint8_t kind, algorithm, fault, chain;      /* the enums above */
    uint8_t instance;                           /* ARC i=, 1 … 50; 0: none */
    bool header_relaxed, body_relaxed;
    bool has_length, has_time, has_expiry;
    bool body_matches;                          /* bh= is right */
    bool subject_signed;
    uint32_t line;                              /* of the message */
    uint64_t length, body_length;               /* l=, and the canonical body's */
    int64_t time_s, expiry_s;
    char domain[DKIM_NAME_MAX], selector[DKIM_NAME_MAX], identity_domain[DKIM_NAME_MAX]; /* lower case */
    unsigned char body_hash[HASH_BYTES], header_hash[HASH_BYTES]; /* sha1: the first 20 octets */
    uint16_t bytes_len;
    unsigned char bytes[SIGNATURE_BYTES_MAX];   /* b= */
};

const char *signature_fault_text(enum signature_fault f);
const char *signature_kind_name(unsigned kind);           /* "dkim", "arc-message", "arc-seal", "arc-results" */
const char *signature_algorithm_name(unsigned algorithm); /* "rsa-sha256", … */

struct signature_context; /* prefetched digests */
struct signature_context *signature_context_new(void);
void signature_context_free(struct signature_context **c);

/*
 * Reads all signatures of MESSAGE (CR LF lines), at most MOST, in the order of the header, and computes their hashes: the body is read once for each
 * of the two canonical forms at most. Returns how many there are in OUT.
 */
size_t signatures_read(struct signature_context *c, struct str message, struct signature *out, size_t most);

/* One field's value taken apart, without hashes; for signatures_read() and tests. */
void signature_parse(struct str value, enum signature_kind kind, struct signature *out, struct str *signed_fields, struct str *body_hash);

#endif
