/*
 * pdf.c: what a PDF does when it is opened, where it leads, and the files in it (ISO 32000-2); see reading.h.
 *
 * The cross-reference table is not believed: objects are read in the order in which they lie, those in object streams as well, and names that
 * matter are looked for everywhere, also where a reader would see a comment or a stream's data. So an object counts wherever a table may point.
 */
#include "scan/files/pdf.h"

#include <string.h>

enum { DEPTH_MAX = 64, STREAMS_MAX = 1 << 16, NAMES_MAX = 256, NAME_LEN_MAX = 32, NUMBERS_LEN = 24,
       STREAMS_READ = 3 /* times the file */, STRING_MAX = 8192, FILE_NAME_LEN = 1024 };

enum key { KEY_OTHER, KEY_URI, KEY_FILE, KEY_EF, KEY_FILTER, KEY_LENGTH, KEY_OPEN, KEY_PREDICTOR, KEY_COLUMNS, KEY_COLOURS, KEY_BITS, KEY_WIDTH, KEY_HEIGHT,
           KEY_N, KEY_FIRST };

static const struct { const char *name; enum key key; } keys[] = {
    {"URI", KEY_URI}, {"F", KEY_FILE}, {"UF", KEY_FILE}, {"EF", KEY_EF}, {"Filter", KEY_FILTER}, {"Length", KEY_LENGTH}, {"OpenAction", KEY_OPEN},
    {"Predictor", KEY_PREDICTOR}, {"Columns", KEY_COLUMNS}, {"Colors", KEY_COLOURS}, {"BitsPerComponent", KEY_BITS}, {"Width", KEY_WIDTH}, {"Height", KEY_HEIGHT},
    {"N", KEY_N}, {"First", KEY_FIRST}};

static const struct { const char *name; unsigned fact; bool is_sure; /* also in the middle of a stream's data */ } telling[] = {
    {"JavaScript", FACT_PDF_JAVASCRIPT, true}, {"JS", FACT_PDF_JAVASCRIPT, false}, {"Launch", FACT_PDF_LAUNCH, true},
    {"EmbeddedFile", FACT_PDF_EMBEDDED, true}, {"EmbeddedFiles", FACT_PDF_EMBEDDED, true}, {"EF", FACT_PDF_EMBEDDED, false},
    {"Encrypt", FACT_ENCRYPTED, true}, {"AA", FACT_PDF_OPEN_ACTION, false}};

/* One dictionary that is open. */
struct frame { struct str file_name; uint32_t file; enum key key_outside; bool has_file; };

struct stream { uint32_t object; bool is_file; struct pdf_stream how; };
struct file_name { uint32_t object; struct str name; };

/* Where one of two marks comes next; looked for once, however often it is asked. */
struct next_mark { struct str mark; size_t at; bool is_known; };

struct pdf {
    struct reading *r;
    struct thing *t;
    struct pdf_tokens tokens;
    struct frame frames[DEPTH_MAX];
    size_t depth;            /* may be more than DEPTH_MAX: those share the last */
    enum key key;
    uint32_t numbers[2];     /* the latest two, the older first */
    uint32_t object;
    struct pdf_stream stream; /* of the object's dictionary */
    uint32_t length;
    bool has_length, is_objects, is_file, has_n, has_first, is_in_objects, is_in_filters;
    struct next_mark stream_end, object_begin;
    struct buf streams;      /* of struct stream: a specification may come behind the file that it names */
    struct file_name *names;
    uint32_t name_count;
    uint64_t may_read;       /* octets of streams; counts down, since many may claim the same ones */
    unsigned failed;         /* enum file_fact flags of streams that could not be read */
};

static struct frame *top(struct pdf *x)
{
    return &x->frames[x->depth < DEPTH_MAX ? x->depth : DEPTH_MAX - 1];
}

static size_t next_of(struct str bytes, struct next_mark *m, size_t from)
{
    if (!m->is_known || m->at < from) {
        ptrdiff_t at = find_from(bytes, from, m->mark);
        m->at = at < 0 ? bytes.len : (size_t)at;
        m->is_known = true;
    }
    return m->at;
}

/* Names that tell, wherever they are. */
static void look_for_names(struct pdf *x, struct str bytes)
{
    char name[NAME_LEN_MAX];

    for (ptrdiff_t at = find_from(bytes, 0, STR("/")); at >= 0; at = find_from(bytes, (size_t)at + 1, STR("/"))) {
        struct pdf_tokens one = {.bytes = str_sub(bytes, (size_t)at, 4 * NAME_LEN_MAX)};
        struct pdf_token token = pdf_token_next(&one);
        struct str read = pdf_name(token.text, name, sizeof name);
        for (size_t i = 0; i < sizeof telling / sizeof *telling; i++)
            if (telling[i].is_sure && str_is(read, telling[i].name))
                x->t->facts |= telling[i].fact;
    }
}

static void name_seen(struct pdf *x, struct str written)
{
    char text[NAME_LEN_MAX];
    struct str name = pdf_name(written, text, sizeof text);
    enum key before = x->key;

    x->key = KEY_OTHER;
    if (before == KEY_FILTER) { /* a value, or one of a list of them */
        if (x->stream.filter_count < PDF_FILTERS_MAX)
            x->stream.filters[x->stream.filter_count] = (uint8_t)pdf_filter_by_name(name);
        x->stream.filter_count += x->stream.filter_count <= PDF_FILTERS_MAX;
        x->key = x->is_in_filters ? KEY_FILTER : KEY_OTHER;
        return;
    }
    for (size_t i = 0; i < sizeof telling / sizeof *telling; i++)
        if (str_is(name, telling[i].name))
            x->t->facts |= telling[i].fact;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (str_is(name, keys[i].name))
            x->key = keys[i].key;
    x->is_objects |= str_is(name, "ObjStm");
    x->is_file |= str_is(name, "EmbeddedFile");
    x->has_n |= x->key == KEY_N;
    x->has_first |= x->key == KEY_FIRST;
}

static bool is_link(struct str text)
{
    for (size_t i = 0; i < text.len && i < 4; i++)
        if ((unsigned char)text.at[i] <= ' ' || (unsigned char)text.at[i] > '~')
            return false; /* encrypted, most likely */
    return text.len > 3;
}

static void string_seen(struct pdf *x, const struct pdf_token *token)
{
    if (x->key != KEY_URI && x->key != KEY_FILE)
        return;
    struct str text = pdf_string(x->r->arena, token, STRING_MAX);
    if (x->key == KEY_FILE)
        top(x)->file_name = str_sub(text, 0, FILE_NAME_LEN);
    if (is_link(text) && (x->key == KEY_URI || find_from(text, 0, STR("://")) > 0))
        url_add(x->r, text, "pdf");
    x->key = KEY_OTHER;
}

static void begin_dictionary(struct pdf *x)
{
    enum key outside = x->key;

    if (outside == KEY_OPEN)
        x->t->facts |= FACT_PDF_OPEN_ACTION;
    x->depth++;
    *top(x) = (struct frame){.key_outside = outside};
    x->key = KEY_OTHER;
}

/* A file specification has been read: its name goes with the stream it names. */
static void end_dictionary(struct pdf *x)
{
    struct frame ended = *top(x);

    x->key = KEY_OTHER;
    if (x->depth == 0)
        return;
    x->depth--;
    if (ended.key_outside == KEY_EF && ended.has_file && x->depth) {
        top(x)->file = ended.file;
        top(x)->has_file = true;
    }
    if (ended.key_outside == KEY_EF || !ended.has_file)
        return;
    if (x->name_count < NAMES_MAX)
        x->names[x->name_count++] = (struct file_name){ended.file, ended.file_name};
    else
        x->failed |= FACT_TOO_MANY;
}

static void number_seen(struct pdf *x, struct str text)
{
    uint64_t n = 0;

    if (!str_to_u64(text, UINT32_MAX, &n))
        n = 0;
    x->numbers[0] = x->numbers[1];
    x->numbers[1] = (uint32_t)n;
    switch (x->key) {
    case KEY_LENGTH:
        x->length = (uint32_t)n;
        x->has_length = true;
        break;
    case KEY_PREDICTOR:
        x->stream.predictor = (uint32_t)n;
        break;
    case KEY_COLUMNS:
        x->stream.columns = (uint32_t)n;
        break;
    case KEY_COLOURS:
        x->stream.colours = (uint32_t)n;
        break;
    case KEY_BITS:
        x->stream.bits = (uint32_t)n;
        break;
    case KEY_WIDTH:
        x->stream.width = (uint32_t)n;
        break;
    case KEY_HEIGHT:
        x->stream.height = (uint32_t)n;
        break;
    default:
        break;
    }
    if (x->key != KEY_FILE && x->key != KEY_OPEN && x->key != KEY_LENGTH)
        x->key = KEY_OTHER;
}

static void reference_seen(struct pdf *x)
{
    if (x->key == KEY_OPEN)
        x->t->facts |= FACT_PDF_OPEN_ACTION;
    if (x->key == KEY_FILE && top(x)->key_outside == KEY_EF) {
        top(x)->file = x->numbers[0];
        top(x)->has_file = true;
    }
    if (x->key == KEY_LENGTH)
        x->has_length = false; /* it stands elsewhere */
    x->key = KEY_OTHER;
}

static void begin_object(struct pdf *x)
{
    x->object = x->numbers[0];
    x->depth = 0;
    x->key = KEY_OTHER;
    x->stream = (struct pdf_stream){.predictor = 0};
    x->has_length = x->is_objects = x->is_file = x->is_in_filters = x->has_n = x->has_first = false;
}

static void read_tokens(struct pdf *x);

/* What went wrong, as a fact. */
static unsigned unpack(struct pdf *x, const struct pdf_stream *stream, struct buf *out)
{
    struct thing seen = {0};

    buf_clear(out);
    if (stream->data.len > x->may_read)
        return FACT_TOO_MANY;
    x->may_read -= stream->data.len;
    unpack_fact(&seen, pdf_unpack(x->r, stream, out));
    return seen.facts;
}

/* Objects in a stream (7.5.7) have no streams of their own, so this goes one level down. */
static void read_objects(struct pdf *x)
{
    struct buf objects = unpack_buf();
    struct pdf_tokens outer = x->tokens;

    x->failed |= unpack(x, &x->stream, &objects);
    x->tokens = (struct pdf_tokens){.bytes = buf_str(&objects)};
    x->is_in_objects = true;
    begin_object(x);
    look_for_names(x, buf_str(&objects));
    read_tokens(x);
    x->is_in_objects = false;
    x->tokens = outer;
    buf_free(&objects);
}

/* The object's number and generation stand before the word. */
static size_t before_numbers(struct str b, size_t begin, size_t at)
{
    size_t most = at - begin < NUMBERS_LEN ? at - begin : NUMBERS_LEN;

    while (most-- && (ascii_is_digit((unsigned char)b.at[at - 1]) || b.at[at - 1] == ' '))
        at--;
    return at;
}

/*
 * The data goes as far as its length says where "endstream" stands there, else to the first one. What is looked at next begins with the first
 * object that lies in it, if there is one: a table might point there.
 */
static void stream_seen(struct pdf *x, size_t word_at)
{
    struct str b = x->tokens.bytes;
    size_t begin = word_at + 6;

    begin += begin < b.len && b.at[begin] == '\r';
    begin += begin < b.len && b.at[begin] == '\n';
    if (begin > b.len)
        begin = b.len;
    size_t end = next_of(b, &x->stream_end, begin), object = next_of(b, &x->object_begin, begin), data_end = end;
    if (x->has_length && x->length <= b.len - begin && find_from(str_sub(b, 0, begin + x->length + 16), begin + x->length, STR("endstream")) >= 0)
        data_end = begin + x->length;
    x->stream.data = str_sub(b, begin, data_end - begin);
    x->tokens.at = object < end ? before_numbers(b, begin, object) : end;
    const struct stream one = {x->object, x->is_file, x->stream};
    if (!buf_add(&x->streams, &one, sizeof one))
        x->failed |= FACT_TOO_MANY;
    if (x->is_objects || (x->has_n && x->has_first))
        read_objects(x);
    begin_object(x);
}

static void word_seen(struct pdf *x, const struct pdf_token *token)
{
    if (str_is(token->text, "obj"))
        begin_object(x);
    else if (str_is(token->text, "R"))
        reference_seen(x);
    else if (str_is(token->text, "stream") && !x->is_in_objects)
        stream_seen(x, token->at);
    else
        x->key = KEY_OTHER;
}

static void read_tokens(struct pdf *x)
{
    for (;;) {
        struct pdf_token token = pdf_token_next(&x->tokens);
        switch (token.kind) {
        case PDF_END:
            return;
        case PDF_NAME:
            name_seen(x, token.text);
            break;
        case PDF_STRING: case PDF_HEX_STRING:
            string_seen(x, &token);
            break;
        case PDF_DICTIONARY:
            begin_dictionary(x);
            break;
        case PDF_DICTIONARY_END:
            end_dictionary(x);
            break;
        case PDF_ARRAY: case PDF_ARRAY_END:
            x->is_in_filters = x->key == KEY_FILTER && token.kind == PDF_ARRAY;
            x->key = x->is_in_filters ? KEY_FILTER : KEY_OTHER;
            break;
        case PDF_NUMBER:
            number_seen(x, token.text);
            break;
        case PDF_WORD:
            word_seen(x, &token);
            break;
        }
    }
}

/* Is it a file that is carried along, and what is it called? */
static bool is_file(const struct pdf *x, const struct stream *stream, struct str *name)
{
    bool is_named = false;

    *name = STR("file");
    for (uint32_t i = 0; i < x->name_count && !is_named; i++) {
        is_named = x->names[i].object == stream->object;
        if (is_named && x->names[i].name.len)
            *name = x->names[i].name;
    }
    return is_named || stream->is_file;
}

static void read_file(struct pdf *x, const struct stream *stream, struct str name, struct buf *content)
{
    struct file_entry *entry = entry_add(x->r, x->t, name, stream->how.data.len);

    if (!entry || (x->t->facts & FACT_ENCRYPTED))
        return;
    unsigned facts = unpack(x, &stream->how, content);
    entry_content(x->r, x->t, entry, buf_str(content), false);
    entry_fact(x->r, x->t, entry, facts);
}

/* Files first: they tell more, and pictures are looked at as long as their budget lasts. */
static void read_files(struct pdf *x, bool pictures)
{
    struct buf content = unpack_buf();
    struct str name;

    for (size_t at = 0; at + sizeof(struct stream) <= x->streams.len; at += sizeof(struct stream)) {
        struct stream one;
        memcpy(&one, x->streams.at + at, sizeof one);
        bool is_picture = one.how.width && one.how.height;
        if (pictures && is_picture && one.how.data.len <= x->may_read) {
            x->may_read -= one.how.data.len;
            pdf_image_look(x->r, x->t, &one.how);
        } else if (!pictures && is_file(x, &one, &name)) {
            read_file(x, &one, name, &content);
        }
    }
    buf_free(&content);
}

static void tell(struct pdf *x)
{
    static const struct { unsigned fact; const char *words; } said[] = {
        {FACT_ENCRYPTED, "encrypted PDF"}, {FACT_PDF_JAVASCRIPT, "JavaScript in PDF"}, {FACT_PDF_LAUNCH, "PDF that starts a program"}};

    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (x->t->facts & said[i].fact)
            detail_add(x->r, "%s", said[i].words);
}

void pdf_look(struct reading *r, struct thing *t)
{
    struct pdf *x = arena_alloc(r->arena, sizeof *x);

    if (x) {
        *x = (struct pdf){.r = r, .t = t, .tokens = {.bytes = t->bytes}, .stream_end.mark = STR("endstream"), .object_begin.mark = STR(" obj"),
                          .may_read = STREAMS_READ * (uint64_t)t->bytes.len,
                          .streams = buf_make(STREAMS_MAX * sizeof(struct stream)), .names = arena_alloc(r->arena, NAMES_MAX * sizeof *x->names)};
    }
    if (!x || !x->names) {
        t->facts |= FACT_BOMB;
        return;
    }
    look_for_names(x, t->bytes);
    read_tokens(x);
    read_files(x, false);
    if (!(t->facts & FACT_ENCRYPTED))
        read_files(x, true);
    buf_free(&x->streams);
    /* streams of an encrypted file cannot be inflated; that is no damage */
    t->facts |= t->facts & FACT_ENCRYPTED ? x->failed & ~(unsigned)FACT_DAMAGED : x->failed;
    if ((t->facts & FACT_ENCRYPTED) && pdf_opens_for_all(r->arena, t->bytes)) {
        t->facts &= ~(unsigned)FACT_ENCRYPTED;
        detail_add(r, "PDF that everybody can open, encrypted all the same");
    }
    tell(x);
}
