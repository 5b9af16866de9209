/*
 * control.h: what an operator asks of the queue, as JSON (jansson), behind the relay's control socket.
 */
#ifndef COURIER_CONTROL_H
#define COURIER_CONTROL_H

#include "courier/courier.h"

#include <jansson.h>

/*
 * REQUEST: {"verb": "list|show|top|retry|hold|release|bounce|delete|stats", "filter": {"reference": …, "sender": …, "recipient": …, "domain": …, "state": …,
 * "older_s": N}, "dry_run": bool, "reason": text, "limit": N}. Patterns may hold * as wildcard. Returns a new object {"ok": true, …} or {"ok": false, "error": text}.
 * Changing verbs return the count of recipients they changed (or would change).
 */
json_t *courier_control(struct courier *c, const json_t *request);

#endif
