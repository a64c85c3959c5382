/* adze new: a folder to begin a plug-in with, from the templates in share/adze/templates.
 *
 * What all kinds share lies in templates/common, the rest in templates/KIND. In contents and file names @NAME@ is the
 * name as given ("my-op"), @IDENT@ the same as a C identifier, @CAMEL@ as ONNX writes names ("MyOp"). The folder is
 * written under another name and then renamed.
 */
#include "command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_NAME = 64, MAX_TEMPLATE = 1 << 16, MAX_DEPTH = 4 };

typedef struct options {
    adze_common common;
} options;

static const adze_flag flags[] = {
    {NULL, NULL, NULL, ADZE_FLAG_BOOL, 0},
};

#define KINDS "pass|op|rules|metric|backend"

static const char usage[] =
    "Usage: adze new " KINDS " NAME\n\n"
    "Writes the folder NAME with a plug-in to begin with: its source, how to build it (one line, or CMake), and a\n"
    "lit test that it passes. NAME is small letters, digits and '-' after a first letter.\n\n"
    "Example: adze new pass my-pass\n";

typedef struct job {
    adze_work *work;
    const char *name;
    char ident[MAX_NAME + 1], camel[MAX_NAME + 1];
} job;

static bool fail(const job *j, const char *path)
{
    return adze_error(adze_loc_unknown(j->work->context), "%s: cannot be written: %s", path, strerror(errno));
}

/* ---- Names ---- */

static bool is_name(const char *name)
{
    size_t n = strlen(name);
    for (const char *c = name; *c; c++)
        if (!(*c >= 'a' && *c <= 'z') && !(c > name && ((*c >= '0' && *c <= '9') || *c == '-'))) return false;
    return n && n <= MAX_NAME && name[n - 1] != '-';
}

static void write_forms(job *j)
{
    char *camel = j->camel;
    for (size_t i = 0; i <= strlen(j->name); i++) {
        char c = j->name[i];
        bool first = !i || j->name[i - 1] == '-';
        j->ident[i] = c == '-' ? '_' : c;
        if (c != '-') *camel++ = first && c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
}

/* What a plug-in of that name would be refused for. */
static bool is_taken(const job *j, const char *kind)
{
    adze_registry *r = j->work->registry;
    if (!strcmp(kind, "pass")) return adze_registry_find_pass(r, j->name);
    if (!strcmp(kind, "op")) return adze_row_find(j->work->context, j->ident);
    if (!strcmp(kind, "metric")) return adze_registry_find_metric(r, j->name, strlen(j->name));
    if (!strcmp(kind, "backend")) return adze_registry_has_backend(r, j->name);
    for (uint32_t i = 0; !strcmp(kind, "rules") && i < adze_registry_num_rule_sets(r); i++)
        if (!strcmp(adze_registry_rule_set(r, i)->name, j->name)) return true;
    return false;
}

/* ---- Copying ---- */

static void append_filled(const job *j, const char *text, size_t size, adze_text *out)
{
    const struct token {
        const char *mark, *value;
    } tokens[] = {{"@NAME@", j->name}, {"@IDENT@", j->ident}, {"@CAMEL@", j->camel}};
    for (size_t at = 0; at < size;) {
        size_t used = 0;
        for (size_t k = 0; k < sizeof tokens / sizeof *tokens && !used; k++) {
            size_t n = strlen(tokens[k].mark);
            if (size - at < n || memcmp(text + at, tokens[k].mark, n) != 0) continue;
            adze_text_write(out, tokens[k].value, strlen(tokens[k].value));
            used = n;
        }
        if (!used) adze_text_write(out, text + at, used = 1);
        at += used;
    }
}

static bool copy_file(const job *j, const char *from, const char *to)
{
    char *bytes = malloc(MAX_TEMPLATE);
    FILE *in = bytes ? fopen(from, "rbe") : NULL;
    size_t size = in ? fread(bytes, 1, MAX_TEMPLATE, in) : 0;
    bool ok = in && !ferror(in);
    if (in) fclose(in);
    adze_text text = {0};
    append_filled(j, bytes, ok ? size : 0, &text);
    FILE *out = ok ? fopen(to, "wbxe") : NULL;
    ok = out && fwrite(text.data, 1, text.size, out) == text.size;
    if (out) ok = !fclose(out) && ok;
    adze_text_free(&text);
    free(bytes);
    return ok || fail(j, to);
}

/* Copies what lies in `from` into `to`, which is there. */
static bool copy_folder(const job *j, const char *from, const char *to, int depth)
{
    struct dirent **entries;
    int n = scandir(from, &entries, NULL, alphasort);
    bool ok = n >= 0 || adze_error(adze_loc_unknown(j->work->context), "%s: cannot be read: %s", from, strerror(errno));
    for (int i = 0; i < n; i++) {
        const char *entry = entries[i]->d_name;
        adze_text path = {0}, target = {0};
        adze_text_append(&path, "%s/%s", from, entry);
        adze_text_append(&target, "%s/", to);
        append_filled(j, entry, strlen(entry), &target);
        struct stat info;
        if (!ok || *entry == '.') {
        } else if (!stat(path.data, &info) && S_ISDIR(info.st_mode)) {
            ok = depth < MAX_DEPTH && (!mkdir(target.data, 0777) || errno == EEXIST || fail(j, target.data)) &&
                 copy_folder(j, path.data, target.data, depth + 1);
        } else {
            ok = copy_file(j, path.data, target.data);
        }
        adze_text_free(&path);
        adze_text_free(&target);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
    return ok;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

static int print_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)at;
    if (type == FTW_F) puts(path);
    return 0;
}

/* mkdtemp gives its folder to the owner alone; the one that it becomes is like any other. */
static bool open_to_others(const char *path)
{
    mode_t mask = umask(0);
    umask(mask);
    return !chmod(path, 0777 & ~mask);
}

static bool write_folder(const job *j, const char *templates, const char *kind)
{
    char folder[MAX_NAME + 16];
    snprintf(folder, sizeof folder, ".%s-XXXXXX", j->name);
    if (!mkdtemp(folder)) return fail(j, j->name);
    adze_text path = {0};
    adze_text_append(&path, "%s/common", templates);
    bool ok = copy_folder(j, path.data, folder, 0);
    path.size = 0;
    adze_text_append(&path, "%s/%s", templates, kind);
    ok = ok && copy_folder(j, path.data, folder, 0);
    adze_text_free(&path);
    if (ok) ok = (open_to_others(folder) && !renameat2(AT_FDCWD, folder, AT_FDCWD, j->name, RENAME_NOREPLACE)) ||
                 fail(j, j->name);
    if (!ok) nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return ok;
}

/* ---- The command ---- */

static bool has_kind(const char *templates, const char *kind)
{
    struct stat info;
    adze_text path = {0};
    adze_text_append(&path, "%s/%s", templates, kind);
    bool is_kind = *kind >= 'a' && !strchr(kind, '/') && strcmp(kind, "common") != 0 && !stat(path.data, &info) &&
                   S_ISDIR(info.st_mode);
    adze_text_free(&path);
    return is_kind;
}

/* 0, or the exit status. */
static int check_words(job *j, const char *templates, const char *kind)
{
    struct stat info;
    if (!has_kind(templates, kind))
        return adze_usage_error("new knows " KINDS ", not '%s'", kind);
    if (!is_name(j->name))
        return adze_usage_error("'%s' cannot name a plug-in: small letters, digits and '-' after a first letter, at "
                                "most %d",
                                j->name, MAX_NAME);
    write_forms(j);
    if (is_taken(j, kind)) return adze_usage_error("the %s name '%s' is taken", kind, j->name);
    if (lstat(j->name, &info)) return 0;
    adze_error(adze_loc_unknown(j->work->context), "%s: is there already", j->name);
    return 1;
}

static int run(adze_work *work, const void *given, char **files, int n_files)
{
    (void)given, (void)n_files;
    job j = {.work = work, .name = files[1]};
    char *templates = adze_path_of_templates();
    if (!templates) return adze_error(adze_loc_unknown(work->context), "the templates are not installed"), 1;
    int status = check_words(&j, templates, files[0]);
    if (!status) status = !write_folder(&j, templates, files[0]);
    free(templates);
    if (!status) nftw(j.name, print_entry, 8, FTW_PHYS);
    return status;
}

const adze_command adze_command_new = {
    .name = "new",
    .summary = "begin a plug-in: a folder that builds and passes its test",
    .usage = usage,
    .flags = flags,
    .options_size = sizeof(options),
    .takes = "a kind and a name",
    .files_min = 2,
    .files_max = 2,
    .run = run,
};
