/* widen: sums of half precision run in f32. Integers below a byte: bytes.c.
 *
 * Casts move in front of moves that only such sums read, so that tensors between kernels are f32 where both sides
 * want them to be, and constants become f32 when the artifact is written.
 *
 *     %0 = conv(%x, @w) : f16[1,8,4,4]      →      %1 = cast(%x) {to = f32} : f32[1,8,4,4]
 *                                                  %2 = conv(%1, @w.f32) : f32[1,8,4,4]
 *                                                  %0 = cast(%2) {to = f16} : f16[1,8,4,4]
 */
#include <adze/ir.h>
#include <adze/pass.h>

#include "passes/examples_embedded.h"
#include "passes/weights/build.h"
#include "passes/widen/widen.h"

typedef struct widener {
    adze_pass_run *run;
    adze_map *wide; /* half-precision value to its f32 twin */
    bool failed;
} widener;

static bool is_half(const adze_ir_value *value)
{
    const adze_type *type = value ? adze_value_type(value) : NULL;
    if (!type || !adze_type_is_tensor(type) || !adze_type_is_ranked(type)) return false;
    return adze_type_dtype(type) == ADZE_DTYPE_f16 || adze_type_dtype(type) == ADZE_DTYPE_bf16;
}

/* The op sums, in a form that kernels have. */
static bool sums(const adze_op *op)
{
    adze_access access;
    uint64_t any[] = {ADZE_CONTRACTION, ADZE_REDUCE, ADZE_NORMALIZE};
    bool found = false, attention = adze_op_is(op, "attention");
    for (int i = 0; i < 3; i++) found |= adze_op_has_trait(op, any[i]);
    if ((!found && !attention) || !adze_op_has_trait(op, ADZE_PURE) || adze_op_num_results(op) != 1) return false;
    if (!is_half(adze_op_result(op, 0))) return false;
    return attention || adze_op_has_trait(op, ADZE_NORMALIZE) || adze_op_access(op, &access);
}

/* Does it choose one of its elements, so that nothing is rounded? */
static bool chooses(const adze_op *op)
{
    adze_access access;
    return adze_op_has_trait(op, ADZE_REDUCE) && adze_op_access(op, &access) && !access.mean &&
           (access.combine == ADZE_COMBINE_MAX || access.combine == ADZE_COMBINE_MIN);
}

static bool moves(const adze_op *op)
{
    if (!op || !adze_op_has_trait(op, ADZE_MOVE) || !adze_op_has_trait(op, ADZE_PURE)) return false;
    return adze_op_num_results(op) == 1 && is_half(adze_op_operand(op, 0));
}

/* Is every reader an op that wants f32, or a move to such ops? */
static bool read_wide(const adze_ir_value *value, int depth)
{
    for (const adze_use *use = adze_value_first_use(value); use; use = adze_use_next(use)) {
        adze_op *user = adze_use_op(use);
        if (sums(user)) continue;
        if (!depth || !moves(user) || !read_wide(adze_op_result(user, 0), depth - 1)) return false;
    }
    return true;
}

static const adze_type *with_dtype(adze_context *context, const adze_type *type, adze_dtype dtype)
{
    return adze_type_tensor(context, dtype, adze_type_rank(type), adze_type_dims(type), NULL);
}

adze_ir_value *widen_constant(adze_op *user, adze_ir_value *value, adze_dtype to)
{
    adze_module *module = adze_op_module(user);
    adze_context *context = adze_op_context(user);
    adze_const *source = adze_value_const(value);
    adze_builder b = adze_builder_before(user);
    adze_ir_value *made = build_cast(&b, value, to);
    if (!made) return NULL;
    adze_op *op = adze_value_op(made);
    const adze_type *type = adze_value_type(made);
    adze_data *data = adze_data_derived(context, adze_op_get_row(op), adze_op_attrs(op), &source, 1, type);
    adze_op_erase(op);
    const char *name = adze_internf(context, "%s.%s", adze_const_name(source), to == ADZE_DTYPE_f32 ? "f32" : "bytes");
    adze_const *result = data ? adze_module_add_const(module, name, type, data) : NULL;
    return result ? adze_const_value(result) : NULL;
}

static adze_op *rebuild(widener *w, adze_builder *b, adze_op *op);

/* The value's f32 twin, made where the value is; `user` is the op that asks. */
static adze_ir_value *wide(widener *w, adze_op *user, adze_ir_value *value)
{
    adze_ir_value *known = adze_map_get(w->wide, value);
    if (known || !is_half(value)) return known ? known : value;
    adze_op *op = adze_value_op(value);
    if (adze_value_const(value)) {
        known = widen_constant(user, value, ADZE_DTYPE_f32);
    } else if (moves(op) && read_wide(value, 8)) {
        adze_builder b = adze_builder_after(op);
        adze_op *made = rebuild(w, &b, op);
        known = made ? adze_op_result(made, 0) : NULL;
    } else {
        adze_builder b = op ? adze_builder_after(op) : adze_builder_before(adze_region_first(adze_value_region(value)));
        if (op) adze_builder_inherit(&b, op);
        known = build_cast(&b, value, ADZE_DTYPE_f32);
    }
    if (!known) w->failed = true;
    adze_map_set(w->wide, value, known);
    return known;
}

/* The op over f32 twins. */
static adze_op *rebuild(widener *w, adze_builder *b, adze_op *op)
{
    const adze_type *type = with_dtype(adze_op_context(op), adze_value_type(adze_op_result(op, 0)), ADZE_DTYPE_f32);
    adze_map *map = adze_map_create();
    for (uint32_t i = 0; i < adze_op_num_operands(op) && !w->failed; i++) {
        adze_ir_value *operand = adze_op_operand(op, i);
        if (operand) adze_map_set(map, operand, wide(w, op, operand));
    }
    adze_op *made = w->failed ? NULL : adze_clone(b, op, map);
    if (made) adze_value_set_type(adze_op_result(made, 0), type);
    adze_map_destroy(map);
    return made;
}

static bool widen_op(widener *w, adze_op *op)
{
    adze_ir_value *old = adze_op_result(op, 0);
    adze_builder b = adze_builder_before(op);
    adze_op *made = rebuild(w, &b, op);
    adze_ir_value *result = made ? adze_op_result(made, 0) : NULL;
    adze_ir_value *narrow = made ? build_cast(&b, result, adze_type_dtype(adze_value_type(old))) : NULL;
    if (!narrow) return w->failed = true, false;
    adze_value_set_name(narrow, adze_value_name(old));
    adze_value_replace_uses(old, narrow);
    if (chooses(made)) adze_map_set(w->wide, narrow, result);
    adze_op_erase(op);
    return true;
}

static bool widen_region(widener *w, adze_region *region)
{
    bool changed = false;
    for (adze_op *op = adze_region_first(region), *next; op && !w->failed; op = next) {
        next = adze_op_next(op);
        for (uint32_t i = 0; i < adze_op_num_regions(op); i++)
            if (adze_op_has_trait(op, ADZE_FREE)) changed |= widen_region(w, adze_op_region(op, i));
        if (sums(op) && adze_rewrite(w->run, op, "widen")) changed |= widen_op(w, op);
    }
    return changed;
}

static adze_outcome run(adze_func *func, const void *options, adze_pass_run *self)
{
    (void)options;
    widener w = {.run = self, .wide = adze_map_create()};
    bool changed = widen_region(&w, adze_func_body(func));
    adze_map_destroy(w.wide);
    w.failed |= !widen_bytes(func, self, &changed);
    return w.failed ? ADZE_FAILED : changed ? ADZE_CHANGED : ADZE_UNCHANGED;
}

const adze_pass adze_pass_widen = {
    .struct_size = sizeof(adze_pass),
    .name = "widen",
    .help = "sums over half precision run in f32, integers below a byte as bytes",
    .numerics = ADZE_FAST,
    .run = run,
    .purpose = "lower",
    .contract = "Contractions, reductions, normalizations and attention over f16 or bf16 take f32 operands, and their "
                "result is rounded once, where the op says. Elementwise ops stay as they are: each rounds. Run it "
                "before fuse, and dce after it. A sum is rounded to f32 before it is rounded to half precision. Codes "
                "below a byte are quantized and dequantized as bytes, packed where others read them.",
    .example = adze_example_widen,
};
