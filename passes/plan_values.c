/* Which values share their bytes, and in which order a plan lists them: what `plan` and backends must agree on. */
#include <adze/ir.h>
#include <adze/plan.h>

/* ---- Views ---- */

/* Physical order of the axes that matter; false where the tensor is not dense in that order. */
static bool physical_axes(const adze_type *type, uint32_t *out, uint32_t *out_n)
{
    const adze_layout *layout = adze_type_layout(type);
    *out_n = 0;
    for (uint32_t i = 0; i < adze_type_rank(type); i++) {
        uint32_t axis = layout->has_perm ? layout->perm[i] : i;
        if (layout->halo[axis] || layout->pad[axis]) return false;
        if (!adze_dim_is_value(adze_type_dim(type, axis), 1)) out[(*out_n)++] = axis;
    }
    return true;
}

bool adze_plan_is_view(const adze_op *op)
{
    if (adze_op_is(op, "named")) return true;
    if (!adze_op_has_trait(op, ADZE_MOVE) || adze_op_num_results(op) != 1 || !adze_op_operand(op, 0)) return false;
    const adze_type *x = adze_value_type(adze_op_operand(op, 0)), *y = adze_value_type(adze_op_result(op, 0));
    if (adze_type_is_open(x) || adze_type_is_open(y)) return false; /* the evaluation finds out what is left open */
    if (adze_op_has_trait(op, ADZE_VIEW)) return !adze_type_has_layout(x) && !adze_type_has_layout(y);
    if (!adze_op_is(op, "transpose") || !adze_type_is_ranked(x)) return false;
    uint32_t from[ADZE_MAX_RANK], to[ADZE_MAX_RANK], n, m, rank = adze_type_rank(x);
    if (!physical_axes(x, from, &n) || !physical_axes(y, to, &m) || n != m) return false;
    adze_ints perm = adze_op_attr_ints(op, "perm");
    for (uint32_t i = 0; i < n; i++)
        if (from[i] != (perm.count ? (uint32_t)perm.data[to[i]] : rank - 1 - to[i])) return false;
    return true;
}

const adze_ir_value *adze_plan_root(const adze_ir_value *value)
{
    while (adze_value_op(value) && adze_plan_is_view(adze_value_op(value)))
        value = adze_op_operand(adze_value_op(value), 0);
    return value;
}

/* ---- Results of control flow ---- */

/* The `if` whose region the op that makes the value stands in, where the region yields it in one place: *out_index. */
static adze_op *yielding_if(const adze_ir_value *value, uint32_t *out_index)
{
    adze_op *maker = adze_value_op(value);
    adze_region *region = maker ? adze_op_parent(maker) : NULL;
    adze_op *op = region ? adze_region_op(region) : NULL, *yield = region ? adze_region_last(region) : NULL;
    uint32_t found = 0;
    if (!op || !adze_op_is(op, "if") || !yield || adze_op_is_control(maker) || adze_plan_is_view(maker)) return NULL;
    for (uint32_t i = 0; i < adze_op_num_operands(yield); i++)
        if (adze_plan_root(adze_op_operand(yield, i)) == value) {
            *out_index = i;
            found++;
        }
    return found == 1 ? op : NULL;
}

const adze_ir_value *adze_plan_home(const adze_ir_value *value)
{
    uint32_t index;
    adze_op *op = yielding_if(value, &index);
    while (op) {
        const adze_ir_value *result = adze_op_result(op, index);
        const adze_type *from = adze_value_type(value), *to = adze_value_type(result);
        if (!adze_type_is_tensor(from) || !adze_type_is_tensor(to) || adze_type_has_layout(from) ||
            adze_layout_bytes(from) != adze_layout_bytes(to) || adze_dim_is_unknown(adze_layout_bytes(to)))
            break;
        value = result;
        op = yielding_if(value, &index);
    }
    return value;
}

/* In the order in which they stand in the text: results of an op, then of its blocks arguments and ops. */
static void visit_region(const adze_region *region, adze_plan_visit *visit, void *self)
{
    for (adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) visit(self, op, adze_op_result(op, i));
        for (uint32_t r = 0; adze_op_is_control(op) && r < adze_op_num_regions(op); r++) {
            const adze_region *inner = adze_op_region(op, r);
            for (uint32_t i = 0; i < adze_region_num_args(inner); i++) visit(self, op, adze_region_arg(inner, i));
            visit_region(inner, visit, self);
        }
    }
}

void adze_plan_each(const adze_func *func, adze_plan_visit *visit, void *self)
{
    visit_region(adze_func_body(func), visit, self);
}

/* ---- For backends ---- */

const adze_dim *adze_plan_arena_bytes(const adze_func *func)
{
    const adze_attr *attr = adze_func_find_attr(func, "arena_bytes");
    return attr ? attr->value.object : NULL;
}
