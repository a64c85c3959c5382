/* A planned module as tables: what every step does and where its operands lie.
 *
 * The tables are made on the calling thread, because a context serves one thread at a time. What
 * they point to is only read afterwards, so several threads may generate code from one program.
 */
#ifndef ADZE_X86_PROGRAM_H
#define ADZE_X86_PROGRAM_H

#include <adze/artifact.h>
#include <adze/arena.h>
#include <adze/ir.h>
#include <adze/table.h>

/* An integer known now, or at bind as entry `dim` of the artifact's dims. */
typedef struct x86_size {
    bool is_const;
    uint32_t dim;
    int64_t value;
} x86_size;

/* The artifact's dims: distinct expressions over symbols, in order of first use. */
typedef struct x86_dims {
    adze_arena *arena;
    adze_context *context;
    adze_table index; /* adze_dim -> entry number + 1 */
    const adze_dim **items;
    uint32_t count, capacity;
} x86_dims;

uint32_t x86_dims_add(x86_dims *dims, const adze_dim *dim);
x86_size x86_dims_size(x86_dims *dims, const adze_dim *dim);

typedef enum x86_place_kind {
    X86_ABSENT,
    X86_ARENA,   /* frame->arena + at */
    X86_WEIGHTS, /* frame->weights + at */
    X86_IO,      /* frame->io[io] + at */
    X86_LATE,    /* frame->late[io].data + at: only a run knows the size */
    X86_STRINGS  /* a constant of strings, in the code itself */
} x86_place_kind;

/* Where a value of `main` lies; `at` is in bytes, of the first interior element. */
typedef struct x86_place {
    x86_place_kind kind;
    uint32_t io;
    x86_size at;
    const adze_string *strings; /* STRINGS: the elements */
} x86_place;

/* One operand of a step. */
typedef struct x86_operand {
    x86_place place;
    adze_dtype dtype;
    uint32_t rank;
    const x86_size *dims;
    bool is_open;   /* a whole adze_value that a run finds: a late one, an input of a type in io_types, strings */
    x86_size bytes; /* of a late value that is no open one */
} x86_operand;

/* What `named` says of a dim of its operand: it is the value of a symbol from here on, or must be of that size. */
typedef struct x86_rule {
    bool defines;
    uint32_t symbol;
    x86_size size;
    const char *broken; /* what the run says where the size is another one */
} x86_rule;

typedef enum x86_step_kind {
    X86_STEP_KERNEL, /* calls a loop-IR function */
    X86_STEP_FLOOR,  /* runs the op's evaluation */
    X86_STEP_COPY,   /* operand 0 to operand 1 */
    X86_STEP_DIMS,   /* writes dims as i64 */
    X86_STEP_BRANCH, /* goes on at `target` where operand 0 is false */
    X86_STEP_JUMP,   /* goes on at `target` */
    X86_STEP_ENTER,  /* operand 0, a number, becomes 0; goes on at `target` unless it is below operand 1 and operand 2
                        is true, where these are there */
    X86_STEP_NEXT,   /* operand 0 becomes one more; goes on at `target` if it is below operand 1 and operand 2 is
                        true */
    X86_STEP_PUSH,   /* operand 0 to entry `operand 2` of operand 1; without operand 2 that becomes an empty stack */
    X86_STEP_NAME,   /* holds the rules against the dims of operand 0 */
    X86_STEP_ASSIGN, /* operand 0 to operand 1, which is open: dims and all */
    X86_STEP_OUTPUT  /* operand 0 is output `target` */
} x86_step_kind;

typedef struct x86_step {
    x86_step_kind kind;
    uint32_t kernel; /* index into kernels */
    const char *name, *nodes;
    uint32_t macs, bytes, flags; /* as adze_artifact_step */
    x86_operand *operands; /* inputs, then outputs */
    uint32_t n_inputs, n_outputs;
    const adze_op_row *row; /* FLOOR */
    const adze_slot *attrs; /* FLOOR */
    uint32_t target;        /* of control flow: a step */
    x86_size copy_bytes;    /* COPY, PUSH */
    const x86_size *dims;   /* DIMS; of other steps those that must not be negative */
    uint32_t n_dims;
    const x86_rule *rules; /* NAME: one a dim */
} x86_step;

typedef struct x86_kernel {
    const adze_func *func;
    const char *name;
    bool *may_alias; /* per parameter: some launch gives it memory that another one has too */
} x86_kernel;

/* A constant that `main` uses, at its offset in the weights. */
typedef struct x86_weight {
    adze_const *constant;
    uint64_t offset, size;
} x86_weight;

typedef struct x86_io {
    const char *name;
    const adze_type *type;
    const uint32_t *dims; /* rank entries */
    uint32_t rank;
    uint32_t *words; /* its entry in io_types; NULL: none */
    uint32_t n_words;
} x86_io;

typedef struct x86_symbol {
    const char *name;
    uint32_t input, dim;
} x86_symbol;

typedef struct x86_program {
    adze_arena arena;
    adze_context *context;
    const adze_module *module;
    const adze_func *main;
    x86_dims dims;
    x86_step *steps;
    uint32_t n_steps, steps_capacity;
    x86_kernel *kernels;
    uint32_t n_kernels, kernels_capacity;
    bool has_dots; /* a kernel calls a micro-kernel that is better where the CPU multiplies and adds bytes */
    x86_weight *weights;
    uint32_t n_weights, weights_capacity;
    uint64_t weights_size;
    x86_io *inputs, *outputs;
    uint32_t n_inputs, n_outputs;
    x86_symbol *symbols;
    uint32_t n_symbols, symbols_capacity;
    uint32_t n_late; /* late values */
    uint32_t arena_bytes;          /* dims entry */
    const adze_dim *scratch_bytes; /* of one worker; grows while kernels are emitted */
    uint32_t scratch_dim;          /* dims entry, once all kernels are emitted */
} x86_program;

/* False after errors, all of them reported. Free in either case. */
bool x86_program_make(x86_program *program, const adze_module *module);
void x86_program_free(x86_program *program);
/* After all kernels are emitted: completes the dims and finds where their symbols come from. */
bool x86_program_finish(x86_program *program);

/* The kernel's code at a level: the function that stands for it there, else its own. */
const adze_func *x86_kernel_at(const x86_program *program, const x86_kernel *kernel,
                               const char *level);
/* A kernel's code at a level calls a micro-kernel that is better where the CPU has tiles. */
bool x86_program_has_tiles(const x86_program *program, const char *level);
/* Symbol of a kernel's function. */
const char *x86_kernel_symbol(adze_arena *arena, const char *name);

#endif
