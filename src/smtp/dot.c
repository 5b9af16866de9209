/*
 * dot.c: see dot.h. Every octet of every mail goes through here, so the work is per line and not per octet: memchr() finds the next
 * CR, LF and NUL (each is looked for once, whatever the input), and what stands between goes to the sink in one run. Used by
 * the gate (decode, inspect) and the client (encode).
 */
#include "smtp/dot.h"

#include <string.h>

enum decoder_state {
    AT_LINE,    /* behind CR LF, or at the very beginning: a dot counts here */
    IN_LINE,
    HELD_CR,    /* in a line, behind a CR that has not been given out yet */
    DOT,        /* CR LF . */
    DOT_CR,     /* CR LF . CR */
    SOFT_LINE,  /* normalizing: behind a bare CR or LF. A dot is unstuffed here, but never ends the mail */
    SOFT_DOT
};

/* The next octet of one kind; searched again only when the reading has passed it, so a whole input costs one pass. */
struct next {
    const char *at; /* END when there is none */
    char octet;
};

static inline const char *next_from(struct next *n, const char *p, const char *end)
{
    if (n->at < p) {
        n->at = memchr(p, n->octet, (size_t)(end - p));
        if (!n->at)
            n->at = end;
    }
    return n->at;
}

static struct next next_make(char octet, const char *p, const char *end)
{
    const char *hit = p < end ? memchr(p, octet, (size_t)(end - p)) : NULL;
    return (struct next){.at = hit ? hit : end, .octet = octet};
}

/* One call of the decoder. */
struct pass {
    struct dot_decoder *d;
    dot_sink *sink;          /* NULL: only looking */
    void *arg;
    const char *p, *end;
    const char *from;        /* first octet that the sink has not got */
    struct next cr, lf, nul;
    bool stopped;
};

static void give(struct pass *s, const char *at, size_t len)
{
    if (len && s->sink && !s->stopped && !s->sink(s->arg, at, len))
        s->stopped = true;
}

/* Gives out what stands before the reading position, which becomes the start of the next run. */
static void give_run(struct pass *s)
{
    give(s, s->from, (size_t)(s->p - s->from));
    s->from = s->p;
}

static void note(struct dot_decoder *d, enum dot_defect defect)
{
    d->defects |= (unsigned)defect;
    if (d->defect_line == 0)
        d->defect_line = d->line;
}

static void note_longest(struct dot_decoder *d)
{
    if (d->line_len > d->longest) {
        d->longest = d->line_len;
        d->longest_line = d->line;
    }
}

static void end_line(struct dot_decoder *d)
{
    note_longest(d);
    d->line++;
    d->line_len = 0;
}

/* N octets of the line at P have been looked at for CR and LF: counts them and notes a NUL among them. */
static void pass_octets(struct pass *s, size_t n)
{
    const char *stop = s->p + n;

    if (next_from(&s->nul, s->p, s->end) < stop)
        note(s->d, DOT_NUL);
    s->d->line_len += n;
    s->p = stop;
}

/* A bare CR or LF that is not (or no longer) part of a run: the octet itself, or a whole line end when normalizing. */
static void bare(struct pass *s, enum dot_defect defect)
{
    note(s->d, defect);
    if (s->d->normalize) {
        give(s, "\r\n", 2);
        end_line(s->d);
        s->d->state = SOFT_LINE;
    } else {
        give(s, defect == DOT_BARE_CR ? "\r" : "\n", 1);
        s->d->line_len++;
        s->d->state = IN_LINE;
    }
}

/* Inside a line: up to its end, to a CR that is the input's last octet, or to the input's end. */
static void read_line(struct pass *s)
{
    struct dot_decoder *d = s->d;

    for (;;) {
        const char *cr = next_from(&s->cr, s->p, s->end), *lf = next_from(&s->lf, s->p, s->end);
        const char *first = cr < lf ? cr : lf;

        pass_octets(s, (size_t)(first - s->p));
        if (first == s->end)
            return;
        if (first == cr && cr + 1 == s->end) {
            give_run(s);
            s->from = s->p = s->end;
            d->state = HELD_CR;
            return;
        }
        if (first == cr && cr[1] == '\n') {
            s->p += 2;
            end_line(d);
            d->state = AT_LINE;
            return;
        }
        enum dot_defect defect = first == cr ? DOT_BARE_CR : DOT_BARE_LF;
        if (d->normalize) {
            give_run(s);
            s->from = ++s->p;
            bare(s, defect);
            return;
        }
        note(d, defect); /* stays where it is, in the run */
        d->line_len++;
        s->p++;
    }
}

static void read_held_cr(struct pass *s)
{
    if (*s->p != '\n') {
        bare(s, DOT_BARE_CR);
        return;
    }
    give(s, "\r\n", 2);
    s->from = ++s->p;
    end_line(s->d);
    s->d->state = AT_LINE;
}

/* When normalizing, a dot alone between line ends of which one is bare is what the line says; with more behind it, it was stuffing. */
static void keep_dot(struct pass *s)
{
    give(s, ".", 1);
    s->d->line_len++;
}

static void read_soft_dot(struct pass *s)
{
    if (*s->p == '\r' || *s->p == '\n')
        keep_dot(s);
    s->d->state = IN_LINE;
}

static void read_dot(struct pass *s)
{
    if (*s->p == '\r') {
        s->from = ++s->p;
        s->d->state = DOT_CR;
        return;
    }
    if (*s->p == '\n' && s->d->normalize)
        keep_dot(s);
    s->d->state = IN_LINE;
}

/* True at the end of the mail. */
static bool read_dot_cr(struct pass *s)
{
    if (*s->p == '\n') {
        s->from = ++s->p;
        return true;
    }
    if (s->d->normalize)
        keep_dot(s);
    s->d->state = HELD_CR; /* a bare one, as its next octet shows */
    return false;
}

/* At the start of a line: a dot is held back until it is clear what it means. */
static void read_line_start(struct pass *s, enum decoder_state dot_state)
{
    if (*s->p != '.') {
        s->d->state = IN_LINE;
        return;
    }
    give_run(s);
    s->from = ++s->p;
    s->d->state = (uint8_t)dot_state;
}

/* True at the end of the mail. */
static bool read_some(struct pass *s)
{
    struct dot_decoder *d = s->d;

    switch ((enum decoder_state)d->state) {
    case IN_LINE:
        read_line(s);
        return false;
    case AT_LINE:
        read_line_start(s, DOT);
        return false;
    case SOFT_LINE:
        read_line_start(s, SOFT_DOT);
        return false;
    case HELD_CR:
        read_held_cr(s);
        return false;
    case SOFT_DOT:
        read_soft_dot(s);
        return false;
    case DOT:
        read_dot(s);
        return false;
    case DOT_CR:
        return read_dot_cr(s);
    }
    return false;
}

void dot_decoder_init(struct dot_decoder *d, bool normalize)
{
    *d = (struct dot_decoder){.state = AT_LINE, .normalize = normalize, .line = 1};
}

static struct pass pass_make(struct dot_decoder *d, struct str input)
{
    const char *p = input.len ? input.at : "", *end = p + input.len;

    return (struct pass){.d = d, .p = p, .from = p, .end = end, .cr = next_make('\r', p, end), .lf = next_make('\n', p, end),
                         .nul = next_make('\0', p, end)};
}

enum dot_result dot_decode(struct dot_decoder *d, struct str input, size_t *used, dot_sink *sink, void *arg)
{
    struct pass s = pass_make(d, input);
    const char *start = s.p;
    bool ended = false;

    s.sink = sink;
    s.arg = arg;
    while (!ended && !s.stopped && s.p < s.end)
        ended = read_some(&s);
    give_run(&s);
    note_longest(d);
    *used = (size_t)(s.p - start);
    if (s.stopped)
        return DOT_STOPPED;
    return ended ? DOT_END : DOT_MORE;
}

void dot_inspect(struct dot_decoder *d, struct str input)
{
    struct pass s = pass_make(d, input);

    if (d->state == AT_LINE)
        d->state = IN_LINE;
    while (s.p < s.end) {
        read_some(&s);
        if (d->state == AT_LINE || d->state == SOFT_LINE)
            d->state = IN_LINE; /* dots mean nothing here */
    }
    note_longest(d);
}

enum encoder_state { ENCODER_AT_LINE, ENCODER_IN_LINE, ENCODER_HELD_CR };

void dot_encoder_init(struct dot_encoder *e)
{
    e->state = ENCODER_AT_LINE;
}

struct encoding {
    dot_sink *sink;
    void *arg;
    const char *p, *end, *from;
    struct next cr, lf, nul;
};

static bool emit(const struct encoding *s, const char *at, size_t len)
{
    return len == 0 || s->sink(s->arg, at, len);
}

/* Gives out the run before the reading position, leaves SKIP octets out, and adds TEXT instead. */
static bool replace(struct encoding *s, size_t skip, const char *text)
{
    if (!emit(s, s->from, (size_t)(s->p - s->from)))
        return false;
    s->p += skip;
    s->from = s->p;
    return emit(s, text, strlen(text));
}

/* From inside a line to the start of the next one, or to the end of the input. */
static bool encode_line(struct dot_encoder *e, struct encoding *s)
{
    const char *cr = next_from(&s->cr, s->p, s->end), *lf = next_from(&s->lf, s->p, s->end);
    const char *nul = next_from(&s->nul, s->p, s->end), *first = cr < lf ? cr : lf;

    if (nul < first) {
        s->p = nul;
        return replace(s, 1, "");
    }
    s->p = first;
    if (first == s->end)
        return true;
    if (first == cr && cr + 1 == s->end) {
        e->state = ENCODER_HELD_CR;
        return replace(s, 1, "");
    }
    e->state = ENCODER_AT_LINE;
    if (first == cr && cr[1] == '\n') {
        s->p += 2;
        return true;
    }
    return replace(s, 1, "\r\n");
}

/* A NUL before a dot must not hide it: whoever drops NULs behind us would see the bare dot (and we drop it ourselves). */
static bool encode_line_start(struct dot_encoder *e, struct encoding *s)
{
    if (*s->p == '\0')
        return replace(s, 1, "");
    e->state = ENCODER_IN_LINE;
    if (*s->p != '.')
        return true;
    /* the run ends with this dot, and the next one begins with it again */
    if (!emit(s, s->from, (size_t)(s->p + 1 - s->from)))
        return false;
    s->from = s->p;
    return true;
}

bool dot_encode(struct dot_encoder *e, struct str input, dot_sink *sink, void *arg)
{
    const char *p = input.len ? input.at : "", *end = p + input.len;
    struct encoding s = {.sink = sink, .arg = arg, .p = p, .from = p, .end = end, .cr = next_make('\r', p, end),
                         .lf = next_make('\n', p, end), .nul = next_make('\0', p, end)};

    if (e->state == ENCODER_HELD_CR && p < end) {
        if (*p == '\n')
            s.from = ++s.p;
        if (!emit(&s, "\r\n", 2))
            return false;
        e->state = ENCODER_AT_LINE;
    }
    while (s.p < s.end) {
        bool fine = e->state == ENCODER_AT_LINE ? encode_line_start(e, &s) : encode_line(e, &s);
        if (!fine)
            return false;
    }
    return emit(&s, s.from, (size_t)(s.p - s.from));
}

bool dot_encode_end(struct dot_encoder *e, dot_sink *sink, void *arg)
{
    bool at_line = e->state == ENCODER_AT_LINE;

    dot_encoder_init(e);
    return at_line ? sink(arg, ".\r\n", 3) : sink(arg, "\r\n.\r\n", 5);
}
