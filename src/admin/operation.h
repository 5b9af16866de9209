/* operation.h: the rows of operations.def: what the API can do. */
#ifndef ADMIN_OPERATION_H
#define ADMIN_OPERATION_H

#include "admin/permission.h"

/* What the first {…} of a path names, and so where it stands; see scope.h. */
enum object {
    OBJECT_PUBLIC,     /* nobody need be signed in */
    OBJECT_SELF,       /* the person who asks */
    OBJECT_SCOPE,      /* many: the operation sees those of the actor's scope only */
    OBJECT_SYSTEM,     /* the gateway as a whole: for persons whose scope is all */
    OBJECT_TENANT, OBJECT_DOMAIN, OBJECT_MAILBOX, OBJECT_ACCOUNT, OBJECT_ENTRY, OBJECT_RULE, OBJECT_PERSON, OBJECT_MESSAGE, OBJECT_QUARANTINED
};

enum operation_flags {
    OP_PLAIN = 0,
    OP_TOUCH = 1, /* changes what the relay reads: settings, lists, domains, rules, accounts (store/schema.h: schema_touch()) */
    OP_ABOVE = 2, /* the actor must stand above the object: nobody deletes or suspends the tenant or domain that is his own */
    OP_CSV = 4,   /* takes text/csv instead of JSON */
    OP_PART = 8,  /* the body holds what changes: required fields may be missing */
    OP_OUTSIDE = 16 /* no transaction around it: it acts on the relay, or takes long; the audit row comes afterwards */
};

enum { MOST_PARAMETERS = 3 };

struct call;
typedef int operation_run(struct call *c); /* HTTP status; from 400 on call_problem() has said what */
#define OPERATION(id, ...) operation_run op_##id;
#include "admin/operations.def"
#undef OPERATION

struct operation {
    const char *id, *method, *path;
    enum permission permission;
    enum object object;
    unsigned flags;         /* enum operation_flags */
    const char *request;    /* schema of the body, or of the query where the method is GET; "" nothing */
    const char *response;   /* schema; with [] behind it a page of them; "" nothing; text/csv, message/rfc822: that */
    const char *summary;
    operation_run *run;
    bool changes;           /* anything but GET */
};

enum operation_match { MATCH_NONE, MATCH_OTHER_METHOD, MATCH_FOUND };

/* PATH is raw, as sent. PARAMETER gets what stands at each {…}, still percent-encoded. ALLOWED (room for 64) gets the methods that the path knows. */
enum operation_match operation_find(struct str method, struct str path, const struct operation **out, struct str parameter[MOST_PARAMETERS],
                                    char allowed[64]);
size_t operation_count(void);
const struct operation *operation_at(size_t i);

#endif
