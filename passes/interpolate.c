/* interpolate: resizing by linear or cubic interpolation becomes gathers and weighted sums, one axis after the other.
 *
 * Which elements make a result, and with which weights, is what the op makes of the identity matrix: a row of weights a
 * result, so every mode of coordinates, antialiasing and what lies outside is as evaluation has it. Of each axis the
 * gathers take the first, second, … element that counts.
 *
 *     %y = resize(%x, _, @scales)           →      %0 = mul(gather(%x, @first), @w0)
 *                                                  %1 = mul(gather(%x, @second), @w1); %y = add(%0, %1)
 */
#include <adze/arena.h>
#include <adze/ir.h>
#include <adze/pass.h>

#include "passes/examples_embedded.h"
#include "passes/weights/build.h"

#include <stdlib.h>
#include <string.h>

enum { X, SCALES = 2, SIZES = 3, MAX_TAPS = 16, MAX_TABLE = 1 << 21 };

typedef struct axis {
    int64_t in, out;
    double scale; /* 0: by size */
    uint32_t n_taps;
    int64_t *index; /* [taps][out] */
    double *weight;
} axis;

/* ---- What the op says ---- */

static bool is(const adze_op *op, const char *attr, const char *value)
{
    return !strcmp(adze_op_attr_str(op, attr), value);
}

static bool read_floats(const adze_ir_value *value, float *out, uint64_t n)
{
    const adze_const *c = value ? adze_value_const(value) : NULL;
    if (!c || adze_type_dtype(adze_const_type(c)) != ADZE_DTYPE_f32) return false;
    adze_data *data = adze_const_data(c);
    return adze_data_size(data) == n * sizeof *out && adze_data_read(data, 0, out, n * sizeof *out);
}

/* Pixels: sums of doubles, as evaluation has them, since a last place decides which way a half is rounded. */
static bool is_image(adze_dtype dtype) { return dtype == ADZE_DTYPE_u8 || dtype == ADZE_DTYPE_i8; }

/* The axes of a resize that this pass writes down; false where it does not. */
static bool describe(const adze_op *op, axis axes[ADZE_MAX_RANK])
{
    if (!adze_op_is(op, "resize") || (!is(op, "mode", "linear") && !is(op, "mode", "cubic"))) return false;
    const adze_type *x = adze_value_type(adze_op_operand(op, X)), *y = adze_value_type(adze_op_result(op, 0));
    if (!adze_type_is_ranked(x) || !adze_type_is_ranked(y)) return false;
    if (adze_type_dtype(x) != ADZE_DTYPE_f32 && !is_image(adze_type_dtype(x))) return false;
    if (is(op, "coordinate_transformation_mode", "tf_crop_and_resize")) return false;
    if (!is(op, "keep_aspect_ratio_policy", "stretch")) return false;
    uint32_t rank = adze_type_rank(x);
    adze_ints listed = adze_op_attr_ints(op, "axes");
    uint32_t n = listed.count ? (uint32_t)listed.count : rank;
    const adze_ir_value *sizes = adze_op_operand(op, SIZES);
    bool by_size = sizes && !adze_dim_is_value(adze_type_count(adze_value_type(sizes)), 0);
    float scales[ADZE_MAX_RANK];
    if (n > rank || (!by_size && !read_floats(adze_op_operand(op, SCALES), scales, n))) return false;
    for (uint32_t i = 0; i < rank; i++) axes[i] = (axis){0};
    for (uint32_t i = 0; i < n; i++) {
        int64_t at = listed.count ? listed.data[i] : i;
        if (at < 0) at += rank;
        if (at < 0 || at >= rank) return false;
        const adze_dim *in = adze_type_dim(x, (uint32_t)at), *out = adze_type_dim(y, (uint32_t)at);
        bool same = by_size ? adze_dim_equal(in, out) : scales[i] == 1;
        if (same) continue;
        axis *a = &axes[at];
        if (!adze_dim_is_const(in, &a->in) || !adze_dim_is_const(out, &a->out)) return false;
        if (a->in < 1 || a->out < 1 || a->in > MAX_TABLE / a->out || a->in > MAX_TABLE / a->in) return false;
        /* what is taken while the table is made: identity, its result, and what the evaluation needs */
        uint64_t bound = adze_context_max_memory(adze_op_context(op)), table = (uint64_t)(a->in * (a->in + a->out));
        if (bound && 2 * sizeof(double) * table > bound / 4) return false;
        a->scale = by_size ? 0 : (double)scales[i];
    }
    return true;
}

/* ---- Tables ---- */

static adze_ir_value *identity(adze_module *module, const adze_type *type, int64_t n)
{
    double *values = adze_malloc((size_t)(n * n) * sizeof *values);
    for (int64_t i = 0; i < n * n; i++) values[i] = i % (n + 1) == 0;
    adze_ir_value *made = adze_const_make(module, "identity", type, values);
    free(values);
    return made;
}

/* The op that resizes the rows of an identity matrix as `op` resizes one axis. */
static adze_op *resize_rows(adze_builder *b, const adze_op *op, const axis *a)
{
    const char *coordinates = "coordinate_transformation_mode";
    adze_context *context = adze_op_context(op);
    const int64_t in[] = {a->in, a->in}, out[] = {a->out, a->in}, first = 0, one = 1;
    const adze_type *from = adze_type_tensor_const(context, ADZE_DTYPE_f64, 2, in);
    const adze_type *to = adze_type_tensor_const(context, ADZE_DTYPE_f64, 2, out);
    float scale = (float)a->scale;
    adze_ir_value *operands[4] = {identity(b->module, from, a->in)};
    const adze_type *list = adze_type_tensor_const(context, ADZE_DTYPE_f32, 1, &one);
    if (a->scale == 0) operands[SIZES] = adze_const_ints(b->module, "sizes", &a->out, 1);
    else operands[SCALES] = adze_const_make(b->module, "scales", list, &scale);
    if (!operands[X] || (!operands[SCALES] && !operands[SIZES])) return NULL;
    const adze_attr attrs[] = {adze_attr_ints("axes", &first, 1), adze_attr_str("mode", adze_op_attr_str(op, "mode")),
                               adze_attr_str(coordinates, adze_op_attr_str(op, coordinates)),
                               adze_attr_float("cubic_coeff_a", adze_op_attr_float(op, "cubic_coeff_a")),
                               adze_attr_int("antialias", adze_op_attr_int(op, "antialias")),
                               adze_attr_int("exclude_outside", adze_op_attr_int(op, "exclude_outside"))};
    return adze_build(b, "resize", operands, a->scale == 0 ? 4 : 3, attrs, sizeof attrs / sizeof *attrs, &to, 1);
}

/* The weights of a row lie beside each other. *out_many: more of them than the pass writes down. */
static void read_taps(const double *rows, axis *a, bool *out_many)
{
    int64_t *first = adze_malloc((size_t)a->out * sizeof *first);
    for (int64_t i = 0; i < a->out; i++) {
        const double *row = rows + i * a->in;
        int64_t from = 0, to = a->in - 1;
        while (from < to && row[from] == 0) from++;
        while (to > from && row[to] == 0) to--;
        first[i] = from;
        if (to - from + 1 > a->n_taps) a->n_taps = (uint32_t)(to - from + 1);
    }
    *out_many = a->n_taps > MAX_TAPS;
    size_t n = *out_many ? 0 : (size_t)a->n_taps * (size_t)a->out;
    a->index = adze_malloc((n + 1) * sizeof *a->index);
    a->weight = adze_malloc((n + 1) * sizeof *a->weight);
    for (size_t k = 0; k < n; k++) {
        int64_t i = (int64_t)k % a->out, at = first[i] + (int64_t)k / a->out;
        a->index[k] = at < a->in ? at : a->in - 1;
        a->weight[k] = at < a->in ? rows[i * a->in + at] : 0;
    }
    free(first);
}

/* In a module of its own, of which nothing stays. */
static bool make_table(const adze_op *op, axis *a, bool *out_many)
{
    adze_module *scratch = adze_module_create(adze_op_context(op), "table");
    adze_builder b = adze_builder_at_end(scratch, adze_func_body(adze_module_add_func(scratch, "main")));
    b.loc = adze_op_loc(op);
    adze_op *probe = resize_rows(&b, op, a);
    adze_const *inputs[4] = {NULL};
    uint32_t n = probe ? adze_op_num_operands(probe) : 0;
    for (uint32_t i = 0; i < n; i++)
        if (adze_op_operand(probe, i)) inputs[i] = adze_value_const(adze_op_operand(probe, i));
    adze_data *data = probe ? adze_data_derived(adze_op_context(op), adze_op_get_row(probe), adze_op_attrs(probe),
                                                inputs, n, adze_value_type(adze_op_result(probe, 0)))
                            : NULL;
    const double *rows = data ? adze_data_load(data) : NULL;
    if (rows) read_taps(rows, a, out_many);
    adze_data_release(data);
    adze_module_destroy(scratch);
    return rows;
}

/* ---- Sums ---- */

/* Weights of one tap in the element type of what they are multiplied with. */
static adze_ir_value *tap_weights(adze_module *module, const adze_type *type, const double *weights, int64_t n)
{
    if (adze_type_dtype(type) == ADZE_DTYPE_f64) return adze_const_make(module, "weights", type, weights);
    float *rounded = adze_malloc((size_t)n * sizeof *rounded);
    for (int64_t i = 0; i < n; i++) rounded[i] = (float)weights[i];
    adze_ir_value *made = adze_const_make(module, "weights", type, rounded);
    free(rounded);
    return made;
}

static adze_ir_value *blend(adze_builder *b, adze_ir_value *x, uint32_t at, const axis *a)
{
    adze_context *context = adze_module_context(b->module);
    uint32_t rank = adze_type_rank(adze_value_type(x)), behind = rank - at;
    int64_t dims[ADZE_MAX_RANK] = {a->out};
    for (uint32_t i = 1; i < behind; i++) dims[i] = 1;
    const adze_type *weights = adze_type_tensor_const(context, adze_type_dtype(adze_value_type(x)), behind, dims);
    const adze_type *places = adze_type_tensor_const(context, ADZE_DTYPE_i64, 1, &a->out);
    adze_ir_value *sum = NULL;
    adze_attr axis_attr = adze_attr_int("axis", at);
    for (uint32_t t = 0; t < a->n_taps; t++) {
        adze_ir_value *operands[] = {x, adze_const_make(b->module, "taps", places, a->index + t * (size_t)a->out)};
        adze_ir_value *part = operands[1] ? adze_build1(b, "gather", operands, 2, &axis_attr, 1) : NULL;
        part = build_binary(b, "mul", part,
                            tap_weights(b->module, weights, a->weight + t * (size_t)a->out, a->out));
        sum = t ? build_binary(b, "add", sum, part) : part;
        if (!sum) return NULL;
    }
    return sum;
}

static adze_outcome lower(adze_op *op, axis axes[ADZE_MAX_RANK], adze_pass_run *self)
{
    adze_ir_value *result = adze_op_result(op, 0), *x = adze_op_operand(op, X);
    uint32_t rank = adze_type_rank(adze_value_type(x));
    adze_builder b = adze_builder_before(op);
    bool many = false, ok = true;
    for (uint32_t i = 0; ok && !many && i < rank; i++)
        if (axes[i].in) ok = make_table(op, &axes[i], &many);
    if (!ok) return ADZE_FAILED;
    if (many || !adze_rewrite(self, op, "taps")) return ADZE_UNCHANGED;
    bool any = false;
    adze_dtype dtype = adze_type_dtype(adze_value_type(x));
    for (uint32_t i = 0; x && i < rank; i++) {
        if (!axes[i].in) continue;
        if (!any && is_image(dtype)) x = build_cast(&b, x, ADZE_DTYPE_f64);
        if (x) x = blend(&b, x, i, &axes[i]);
        any = true;
    }
    if (any && is_image(dtype)) x = build_cast(&b, build_unary(&b, "round", x), dtype);
    if (!x) return ADZE_FAILED;
    if (x != adze_op_operand(op, X) && !adze_value_name(x)) adze_value_set_name(x, adze_value_name(result));
    adze_value_replace_uses(result, x);
    adze_op_erase(op);
    return ADZE_CHANGED;
}

static adze_outcome run_region(adze_region *region, adze_pass_run *self)
{
    adze_outcome all = ADZE_UNCHANGED, one;
    for (adze_op *op = adze_region_first(region), *next; op && all != ADZE_FAILED; op = next) {
        axis axes[ADZE_MAX_RANK];
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op) && adze_op_is_control(op) && all != ADZE_FAILED; i++)
            if ((one = run_region(adze_op_region(op, i), self)) != ADZE_UNCHANGED) all = one;
        if (all == ADZE_FAILED || !describe(op, axes)) continue;
        uint32_t rank = adze_type_rank(adze_value_type(adze_op_operand(op, X)));
        if ((one = lower(op, axes, self)) != ADZE_UNCHANGED) all = one;
        for (uint32_t i = 0; i < rank; i++) {
            free(axes[i].index);
            free(axes[i].weight);
        }
    }
    return all;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    return self->precision == ADZE_PRECISION_STRICT ? ADZE_UNCHANGED : run_region(adze_func_body(func), self);
}

const adze_pass adze_pass_interpolate = {
    .struct_size = sizeof(adze_pass),
    .name = "interpolate",
    .help = "resizing by interpolation becomes gathers and weighted sums",
    .numerics = ADZE_FAST,
    .run = run,
    .purpose = "lower",
    .contract = "Linear and cubic resizing of f32, u8 and i8, where the axes that change have constant extents and at "
                "most 16 elements make a result. Sums of f32 are of f32, where evaluation has double: nothing changes "
                "with --precision=strict.",
    .example = adze_example_interpolate,
};
