/* Which elements a slice op takes (ONNX Slice-13), symbolically.
 *
 * For a positive step an axis of extent d gives ceil((e - s) / step) elements, at least 0, where
 * negative s and e have d added and e is at most d. A start beyond d needs no care: nothing is left
 * then. For a negative step the extent has to be constant, or the axis is walked whole.
 */
#include "ir/slice.h"
#include "ir/infer.h"

/* Exporters write INT32_MAX or INT64_MAX for "to the end", and the least integers likewise. */
static const int64_t END = INT32_MAX;

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* All three constant. */
static void slice_const(adze_context *context, int64_t d, int64_t start, int64_t end, int64_t step, adze_slice *out)
{
    step = clamp(step, -d - 1, d + 1); /* longer ones take one element as well */
    if (start < 0) start += d;
    if (end < 0) end += d;
    start = step > 0 ? clamp(start, 0, d) : clamp(start, d > 0 ? 0 : -1, d - 1);
    end = step > 0 ? clamp(end, 0, d) : clamp(end, -1, d - 1);
    int64_t n = step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    *out = (adze_slice){adze_dim_const(context, start), adze_dim_const(context, n > 0 ? n : 0), step};
}

static const adze_dim *at_least(adze_context *context, const adze_dim *a, int64_t b)
{
    return adze_dim_binary(context, ADZE_DIM_MAX, a, adze_dim_const(context, b));
}

/* Known not to be negative. */
static bool is_natural(const adze_dim *dim)
{
    int64_t low, high;
    adze_dim_range(dim, NULL, 0, &low, &high);
    return !adze_dim_is_unknown(dim) && low >= 0;
}

static void slice_symbolic(adze_context *context, const adze_dim *d, const adze_dim *start, const adze_dim *end,
                           int64_t step, adze_slice *out)
{
    const adze_dim *unknown = adze_dim_unknown(context);
    int64_t s = 0, e = 0;
    step = clamp(step, -END, END);
    bool s_const = adze_dim_is_const(start, &s), e_const = adze_dim_is_const(end, &e);
    *out = (adze_slice){unknown, unknown, step};
    if (step < 0) {
        if (!s_const || !e_const || (s != -1 && s < END) || e > -END) return;
        out->start = adze_dim_add_const(context, d, -1);
        out->count = adze_dim_binary(context, ADZE_DIM_CEILDIV, d, adze_dim_const(context, -step));
        return;
    }
    if ((!s_const && !is_natural(start)) || (!e_const && !is_natural(end))) return;
    bool to_end = (e_const && e >= END) || adze_dim_equal(end, d);
    const adze_dim *from = s_const && s < 0 ? at_least(context, adze_dim_add_const(context, d, s), 0) : start;
    const adze_dim *length;
    if (to_end && s_const && s < 0 && s > -END) {
        length = adze_dim_binary(context, ADZE_DIM_MIN, adze_dim_const(context, -s), d);
    } else {
        const adze_dim *to = to_end              ? d
                             : e_const && e < 0 ? at_least(context, adze_dim_add_const(context, d, e), 0)
                                                 : adze_dim_binary(context, ADZE_DIM_MIN, end, d);
        length = at_least(context, adze_dim_sub(context, to, from), 0);
    }
    out->start = from;
    out->count = adze_dim_binary(context, ADZE_DIM_CEILDIV, length, adze_dim_const(context, step));
}

/* Entries of operand `index`, unknown ones where they cannot be known; false after a report. */
static bool read_entries(const adze_op *op, uint32_t index, int n, const adze_dim **out)
{
    const adze_dim *unknown = adze_dim_unknown(adze_op_context(op));
    int count = infer_as_dims(op, index, out, ADZE_MAX_RANK);
    if (count >= 0 && count != n)
        return adze_error(adze_op_loc(op), "slice has %d starts but %d entries in operand %u", n, count, index + 1);
    for (int i = 0; count < 0 && i < n; i++) out[i] = unknown;
    return true;
}

/* Number of sliced axes, from whichever operand tells; -1 = unknown. */
static int count_entries(const adze_op *op)
{
    for (uint32_t i = 1; i < 5; i++) {
        const adze_type *type = infer_operand(op, i);
        int64_t n;
        if (type && adze_type_is_ranked(type) && adze_type_rank(type) == 1 &&
            adze_dim_is_const(adze_type_dim(type, 0), &n))
            return n > ADZE_MAX_RANK ? ADZE_MAX_RANK + 1 : (int)n;
    }
    return -1;
}

bool adze_slices(const adze_op *op, uint32_t rank, const adze_dim *const *dims, adze_slice *out)
{
    adze_context *context = adze_op_context(op);
    const adze_dim *unknown = adze_dim_unknown(context), *zero = adze_dim_const(context, 0);
    const adze_dim *starts[ADZE_MAX_RANK], *ends[ADZE_MAX_RANK], *steps[ADZE_MAX_RANK];
    int64_t axes[ADZE_MAX_RANK];
    int n = count_entries(op);
    bool chosen = infer_operand(op, 3) != NULL, known = n >= 0;
    if (n > (int)rank)
        return adze_error(adze_op_loc(op), "slice of more axes than %s has", infer_type_text(op, 0));
    int n_axes = chosen ? infer_as_ints(op, 3, axes, ADZE_MAX_RANK) : n;
    if (n_axes < 0) known = false;
    for (uint32_t i = 0; i < rank; i++)
        out[i] = known ? (adze_slice){zero, dims[i], 1} : (adze_slice){unknown, unknown, 0};
    if (!known) return true;
    if (!read_entries(op, 1, n, starts) || !read_entries(op, 2, n, ends)) return false;
    if (infer_operand(op, 4) && !read_entries(op, 4, n, steps)) return false;
    for (int k = 0; k < n; k++) {
        uint32_t axis = (uint32_t)k;
        int64_t step = 1, d, s, e;
        if (chosen && !infer_axis(op, axes[k], rank, &axis)) return false;
        if (infer_operand(op, 4) && !adze_dim_is_const(steps[k], &step)) {
            out[axis] = (adze_slice){unknown, unknown, 0};
            continue;
        }
        if (step == 0) return adze_error(adze_op_loc(op), "step 0 of slice");
        if (adze_dim_is_const(dims[axis], &d) && adze_dim_is_const(starts[k], &s) && adze_dim_is_const(ends[k], &e))
            slice_const(context, d, s, e, step, &out[axis]);
        else
            slice_symbolic(context, dims[axis], starts[k], ends[k], step, &out[axis]);
    }
    return true;
}
