/* message_row.c: see message_row.h. */
#include "store/message_row.h"

#include "base/json_out.h"
#include "mail/utf8.h"
#include "store/event_parts.h"

#include <string.h>

const struct message_column_row message_columns[MESSAGE_COLUMNS] = {
#define MESSAGE_COLUMN(name, type, when) {#name, MESSAGE_##type, MESSAGE_##when},
#include "store/message_columns.def"
#undef MESSAGE_COLUMN
};

enum { NEW_MARK = 'N', NEWS_MARK = 'U' };

static struct db_value by_itself(enum message_column c)
{
    switch (message_columns[c].type) {
    case MESSAGE_KEY: return DB_NOTHING;
    case MESSAGE_NUMBER: return DB_N(0);
    case MESSAGE_REAL: return DB_R(0);
    case MESSAGE_TEXT: break;
    }
    return DB_T(c == MESSAGE_findings ? STR("[]") : c == MESSAGE_results ? STR("{}") : c == MESSAGE_main_class ? STR("unknown") : STR(""));
}

void message_row_init(struct message_row *row)
{
    row->is_news = false;
    for (enum message_column c = 0; c < MESSAGE_COLUMNS; c++)
        row->at[c] = by_itself(c);
}

static bool is_clean(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] < 0x20 || (unsigned char)s.at[i] >= 0x7F)
            return false;
    return true;
}

/* A database takes valid UTF-8 only, and people read it. */
static struct str clean(struct arena *arena, struct str s, bool keeps_lines)
{
    s = str_sub(s, 0, EVENT_TEXT_MAX);
    if (is_clean(s))
        return s;
    char *to = arena_bytes(arena, s.len * UTF8_MAX + 1);
    size_t len = 0;
    if (!to)
        return STR("");
    for (const char *at = s.at, *end = s.at + s.len; at < end;) {
        uint32_t code = utf8_next(&at, end, NULL);
        bool is_control = code < 0x20 || (code >= 0x7F && code < 0xA0);
        if (is_control && !(code == '\n' && keeps_lines))
            code = ' ';
        len += utf8_put(to + len, code);
    }
    return str_n(to, len);
}

static struct str lower(struct arena *arena, struct str s)
{
    struct str own = arena_str(arena, clean(arena, s, false));

    str_lower((char *)(uintptr_t)own.at, own.len); /* our own copy; len is 0 out of memory */
    return own;
}

static struct str domain_of(struct str address)
{
    ptrdiff_t at = str_find_last(address, '@');
    return at < 0 ? STR("") : str_from_index(address, (size_t)at + 1);
}

char *message_client_key(const struct ip *ip, char to[MESSAGE_CLIENT_KEY])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char bytes[16] = {[10] = 0xff, [11] = 0xff};

    to[0] = '\0';
    if (ip->family == 4)
        memcpy(bytes + 12, ip->bytes, 4);
    else if (ip->family == 6)
        memcpy(bytes, ip->bytes, 16);
    else
        return to;
    for (size_t i = 0; i < 16; i++) {
        to[2 * i] = hex[bytes[i] >> 4];
        to[2 * i + 1] = hex[bytes[i] & 15];
    }
    to[32] = '\0';
    return to;
}

static void text(struct message_row *row, enum message_column c, struct str s, struct arena *arena)
{
    if (s.len)
        row->at[c] = DB_T(clean(arena, s, c == MESSAGE_attachments));
}

static void key(struct message_row *row, enum message_column c, int64_t id)
{
    row->at[c] = id ? DB_N(id) : DB_NOTHING;
}

static void set_client(struct message_row *row, const struct event *e, struct arena *arena)
{
    char ip[IP_TEXT_MAX], hex[MESSAGE_CLIENT_KEY];

    if (!e->client_ip.family)
        return;
    row->at[MESSAGE_client_ip] = DB_T(arena_str(arena, str_from(ip_format(&e->client_ip, ip))));
    row->at[MESSAGE_client_key] = DB_T(arena_str(arena, str_from(message_client_key(&e->client_ip, hex))));
}

static void set_addresses(struct message_row *row, const struct event *e, struct arena *arena)
{
    struct str sender = lower(arena, e->sender), recipient = lower(arena, e->recipient);

    row->at[MESSAGE_sender] = DB_T(sender);
    row->at[MESSAGE_sender_domain] = DB_T(domain_of(sender));
    row->at[MESSAGE_recipient] = DB_T(recipient);
    row->at[MESSAGE_recipient_domain] = DB_T(e->domain.len ? lower(arena, e->domain) : domain_of(recipient));
}

static void add_member(struct buf *out, const char *name, struct str value)
{
    if (!value.len)
        return;
    buf_addf(out, "%s\"%s\":", out->len > 1 ? "," : "", name);
    json_out_string(out, value);
}

static bool set_json(struct message_row *row, const struct event *e, struct arena *arena)
{
    struct buf out = buf_make(MESSAGE_ROW_MEMORY / 2);

    if (e->findings && e->findings->count) {
        event_findings_json(e->findings, &out);
        row->at[MESSAGE_findings] = DB_T(arena_str(arena, buf_str(&out)));
        buf_clear(&out);
    }
    buf_add_char(&out, '{');
    add_member(&out, "spf", e->spf);
    add_member(&out, "dkim", e->dkim);
    add_member(&out, "dmarc", e->dmarc);
    add_member(&out, "standing", e->standing);
    buf_add_char(&out, '}');
    bool ok = !out.failed;
    row->at[MESSAGE_results] = DB_T(arena_str(arena, buf_str(&out)));
    buf_free(&out);
    return ok;
}

/* What a reason says of the message; nothing where it says something of the attempt alone. */
static const char *class_of(enum reason r)
{
    switch (r) {
    case REASON_SPAM: return "spam";
    case REASON_PHISH:
    case REASON_LINK_PHISHING: return "phish";
    case REASON_VIRUS:
    case REASON_LINK_MALWARE: return "virus";
    case REASON_BLOCKED_SENDER:
    case REASON_BLOCKED_IP:
    case REASON_BLOCKED_RECIPIENT: return "blocked";
    case REASON_INTERNAL_ERROR:
    case REASON_NO_STORAGE: return "error";
    default: return "";
    }
}

/* Until a score says more: what decided, and what was found about it. */
static void set_classes(struct message_row *row, const struct event *e, struct arena *arena)
{
    const struct finding *by = e->findings ? findings_first(e->findings, e->reason) : NULL;

    text(row, MESSAGE_main_class, e->main_class.len ? e->main_class : str_from(class_of(e->reason)), arena);
    if (e->sub_class.len || e->reason != REASON_NONE)
        text(row, MESSAGE_sub_class, e->sub_class.len ? e->sub_class : str_from(reason_row(e->reason)->slug), arena);
    text(row, MESSAGE_extra_class, e->extra_class.len || !by ? e->extra_class : str_from(by->evidence), arena);
    row->at[MESSAGE_score] = DB_R(e->score);
}

static struct str direction_of(const struct event *e)
{
    if (e->direction.len)
        return e->direction;
    if (!e->client_ip.family)
        return STR("own");
    return str_is(e->service, "mx") ? STR("in") : STR("out");
}

/* Of a row that is there already, or should be. */
static bool is_news(enum event_kind kind)
{
    switch (kind) {
    case EVENT_CONNECT_REFUSED:
    case EVENT_AUTH_REFUSED:
    case EVENT_REFUSED:
    case EVENT_ACCEPTED:
    case EVENT_QUARANTINED:
    case EVENT_INCOMPLETE: return false;
    default: return true;
    }
}

static void set_news(struct message_row *row, const struct event *e, struct arena *arena)
{
    if (e->reason != REASON_NONE)
        row->at[MESSAGE_reason] = DB_T(str_from(reason_row(e->reason)->id));
    text(row, MESSAGE_action, str_from(e->action), arena);
    row->at[MESSAGE_status] = DB_T(str_from(event_status(e)));
    text(row, MESSAGE_host, e->host, arena);
    text(row, MESSAGE_tls_policy, e->tls_policy, arena);
    text(row, MESSAGE_remote_reply, e->remote_reply, arena);
    text(row, MESSAGE_dsn, e->dsn, arena);
    row->at[MESSAGE_attempts] = DB_N(e->attempts);
    row->at[MESSAGE_next_try_ms] = DB_N(e->next_try_ms > 0 ? e->next_try_ms : 0);
    row->at[MESSAGE_changed_ms] = DB_N(e->wall_ms);
}

bool message_row_of(const struct event *e, struct str node, struct arena *arena, struct message_row *row)
{
    message_row_init(row);
    row->is_news = is_news(e->kind);
    row->at[MESSAGE_id] = DB_N(db_new_id());
    text(row, MESSAGE_reference, e->reference, arena);
    row->at[MESSAGE_direction] = DB_T(direction_of(e));
    key(row, MESSAGE_tenant, e->tenant_id);
    key(row, MESSAGE_domain, e->domain_id);
    key(row, MESSAGE_account, e->account_id);
    text(row, MESSAGE_login, e->account, arena);
    text(row, MESSAGE_identity, e->identity, arena);
    set_client(row, e, arena);
    text(row, MESSAGE_client_name, e->client_name, arena);
    text(row, MESSAGE_helo, e->helo, arena);
    text(row, row->is_news ? MESSAGE_host_tls : MESSAGE_tls, e->tls, arena);
    set_addresses(row, e, arena);
    text(row, MESSAGE_header_from, e->from, arena);
    text(row, MESSAGE_header_to, e->to, arena);
    text(row, MESSAGE_header_cc, e->cc, arena);
    text(row, MESSAGE_subject, e->subject, arena);
    text(row, MESSAGE_message_id, e->message_id, arena);
    text(row, MESSAGE_attachments, e->attachments, arena);
    row->at[MESSAGE_size] = DB_N((int64_t)e->size);
    text(row, MESSAGE_reply, e->reply, arena);
    text(row, MESSAGE_node, node, arena);
    if (!row->is_news)
        set_classes(row, e, arena);
    set_news(row, e, arena);
    return set_json(row, e, arena) && !arena->failed;
}

static bool is_by_itself(enum message_column c, const struct db_value *v)
{
    struct db_value usual = by_itself(c);

    switch (message_columns[c].type) {
    case MESSAGE_KEY: return v->type == DB_NULL;
    case MESSAGE_NUMBER: return v->number == 0;
    case MESSAGE_REAL: return v->real == 0;
    case MESSAGE_TEXT: return str_eq(v->bytes, usual.bytes);
    }
    return false;
}

/* Native numbers: the journal is read by the host that wrote it. */
bool message_row_encode(const struct message_row *row, struct buf *out)
{
    buf_add_char(out, row->is_news ? NEWS_MARK : NEW_MARK);
    for (enum message_column c = 0; c < MESSAGE_COLUMNS; c++) {
        const struct db_value *v = &row->at[c];
        if (is_by_itself(c, v))
            continue;
        buf_add_char(out, (char)c);
        if (message_columns[c].type == MESSAGE_TEXT) {
            uint32_t len = (uint32_t)v->bytes.len;
            buf_add(out, &len, sizeof len);
            buf_add_str(out, v->bytes);
        } else if (message_columns[c].type == MESSAGE_REAL) {
            buf_add(out, &v->real, sizeof v->real);
        } else {
            buf_add(out, &v->number, sizeof v->number);
        }
    }
    return !out->failed;
}

static bool take(struct str *rest, void *to, size_t len)
{
    if (rest->len < len)
        return false;
    memcpy(to, rest->at, len);
    *rest = str_from_index(*rest, len);
    return true;
}

static bool take_value(struct str *rest, enum message_column c, struct db_value *v)
{
    uint32_t len;

    if (message_columns[c].type == MESSAGE_REAL) {
        v->type = DB_REAL;
        return take(rest, &v->real, sizeof v->real);
    }
    if (message_columns[c].type != MESSAGE_TEXT) {
        v->type = DB_NUMBER;
        return take(rest, &v->number, sizeof v->number);
    }
    if (!take(rest, &len, sizeof len) || len > rest->len)
        return false;
    *v = DB_T(str_sub(*rest, 0, len));
    *rest = str_from_index(*rest, len);
    return true;
}

bool message_row_decode(struct str bytes, struct message_row *row)
{
    char mark;
    unsigned char c;

    message_row_init(row);
    if (!take(&bytes, &mark, 1) || (mark != NEW_MARK && mark != NEWS_MARK))
        return false;
    row->is_news = mark == NEWS_MARK;
    while (bytes.len)
        if (!take(&bytes, &c, 1) || c >= MESSAGE_COLUMNS || !take_value(&bytes, (enum message_column)c, &row->at[c]))
            return false;
    return row->at[MESSAGE_id].number > 0 && row->at[MESSAGE_status].bytes.len > 0;
}
