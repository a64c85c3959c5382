/* How a contraction reads its data, from its iteration space: axes that the data has and the
 * weights have not are rows, axes of the sum are columns, and what both have besides tells groups
 * apart.
 *
 *     conv 3x3, padded    [r0, c0, r1 + c1 - 1, r2 + c2 - 1] columns [64, 3, 3] rows [N, 56, 56]
 *     depthwise           [r0, g0 + c0, r1 + c1 - 1, …] columns [1, 3, 3] rows [N, 56, 56] groups
 * [64] x @ w               [r0, r1, c0] columns [384] rows [N, 128]
 */
#include "passes/stats/stats.h"

#include <string.h>

typedef enum axis_kind { NO_AXIS, ROW, COLUMN, GROUP } axis_kind;

static bool uses_axis(adze_context *context, const adze_access_map *map, uint32_t axis)
{
    for (uint32_t d = 0; d < map->rank; d++) {
        int64_t coef = 0;
        if (!adze_dim_axis_coefficient(context, map->dims[d], axis, &coef, NULL) || coef) return true;
    }
    return false;
}

static axis_kind kind_of(adze_context *context, const adze_access *a, uint32_t data, uint32_t axis)
{
    bool in_data = uses_axis(context, &a->operand[data], axis);
    bool in_weights = uses_axis(context, &a->operand[!data], axis);
    if (a->kind[axis] != ADZE_AXIS_PARALLEL) return COLUMN;
    if (!in_data) return NO_AXIS;
    return in_weights ? GROUP : ROW;
}

/* Numbers the axes of one kind from out->n_axes on; `to` receives their new numbers. */
static uint32_t take_axes(const adze_access *a, const axis_kind *kinds, axis_kind kind, uint32_t *to, gram_map *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->n_axes; i++) {
        if (kinds[i] != kind) continue;
        out->extent[out->n_axes] = a->extent[i];
        to[i] = out->n_axes++;
        n++;
    }
    return n;
}

static bool take_map(adze_context *context, const adze_access *a, const adze_access_map *map, const axis_kind *kinds,
                     const uint32_t *to, gram_map *out)
{
    out->rank = map->rank;
    for (uint32_t d = 0; d < map->rank; d++) {
        const adze_dim *rest = map->dims[d];
        for (uint32_t i = 0; i < a->n_axes; i++) {
            int64_t coef = 0;
            if (!adze_dim_axis_coefficient(context, rest, i, &coef, &rest)) return false;
            if (kinds[i] != NO_AXIS) out->coef[d][to[i]] = coef;
        }
        if (adze_dim_is_unknown(rest)) return false;
        out->rest[d] = rest;
    }
    return true;
}

/* The product of constant extents, at most `most`. */
static bool count(const gram_map *map, uint32_t first, uint32_t n, uint64_t most, uint64_t *out)
{
    *out = 1;
    for (uint32_t i = first; i < first + n; i++) {
        int64_t extent;
        if (!adze_dim_is_const(map->extent[i], &extent) || extent < 1 || (uint64_t)extent > most / *out) return false;
        *out *= (uint64_t)extent;
    }
    return true;
}

static void print_extents(const gram_map *map, const char *what, uint32_t first, uint32_t n, adze_text *out)
{
    char dim[256];
    if (!n) return;
    adze_text_append(out, " %s [", what);
    for (uint32_t i = 0; i < n; i++) {
        adze_dim_print(map->extent[first + i], dim, sizeof dim);
        adze_text_append(out, "%s%s", i ? ", " : "", dim);
    }
    adze_text_append(out, "]");
}

static const char *print_window(adze_context *context, const gram_map *map)
{
    adze_text text = {0};
    uint32_t columns = map->n_rows, groups = columns + map->n_columns;
    for (uint32_t d = 0; d < map->rank; d++) {
        const adze_dim *sum = map->rest[d];
        char dim[512];
        for (uint32_t i = 0; i < map->n_axes; i++) {
            const char *name = i < columns  ? adze_internf(context, "r%u", i)
                               : i < groups ? adze_internf(context, "c%u", i - columns)
                                            : adze_internf(context, "g%u", i - groups);
            const adze_dim *axis = adze_dim_symbol(context, name);
            sum = adze_dim_add(context, sum, adze_dim_mul_const(context, axis, map->coef[d][i]));
        }
        adze_dim_print(sum, dim, sizeof dim);
        adze_text_append(&text, "%s%s", d ? ", " : "[", dim);
    }
    adze_text_append(&text, "]");
    print_extents(map, "columns", columns, map->n_columns, &text);
    print_extents(map, "rows", 0, map->n_rows, &text);
    print_extents(map, "groups", groups, map->n_groups, &text);
    const char *window = adze_intern(context, text.data, text.size);
    adze_text_free(&text);
    return window;
}

static bool is_float_tensor(const adze_ir_value *value)
{
    const adze_type *type = value ? adze_value_type(value) : NULL;
    return type && adze_type_is_tensor(type) && adze_dtype_get_kind(adze_type_dtype(type)) == ADZE_KIND_FLOAT;
}

bool gram_describe(const adze_op *op, uint32_t operand, gram_map *out)
{
    adze_context *context = adze_op_context(op);
    adze_access access = {0};
    axis_kind kinds[ADZE_MAX_AXES];
    uint32_t to[ADZE_MAX_AXES] = {0};
    *out = (gram_map){.value = adze_op_operand(op, operand)};
    if (operand > 1 || !adze_op_has_trait(op, ADZE_CONTRACTION) || !is_float_tensor(out->value)) return false;
    const adze_ir_value *weights = adze_op_operand(op, !operand);
    if (!weights || adze_value_def(weights) != ADZE_DEF_CONST || adze_value_def(out->value) == ADZE_DEF_CONST)
        return false;
    if (!adze_op_access(op, &access) || access.combine != ADZE_COMBINE_ADD || !access.body ||
        strcmp(access.body, "mul") != 0 || access.operand[operand].outside != 0)
        return false;
    for (uint32_t i = 0; i < access.n_axes; i++) kinds[i] = kind_of(context, &access, operand, i);
    out->n_rows = take_axes(&access, kinds, ROW, to, out);
    out->n_columns = take_axes(&access, kinds, COLUMN, to, out);
    out->n_groups = take_axes(&access, kinds, GROUP, to, out);
    if (!take_map(context, &access, &access.operand[operand], kinds, to, out)) return false;
    if (!count(out, out->n_rows, out->n_columns, ADZE_STATS_MAX_GRAM, &out->size) ||
        !count(out, out->n_rows + out->n_columns, out->n_groups, ADZE_STATS_MAX_CHANNELS, &out->groups))
        return false;
    out->window = print_window(context, out);
    return true;
}
