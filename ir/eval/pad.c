/* pad: elements at the edges of any axis, constant or taken from inside; negative pads crop.
 *
 * Every axis gets a table that says for each result index which source index it shows, -1 for the
 * constant; rows are then copied in runs of consecutive source indices. */
#include "copy.h"

typedef enum pad_mode { PAD_CONSTANT, PAD_EDGE, PAD_REFLECT, PAD_WRAP } pad_mode;

static bool find_mode(adze_string text, pad_mode *out)
{
    static const char *const names[] = {"constant", "edge", "reflect", "wrap"};
    for (int i = 0; i < 4; i++)
        if (ev_text_is(text, names[i])) return *out = (pad_mode)i, true;
    return false;
}

/* Source index that index i shows, which may lie outside 0 .. d-1; d > 0 unless constant. */
static int64_t source(pad_mode mode, int64_t i, int64_t d)
{
    if (i >= 0 && i < d) return i;
    switch (mode) {
    case PAD_CONSTANT: return -1;
    case PAD_EDGE: return i < 0 ? 0 : d - 1;
    case PAD_WRAP: return (i % d + d) % d;
    case PAD_REFLECT: break;
    }
    int64_t period = d > 1 ? 2 * (d - 1) : 1, r = (i % period + period) % period;
    return r < d ? r : period - r;
}

/* pads[axis] and pads[rank + axis] from the operands. */
static adze_status read_pads(const adze_env *env, const adze_value *in, uint32_t n_in, int64_t *pads)
{
    uint32_t rank = in->rank;
    uint64_t n = adze_value_count(&in[1]);
    bool has_axes = ev_has(in, n_in, 3);
    uint64_t axes = has_axes ? adze_value_count(&in[3]) : rank;
    if (axes > rank || n != 2 * axes)
        return ev_fail(env, ADZE_ERR_VALUE, "pad: pads is not twice as long as the axes");
    for (uint32_t i = 0; i < 2 * rank; i++) pads[i] = 0;
    for (uint32_t k = 0; k < axes; k++) {
        uint32_t axis = k;
        if (has_axes && !ev_axis(ev_get_i64(&in[3], k), rank, &axis))
            return ev_fail(env, ADZE_ERR_VALUE, "pad: axis out of range");
        pads[axis] = ev_get_i64(&in[1], k);
        pads[rank + axis] = ev_get_i64(&in[1], (int64_t)(k + axes));
    }
    return ADZE_OK;
}

/* How many elements from j on show consecutive source elements, or the constant. */
static void find_runs(const int64_t *table, int64_t n, int64_t *out)
{
    for (int64_t j = n; j-- > 0;) {
        bool goes_on = j + 1 < n && (table[j] < 0 ? table[j + 1] < 0 : table[j + 1] == table[j] + 1);
        out[j] = goes_on ? out[j + 1] + 1 : 1;
    }
}

/* One result row: element j shows src[table[j]] or the constant. */
static void pad_row(uint8_t *dst, const uint8_t *src, const int64_t *table, const int64_t *runs, int64_t n,
                    const void *constant, uint32_t size)
{
    for (int64_t j = 0; j < n; j += runs[j]) {
        if (table[j] < 0)
            ev_fill(dst + j * size, runs[j], constant, size);
        else if (runs[j] == 1 && size == sizeof(uint32_t))
            memcpy(dst + j * size, src + table[j] * size, sizeof(uint32_t)); /* one instruction, no call */
        else
            memcpy(dst + j * size, src + table[j] * size, (size_t)runs[j] * size);
    }
}

static void pad_all(uint8_t *dst, const uint8_t *src, uint32_t rank, const int64_t *dims,
                    const int64_t *strides, int64_t *const *tables, const int64_t *runs, const void *constant,
                    uint32_t size)
{
    int64_t index[ADZE_MAX_RANK] = {0};
    uint32_t outer = rank - 1;
    do {
        int64_t from = 0;
        bool inside = true;
        for (uint32_t i = 0; i < outer; i++) {
            int64_t s = tables[i][index[i]];
            inside = inside && s >= 0;
            from += s * strides[i];
        }
        if (inside)
            pad_row(dst, src + from * size, tables[outer], runs, dims[outer], constant, size);
        else
            ev_fill(dst, dims[outer], constant, size);
        dst += dims[outer] * size;
    } while (ev_next(outer, dims, index));
}

adze_status eval_pad(const adze_env *env, const adze_value *in, uint32_t n_in, adze_value *out,
                     uint32_t n_out, const void *attrs)
{
    (void)n_out;
    const struct adze_pad_attrs *a = attrs;
    pad_mode mode;
    if (!find_mode(a->mode, &mode)) return ev_fail(env, ADZE_ERR_VALUE, "pad: unknown mode");
    int64_t pads[2 * ADZE_MAX_RANK], dims[ADZE_MAX_RANK], strides[ADZE_MAX_RANK];
    int64_t *tables[ADZE_MAX_RANK];
    uint32_t rank = in->rank;
    adze_status status = read_pads(env, in, n_in, pads);
    for (uint32_t i = 0; status == ADZE_OK && i < rank; i++)
        if (__builtin_add_overflow(pads[i], pads[rank + i], &dims[i]) ||
            __builtin_add_overflow(in->dims[i], dims[i], &dims[i]))
            status = ev_fail(env, ADZE_ERR_VALUE, "pad: absurd pads");
    if (status == ADZE_OK) status = ev_result(env, out, in->dtype, rank, dims);
    adze_value from, to;
    if (status == ADZE_OK) status = ev_unpack(env, in, &from);
    if (status == ADZE_OK) status = ev_unpacked(env, out, &to);
    if (status != ADZE_OK) return status;
    if (ev_product(dims, 0, rank) == 0) return ADZE_OK;
    uint32_t size = ev_size(in->dtype);
    if (rank == 0) {
        memcpy(to.data, from.data, size);
        return ev_pack(&to, out);
    }
    ev_strides(rank, in->dims, strides);
    for (uint32_t i = 0; i < rank; i++) {
        if (in->dims[i] == 0 && mode != PAD_CONSTANT)
            return ev_fail(env, ADZE_ERR_DIM, "pad: an empty axis has nothing to repeat");
        tables[i] = ev_scratch(env, (uint64_t)dims[i], sizeof(int64_t));
        if (!tables[i]) return ev_no_memory(env);
        for (int64_t j = 0; j < dims[i]; j++) tables[i][j] = source(mode, j - pads[i], in->dims[i]);
    }
    int64_t *runs = ev_scratch(env, (uint64_t)dims[rank - 1], sizeof *runs);
    if (!runs) return ev_no_memory(env);
    find_runs(tables[rank - 1], dims[rank - 1], runs);
    ev_block16 constant = {{0, 0}};
    if (ev_has(in, n_in, 2)) {
        adze_value value;
        if (in[2].dtype != in->dtype || adze_value_count(&in[2]) != 1)
            return ev_fail(env, ADZE_ERR_DTYPE, "pad: the constant is not one element of the operand's type");
        status = ev_unpack(env, &in[2], &value);
        if (status != ADZE_OK) return status;
        memcpy(&constant, value.data, size);
    }
    pad_all(to.data, from.data, rank, dims, strides, tables, runs, &constant, size);
    return ev_pack(&to, out);
}
