/* tile: constant weights of which many are zero.
 *
 *     @w : f32[64,64,1,1]      →      @w.kept : i32[…] = derived pack_kept(@w)      gemm_f32s_6x16 reads it
 *
 * Rows of a panel (one step of k, 16 output channels) that are all zero are left out where few enough are left that it
 * is faster, or single weights where very few are: `sparse-rows` and `sparse-weights` of the target, in per cent, as
 * measured (tools/bench/sparse). The option says otherwise. What is left out does not multiply: inputs that are
 * infinite or NaN do not spread through it, so where the precision is strict nothing is.
 *
 * All other panels may be stored without their zeros (pack_masked, option `small`), and are made dense in scratch
 * memory ahead of the tiles that read them, as codes are.
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

/* What is not zero: rows of panels, and weights. */
typedef struct census {
    int64_t rows, all_rows, weights, all_weights;
} census;

static bool count(const matrix *m, const adze_const *constant, census *out)
{
    adze_data *data = adze_const_data(constant);
    const float *w = adze_data_load(data);
    if (!w) return false;
    int32_t *kept = adze_malloc(((size_t)m->steps + 1) * sizeof *kept);
    *out = (census){.all_weights = m->groups * m->columns * m->steps};
    for (int64_t g = 0; g < m->groups; g++)
        for (int64_t from = 0; from < m->columns; from += TILE_PANEL) {
            memset(kept, 0, (size_t)m->steps * sizeof *kept);
            for (int64_t j = from; j < from + TILE_PANEL && j < m->columns; j++) {
                const float *column = w + (g * m->columns + j) * m->by_column;
                for (int64_t k = 0; k < m->steps; k++) kept[k] += column[k * m->by_step] != 0;
            }
            for (int64_t k = 0; k < m->steps; k++) {
                out->rows += kept[k] != 0;
                out->weights += kept[k];
            }
            out->all_rows += m->steps;
        }
    free(kept);
    adze_data_unload(data);
    return true;
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
        if (!adze_dim_is_const(stride[2 + i], &out[i]) || __builtin_mul_overflow(out[i], dilation, &out[i]))
            return false;
    }
    return true;
}

/* Single weights need tiles of rows whose number is known, and mostly full. */
static bool rows_fill_tiles(const tile *t, const adze_op *root)
{
    const adze_type *y = adze_value_type(adze_op_result(root, 0));
    uint32_t rank = adze_type_rank(y), last = rank - 1 - (is_window(root) ? 0 : 1);
    int64_t cols, rows = 1;
    if (tile_is_chain(t->kernel) || rank < 2 || !const_dim(y, last, &cols) || cols < 1) return false;
    if (is_window(root) && rank == 4 && !const_dim(y, 2, &rows)) return false;
    if (cols < TILE_PIXELS) cols *= rows < TILE_PIXELS / cols ? rows : TILE_PIXELS / cols; /* several short rows */
    return 4 * cols >= 3 * TILE_PIXELS * ((cols + TILE_PIXELS - 1) / TILE_PIXELS);
}

static bool at_most(int64_t part, int64_t whole, int64_t percent)
{
    return (double)part <= (double)whole * (double)percent / 100;
}

/* Time as a share of the dense product's: what tools/bench/sparse shows. */
static double cost_of_rows(const census *n) { return (double)n->rows / (double)n->all_rows; }
static double cost_of_each(const census *n, const matrix *m)
{
    return 2.5 * (double)n->weights / (double)n->all_weights + 28 / (double)m->columns;
}

/* The width of panels of which rows are best left out; 0 = none are. */
static int64_t choose_width(const tile *t, const adze_op *root, const census *n, const matrix *m)
{
    bool forced = !strcmp(t->options->sparse, "true");
    bool each = at_most(n->weights, n->all_weights, adze_target_number(t->run->target, "sparse-weights", 0)) &&
                rows_fill_tiles(t, root);
    bool rows = at_most(n->rows, n->all_rows, adze_target_number(t->run->target, "sparse-rows", 0));
    if (each && cost_of_each(n, m) < (rows ? cost_of_rows(n) : 0.9)) return 1;
    if (forced && each && !rows) return 1;
    return rows || forced ? TILE_PANEL : 0;
}

bool tile_choose_kept(tile *t, const adze_op *root, const adze_ir_value *weights, tile_kept *out)
{
    const adze_const *constant = adze_value_const(weights);
    const adze_type *w = adze_value_type(weights);
    bool never = !strcmp(t->options->sparse, "false") || t->run->precision == ADZE_PRECISION_STRICT;
    bool window = is_window(root);
    matrix m;
    census n;
    if (never || !constant || adze_type_dtype(w) != ADZE_DTYPE_f32 || tile_codes(root)) return false;
    if (adze_type_rank(w) != 2 && (!window || adze_type_rank(w) < 3 || adze_type_rank(w) > 4)) return false;
    if (!describe(root, w, &m) || m.columns < 1 || m.steps < 1) return false;
    if (m.groups > 1 && m.columns == 1 && adze_dim_is_value(adze_type_dim(w, 1), 1)) return false; /* depthwise */
    if (!count(&m, constant, &n) || n.all_rows >= INT32_MAX / (4 * TILE_PANEL)) return false;
    out->width = choose_width(t, root, &n, &m);
    out->rows = out->width == 1 ? n.weights : n.rows;
    if (out->width != 1) return out->width && tap_steps(t->kernel, root, out->steps, &out->n_steps);
    int64_t channels = 1, along;
    out->n_steps = window ? adze_type_rank(w) - 2 : 0;
    if (window && !const_dim(w, 1, &channels)) return false;
    for (uint32_t i = out->n_steps; i-- > 0; channels *= along) { /* as pack_pixels lays steps out */
        out->steps[i] = channels;
        if (!const_dim(w, 2 + i, &along)) return false;
    }
    return true;
}

/* The attributes of what pack_kept or pack_masked made; NULL: it is something else. */
static const void *packed_attrs(const adze_ir_value *panels, const char *name, adze_const **out_input)
{
    const adze_const *constant = adze_value_const(panels);
    const adze_op_row *row;
    const adze_slot *slots;
    adze_const *const *inputs;
    uint32_t n;
    if (!constant || !adze_data_is_derived(adze_const_data(constant), &row, &slots, &inputs, &n)) return NULL;
    if (strcmp(row->name, name) != 0) return NULL;
    *out_input = inputs[0];
    return slots;
}

void tile_find_sparse(tile *t, contraction *c)
{
    adze_const *input;
    const adze_ir_value *panels = t->operands[c->weights_at];
    const struct adze_pack_kept_attrs *kept = packed_attrs(panels, "pack_kept", &input);
    c->kept = kept && kept->width == TILE_PANEL;
    c->each = kept && kept->width == 1;
    c->masked = packed_attrs(panels, "pack_masked", &input) ? input : NULL;
}

static int64_t kept_count(const tile *t, const contraction *c)
{
    adze_const *input;
    return ((const struct adze_pack_kept_attrs *)packed_attrs(t->operands[c->weights_at], "pack_kept", &input))->rows;
}

void tile_kept_args(tile *t, const contraction *c, const adze_dim *group, const adze_dim *panel, adze_ir_value **args,
                    uint32_t *n)
{
    const adze_dim *zero = tile_dim(t, 0), *at[] = {zero};
    int64_t panels = (c->channels + TILE_PANEL - 1) / TILE_PANEL;
    const adze_dim *s1 = adze_dim_is_value(c->t1, c->kernel[1]) ? c->s1 : tile_dim(t, c->group_in);
    const adze_dim *span = adze_dim_mul_const(t->context, c->s0, c->kernel[0] - 1);
    span = adze_dim_add(t->context, span, adze_dim_mul_const(t->context, s1, c->kernel[1] - 1));
    args[(*n)++] = tile_view(t, c->weights, at);
    args[(*n)++] = adze_build_index(&t->b, c->groups * panels);
    args[(*n)++] = adze_build_index(&t->b, kept_count(t, c));
    args[(*n)++] = tile_index(t, adze_dim_add(t->context, adze_dim_mul_const(t->context, group, panels), panel));
    args[(*n)++] = tile_index(t, adze_dim_add_const(t->context, span, c->group_in));
}

/* ---- Single weights ---- */

int64_t tile_all_steps(const contraction *c) { return c->kernel[0] * c->kernel[1] * c->group_in; }

void tile_each_args(tile *t, const contraction *c, const adze_dim *group, const adze_dim *channel,
                    const adze_dim *number, adze_ir_value **args, uint32_t *n)
{
    const adze_dim *zero = tile_dim(t, 0), *at[] = {zero}, *tile_at[] = {number, zero, zero};
    const adze_dim *left = adze_dim_sub(t->context, tile_dim(t, c->channels), channel);
    args[(*n)++] = tile_view(t, c->pixels, tile_at);
    args[(*n)++] = tile_view(t, c->weights, at);
    args[(*n)++] = adze_build_index(&t->b, c->groups * c->channels);
    args[(*n)++] = adze_build_index(&t->b, kept_count(t, c));
    args[(*n)++] = tile_index(t, adze_dim_add(t->context, adze_dim_mul_const(t->context, group, c->channels), channel));
    args[(*n)++] = tile_index(t, tile_min(t, tile_dim(t, TILE_PANEL), left));
    args[(*n)++] = adze_build_index(&t->b, tile_all_steps(c));
}

/* ---- Panels without their zeros ---- */

int64_t tile_choose_masked(const tile *t, const adze_op *root, const adze_const *panels)
{
    const adze_type *type = adze_const_type(panels);
    uint32_t bits = adze_dtype_bits(adze_type_dtype(type));
    adze_dtype dtype = adze_type_dtype(type);
    if (!t->options->small || tile_codes(root) || (dtype != ADZE_DTYPE_f32 && dtype != ADZE_DTYPE_i8)) return -1;
    adze_data *data = adze_const_data(panels);
    const uint8_t *bytes = adze_data_load(data);
    if (!bytes) return -1;
    int64_t size = bits / 8, all = (int64_t)adze_data_size(data), kept = 0;
    for (int64_t i = 0; i < all; i += size) {
        bool zero = true;
        for (int64_t k = 0; k < size; k++) zero &= !bytes[i + k];
        kept += !zero;
    }
    adze_data_unload(data);
    bool smaller = kept * size + all / size / 8 + 256 < all / 10 * 9;
    return smaller && kept <= INT32_MAX / 2 ? kept : -1;
}

void tile_widen_masked(tile *t, contraction *c, const adze_dim *group, const adze_dim *panel, int64_t vectors)
{
    const adze_type *panels = adze_const_type(c->masked);
    const adze_dim *zero = tile_dim(t, 0), *from[] = {zero};
    const adze_dim *dims[] = {tile_dim(t, 1), tile_dim(t, vectors), adze_type_dim(panels, 2), adze_type_dim(panels, 3)};
    adze_const *input;
    const struct adze_pack_masked_attrs *attrs = packed_attrs(t->operands[c->weights_at], "pack_masked", &input);
    const adze_dim *each = adze_dim_mul(t->context, dims[2], dims[3]), *all = adze_type_dim(panels, 1);
    c->wide = tile_scratch(t, adze_type_dtype(panels), 4, dims);
    for (int64_t v = 0; v < vectors; v++) {
        const adze_dim *to[] = {zero, tile_dim(t, v), zero, zero}, *number = adze_dim_mul(t->context, group, all);
        number = adze_dim_add(t->context, number, adze_dim_add_const(t->context, panel, v));
        adze_ir_value *args[] = {tile_view(t, c->wide, to),
                                 tile_view(t, c->weights, from),
                                 tile_index(t, adze_dim_mul(t->context, adze_type_dim(panels, 0), all)),
                                 tile_index(t, each),
                                 tile_index(t, number),
                                 adze_build_index(&t->b, attrs->kept)};
        tile_call(t, adze_type_dtype(panels) == ADZE_DTYPE_f32 ? "widen_f32m" : "widen_s8m", args, 6);
    }
}
