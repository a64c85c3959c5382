/* name-dims: give dims that only a run knows a name, so that what is computed from there on can be compiled.
 *
 * A value with an unknown dim goes through `named`, whose result type has a symbol of its own there; types below are
 * inferred again. What a loop carries and what an `if` gives get names where they begin, once a run.
 *
 *     %0 = loop(%n, _, %x) do {…} : f32[?,4]     →     %0 = loop(%n, _, %x) do {…} : f32[?,4]
 *     %1 = relu(%0) : f32[?,4]                         %1 = named(%0) : f32[d0,4]
 *                                                      %2 = relu(%1) : f32[d0,4]
 */
#include <adze/ir.h>
#include <adze/pass.h>

#include "passes/examples_embedded.h"

#include <stdio.h>
#include <string.h>

typedef struct namer {
    adze_pass_run *run;
    adze_context *context;
    adze_map *taken; /* interned symbols of the module */
    uint32_t next;
    bool changed, failed;
} namer;

/* ---- Names in use ---- */

static const adze_dim *take_symbol(void *self, const char *name)
{
    adze_map_set(self, name, self);
    return NULL;
}

static void take_type(namer *n, const adze_type *type)
{
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return;
    for (uint32_t i = 0; i < adze_type_rank(type); i++)
        adze_dim_substitute(n->context, adze_type_dim(type, i), NULL, 0, take_symbol, n->taken);
}

static void take_region(namer *n, const adze_region *region)
{
    for (uint32_t i = 0; i < adze_region_num_args(region); i++)
        take_type(n, adze_value_type(adze_region_arg(region, i)));
    for (const adze_op *op = adze_region_first(region); op; op = adze_op_next(op)) {
        for (uint32_t i = 0; i < adze_op_num_results(op); i++) take_type(n, adze_value_type(adze_op_result(op, i)));
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++) take_region(n, adze_op_region(op, i));
    }
}

static const adze_dim *fresh(namer *n)
{
    for (;;) {
        const char *name = adze_internf(n->context, "d%u", n->next++);
        if (adze_map_get(n->taken, name)) continue;
        return adze_dim_symbol(n->context, name);
    }
}

/* ---- Naming ---- */

static bool has_unknown(const adze_type *type)
{
    bool found = false;
    if (!adze_type_is_tensor(type) || !adze_type_is_ranked(type) || adze_type_has_layout(type)) return false;
    for (uint32_t i = 0; i < adze_type_rank(type); i++) found |= adze_dim_is_unknown(adze_type_dim(type, i));
    return found;
}

static bool is_named(const adze_ir_value *value)
{
    for (const adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use))
        if (adze_op_is(adze_use_op(use), "named")) return true;
    return false;
}

/* Whoever reads the value reads it by its names. `before` is the op that follows its definition. */
static void name_value(namer *n, adze_op *before, adze_ir_value *value)
{
    const adze_type *type = adze_value_type(value);
    if (!has_unknown(type) || !adze_value_has_uses(value) || is_named(value)) return;
    if (!adze_rewrite(n->run, adze_value_op(value), "name")) return;
    const adze_dim *dims[ADZE_MAX_RANK];
    uint32_t rank = adze_type_rank(type);
    for (uint32_t i = 0; i < rank; i++) {
        dims[i] = adze_type_dim(type, i);
        if (adze_dim_is_unknown(dims[i])) dims[i] = fresh(n);
    }
    const adze_type *named = adze_type_with_dims(type, rank, dims);
    adze_builder b = adze_builder_before(before);
    adze_op *op = adze_build(&b, "named", &value, 1, NULL, 0, &named, 1);
    adze_value_replace_uses(value, adze_op_result(op, 0));
    adze_op_set_operand(op, 0, value); /* the one use that stays */
    if (adze_value_op(value)) adze_op_add_nodes_of(op, adze_value_op(value));
    n->changed = true;
}

/* The new type, with dims of the old one where it knows more: the model may have declared them. */
static const adze_type *met(const adze_type *was, const adze_type *now)
{
    const adze_dim *dims[ADZE_MAX_RANK];
    if (!has_unknown(now) || !adze_type_is_ranked(was) || adze_type_rank(was) != adze_type_rank(now)) return now;
    for (uint32_t i = 0; i < adze_type_rank(now); i++)
        dims[i] = adze_dim_is_unknown(adze_type_dim(now, i)) ? adze_type_dim(was, i) : adze_type_dim(now, i);
    return adze_type_with_dims(now, adze_type_rank(now), dims);
}

/* The result's type as inference has it now that operands may have names. */
static void infer_again(namer *n, adze_op *op, uint32_t index)
{
    adze_ir_value *result = adze_op_result(op, index);
    const adze_type *was = adze_value_type(result);
    if (!has_unknown(was) || adze_op_is_control(op)) return;
    n->failed |= !adze_op_infer(op);
    const adze_type *now = met(was, adze_value_type(result));
    adze_value_set_type(result, now);
    n->changed |= now != was;
}

static void name_region(namer *n, adze_region *region);

static void name_op(namer *n, adze_op *op)
{
    for (uint32_t i = 0; i < adze_op_num_results(op); i++) infer_again(n, op, i);
    for (uint32_t i = 0; adze_op_is_control(op) && i < adze_op_num_regions(op); i++)
        name_region(n, adze_op_region(op, i));
    for (uint32_t i = 0; adze_op_next(op) && i < adze_op_num_results(op); i++)
        name_value(n, adze_op_next(op), adze_op_result(op, i));
}

static void name_region(namer *n, adze_region *region)
{
    adze_op *first = adze_region_first(region);
    for (uint32_t i = 0; first && i < adze_region_num_args(region); i++)
        name_value(n, first, adze_region_arg(region, i));
    for (adze_op *op = adze_region_first(region), *next; op; op = next) {
        next = adze_op_next(op);
        name_op(n, op);
    }
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    namer n = {.run = self, .context = self->context, .taken = adze_map_create()};
    take_region(&n, adze_func_body(func));
    name_region(&n, adze_func_body(func));
    adze_map_destroy(n.taken);
    return n.failed ? ADZE_FAILED : n.changed ? ADZE_CHANGED : ADZE_UNCHANGED;
}

const adze_pass adze_pass_name_dims = {
    .struct_size = sizeof(adze_pass),
    .name = "name-dims",
    .help = "give dims that only a run knows a name, for compiled code",
    .numerics = ADZE_EXACT,
    .run = run,
    .purpose = "lower",
    .contract = "Needs nothing. Values of a known rank with unknown dims go through `named`; types of ops behind it "
                "are inferred again, so that only what makes such values keeps unknown dims.",
    .example = adze_example_name_dims,
};
