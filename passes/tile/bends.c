/* tile: positions that go straight only piece by piece, as those of a padded row do: its first elements come from
 * one place, the row itself from another.
 *
 * Lanes want positions that are affine in their axis. A row is cut where a min, a max or a mod changes sides, and in
 * each piece it is the side that holds there.
 */
#include "passes/tile/tile.h"

static const adze_dim *settle_mod(tile *t, const adze_dim *a, const adze_dim *b)
{
    int64_t low, high, n;
    bool known = adze_dim_is_const(b, &n) && n > 0 && adze_dim_range(a, t->extents, t->n_axes, &low, &high);
    if (known && adze_floor_div(low, n) == adze_floor_div(high, n))
        return adze_dim_add_const(t->context, a, -n * adze_floor_div(low, n));
    return adze_dim_binary(t->context, ADZE_DIM_MOD, a, b);
}

const adze_dim *tile_settle(tile *t, const adze_dim *expr)
{
    adze_dim_kind kind = adze_dim_get_kind(expr);
    int64_t low, high;
    if (kind < ADZE_DIM_ADD || kind > ADZE_DIM_MAX) return expr;
    const adze_dim *a = tile_settle(t, adze_dim_operand(expr, 0)), *b = tile_settle(t, adze_dim_operand(expr, 1));
    if (kind == ADZE_DIM_MOD) return settle_mod(t, a, b);
    if ((kind == ADZE_DIM_MIN || kind == ADZE_DIM_MAX) &&
        adze_dim_range(adze_dim_sub(t->context, a, b), t->extents, t->n_axes, &low, &high)) {
        if (high <= 0) return kind == ADZE_DIM_MIN ? a : b;
        if (low >= 0) return kind == ADZE_DIM_MIN ? b : a;
    }
    return adze_dim_binary(t->context, kind, a, b);
}

/* The first step along the axis behind which `expr`, affine in it, is on the other side of 0; 0 = none. */
static int64_t crossing(tile *t, const adze_dim *expr, uint32_t axis)
{
    const adze_dim *rest;
    int64_t coef, at;
    if (!adze_dim_axis_coefficient(t->context, expr, axis, &coef, &rest) || !adze_dim_is_const(rest, &at)) return 0;
    if (at > 0) at = -at, coef = -coef;
    return at < 0 && coef > 0 ? -at / coef + 1 : 0;
}

/* The same for what divides by n with another quotient. */
static int64_t next_multiple(tile *t, const adze_dim *expr, int64_t n, uint32_t axis)
{
    const adze_dim *rest;
    int64_t coef, at;
    if (!adze_dim_axis_coefficient(t->context, expr, axis, &coef, &rest) || !adze_dim_is_const(rest, &at)) return 0;
    at -= n * adze_floor_div(at, n);
    return coef > 0 ? (n - at + coef - 1) / coef : coef < 0 ? at / -coef + 1 : 0;
}

static int64_t sooner(int64_t a, int64_t b) { return !a || (b && b < a) ? b : a; }

/* The first step along the axis at which the expression bends; 0 = it goes straight as far as can be told. */
static int64_t first_bend(tile *t, const adze_dim *expr, uint32_t axis)
{
    adze_dim_kind kind = adze_dim_get_kind(expr);
    int64_t n;
    if (kind < ADZE_DIM_ADD || kind > ADZE_DIM_MAX) return 0;
    const adze_dim *a = adze_dim_operand(expr, 0), *b = adze_dim_operand(expr, 1);
    int64_t bend = sooner(first_bend(t, a, axis), first_bend(t, b, axis));
    if (kind == ADZE_DIM_MIN || kind == ADZE_DIM_MAX)
        return sooner(bend, crossing(t, adze_dim_sub(t->context, a, b), axis));
    if (kind == ADZE_DIM_MOD && adze_dim_is_const(b, &n) && n > 0) return sooner(bend, next_multiple(t, a, n, axis));
    return bend;
}

/* How many of `length` entries from `first` on go straight, where `at` has the axis at first + $axis. -1: none do. */
static int64_t straight(tile *t, const adze_op *op, const tile_point *at, uint32_t axis, int64_t length)
{
    tile_point from;
    for (bool cut = true; cut;) {
        cut = false;
        t->extents[axis] = tile_dim(t, length);
        if (!tile_operand_point(t, op, 0, at, &from)) return -1;
        for (uint32_t d = 0; d < from.rank; d++) {
            const adze_dim *expr = tile_settle(t, from.at[d]);
            int64_t bend = first_bend(t, expr, axis);
            if (bend > 0 && bend < length) {
                length = bend;
                cut = true;
            } else if (!cut && !adze_dim_axis_coefficient(t->context, expr, axis, &(int64_t){0}, NULL)) {
                return -1;
            }
        }
    }
    return length;
}

uint32_t tile_pieces(tile *t, const adze_ir_value *value, const tile_point *at, uint32_t dim, uint32_t axis,
                     int64_t *out_ends)
{
    const adze_op *op = adze_value_op(value);
    const adze_dim *whole = t->extents[axis];
    adze_access access;
    int64_t extent, first = 0;
    uint32_t n = 0;
    if (!op || !adze_op_has_trait(op, ADZE_MOVE) || !adze_op_access(op, &access) || !access.operand[0].present ||
        access.operand[0].guarded || !adze_dim_is_const(whole, &extent))
        return 0;
    tile_point point = *at;
    while (first < extent && n < TILE_MAX_PIECES) {
        point.at[dim] = adze_dim_add_const(t->context, adze_dim_axis(t->context, axis), first);
        int64_t length = straight(t, op, &point, axis, extent - first);
        if (length < 1) break;
        out_ends[n++] = first += length;
    }
    t->extents[axis] = whole;
    return first < extent || n < 2 ? 0 : n;
}
