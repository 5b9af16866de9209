/*
 * sender_tag.h: return addresses that prove themselves. SRS (Sender Rewriting Scheme, SRS0 and SRS1): mail that is forwarded goes out under the forwarding
 * domain, so that its SPF holds, and what comes back finds the first sender. BATV (draft-levine-smtp-batv, prvs=): mail that is sent bears a tag, so
 * that a bounce for mail that was never sent is known. Pure; nothing is stored.
 *
 *   SRS0=hhhhhh=tt=sender.example=local@our.example     hhhhhh: hash, tt: the day; all compared without case, since hops may change it
 *   SRS1=hhhhhh=first.example==…@our.example            of one that is rewritten already: it goes back to the first forwarder
 *   prvs=0dddssssss=local@our.example                   ddd: the day it expires on, ssssss: hash
 */
#ifndef AUTH_SENDER_TAG_H
#define AUTH_SENDER_TAG_H

#include "auth/secrets.h"
#include "mail/address.h"

enum { SRS_DAYS = 21, BATV_DAYS = 7 /* longer than any queue keeps what it may return */ };

enum tag_result { TAG_NONE /* no tag at all */, TAG_GOOD, TAG_BAD /* not ours, or changed */, TAG_EXPIRED };

/* SENDER under DOMAIN into OUT. False where it cannot be: a null sender, or it would be longer than a local part may be (64 octets). */
bool srs_rewrite(const struct secrets *s, const struct address *sender, struct str domain, int64_t now_ms, struct address *out) __attribute__((warn_unused_result));
/* Where mail to RECIPIENT goes back to, into OUT when TAG_GOOD. */
enum tag_result srs_reverse(const struct secrets *s, const struct address *recipient, int64_t now_ms, struct address *out);

/* As above; a sender that has a tag already is left alone (false). */
bool batv_sign(const struct secrets *s, const struct address *sender, int64_t now_ms, struct address *out) __attribute__((warn_unused_result));
enum tag_result batv_check(const struct secrets *s, const struct address *recipient, int64_t now_ms, struct address *out);

#endif
