/* tenant.c: `postern tenant export`, `postern tenant import`. */
#include "cli/command.h"

#include "store/tenant_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

enum { ERROR_MAX = 256 * 1024 };
static const off_t file_bytes_max = (off_t)1 << 30;

int tenant_export_main(const struct command_line *line)
{
    struct buf error = buf_make(ERROR_MAX);

    if (line->words != 1) {
        fprintf(stderr, "postern: tenant export wants the name of one tenant\n");
        return EX_USAGE;
    }
    struct db *d = command_store(line);
    json_t *file = d ? tenant_export(d, str_from(line->word[0]), &error) : NULL;
    if (d && !file)
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(buf_str(&error)));
    bool printed = file && json_dumpf(file, stdout, JSON_INDENT(1)) == 0 && putchar('\n') != EOF && fflush(stdout) == 0;
    if (file && !printed)
        perror("postern: standard output");
    int code = !d ? EX_UNAVAILABLE : !file ? EX_DATAERR : printed ? EX_OK : EX_IOERR;
    json_decref(file);
    db_close(&d);
    buf_free(&error);
    return code;
}

static json_t *read_file(const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    json_error_t trouble;
    struct stat st;

    if (!f || fstat(fileno(f), &st) < 0 || st.st_size > file_bytes_max) {
        if (f)
            fprintf(stderr, "postern: %s: larger than 1 GB\n", path);
        else
            perror(path);
        return NULL;
    }
    json_t *file = json_loadf(f, JSON_REJECT_DUPLICATES, &trouble);
    if (!file)
        fprintf(stderr, "postern: %s:%d: %s\n", path, trouble.line, trouble.text);
    if (f != stdin)
        fclose(f);
    return file;
}

static int import(const struct command_line *line, struct db *d, const json_t *file)
{
    struct buf error = buf_make(ERROR_MAX);
    char actor[COMMAND_ACTOR_MAX], object[400];
    struct audit_row audit = command_audit(line, "tenant-import", actor);
    json_t *counts = NULL;
    bool begun = db_begin(d) == DB_OK;
    bool fine = begun && tenant_import(d, file, &audit.tenant, &counts, &error);
    char *after = fine ? json_dumps(counts, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    if (fine && !line->dry_run) {
        const char *name = json_string_value(json_object_get(json_object_get(file, "tenant"), "name"));
        snprintf(object, sizeof object, "tenant %lld %s", (long long)audit.tenant, name);
        audit.object = str_from(object);
        audit.after = str_from(after);
        fine = command_commit(d, &audit);
    } else {
        db_rollback(d);
    }
    if (fine && line->json)
        print_json(counts);
    else if (fine)
        print_result(counts);
    else
        fprintf(stderr, "postern: " STR_FMT "\n", STR_ARG(error.len ? buf_str(&error) : str_from(db_error(d))));
    int code = fine ? EX_OK : error.len ? EX_DATAERR : EX_UNAVAILABLE;
    json_decref(counts);
    free(after);
    buf_free(&error);
    return code;
}

int tenant_import_main(const struct command_line *line)
{
    if (line->words != 1) {
        fprintf(stderr, "postern: tenant import wants the name of one file, or -\n");
        return EX_USAGE;
    }
    json_t *file = read_file(line->word[0]);
    struct db *d = file ? command_store(line) : NULL;
    int code = !file ? EX_DATAERR : !d ? EX_UNAVAILABLE : import(line, d, file);
    db_close(&d);
    json_decref(file);
    return code;
}
