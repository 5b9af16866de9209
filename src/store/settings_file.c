/* settings_file.c: postern.conf by libconfuse; see settings_file.h. The options are the rows of settings.def. */
#include "store/settings_file.h"

#include "mail/address.h"
#include "smtp/next_hop.h"
#include "store/settings_text.h"

#include <confuse.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 16 * 1024 * 1024, MOST_INCLUDES = 64, MOST_DEPTH = 8 };

/* libconfuse reports through a callback without an argument, so one load runs at a time. */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
static struct buf *problems;
static const char *whole_text; /* what is being read, with its marks */

static void note(const char *name, size_t line, const char *what)
{
    char origin[4200];

    settings_text_origin(whole_text, line, name, origin, sizeof origin);
    buf_addf(problems, "%s%s: %s", problems->len ? "\n" : "", origin, what);
}

/* What can be said of a name that may not stand where it does. */
static void describe_unknown(struct str name, bool in_domain, char *to, size_t size)
{
    unsigned levels = in_domain ? LEVEL_D : LEVEL_P | LEVEL_S;
    int known = setting_find(name), near = setting_nearest(name, levels);

    if (known >= 0)
        snprintf(to, size, in_domain ? "%s holds for the whole gateway and may not stand in a domain" : "%s may only stand in a domain",
                 setting_row((enum setting)known)->name);
    else if (near >= 0)
        snprintf(to, size, "no such setting: " STR_FMT "; is %s meant?", STR_ARG(name), setting_row((enum setting)near)->name);
    else
        snprintf(to, size, "no such setting: " STR_FMT, STR_ARG(name));
}

__attribute__((format(printf, 2, 0))) static void note_problem(cfg_t *cfg, const char *format, va_list args)
{
    static const struct str unknown = {"no such option '", 16};
    char text[500], better[500];

    vsnprintf(text, sizeof text, format, args);
    struct str name = str_from_index(str_from(text), unknown.len);
    bool is_unknown = str_starts(str_from(text), unknown) && name.len > 1;
    if (is_unknown)
        describe_unknown(str_sub(name, 0, name.len - 1), cfg && cfg_title(cfg), better, sizeof better);
    note(cfg && cfg->filename ? cfg->filename : "?", cfg && cfg->line > 0 ? (size_t)cfg->line : 0, is_unknown ? better : text);
}

static bool is_list(enum setting s)
{
    enum setting_type type = setting_row(s)->type;
    return type == SETTING_LIST || type == SETTING_NETWORKS;
}

/*
 * Every value is checked where it stands, so that the message names its line. libconfuse asks after each entry of a list: only the newest
 * is looked at, or long lists would take the square of their length. Says 0 also on an error, so that those behind it are found, too.
 */
static int check_value(cfg_t *cfg, cfg_opt_t *opt)
{
    int id = setting_find(str_from(cfg_opt_name(opt)));
    unsigned count = cfg_opt_size(opt);
    struct buf why = buf_make(1024);
    struct setting_value value;

    if (id < 0 || count == 0)
        return 0;
    const struct setting_row *row = setting_row((enum setting)id);
    const char *newest = cfg_opt_getnstr(opt, count - 1);
    if (is_list((enum setting)id) && (int64_t)count > row->max) {
        cfg_error(cfg, "%s: more than %lld entries", row->name, (long long)row->max);
        return -1; /* the rest would say the same again */
    }
    struct route route;
    if (!setting_parse((enum setting)id, &newest, 1, &value, &why))
        cfg_error(cfg, "%s", buf_text(&why) ? buf_text(&why) : row->name);
    else
        setting_value_free(&value);
    if (id == SETTING_routes && !route_parse(str_from(newest), STR("example.test"), &route))
        cfg_error(cfg, "routes: \"%s\" is not host:port, lmtp:host:port, lmtp:/path, mx or mx:other.domain", newest);
    buf_free(&why);
    return 0;
}

static cfg_opt_t option_for(enum setting s)
{
    char *name = (char *)(uintptr_t)setting_row(s)->name;

    return is_list(s) ? (cfg_opt_t)CFG_STR_LIST(name, NULL, CFGF_NODEFAULT) : (cfg_opt_t)CFG_STR(name, NULL, CFGF_NODEFAULT);
}

static size_t options_for(cfg_opt_t *opts, unsigned levels)
{
    size_t n = 0;

    for (enum setting s = 0; s < SETTING_COUNT; s++)
        if (setting_row(s)->levels & levels)
            opts[n++] = option_for(s);
    return n;
}

static bool take_options(cfg_t *cfg, unsigned levels, struct settings *settings, struct domain *domain, const char *name, struct buf *error,
                         struct buf *warnings)
{
    for (enum setting s = 0; s < SETTING_COUNT; s++) {
        if (!(setting_row(s)->levels & levels))
            continue;
        cfg_opt_t *opt = cfg_getopt(cfg, setting_row(s)->name);
        unsigned count = opt ? cfg_opt_size(opt) : 0;
        bool written = opt && (count > 0 || (opt->flags & CFGF_MODIFIED));
        if (!written)
            continue;
        const char **entries = calloc(count ? count : 1, sizeof *entries);
        struct setting_value value;
        for (unsigned i = 0; entries && i < count; i++)
            entries[i] = cfg_opt_getnstr(opt, i);
        bool ok = entries && setting_parse(s, entries, count, &value, error) && settings_set(settings, domain, s, &value);
        free(entries);
        if (!ok)
            return false;
        if (warnings && !setting_row(s)->used)
            buf_addf(warnings, "%s%s: %s has no effect in this build yet", warnings->len ? "\n" : "", name, setting_row(s)->name);
    }
    return true;
}

static bool take_domains(cfg_t *cfg, struct settings *settings, const char *name, struct buf *error, struct buf *warnings)
{
    for (unsigned i = 0; i < cfg_size(cfg, "domain"); i++) {
        cfg_t *section = cfg_getnsec(cfg, "domain", i);
        const char *title = cfg_title(section);
        char ascii[256];
        if (!domain_to_ascii(str_from(title), ascii, sizeof ascii)) {
            char what[400];
            snprintf(what, sizeof what, "domain \"%.300s\": not a domain name", title);
            note(name, (size_t)section->line, what);
            return false;
        }
        struct domain *domain = settings_add_domain(settings, str_from(ascii));
        if (!domain) {
            char what[400];
            snprintf(what, sizeof what, "domain \"%.300s\" stands here twice", title);
            note(name, (size_t)section->line, what);
            return false;
        }
        if (!take_options(section, LEVEL_D, settings, domain, name, error, warnings))
            return false;
    }
    return true;
}

struct addition {
    bool (*more)(void *arg, struct settings *s, struct buf *error);
    void *arg;
};

static struct settings *build(cfg_t *cfg, const char *name, const struct addition *a, struct buf *error, struct buf *warnings)
{
    struct settings *settings = settings_new();
    struct buf why = buf_make(64 * 1024);

    if (settings && take_options(cfg, LEVEL_P | LEVEL_S, settings, NULL, name, error, warnings) &&
        take_domains(cfg, settings, name, error, warnings) && (!a->more || a->more(a->arg, settings, error))) {
        if (settings_finish(settings, &why)) {
            buf_free(&why);
            return settings;
        }
        for (struct str rest = buf_str(&why); rest.len;) { /* these concern the file as a whole */
            struct str one = str_cut(&rest, '\n');
            buf_addf(error, "%s%s: " STR_FMT, error->len ? "\n" : "", name, STR_ARG(one));
        }
    }
    if (!error->len)
        buf_addf(error, "%s: out of memory", name);
    buf_free(&why);
    settings_unref(settings);
    return NULL;
}

static void add_checks(cfg_t *cfg, unsigned levels, const char *prefix)
{
    char path[128];

    for (enum setting s = 0; s < SETTING_COUNT; s++) {
        if (!(setting_row(s)->levels & levels))
            continue;
        snprintf(path, sizeof path, "%s%s", prefix, setting_row(s)->name);
        cfg_set_validate_func(cfg, path, check_value);
    }
}

/* Parses TEXT, which is overwritten, and builds from it. */
static struct settings *parse(cfg_t *cfg, char *text, const char *name, const struct addition *a, struct buf *error, struct buf *warnings)
{
    size_t endless = settings_text_blank_comments(text);
    FILE *f = fmemopen(text, *text ? strlen(text) : 1, "r");
    bool parsed = f && cfg_parse_fp(cfg, f) == CFG_SUCCESS && !error->len;

    if (f)
        fclose(f);
    if (parsed && endless) { /* libconfuse takes it; but half a file is more likely than a forgotten brace */
        note(name, endless, "what begins here is not closed: a brace, or the end of a comment, is missing");
        return NULL;
    }
    if (parsed)
        return build(cfg, name, a, error, warnings);
    if (!error->len)
        buf_addf(error, "%s: not readable as a configuration", name);
    return NULL;
}

struct settings *settings_file_parse(const char *text, const char *name, struct buf *error, struct buf *warnings)
{
    return settings_file_parse_with(text, name, NULL, NULL, error, warnings);
}

struct settings *settings_file_parse_with(const char *text, const char *name, bool (*more)(void *arg, struct settings *s, struct buf *error), void *arg,
                                          struct buf *error, struct buf *warnings)
{
    const struct addition addition = {more, arg};
    static const char outer[] = "domain";
    cfg_opt_t top[SETTING_COUNT + 2], inner[SETTING_COUNT + 1];
    struct settings *settings = NULL;
    size_t n = options_for(inner, LEVEL_D);

    inner[n] = (cfg_opt_t)CFG_END();
    n = options_for(top, LEVEL_P | LEVEL_S);
    top[n++] = (cfg_opt_t)CFG_SEC((char *)(uintptr_t)outer, inner, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES);
    top[n] = (cfg_opt_t)CFG_END();
    pthread_mutex_lock(&loading);
    problems = error;
    whole_text = text;
    char *own = strdup(text);
    cfg_t *cfg = own ? cfg_init(top, CFGF_NONE) : NULL;
    if (cfg) {
        cfg_set_error_function(cfg, note_problem);
        add_checks(cfg, LEVEL_P | LEVEL_S, "");
        add_checks(cfg, LEVEL_D, "domain|");
        free(cfg->filename);
        cfg->filename = strdup(name);
        settings = parse(cfg, own, name, &addition, error, warnings);
        cfg_free(cfg);
    } else {
        buf_add_text(error, "out of memory");
    }
    free(own);
    problems = NULL;
    whole_text = NULL;
    pthread_mutex_unlock(&loading);
    return settings;
}

struct reading {
    struct buf *text, *error;
    unsigned includes;
};

static bool read_file(struct reading *in, const char *path, unsigned depth);

/* include("file") on a line of its own; relative to the file that says so. */
static bool take_include(struct reading *in, const char *from, struct str file, unsigned depth, size_t line)
{
    char path[4096];
    const char *slash = strrchr(from, '/');
    int base = slash && file.len && file.at[0] != '/' ? (int)(slash - from) + 1 : 0;
    int n = snprintf(path, sizeof path, "%.*s" STR_FMT, base, from, STR_ARG(file));

    if (n < 0 || (size_t)n >= sizeof path || depth >= MOST_DEPTH || ++in->includes > MOST_INCLUDES) {
        buf_addf(in->error, "%s:%zu: too many or too deep includes", from, line);
        return false;
    }
    settings_text_mark(in->text, path, 1);
    if (!read_file(in, path, depth + 1))
        return false;
    settings_text_mark(in->text, from, line + 1);
    return true;
}

static bool include_of(struct str line, struct str *file)
{
    line = str_trim(line);
    if (!str_starts(line, STR("include")))
        return false;
    line = str_trim(str_from_index(line, 7));
    ptrdiff_t end = str_find_last(line, '"');
    if (!str_starts(line, STR("(\"")) || end < 2)
        return false;
    *file = str_sub(line, 2, (size_t)end - 2);
    return true;
}

static bool read_file(struct reading *in, const char *path, unsigned depth)
{
    FILE *f = fopen(path, "re");
    char *text = NULL;
    size_t room = 0, number = 0;
    ssize_t n;
    bool ok = f != NULL;

    if (!f)
        buf_addf(in->error, "%s: %s", path, strerror(errno));
    while (ok && (n = getline(&text, &room, f)) > 0) {
        struct str line = str_n(text, (size_t)n), file;
        number++;
        if (memchr(text, '\0', (size_t)n)) {
            buf_addf(in->error, "%s:%zu: a NUL byte", path, number);
            ok = false;
        } else if (include_of(line, &file)) {
            ok = take_include(in, path, file, depth, number);
        } else if (!buf_add_str(in->text, line)) {
            buf_addf(in->error, "%s: larger than %d bytes", path, FILE_MAX);
            ok = false;
        }
    }
    free(text);
    if (f)
        fclose(f);
    return ok;
}

bool settings_file_read(const char *path, struct buf *text, struct buf *error)
{
    struct reading in = {.text = text, .error = error};

    return read_file(&in, path, 0);
}

struct settings *settings_file_load(const char *path, struct buf *error, struct buf *warnings)
{
    struct buf text = buf_make(FILE_MAX);
    struct settings *settings = NULL;

    if (settings_file_read(path, &text, error)) {
        const char *whole = buf_text(&text);
        settings = whole ? settings_file_parse(whole, path, error, warnings) : NULL;
    }
    buf_free(&text);
    return settings;
}
