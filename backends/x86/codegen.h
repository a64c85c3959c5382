/* From MLIR modules to machine code: levels, jobs, linking of bitcode.
 *
 * A job is one part of the program for one CPU level, with MLIR and LLVM contexts that nothing else uses
 * meanwhile, so jobs run on several threads. What a part is depends on the program alone, and its code on the
 * part alone: the same input gives the same bytes, and equal parts of different programs the same code.
 */
#ifndef ADZE_X86_CODEGEN_H
#define ADZE_X86_CODEGEN_H

#include "backends/x86/bitcode.h"
#include "backends/x86/cache.h"
#include "backends/x86/program.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <mlir-c/IR.h>

/* The bitcode of micro-kernels that a level takes. */
typedef enum x86_ukernels {
    X86_UKERNELS_V3,
    X86_UKERNELS_V4,
    X86_UKERNELS_V4_VNNI,
    X86_UKERNELS_V4_AMX,
    X86_N_UKERNELS
} x86_ukernels;

/* What a level is better for than the one below it: everything, sums of integer products, or those on tiles. */
typedef enum x86_gain { X86_GAIN_ALL, X86_GAIN_DOTS, X86_GAIN_TILES } x86_gain;

/* A CPU level that code is generated for. */
typedef struct x86_level {
    const char *name;       /* "x86-64-v4" */
    const char *cpu, *tune; /* as LLVM names them */
    const char *features;   /* "+avx512vnni,…" on top of the CPU's */
    uint64_t bits;          /* ADZE_CPU_* */
    x86_ukernels ukernels;
    bool wide; /* 512-bit vectors */
    x86_gain gain;
} x86_level;

/* ---- level.c ---- */

/* "x86-64-v3", "x86-64-v4", "x86-64-v4-vnni" or "x86-64-v4-amx"; NULL for other names. All lie in one array, better
 * ones behind. */
const x86_level *x86_level_find(const char *name);
const x86_level *x86_level_best(void);
/* The lowest level that runs code as well as `level` does: code with or without integer products, and with some on
 * tiles. */
const x86_level *x86_level_for(const x86_level *level, bool dots, bool tiles);
enum { X86_MAX_LEVELS = 8, X86_MAX_OBJECTS = 64 };
/* Names of the levels whose code `top` may run, best first, NULL-ended: at most X86_MAX_LEVELS + 1. */
void x86_level_names(const x86_level *top, const char **out);

typedef enum x86_output { X86_OBJECT, X86_ASSEMBLY, X86_LLVM, X86_MLIR } x86_output;

/* Which bitcode module defines a function; read-only once made. */
typedef struct x86_symbols {
    adze_arena arena;
    adze_table names[X86_N_UKERNELS]; /* for the levels that take these micro-kernels: name -> adze_bitcode */
} x86_symbols;

/* Reads what `n` levels need. */
bool x86_symbols_make(x86_symbols *symbols, const x86_level *const *levels, uint32_t n);
void x86_symbols_free(x86_symbols *symbols);

/* MLIR contexts that wait for their next job: making one costs more than emitting a kernel. */
typedef struct x86_contexts x86_contexts;

/* What a job makes code of. */
typedef enum x86_content {
    X86_CONTENT_KERNEL, /* one kernel */
    X86_CONTENT_FLOOR,  /* all steps that run the same evaluation: where they share code, it is made once */
    X86_CONTENT_STEPS,  /* the step functions, which call the functions of the parts above */
    X86_CONTENT_ALL     /* everything, for looking */
} x86_content;

typedef struct x86_job {
    struct x86_job *next; /* in the queue */
    const x86_program *program;
    const x86_symbols *symbols;
    const x86_level *level, *lowest; /* this job's; the artifact's lowest */
    const char *variant;             /* the level that the module's functions were sized for */
    uint32_t level_index;
    x86_content content;
    const adze_op_row *row;    /* FLOOR: of its steps */
    const char *const *callees; /* STEPS, ALL: per step, the function that it calls; NULL where it calls none */
    x86_hash key;              /* of all that decides the code, but for the build; not of ALL */
    char symbol[64];           /* KERNEL: the name that its function gets; FLOOR: what the names of its functions
                                  begin with. Made of the key */
    const x86_cache *cache;    /* where the code goes; NULL: nowhere */
    bool exact;                /* a kernel of it keeps the roundings of its float ops */
    int opt;                   /* LLVM's -O level */
    x86_output output;
    x86_contexts *contexts; /* where `mlir` comes from */
    MlirContext mlir;
    MlirModule module;
    LLVMContextRef context;
    LLVMModuleRef llvm;
    const adze_code *objects[X86_MAX_OBJECTS]; /* of plug-ins, that the job calls */
    uint32_t n_objects;
    bool uses_libm;
    /* Result: an object, or text. */
    char *bytes;
    size_t size;
    bool ok;
    char error[1024];
} x86_job;

/* ---- job.c ---- */

/* Gives the job an LLVM module, empty. */
void x86_job_begin(x86_job *job);
/* Everything after emission: lowers, links, optimises, generates, keeps the code in the cache. Sets ok or error. */
void x86_job_run(x86_job *job);
void x86_job_free(x86_job *job);
bool x86_job_fail(x86_job *job, const char *format, ...) ADZE_PRINTF(2, 3);
/* Handler of an LLVM context: keeps the first error in job->error. Without one LLVM ends the process. */
void x86_keep_diagnostic(LLVMDiagnosticInfoRef info, void *job);
/* Generates code for a finished module into job->bytes. */
bool x86_job_generate(x86_job *job);
/* "adze_step_<level>_<index>" */
void x86_step_symbol(char *buffer, size_t size, uint32_t level, uint32_t step);

/* ---- lower.c ---- */

x86_contexts *x86_contexts_create(void);
void x86_contexts_destroy(x86_contexts *contexts);
/* A context with an empty module for the job, which gives it back with x86_drop_mlir. */
void x86_take_mlir(x86_job *job);
void x86_drop_mlir(x86_job *job);
bool x86_lower(x86_job *job);

/* ---- link_bitcode.c ---- */

/* Names of a KERNEL's and a FLOOR's functions until the key is known. */
#define X86_KERNEL_PART "adze_kernel_part"
#define X86_FLOOR_PART "adze_floor_"

/* Brings in what the module calls, under the level's target attributes, all of it internal. What other parts call
 * gets its name. */
bool x86_link_bitcode(x86_job *job);

/* ---- plugin_code.c ---- */

bool x86_is_bitcode(const adze_code *code);
/* Code of a plug-in for a function at a level; NULL if there is none. */
const adze_code *x86_code_find(const adze_context *context, const x86_level *level, const x86_level *lowest,
                               const char *symbol);
bool x86_is_libm(const char *name);

/* ---- step.c ---- */

void x86_build_steps(x86_job *job);

/* ---- floor.c ---- */

/* The functions that run evaluations: of the job's row, numbered in order, or of all, by the numbers of their steps. */
void x86_build_floors(x86_job *job);

/* ---- descriptor.c ---- */

/* The artifact's descriptor as a module of its own. `symbol` is its name. */
bool x86_build_descriptor(x86_job *job, const char *symbol, const char *model,
                          const x86_level *const *levels, uint32_t n_levels, int precision);

#endif
