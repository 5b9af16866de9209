/* features.c: see features.h. */
#include "scan/classify/features.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 65536, URL_PIECES = 40 };

enum group { GROUP_TOKEN = 1, GROUP_PAIR, GROUP_FINDING };

struct features {
    uint32_t slots[SLOTS]; /* all of them, open addressing; 0 is free */
    uint32_t list[FEATURE_VIEWS][FEATURES_MAX];
    size_t count[FEATURE_VIEWS];
    uint32_t before;       /* the token before, for pairs; 0: none */
    size_t words;          /* of bodies */
};

struct features *features_new(void)
{
    return calloc(1, sizeof(struct features));
}

void features_free(struct features **f)
{
    free(*f);
    *f = NULL;
}

static size_t slot_of(const struct features *f, uint32_t feature)
{
    size_t at = feature & (SLOTS - 1);

    while (f->slots[at] && f->slots[at] != feature)
        at = (at + 1) & (SLOTS - 1);
    return at;
}

void features_clear(struct features *f)
{
    if (f->count[VIEW_HEADER] || f->count[VIEW_CONTENT])
        memset(f->slots, 0, sizeof f->slots);
    memset(f->count, 0, sizeof f->count);
    f->words = 0;
    f->before = 0;
}

static uint32_t mix(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x7feb352dU;
    h ^= h >> 15;
    h *= 0x846ca68bU;
    return h ^ h >> 16;
}

/* Stays the same for ever: models hold what it gives. */
static uint32_t hash_more(uint32_t h, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (unsigned char)s.at[i]) * 0x01000193U;
    return h;
}

static void add(struct features *f, enum feature_view view, uint32_t hash, enum group group)
{
    uint32_t feature = mix(hash + ((uint32_t)group + 16 * (uint32_t)view) * 0x9e3779b9U);

    if (!feature)
        feature = 1;
    size_t at = slot_of(f, feature);
    if (f->slots[at] || f->count[view] == FEATURES_MAX)
        return;
    f->slots[at] = feature;
    f->list[view][f->count[view]++] = feature;
}

static uint32_t token_hash(const char *prefix, struct str name, struct str word)
{
    uint32_t h = hash_more(0x811c9dc5U, str_from(prefix));

    h = hash_more(h, name);
    h = (h ^ ':') * 0x01000193U;
    return mix(hash_more(h, word));
}

static void add_token(struct features *f, enum feature_view view, uint32_t hash, bool pairs)
{
    add(f, view, hash, GROUP_TOKEN);
    if (pairs && f->before)
        add(f, view, f->before * 31 + hash, GROUP_PAIR);
    f->before = hash;
}

static bool is_separator(unsigned char c)
{
    return c <= ' ' || strchr("<>()[]{},;:\"|/\\=!?&*+#^~`", c) != NULL;
}

/* The next word of *REST, at most FEATURE_TOKEN_MAX characters of it; "" at the end. */
static struct str next_word(struct str *rest)
{
    size_t from = 0, to, cut, characters = 0;

    while (from < rest->len && is_separator((unsigned char)rest->at[from]))
        from++;
    for (to = from; to < rest->len && !is_separator((unsigned char)rest->at[to]); to++)
        ;
    for (cut = from; cut < to && characters <= FEATURE_TOKEN_MAX; cut++)
        characters += ((unsigned char)rest->at[cut] & 0xc0) != 0x80;
    if (characters > FEATURE_TOKEN_MAX)
        cut--;
    struct str word = str_sub(*rest, from, cut - from);
    *rest = str_from_index(*rest, to);
    return word;
}

/* A full stop or comma at the end of a word belongs to the sentence. */
static struct str bare(struct str word)
{
    while (word.len > 1 && strchr(".,'-_", word.at[word.len - 1]))
        word.len--;
    return word;
}

void features_header(struct features *f, struct str name, struct str value)
{
    char lower[64];
    struct str field = str_sub(name, 0, sizeof lower - 1);

    str_copy(lower, sizeof lower, field);
    str_lower(lower, field.len);
    field.at = lower;
    add_token(f, VIEW_HEADER, token_hash("H", STR(""), name), true); /* as it is written: programs differ in that */
    for (struct str word = next_word(&value); word.len; word = next_word(&value))
        add_token(f, VIEW_HEADER, token_hash("", field, word), true);
}

void features_part(struct features *f, const char *what, struct str value)
{
    if (value.len > FEATURE_TOKEN_MAX)
        value = str_from_index(value, value.len - FEATURE_TOKEN_MAX);
    add(f, VIEW_CONTENT, token_hash("P", str_from(what), value), GROUP_TOKEN);
}

void features_html(void *arg, struct str tag, struct str attribute, struct str value)
{
    struct features *f = arg;

    if (!attribute.len) {
        add(f, VIEW_CONTENT, token_hash("T", STR(""), tag), GROUP_TOKEN);
        return;
    }
    if (str_is(attribute, "href") || str_is(attribute, "src") || str_is(attribute, "action") || str_is(attribute, "background")) {
        int pieces = 0;
        for (struct str word = next_word(&value); word.len && pieces < URL_PIECES; word = next_word(&value), pieces++)
            add(f, VIEW_CONTENT, token_hash("U", STR(""), word), GROUP_TOKEN);
        return;
    }
    if (value.len > FEATURE_TOKEN_MAX)
        value.len = FEATURE_TOKEN_MAX;
    add(f, VIEW_CONTENT, token_hash("A", attribute, value), GROUP_TOKEN);
}

/* Chinese, Japanese and Thai write without blanks: each pair of characters is a word. */
static bool is_unspaced(struct str word)
{
    unsigned char first = word.len ? (unsigned char)word.at[0] : 0;

    return first >= 0xe3 && first <= 0xe9 ? true : first == 0xe0 && word.len > 1 && (unsigned char)word.at[1] >= 0xb8 && (unsigned char)word.at[1] <= 0xb9;
}

static size_t character_length(struct str s)
{
    size_t len = 1;

    while (len < s.len && ((unsigned char)s.at[len] & 0xc0) == 0x80)
        len++;
    return len;
}

static void add_characters(struct features *f, struct str word)
{
    for (size_t at = 0; at < word.len;) {
        struct str rest = str_from_index(word, at);
        size_t one = character_length(rest), two = one < rest.len ? one + character_length(str_from_index(rest, one)) : one;
        add(f, VIEW_CONTENT, token_hash("C", STR(""), str_sub(rest, 0, two)), GROUP_TOKEN);
        at += one;
    }
}

void features_text(struct features *f, struct str text)
{
    f->before = 0;
    while (f->words < FEATURE_WORDS_MAX) {
        struct str word = next_word(&text);
        if (!word.len)
            return;
        f->words++;
        if (is_unspaced(word))
            add_characters(f, word);
        else
            add_token(f, VIEW_CONTENT, token_hash("", STR(""), bare(word)), f->words <= FEATURE_NEIGHBOURS_MAX);
    }
}

void features_finding(struct features *f, const char *what, struct str name)
{
    add(f, VIEW_CONTENT, token_hash("F", str_from(what), name), GROUP_FINDING);
}

const uint32_t *features_set(const struct features *f, enum feature_view view, size_t *count)
{
    *count = f->count[view];
    return f->list[view];
}
