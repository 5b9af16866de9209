/*
 * message_search.h: rows of the message log that pass a filter, newest first, a page at a time, within a time: what is not found within it is found by the
 * next page. Of the conditions that an index can find rows by, the one is taken that finds fewest (counted, up to a ceiling); its rows are looked at in
 * pieces that grow. A search over millions of rows is bounded so even where no index helps.
 */
#ifndef STORE_MESSAGE_SEARCH_H
#define STORE_MESSAGE_SEARCH_H

#include "store/filter.h"
#include "store/message_row.h"

/* Whose rows may be seen. */
enum message_scope_kind { MESSAGES_OF_ALL, MESSAGES_OF_TENANT /* and those below it */, MESSAGES_OF_DOMAIN, MESSAGES_OF_MAILBOX };
struct message_scope {
    enum message_scope_kind kind;
    int64_t id; /* of the tenant, domain or mailbox */
};

enum { MESSAGE_PAGE_MAX = 1000, MESSAGE_SEARCH_MS = 100, MESSAGE_COUNT_MAX = 100000 };

struct message_page {
    struct arena arena;        /* of the texts */
    struct message_row *rows;  /* in the arena */
    size_t count;
    int64_t next;              /* where the next page begins: BEFORE of its search; 0: there is none */
};

/* Rows older than BEFORE (0: all), MOST of them at most (1 … MESSAGE_PAGE_MAX). A page may hold fewer, even none, and have a next one: the time was up. */
enum db_result message_search(struct db *d, const struct message_scope *scope, const struct filter *f, int64_t before, size_t most, int64_t budget_ms,
                              struct message_page *out) __attribute__((warn_unused_result));
void message_page_clear(struct message_page *p);

struct message_count {
    int64_t count;
    bool is_more; /* there are at least as many: the ceiling or the time was reached */
};
enum db_result message_count(struct db *d, const struct message_scope *scope, const struct filter *f, int64_t most, int64_t budget_ms, struct message_count *out)
    __attribute__((warn_unused_result));

#endif
