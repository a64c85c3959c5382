/* The test of adze reduce: candidates as files, and the command that judges them (reduce.h). */
#include "reduce.h"

#include <adze/temporary.h>

#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIGNALLED = 128 }; /* a shell's status of a command that died by signal n is 128 + n */

/* The command with the path for each %s, or behind it where there is none. */
static char *fill_in(const char *command, const char *path)
{
    adze_text text = {0};
    bool found = false;
    for (const char *at = command; *at; at++) {
        bool here = at[0] == '%' && at[1] == 's';
        if (here) adze_text_append(&text, "%s", path);
        else adze_text_write(&text, at, 1);
        found |= here;
        at += here;
    }
    if (!found) adze_text_append(&text, " %s", path);
    adze_text_write(&text, "", 1);
    return text.data;
}

/* Commands find this program as `adze`, and crashes that are looked for leave no reports. */
static bool set_environment(void)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    const char *path = getenv("PATH");
    if (n <= 0) return false;
    self[n] = '\0';
    adze_text all = {0};
    adze_text_append(&all, "%s:%s", dirname(self), path ? path : "/usr/bin:/bin");
    adze_text_write(&all, "", 1);
    bool ok = setenv("PATH", all.data, 1) == 0 && setenv("ADZE_CRASH_FOLDER", "none", 1) == 0;
    adze_text_free(&all);
    return ok;
}

/* ---- What is left when a signal ends this program ---- */

static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
enum { N_ENDINGS = sizeof endings / sizeof *endings };

/* Handlers have no argument of ours. */
static struct {
    const char *folder;
    volatile pid_t child; /* the test that runs, a process group; 0 = none */
    struct sigaction old[N_ENDINGS];
} running;

static void on_ending(int number)
{
    extern char **environ;
    char *const rm[] = {"rm", "-rf", (char *)(uintptr_t)running.folder, NULL};
    if (running.child) kill(-running.child, SIGKILL);
    pid_t child = _Fork();
    if (child == 0) {
        execve("/bin/rm", rm, environ);
        _exit(127);
    }
    if (child > 0) waitpid(child, NULL, 0);
    for (int i = 0; i < N_ENDINGS; i++) sigaction(endings[i], &running.old[i], NULL);
    raise(number); /* to whoever removes what else there is */
}

static void watch_endings(const char *folder)
{
    struct sigaction action = {.sa_handler = on_ending};
    running.folder = folder;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < N_ENDINGS; i++) {
        sigaction(endings[i], NULL, &running.old[i]);
        if (running.old[i].sa_handler != SIG_IGN) sigaction(endings[i], &action, NULL);
    }
}

/* ---- Begin and end ---- */

/* As it stands, a shell reads the path as one word. */
static bool is_one_word(const char *path) { return !path[strcspn(path, " \t\r\n'\"\\`$&|;<>()*?[]{}#~!")]; }

bool adze_reduce_test_begin(adze_reduce_test *t)
{
    const char *folder = getenv("TMPDIR");
    adze_loc loc = adze_loc_unknown(t->work->context);
    if (folder && !is_one_word(folder))
        return adze_error(loc, "TMPDIR: a shell does not read '%s' as one word, so no command gets its files", folder);
    snprintf(t->folder, sizeof t->folder, "%.200s/adze-reduce-XXXXXX", folder && *folder ? folder : "/tmp");
    if (!mkdtemp(t->folder)) return *t->folder = '\0', adze_error(loc, "no temporary folder can be made");
    snprintf(t->path, sizeof t->path, "%s/candidate.adz", t->folder);
    watch_endings(t->folder);
    t->text = fill_in(t->command, t->path);
    return set_environment() || adze_error(loc, "out of memory");
}

static int remove_inside(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type;
    if (at->level) remove(path);
    return 0;
}

/* The candidate, and what a test has left beside it. */
static void remove_files(const adze_reduce_test *t) { nftw(t->folder, remove_inside, 8, FTW_DEPTH | FTW_PHYS); }

void adze_reduce_test_end(adze_reduce_test *t)
{
    if (*t->folder) {
        remove_files(t);
        rmdir(t->folder);
        for (int i = 0; i < N_ENDINGS; i++) sigaction(endings[i], &running.old[i], NULL);
    }
    free(t->text);
    free(t->seen);
}

/* ---- One run ---- */

static void child(const adze_reduce_test *t)
{
    int nowhere = open("/dev/null", O_RDWR);
    setpgid(0, 0);
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) dup2(nowhere, i);
    execl("/bin/sh", "sh", "-c", t->text, (char *)NULL);
    _exit(127);
}

/* Status as of waitpid; -1 where the time is up. The command and what it started are gone then. */
static int wait_for(pid_t pid, double seconds)
{
    double end = adze_now() + seconds;
    struct timespec pause = {0, 1000000};
    int status;
    bool over = false;
    for (siginfo_t info = {0}; !over && !info.si_pid;) {
        /* it stays a zombie, so that its number names its group until that is gone */
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT)) break;
        over = !info.si_pid && adze_now() > end;
        if (!info.si_pid && !over) nanosleep(&pause, NULL);
        if (pause.tv_nsec < 16000000) pause.tv_nsec *= 2;
    }
    kill(-pid, SIGKILL);
    return waitpid(pid, &status, 0) == pid && !over ? status : -1;
}

static bool run(adze_reduce_test *t)
{
    fflush(stdout);
    fflush(stderr);
    pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) child(t);
    setpgid(pid, pid); /* as the child does, whoever comes first */
    running.child = pid;
    int status = wait_for(pid, (double)t->seconds);
    running.child = 0;
    t->n_runs++;
    t->status = status == -1 ? -1 : WIFSIGNALED(status) ? SIGNALLED + WTERMSIG(status) : WEXITSTATUS(status);
    return t->crash ? t->status > SIGNALLED : t->status == 0;
}

/* ---- Candidates ---- */

static uint64_t hash(const adze_text *text)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (size_t i = 0; i < text->size; i++) h = (h ^ (unsigned char)text->data[i]) * UINT64_C(0x100000001b3);
    return h;
}

static bool is_new(adze_reduce_test *t, uint64_t hash)
{
    for (uint32_t i = 0; i < t->n_seen; i++)
        if (t->seen[i] == hash) return false;
    if (t->n_seen == t->seen_capacity) {
        uint32_t capacity = t->seen_capacity ? 2 * t->seen_capacity : 256;
        uint64_t *more = realloc(t->seen, capacity * sizeof *more);
        if (!more) return true;
        t->seen = more;
        t->seen_capacity = capacity;
    }
    t->seen[t->n_seen++] = hash;
    return true;
}

/* As a file that reads back to a module that verifies. */
static bool write_candidate(adze_reduce_test *t, const adze_module *module)
{
    adze_text text = {0};
    adze_print_options print = adze_print_options_for(t->work, t->path);
    print.locations = true;
    remove_files(t);
    bool ok = adze_module_print(module, &print, &text);
    ok = ok && is_new(t, hash(&text)) && adze_write_printed(t->work, t->path, &print, &text);
    if (print.blob_temporary) {
        if (!ok) unlink(print.blob_temporary);
        adze_temporary_forget(t->work->context, print.blob_temporary);
    }
    adze_module *again = ok ? adze_module_parse(t->work->context, t->path, text.data, text.size) : NULL;
    ok = again && adze_module_verify(again);
    adze_module_destroy(again);
    adze_text_free(&text);
    return ok;
}

static void ignore(void *self, const adze_diagnostic *diagnostic)
{
    (void)self, (void)diagnostic;
}

bool adze_reduce_test_run(adze_reduce_test *t, const adze_module *module)
{
    adze_context_set_sink(t->work->context, ignore, NULL); /* what is wrong with a candidate interests nobody */
    bool ok = adze_module_verify(module) && write_candidate(t, module);
    adze_context_set_sink(t->work->context, adze_print_to_stderr, t->work);
    return ok && run(t);
}
