/* cse: an op that computes what an op above it computes is replaced by that one.
 *
 * Small constants are merged first, so that ops that use copies of one number become equal, too.
 *
 *     %0 = relu(%x) : f32[4]      →      %0 = relu(%x) : f32[4]
 *     %1 = relu(%x) : f32[4]             %2 = add(%0, %0) : f32[4]
 *     %2 = add(%0, %1) : f32[4]
 */
#include <adze/ir.h>
#include <adze/pass.h>
#include <adze/table.h>

#include "passes/examples_embedded.h"

#include <string.h>

/* Constants above this are not compared: weights are shared by the exporter or not at all. */
enum { SMALL_BYTES = 4096 };

typedef struct scope {
    adze_table ops;
    const struct scope *outer;
} scope;

static bool same_op(const void *self, const void *item) { return adze_op_same(self, item); }

static adze_op *find(const scope *s, uint64_t hash, const adze_op *op)
{
    for (; s; s = s->outer) {
        adze_op *found = adze_table_find(&s->ops, hash, same_op, op);
        if (found) return found;
    }
    return NULL;
}

static void merge(adze_op *op, adze_op *into)
{
    for (uint32_t i = 0; i < adze_op_num_results(op); i++)
        adze_value_replace_uses(adze_op_result(op, i), adze_op_result(into, i));
    adze_op_add_nodes_of(into, op);
    adze_op_erase(op);
}

static bool merge_ops(adze_region *region, const scope *outer, adze_pass_run *self)
{
    bool changed = false;
    scope s = {.outer = outer};
    for (adze_op *op = adze_region_first(region), *next; op; op = next) {
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            changed |= merge_ops(adze_op_region(op, i), adze_op_has_trait(op, ADZE_FREE) ? &s : NULL, self);
        if (!adze_op_has_trait(op, ADZE_PURE) || adze_op_num_regions(op) || !adze_op_num_results(op)) continue;
        uint64_t hash = adze_op_hash(op);
        adze_op *found = find(&s, hash, op);
        if (!found) {
            adze_table_add(&s.ops, hash, op);
            continue;
        }
        if (!adze_rewrite(self, op, "merge")) continue;
        merge(op, found);
        changed = true;
    }
    adze_table_free(&s.ops);
    return changed;
}

static bool same_constant(const void *self, const void *item)
{
    const adze_const *a = self, *b = item;
    if (adze_const_type(a) != adze_const_type(b)) return false;
    adze_data *x = adze_const_data(a), *y = adze_const_data(b);
    if (x == y) return true;
    if (adze_data_size(x) != adze_data_size(y)) return false;
    const void *p = adze_data_load(x), *q = adze_data_load(y);
    return p && q && !memcmp(p, q, adze_data_size(x));
}

/* ADZE_FAILED where a constant cannot be read. */
static adze_outcome merge_constants(adze_module *module, adze_pass_run *self)
{
    adze_table seen = {0};
    adze_outcome outcome = ADZE_UNCHANGED;
    for (adze_const *c = adze_module_first_const(module); c; c = adze_const_next(c)) {
        adze_data *data = adze_const_data(c);
        adze_ir_value *value = adze_const_value(c);
        if (!adze_value_has_uses(value) || adze_data_size(data) > SMALL_BYTES) continue;
        if (adze_type_dtype(adze_const_type(c)) == ADZE_DTYPE_str) continue; /* its bytes are pointers */
        const void *bytes = adze_data_load(data);
        if (!bytes) {
            outcome = ADZE_FAILED;
            break;
        }
        uint64_t hash = adze_hash_bytes(bytes, adze_data_size(data));
        adze_const *found = adze_table_find(&seen, hash, same_constant, c);
        if (found && !adze_rewrite(self, adze_use_op(adze_value_first_use(value)), "merge-constant")) continue;
        if (found) {
            adze_value_replace_uses(value, adze_const_value(found));
            outcome = ADZE_CHANGED;
        } else {
            adze_table_add(&seen, hash, c);
        }
    }
    adze_table_free(&seen);
    return outcome;
}

static adze_outcome run(adze_module *module, const void *options, adze_pass_run *self)
{
    (void)options;
    adze_outcome outcome = merge_constants(module, self);
    if (outcome == ADZE_FAILED) return outcome;
    for (adze_func *func = adze_module_first_func(module); func; func = adze_func_next(func))
        if (merge_ops(adze_func_body(func), NULL, self)) outcome = ADZE_CHANGED;
    return outcome;
}

const adze_pass adze_pass_cse = {
    .struct_size = sizeof(adze_pass),
    .name = "cse",
    .help = "replace ops and small constants that are equal to earlier ones",
    .numerics = ADZE_EXACT,
    .run_module = run,
    .purpose = "simplify",
    .contract = "Two ops are equal if row, operands, attributes and result types are. Ops in a region that may use "
                "values from outside are compared with those above it, too; ops in other regions only with those of "
                "their own. Ops that are not PURE, or that have regions, stay. Constants of up to 4 KB are merged if "
                "type and bytes are equal.",
    .example = adze_example_cse,
};
