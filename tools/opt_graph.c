/* Graphs of modules as files: the text for Graphviz, or the picture that its program `dot` makes of it. */
#include "opt.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool adze_is_graph(const char *path)
{
    return path && (adze_has_suffix(path, ".dot") || adze_has_suffix(path, ".svg"));
}

/* 0 and the wait status, or errno. */
static int run_dot(FILE *in, FILE *out, int *out_status)
{
    static const char *const words[] = {"dot", "-Tsvg", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fileno(in), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(out), STDOUT_FILENO);
    pid_t pid;
    int error = posix_spawnp(&pid, words[0], &actions, NULL, (char *const *)(uintptr_t)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    while (!error && waitpid(pid, out_status, 0) < 0)
        if (errno != EINTR) error = errno;
    return error;
}

/* Replaces the graph by its picture. */
static bool draw(adze_work *work, const char *path, adze_text *text)
{
    adze_loc loc = adze_loc_unknown(work->context);
    FILE *in = tmpfile(), *out = tmpfile();
    int status = 0, error = in && out ? 0 : errno;
    if (!error && fwrite(text->data, 1, text->size, in) != text->size) error = errno;
    if (!error && (fflush(in) || fseek(in, 0, SEEK_SET))) error = errno;
    adze_progress *progress = adze_progress_begin(work, "dot");
    if (!error) error = run_dot(in, out, &status);
    adze_progress_end(progress);
    adze_text_free(text);
    char part[4096];
    size_t n;
    if (!error) rewind(out);
    while (!error && (n = fread(part, 1, sizeof part, out)) > 0) adze_text_write(text, part, n);
    if (!error && ferror(out)) error = errno;
    if (in) fclose(in);
    if (out) fclose(out);
    if (error == ENOENT)
        return adze_error(loc,
                          "%s: Graphviz's dot, which draws it, is not installed: install the package graphviz, or "
                          "write a .dot file",
                          path);
    if (error) return adze_error(loc, "%s: cannot run dot: %s", path, strerror(error));
    return (WIFEXITED(status) && !WEXITSTATUS(status)) || adze_error(loc, "%s: dot failed", path);
}

bool adze_write_graph(adze_work *work, const char *path, adze_text *text)
{
    const adze_print_options none = {.struct_size = sizeof none};
    if (adze_has_suffix(path, ".svg") && !draw(work, path, text)) return false;
    return adze_write_printed(work, path, &none, text);
}
