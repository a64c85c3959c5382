/* sparsify: constants that hold many zeros are stored without them.
 *
 *     const @w : f32[64,64] = blob(…)          →      const @w.values : f32[812] = blob(…)
 *                                                     const @w.bitmap : u8[512] = blob(…)
 *     %y = matmul(%x, @w)                             %0 = densify(@w.values, @w.bitmap) {shape = [64, 64]} :
 * f32[64,64] %y = matmul(%x, %0)
 *
 * A bit says of each block whether it is there. Blocks are single elements, or 16 elements along the axis of output
 * channels where that is smaller. fold makes such constants dense again, lazily, so it is the last pass before a file.
 */
#include "passes/examples_embedded.h"
#include "passes/weights/build.h"

#include <adze/arena.h>
#include <adze/pass.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    int64_t min_elements, gain;
} options;

enum { BLOCK = 16 };

/* A dense constant as rows along one axis: element [outer][along][inner]. */
typedef struct grid {
    int64_t outer, along, inner;
    uint64_t size; /* bytes of an element */
    const uint8_t *data;
} grid;

static bool is_zero(const grid *g, int64_t i)
{
    const uint8_t *p = g->data + (uint64_t)i * g->size;
    for (uint64_t k = 0; k < g->size; k++)
        if (p[k]) return false; /* -0 stays, and so does NaN */
    return true;
}

/* Blocks of `block` elements along the axis, in the order of densify: *out_blocks of them. Writes the bits and the
 * elements of those that are not all zero where `bitmap` is given; returns how many elements they have. */
static int64_t visit(const grid *g, int64_t block, uint8_t *bitmap, uint8_t *values, int64_t *out_blocks)
{
    int64_t along = (g->along + block - 1) / block, kept = 0, number = 0;
    for (int64_t o = 0; o < g->outer; o++)
        for (int64_t a = 0; a < along; a++)
            for (int64_t i = 0; i < g->inner; i++, number++) {
                int64_t first = (o * g->along + a * block) * g->inner + i, n = g->along - a * block;
                bool zero = true;
                if (n > block) n = block;
                for (int64_t k = 0; zero && k < n; k++) zero = is_zero(g, first + k * g->inner);
                if (zero) continue;
                for (int64_t k = 0; bitmap && k < n; k++)
                    memcpy(values + (uint64_t)(kept + k) * g->size,
                           g->data + (uint64_t)(first + k * g->inner) * g->size, g->size);
                if (bitmap) bitmap[number / 8] = (uint8_t)(bitmap[number / 8] | 1u << number % 8);
                kept += n;
            }
    *out_blocks = number;
    return kept;
}

static int64_t bytes_of(const grid *g, int64_t block)
{
    int64_t blocks, kept = visit(g, block, NULL, NULL, &blocks);
    return kept * (int64_t)g->size + (blocks + 7) / 8;
}

/* The axis of output channels of what reads it first: blocks lie along it. */
static uint32_t block_axis(const adze_const *constant)
{
    const adze_use *use = adze_value_first_use(adze_const_value(constant));
    const adze_op *op = use ? adze_use_op(use) : NULL;
    bool rows = op && adze_op_has_trait(op, ADZE_CONTRACTION) && !adze_op_has_trait(op, ADZE_WINDOW) &&
                !(adze_op_is(op, "gemm") && adze_op_attr_int(op, "transB"));
    uint32_t rank = adze_type_rank(adze_const_type(constant));
    return rows && rank > 1 ? rank - 1 : 0;
}

static bool describe(const adze_const *constant, const options *o, grid *out)
{
    const adze_type *type = adze_const_type(constant);
    uint32_t bits = adze_type_is_tensor(type) ? adze_dtype_bits(adze_type_dtype(type)) : 0, axis = block_axis(constant);
    int64_t dim, count = 1;
    if (bits < 8 || bits % 8 || adze_type_has_layout(type)) return false;
    if (bits != 8 && adze_dtype_get_kind(adze_type_dtype(type)) != ADZE_KIND_FLOAT) return false; /* shapes, indices */
    if (!adze_type_is_static(type) || adze_type_rank(type) < 1) return false;
    *out = (grid){.outer = 1, .along = 1, .inner = 1, .size = bits / 8};
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        if (!adze_dim_is_const(adze_type_dim(type, i), &dim)) return false;
        *(i < axis ? &out->outer : i == axis ? &out->along : &out->inner) *= dim;
        count *= dim;
    }
    return count >= o->min_elements && count > 0;
}

/* The first op in its region that reads it. */
static adze_op *first_user(const adze_const *constant)
{
    const adze_ir_value *value = adze_const_value((adze_const *)constant);
    adze_op *op = adze_region_first(adze_op_parent(adze_use_op(adze_value_first_use(value))));
    for (;; op = adze_op_next(op))
        for (uint32_t i = 0; i < adze_op_num_operands(op); i++)
            if (adze_op_operand(op, i) == value) return op;
}

/* Values and bitmap, and an op that every use reads instead. NULL after an error. */
static adze_op *store(adze_module *module, adze_const *constant, const grid *g, int64_t block)
{
    adze_context *context = adze_module_context(module);
    const adze_type *type = adze_const_type(constant);
    int64_t blocks, kept = visit(g, block, NULL, NULL, &blocks), bytes = (blocks + 7) / 8;
    int64_t shape[ADZE_MAX_RANK], along[ADZE_MAX_RANK];
    uint8_t *bitmap = adze_malloc((size_t)bytes + 1), *values = adze_malloc((size_t)kept * g->size + 1);
    memset(bitmap, 0, (size_t)bytes);
    visit(g, block, bitmap, values, &blocks);
    const char *name = adze_const_name(constant);
    adze_ir_value *in[] = {adze_const_make(module, adze_internf(context, "%s.values", name),
                                           adze_type_tensor_const(context, adze_type_dtype(type), 1, &kept), values),
                           adze_const_make(module, adze_internf(context, "%s.bitmap", name),
                                           adze_type_tensor_const(context, ADZE_DTYPE_u8, 1, &bytes), bitmap)};
    free(values);
    free(bitmap);
    uint32_t rank = adze_type_rank(type);
    for (uint32_t i = 0; i < rank; i++) {
        adze_dim_is_const(adze_type_dim(type, i), &shape[i]);
        along[i] = i == block_axis(constant) ? block : 1;
    }
    adze_attr attrs[] = {adze_attr_ints("shape", shape, rank), adze_attr_ints("block", along, rank)};
    adze_builder b = adze_builder_before(first_user(constant));
    return in[0] && in[1] ? adze_build(&b, "densify", in, 2, attrs, block > 1 ? 2 : 1, NULL, 1) : NULL;
}

/* All uses stand in one function, none of them in a region of its ops: one densify serves them. What derived constants
 * read stays, since they would keep it in the file as well. */
static bool one_place(const adze_module *module, const adze_const *constant)
{
    const adze_region *region = NULL;
    for (const adze_use *use = adze_value_first_use(adze_const_value(constant)); use; use = adze_use_next(use)) {
        const adze_region *of = adze_op_parent(adze_use_op(use));
        if ((region && of != region) || adze_region_op(of)) return false;
        region = of;
    }
    return region && !build_feeds_constants(module, constant);
}

static adze_outcome sparsify(adze_module *module, adze_const *constant, const options *o, adze_pass_run *self)
{
    grid g;
    if (!one_place(module, constant) || !describe(constant, o, &g)) return ADZE_UNCHANGED;
    adze_data *data = adze_const_data(constant);
    g.data = adze_data_load(data);
    if (!g.data) return ADZE_FAILED;
    int64_t dense = g.outer * g.along * g.inner * (int64_t)g.size, single = bytes_of(&g, 1),
            block = bytes_of(&g, BLOCK);
    int64_t best = block <= single ? block : single;
    adze_op *made = NULL;
    adze_outcome outcome = ADZE_UNCHANGED;
    if ((double)best <= (double)dense * (100 - (double)o->gain) / 100 &&
        adze_rewrite(self, adze_use_op(adze_value_first_use(adze_const_value(constant))), "sparsify")) {
        made = store(module, constant, &g, block <= single ? BLOCK : 1);
        outcome = made ? ADZE_CHANGED : ADZE_FAILED;
    }
    adze_data_unload(data);
    if (!made) return outcome;
    adze_value_replace_uses(adze_const_value(constant), adze_op_result(made, 0));
    adze_const_erase(constant);
    return ADZE_CHANGED;
}

static adze_outcome run(adze_module *module, const void *opaque, adze_pass_run *self)
{
    const options *o = opaque;
    adze_outcome all = ADZE_UNCHANGED;
    if (o->gain < 0 || o->gain > 100) { /* below 0 what it makes would be taken again, without end */
        adze_error(adze_loc_unknown(adze_module_context(module)), "sparsify: gain is 0 to 100");
        return ADZE_FAILED;
    }
    for (adze_const *c = adze_module_first_const(module), *next; c && all != ADZE_FAILED; c = next) {
        next = adze_const_next(c);
        adze_outcome one = sparsify(module, c, o, self);
        if (one != ADZE_UNCHANGED) all = one;
    }
    return all;
}

static const adze_option option_table[] = {
    {"min-elements", "smaller constants stay", ADZE_OPTION_INT, offsetof(options, min_elements), "64"},
    {"gain", "per cent that it must be smaller, values and bitmap counted", ADZE_OPTION_INT, offsetof(options, gain),
     "10"},
};

const adze_pass adze_pass_sparsify = {
    .struct_size = sizeof(adze_pass),
    .name = "sparsify",
    .help = "constants that hold many zeros are stored without them",
    .numerics = ADZE_EXACT,
    .options = option_table,
    .n_options = sizeof option_table / sizeof *option_table,
    .options_size = sizeof(options),
    .run_module = run,
    .purpose = "compress",
    .contract =
        "For files: the last pass before one is written, since fold makes constants dense again. Values keep every "
        "bit. Floats, and numbers of 8 bits; what regions of ops read stays.",
    .example = adze_example_sparsify,
};
