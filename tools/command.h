/* What the subcommands of `adze` share: the table of commands, flags, models, messages.
 *
 * Exit status: 0 done; 1 the input, the model or the comparison is at fault; 2 the command line is wrong.
 * Results go to stdout, everything else to stderr.
 */
#ifndef ADZE_COMMAND_H
#define ADZE_COMMAND_H

#include <adze/engine.h>
#include <adze/registry.h>
#include <adze_runtime.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct adze_command adze_command;

/* ---- Flags (flags.c) ---- */

typedef enum adze_flag_kind {
    ADZE_FLAG_BOOL, /* bool: --check */
    ADZE_FLAG_INT,  /* int64_t: --threads=4 or --threads 4 */
    ADZE_FLAG_TEXT, /* const char * */
    ADZE_FLAG_MAYBE, /* the same, "" where no value is given; only as --name=value */
    ADZE_FLAG_LIST, /* adze_flag_list, repeatable */
    ADZE_FLAG_DIMS, /* the same, of NAME=WHOLE NUMBER */
    ADZE_FLAG_CHOICE, /* const char *, one of those that `value` lists: "a|b" */
    ADZE_FLAG_BYTES, /* uint64_t: 1000, 64M, 2G */
    ADZE_FLAG_NUMBER, /* double, at least 0 */
    ADZE_FLAG_LEVEL /* int: -O0 … -O3 */
} adze_flag_kind;

typedef struct adze_flag_list {
    const char **items;
    uint32_t count;
} adze_flag_list;

/* `name` with its dashes; `value` is what --help writes after "=", NULL for BOOL. One whose `help` is NULL stands on
 * the line of the flag before. Ends with a NULL name. */
typedef struct adze_flag {
    const char *name, *value, *help;
    adze_flag_kind kind;
    size_t offset;
} adze_flag;

/* Fills `out` (a struct that the flags' offsets describe) and moves what is no flag to the front of argv.
 * Gives the number of those, or -1 after --help or an error: then *out_status is the exit status.
 * `usage` is the text above the flags, with one example. */
int adze_flags_parse(int argc, char **argv, const adze_flag *flags, void *out, const char *usage, int *out_status);
/* What --help prints. */
void adze_flags_help(const adze_flag *flags, const char *usage);
/* Frees all lists among the flags. */
void adze_flags_free(const adze_flag *flags, void *out);
bool adze_has_suffix(const char *text, const char *suffix);

/* ---- Messages and models (work.c) ---- */

/* What most commands hold: a context whose messages go to stderr, and its registry. */
typedef struct adze_work {
    adze_context *context;
    adze_registry *registry;
    bool color, progress; /* of and on stderr */
    bool no_remarks;      /* notes that follow no error are not shown: passes run again and again */
    adze_text *held;      /* what is said goes there; NULL: to stderr */
    uint64_t forgiven;    /* errors that were held and then forgotten */
    uint64_t n_diagnostics;
    uint64_t max_memory; /* --max-memory, else the machine's */
    const char *input, *output; /* the model that was read last, and where the result goes; borrowed, or NULL */
    char *standard; /* what stdin held, once it has been read */
    size_t standard_size;
    adze_engine engine; /* that the registry has; name NULL: the reference */
    uint32_t engine_threads;
    int engine_precision;
} adze_work;

/* Flags that all commands share, for a struct that starts with adze_common. */
typedef struct adze_common {
    const char *target, *passes, *calib, *precision, *color, *progress, *crash_folder;
    uint64_t max_memory; /* bytes; 0 = no bound */
    int level; /* -O; -1 = not given */
    adze_flag_list plugins, dims;
    int64_t threads;
    bool verbose;
} adze_common;

#define ADZE_COMMON_START {.level = -1, .threads = 1}

#define ADZE_COMMON_FLAGS                                                                                          \
    {"-O", "0..3", "named pipeline (compiling: default 2; 3 is the same today)", ADZE_FLAG_LEVEL,                  \
         offsetof(adze_common, level)},                                                                            \
        {"--passes", "PIPELINE", "passes to run instead, e.g. fold,dce", ADZE_FLAG_TEXT,                           \
         offsetof(adze_common, passes)},                                                                           \
        ADZE_COMMON_FLAGS_WITHOUT_PASSES

/* Of commands that choose the passes themselves. */
#define ADZE_COMMON_FLAGS_WITHOUT_PASSES                                                                           \
    {"--target", "NAME[:LEVEL]", "what to compile for, e.g. x86:x86-64-v4 or x86:host", ADZE_FLAG_TEXT,            \
     offsetof(adze_common, target)},                                                                               \
        {"--calib", "DATA", "samples for passes that look at values: .npz or a folder of .npy", ADZE_FLAG_TEXT,    \
         offsetof(adze_common, calib)},                                                                            \
        {"--plugin", "FILE.so", "load a plug-in, or rules from FILE.rules; repeatable", ADZE_FLAG_LIST,            \
         offsetof(adze_common, plugins)},                                                                          \
        {"--dim", "NAME=VALUE", "fix a symbolic dim; repeatable", ADZE_FLAG_DIMS, offsetof(adze_common, dims)},    \
        {"--threads", "N", "threads to run with (default 1; 0 = one per CPU)", ADZE_FLAG_INT,                      \
         offsetof(adze_common, threads)},                                                                          \
        {"--precision", "strict|f32|fast", "what numerics may change (default f32)", ADZE_FLAG_CHOICE,             \
         offsetof(adze_common, precision)},                                                                        \
        {"--max-memory", "BYTES", "bound on constants, tables and tensors, e.g. 2G", ADZE_FLAG_BYTES,              \
         offsetof(adze_common, max_memory)},                                                                       \
        {"--color", "always|never|auto", "colour in messages (default: on a terminal)", ADZE_FLAG_CHOICE,          \
         offsetof(adze_common, color)},                                                                            \
        {"--progress", "always|never|auto", "show what takes long (default: on a terminal)", ADZE_FLAG_CHOICE,     \
         offsetof(adze_common, progress)},                                                                         \
        {"--crash-folder", "DIR", "where a crash leaves the IR (default: beside -o, else here; none = nowhere)",   \
         ADZE_FLAG_TEXT, offsetof(adze_common, crash_folder)},                                                     \
    {                                                                                                              \
        "-v", NULL, "say what runs, and for how long", ADZE_FLAG_BOOL, offsetof(adze_common, verbose)              \
    }

/* Creates context and registry and loads the plug-ins. False after an error. */
bool adze_work_open(adze_work *session, const adze_common *common);
void adze_work_close(adze_work *session);
/* Between these two what is said is kept in `text`, which becomes the caller's: it is shown then, or, if `forget`, was
 * no error. */
void adze_work_hold(adze_work *session, adze_text *text);
void adze_work_release(adze_work *session, bool forget);
/* Prints a diagnostic to stderr; an adze_sink. `self` is an adze_work or NULL. */
void adze_print_to_stderr(void *self, const adze_diagnostic *diagnostic);
/* adze_precision. */
int adze_common_precision(const adze_common *common);
/* Reads an .onnx or .adz file and fixes the dims of --dim; "-" is IR text on stdin. NULL after an error. */
adze_module *adze_work_read(adze_work *session, const adze_common *common, const char *path);
/* The same from a text that came from `path`. */
adze_module *adze_work_parse(adze_work *work, const adze_common *common, const char *path, const char *text,
                             size_t size);
/* How messages call a model: its path, or stdin. */
const char *adze_input_name(const char *path);
/* Whole file or stdin as malloc'ed text with a zero byte; NULL after an error was reported. */
char *adze_read_text(adze_work *work, const char *path, size_t *out_size);

/* Prints a module to a file, whole or not at all; "-" is stdout. Constants that do not lie in the file's folder
 * go to PATH.bin. */
bool adze_write_module(adze_work *work, const adze_module *module, const char *path);
/* The same in two steps: options for printing, then writing. */
adze_print_options adze_print_options_for(adze_work *work, const char *path);
bool adze_write_printed(adze_work *work, const char *path, const adze_print_options *print, const adze_text *text);

/* ---- Signals that end this program (ending.c) ---- */

/* From now on they remove what the context lists as temporary (adze/temporary.h), outfiles too. A file that grows
 * larger than the system allows is no signal but an error. adze_work_open does this, adze_work_close undoes it. */
void adze_endings_watch(adze_context *context);
void adze_endings_leave(void);

/* ---- Commands (main.c) ---- */

struct adze_command {
    const char *name, *summary;
    const char *usage; /* what --help prints above the flags, with one example */
    const adze_flag *flags;
    size_t options_size;  /* of a struct that starts with adze_common */
    const void *defaults; /* such a struct; NULL = zeros after ADZE_COMMON_START */
    int files_min, files_max;
    const char *takes; /* those files, in the message about their number; NULL = models */
    /* Gives the exit status. The common flags have been checked: --target and --passes mean something. */
    int (*run)(adze_work *work, const void *options, char **files, int n_files);
};

/* The command of that place in commands.def; NULL behind the last one. */
const adze_command *adze_command_get(uint32_t index);
/* What `adze --help` prints. */
void adze_print_commands(FILE *stream);

#define COMMAND(name) extern const adze_command adze_command_##name;
#include "commands.def"
#undef COMMAND

/* ---- Places (paths.c) ---- */

/* Prints the folder that --include-path or --lit-path asks for; the exit status, or -1 for other flags. */
int adze_path_print(const char *flag);
/* The folder of templates, malloc'ed; NULL if there is none. */
char *adze_path_of_templates(void);

/* ---- Targets (targets.c) ---- */

/* Prints the backends that are there, and the levels with whether this CPU has them. False after an error. */
bool adze_print_targets(adze_work *work);

/* ---- Sensitivities (sensitivity.c) ---- */

/* NULL after a message about the command line. */
const adze_sensitivity *adze_find_sensitivity(const adze_work *work, const char *name);
/* A row for each weight of the main function: op, type, and its scores' mean, min, median and max. */
bool adze_print_sensitivity(const adze_sensitivity *measure, const adze_module *module);

/* ---- Lowering and artifacts (lower.c) ---- */

/* --target=reference, or none. */
bool adze_common_is_reference(const adze_common *common);
enum { ADZE_MAX_LEVELS = 8 };

/* The levels of one --target, NULL-ended. */
typedef struct adze_levels {
    const adze_target *items[ADZE_MAX_LEVELS + 1];
    uint32_t count;
} adze_levels;

/* "x86:a,b" names several levels; each becomes a target of its own, in the given order (best first). */
bool adze_work_levels(adze_work *session, const char *text, adze_levels *out);
/* The first level that --target names (default x86:host); NULL after an error. */
const adze_target *adze_work_target(adze_work *session, const adze_common *common);
/* Do --target and --passes mean something? */
bool adze_work_check(adze_work *session, const adze_common *common);
/* The line of -v for a pass that ran. */
void adze_print_pass(const char *pass, double seconds, adze_outcome outcome);
/* Runs --passes, or the backend's pipeline for -O (default 2), for --target (default x86:host). With `for_code`,
 * what the target cannot do is an error, all of it at once and before kernels become loops. */
bool adze_work_lower(adze_work *session, const adze_common *common, adze_module *module, bool for_code);
/* Runs these passes alone, for no target in particular: "simplify". */
bool adze_work_run_passes(adze_work *session, const adze_common *common, const char *passes,
                          const adze_calibration *calibration, adze_module *module);
/* Runs the same passes as adze_work_lower up to the last LOSSY one that changes the module, none where there is none:
 * what comes behind it must keep the results. */
bool adze_work_lower_lossy(adze_work *session, const adze_common *common, adze_module *module, bool *out_changed);
/* The same for code, then writes the artifact; the suffix of `output` says what. */
bool adze_work_emit(adze_work *session, const adze_common *common, adze_module *module, const char *output);
/* Opens an artifact to look at, though this CPU may not be able to run it. The caller closes it. */
adze_model *adze_work_describe(adze_work *session, const char *path);
/* Opens an artifact, or compiles a model to a temporary one and opens that. The caller closes it. */
adze_model *adze_work_device(adze_work *session, const adze_common *common, const char *path);
/* The same for a module, which the passes change; `path` stands for it in messages. */
adze_model *adze_work_compiled(adze_work *session, const adze_common *common, adze_module *module, const char *path);
bool adze_is_artifact(const char *path);

/* ---- Running modules for passes (engine.c) ---- */

/* Sets the registry's engine to code for this machine, unless --target=reference or there is no backend for it. */
void adze_work_set_engine(adze_work *work, const adze_common *common);

/* ---- Progress (progress.c) ---- */

/* A line on stderr that appears after two seconds; a thread of its own redraws it. */
typedef struct adze_progress adze_progress;
/* NULL where nothing is to be shown; the other functions take that. `what` is borrowed. */
adze_progress *adze_progress_begin(const adze_work *work, const char *what);
/* `part` of 1 is done; below 0 = unknown. `detail` (copied) may be NULL. */
void adze_progress_update(adze_progress *progress, double part, const char *detail);
/* What a pass says of itself, as adze_run_options.within hands it on. */
void adze_progress_within(adze_progress *progress, const char *pass, double part, const char *what);
void adze_progress_end(adze_progress *progress);
/* Seconds on a clock that only goes forward. */
double adze_now(void);

/* One line about a wrong command line; gives the exit status 2. */
/* A number of bytes: 1000, 64M, 2G; false if it is none. */
bool adze_read_bytes(const char *text, uint64_t *out);
int adze_usage_error(const char *format, ...) ADZE_PRINTF(1, 2);

#endif
