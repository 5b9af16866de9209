/* call.h: one operation under way: what it gets, what it leaves behind. Operations are functions of struct call, one per row of operations.def. */
#ifndef ADMIN_CALL_H
#define ADMIN_CALL_H

#include "admin/admin.h"
#include "admin/operation.h"
#include "admin/scope.h"

#include <jansson.h>

enum { PARAMETER_MAX = 1000, PAGE_DEFAULT = 100, PAGE_MOST = 1000, OBJECT_TEXT_MAX = 800 };

struct call {
    struct admin *admin;
    struct db *db;                 /* in a transaction where the operation changes something */
    struct settings *settings;     /* of the configuration file */
    const struct operation *operation;
    const struct admin_request *request;
    struct admin_answer *answer;
    struct actor actor;
    struct place place;            /* what the first {…} of the path names */
    char parameter[MOST_PARAMETERS][PARAMETER_MAX + 1]; /* decoded */
    json_t *in;                    /* body or query, as its schema has it; never NULL */
    json_t *out;                   /* the answer; owned */
    json_t *keep;                  /* what REASON and CURSOR point into; owned */
    const char *cursor;            /* of a page; NULL: the first */
    int64_t limit;                 /* rows of a page */
    bool dry_run;                  /* everything is undone afterwards; what cannot be undone must not be done */
    const char *reason;            /* "" none given */
    /* for the audit row; the object is the place unless it is said otherwise */
    char object[OBJECT_TEXT_MAX];
    json_t *before, *after;        /* owned; AFTER NULL: what was sent, without secrets */
    struct place about;            /* whom it concerns, where that is not PLACE: for what is made */
    bool no_audit;                 /* nothing was changed after all */
    json_t *afterwards;            /* a request to the relay once all is committed; owned. Its failure changes nothing */
};

/* RFC 9457. Returns STATUS. SLUG: a word or two for programs. */
int call_problem(struct call *c, int status, const char *slug, const char *format, ...) __attribute__((format(printf, 4, 5)));
/* 400 with one thing that is wrong about a field. */
int call_wrong_field(struct call *c, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What a failed statement means for the client: 409, 503, 507, 500. */
int call_store_failed(struct call *c, enum db_result result);
int call_not_found(struct call *c, const char *what);

/* What was sent; OTHERWISE where it was not. */
const char *call_text(const struct call *c, const char *name, const char *otherwise);
struct str call_str(const struct call *c, const char *name);
bool call_flag(const struct call *c, const char *name);
int64_t call_number(const struct call *c, const char *name, int64_t otherwise);
bool call_has(const struct call *c, const char *name);

/*
 * A page: ROWS of a statement that asked for call_limit(c) rows, one more than the page has. ONE makes an object of a row; the cursor of the next page is column
 * KEY of the last. Ends the statement. Returns 200, or what went wrong.
 */
int call_page(struct call *c, struct db_rows *rows, json_t *(*one)(struct db_rows *), int key);
int64_t call_limit(const struct call *c);
/* The cursor as a number; OTHERWISE for the first page. False, with the problem said: it is none. */
bool call_cursor_number(struct call *c, int64_t otherwise, int64_t *out);
/* One row as the answer; 404 where there is none. */
int call_row(struct call *c, struct db_rows *rows, json_t *(*one)(struct db_rows *), int status);

/* Numbers of rows are 63-bit: texts. "" and 0 become null. */
json_t *json_id(int64_t id);
json_t *json_id_or_null(int64_t id);
json_t *json_str(struct str s);
json_t *json_time(int64_t wall_ms); /* ISO 8601; null for 0 */
/* The object of a path's place, in words, for the audit row. */
void call_object(struct call *c, const char *kind, int64_t id, struct str name);

/* A question to the relay over its control socket: a new object, or NULL where it cannot be reached. */
json_t *call_relay(struct call *c, json_t *take_request);
/* The same as the answer: 200, 422 with what the relay said, or 503. */
int call_relay_answer(struct call *c, json_t *take_request);

#endif
