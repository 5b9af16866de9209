/* api.h: the API of the running gateway over its local socket, <run_directory>/api.sock, for `postern <noun> <verb>`. */
#ifndef CLI_API_H
#define CLI_API_H

#include "cli/command.h"

struct api_answer {
    int status;        /* HTTP; 0: the gateway cannot be reached, which has been said */
    json_t *json;      /* owned; NULL where the answer is something else */
    struct buf text;   /* owned: the answer as it came */
};

/*
 * PATH is encoded already, without a query; QUERY (may be NULL) an object of texts; BODY (may be NULL) is sent as JSON, or TEXT (may be NULL) as CSV. Dry run and
 * reason of LINE go along with what is no GET. The answer is for api_clear(). False: not reached, and that has been said on standard error.
 */
bool api_ask(const struct command_line *line, const char *method, const char *path, const json_t *query, const json_t *body, const struct buf *text,
             struct api_answer *answer) __attribute__((warn_unused_result));
void api_clear(struct api_answer *answer);
/* Is there a gateway to be asked? Says nothing. */
bool api_is_there(const struct command_line *line);
/* Says a problem on standard error. Returns the exit code for the answer's status: EX_OK below 400. */
int api_judge(const struct api_answer *answer);
/* SEGMENT percent-encoded, behind what PATH holds. */
void api_add_segment(struct buf *path, const char *segment);

#endif
