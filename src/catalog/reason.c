/* reason.c: see reason.h. */
#include "catalog/reason.h"

#include "base/bug.h"
#include "catalog/settings.h"

#include <stdio.h>
#include <string.h>

enum { SETTING_NONE = -1 };

#define STAGE_OF(stage) STAGE_##stage
#define LIFTED true
#define STANDS false
#define QUARANTINED true
#define DROPPED false

/* written by the build: REASON_IS_ENFORCED_<id> is 1 where a process of the gateway gives that answer */
#include "catalog/enforced.inc"

static const struct reason_row rows[REASON_COUNT] = {
#define REASON(id_, slug_, kind_, stage_, code_, enhanced_, text_, action_, setting_, allow_, keep_, fixers_, metric_) \
    [REASON_##id_] = {.id = #id_, .slug = #slug_, .kind = REASON_KIND_##kind_, .stage = STAGE_##stage_, .code = (code_), \
                      .enhanced = (enhanced_), .text = (text_), .action = ACTION_##action_, .setting = SETTING_##setting_, \
                      .allow_lifts = allow_, .quarantined = keep_, .fixers = (fixers_), .metric = #metric_, \
                      .enforced = REASON_IS_ENFORCED_##id_},
#include "catalog/reasons.def"
#undef REASON
};

const struct reason_row *reason_row(enum reason r)
{
    bug_unless(r > REASON_NONE && r < REASON_COUNT);
    return &rows[r];
}

/* #slug of a-b-c is stringified by the preprocessor as written, which is what we want. */
static bool names_match(struct str name, const char *id)
{
    if (name.len != strlen(id))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        int a = ascii_lower((unsigned char)name.at[i]), b = ascii_lower((unsigned char)id[i]);
        if ((a == '-' ? '_' : a) != (b == '-' ? '_' : b))
            return false;
    }
    return true;
}

enum reason reason_find(struct str name)
{
    for (enum reason r = REASON_NONE + 1; r < REASON_COUNT; r++)
        if (names_match(name, rows[r].id) || names_match(name, rows[r].slug))
            return r;
    return REASON_NONE;
}

const char *action_name(enum action a)
{
    static const char *const names[] = {[ACTION_OFF] = "off", [ACTION_SCORE] = "score", [ACTION_TAG] = "tag",
                                        [ACTION_QUARANTINE] = "quarantine", [ACTION_REFUSE] = "refuse",
                                        [ACTION_DEFER] = "defer", [ACTION_BOUNCE] = "bounce", [ACTION_DELAY] = "delay",
                                        [ACTION_DELIVER] = "deliver", [ACTION_NONE] = "none"};
    return names[a];
}

const char *reason_stage_name(enum reason_stage s)
{
    static const char *const names[] = {[STAGE_CONNECT] = "connect", [STAGE_AUTH] = "auth", [STAGE_HELO] = "helo",
                                        [STAGE_MAIL] = "mail", [STAGE_RCPT] = "rcpt", [STAGE_DATA] = "data",
                                        [STAGE_ANY] = "any", [STAGE_COURIER] = "delivery"};
    return names[s];
}

static void add_why(struct buf *out, const struct reason_row *row, const struct reply_context *c)
{
    buf_add_str(out, c->why_url);
    if (!row)
        return;
    buf_addf(out, "/%s", row->slug);
    if (c->reference.len) {
        buf_add_char(out, '/');
        buf_add_str(out, c->reference);
    }
}

static void add_placeholder(struct buf *out, struct str name, const struct reply_context *c)
{
    if (str_is(name, "detail"))
        buf_add_str(out, c->detail);
    else if (str_is(name, "host"))
        buf_add_str(out, c->host);
    else if (str_is(name, "reference"))
        buf_add_str(out, c->reference);
    else if (str_is(name, "seconds"))
        buf_addf(out, "%llu", (unsigned long long)c->seconds);
    else if (str_is(name, "size"))
        buf_addf(out, "%llu", (unsigned long long)c->size);
    else if (str_is(name, "why"))
        add_why(out, NULL, c);
    else
        bug("reasons.def: unknown placeholder {" STR_FMT "}", STR_ARG(name));
}

void reason_text(struct buf *out, enum reason r, const struct reply_context *context)
{
    struct str rest = str_from(reason_row(r)->text);
    size_t start = out->len;

    while (rest.len) {
        buf_add_str(out, str_cut(&rest, '{'));
        if (rest.at)
            add_placeholder(out, str_cut(&rest, '}'), context);
    }
    /* evidence is optional: "text: {detail}" without it ends at the text */
    if (!context->detail.len && out->len - start >= 2 && memcmp(out->at + out->len - 2, ": ", 2) == 0)
        buf_truncate(out, out->len - 2);
}

static void clean(struct str line, struct buf *out, size_t most)
{
    for (size_t i = 0; i < line.len && i < most; i++) {
        unsigned char c = (unsigned char)line.at[i];
        buf_add_char(out, c < 0x20 || c > 0x7E ? '?' : (char)c);
    }
}

void reason_reply(struct buf *out, enum reason r, const struct reply_context *context)
{
    enum { MOST_TEXT = 800, MOST_LINES = 100 };
    const struct reason_row *row = reason_row(r);
    struct str enhanced = context->enhanced.len ? context->enhanced : str_from(row->enhanced);
    bool policy = row->kind == REASON_KIND_TEMPORARY || row->kind == REASON_KIND_PERMANENT;
    struct buf text = buf_make(64 * 1024);

    bug_unless(row->kind != REASON_KIND_DELIVERY);
    reason_text(&text, r, context);
    struct str rest = buf_str(&text);
    for (int lines = 0; lines < MOST_LINES; lines++) {
        struct str line = str_cut(&rest, '\n');
        bool last = !rest.at || lines == MOST_LINES - 1;
        buf_addf(out, "%03d%c", row->code, last ? ' ' : '-');
        if (enhanced.len)
            buf_addf(out, STR_FMT " ", STR_ARG(enhanced));
        if (policy && lines == 0)
            buf_addf(out, STR_FMT ": ", STR_ARG(context->host));
        clean(line, out, MOST_TEXT);
        if (policy && last) {
            buf_add_text(out, ". See ");
            add_why(out, row, context);
        }
        buf_add_text(out, "\r\n");
        if (last)
            break;
    }
    buf_free(&text);
}
