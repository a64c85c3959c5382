/* Reports of crashes inside passes (crash.h).
 *
 * Handlers have no argument of ours, so what they need is static: written by this thread between signals only.
 */
#include "crash.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 1 << 16, MAX_SECONDS = 600 };

static const struct {
    int number;
    const char *name;
} signals[] = {{SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGFPE, "SIGFPE"}, {SIGBUS, "SIGBUS"}, {SIGILL, "SIGILL"}};
enum { N_SIGNALS = sizeof signals / sizeof *signals };

typedef struct command {
    char **args; /* for execve; owned */
    int count;
} command;

static struct {
    char *typed, *program; /* the command line; its first word */
    adze_crash_options options;
    bool silent;           /* --crash-folder=none */
    struct sigaction old[N_SIGNALS];
    stack_t old_stack;
    char stack[STACK];
    /* Of the pass that runs, while `ready`: */
    atomic_bool ready;
    char *head, *folder, *file;
    command before, again; /* print the IR in front of the pass; run into the crash */
    char *again_text;
} crash;

/* ---- Text ---- */

#define PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=+@%-"

static bool is_plain(const char *text) { return *text && !text[strspn(text, PLAIN)]; }

/* As a shell reads it back: --passes='a,b{x=1}'. */
static void append_word(adze_text *out, const char *word)
{
    const char *equals = strchr(word, '=');
    if (out->size) adze_text_append(out, " ");
    if (is_plain(word)) {
        adze_text_append(out, "%s", word);
        return;
    }
    if (word[0] == '-' && equals && word + strspn(word, PLAIN) > equals) {
        adze_text_append(out, "%.*s", (int)(equals + 1 - word), word);
        word = equals + 1;
    }
    adze_text_append(out, "'");
    for (; *word; word++) adze_text_append(out, *word == '\'' ? "'\\''" : "%c", *word);
    adze_text_append(out, "'");
}

static char *finish(adze_text *text)
{
    adze_text_write(text, "", 1);
    return text->data;
}

static char *words(char *const *args, int count)
{
    adze_text text = {0};
    for (int i = 0; i < count; i++) append_word(&text, args[i]);
    return finish(&text);
}

static void clear(command *c)
{
    for (int i = 0; i < c->count; i++) free(c->args[i]);
    free(c->args);
    *c = (command){0};
}

static void add(command *c, const char *format, ...) ADZE_PRINTF(2, 3);
static void add(command *c, const char *format, ...)
{
    va_list args;
    char **more = realloc(c->args, ((size_t)c->count + 2) * sizeof *more);
    if (!more) abort();
    c->args = more;
    va_start(args, format);
    if (vasprintf(&c->args[c->count], format, args) < 0) abort();
    va_end(args);
    c->args[++c->count] = NULL;
}

/* "adze opt IN" and what all runs need to see the same IR. */
static void start(command *c, const char *input)
{
    const adze_common *common = crash.options.common;
    clear(c);
    add(c, "%s", crash.program ? crash.program : "adze");
    add(c, "opt");
    add(c, "%s%s", input[0] == '-' && input[1] ? "./" : "", input); /* no flag */
    for (uint32_t i = 0; i < common->plugins.count; i++) add(c, "--plugin=%s", common->plugins.items[i]);
    if (crash.options.target) add(c, "--target=%s", crash.options.target);
    if (common->precision) add(c, "--precision=%s", common->precision);
    if (common->calib) add(c, "--calib=%s", common->calib);
    if (common->max_memory) add(c, "--max-memory=%llu", (unsigned long long)common->max_memory);
    if (crash.options.flag) add(c, "%s", crash.options.flag);
}

static const char *asked_folder(void)
{
    const char *given = crash.options.common->crash_folder;
    return given ? given : getenv("ADZE_CRASH_FOLDER");
}

/* Where the IR goes: where asked for, else beside the output, else here. */
static char *choose_folder(void)
{
    const char *given = asked_folder(), *output = crash.options.work->output;
    const char *slash = output ? strrchr(output, '/') : NULL;
    if (given) return strdup(given);
    return slash ? strndup(output, slash == output ? 1 : (size_t)(slash - output)) : strdup(".");
}

/* ---- In the handler: no heap, no stdio ---- */

static void put(const char *text)
{
    size_t size = strlen(text);
    while (size) {
        ssize_t n = write(STDERR_FILENO, text, size);
        if (n <= 0) return;
        text += n;
        size -= (size_t)n;
    }
}

/* What was read from stdin, as the stdin of the process to come. */
static void give_standard(void)
{
    const adze_work *work = crash.options.work;
    int file = work->standard ? memfd_create("stdin", 0) : -1;
    if (file < 0) return;
    for (size_t done = 0; done < work->standard_size;) {
        ssize_t n = write(file, work->standard + done, work->standard_size - done);
        if (n <= 0) return;
        done += (size_t)n;
    }
    lseek(file, 0, SEEK_SET);
    dup2(file, STDIN_FILENO);
}

/* Runs a command silently; its status as of waitpid, or -1. */
static int run(const command *c)
{
    extern char **environ;
    pid_t child = _Fork(); /* fork would wait for locks of the heap */
    if (child < 0) return -1;
    if (child == 0) {
        sigset_t none;
        int nowhere = open("/dev/null", O_RDWR);
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        dup2(nowhere, STDIN_FILENO);
        give_standard();
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        alarm(MAX_SECONDS);
        execve("/proc/self/exe", c->args, environ);
        _exit(127);
    }
    int status = -1;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return status;
}

static bool can_write(void)
{
    int file = open(crash.file, O_CREAT | O_EXCL | O_WRONLY, 0666);
    if (file < 0) return false;
    close(file);
    return unlink(crash.file) == 0;
}

static void report(void)
{
    put(crash.head);
    if (!can_write()) {
        put("  the IR in front of it cannot be written: no file can be made in ");
        put(crash.folder);
    } else {
        int status = run(&crash.before);
        bool written = status == 0 && access(crash.file, R_OK) == 0;
        if (!written) put("  the IR in front of it cannot be written: the passes before it do not run again");
        if (written) put("  the IR in front of it: "), put(crash.file);
        status = written ? run(&crash.again) : 0;
        if (written && status >= 0 && WIFSIGNALED(status)) {
            put("\n  this crashes again:    ");
            put(crash.again_text);
            put("\n");
            return;
        }
        if (written) put(", but it alone does not crash");
    }
    put("\n  this crashed:          ");
    put(crash.typed ? crash.typed : "?");
    put("\n");
}

static void restore(void)
{
    for (int i = 0; i < N_SIGNALS; i++) sigaction(signals[i].number, &crash.old[i], NULL);
}

/* After the report, the signal again, as if nobody had caught it. */
static void on_signal(int number)
{
    restore();
    if (crash.silent) {
        signal(number, SIG_DFL);
    } else if (atomic_exchange(&crash.ready, false)) {
        put("adze: ");
        for (int i = 0; i < N_SIGNALS; i++)
            if (signals[i].number == number) put(signals[i].name);
        report();
    }
    raise(number);
}

/* ---- Around a pipeline ---- */

bool adze_crash_set_command(int argc, char **argv)
{
    crash.typed = words(argv, argc);
    crash.program = argc ? argv[0] : NULL;
    return crash.typed;
}

void adze_crash_begin(const adze_crash_options *options)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    stack_t stack = {.ss_sp = crash.stack, .ss_size = STACK}; /* the pass may have used up its own */
    crash.options = *options;
    const char *folder = asked_folder();
    crash.silent = folder && !strcmp(folder, "none");
    sigaltstack(&stack, &crash.old_stack);
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < N_SIGNALS; i++) sigaction(signals[i].number, &action, &crash.old[i]);
}

static void forget(void)
{
    atomic_store(&crash.ready, false);
    clear(&crash.before);
    clear(&crash.again);
    free(crash.head);
    free(crash.folder);
    free(crash.file);
    free(crash.again_text);
    crash.head = crash.folder = crash.file = crash.again_text = NULL;
}

/* What writes the IR, and what crashes on it. */
static void make_commands(const adze_step_info *step, int64_t limit, int64_t left)
{
    const adze_crash_options *o = &crash.options;
    start(&crash.before, o->work->input);
    for (uint32_t i = 0; i < o->common->dims.count; i++) add(&crash.before, "--dim=%s", o->common->dims.items[i]);
    if (limit >= 0) add(&crash.before, "--rewrite-limit=%lld", (long long)limit);
    add(&crash.before, "--passes=%s", o->passes);
    add(&crash.before, "--stop-before=%u", step->run);
    add(&crash.before, "--locations");
    add(&crash.before, "-o");
    add(&crash.before, "%s", crash.file);
    add(&crash.before, "--crash-folder=none");
    start(&crash.again, crash.file);
    if (limit >= 0) add(&crash.again, "--rewrite-limit=%lld", (long long)left);
    add(&crash.again, "--passes=%s", step->text);
    crash.again_text = words(crash.again.args, crash.again.count);
    add(&crash.again, "--crash-folder=none");
}

void adze_crash_enter(const adze_step_info *step, int64_t limit, uint64_t n_rewrites)
{
    const adze_crash_options *o = &crash.options;
    const char *name = step->pass->name;
    adze_text head = {0}, file = {0};
    forget();
    if (!o->work || crash.silent || !o->work->input) return;
    adze_text_append(&head, " while pass '%s' ran, number %u of the pipeline\n", name, step->run);
    crash.head = finish(&head);
    crash.folder = choose_folder();
    if (!crash.folder) return;
    if (strcmp(crash.folder, ".") != 0) adze_text_append(&file, "%s/", crash.folder);
    adze_text_append(&file, "crash-%s-%ld.adz", name, (long)getpid());
    crash.file = finish(&file);
    make_commands(step, limit, limit > (int64_t)n_rewrites ? limit - (int64_t)n_rewrites : 0);
    atomic_store(&crash.ready, true);
}

void adze_crash_end(void)
{
    if (!crash.options.work) return;
    restore();
    sigaltstack(&crash.old_stack, NULL);
    forget();
    crash.options = (adze_crash_options){0};
}
