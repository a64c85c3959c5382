/* Control flow as steps: the regions of `if` and `loop` one behind the other, with branches between them.
 *
 *     if:    branch else · then · copies to the results · jump end · else: otherwise · copies · end:
 *     loop:  copies to what is carried · enter end · body: body · pushes · copies · next body · end:
 */
#include "backends/x86/reader.h"

/* Where steps that are read next go. */
static uint32_t here(const x86_reader *r) { return r->p->n_steps; }

static uint32_t add_jump(x86_reader *r, adze_op *op)
{
    x86_new_step(r, op, X86_STEP_JUMP, 0);
    return here(r) - 1;
}

static void set_target(x86_reader *r, uint32_t step) { r->p->steps[step].target = here(r); }

/* ---- if ---- */

static bool read_branch(x86_reader *r, adze_op *op, uint32_t index)
{
    const adze_region *region = adze_op_region(op, index);
    adze_op *yield = adze_region_last(region);
    bool ok = x86_read_ops(r, region);
    for (uint32_t i = 0; ok && i < adze_op_num_results(op); i++) {
        x86_place to;
        const adze_ir_value *result = adze_op_result(op, i);
        ok = x86_find_place(r, result, &to) &&
             x86_add_copy(r, op, adze_op_operand(yield, i), adze_value_type(result), &to);
    }
    return ok;
}

static bool read_if(x86_reader *r, adze_op *op)
{
    x86_place condition, place;
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        if (!x86_place_value(r, op, adze_op_result(op, i), &place)) return false;
    if (!x86_add_single(r, op, adze_op_operand(op, 0)) || !x86_find_place(r, adze_op_operand(op, 0), &condition))
        return false;
    x86_step *step = x86_new_step(r, op, X86_STEP_BRANCH, 1);
    step->operands[0].place = condition;
    step->n_inputs = 1;
    uint32_t branch = here(r) - 1, jump = 0, mark = r->n_scope;
    bool ok = read_branch(r, op, 0), both = adze_op_num_regions(op) > 1;
    x86_close_scope(r, mark);
    if (both) jump = add_jump(r, op);
    set_target(r, branch);
    if (!both) return ok;
    ok = read_branch(r, op, 1) && ok;
    x86_close_scope(r, mark);
    set_target(r, jump);
    return ok;
}

/* ---- loop ---- */

typedef struct repeat {
    adze_op *op;
    const adze_region *region;
    uint32_t n_carried;
    x86_place number;
} repeat;

static bool place_values(x86_reader *r, repeat *l)
{
    x86_place place;
    if (!x86_place_value(r, l->op, adze_region_arg(l->region, 0), &l->number)) return false;
    for (uint32_t i = 0; i < adze_op_num_results(l->op); i++) {
        if (!x86_place_value(r, l->op, adze_op_result(l->op, i), &place)) return false;
        if (i < l->n_carried) x86_put_place(r, adze_region_arg(l->region, i + 1), place);
    }
    return true;
}

/* The step at the start or the end of a run. */
static bool add_test(x86_reader *r, const repeat *l, x86_step_kind kind, const adze_ir_value *condition)
{
    x86_place bound, go_on;
    if (!x86_add_single(r, l->op, condition)) return false;
    if (!x86_find_place(r, adze_op_operand(l->op, 0), &bound) || !x86_find_place(r, condition, &go_on)) return false;
    x86_step *step = x86_new_step(r, l->op, kind, 3);
    step->operands[0].place = l->number;
    step->operands[1].place = bound;
    step->operands[2].place = go_on;
    step->n_inputs = 3;
    return true;
}

static const adze_type *carried_type(const repeat *l, uint32_t i)
{
    return adze_value_type(adze_region_arg(l->region, i + 1));
}

/* `number` ABSENT: the stack is empty yet. */
static bool add_push(x86_reader *r, const repeat *l, const adze_ir_value *value, const adze_ir_value *stack,
                     x86_place number)
{
    x86_place from = {0}, to;
    x86_operand source = {0}, target = {0};
    bool empty = number.kind == X86_ABSENT;
    if (!x86_find_place(r, stack, &to) || !x86_fill_operand(r, l->op, stack, &to, &target)) return false;
    if (empty && to.kind != X86_LATE) return true;
    if (!empty && (!x86_find_place(r, value, &from) || !x86_fill_operand(r, l->op, value, &from, &source)))
        return false;
    if (empty) x86_stack_entry(r, stack, &source);
    if (to.kind != X86_LATE && source.is_open)
        return adze_error(adze_op_loc(l->op), "loop: what is stacked has unknown dims, the stack has not");
    x86_step *step = x86_new_step(r, l->op, X86_STEP_PUSH, 3);
    step->name = "push";
    step->operands[0] = source;
    step->operands[1] = target;
    step->operands[2].place = number;
    step->n_inputs = 3;
    const adze_type *type = adze_value_type(value);
    if (to.kind != X86_LATE) step->copy_bytes = x86_dims_size(&r->p->dims, adze_layout_bytes(type));
    return true;
}

/* Stacks first: what is carried may lie where a run of its own value ends. */
static bool read_yield(x86_reader *r, const repeat *l)
{
    const adze_op *yield = adze_region_last(l->region);
    uint32_t n = adze_op_num_results(l->op);
    bool ok = true;
    for (uint32_t i = l->n_carried; i < n; i++)
        ok = add_push(r, l, adze_op_operand(yield, i + 1), adze_op_result(l->op, i), l->number) && ok;
    for (uint32_t i = 0; i < l->n_carried; i++) {
        x86_place to;
        const adze_ir_value *result = adze_op_result(l->op, i);
        ok = x86_find_place(r, result, &to) &&
             x86_add_copy(r, l->op, adze_op_operand(yield, i + 1), carried_type(l, i), &to) && ok;
    }
    return ok;
}

static bool read_start(x86_reader *r, const repeat *l)
{
    const adze_op *yield = adze_region_last(l->region);
    bool ok = true;
    for (uint32_t i = 0; i < l->n_carried; i++) {
        x86_place to;
        ok = x86_find_place(r, adze_op_result(l->op, i), &to) &&
             x86_add_copy(r, l->op, adze_op_operand(l->op, i + 2), carried_type(l, i), &to) && ok;
    }
    for (uint32_t i = l->n_carried; i < adze_op_num_results(l->op); i++)
        ok = add_push(r, l, adze_op_operand(yield, i + 1), adze_op_result(l->op, i), (x86_place){0}) && ok;
    return ok;
}

/* What result `i` says of what the loop leaves there. */
static bool leave(x86_reader *r, const repeat *l, uint32_t i)
{
    x86_place place;
    const adze_ir_value *result = adze_op_result(l->op, i), *as = NULL;
    if (i < l->n_carried) as = adze_region_arg(l->region, i + 1);
    if (as && adze_type_is_open(adze_value_type(result)))
        return x86_find_place(r, result, &place) && x86_add_copy(r, l->op, as, adze_value_type(result), &place);
    return x86_add_promise(r, l->op, as, result);
}

static bool read_loop(x86_reader *r, adze_op *op)
{
    repeat l = {.op = op, .region = adze_op_region(op, 0), .n_carried = adze_op_num_operands(op) - 2};
    if (!place_values(r, &l)) return false;
    bool ok = read_start(r, &l) && x86_add_single(r, op, adze_op_operand(op, 0));
    if (!add_test(r, &l, X86_STEP_ENTER, adze_op_operand(op, 1))) return false;
    uint32_t enter = here(r) - 1, body = here(r), mark = r->n_scope;
    ok = x86_read_ops(r, l.region) && read_yield(r, &l) && ok;
    if (!add_test(r, &l, X86_STEP_NEXT, adze_op_operand(adze_region_last(l.region), 0))) return false;
    r->p->steps[here(r) - 1].target = body;
    set_target(r, enter);
    x86_close_scope(r, mark);
    for (uint32_t i = 0; ok && i < adze_op_num_results(op); i++) {
        ok = leave(r, &l, i);
    }
    return ok;
}

bool x86_read_control(x86_reader *r, adze_op *op)
{
    if (adze_op_is(op, "if")) return read_if(r, op);
    if (adze_op_is(op, "loop")) return read_loop(r, op);
    return adze_error(adze_op_loc(op), "'%s' has no lowering for x86", adze_op_name(op));
}
