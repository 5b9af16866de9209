/* custom_rules.h: custom rules (policy/rules.h) in the course of a transaction. */
#ifndef GATE_CUSTOM_RULES_H
#define GATE_CUSTOM_RULES_H

#include "policy/policy.h"
#include "scan/scan_limits.h"

struct session;
struct recipient;

/* RCPT: what the envelope decides of the rules for R. R gets what they allow and skip. */
void custom_rules_at_rcpt(struct session *s, struct recipient *r, struct rule_outcome *out);
/* Adds what refuses already; everything else is found again, with the message. */
void custom_rules_refuse(const struct rule_outcome *rules, struct findings *found);
/* DATA: what the scan process must report for the rules of all recipients. */
void custom_rules_want(const struct session *s, struct scan_limits *limits);
/* DATA: all rules for R. */
void custom_rules_at_data(struct session *s, const struct recipient *r, const struct message_facts *facts, struct rule_outcome *out);
/* At the transaction's end: counts and logs rules that took too much work. */
void custom_rules_tell(struct session *s);

#endif
