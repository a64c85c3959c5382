/* What the files of the generator share. A module under construction is one function over tensors that ends in a
 * `return`; ops are put above it step by step, and a step that does not hold (check.c) is taken back. */
#ifndef ADZE_GENERATE_H
#define ADZE_GENERATE_H

#include <adze/certify.h>
#include <adze/ir.h>

#include "passes/rules.h"

enum { GEN_MAX_SPATIAL = 2, GEN_MAX_VALUES = 400, GEN_MAX_INPUTS = 40, GEN_MAX_COUNT = 1500 };

/* A value in scope: an input, a constant or a result. */
typedef struct gen_value {
    adze_ir_value *value;
    adze_value data;      /* its elements where the function runs on the inputs of the certificate */
    double low, high;     /* smallest and largest element */
    bool exact;           /* no pass may change a bit of it: nothing above it rounds */
    bool usable;          /* may be read by others, and returned; false inside of a rule's part to find */
} gen_value;

typedef struct gen {
    adze_context *context;
    adze_registry *registry;
    adze_module *module;
    adze_func *func;
    adze_op *end; /* the `return` */
    adze_builder builder;
    adze_certify_options certify;
    uint64_t random;
    gen_value values[GEN_MAX_VALUES];
    uint32_t n_values;
    adze_map *index; /* value to its gen_value */
    adze_value inputs[GEN_MAX_INPUTS];
    uint32_t n_inputs;
} gen;

/* ---- scope.c ---- */

uint32_t gen_below(gen *g, uint32_t n);     /* 0 … n-1 */
bool gen_chance(gen *g, uint32_t percent);
gen_value *gen_find(const gen *g, const adze_ir_value *value); /* NULL: not in scope */
double gen_largest(const gen *g, const adze_ir_value *value);  /* magnitude of the largest element */
uint32_t gen_rank(const adze_ir_value *value);
adze_dtype gen_dtype(const adze_ir_value *value);
bool gen_is_float(const adze_ir_value *value);
bool gen_is_static(const adze_ir_value *value);
/* Extent of an axis for the inputs of the certificate. */
int64_t gen_extent(const gen *g, const adze_ir_value *value, uint32_t axis);

/* Sets of element types, by bit. */
#define GEN_BIT(dtype) (UINT64_C(1) << (dtype))
enum gen_types { GEN_FLOATS, GEN_WIDE, GEN_INTS, GEN_NUMBERS, GEN_SIGNED, GEN_BOOL, GEN_ANY };
uint64_t gen_dtypes(enum gen_types set);

/* What a recipe wants. Zeros where it does not care; `max_rank` 0 = up to 4. */
typedef struct gen_want {
    uint64_t dtypes;
    uint32_t min_rank, max_rank;
    bool exact; /* what it does is not continuous */
    bool fixed; /* constant dims */
} gen_want;

/* A value in scope, or a new one; NULL where there is no room any more. */
adze_ir_value *gen_take(gen *g, gen_want want);
/* The same of a type; `constant` only where the dims are. */
adze_ir_value *gen_new(gen *g, const adze_type *type, bool constant);
adze_ir_value *gen_take_type(gen *g, const adze_type *type);
/* An input, or a constant, of constant dims. */
adze_ir_value *gen_tensor(gen *g, adze_dtype dtype, uint32_t rank, const int64_t *dims);
/* A constant; floats in [low, high] have few digits. */
adze_ir_value *gen_constant(gen *g, adze_dtype dtype, uint32_t rank, const int64_t *dims, double low, double high);
adze_ir_value *gen_number(gen *g, adze_dtype dtype, double value);
adze_ir_value *gen_ints(gen *g, const int64_t *values, uint32_t count);
/* A value that broadcasts with `like`: some dims of it, others 1. */
adze_ir_value *gen_broadcast(gen *g, const adze_ir_value *like, adze_dtype dtype);
/* `value` itself if its elements are in [low, high], else ops that bring it there. Floats only. */
adze_ir_value *gen_into(gen *g, adze_ir_value *value, double low, double high);
bool gen_add_value(gen *g, adze_ir_value *value, const adze_value *data);

/* ---- check.c ---- */

/* Ops since `mark` (NULL: since the start): they run, their results are finite numbers, and roundings stay small. Takes
 * them into scope, `root` alone as usable (NULL: all); or erases them and gives false. */
bool gen_check(gen *g, adze_op *mark, const adze_op *root);
/* Erases the ops since `mark`. */
void gen_undo(gen *g, adze_op *mark);

/* ---- recipes.c: the op of a row with operands that fit; NULL where it did not come about. ---- */

typedef adze_op *gen_make(gen *g, const adze_op_row *row);
typedef struct gen_recipe {
    const char *name;
    gen_make *make;
} gen_recipe;

adze_op *gen_make_op(gen *g, const adze_op_row *row);
adze_op *gen_build(gen *g, const adze_op_row *row, adze_ir_value *const *operands, uint32_t n, const adze_attr *attrs,
                   uint32_t n_attrs);

typedef struct gen_window {
    int64_t kernel[GEN_MAX_SPATIAL], strides[GEN_MAX_SPATIAL], dilations[GEN_MAX_SPATIAL], pads[2 * GEN_MAX_SPATIAL];
    uint32_t n;
    const char *auto_pad; /* NULL: pads */
} gen_window;

/* recipes_move.c: extent of an axis, -1 where it is not known. */
int64_t gen_fixed_dim(const adze_ir_value *x, uint32_t axis);
/* recipes_quant.c: a dequantize of constant weights, scales along `column` or in groups along the other axis. */
adze_ir_value *gen_codes(gen *g, uint32_t rank, const int64_t *dims, uint32_t column);
/* recipes_compute.c */
gen_window gen_random_window(gen *g, uint32_t n);
uint32_t gen_window_attrs(gen *g, const gen_window *w, bool kernel, adze_attr *out);

extern const gen_recipe gen_recipes_compute[], gen_recipes_move[], gen_recipes_quant[],
    gen_recipes_sample[]; /* end with a NULL name */

/* ---- rule.c ---- */

/* The part to find of one of a rule's tests, on values in scope. */
bool gen_make_rule(gen *g, const adze_rule *rule);

/* ---- module.c ---- */

/* Module number `number` of a run; what it must hold comes around with the number. NULL after an error. */
bool gen_create(gen *g, adze_context *context, adze_registry *registry, uint64_t seed, uint64_t number);
void gen_destroy(gen *g); /* the module too */

/* ---- passes.c ---- */

/* A random pipeline, as text. */
void gen_pipeline(gen *g, adze_text *out);

/* ---- exports.c ---- */

/* Writes the module as ONNX, reads it, compares what both compute and what they write. A clear refusal is fine. */
bool gen_export(const gen *g, const char *path, bool *out_refused);

#endif
