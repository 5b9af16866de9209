/*
 * spool_row.c: the envelope and a recipient's state as bytes in a column. Explicit and versioned: little-endian integers, strings
 * with a 16-bit length before them. Decoding trusts nothing: every length is held against what is left and against the
 * field it goes into, every number against its range, and nothing may be left over.
 */
#include "spool/spool_parts.h"

#include <stdlib.h>
#include <string.h>

enum { ROW_VERSION = 1, RECIPIENT_BYTES_MIN = 32, RECIPIENTS_CEILING = 1000000 };

enum envelope_flags {
    FLAG_OUTGOING = 1, FLAG_8BIT = 2, FLAG_BODY_IN_FILE = 4, FLAG_SMTPUTF8 = 8, FLAG_REQUIRETLS = 16, FLAGS_ALL = 31
};
enum address_flags { ADDRESS_FLAG_UTF8 = 1, ADDRESS_FLAG_LITERAL = 2, ADDRESS_FLAGS_ALL = 3 };

static void put_number(struct buf *out, uint64_t value, unsigned bytes)
{
    unsigned char raw[8];

    for (unsigned i = 0; i < bytes; i++)
        raw[i] = (unsigned char)(value >> (8 * i));
    buf_add(out, raw, bytes);
}

static void put_text(struct buf *out, const char *text)
{
    size_t len = strlen(text);

    put_number(out, len, 2);
    buf_add(out, text, len);
}

static void put_address(struct buf *out, const struct address *a)
{
    put_number(out, (a->is_utf8 ? ADDRESS_FLAG_UTF8 : 0U) | (a->is_literal ? ADDRESS_FLAG_LITERAL : 0U), 1);
    put_number(out, a->local_len, 2);
    put_number(out, a->len, 2);
    buf_add(out, a->text, a->len);
}

static void put_state(struct buf *out, const struct spool_recipient *r)
{
    put_number(out, (uint64_t)r->state, 1);
    put_number(out, (uint64_t)r->next_try_ms, 8);
    put_number(out, r->attempts, 4);
    put_number(out, r->delay_told, 1);
    put_text(out, r->last_reply);
    put_text(out, r->last_host);
}

bool spool_state_encode(const struct spool_recipient *r, struct buf *out)
{
    put_number(out, ROW_VERSION, 1);
    put_state(out, r);
    return !out->failed;
}

static unsigned flags_of(const struct spool_record *r)
{
    const struct spool_message *m = &r->message;

    return (m->is_outgoing ? FLAG_OUTGOING : 0U) | (m->is_8bit ? FLAG_8BIT : 0U) | (r->body_in_file ? FLAG_BODY_IN_FILE : 0U) |
           (m->mail.smtputf8 ? FLAG_SMTPUTF8 : 0U) | (m->mail.requiretls ? FLAG_REQUIRETLS : 0U);
}

bool spool_envelope_encode(struct spool_record *r, struct buf *out)
{
    const struct spool_message *m = &r->message;

    buf_reserve(out, 256 + 160 * m->recipient_count); /* the usual size, so that it grows once */
    put_number(out, ROW_VERSION, 1);
    put_number(out, flags_of(r), 1);
    put_number(out, r->body_size, 8);
    put_number(out, (uint64_t)m->received_ms, 8);
    put_text(out, m->reference);
    put_number(out, m->mail.size, 8);
    put_number(out, (uint64_t)m->mail.body, 1);
    put_number(out, (uint64_t)m->mail.ret, 1);
    put_text(out, m->mail.envid);
    put_address(out, &m->mail.sender);
    put_text(out, m->client);
    put_text(out, m->helo);
    put_number(out, m->recipient_count, 4);
    for (size_t i = 0; i < m->recipient_count; i++) {
        put_address(out, &m->recipients[i].args.recipient);
        put_number(out, m->recipients[i].args.notify, 1);
        put_text(out, m->recipients[i].args.orcpt);
        put_state(out, &m->recipients[i]);
    }
    return !out->failed;
}

bool spool_message_write(struct spool_message *m, struct buf *out)
{
    return spool_envelope_encode(spool_record_of(m), out);
}

struct reader {
    const unsigned char *at;
    size_t left;
    bool failed; /* sticky */
};

static const unsigned char *get_bytes(struct reader *r, size_t len)
{
    if (r->failed || len > r->left) {
        r->failed = true;
        return NULL;
    }
    const unsigned char *at = r->at;
    r->at += len;
    r->left -= len;
    return at;
}

static uint64_t get_number(struct reader *r, unsigned bytes, uint64_t most)
{
    const unsigned char *raw = get_bytes(r, bytes);
    uint64_t value = 0;

    for (unsigned i = 0; raw && i < bytes; i++)
        value |= (uint64_t)raw[i] << (8 * i);
    if (value > most) {
        r->failed = true;
        return 0;
    }
    return value;
}

/* LEN bytes without a NUL among them into TO, with a NUL behind. */
static void get_chars(struct reader *r, size_t len, char *to, size_t size)
{
    const unsigned char *raw = len < size ? get_bytes(r, len) : NULL;

    to[0] = '\0';
    if (!raw || memchr(raw, 0, len)) {
        r->failed = true;
        return;
    }
    memcpy(to, raw, len);
    to[len] = '\0';
}

static void get_text(struct reader *r, char *to, size_t size)
{
    get_chars(r, (size_t)get_number(r, 2, UINT16_MAX), to, size);
}

static void get_address(struct reader *r, struct address *a)
{
    unsigned flags = (unsigned)get_number(r, 1, ADDRESS_FLAGS_ALL);

    a->is_utf8 = flags & ADDRESS_FLAG_UTF8;
    a->is_literal = flags & ADDRESS_FLAG_LITERAL;
    a->local_len = (uint16_t)get_number(r, 2, sizeof a->text - 1);
    a->len = (uint16_t)get_number(r, 2, sizeof a->text - 1);
    get_chars(r, a->len, a->text, sizeof a->text);
    if (a->local_len > a->len || (a->local_len < a->len && a->text[a->local_len] != '@'))
        r->failed = true;
}

static void get_state(struct reader *r, struct spool_recipient *out)
{
    out->state = (enum spool_recipient_state)get_number(r, 1, SPOOL_DONE);
    out->next_try_ms = (int64_t)get_number(r, 8, INT64_MAX);
    out->attempts = (uint32_t)get_number(r, 4, UINT32_MAX);
    out->delay_told = get_number(r, 1, 1) != 0;
    get_text(r, out->last_reply, sizeof out->last_reply);
    get_text(r, out->last_host, sizeof out->last_host);
}

static struct reader reader_of(struct str bytes)
{
    return (struct reader){.at = (const unsigned char *)bytes.at, .left = bytes.len};
}

bool spool_state_decode(struct str bytes, struct spool_recipient *out)
{
    struct reader r = reader_of(bytes);
    struct spool_recipient read = *out;

    if (get_number(&r, 1, ROW_VERSION) != ROW_VERSION)
        return false;
    get_state(&r, &read);
    if (r.failed || r.left)
        return false;
    *out = read;
    return true;
}

static void get_message(struct reader *r, struct spool_message *m, unsigned flags)
{
    m->is_outgoing = flags & FLAG_OUTGOING;
    m->is_8bit = flags & FLAG_8BIT;
    m->mail.smtputf8 = flags & FLAG_SMTPUTF8;
    m->mail.requiretls = flags & FLAG_REQUIRETLS;
    m->received_ms = (int64_t)get_number(r, 8, INT64_MAX);
    get_text(r, m->reference, sizeof m->reference);
    m->mail.size = get_number(r, 8, UINT64_MAX);
    m->mail.body = (enum mail_body)get_number(r, 1, BODY_BINARYMIME);
    m->mail.ret = (enum dsn_ret)get_number(r, 1, DSN_RET_HDRS);
    get_text(r, m->mail.envid, sizeof m->mail.envid);
    get_address(r, &m->mail.sender);
    get_text(r, m->client, sizeof m->client);
    get_text(r, m->helo, sizeof m->helo);
}

static struct spool_message *with_recipients(struct reader *r, const struct spool_message *head, bool in_file, uint64_t body_size, bool *damaged)
{
    size_t count = (size_t)get_number(r, 4, RECIPIENTS_CEILING);

    *damaged = r->failed || count == 0 || count > r->left / RECIPIENT_BYTES_MIN + 1;
    struct spool_message *m = *damaged ? NULL : spool_message_new(count);
    if (!m)
        return NULL;
    struct spool_recipient *recipients = m->recipients;
    *m = *head;
    m->recipients = recipients;
    m->recipient_count = count;
    atomic_init(&m->refs, 1);
    spool_record_of(m)->body_in_file = in_file;
    spool_record_of(m)->body_size = body_size;
    for (size_t i = 0; i < count && !r->failed; i++) {
        get_address(r, &recipients[i].args.recipient);
        recipients[i].args.notify = (unsigned)get_number(r, 1, UINT8_MAX);
        get_text(r, recipients[i].args.orcpt, sizeof recipients[i].args.orcpt);
        get_state(r, &recipients[i]);
    }
    return m;
}

struct spool_message *spool_envelope_decode(struct str bytes, bool *damaged)
{
    struct reader r = reader_of(bytes);
    struct spool_message head = {0};

    *damaged = get_number(&r, 1, ROW_VERSION) != ROW_VERSION;
    if (*damaged)
        return NULL;
    unsigned flags = (unsigned)get_number(&r, 1, FLAGS_ALL);
    uint64_t body_size = get_number(&r, 8, INT64_MAX);
    get_message(&r, &head, flags);
    struct spool_message *m = with_recipients(&r, &head, flags & FLAG_BODY_IN_FILE, body_size, damaged);
    if (m && (r.failed || r.left)) {
        *damaged = true;
        spool_message_unref(m);
        return NULL;
    }
    return m;
}

struct spool_message *spool_message_read(struct str bytes)
{
    bool damaged;

    return spool_envelope_decode(bytes, &damaged);
}
