/* Passes: what one is, its options, and what it may use while it runs. */
#ifndef ADZE_PASS_H
#define ADZE_PASS_H

#include <adze/engine.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum adze_outcome { ADZE_FAILED, ADZE_UNCHANGED, ADZE_CHANGED } adze_outcome;
typedef enum adze_numerics { ADZE_EXACT, ADZE_FAST, ADZE_LOSSY } adze_numerics;

typedef enum adze_option_kind {
    ADZE_OPTION_INT,   /* int64_t */
    ADZE_OPTION_BOOL,  /* bool */
    ADZE_OPTION_FLOAT, /* double */
    ADZE_OPTION_STR    /* const char *, interned; NULL where not given and no default */
} adze_option_kind;

/* One option. Its value lands at `offset` of the options struct. `fallback` is text, as a user would write it. */
typedef struct adze_option {
    const char *name, *help;
    adze_option_kind kind;
    size_t offset;
    const char *fallback;
} adze_option;

typedef struct adze_rewrites adze_rewrites;

/* What a running pass may use; valid during the run. */
typedef struct adze_pass_run {
    uint32_t struct_size;
    adze_context *context;
    adze_registry *registry;
    const adze_target *target; /* what the module is compiled for; never NULL (default: generic x86-64-v3) */
    int precision;             /* adze_precision */
    /* Further levels that the same artifact serves, NULL-ended, or NULL: what depends on the target's sizes is
     * made once for `target` and once for each of them. */
    const adze_target *const *others;
    /* What this run keeps. It starts as the pass's own `numerics`; a pass that did nothing but exact things this
     * time, or was told to, may say so. */
    adze_numerics numerics;
    adze_rewrites *rewrites; /* for adze_rewrite */
    const adze_calibration *calibration; /* samples of the model's inputs (--calib); NULL = none were given */
} adze_pass_run;

/* Asked before every change that may be left alone: counts it, and false says that this one is not wanted. So
 * `--rewrite-limit` and `--bisect` find the change that breaks something. `what` names its kind ("merge", a rule),
 * `op` is what changes, or an op beside it; NULL = none. Changes that are right only together count as one. */
ADZE_API bool adze_rewrite(adze_pass_run *self, const adze_op *op, const char *what);
/* For passes that take seconds: `done` of `total` steps are over (0 < total), and `what`, a layer say, comes next. It
 * is shown while the pass runs and changes nothing. */
ADZE_API void adze_pass_progress(adze_pass_run *self, uint64_t done, uint64_t total, const char *what);
/* Applies rules until none matches any more, as `canonicalize` does: those of rule sets that begin with `pass "NAME"`,
 * built in or of any plug-in, where `pass` is that name. `fast`: FAST ones, too. The run becomes EXACT where no FAST
 * one was applied, by this call or an earlier one of the same run: a pass that changes more says so behind it. */
ADZE_API adze_outcome adze_rules_run(adze_func *func, adze_pass_run *self, const char *pass, bool fast);

/* What the user allows (--precision). A pass that rounds differently looks at it before it does so. */
typedef enum adze_precision {
    ADZE_PRECISION_STRICT, /* sums in one order, no FAST rewrites: the same bits on every level and thread count */
    ADZE_PRECISION_F32,    /* the default: FAST rewrites and reordered sums, in f32 */
    ADZE_PRECISION_FAST    /* f16 and bf16 units as well */
} adze_precision;

/* A descriptor. Exactly one of run and run_module is set; `run` is called for each function. Options: a zeroed struct
 * of options_size bytes, filled, valid during the call. Gives ADZE_FAILED after reporting an error, ADZE_UNCHANGED only
 * if nothing changed at all. A pass keeps nothing between calls, because runs may be of other modules or contexts. */
typedef struct adze_pass {
    uint32_t struct_size;
    adze_numerics numerics;
    const char *name;
    const char *help; /* one line, lower case, no full stop */
    const adze_option *options;
    uint32_t n_options;
    uint32_t options_size;
    adze_outcome (*run)(adze_func *func, const void *options, adze_pass_run *self);
    adze_outcome (*run_module)(adze_module *module, const void *options, adze_pass_run *self);
    /* ---- What follows may be left out. ---- */
    const char *purpose;  /* group in lists: "simplify", "lower", "compress", …; NULL = "other" */
    const char *contract; /* what the pass needs, keeps and gives, in sentences, for `adze help pass NAME` */
    const char *example;  /* a module as IR text; `adze help pass NAME` shows it before and after the pass */
    /* Called once, when the pass is about to be registered: to look for what it needs (a file, a device). False,
     * with one line in `why`, refuses the whole plug-in. */
    bool (*start)(adze_context *context, char *why, size_t why_size);
} adze_pass;

#ifdef __cplusplus
}
#endif
#endif
