/* tile: the values of a kernel's region at a position, pulled from the results down to the loads. */
#include "passes/tile/tile.h"

#include <string.h>

uint32_t tile_axis(tile *t, adze_ir_value *value, const adze_dim *extent)
{
    if (t->n_axes == TILE_MAX_AXES) {
        t->failed = true;
        return 0;
    }
    t->axes[t->n_axes] = value;
    t->extents[t->n_axes] = extent;
    return t->n_axes++;
}

const adze_dim *tile_dim(tile *t, int64_t value) { return adze_dim_const(t->context, value); }

bool tile_is_vector(const adze_ir_value *value)
{
    return adze_type_get_kind(adze_value_type(value)) == ADZE_TYPE_VECTOR;
}

/* ---- Index arithmetic ---- */

static void axes_of(const adze_dim *expr, bool *used)
{
    adze_dim_kind kind = adze_dim_get_kind(expr);
    if (kind == ADZE_DIM_AXIS) used[adze_dim_axis_index(expr)] = true;
    if (kind < ADZE_DIM_ADD || kind > ADZE_DIM_MAX) return;
    axes_of(adze_dim_operand(expr, 0), used);
    axes_of(adze_dim_operand(expr, 1), used);
}

adze_ir_value *tile_index(tile *t, const adze_dim *expr)
{
    if (adze_dim_get_kind(expr) == ADZE_DIM_AXIS) return t->axes[adze_dim_axis_index(expr)];
    bool used[TILE_MAX_AXES] = {false};
    const adze_dim *with[TILE_MAX_AXES] = {NULL};
    adze_ir_value *operands[TILE_MAX_AXES];
    uint32_t n = 0;
    axes_of(expr, used);
    for (uint32_t i = 0; i < t->n_axes; i++)
        if (used[i]) {
            with[i] = adze_dim_axis(t->context, n);
            operands[n++] = t->axes[i];
        }
    expr = adze_dim_substitute(t->context, expr, with, TILE_MAX_AXES, NULL, NULL);
    return adze_build_apply(&t->b, expr, operands, n);
}

adze_ir_value *tile_lit(tile *t, adze_dtype dtype, double value)
{
    const adze_type *type = adze_type_scalar(t->context, dtype);
    adze_attr attr = adze_attr_float("value", value);
    return adze_op_result(adze_build(&t->b, "lit", NULL, 0, &attr, 1, &type, 1), 0);
}

adze_ir_value *tile_splat(tile *t, adze_ir_value *value)
{
    return !value || tile_is_vector(value) ? value : adze_build1(&t->b, "splat", &value, 1, NULL, 0);
}

/* Elementwise op on scalars and vectors; one vector makes all vectors. */
static adze_ir_value *elementwise(tile *t, const char *name, adze_ir_value *const *operands, uint32_t n,
                                  const adze_op *attrs_of)
{
    adze_ir_value *in[8];
    bool vector = false;
    for (uint32_t i = 0; i < n; i++) { /* once something failed, values are missing */
        if (!operands[i]) return t->failed = true, NULL;
        vector |= tile_is_vector(operands[i]);
    }
    for (uint32_t i = 0; i < n; i++) in[i] = vector ? tile_splat(t, operands[i]) : operands[i];
    adze_attr attrs[8];
    uint32_t n_attrs = 0;
    const adze_op_row *row = attrs_of ? adze_op_get_row(attrs_of) : NULL;
    for (uint32_t i = 0; row && i < row->n_attrs && i < 8; i++)
        if (adze_op_attr_is_set(attrs_of, row->attrs[i].name))
            attrs[n_attrs++] = (adze_attr){row->attrs[i].name, row->attrs[i].kind, adze_op_attrs(attrs_of)[i + 1]};
    adze_ir_value *result = adze_build1(&t->b, name, in, n, attrs, n_attrs);
    if (!result) t->failed = true;
    return result;
}

adze_ir_value *tile_op(tile *t, const char *name, adze_ir_value *const *operands, uint32_t n)
{
    return elementwise(t, name, operands, n, NULL);
}

adze_ir_value *tile_op2(tile *t, const char *name, adze_ir_value *a, adze_ir_value *b)
{
    adze_ir_value *operands[] = {a, b};
    return elementwise(t, name, operands, 2, NULL);
}

adze_ir_value *tile_cast(tile *t, adze_ir_value *value, adze_dtype dtype)
{
    if (!value || adze_type_dtype(adze_value_type(value)) == dtype) return value;
    adze_attr attr = adze_attr_type("to", dtype);
    return adze_build1(&t->b, "cast", &value, 1, &attr, 1);
}

/* ---- Loads and stores ---- */

typedef struct place {
    adze_ir_value *index[ADZE_MAX_RANK];
    adze_ir_value *buffer;
    int axis; /* physical axis of the lanes, -1 = the same element for all */
} place;

/* The buffer with a stride of `coef` elements along a physical axis, moved to `index`. */
static adze_ir_value *strided(tile *t, adze_ir_value *buffer, adze_ir_value *const *index, uint32_t axis, int64_t coef)
{
    const adze_type *type = adze_value_type(buffer);
    uint32_t rank = adze_type_rank(type);
    const adze_dim *strides[ADZE_MAX_RANK], *dims[ADZE_MAX_RANK];
    adze_ir_value *operands[ADZE_MAX_RANK + 1] = {buffer};
    for (uint32_t i = 0; i < rank; i++) {
        strides[i] = adze_dim_mul_const(t->context, adze_type_stride(type, i), i == axis ? coef : 1);
        dims[i] = adze_type_dim(type, i);
        operands[i + 1] = index[i];
    }
    const adze_type *view = adze_type_buffer(t->context, adze_type_dtype(type), rank, dims, strides, 0,
                                             adze_type_alias(type));
    return adze_op_result(adze_build(&t->b, "subview", operands, rank + 1, NULL, 0, &view, 1), 0);
}

static bool find_place(tile *t, adze_ir_value *buffer, const adze_type *tensor, const tile_point *at, place *out)
{
    uint32_t rank = adze_type_rank(tensor);
    int64_t coef[ADZE_MAX_RANK];
    *out = (place){.buffer = buffer, .axis = -1};
    if (at->rank != rank) return false;
    for (uint32_t i = 0; i < rank; i++) {
        const adze_dim *expr = at->at[tile_logical_axis(tensor, i)];
        coef[i] = 0;
        if (t->lane < 0) continue;
        if (!adze_dim_axis_coefficient(t->context, expr, (uint32_t)t->lane, &coef[i], NULL)) return false;
        if (coef[i] && out->axis >= 0) return false;
        if (coef[i]) out->axis = (int)i;
    }
    for (uint32_t i = 0; i < rank; i++) out->index[i] = tile_index(t, at->at[tile_logical_axis(tensor, i)]);
    if (out->axis >= 0 && coef[out->axis] != 1) {
        out->buffer = strided(t, buffer, out->index, (uint32_t)out->axis, coef[out->axis]);
        for (uint32_t i = 0; i < rank; i++) out->index[i] = adze_build_index(&t->b, 0);
    }
    return true;
}

adze_ir_value *tile_load(tile *t, adze_ir_value *buffer, const adze_type *tensor, const tile_point *at)
{
    place p;
    if (!find_place(t, buffer, tensor, at, &p)) {
        t->failed = true;
        return NULL;
    }
    uint32_t rank = adze_type_rank(tensor);
    adze_ir_value *operands[ADZE_MAX_RANK + 2] = {p.buffer, p.axis >= 0 ? t->mask : NULL};
    memcpy(operands + 2, p.index, rank * sizeof *operands);
    adze_dtype dtype = adze_type_dtype(tensor);
    const adze_type *type = p.axis >= 0 ? adze_type_vector(t->context, dtype) : adze_type_scalar(t->context, dtype);
    adze_attr attr = adze_attr_int("axis", p.axis);
    bool last = p.axis < 0 || p.axis == (int)rank - 1;
    return adze_op_result(adze_build(&t->b, "load", operands, rank + 2, &attr, !last, &type, 1), 0);
}

void tile_store(tile *t, adze_ir_value *value, adze_ir_value *buffer, const adze_type *tensor, const tile_point *at)
{
    place p;
    if (!value || !find_place(t, buffer, tensor, at, &p)) {
        t->failed = true;
        return;
    }
    if (p.axis >= 0) value = tile_splat(t, value);
    uint32_t rank = adze_type_rank(tensor);
    adze_ir_value *operands[ADZE_MAX_RANK + 3] = {value, p.buffer, p.axis >= 0 ? t->mask : NULL};
    memcpy(operands + 3, p.index, rank * sizeof *operands);
    adze_attr attr = adze_attr_int("axis", p.axis);
    bool last = p.axis < 0 || p.axis == (int)rank - 1;
    adze_build(&t->b, "store", operands, rank + 3, &attr, !last, NULL, 0);
}

adze_ir_value *tile_buffer(tile *t, const adze_ir_value *arg)
{
    return adze_region_arg(adze_func_body(t->func), adze_value_index(arg));
}

adze_ir_value *tile_result(tile *t, uint32_t index)
{
    return adze_region_arg(adze_func_body(t->func), adze_op_num_operands(t->kernel) + index);
}

/* ---- Values ahead ---- */

const tile_memo *tile_remember(tile *t, tile_memo memo)
{
    if (t->n_memo == TILE_MAX_MEMO) {
        t->failed = true;
        return &t->memo[0];
    }
    t->memo[t->n_memo] = memo;
    return &t->memo[t->n_memo++];
}

const tile_memo *tile_recall(const tile *t, const adze_ir_value *value, const tile_point *at)
{
    for (uint32_t i = t->n_memo; i--;) {
        const tile_memo *memo = &t->memo[i];
        if (memo->value != value) continue;
        bool same = true;
        for (uint32_t d = 0; d < at->rank; d++)
            same &= (int)d == memo->axis || memo->point.at[d] == at->at[d];
        if (same) return memo;
    }
    return NULL;
}

adze_ir_value *tile_row_value(tile *t, const tile_memo *memo, const tile_point *at)
{
    if (memo->axis < 0) return memo->result;
    adze_ir_value *value;
    if (memo->columns) {
        value = tile_load_lanes(t, memo->result, at->at[memo->axis], tile_dim(t, 0));
    } else {
        const adze_type *type = adze_value_type(memo->result);
        const adze_dim *extent = adze_type_dim(type, 0);
        const adze_type *row = adze_type_tensor(t->context, adze_type_dtype(type), 1, &extent, NULL);
        tile_point point = {.rank = 1, .at = {at->at[memo->axis]}};
        value = tile_load(t, memo->result, row, &point);
    }
    if (value && memo->shift) value = tile_op2(t, "sub", value, memo->shift);
    if (value && memo->scale) value = tile_op2(t, "mul", value, memo->scale);
    return value;
}

/* ---- Ops ---- */

/* Where the map of an operand leads when the result is wanted at `at`. */
static bool map_point(tile *t, const adze_access *access, uint32_t index, const tile_point *at, tile_point *out)
{
    const adze_dim *with[ADZE_MAX_AXES] = {NULL};
    if (!access->operand[index].present) return false;
    for (uint32_t d = 0; d < access->result[0].rank; d++) {
        const adze_dim *expr = access->result[0].dims[d];
        if (adze_dim_get_kind(expr) == ADZE_DIM_AXIS)
            with[adze_dim_axis_index(expr)] = at->at[d];
        else if (!adze_dim_is_value(expr, 0))
            return false;
    }
    for (uint32_t k = 0; k < access->n_axes; k++)
        if (!with[k] && access->kind[k] != ADZE_AXIS_PARALLEL) {
            if (t->any_axis < 0) return false;
            with[k] = adze_dim_axis(t->context, (uint32_t)t->any_axis);
        }
    const adze_access_map *map = &access->operand[index];
    out->rank = map->rank;
    for (uint32_t d = 0; d < map->rank; d++)
        out->at[d] = adze_dim_substitute(t->context, map->dims[d], with, access->n_axes, NULL, NULL);
    return true;
}

/* An operand that lies where the result lies, broadcast along dims of 1 and missing leading dims. */
static bool broadcast_point(tile *t, const adze_op *op, const adze_type *type, const tile_point *at, tile_point *out)
{
    const adze_type *whole = adze_value_type(adze_op_result(op, 0));
    if (adze_type_rank(type) > at->rank || adze_type_rank(whole) != at->rank) return false;
    uint32_t skip = at->rank - adze_type_rank(type);
    *out = (tile_point){.rank = adze_type_rank(type)};
    for (uint32_t d = 0; d < out->rank; d++) {
        const adze_dim *dim = adze_type_dim(type, d);
        /* Where dims of 1 meet it is the same point, not another one of the same element: what a sum has there, it has
         * already. A symbol beside a number may turn out to be 1: only the evaluation can tell. */
        bool same = adze_dim_equal(dim, adze_type_dim(whole, skip + d));
        if (!same && !adze_dim_is_value(dim, 1)) return false;
        out->at[d] = same ? at->at[skip + d] : tile_dim(t, 0);
    }
    return true;
}

/* i64 lanes or scalar of an index expression. */
static adze_ir_value *index_value(tile *t, const adze_dim *expr)
{
    int64_t coef = 0;
    adze_ir_value *base = tile_index(t, expr);
    if (t->lane < 0) return base;
    if (!adze_dim_axis_coefficient(t->context, expr, (uint32_t)t->lane, &coef, NULL)) {
        t->failed = true;
        return base;
    }
    if (!coef) return base;
    adze_ir_value *lanes = adze_build1(&t->b, "lanes", NULL, 0, NULL, 0);
    if (coef != 1) lanes = tile_op2(t, "mul", lanes, adze_build_index(&t->b, coef));
    return tile_op2(t, "add", lanes, base);
}

/* The value at a position that exists if `extent` is not 0; else `outside`, and nothing is read. */
static adze_ir_value *value_of_some(tile *t, adze_ir_value *operand, const tile_point *at, const adze_dim *extent,
                                    adze_ir_value *outside)
{
    bool lanes = t->lane >= 0;
    adze_ir_value *carried = lanes ? tile_splat(t, outside) : outside;
    adze_ir_value *once = tile_index(t, tile_min(t, tile_dim(t, 1), extent));
    tile_loop loop = tile_for(t, adze_build_index(&t->b, 0), once, 1, false, &carried, 1);
    t->extents[loop.axis] = tile_dim(t, 1);
    adze_ir_value *value = tile_value(t, operand, at);
    if (value) carried = lanes ? tile_splat(t, value) : value;
    tile_end(t, &loop, &carried, 1);
    return value ? carried : NULL;
}

adze_ir_value *tile_guarded(tile *t, adze_ir_value *operand, const adze_access_map *map, const tile_point *at)
{
    const adze_type *type = adze_value_type(operand);
    adze_ir_value *inside = NULL, *lanes = NULL, *outer_mask = t->mask;
    tile_point safe = *at;
    const adze_dim *some = NULL; /* the least extent that may be 0: then clamping leaves nothing to read either */
    /* Nothing is inside, and no index is safe. */
    if (adze_dim_is_value(adze_type_count(type), 0)) return tile_lit(t, adze_type_dtype(type), map->outside);
    for (uint32_t d = 0; d < at->rank; d++) {
        int64_t lo, hi, extent;
        const adze_dim *dim = adze_type_dim(type, d);
        bool axis = adze_dim_get_kind(at->at[d]) == ADZE_DIM_AXIS;
        if (axis && adze_dim_equal(t->extents[adze_dim_axis_index(at->at[d])], dim)) continue;
        if (adze_dim_range(at->at[d], t->extents, t->n_axes, &lo, &hi) && lo >= 0 &&
            adze_dim_is_const(dim, &extent) && hi < extent)
            continue;
        adze_ir_value *index = index_value(t, at->at[d]);
        adze_ir_value *low = tile_op2(t, "greater_equal", index, adze_build_index(&t->b, 0));
        adze_ir_value *high = tile_op2(t, "less", index, tile_index(t, dim));
        adze_ir_value *both = tile_op2(t, "and", low, high);
        inside = inside ? tile_op2(t, "and", inside, both) : both;
        if (tile_is_vector(index))
            lanes = lanes ? tile_op2(t, "and", lanes, both) : both;
        else /* clamp, so that what is read exists */
            safe.at[d] = tile_max(t, tile_dim(t, 0), tile_min(t, at->at[d], adze_dim_add_const(t->context, dim, -1)));
        if (!tile_is_vector(index) && !adze_dim_is_const(dim, NULL)) some = some ? tile_min(t, some, dim) : dim;
    }
    if (!inside) return tile_value(t, operand, at);
    /* The load's mask holds what varies over the lanes and nothing else: with a half that is known to be
     * off beside one that is not, LLVM 22 reads the half that is off when it splits the mask for AVX2. */
    if (lanes) t->mask = outer_mask ? tile_op2(t, "and", outer_mask, lanes) : lanes;
    uint32_t n_memo = t->n_memo;
    adze_ir_value *outside = tile_lit(t, adze_type_dtype(type), map->outside);
    adze_ir_value *value = some ? value_of_some(t, operand, &safe, some, outside) : tile_value(t, operand, &safe);
    t->n_memo = n_memo; /* lanes outside hold nothing of use */
    t->mask = outer_mask;
    if (!value) return NULL;
    adze_ir_value *choice[] = {inside, value, outside};
    return tile_op(t, "where", choice, 3);
}

static adze_ir_value *fail(tile *t)
{
    t->failed = true;
    return NULL;
}

/* One op, not a max and a min: a bound that is NaN does not bind. */
static adze_ir_value *clip(tile *t, const adze_op *op, const tile_point *at)
{
    adze_ir_value *in[3] = {tile_value(t, adze_op_operand(op, 0), at)};
    for (uint32_t i = 1; in[0] && i < 3; i++) {
        if (!adze_op_operand(op, i)) continue;
        const adze_type *type = adze_value_type(adze_op_operand(op, i));
        tile_point only = {.rank = adze_type_rank(type)};
        for (uint32_t d = 0; d < only.rank; d++) {
            if (!adze_dim_is_value(adze_type_dim(type, d), 1)) return fail(t);
            only.at[d] = tile_dim(t, 0);
        }
        in[i] = tile_value(t, adze_op_operand(op, i), &only);
        if (in[i] && tile_is_vector(in[0])) in[i] = tile_splat(t, in[i]);
    }
    return in[0] && !t->failed ? adze_build1(&t->b, "clip", in, 3, NULL, 0) : NULL;
}

/* It counts through all axes, the last one fastest. */
static adze_ir_value *iota(tile *t, const adze_op *op, const tile_point *at)
{
    const adze_type *type = adze_value_type(adze_op_result(op, 0));
    const adze_dim *nth = at->at[0];
    for (uint32_t i = 1; !t->flat && i < adze_type_rank(type); i++)
        nth = adze_dim_add(t->context, adze_dim_mul(t->context, nth, adze_type_dim(type, i)), at->at[i]);
    const adze_dim *expr = adze_dim_add_const(
        t->context, adze_dim_mul_const(t->context, nth, adze_op_attr_int(op, "step")),
        adze_op_attr_int(op, "start"));
    return tile_cast(t, index_value(t, expr), adze_type_dtype(type));
}

static adze_ir_value *chain(tile *t, const char *name, const adze_op *op, const tile_point *at)
{
    adze_ir_value *value = NULL;
    for (uint32_t i = 0; i < adze_op_num_operands(op); i++) {
        adze_ir_value *operand = adze_op_operand(op, i);
        tile_point point = *at;
        bool fits = t->flat || broadcast_point(t, op, adze_value_type(operand), at, &point);
        adze_ir_value *next = fits ? tile_value(t, operand, &point) : NULL;
        if (!next) return fail(t);
        value = value ? tile_op2(t, name, value, next) : next;
    }
    return value;
}

bool tile_operand_point(tile *t, const adze_op *op, uint32_t index, const tile_point *at, tile_point *out)
{
    adze_access access;
    const adze_type *type = adze_value_type(adze_op_operand(op, index));
    if (t->flat) return *out = *at, true;
    if (adze_op_access(op, &access) && index < access.n_operands && map_point(t, &access, index, at, out)) return true;
    return adze_op_has_trait(op, ADZE_ELEMWISE) && broadcast_point(t, op, type, at, out);
}

static adze_ir_value *moved(tile *t, const adze_op *op, const tile_point *at)
{
    adze_access access;
    tile_point point;
    if (t->flat) return tile_value(t, adze_op_operand(op, 0), at);
    if (!adze_op_access(op, &access)) return fail(t);
    if (access.n_axes && access.kind[access.n_axes - 1] == ADZE_AXIS_INDEX) return tile_gather(t, op, &access, at);
    if (!map_point(t, &access, 0, at, &point)) return fail(t);
    adze_ir_value *operand = adze_op_operand(op, 0);
    if (access.operand[0].guarded) return tile_guarded(t, operand, &access.operand[0], &point);
    for (uint32_t d = 0; d < point.rank; d++) point.at[d] = tile_settle(t, point.at[d]);
    return tile_value(t, operand, &point);
}

static adze_ir_value *split(tile *t, const adze_op *op, uint32_t part, const tile_point *at)
{
    const adze_type *type = adze_value_type(adze_op_operand(op, 0));
    int64_t axis = adze_op_attr_int(op, "axis");
    if (axis < 0) axis += adze_type_rank(type);
    tile_point point = *at;
    for (uint32_t i = 0; i < part; i++)
        point.at[axis] = adze_dim_add(t->context, point.at[axis],
                                      adze_type_dim(adze_value_type(adze_op_result(op, i)), (uint32_t)axis));
    return tile_value(t, adze_op_operand(op, 0), &point);
}

static adze_ir_value *body_op(tile *t, const adze_op *op, const tile_point *at)
{
    adze_ir_value *in[8];
    uint32_t n = adze_op_num_operands(op);
    if (n > 8 || !adze_op_has_trait(op, ADZE_ELEMWISE)) return fail(t);
    for (uint32_t i = 0; i < n; i++) {
        tile_point point;
        if (!adze_op_operand(op, i) || !tile_operand_point(t, op, i, at, &point)) return fail(t);
        in[i] = tile_value(t, adze_op_operand(op, i), &point);
        if (!in[i]) return NULL;
    }
    return elementwise(t, adze_op_name(op), in, n, op);
}

static adze_ir_value *load_arg(tile *t, adze_ir_value *arg, const tile_point *at)
{
    const adze_type *type = adze_value_type(arg);
    if (!t->flat) return tile_load(t, tile_buffer(t, arg), type, at);
    adze_ir_value *flat = t->flat_buffers[adze_value_index(arg)];
    if (flat) {
        const adze_dim *extent = adze_type_dim(adze_value_type(flat), 0);
        return tile_load(t, flat, adze_type_tensor(t->context, adze_type_dtype(type), 1, &extent, NULL), at);
    }
    tile_point zero = {.rank = adze_type_rank(type)};
    for (uint32_t d = 0; d < zero.rank; d++) zero.at[d] = tile_dim(t, 0);
    return tile_load(t, tile_buffer(t, arg), type, &zero);
}

/* Integers as they are written; others are for the evaluation to round. */
static adze_ir_value *full(tile *t, const adze_op *op)
{
    adze_dtype dtype = adze_type_dtype(adze_value_type(adze_op_result(op, 0)));
    double value = adze_op_attr_float(op, "value");
    bool real = adze_dtype_get_kind(dtype) == ADZE_KIND_FLOAT;
    int64_t most = adze_dtype_get_kind(dtype) == ADZE_KIND_BOOL ? 1 : 127; /* in every integer type */
    if (!real && !(value >= 0 && value <= (double)most && value == (double)(int64_t)value)) return fail(t);
    return tile_lit(t, dtype, value);
}

static adze_ir_value *result_of(tile *t, adze_op *op, adze_ir_value *value, const tile_point *at)
{
    if (adze_op_has_trait(op, ADZE_NORMALIZE)) return tile_normalized(t, op, at);
    if (adze_op_has_trait(op, ADZE_REDUCE)) return tile_reduction(t, op, at);
    if (adze_op_has_trait(op, ADZE_CONTRACTION)) return tile_sum(t, op, at);
    if (adze_op_is(op, "clip")) return clip(t, op, at);
    if (adze_op_has_trait(op, ADZE_QUANT)) return tile_quantized(t, op, at);
    if (adze_op_is(op, "iota")) return iota(t, op, at);
    if (adze_op_is(op, "max_n")) return chain(t, "max", op, at);
    if (adze_op_is(op, "min_n")) return chain(t, "min", op, at);
    if (adze_op_is(op, "sum_n")) return chain(t, "add", op, at);
    if (adze_op_is(op, "split")) return split(t, op, adze_value_index(value), at);
    if (adze_op_is(op, "full")) return full(t, op);
    return adze_op_has_trait(op, ADZE_MOVE) ? moved(t, op, at) : body_op(t, op, at);
}

adze_ir_value *tile_value(tile *t, adze_ir_value *value, const tile_point *at)
{
    if (t->failed) return NULL;
    adze_op *op = adze_value_op(value);
    bool normalize = op && adze_op_has_trait(op, ADZE_NORMALIZE);
    const tile_memo *memo = normalize ? NULL : tile_recall(t, value, at);
    if (memo) return tile_row_value(t, memo, at);
    if (!op) return load_arg(t, value, at);
    adze_ir_value *result = result_of(t, op, value, at);
    if (result && !normalize && adze_value_num_uses(value) > 1)
        tile_remember(t, (tile_memo){.value = value, .point = *at, .axis = -1, .result = result});
    return result;
}
