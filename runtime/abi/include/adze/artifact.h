/* The descriptor that a compiled artifact exports, and the frame that its code runs in.
 *
 * An artifact is a shared object or relocatable object with one global symbol: an adze_artifact
 * named `adze_artifact` (.so, executable) or `adze_compiled_<stem>` (.o with its header). All else
 * is local. In a .so the symbol must stand in the dynamic symbol table and its first 16 bytes
 * (magic, abi, struct_size) must be plain file content: the runtime reads them before it lets the
 * loader run. The runtime (adze_runtime.h) reads the descriptor; nothing here needs the compiler.
 * C code cannot name a variable like its type, so it declares the first as
 *     extern const adze_artifact linked __asm__("adze_artifact");
 */
#ifndef ADZE_ARTIFACT_H
#define ADZE_ARTIFACT_H

#include <adze/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADZE_ARTIFACT_MAGIC UINT64_C(0x0031545241455a44) /* "DZEART1\0", little endian */

/* Dim expressions are stored as postfix code so that one evaluator serves every target.
 * A DIM_CONST and a DIM_SYMBOL are followed by one operand word. */
enum adze_dim_code {
    ADZE_DIM_CODE_CONST,
    ADZE_DIM_CODE_SYMBOL, /* operand: index into `symbols` */
    ADZE_DIM_CODE_ADD,
    ADZE_DIM_CODE_MUL,
    ADZE_DIM_CODE_FLOORDIV, /* division by 0 and overflow are ADZE_ERR_DIM */
    ADZE_DIM_CODE_CEILDIV,
    ADZE_DIM_CODE_MOD, /* result has the divisor's sign */
    ADZE_DIM_CODE_MIN,
    ADZE_DIM_CODE_MAX
};

typedef struct adze_artifact_dim {
    const int64_t *code;
    uint64_t n_code;
} adze_artifact_dim;

typedef struct adze_artifact_symbol {
    const char *name;
    uint32_t input; /* the input and dim that give the symbol its value first; ADZE_ARTIFACT_LATE: a step of the run */
    uint32_t dim;
} adze_artifact_symbol;

#define ADZE_ARTIFACT_LATE UINT32_MAX

typedef struct adze_artifact_io {
    const char *name;
    uint32_t dtype; /* adze_dtype */
    uint32_t rank;
    const uint32_t
        *dims; /* rank indices into adze_artifact.dims; every dim is checked or computed by it.
                  ADZE_ARTIFACT_DIM_UNKNOWN in an output: known only once a run has computed it */
} adze_artifact_io;

#define ADZE_ARTIFACT_DIM_UNKNOWN UINT32_MAX

/* What an input or output holds that a row of dims cannot say: ADZE_VALUE_SEQUENCE or ADZE_VALUE_OPTIONAL, each
 * followed by what it holds, or ADZE_VALUE_MAP, followed by the adze_dtype of its keys (strings, or integers of at
 * least 8 bits) and a tensor of rank 0; at the end ADZE_VALUE_TENSOR, its adze_dtype and its rank, or
 * ADZE_ARTIFACT_RANK_ANY. A value that is a map has two items, tensors of rank 1: as many keys as values. */
enum {
    ADZE_ARTIFACT_MAX_NESTED = 8, /* sequences, optionals and maps inside each other */
    ADZE_ARTIFACT_MAX_WORDS = ADZE_ARTIFACT_MAX_NESTED + 4
};
#define ADZE_ARTIFACT_RANK_ANY UINT32_MAX

/* Parallel work: calls `chunk(arg, i, worker)` for every i in [0, n) in any order, on any of the
 * workers 0 .. n_workers-1, and returns when all are done. */
typedef void adze_chunk_fn(void *arg, int64_t chunk, int64_t worker);
typedef void adze_parallel_for_fn(void *pool, adze_chunk_fn *chunk, void *arg, int64_t n);

/* What generated code sees during one run. */
typedef struct adze_frame {
    uint32_t struct_size;
    uint32_t n_workers;
    char *arena;            /* 64-byte aligned; size = dims[arena_bytes] */
    char *scratch;          /* n_workers x scratch_bytes, 64-byte aligned */
    uint64_t scratch_bytes; /* of one worker, a multiple of 64: worker w's is scratch + w *
                               scratch_bytes */
    const char *weights;    /* 64-byte aligned */
    void *const *io;        /* data of the inputs, then of the outputs; of an input with an entry in io_types its
                               adze_value */
    const int64_t *dims;    /* values of adze_artifact.dims, in order */
    adze_parallel_for_fn *parallel_for;
    void *pool;
    /* For ops that run their evaluation: allocation, errors. Its functions read env->self, never
     * other fields, so code that adds `region` copies the struct. `scratch` lives to the end of the
     * step, memory from `output` to the end of the session's next run. Only for the thread that
     * runs the steps; `error` may be called from chunks too. */
    const adze_env *env;
    /* Hands over output `index` whose io pointer is NULL because a dim of it is ADZE_ARTIFACT_DIM_UNKNOWN or it has an
     * entry in io_types. The value's memory came from env->output, a late value, the arena, the weights or an input. */
    adze_status (*set_output)(const struct adze_frame *frame, uint32_t index,
                              const adze_value *value);
    /* Number of the step that runs next, which a step of control flow may change; n_steps ends the run. */
    uint32_t *next;
    /* Values whose size only a run knows, n_late of them. Each has memory of its own, which the functions below let
     * grow, and which lasts to the end of the session's next run. */
    adze_value *late;
    /* Gives late value `index` memory for `bytes`, of which those before `keep` stay what they are. */
    adze_status (*reserve)(const struct adze_frame *frame, uint32_t index, int64_t bytes, int64_t keep);
    /* Late value `index` becomes `value`: a tensor's memory from env->output in this step changes hands, other is
     * copied, with all items and the bytes of all strings. */
    adze_status (*assign)(const struct adze_frame *frame, uint32_t index, const adze_value *value);
    /* `value` becomes entry `number`, the last one, of a stack along a new first axis; negative: the stack is empty. */
    adze_status (*push)(const struct adze_frame *frame, uint32_t index, const adze_value *value, int64_t number);
    /* Symbols that no input gives take values, and all sizes that depend on them follow. */
    adze_status (*define)(const struct adze_frame *frame, uint32_t n, const uint32_t *symbols, const int64_t *values);
} adze_frame;

typedef adze_status adze_step_fn(const adze_frame *frame);

typedef struct adze_artifact_step {
    const char *name;  /* kernel or op */
    const char *nodes; /* ONNX node names, separated by '\n' */
    uint32_t macs;     /* index into dims: multiply-accumulates of one run; UINT32_MAX = none */
    uint32_t bytes;    /* index into dims: bytes read and written; UINT32_MAX = unknown */
    uint32_t flags;    /* ADZE_STEP_* */
    uint32_t reserved;
} adze_artifact_step;

enum {
    ADZE_STEP_FLOOR = 1,         /* runs the op's evaluation: no better lowering yet */
    ADZE_STEP_DATA_DEPENDENT = 2 /* allocates during run */
};

/* CPU features by CPUID, as bits of adze_artifact_level.features. */
enum adze_cpu_feature {
    ADZE_CPU_X86_64_V2 = 1 << 0,
    ADZE_CPU_X86_64_V3 = 1 << 1,
    ADZE_CPU_X86_64_V4 = 1 << 2,
    ADZE_CPU_AVX512_VNNI = 1 << 3,
    ADZE_CPU_AVX512_BF16 = 1 << 4,
    ADZE_CPU_AVX512_FP16 = 1 << 5,
    ADZE_CPU_AVX_VNNI = 1 << 6,
    ADZE_CPU_AMX_BF16 = 1 << 7,
    ADZE_CPU_AMX_INT8 = 1 << 8
};

/* Code for one CPU level. Levels stand best first; open takes the first that the CPU can run. */
typedef struct adze_artifact_level {
    const char *name;
    uint64_t features;
    adze_step_fn *const *steps; /* n_steps functions, run in order but for what steps write to frame->next */
} adze_artifact_level;

typedef struct adze_artifact {
    uint64_t magic;
    uint32_t abi;
    uint32_t struct_size;
    const char *name;
    const char *version; /* of the compiler */
    uint32_t n_inputs, n_outputs, n_symbols, n_dims, n_steps, n_levels;
    const adze_artifact_io *inputs;
    const adze_artifact_io *outputs;
    const adze_artifact_symbol *symbols;
    const adze_artifact_dim *dims;
    const adze_artifact_step *steps;
    const adze_artifact_level *levels;
    uint32_t arena_bytes;   /* index into dims */
    uint32_t scratch_bytes; /* index into dims: bytes of one worker */
    const char
        *weights; /* in the artifact's own read-only segment; NULL where weights_file is set */
    uint64_t weights_size;
    const char *weights_file; /* file name beside the artifact, or NULL */
    uint32_t flags;           /* ADZE_ARTIFACT_* */
    uint32_t n_late;          /* values of adze_frame.late */
    /* Of the inputs, then of the outputs: NULL for a tensor as its row says, else its type (above). The table itself is
     * NULL where all are such tensors. A type that is a tensor of known rank has dims in its row, others have none. */
    const uint32_t *const *io_types;
} adze_artifact;

/* STRICT: --precision=strict; FTZ and DAZ are off in a run, and evaluations get ADZE_ENV_STRICT. */
enum { ADZE_ARTIFACT_STRICT = 1 };

#ifdef __cplusplus
}
#endif
#endif
