/* A graph that runs again and again into a `loop`.
 *
 * What a carried value has in every run is not known before the graph is: it is read with the types of the first
 * values, and where it gives back other dims these become unknown and it is read again. Types only get wider, so that
 * ends; from the MAX_ROUNDS-th time on whole shapes become unknown. Loops inside loops multiply, within the bound of
 * adze_onnx_count.
 */
#include "repeat.h"
#include "upgrade.h"

#include <stdlib.h>

enum { MAX_ROUNDS = 6 };

/* The loop with the types that are known before its graph is. */
static adze_op *make(adze_onnx_repeat *self, const adze_type **types)
{
    adze_onnx_import *import = self->node->import;
    uint32_t n_results = self->n_carried + self->n_stacks;
    adze_ir_value **operands = calloc(self->n_carried + 2u, sizeof(adze_ir_value *));
    if (!operands) abort();
    operands[0] = self->bound;
    operands[1] = self->condition;
    for (uint32_t i = 0; i < self->n_carried; i++) operands[i + 2] = self->carried[i];
    for (uint32_t i = 0; i < n_results; i++)
        types[i] = i < self->n_carried ? adze_value_type(self->carried[i]) : adze_type_none(import->context);
    import->builder.loc = self->node->loc;
    adze_op *op = adze_build(&import->builder, "loop", operands, self->n_carried + 2, NULL, 0, types, n_results);
    free(operands);
    if (!op) return NULL;
    adze_op_add_node(op, self->node->name);
    adze_region *region = adze_op_region(op, 0);
    adze_region_add_arg(region, adze_type_tensor(import->context, ADZE_DTYPE_i64, 0, NULL, NULL), NULL);
    for (uint32_t i = 0; i < self->n_carried; i++) adze_region_add_arg(region, types[i], NULL);
    return op;
}

/* A value that takes the place of an optional becomes one; false after an error. */
static bool wrap(adze_onnx_repeat *self, const adze_region *region, uint32_t index, adze_ir_value **value)
{
    adze_type_kind want = adze_type_get_kind(adze_value_type(adze_region_arg(region, index + 1)));
    if (want != ADZE_TYPE_OPTIONAL || adze_type_get_kind(adze_value_type(*value)) == want) return true;
    if (index >= 64) return adze_onnx_unsupported(self->node, "so many carried values");
    self->wrapped |= UINT64_C(1) << index;
    *value = adze_onnx_emit(self->node, "optional", value, 1, NULL, 0);
    return *value != NULL;
}

/* The region's end. Going on for good is what an absent operand says. */
static bool yield(adze_onnx_repeat *self, adze_onnx_body *body, const adze_region *region)
{
    uint32_t n = 1 + self->n_carried + self->n_stacks;
    adze_ir_value **values = calloc(n, sizeof(adze_ir_value *));
    if (!values) abort();
    for (uint32_t i = self->decides ? 0 : 1; i < n; i++) values[i] = body->out[self->decides ? i : i - 1];
    bool always = true, ok = true;
    if (values[0]) {
        const adze_type *type = adze_value_type(values[0]);
        ok = (adze_type_is_tensor(type) && adze_type_dtype(type) == ADZE_DTYPE_bool) ||
             adze_onnx_invalid(self->node, "the first output of its graph is no bool");
        if (!adze_onnx_known_bool(values[0], &always)) always = false;
        if (always) values[0] = NULL;
    }
    if (ok && always && !self->bound) ok = adze_onnx_invalid(self->node, "it never ends");
    for (uint32_t i = 0; ok && i < self->n_carried; i++) ok = wrap(self, region, i, &values[i + 1]);
    ok = ok && adze_onnx_body_yield(body, values, n);
    free(values);
    return ok;
}

static bool read_once(adze_onnx_repeat *self, adze_region *region)
{
    adze_onnx_import *import = self->node->import;
    adze_builder before = import->builder;
    adze_onnx_body body;
    import->builder = adze_builder_at_end(import->module, region);
    bool ok = adze_onnx_body_begin(&body, self->node, self->scope, self->graph) && self->enter(self, &body, region) &&
              adze_onnx_body_run(&body) && (!self->leave || self->leave(self, &body, region)) &&
              yield(self, &body, region);
    adze_onnx_body_end(&body);
    import->builder = before;
    return ok;
}

/* Makes carried types as wide as what the graph gives back. */
static bool widen(adze_onnx_repeat *self, adze_region *region, uint32_t round, bool *out_changed)
{
    const adze_op *end = adze_region_last(region);
    *out_changed = false;
    for (uint32_t i = 0; i < self->n_carried; i++) {
        adze_ir_value *argument = adze_region_arg(region, i + 1);
        const adze_type *type = adze_value_type(argument), *got = adze_value_type(adze_op_operand(end, i + 1));
        const adze_type *both = adze_type_common(type, got);
        if (!both) {
            char text[2][128];
            adze_type_print(type, text[0], sizeof text[0]);
            adze_type_print(got, text[1], sizeof text[1]);
            return adze_onnx_invalid(self->node, "carried value %u is %s, and %s after a run", i, text[0], text[1]);
        }
        if (both == type) continue;
        if (round >= MAX_ROUNDS && adze_type_is_tensor(both))
            both = adze_type_unranked(adze_type_context(both), adze_type_dtype(both));
        adze_value_set_type(argument, both);
        *out_changed = true;
    }
    return true;
}

/* Reads the graph until carried types stay what they are. */
static bool settle(adze_onnx_repeat *self, adze_region *region)
{
    adze_onnx_import *import = self->node->import;
    adze_const *last = adze_onnx_last_const(import);
    for (uint32_t round = 1;; round++) {
        bool changed, ok = read_once(self, region) && !adze_onnx_told(self->node) &&
                           widen(self, region, round, &changed);
        if (ok && !changed) {
            adze_onnx_drop_consts(import, last);
            return true;
        }
        adze_onnx_discard(import, region, last);
        if (!ok) return false;
    }
}

const adze_type *adze_onnx_stack_type(adze_onnx_node *node, const adze_dim *runs, const adze_type *one)
{
    adze_context *context = adze_type_context(one);
    if (!adze_type_is_tensor(one)) {
        adze_onnx_invalid(node, "stacks what is no tensor");
        return NULL;
    }
    if (!adze_type_is_ranked(one)) return adze_type_unranked(context, adze_type_dtype(one));
    uint32_t rank = adze_type_rank(one);
    if (rank == ADZE_MAX_RANK) {
        adze_onnx_unsupported(node, "a stack of more than %d dims", ADZE_MAX_RANK);
        return NULL;
    }
    const adze_dim *dims[ADZE_MAX_RANK];
    dims[0] = runs ? runs : adze_dim_unknown(context);
    for (uint32_t i = 0; i < rank; i++) dims[i + 1] = adze_type_dim(one, i);
    return adze_type_tensor(context, adze_type_dtype(one), rank + 1, dims, NULL);
}

static bool set_types(const adze_onnx_repeat *self, adze_op *op)
{
    adze_region *region = adze_op_region(op, 0);
    const adze_op *end = adze_region_last(region);
    for (uint32_t i = 0; i < self->n_carried; i++)
        adze_value_set_type(adze_op_result(op, i), adze_value_type(adze_region_arg(region, i + 1)));
    for (uint32_t i = self->n_carried; i < adze_op_num_results(op); i++) {
        const adze_type *one = adze_value_type(adze_op_operand(end, i + 1));
        const adze_type *type = adze_onnx_stack_type(self->node, self->runs, one);
        if (!type) return false;
        adze_value_set_type(adze_op_result(op, i), type);
    }
    return true;
}

/* A loop whose graph may end it early has stacks of an unknown length. */
static void note_runs(adze_onnx_repeat *self, const adze_op *op)
{
    int64_t bound;
    bool to_the_end = !self->condition && !adze_op_operand(adze_region_last(adze_op_region(op, 0)), 0);
    if (!to_the_end)
        self->runs = NULL;
    else if (!self->runs && adze_value_as_ints(self->bound, &bound, 1) == 1)
        self->runs = adze_dim_const(adze_op_context(op), bound > 0 ? bound : 0);
}

adze_ir_value *adze_onnx_repeat_result(const adze_onnx_repeat *self, adze_op *op, uint32_t index)
{
    adze_ir_value *result = adze_op_result(op, index);
    bool wrapped = index < 64 && self->wrapped >> index & 1;
    return wrapped ? adze_onnx_emit(self->node, "optional_get_element", &result, 1, NULL, 0) : result;
}

adze_op *adze_onnx_repeat_import(adze_onnx_repeat *self)
{
    const adze_type **types = calloc(self->n_carried + self->n_stacks + 1u, sizeof *types);
    if (!types) abort();
    adze_op *op = make(self, types);
    free(types);
    if (!op) return NULL;
    bool ok = settle(self, adze_op_region(op, 0));
    if (ok) note_runs(self, op);
    if (ok && set_types(self, op)) return op;
    adze_onnx_discard(self->node->import, adze_op_region(op, 0), adze_onnx_last_const(self->node->import));
    adze_op_erase(op);
    return NULL;
}
