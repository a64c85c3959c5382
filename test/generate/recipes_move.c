/* Recipes of ops that move elements, read by index, and make shapes. */
#include "generate.h"

#include <string.h>

static adze_ir_value *any(gen *g, uint32_t min_rank)
{
    return gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_ANY), .min_rank = min_rank});
}

static adze_ir_value *any_fixed(gen *g, uint32_t min_rank)
{
    return gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_ANY), .min_rank = min_rank, .fixed = true});
}

int64_t gen_fixed_dim(const adze_ir_value *x, uint32_t axis)
{
    int64_t d = -1;
    adze_dim_is_const(adze_type_dim(adze_value_type(x), axis), &d);
    return d;
}

static adze_attr random_axis(gen *g, uint32_t rank, uint32_t *out)
{
    *out = gen_below(g, rank ? rank : 1);
    return adze_attr_int("axis", gen_chance(g, 25) ? (int64_t)*out - rank : *out);
}

/* ---- The same elements in other dims ---- */

/* Factors of the number of elements; now and then a -1 or a 0. */
static uint32_t factors(gen *g, const adze_ir_value *x, int64_t *out)
{
    int64_t count = 1;
    uint32_t n = 1 + gen_below(g, 4), i = 0;
    adze_dim_is_const(adze_type_count(adze_value_type(x)), &count);
    for (; i + 1 < n; i++) {
        int64_t f = 1 + gen_below(g, 8);
        out[i] = count && count % f == 0 ? f : 1;
        count /= out[i];
    }
    out[i] = gen_chance(g, 40) ? -1 : count;
    return n;
}

static adze_op *reshape(gen *g, const adze_op_row *row)
{
    int64_t dims[8];
    adze_ir_value *in[2] = {any_fixed(g, 0), NULL};
    if (!in[0]) return NULL;
    uint32_t n = factors(g, in[0], dims);
    in[1] = gen_ints(g, dims, n);
    return in[1] ? gen_build(g, row, in, 2, NULL, 0) : NULL;
}

/* [0, -1]: also of dims that are symbols. */
static adze_op *reshape_any(gen *g, const adze_op_row *row)
{
    if (gen_chance(g, 60)) return reshape(g, row);
    const int64_t dims[] = {0, -1};
    adze_ir_value *in[] = {any(g, 1), gen_ints(g, dims, 2)};
    return in[0] && in[1] ? gen_build(g, row, in, 2, NULL, 0) : NULL;
}

static adze_op *flatten(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any(g, 1);
    uint32_t at;
    if (!x) return NULL;
    adze_attr axis = random_axis(g, gen_rank(x), &at);
    return gen_build(g, row, &x, 1, &axis, gen_below(g, 2));
}

static adze_op *squeeze(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any(g, 1);
    int64_t list[ADZE_MAX_RANK];
    uint32_t n = 0;
    if (!x) return NULL;
    for (uint32_t k = 0; k < gen_rank(x); k++)
        if (gen_fixed_dim(x, k) == 1) list[n++] = k;
    if (!n) return NULL;
    adze_ir_value *in[] = {x, gen_chance(g, 60) ? gen_ints(g, list, n) : NULL};
    return gen_build(g, row, in, in[1] ? 2 : 1, NULL, 0);
}

static adze_op *unsqueeze(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any(g, 0);
    if (!x || gen_rank(x) > 3) return NULL;
    const int64_t axis = gen_chance(g, 30) ? -1 : (int64_t)gen_below(g, gen_rank(x) + 1);
    adze_ir_value *in[] = {x, gen_ints(g, &axis, 1)};
    return in[1] ? gen_build(g, row, in, 2, NULL, 0) : NULL;
}

static adze_op *transpose(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any(g, 1);
    int64_t perm[ADZE_MAX_RANK];
    if (!x) return NULL;
    uint32_t rank = gen_rank(x);
    for (uint32_t k = 0; k < rank; k++) perm[k] = k;
    for (uint32_t k = rank - 1; k > 0; k--) {
        uint32_t other = gen_below(g, k + 1);
        int64_t moved = perm[k];
        perm[k] = perm[other];
        perm[other] = moved;
    }
    adze_attr attr = adze_attr_ints("perm", perm, rank);
    return gen_build(g, row, &x, 1, &attr, gen_chance(g, 80));
}

static adze_op *identity(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any(g, 0);
    return x ? gen_build(g, row, &x, 1, NULL, 0) : NULL;
}

static adze_op *relayout(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any_fixed(g, 2);
    if (!x) return NULL;
    const adze_type *type = adze_value_type(x);
    return adze_build(&g->builder, row->name, &x, 1, NULL, 0, &type, 1);
}

/* ---- More or fewer elements ---- */

static adze_op *expand(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any_fixed(g, 0);
    int64_t dims[ADZE_MAX_RANK] = {0};
    if (!x || gen_rank(x) > 3) return NULL;
    uint32_t more = gen_below(g, 2), rank = gen_rank(x) + more;
    for (uint32_t k = 0; k < rank; k++) {
        int64_t d = k < more ? 1 : gen_fixed_dim(x, k - more);
        dims[k] = d == 1 ? 1 + gen_below(g, 4) : d;
    }
    adze_ir_value *in[] = {x, gen_ints(g, dims, rank)};
    return in[1] ? gen_build(g, row, in, 2, NULL, 0) : NULL;
}

static adze_op *concat(gen *g, const adze_op_row *row)
{
    adze_ir_value *in[4] = {any(g, 1)};
    uint32_t at, n = 1 + gen_below(g, 4);
    if (!in[0]) return NULL;
    adze_attr axis = random_axis(g, gen_rank(in[0]), &at);
    const adze_type *type = adze_value_type(in[0]);
    for (uint32_t i = 1; i < n; i++) {
        const adze_dim *dims[ADZE_MAX_RANK];
        for (uint32_t k = 0; k < gen_rank(in[0]); k++) dims[k] = adze_type_dim(type, k);
        if (gen_chance(g, 50)) dims[at] = adze_dim_const(g->context, 1 + gen_below(g, 4));
        in[i] = gen_take_type(g, adze_type_with_dims(type, gen_rank(in[0]), dims));
        if (!in[i]) return NULL;
    }
    return gen_build(g, row, in, n, &axis, 1);
}

static adze_op *split(gen *g, const adze_op_row *row)
{
    adze_ir_value *in[2] = {any(g, 1), NULL};
    uint32_t at;
    if (!in[0]) return NULL;
    adze_attr axis = random_axis(g, gen_rank(in[0]), &at);
    int64_t d = gen_fixed_dim(in[0], at), first = d > 1 ? 1 + gen_below(g, (uint32_t)d - 1) : 0;
    if (d < 2) return NULL;
    const int64_t parts[] = {first, d - first};
    uint32_t n = 2;
    if (gen_chance(g, 60))
        in[1] = gen_ints(g, parts, 2);
    else
        n = 1 + gen_below(g, (uint32_t)(d < 3 ? d : 3));
    return adze_build(&g->builder, row->name, in, in[1] ? 2 : 1, &axis, 1, NULL, n);
}

static adze_op *slice(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any(g, 1);
    int64_t start[ADZE_MAX_RANK], end[ADZE_MAX_RANK], axes[ADZE_MAX_RANK], steps[ADZE_MAX_RANK];
    if (!x) return NULL;
    uint32_t rank = gen_rank(x), n = 0;
    bool some = gen_chance(g, 60);
    for (uint32_t k = 0; k < rank; k++) {
        int64_t d = gen_extent(g, x, k);
        if ((some && gen_chance(g, 50)) || d < 1) continue;
        axes[n] = k;
        start[n] = gen_chance(g, 50) ? 0 : gen_below(g, (uint32_t)d);
        end[n] = gen_chance(g, 50) ? INT64_MAX : start[n] + 1 + gen_below(g, (uint32_t)d);
        steps[n] = gen_chance(g, 75) ? 1 : 2;
        if (gen_chance(g, 15)) start[n] = -1, end[n] = INT64_MIN, steps[n] = -1;
        n++;
    }
    if (!n || (!some && n != rank)) return NULL;
    adze_ir_value *in[] = {x, gen_ints(g, start, n), gen_ints(g, end, n), gen_ints(g, axes, n), gen_ints(g, steps, n)};
    return in[4] ? gen_build(g, row, in, 5, NULL, 0) : NULL;
}

static adze_op *pad(gen *g, const adze_op_row *row)
{
    static const char *const modes[] = {"constant", "edge", "reflect", "wrap"};
    adze_ir_value *x = any(g, 1);
    int64_t pads[2 * ADZE_MAX_RANK];
    if (!x) return NULL;
    uint32_t rank = gen_rank(x);
    for (uint32_t k = 0; k < 2 * rank; k++) pads[k] = gen_chance(g, 50) ? 0 : gen_below(g, 3);
    if (gen_chance(g, 10)) pads[0] = -1;
    adze_ir_value *in[] = {x, gen_ints(g, pads, 2 * rank), NULL};
    const char *mode = modes[gen_chance(g, 60) ? 0 : gen_below(g, 4)];
    if (mode == modes[0] && gen_chance(g, 50)) in[2] = gen_constant(g, gen_dtype(x), 0, NULL, 0, 2);
    adze_attr attr = adze_attr_str("mode", mode);
    return in[1] ? gen_build(g, row, in, in[2] ? 3 : 2, &attr, 1) : NULL;
}

static adze_op *tile(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any(g, 1);
    int64_t repeats[ADZE_MAX_RANK];
    for (uint32_t k = 0; x && k < gen_rank(x); k++) repeats[k] = gen_chance(g, 60) ? 1 : 1 + gen_below(g, 3);
    adze_ir_value *in[] = {x, x ? gen_ints(g, repeats, gen_rank(x)) : NULL};
    return in[1] ? gen_build(g, row, in, 2, NULL, 0) : NULL;
}

/* ---- By index ---- */

static adze_ir_value *indices(gen *g, uint32_t rank, const int64_t *dims, int64_t extent)
{
    adze_dtype dtype = gen_chance(g, 70) ? ADZE_DTYPE_i64 : ADZE_DTYPE_i32;
    /* Inputs are 0 or 1. */
    if (extent >= 2 && gen_chance(g, 50))
        return gen_new(g, adze_type_tensor_const(g->context, dtype, rank, dims), false);
    return extent < 1 ? NULL : gen_constant(g, dtype, rank, dims, gen_chance(g, 20) ? -1 : 0, (double)extent - 1);
}

static adze_op *gather(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any(g, 1);
    uint32_t at;
    if (!x) return NULL;
    adze_attr axis = random_axis(g, gen_rank(x), &at);
    const int64_t dims[] = {1 + gen_below(g, 4), 2};
    uint32_t rank = gen_below(g, gen_rank(x) < 4 ? 3 : 2);
    adze_ir_value *in[] = {x, indices(g, rank, dims, gen_extent(g, x, at))};
    return in[1] ? gen_build(g, row, in, 2, &axis, 1) : NULL;
}

static adze_op *gather_elements(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any_fixed(g, 1);
    int64_t dims[ADZE_MAX_RANK];
    uint32_t at;
    if (!x) return NULL;
    adze_attr axis = random_axis(g, gen_rank(x), &at);
    for (uint32_t k = 0; k < gen_rank(x); k++) dims[k] = gen_fixed_dim(x, k);
    dims[at] = 1 + gen_below(g, 3);
    adze_ir_value *in[] = {x, indices(g, gen_rank(x), dims, gen_fixed_dim(x, at))};
    return in[1] ? gen_build(g, row, in, 2, &axis, 1) : NULL;
}

static adze_op *gather_nd(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any_fixed(g, 1);
    if (!x) return NULL;
    int64_t depth = 1 + gen_below(g, gen_rank(x)), smallest = gen_fixed_dim(x, 0);
    for (uint32_t k = 0; k < (uint32_t)depth; k++)
        if (gen_fixed_dim(x, k) < smallest) smallest = gen_fixed_dim(x, k);
    const int64_t dims[] = {1 + gen_below(g, 3), depth};
    adze_ir_value *in[] = {x, indices(g, 2, dims, smallest)};
    return in[1] ? gen_build(g, row, in, 2, NULL, 0) : NULL;
}

/* ---- Images ---- */

static adze_op *resize(gen *g, const adze_op_row *row)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const places[] = {"half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"};
    static const char *const rounds[] = {"round_prefer_floor", "floor", "ceil", "round_prefer_ceil"};
    adze_ir_value *x =
        gen_take(g, (gen_want){.dtypes = gen_dtypes(GEN_WIDE), .min_rank = 3, .max_rank = 4, .fixed = true});
    int64_t sizes[ADZE_MAX_RANK], n = x ? (int64_t)gen_rank(x) : 0;
    for (uint32_t k = 0; k < (uint32_t)n; k++)
        sizes[k] = k < 2 ? gen_fixed_dim(x, k) : 1 + (int64_t)gen_below(g, 6);
    adze_ir_value *in[4] = {x};
    if (!x) return NULL;
    if (gen_chance(g, 50))
        in[3] = gen_ints(g, sizes, (uint32_t)n);
    else
        in[2] = gen_constant(g, ADZE_DTYPE_f32, 1, &n, 1, 1);
    if (in[2] && gen_chance(g, 80)) { /* twice as large in the planes */
        float scales[] = {1, 1, 2, 2};
        const adze_type *type = adze_type_tensor_const(g->context, ADZE_DTYPE_f32, 1, &n);
        adze_value data = {.kind = ADZE_VALUE_TENSOR, .dtype = ADZE_DTYPE_f32, .rank = 1, .dims = &n, .data = scales};
        in[2] = adze_const_make(g->module, "scales", type, scales);
        if (!in[2] || !gen_add_value(g, in[2], &data)) return NULL;
    }
    adze_attr attrs[] = {adze_attr_str("mode", modes[gen_below(g, 3)]),
                         adze_attr_str("coordinate_transformation_mode", places[gen_below(g, 4)]),
                         adze_attr_str("nearest_mode", rounds[gen_below(g, 4)])};
    return gen_build(g, row, in, 4, attrs, gen_below(g, 4));
}

static adze_op *blocks(gen *g, const adze_op_row *row)
{
    static const char *const modes[] = {"DCR", "CRD"};
    bool to_space = row->name[0] == 'd';
    int64_t channels = 1 + gen_below(g, 2), dims[] = {1 + gen_below(g, 2), to_space ? 4 * channels : channels,
                                                      2 * (1 + (int64_t)gen_below(g, 2)), 4};
    adze_ir_value *x = gen_take_type(g, adze_type_tensor_const(g->context, ADZE_DTYPE_f32, 4, dims));
    adze_attr attrs[] = {adze_attr_int("blocksize", 2), adze_attr_str("mode", modes[gen_below(g, 2)])};
    return x ? gen_build(g, row, &x, 1, attrs, to_space && gen_chance(g, 60) ? 2 : 1) : NULL;
}

/* ---- Shapes ---- */

static adze_op *shape(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any(g, 0);
    adze_attr start = adze_attr_int("start", 1);
    return x ? gen_build(g, row, &x, 1, &start, row->n_attrs && gen_rank(x) > 1 && gen_chance(g, 30)) : NULL;
}

static adze_op *constant_of_shape(gen *g, const adze_op_row *row)
{
    const int64_t dims[] = {1 + gen_below(g, 4), 1 + gen_below(g, 5), 2};
    adze_ir_value *from = gen_chance(g, 50) ? any(g, 1) : NULL;
    adze_ir_value *in = from ? adze_build_unary(&g->builder, "shape", from) : gen_ints(g, dims, gen_below(g, 4));
    adze_attr attrs[] = {adze_attr_type("dtype", gen_chance(g, 50) ? ADZE_DTYPE_f32 : ADZE_DTYPE_i64),
                         adze_attr_float("value", gen_below(g, 4))};
    return in ? gen_build(g, row, &in, 1, attrs, gen_below(g, 3)) : NULL;
}

static adze_op *range(gen *g, const adze_op_row *row)
{
    adze_dtype dtype = gen_chance(g, 70) ? ADZE_DTYPE_i64 : ADZE_DTYPE_f32;
    adze_ir_value *in[] = {gen_number(g, dtype, gen_below(g, 3)), gen_number(g, dtype, 4 + gen_below(g, 8)),
                           gen_number(g, dtype, 1 + gen_below(g, 2))};
    return in[2] ? gen_build(g, row, in, 3, NULL, 0) : NULL;
}

static adze_op *dims(gen *g, const adze_op_row *row)
{
    adze_ir_value *x = any(g, 1);
    if (!x) return NULL;
    const adze_type *type = adze_value_type(x);
    adze_attr attr = adze_attr_dims_make(g->context, "dims", adze_type_dims(type), adze_type_rank(type));
    return gen_build(g, row, NULL, 0, &attr, 1);
}

static adze_op *stated(gen *g, const adze_op_row *row)
{
    const int64_t extents[] = {1 + gen_below(g, 6), 1 + gen_below(g, 6)};
    bool counts = !strcmp(row->name, "iota");
    adze_dtype dtype = counts || gen_chance(g, 30) ? ADZE_DTYPE_i64 : ADZE_DTYPE_f32;
    const adze_type *type = adze_type_tensor_const(g->context, dtype, counts ? 1 : gen_below(g, 3), extents);
    adze_attr attr = counts ? adze_attr_int("start", gen_below(g, 4)) : adze_attr_float("value", gen_below(g, 4));
    return adze_build(&g->builder, row->name, NULL, 0, &attr, gen_below(g, 2), &type, 1);
}

static adze_op *random_normal(gen *g, const adze_op_row *row)
{
    const int64_t extents[] = {1 + gen_below(g, 4), 1 + gen_below(g, 6)};
    adze_attr attrs[] = {adze_attr_ints("shape", extents, gen_below(g, 3)), adze_attr_float("scale", 0.5),
                         adze_attr_float("seed", gen_below(g, 9))};
    return gen_build(g, row, NULL, 0, attrs, 1 + gen_below(g, 3));
}

const gen_recipe gen_recipes_move[] = {
    {"concat", concat},
    {"constant_of_shape", constant_of_shape},
    {"depth_to_space", blocks},
    {"dims", dims},
    {"expand", expand},
    {"flatten", flatten},
    {"full", stated},
    {"gather", gather},
    {"gather_elements", gather_elements},
    {"gather_nd", gather_nd},
    {"identity", identity},
    {"iota", stated},
    {"pad", pad},
    {"random_normal", random_normal},
    {"range", range},
    {"relayout", relayout},
    {"reshape", reshape_any},
    {"resize", resize},
    {"shape", shape},
    {"size", shape},
    {"slice", slice},
    {"space_to_depth", blocks},
    {"split", split},
    {"squeeze", squeeze},
    {"tile", tile},
    {"transpose", transpose},
    {"unsqueeze", unsqueeze},
    {NULL, NULL},
};
