/* tile: constant f32 weights of which many are zero.
 *
 *     @w : f32[64,64,1,1]      →      @w.kept : i32[…] = derived pack_kept(@w)      gemm_f32s_6x16 reads it
 *
 * Rows of a panel (one step of k, 16 output channels) that are all zero are left out where few enough are left that it
 * is faster: `sparse-rows` of the target, in per cent, as measured (tools/bench/sparse). The option says otherwise.
 * What is left out does not multiply: inputs that are infinite or NaN do not spread through it, so where the precision
 * is strict nothing is.
 */
#include "passes/tile/contract.h"

#include <adze/arena.h>
#include <adze/ops_attrs.h>

#include <stdlib.h>
#include <string.h>

/* Weights as a contraction sums them: w[column * by_column + step * by_step]. */
typedef struct matrix {
    int64_t groups, columns, steps; /* columns of a group */
    int64_t by_column, by_step;
} matrix;

static bool const_dim(const adze_type *type, uint32_t axis, int64_t *out)
{
    return adze_dim_is_const(adze_type_dim(type, axis), out);
}

static bool is_window(const adze_op *root) { return adze_op_has_trait(root, ADZE_WINDOW); }

static bool describe(const adze_op *root, const adze_type *w, matrix *out)
{
    int64_t dims[ADZE_MAX_RANK], rest = 1;
    uint32_t rank = adze_type_rank(w);
    for (uint32_t i = 0; i < rank; i++)
        if (!const_dim(w, i, &dims[i])) return false;
    bool kn = !is_window(root) && !(adze_op_is(root, "gemm") && adze_op_attr_int(root, "transB"));
    if (kn) {
        *out = (matrix){1, dims[1], dims[0], 1, dims[1]};
        return true;
    }
    for (uint32_t i = 1; i < rank; i++) rest *= dims[i];
    int64_t groups = is_window(root) ? adze_op_attr_int(root, "group") : 1;
    *out = (matrix){groups, dims[0] / groups, rest, rest, 1};
    return true;
}

/* Rows of panels that are not all zero; -1 after an error. */
static int64_t kept_rows(const matrix *m, const adze_const *weights)
{
    adze_data *data = adze_const_data(weights);
    const float *w = adze_data_load(data);
    if (!w) return -1;
    bool *kept = adze_malloc((size_t)m->steps + 1);
    int64_t rows = 0;
    for (int64_t g = 0; g < m->groups; g++)
        for (int64_t from = 0; from < m->columns; from += TILE_PANEL) {
            memset(kept, 0, (size_t)m->steps);
            for (int64_t j = from; j < from + TILE_PANEL && j < m->columns; j++) {
                const float *column = w + (g * m->columns + j) * m->by_column;
                for (int64_t k = 0; k < m->steps; k++) kept[k] |= column[k * m->by_step] != 0;
            }
            for (int64_t k = 0; k < m->steps; k++) rows += kept[k];
        }
    free(kept);
    adze_data_unload(data);
    return rows;
}

/* Input elements from tap to tap along the spatial axes; false where they are not known, or the input is a slab. */
static bool tap_steps(const adze_op *kernel, const adze_op *root, int64_t *out, uint32_t *out_n)
{
    const adze_type *x = adze_value_type(adze_op_operand(root, 0)), *w = adze_value_type(adze_op_operand(root, 1));
    adze_ints dilations = adze_op_attr_ints(root, "dilations");
    const adze_dim *stride[ADZE_MAX_RANK];
    bool pointwise = true;
    uint32_t rank = adze_type_rank(w);
    *out_n = is_window(root) ? rank - 2 : 0;
    for (uint32_t i = 0; i < *out_n; i++) pointwise &= adze_dim_is_value(adze_type_dim(w, 2 + i), 1);
    if (!*out_n || pointwise) {
        memset(out, 0, *out_n * sizeof *out);
        return true;
    }
    if (tile_is_chain(kernel) || adze_type_rank(x) != rank) return false;
    adze_layout_strides(x, stride);
    for (uint32_t i = 0; i < *out_n; i++) {
        int64_t dilation = dilations.count ? dilations.data[i] : 1;
        if (!adze_dim_is_const(stride[2 + i], &out[i]) || __builtin_mul_overflow(out[i], dilation, &out[i])) return false;
    }
    return true;
}

static bool is_faster(const tile *t, int64_t rows, int64_t all)
{
    if (!strcmp(t->options->sparse, "true")) return true;
    int64_t most = adze_target_number(t->run->target, "sparse-rows", 0);
    return (double)rows <= (double)all * (double)most / 100;
}

bool tile_choose_kept(tile *t, const adze_op *root, const adze_ir_value *weights, tile_kept *out)
{
    const adze_const *constant = adze_value_const(weights);
    const adze_type *w = adze_value_type(weights);
    bool never = !strcmp(t->options->sparse, "false") || t->run->precision == ADZE_PRECISION_STRICT;
    bool window = is_window(root);
    matrix m;
    if (never || !constant || adze_type_dtype(w) != ADZE_DTYPE_f32 || tile_codes(root)) return false;
    if (adze_type_rank(w) != 2 && (!window || adze_type_rank(w) < 3 || adze_type_rank(w) > 4)) return false;
    if (!describe(root, w, &m) || m.columns < 1 || m.steps < 1) return false;
    if (m.groups > 1 && m.columns == 1 && adze_dim_is_value(adze_type_dim(w, 1), 1)) return false; /* depthwise */
    if (!tap_steps(t->kernel, root, out->steps, &out->n_steps)) return false;
    out->rows = kept_rows(&m, constant);
    int64_t all = m.groups * ((m.columns + TILE_PANEL - 1) / TILE_PANEL) * m.steps;
    return out->rows >= 0 && all < INT32_MAX / (4 * TILE_PANEL) && is_faster(t, out->rows, all);
}

int64_t tile_kept_count(const adze_ir_value *panels)
{
    const adze_const *constant = adze_value_const(panels);
    const adze_op_row *row;
    const adze_slot *slots;
    adze_const *const *inputs;
    uint32_t n;
    if (!constant || adze_type_dtype(adze_value_type(panels)) != ADZE_DTYPE_i32) return -1;
    if (!adze_data_is_derived(adze_const_data(constant), &row, &slots, &inputs, &n)) return -1;
    return ((const struct adze_pack_kept_attrs *)(const void *)slots)->rows;
}

void tile_kept_args(tile *t, const contraction *c, const adze_dim *group, const adze_dim *panel, adze_ir_value **args,
                    uint32_t *n)
{
    const adze_dim *zero = tile_dim(t, 0), *at[] = {zero};
    int64_t panels = (c->channels + TILE_PANEL - 1) / TILE_PANEL, rows = tile_kept_count(t->operands[c->kept_at]);
    const adze_dim *s1 = adze_dim_is_value(c->t1, c->kernel[1]) ? c->s1 : tile_dim(t, c->group_in);
    const adze_dim *span = adze_dim_add_const(t->context, adze_dim_mul_const(t->context, c->s0, c->kernel[0] - 1), c->group_in);
    span = adze_dim_add(t->context, span, adze_dim_mul_const(t->context, s1, c->kernel[1] - 1));
    args[(*n)++] = tile_view(t, c->weights, at);
    args[(*n)++] = adze_build_index(&t->b, c->groups * panels);
    args[(*n)++] = adze_build_index(&t->b, rows);
    args[(*n)++] = tile_index(t, adze_dim_add(t->context, adze_dim_mul_const(t->context, group, panels), panel));
    args[(*n)++] = tile_index(t, span);
}
