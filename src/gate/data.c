/* data.c: DATA and BDAT: octets from the client into the message's blob. What cannot be kept is read to its end and dropped. */
#include "gate/session.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>

static bool begin_body(struct session *s)
{
    struct transaction *tx = s->tx;
    const struct policy *p = session_policy(s);
    bool normalize = networks_have(setting_networks(p, SETTING_normalize_line_endings_from), &s->client.peer.ip);

    /* the octets past the limit are not kept, so the ceiling only has to be above it */
    tx->body = blob_new(tx->size_limit + STREAM_IN_MAX, s->gate->spool_directory);
    dot_decoder_init(&tx->dot, normalize);
    tx->data_deadline_ms = clock_mono_ms() + setting_number(p, SETTING_data_timeout);
    return tx->body != NULL;
}

enum session_next cmd_data(struct session *s, struct str args)
{
    if (args.len)
        return answer_detail(s, REASON_BAD_ARGUMENTS, "DATA takes none");
    if (!s->tx)
        return answer_detail(s, REASON_BAD_SEQUENCE, "MAIL comes first");
    if (s->tx->chunked)
        return answer_detail(s, REASON_BAD_SEQUENCE, "BDAT has begun");
    if (s->tx->mail.body == BODY_BINARYMIME)
        return answer_detail(s, REASON_BAD_SEQUENCE, "BINARYMIME needs BDAT");
    if (s->tx->count == 0)
        return answer(s, REASON_NO_VALID_RECIPIENTS);
    if (!begin_body(s))
        return answer(s, REASON_INTERNAL_ERROR);
    s->state = SESSION_DATA;
    return answer(s, REASON_START_INPUT);
}

static bool keep(void *arg, const char *at, size_t len)
{
    struct transaction *tx = arg;

    if (tx->too_large || tx->broken)
        return true;
    if (blob_size(tx->body) + len > tx->size_limit) {
        tx->too_large = true;
        return true;
    }
    if (blob_append(tx->body, at, len) != BLOB_OK) {
        tx->broken = true;
        tx->no_room = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    }
    return true;
}

static void describe_defect(const struct dot_decoder *d, char *to, size_t size)
{
    const char *what = d->defects & DOT_NUL ? "NUL" : d->defects & DOT_BARE_LF ? "bare LF" : "bare CR";

    snprintf(to, size, "%s in line %zu", what, d->defect_line);
}

/* A NUL, or a line ending that another reader could take for the end of the message (end-of-data smuggling). */
static bool line_endings_are_bad(const struct transaction *tx)
{
    unsigned bad = tx->dot.normalize ? DOT_NUL : DOT_BARE_CR | DOT_BARE_LF | DOT_NUL;

    return tx->mail.body != BODY_BINARYMIME && (tx->dot.defects & bad);
}

/* Answers at once and closes: nothing behind the suspicious place is ever read as a command. */
static enum session_next refuse_line_endings(struct session *s)
{
    char detail[64];

    describe_defect(&s->tx->dot, detail, sizeof detail);
    struct finding f = finding_make(REASON_BAD_LINE_ENDING, "%s", detail);
    for (size_t i = 0; i < s->tx->count; i++)
        event_refused(s, &f, s->tx->reference, &s->tx->recipients[i]->args.recipient, NULL, NULL);
    answer_finding(s, &f, s->tx->reference);
    session_reset_transaction(s);
    s->closing = true;
    return SESSION_CLOSE;
}

enum session_next data_read(struct session *s)
{
    struct transaction *tx = s->tx;
    size_t used;
    enum dot_result result = dot_decode(&tx->dot, stream_input(&s->stream), &used, keep, tx);

    stream_consume(&s->stream, used);
    if (line_endings_are_bad(tx))
        return refuse_line_endings(s);
    if (result != DOT_END)
        return SESSION_WAIT;
    s->state = SESSION_COMMAND;
    return message_end(s);
}

/*
 * RFC 3030 §2: the octets of a chunk follow even where there is nothing to put them in, and each chunk gets its answer. So a client
 * that pipelines its chunks behind a refused one stays in step. A chunk past all reason ends the session instead.
 */
static enum session_next drop_chunk(struct session *s, uint64_t size, enum reason r)
{
    if (size > (uint64_t)setting_number(session_policy(s), SETTING_max_message_size))
        return answer_close(s, r, "and the chunk is too large to wait for");
    s->drop_left = size;
    s->drop_answer = r;
    s->state = SESSION_DROP_CHUNK;
    return size ? SESSION_GO_ON : chunk_drop(s);
}

enum session_next chunk_drop(struct session *s)
{
    size_t here = stream_input(&s->stream).len;

    if (here > s->drop_left)
        here = (size_t)s->drop_left;
    if (here)
        stream_consume(&s->stream, here);
    s->drop_left -= here;
    if (s->drop_left)
        return SESSION_WAIT;
    s->state = SESSION_COMMAND;
    return answer_detail(s, s->drop_answer, "MAIL and RCPT come before BDAT");
}

enum session_next cmd_bdat(struct session *s, struct str args)
{
    uint64_t size;
    bool last;

    if (!session_offered(s).binarymime)
        return answer(s, REASON_NOT_IMPLEMENTED);
    if (!bdat_args_parse(args, &size, &last)) {
        /* without its size the chunk cannot be told from commands */
        return answer_close(s, REASON_BAD_ARGUMENTS, "BDAT size [LAST]");
    }
    if (!s->tx || s->tx->count == 0)
        return drop_chunk(s, size, s->tx ? REASON_NO_VALID_RECIPIENTS : REASON_BAD_SEQUENCE);
    if (!s->tx->chunked && !begin_body(s))
        return answer_close(s, REASON_INTERNAL_ERROR, NULL);
    s->tx->chunked = true;
    s->tx->chunk_left = size;
    s->tx->chunk_last = last;
    s->state = SESSION_CHUNK;
    if (size == 0)
        return chunk_read(s);
    return SESSION_GO_ON;
}

static enum session_next chunk_end(struct session *s)
{
    struct transaction *tx = s->tx;
    char octets[24];

    s->state = SESSION_COMMAND;
    if (tx->chunk_last)
        return message_end(s);
    if (tx->broken || tx->too_large) /* what follows would be for nothing: the answer to the last chunk, early */
        return message_end(s);
    snprintf(octets, sizeof octets, "%llu", (unsigned long long)blob_size(tx->body));
    return answer_detail(s, REASON_CHUNK_OK, octets);
}

enum session_next chunk_read(struct session *s)
{
    struct transaction *tx = s->tx;
    struct str input = stream_input(&s->stream);

    if (input.len > tx->chunk_left)
        input.len = (size_t)tx->chunk_left;
    if (input.len) {
        dot_inspect(&tx->dot, input);
        keep(tx, input.at, input.len);
        tx->chunk_left -= input.len;
        stream_consume(&s->stream, input.len);
        if (line_endings_are_bad(tx))
            return refuse_line_endings(s);
    }
    return tx->chunk_left ? SESSION_WAIT : chunk_end(s);
}
