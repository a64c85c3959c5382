/* What shape arithmetic is worth (shape_value.c): ops that put entries elsewhere. */
#include "ir/shape_value.h"

#include <adze/ops_attrs.h>

static int walk_gather(shape_walker *w, const adze_op *op, const adze_dim **out)
{
    shape_entries from, index;
    const adze_ir_value *data = adze_op_operand(op, 0);
    if (!shape_is_flat(data) || adze_type_rank(adze_value_type(data)) != 1) return -1;
    int n = shape_walk_operand(w, op, 0, from), m = n < 0 ? -1 : shape_walk_operand(w, op, 1, index);
    for (int i = 0; i < m; i++) {
        int64_t at;
        if (!adze_dim_is_const(index[i], &at)) return -1;
        if (at < 0) at += n;
        if (at < 0 || at >= n) return -1;
        out[i] = from[at];
    }
    return m;
}

/* How one axis of extent d is walked. */
typedef struct run {
    int64_t start, step, count;
} run;

/* ONNX Slice-13, as ir/slice.c has it for symbols. */
static run run_of(int64_t d, int64_t start, int64_t end, int64_t step)
{
    step = step < -d - 1 ? -d - 1 : step > d + 1 ? d + 1 : step;
    if (start < 0) start += d;
    if (end < 0) end += d;
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? d - 1 : d;
    start = start < (d ? 0 : low) ? (d ? 0 : low) : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    int64_t count = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    return (run){start, step, count > 0 ? count : 0};
}

/* Constant dims of a value of SHAPE_ENTRIES elements at most; the rank, or -1. */
static int const_dims(const adze_ir_value *value, int64_t *dims)
{
    const adze_type *type = value ? adze_value_type(value) : NULL;
    if (!type || shape_small_count(type, SHAPE_ENTRIES) < 0 || adze_type_rank(type) > ADZE_MAX_RANK) return -1;
    for (uint32_t i = 0; i < adze_type_rank(type); i++)
        if (!adze_dim_is_const(adze_type_dim(type, i), &dims[i])) return -1;
    return (int)adze_type_rank(type);
}

/* The entries that n runs over a row-major block meet, the last axis fastest; `stride` of each axis. */
static int walk_runs(const adze_dim *const *from, int rank, const run *runs, const int64_t *stride,
                     const adze_dim **out)
{
    int64_t at[ADZE_MAX_RANK] = {0}, total = 1;
    for (int i = 0; i < rank; i++) total *= runs[i].count;
    for (int64_t k = 0; k < total; k++) {
        int64_t place = 0;
        for (int i = 0; i < rank; i++) place += (runs[i].start + at[i] * runs[i].step) * stride[i];
        out[k] = from[place];
        for (int i = rank - 1; i >= 0 && ++at[i] == runs[i].count; i--) at[i] = 0;
    }
    return (int)total;
}

static void strides_of(const int64_t *dims, int rank, int64_t *out)
{
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
        out[i] = stride;
        stride *= dims[i];
    }
}

/* Entry k of a constant operand. */
static bool bound_at(const adze_dim *const *entries, int k, int64_t *out)
{
    return adze_dim_is_const(entries[k], out);
}

static int walk_slice(shape_walker *w, const adze_op *op, const adze_dim **out)
{
    shape_entries from, starts, ends, axes, steps;
    int64_t dims[ADZE_MAX_RANK], stride[ADZE_MAX_RANK];
    run runs[ADZE_MAX_RANK];
    int rank = const_dims(adze_op_operand(op, 0), dims);
    if (rank < 1 || shape_walk_operand(w, op, 0, from) < 0) return -1;
    int n = shape_walk_operand(w, op, 1, starts);
    if (n < 1 || n > rank || shape_walk_operand(w, op, 2, ends) != n) return -1;
    bool chosen = adze_op_operand(op, 3) != NULL, stepped = adze_op_operand(op, 4) != NULL;
    if (chosen && shape_walk_operand(w, op, 3, axes) != n) return -1;
    if (stepped && shape_walk_operand(w, op, 4, steps) != n) return -1;
    for (int i = 0; i < rank; i++) runs[i] = (run){0, 1, dims[i]};
    for (int k = 0; k < n; k++) {
        int64_t start, end, axis = k, step = 1;
        if (!bound_at(starts, k, &start) || !bound_at(ends, k, &end)) return -1;
        if ((chosen && !bound_at(axes, k, &axis)) || (stepped && !bound_at(steps, k, &step)) || !step) return -1;
        if (axis < 0) axis += rank;
        if (axis < 0 || axis >= rank) return -1;
        runs[axis] = run_of(dims[axis], start, end, step);
    }
    strides_of(dims, rank, stride);
    return walk_runs(from, rank, runs, stride, out);
}

/* Exporters turn pads about: reshape to [n, 2], flip, transpose, reshape back. */
static int walk_transpose(shape_walker *w, const adze_op *op, const adze_dim **out)
{
    shape_entries from;
    int64_t dims[ADZE_MAX_RANK], stride[ADZE_MAX_RANK], turned[ADZE_MAX_RANK];
    run runs[ADZE_MAX_RANK];
    const struct adze_transpose_attrs *a = (const void *)adze_op_attrs(op);
    int rank = const_dims(adze_op_operand(op, 0), dims);
    if (rank < 0 || (a->perm.count && a->perm.count != (uint64_t)rank)) return -1;
    if (shape_walk_operand(w, op, 0, from) < 0) return -1;
    strides_of(dims, rank, stride);
    for (int i = 0; i < rank; i++) {
        int64_t axis = a->perm.count ? a->perm.data[i] : rank - 1 - i;
        if (axis < 0 || axis >= rank) return -1;
        runs[i] = (run){0, 1, dims[axis]};
        turned[i] = stride[axis];
    }
    return walk_runs(from, rank, runs, turned, out);
}

static int walk_concat(shape_walker *w, const adze_op *op, const adze_dim **out)
{
    shape_entries part;
    int n = 0;
    for (uint32_t k = 0; k < adze_op_num_operands(op); k++) {
        int m = shape_is_flat(adze_op_operand(op, k)) ? shape_walk_operand(w, op, k, part) : -1;
        if (m < 0 || n + m > SHAPE_ENTRIES) return -1;
        for (int i = 0; i < m; i++) out[n++] = part[i];
    }
    return n;
}

static int walk_split(shape_walker *w, const adze_op *op, uint32_t result, const adze_dim **out)
{
    shape_entries from;
    int64_t first = 0, count = 0;
    if (!shape_is_flat(adze_op_operand(op, 0))) return -1;
    for (uint32_t k = 0; k <= result; k++) {
        first += count;
        count = shape_small_count(adze_value_type(adze_op_result(op, k)), SHAPE_ENTRIES);
        if (count < 0) return -1;
    }
    int n = shape_walk_operand(w, op, 0, from);
    if (first + count > n) return -1;
    for (int64_t i = 0; i < count; i++) out[i] = from[first + i];
    return (int)count;
}

int shape_pick(shape_walker *w, const adze_op *op, const adze_ir_value *value, const adze_dim **out, bool *known)
{
    *known = true;
    if (adze_op_is(op, "gather")) return walk_gather(w, op, out);
    if (adze_op_is(op, "concat")) return walk_concat(w, op, out);
    if (adze_op_is(op, "slice")) return walk_slice(w, op, out);
    if (adze_op_is(op, "transpose")) return walk_transpose(w, op, out);
    if (adze_op_is(op, "split")) return walk_split(w, op, adze_value_index(value), out);
    *known = false;
    return -1;
}
