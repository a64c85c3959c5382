/* Ties of ops that keep the elements and change the dims: dims of the operand and of the result are matched where the
 * products of those before, or behind, are equal; what lies between two such places is one axis on both sides, or a
 * product of several on one side.
 */
#include "passes/prune/channels/dims.h"

typedef struct side {
    const dims_value *v;
    const adze_dim *ahead[ADZE_MAX_RANK + 1], *behind[ADZE_MAX_RANK + 1]; /* products of dims before and from i on */
} side;

static void products(dims_graph *g, side *s)
{
    const adze_type *type = adze_value_type(s->v->value);
    uint32_t rank = s->v->rank;
    s->ahead[0] = s->behind[rank] = adze_dim_const(g->context, 1);
    for (uint32_t i = 0; i < rank; i++)
        s->ahead[i + 1] = adze_dim_mul(g->context, s->ahead[i], adze_type_dim(type, i));
    for (uint32_t i = rank; i-- > 0;)
        s->behind[i] = adze_dim_mul(g->context, s->behind[i + 1], adze_type_dim(type, i));
}

/* Axes from..to without those of one element; false where an extent is not constant. */
static bool list(const dims_value *v, uint32_t from, uint32_t to, uint32_t *base, uint32_t *extent, uint32_t *n)
{
    *n = 0;
    for (uint32_t i = from; i < to; i++) {
        if (!v->extent[i]) return false;
        if (v->extent[i] == 1) continue;
        base[*n] = v->base[i], extent[(*n)++] = v->extent[i];
    }
    return true;
}

static void freeze(dims_graph *g, const adze_op *op, const dims_value *v, uint32_t from, uint32_t to)
{
    const char *why = dims_reason(op, "divides it anew");
    for (uint32_t i = from; i < to; i++) dims_freeze(g, v->base[i], v->extent[i], DIMS_HARD, why);
}

static void tie_part(dims_graph *g, const adze_op *op, const side *x, uint32_t x0, uint32_t x1, const side *y,
                     uint32_t y0, uint32_t y1)
{
    uint32_t a[ADZE_MAX_RANK], an[ADZE_MAX_RANK], b[ADZE_MAX_RANK], bn[ADZE_MAX_RANK], n, m;
    bool ok = list(x->v, x0, x1, a, an, &n);
    ok = list(y->v, y0, y1, b, bn, &m) && ok;
    if (ok && n == 1 && m == 1 && an[0] == bn[0])
        dims_tie_range(g, a[0], b[0], an[0]);
    else if (ok && n == 1 && m > 1)
        dims_product(g, op, y0, a[0], b, bn, m, 0);
    else if (ok && m == 1 && n > 1)
        dims_product(g, op, y0, b[0], a, an, n, 0);
    else if (!ok || n || m) {
        freeze(g, op, x->v, x0, x1);
        freeze(g, op, y->v, y0, y1);
    }
}

bool dims_rule_view(dims_graph *g, adze_op *op)
{
    if (!adze_op_has_trait(op, ADZE_VIEW) || adze_op_num_results(op) != 1) return false;
    side x = {.v = dims_find(g, adze_op_operand(op, 0))}, y = {.v = dims_find(g, adze_op_result(op, 0))};
    const char *why = dims_reason(op, "reads it as a parameter");
    for (uint32_t i = 1; i < adze_op_num_operands(op); i++) dims_freeze_value(g, adze_op_operand(op, i), why);
    if (!x.v || !y.v) {
        dims_freeze_value(g, adze_op_operand(op, 0), dims_reason(op, "has unknown dims"));
        dims_freeze_value(g, adze_op_result(op, 0), dims_reason(op, "has unknown dims"));
        return true;
    }
    products(g, &x);
    products(g, &y);
    uint32_t x0 = 0, y0 = 0;
    for (uint32_t i = 0; i <= x.v->rank; i++)
        for (uint32_t k = y0; k <= y.v->rank && i >= x0; k++) {
            bool last = i == x.v->rank && k == y.v->rank;
            bool cut = adze_dim_equal(x.ahead[i], y.ahead[k]) || adze_dim_equal(x.behind[i], y.behind[k]);
            if (!last && (!cut || i == x0 || k == y0)) continue;
            tie_part(g, op, &x, x0, i, &y, y0, k);
            x0 = i, y0 = k;
            break;
        }
    return true;
}
