/* RUN lines of a lit test: those that pipe `adze opt` into FileCheck, and running them. */
#include "update_checks.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct reader {
    adze_context *context;
    const char *path, *plugin;
    const char **words; /* of the line; operators of the shell are words of one character, in operators[] */
    bool *operators;
    uint32_t n_words;
    const char *why; /* the line is not understood */
} reader;

/* The first reason counts. */
static void refuse(reader *r, const char *why)
{
    if (!r->why) r->why = why;
}

/* ---- Words ---- */

/* The part of a word behind `%`, which moves on; NULL if it means nothing here. */
static const char *substitute(const reader *r, const char **at)
{
    const char *slash = strrchr(r->path, '/');
    if (!strncmp(*at, "plugin", 6) && !isalnum((unsigned char)(*at)[6])) {
        *at += 6;
        return r->plugin;
    }
    char c = **at;
    if (c == '%' || isalnum((unsigned char)(*at)[c != '\0'])) return NULL;
    *at += c != '\0';
    if (c == 's') return r->path;
    if (c != 'S') return NULL;
    return slash ? adze_intern(r->context, r->path, (size_t)(slash - r->path)) : ".";
}

static void add_word(reader *r, const char *text, bool is_operator)
{
    r->words = adze_grow(r->words, r->n_words, sizeof *r->words);
    r->operators = adze_grow(r->operators, r->n_words, sizeof *r->operators);
    r->operators[r->n_words] = is_operator;
    r->words[r->n_words++] = text;
}

/* One word of a POSIX shell, with its quotes taken away; the command names %adze and %FileCheck are kept. */
static bool read_word(reader *r, const char **at)
{
    adze_text word = {0};
    char quote = '\0';
    bool ok = true;
    for (const char *c = *at; ok; c = *at) {
        if (!*c || (!quote && (isspace((unsigned char)*c) || strchr("|<>&;", *c)))) break;
        (*at)++;
        if (quote ? *c == quote : *c == '\'' || *c == '"') {
            quote = quote ? '\0' : *c;
        } else if (*c == '\\' && quote != '\'' && **at) {
            adze_text_write(&word, (*at)++, 1);
        } else if (*c == '%' && (!strncmp(*at, "adze", 4) || !strncmp(*at, "FileCheck", 9))) {
            continue;
        } else if (*c == '%') {
            const char *text = substitute(r, at);
            ok = text != NULL;
            if (ok) adze_text_write(&word, text, strlen(text));
        } else {
            adze_text_write(&word, c, 1);
        }
    }
    if (!ok) refuse(r, "it has a substitution other than %s, %S, %adze, %FileCheck and, with --plugin, %plugin");
    if (quote) refuse(r, "a quote is not closed");
    if (!r->why) add_word(r, word.data ? adze_intern(r->context, word.data, word.size) : "", false);
    adze_text_free(&word);
    return !r->why;
}

static void read_words(reader *r, const char *at)
{
    for (;;) {
        at += strspn(at, " \t");
        if (!*at) return;
        if (strchr("|<>&;", *at))
            add_word(r, adze_intern(r->context, at++, 1), true);
        else if (!read_word(r, &at))
            return;
    }
}

/* ---- Commands ---- */

static bool is_word(const reader *r, uint32_t i, const char *text)
{
    return i < r->n_words && !r->operators[i] && !strcmp(r->words[i], text);
}

/* `adze opt …` up to the pipe; gives the place behind it. */
static uint32_t read_adze(reader *r, adze_run_line *run)
{
    uint32_t n = 0, i = 0;
    if (!is_word(r, 0, "adze") || !is_word(r, 1, "opt")) refuse(r, "it does not begin with 'adze opt'");
    for (; !r->why && i < r->n_words && strcmp(r->words[i], "|") != 0; i++) {
        if (r->operators[i] && *r->words[i] == '<' && i + 1 < r->n_words && !r->operators[i + 1]) {
            run->input = r->words[++i];
            continue;
        }
        if (r->operators[i]) refuse(r, "it is more than a pipe of two commands");
        if (!strcmp(r->words[i], "--update-checks")) refuse(r, "it updates checks itself");
        run->args = adze_grow(run->args, n, sizeof *run->args);
        run->args[n++] = r->words[i];
    }
    run->args = adze_grow(run->args, n, sizeof *run->args);
    run->args[n] = NULL;
    if (i == r->n_words) refuse(r, "it is not piped into FileCheck");
    return i + 1;
}

static void add_prefixes(reader *r, adze_run_line *run, const char *text, uint32_t *n)
{
    while (*text) {
        size_t size = strcspn(text, ",");
        run->prefixes = adze_grow(run->prefixes, *n, sizeof *run->prefixes);
        run->prefixes[(*n)++] = adze_intern(r->context, text, size);
        text += size + (text[size] == ',');
    }
}

/* What follows the prefix in a flag with one or two dashes; NULL if it is another one. */
static const char *flag_value(const char *word, const char *name)
{
    if (*word != '-') return NULL;
    word += word[1] == '-' ? 2 : 1;
    size_t n = strlen(name);
    return !strncmp(word, name, n) && (word[n] == '=' || !word[n]) ? word + n : NULL;
}

/* These do not change how lines are compared. */
static bool is_harmless(const char *word)
{
    static const char *const names[] = {"dump-input",
                                        "dump-input-filter",
                                        "dump-input-context",
                                        "implicit-check-not",
                                        "allow-empty",
                                        "allow-unused-prefixes",
                                        "enable-var-scope",
                                        "color",
                                        "v",
                                        "vv"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (flag_value(word, names[i])) return true;
    return false;
}

static void read_filecheck(reader *r, uint32_t i, adze_run_line *run)
{
    uint32_t n = 0;
    bool file = false;
    if (!is_word(r, i++, "FileCheck")) refuse(r, "it is not piped into FileCheck");
    for (; !r->why && i < r->n_words; i++) {
        const char *word = r->words[i], *value = flag_value(word, "check-prefix");
        if (!value) value = flag_value(word, "check-prefixes");
        if (r->operators[i])
            refuse(r, "it is more than a pipe of two commands");
        else if (value && *value)
            add_prefixes(r, run, value + 1, &n);
        else if (value && i + 1 < r->n_words)
            add_prefixes(r, run, r->words[++i], &n);
        else if (*word != '-' && !strcmp(word, r->path))
            file = true;
        else if (*word != '-')
            refuse(r, "FileCheck reads another file");
        else if (!is_harmless(word))
            refuse(r, adze_internf(r->context, "checks are not written for FileCheck %s", word));
    }
    if (!file) refuse(r, "FileCheck does not read %s");
    if (!n) add_prefixes(r, run, "CHECK", &n);
    run->prefixes = adze_grow(run->prefixes, n, sizeof *run->prefixes);
    run->prefixes[n] = NULL;
}

static void free_run(adze_run_line *run)
{
    free(run->args);
    free(run->prefixes);
    adze_text_free(&run->output);
}

void adze_run_lines_free(adze_run_lines *runs)
{
    for (uint32_t i = 0; i < runs->count; i++) free_run(&runs->items[i]);
    free(runs->items);
    *runs = (adze_run_lines){0};
}

/* ---- The test's text ---- */

const char **adze_prefixes_read(adze_work *work, const char *text)
{
    static const char flag[] = "check-prefix";
    adze_run_line all = {0};
    reader r = {.context = work->context};
    uint32_t n = 0;
    add_prefixes(&r, &all, "CHECK", &n);
    while ((text = strstr(text, flag)) != NULL) {
        text += sizeof flag - 1;
        if (!strncmp(text, "es", 2)) text += 2;
        text += *text == '=' || *text == ' ';
        add_prefixes(&r, &all, adze_intern(work->context, text, strcspn(text, " \t\r\n'\"|")), &n);
    }
    all.prefixes = adze_grow(all.prefixes, n, sizeof *all.prefixes);
    all.prefixes[n] = NULL;
    return all.prefixes;
}

/* Behind `RUN:`, with the lines that a backslash at the end appends. `*at` moves behind the last of them. */
static void read_command(const char **at, uint32_t *line, adze_text *out)
{
    for (bool more = true; more && **at; (*line)++) {
        const char *start = strstr(*at, "RUN:"), *end = *at + strcspn(*at, "\n");
        if (!start || start > end) return;
        start += 4;
        *at = end + (*end == '\n');
        while (end > start && isspace((unsigned char)end[-1])) end--;
        more = end > start && end[-1] == '\\';
        adze_text_write(out, start, (size_t)(end - start) - more);
    }
}

bool adze_run_lines_read(adze_work *work, const char *path, const char *text, const char *plugin, adze_run_lines *out)
{
    adze_loc loc = adze_loc_unknown(work->context);
    loc.file = adze_intern_z(work->context, path);
    *out = (adze_run_lines){0};
    bool is_told = false;
    for (uint32_t line = 1; *text;) {
        const char *end = text + strcspn(text, "\n"), *run_at = strstr(text, "RUN:");
        if (!run_at || run_at > end) {
            text = end + (*end == '\n');
            line++;
            continue;
        }
        reader r = {.context = work->context, .path = path, .plugin = plugin};
        adze_run_line run = {.line = loc.line = line};
        adze_text command = {0};
        read_command(&text, &line, &command);
        adze_text_write(&command, "", 1);
        read_words(&r, command.data);
        read_filecheck(&r, read_adze(&r, &run), &run);
        adze_text_free(&command);
        free(r.words);
        free(r.operators);
        if (r.why) {
            adze_note(loc, "no checks for this RUN line: %s", r.why);
            is_told = true;
            free_run(&run);
            continue;
        }
        out->items = adze_grow(out->items, out->count, sizeof *out->items);
        out->items[out->count++] = run;
    }
    loc.line = 0;
    if (!out->count && is_told) return adze_error(loc, "there is no RUN line that checks can be made for");
    return out->count || adze_error(loc, "there is no RUN line of the form 'adze opt ... | FileCheck %%s'");
}

/* ---- Running ---- */

/* 0 and the wait status, or errno. */
static int spawn(const adze_run_line *run, int out, int *out_status)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, run->input ? run->input : "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    pid_t pid;
    int error = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)run->args, environ);
    posix_spawn_file_actions_destroy(&actions);
    while (!error && waitpid(pid, out_status, 0) < 0)
        if (errno != EINTR) error = errno;
    return error;
}

bool adze_run_line_run(adze_work *work, const char *path, adze_run_line *run)
{
    adze_loc loc = adze_loc_unknown(work->context);
    loc.file = adze_intern_z(work->context, path);
    loc.line = run->line;
    FILE *out = tmpfile();
    int status = 0, error = out ? spawn(run, fileno(out), &status) : errno;
    char part[4096];
    size_t n;
    if (!error) rewind(out);
    while (!error && (n = fread(part, 1, sizeof part, out)) > 0) adze_text_write(&run->output, part, n);
    adze_text_write(&run->output, "", 1);
    if (out) fclose(out);
    if (error) return adze_error(loc, "adze cannot be run: %s", strerror(error));
    if (WIFSIGNALED(status)) return adze_error(loc, "adze ends by signal %d here", WTERMSIG(status));
    if (WEXITSTATUS(status)) return adze_error(loc, "adze fails here, with status %d", WEXITSTATUS(status));
    return true;
}
